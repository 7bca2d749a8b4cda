//! What the gateway's answers mean. Invariant: pure; HTTP 200 is no success of a message, "it surely
//! was not sent" is said only where the answer proves it, and the account's trouble is never the message's.

use super::wire::{flag, text};
use crate::connectors::http::{Failure, Response, Sent, Verdict};
use crate::domain::Delay;
use serde_json::Value;

/// Characters of a far-side text that are worth showing.
const LONGEST: usize = 200;
/// From so many digits on, a number may be a phone.
const PHONE_DIGITS: usize = 9;

/// What an answer to a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// The gateway took it, under this id; empty where it says none.
    Sent(String),
    /// With the code in front.
    Refused(String),
    Later(Delay),
    Unknown(Delay),
}

/// The codes of a refusal, and by which words they are known (messengers.md §6.3).
const CODES: [(&str, &[&str]); 4] = [
    (
        "reply_timed_out",
        &["24 hour", "24h", "24-hour", "131047", "re-engagement", "window", "reengagement"],
    ),
    ("spam_suspicion", &["spam", "131048", "131056", "rate limit hit", "too many messages"]),
    (
        "customer_not_exists",
        &[
            "not exist",
            "doesn't exist",
            "no account",
            "noaccount",
            "not registered",
            "not on whatsapp",
            "not a whatsapp",
            "no whatsapp",
            "not a valid whatsapp",
            "invalid phone",
            "wrong phone",
            "phone is invalid",
            "phone is incorrect",
            "wrong chatid",
            "invalid chatid",
            "chat not found",
            "131026",
            "recipient",
            "blocked you",
            "wrong number",
        ],
    ),
    (
        "access_restricted",
        &["banned", "131031", "restricted", "forbidden", "not allowed", "permission"],
    ),
];

/// Words by which a refusal blames the account.
const ACCOUNT: [&str; 9] = [
    "not authorized",
    "not authenticated",
    "unauthorized",
    "not_paid",
    "not paid",
    "got qr code",
    "wrong token",
    "token",
    "subscription",
];
/// Words by which it says that it is not ready.
const NOT_READY: [&str; 6] =
    ["loading", "is starting", "starting process", "try later", "try again", "initializ"];

/// The code of a refusal.
pub fn code(said: &str) -> &'static str {
    let said = said.to_lowercase();
    let found = CODES.iter().find(|(_, words)| words.iter().any(|word| said.contains(word)));
    found.map_or("general", |(code, _)| code)
}

/// A refusal as flows and the CRM read it.
pub fn refusal(said: &str) -> String {
    let line = line(said);
    let line = if line.is_empty() { "the gateway gives no reason".to_owned() } else { line };
    format!("{}: {line}", code(said))
}

