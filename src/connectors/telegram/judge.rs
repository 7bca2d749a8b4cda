//! What an answer of the Bot API means. Invariant: pure; "it surely did not happen" is said only where
//! the answer proves it, and no text that leaves here holds the token or anybody's phone.

use crate::connectors::http::{Failure, Response, Sent};
use crate::domain::Delay;
use serde_json::Value;
use std::time::Duration;

/// The longest wait that is believed, as of `Retry-After`.
const LONGEST_WAIT: u64 = 600;
/// Characters of a description that are worth showing.
const LONGEST: usize = 200;

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// With this result.
    Done(Value),
    /// Telegram refuses this very call, and will again.
    Refused(Refusal),
    /// It surely did not happen; try again.
    Later(Delay),
    /// It may have happened.
    Unknown(Delay),
}

/// A refusal in Telegram's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `error_code`: 400, 403.
    pub code: u16,
    pub said: String,
}

/// Descriptions that mean that there is nobody to write to, in lower case.
const NOBODY: [&str; 9] = [
    "blocked by the user",
    "user is deactivated",
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "initiate conversation",
    "bot was kicked",
    "user_is_blocked",
    "group chat was deleted",
];
/// Descriptions that mean that the bot may not write there.
const NO_RIGHT: [&str; 5] =
    ["not enough rights", "have no rights", "write_forbidden", "not a member", "restricted"];

impl Refusal {
    pub fn says(&self, words: &str) -> bool {
        self.said.to_lowercase().contains(words)
    }

    /// The refusal of a message, with the code by which all messengers tell why.
    pub fn told(&self) -> String {
        let code = if NOBODY.iter().any(|words| self.says(words)) {
            "customer_not_exists"
        } else if self.code == 403 || NO_RIGHT.iter().any(|words| self.says(words)) {
            "access_restricted"
        } else {
            "general"
        };
        format!("{code}: {}", self.said)
    }
}

/// Judges an answer to any method.
pub fn judge(answer: Result<Response, Failure>, token: &str) -> Judged {
    let response = match answer {
        Ok(response) => response,
        Err(failure) if failure.sent == Sent::No => return Judged::Later(failure.delay()),
        Err(failure) => return Judged::Unknown(failure.delay()),
    };
    let Some(body) = envelope(&response) else { return foreign(&response) };
    if body.get("ok") == Some(&Value::Bool(true)) {
        return Judged::Done(body.get("result").cloned().unwrap_or_default());
    }
    let code = body.get("error_code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or(response.status);
    let said = line(body.get("description").and_then(Value::as_str).unwrap_or_default(), token);
    let asked = body.pointer("/parameters/retry_after").and_then(Value::as_u64);
    let asked = asked.map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT)));
    match code {
        429 => {
            let why = "Telegram asks for fewer requests (HTTP 429)";
            Judged::Later(Delay::item(why).after(asked.or(response.retry_after)))
        }
        // What is no token at all is an unknown path to it.
        401 | 404 => Judged::Later(Delay::access(format!(
            "Telegram knows no bot with this token (HTTP {code}: {said})"
        ))),
        409 => Judged::Later(Delay::setup(conflict(&said))),
        400 | 403 | 413 => Judged::Refused(Refusal { code, said }),
        500.. => Judged::Unknown(
            Delay::connection(format!("Telegram is in trouble (HTTP {code})")).after(asked),
        ),
        _ => Judged::Later(Delay::connection(format!("Telegram refused (HTTP {code}: {said})"))),
    }
}

/// The JSON that every answer of the Bot API is.
fn envelope(response: &Response) -> Option<Value> {
    let body: Value = serde_json::from_slice(&response.body).ok()?;
    body.get("ok")?.is_boolean().then_some(body)
}

/// An answer of somebody else: a proxy, a page, what was cut off.
fn foreign(response: &Response) -> Judged {
    let status = response.status;
    match status {
        300..400 => Judged::Later(Delay::connection(format!(
            "Telegram redirects elsewhere (HTTP {status}); is the `url` of this connection right?"
        ))),
        413 => Judged::Refused(Refusal { code: status, said: "the request is too large".into() }),
        429 => Judged::Later(
            Delay::item("Telegram asks for fewer requests (HTTP 429)").after(response.retry_after),
        ),
        400..500 => Judged::Later(Delay::connection(format!(
            "somebody else answers in Telegram's place (HTTP {status}); is `url` right?"
        ))),
        _ => Judged::Unknown(Delay::connection(format!(
            "Telegram's answer cannot be read (HTTP {status})"
        ))),
    }
}