/// One line, without anybody's phone and without links.
pub fn line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let private = digits >= PHONE_DIGITS || word.contains("://") || word.contains('@');
        if private { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

/// The text of a refusal, wherever it stands.
pub fn said(body: &Value) -> Option<String> {
    if let Some(error) = body.get("error") {
        let inner = ["message", "error_data", "details", "title"];
        let found = inner.iter().find_map(|name| text(error, name));
        if let Some(found) = found.or_else(|| text(body, "error")) {
            return Some(found);
        }
    }
    ["message", "description", "reason"].iter().find_map(|name| text(body, name))
}

/// Judges the answer to a message.
pub fn judge(answer: &Result<Response, Failure>, token: &str) -> Judged {
    let response = match answer {
        Ok(response) => response,
        Err(failure) if failure.sent == Sent::No => return Judged::Later(failure.delay()),
        Err(failure) => return Judged::Unknown(failure.delay()),
    };
    let delay = |why: &str| Delay::connection(why).after(response.retry_after);
    let body = serde_json::from_slice::<Value>(&response.body).ok();
    match (response.verdict(), response.status) {
        (Verdict::Busy, 429) => Judged::Later(busy(response)),
        (Verdict::Busy, _) if response.retry_after.is_some() => Judged::Later(busy(response)),
        (Verdict::Busy | Verdict::Trouble, _) => {
            Judged::Unknown(delay(&format!("the gateway is in trouble (HTTP {})", response.status)))
        }
        (Verdict::Access, _) => Judged::Later(refused_token(response)),
        (Verdict::Readable, 200..300) => match body {
            Some(body) => spoken(&body, token),
            None => Judged::Unknown(delay("the gateway's answer is no whole JSON")),
        },
        (Verdict::Readable, 400 | 406 | 409 | 413 | 422) => {
            let said = body.as_ref().and_then(said).unwrap_or_default();
            blamed(&said, token)
        }
        (Verdict::Readable, status) => Judged::Later(delay(&format!(
            "the gateway knows no such method here (HTTP {status}); are `url`, `instance` and `profile` right?"
        ))),
    }
}

fn busy(response: &Response) -> Delay {
    let why = format!("the gateway asks for fewer requests (HTTP {})", response.status);
    Delay::item(why).after(response.retry_after)
}

fn refused_token(response: &Response) -> Delay {
    Delay::access(format!("the gateway refuses the token (HTTP {})", response.status))
}

/// HTTP says yes: what the body says.
fn spoken(body: &Value, token: &str) -> Judged {
    if body.get("sent").is_some() && flag(body, "sent") {
        return Judged::Sent(text(body, "id").unwrap_or_default());
    }
    let denies = body.get("sent").is_some() || body.get("error").is_some();
    if denies {
        return blamed(&said(body).unwrap_or_default(), token);
    }
    Judged::Unknown(Delay::connection(
        "the gateway's answer does not say whether it took the message",
    ))
}

/// Whom a refusal blames: the account, the gateway's state, or the message.
fn blamed(said: &str, token: &str) -> Judged {
    let said = said.replace(token, "…");
    let lower = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let of_message = code(&said) != "general";
    if has(&ACCOUNT) && !of_message {
        return Judged::Later(Delay::access(format!("the gateway refuses: {}", line(&said))));
    }
    if has(&NOT_READY) && !of_message {
        return Judged::Later(Delay::connection(format!(
            "the gateway is not ready: {}",
            line(&said)
        )));
    }
    Judged::Refused(refusal(&said))
}

/// The JSON of an answer to a question, or why there is none.
pub fn readable(answer: Result<Response, Failure>) -> Result<Value, Delay> {
    let response = answer.map_err(|failure| failure.delay())?;
    match response.verdict() {
        Verdict::Access => return Err(refused_token(&response)),
        Verdict::Readable if (200..300).contains(&response.status) => {}
        Verdict::Readable => {
            let status = response.status;
            return Err(Delay::connection(format!(
                "the gateway knows no such method here (HTTP {status}); are `url`, `instance` and \
                 `profile` right?"
            )));
        }
        _ => return Err(response.delay("the gateway").unwrap_or_else(|| busy(&response))),
    }
    let body: Value = serde_json::from_slice(&response.body)
        .map_err(|_| Delay::connection("the gateway's answer is no whole JSON"))?;
    match text(&body, "error") {
        Some(error) => Err(Delay::access(format!("the gateway refuses: {}", line(&error)))),
        None => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Whose;
    use axum::body::Bytes;
    use rstest::rstest;
    use std::time::Duration;

    fn judged(status: u16, kind: &str, after: Option<u64>, body: &str) -> &'static str {
        let answer = Ok(Response {
            status,
            content_type: kind.to_owned(),
            body: Bytes::from(body.to_owned()),
            retry_after: after.map(Duration::from_secs),
        });
        word(&judge(&answer, "secret-token"))
    }

    fn word(judged: &Judged) -> &'static str {
        match judged {
            Judged::Sent(_) => "sent",
            Judged::Refused(why) => code_of(why),
            Judged::Later(delay) => match delay.whose {
                Whose::Item => "later",
                Whose::Connection => "connection",
                Whose::Access => "access",
                Whose::Setup => "setup",
            },
            Judged::Unknown(_) => "unknown",
        }
    }

    fn code_of(why: &str) -> &'static str {
        let codes = CODES.iter().map(|(code, _)| *code).chain(["general"]);
        let mut codes = codes.filter(|code| why.starts_with(&format!("{code}: ")));
        codes.next().unwrap_or("no code")
    }

    const JSON: &str = "application/json";

    #[rstest]
    #[case(200, JSON, None, r#"{"sent":true,"id":"true_7@c.us_3E","message":"Sent to 7"}"#, "sent")]
    #[case(200, JSON, None, r#"{"sent":true,"message":"Sent"}"#, "sent")]
    #[case(200, JSON, None, r#"{"sent":false,"message":"Account is not authorized"}"#, "access")]
    #[case(200, JSON, None, r#"{"sent":false,"message":"instance is loading"}"#, "connection")]
    #[case(
        200,
        JSON,
        None,
        r#"{"sent":false,"message":"phone does not exist"}"#,
        "customer_not_exists"
    )]
    #[case(
        200,
        JSON,
        None,
        r#"{"sent":false,"message":"131047 Re-engagement message"}"#,
        "reply_timed_out"
    )]
    #[case(200, JSON, None, r#"{"sent":false,"message":"spam rate limit hit"}"#, "spam_suspicion")]
    #[case(200, JSON, None, r#"{"sent":false,"message":"you are banned"}"#, "access_restricted")]
    #[case(200, JSON, None, r#"{"sent":false}"#, "general")]
    #[case(200, JSON, None, r#"{"error":"body is required"}"#, "general")]
    #[case(200, JSON, None, r#"{"ok":true}"#, "unknown")]
    #[case(200, JSON, None, "{", "unknown")]
    #[case(200, "text/html", None, "<html>", "unknown")]
    #[case(400, JSON, None, r#"{"error":"wrong chatId"}"#, "customer_not_exists")]
    #[case(401, JSON, None, r#"{"error":"Wrong token"}"#, "access")]
    #[case(403, JSON, None, "{}", "access")]
    #[case(404, JSON, None, "{}", "connection")]
    #[case(302, JSON, None, "", "connection")]
    #[case(429, JSON, Some(7), "{}", "later")]
    #[case(503, JSON, Some(7), "{}", "later")]
    #[case(503, JSON, None, "{}", "unknown")]
    #[case(500, JSON, None, "{}", "unknown")]
    #[case(502, "text/html", None, "<html>", "unknown")]
    fn answers(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] after: Option<u64>,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(judged(status, kind, after, body), expected, "{status} {body}");
    }

    #[test]
    fn what_never_left_is_later_and_what_was_lost_is_unknown() {
        for (sent, expected) in [(Sent::No, "connection"), (Sent::Maybe, "unknown")] {
            let failure = Failure { sent, why: "no".to_owned() };
            assert_eq!(word(&judge(&Err(failure), "t")), expected);
        }
    }

    #[test]
    fn a_refusal_names_nobody_and_no_link() {
        let said = "phone 79990000001 at https://x.test/?a=1\nis a@b.test wrong";
        assert_eq!(refusal(said), "general: phone … at … is … wrong");
    }
}