/// Two want the updates of one bot.
fn conflict(said: &str) -> String {
    let text = said.to_lowercase();
    if text.contains("other getupdates") {
        return "another program fetches the updates of this bot: stop it, or give this connection \
                a bot of its own"
            .to_owned();
    }
    if text.contains("webhook") {
        return "a webhook is set for this bot, so its updates cannot be fetched: run `leadlink \
                setup`, which removes it, or write mode = \"webhook\""
            .to_owned();
    }
    format!("somebody else uses this bot (HTTP 409: {said})")
}

/// A description as a person reads it: one short line without the token and without phones.
fn line(text: &str, token: &str) -> String {
    let text = if token.is_empty() { text.to_owned() } else { text.replace(token, "…") };
    let long = |word: &str| word.chars().filter(char::is_ascii_digit).count() >= 10;
    // Ids of chats are as long as phones, and as personal.
    let words = text.split_whitespace().map(|word| if long(word) { "…" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    let bare = ["Bad Request: ", "Forbidden: ", "Conflict: ", "Unauthorized: "]
        .iter()
        .find_map(|head| line.strip_prefix(head))
        .unwrap_or(&line);
    let shown: String = bare.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
    if shown.is_empty() { "no reason was given".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Whose;
    use axum::body::Bytes;
    use rstest::rstest;

    const TOKEN: &str = "123456:secret";

    fn judged(status: u16, body: &str) -> Judged {
        let body = Bytes::from(body.to_owned());
        let content_type = "application/json".to_owned();
        judge(Ok(Response { status, content_type, body, retry_after: None }), TOKEN)
    }

    fn word(judged: &Judged) -> String {
        match judged {
            Judged::Done(_) => "done".to_owned(),
            Judged::Refused(refusal) => refusal.told(),
            Judged::Unknown(_) => "unknown".to_owned(),
            Judged::Later(delay) => match delay.whose {
                Whose::Item => format!("later {:?}", delay.after.map(|after| after.as_secs())),
                Whose::Connection => "connection".to_owned(),
                Whose::Access => "access".to_owned(),
                Whose::Setup => "setup".to_owned(),
            },
        }
    }

    #[rstest]
    #[case(200, r#"{"ok":true,"result":{"message_id":1}}"#, "done")]
    #[case(
        429,
        r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}"#,
        "later Some(7)"
    )]
    #[case(
        429,
        r#"{"ok":false,"error_code":429,"description":"","parameters":{"retry_after":86400}}"#,
        "later Some(600)"
    )]
    #[case(401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "access")]
    #[case(404, r#"{"ok":false,"error_code":404,"description":"Not Found"}"#, "access")]
    #[case(
        403,
        r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#,
        "customer_not_exists: bot was blocked by the user"
    )]
    #[case(
        403,
        r#"{"ok":false,"error_code":403,"description":"Forbidden: bot is not a member of the channel chat"}"#,
        "access_restricted: bot is not a member of the channel chat"
    )]
    #[case(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
        "customer_not_exists: chat not found"
    )]
    #[case(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: message is too long"}"#,
        "general: message is too long"
    )]
    #[case(409, r#"{"ok":false,"error_code":409,"description":"Conflict"}"#, "setup")]
    #[case(500, r#"{"ok":false,"error_code":500,"description":"Internal"}"#, "unknown")]
    #[case(502, "<html>", "unknown")]
    #[case(200, "<html>", "unknown")]
    #[case(200, r#"{"ok":tr"#, "unknown")]
    #[case(403, "<html>", "connection")]
    #[case(404, "<html>", "connection")]
    #[case(302, "", "connection")]
    #[case(413, "<html>", "general: the request is too large")]
    fn an_answer_is_judged_by_its_envelope(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(word(&judged(status, body)), expected);
    }

    #[test]
    fn what_never_left_is_later_and_what_was_lost_is_unknown() {
        for (sent, expected) in [(Sent::No, "connection"), (Sent::Maybe, "unknown")] {
            let failure = Failure { sent, why: "no".to_owned() };
            assert_eq!(word(&judge(Err(failure), TOKEN)), expected);
        }
    }

    #[rstest]
    #[case("terminated by other getUpdates request; make sure that …", "another program")]
    #[case("can't use getUpdates method while webhook is active; use …", "a webhook is set")]
    #[case("who knows", "who knows")]
    fn a_conflict_says_what_to_do(#[case] said: &str, #[case] told: &str) {
        assert!(conflict(said).contains(told));
    }

    #[test]
    fn a_line_holds_neither_token_nor_phone() {
        assert_eq!(line("Bad Request: no 123456:secret\nhere", TOKEN), "no … here");
        assert_eq!(line("contact +79990000001 is bad", TOKEN), "contact … is bad");
        assert_eq!(line("", TOKEN), "no reason was given");
    }
}
