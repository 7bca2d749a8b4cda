//! What the answer to a batch of deals means, item by item. Invariant: pure; HTTP 200 is no success of
//! an item, and "it surely did not happen" is said only where the answer proves it.

use super::fields;
use super::said::{line, message_of};
use super::wire::scalar_text;
use crate::connectors::http::{Failure, Response, Sent};
use crate::domain::Delay;
use serde_json::Value;

/// What an answer says of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Judged {
    /// Of each item, in the order of the batch.
    Each(Vec<Said>),
    /// The whole body is refused, for one item of it or for more. Nothing of it happened.
    Refused(String),
    /// Nothing of it happened; try again.
    Later(Delay),
    /// All of it may have happened.
    Unknown(Delay),
}

/// What an answer says of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Written, under this id of Calltouch's.
    Done(String),
    /// There is such a deal already.
    Exists(String),
    Refused(String),
    /// Nothing.
    Silence,
}

/// Errors that mean "there is such a deal already", in lower case. Calltouch documents none: these are
/// the wordings that such services use. One that is missed refuses the item, and a person reads it;
/// one that is taken wrongly sends an update, which is refused where there is no deal.
const EXISTS: [&str; 14] = [
    "already exist",
    "already been created",
    "already created",
    "already registered",
    "duplicate",
    "not unique",
    "must be unique",
    "уже существует",
    "уже есть",
    "уже создан",
    "уже зарегистрирован",
    "дублик",
    "дублир",
    "не уникал",
];

/// Judges the answer to a batch of deals with these order numbers.
pub fn judge(answer: &Result<Response, Failure>, numbers: &[&str], token: &str) -> Judged {
    let response = match answer {
        Ok(response) => response,
        Err(failure) if failure.sent == Sent::No => return Judged::Later(failure.delay()),
        Err(failure) => return Judged::Unknown(failure.delay()),
    };
    let status = response.status;
    let after = response.retry_after;
    match status {
        401 | 403 => Judged::Later(Delay::access(format!(
            "Calltouch refuses the token or has no such site for it (HTTP {status})"
        ))),
        429 => busy(response),
        503 if after.is_some() && !response.is_html() => busy(response),
        200..300 if !response.is_html() => written(response, numbers, token),
        300..400 => Judged::Later(Delay::connection(format!(
            "Calltouch redirects elsewhere (HTTP {status}); is the `url` of this connection right?"
        ))),
        400 | 409 | 413 | 422 if !response.is_html() => {
            let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
            let said = message_of(&body).unwrap_or_default();
            Judged::Refused(refusal(&format!("HTTP {status}"), &said))
        }
        400..500 if !response.is_html() => Judged::Later(
            Delay::connection(format!("Calltouch refused the request (HTTP {status})"))
                .after(after),
        ),
        _ => Judged::Unknown(
            Delay::connection(format!("Calltouch is in trouble (HTTP {status})")).after(after),
        ),
    }
}

/// Does the text blame how far back a lead is looked for?
pub fn blames_depth(text: &str) -> bool {
    let text = text.to_lowercase().replace(['_', ' '], "");
    text.contains("searchdepth")
}

/// A refusal as a person reads it: without the people of the deal.
pub fn shown(text: &str, token: &str, private: &[String]) -> String {
    let line = line(text, token, private);
    if line.is_empty() { "no reason that can be shown".to_owned() } else { line }
}

fn busy(response: &Response) -> Judged {
    let why = format!("Calltouch asks for fewer requests (HTTP {})", response.status);
    Judged::Later(Delay::item(why).after(response.retry_after))
}

fn refusal(code: &str, said: &str) -> String {
    if said.is_empty() { code.to_owned() } else { format!("{code}: {said}") }
}

/// HTTP says yes: what the body says of each.
fn written(response: &Response, numbers: &[&str], token: &str) -> Judged {
    let garbled =
        |why: &str| Judged::Unknown(Delay::connection(format!("Calltouch's answer {why}")));
    let Ok(body) = serde_json::from_slice::<Value>(&response.body) else {
        return garbled("to deals is no whole JSON");
    };
    let lists = ["/data/orders", "/orders", "/data"].iter();
    let list = lists.filter_map(|path| body.pointer(path)?.as_array()).next();
    let Some(list) = list else {
        return match message_of(&body).filter(|said| !said.is_empty() && !said.contains(token)) {
            // The envelope of a refused body, under the wrong status.
            Some(said) if names_a_fault(&body) => Judged::Refused(said),
            _ => garbled("to deals names no deals"),
        };
    };
    let said = numbers.iter().enumerate().map(|(index, number)| said(list, index, number));
    Judged::Each(said.collect())
}

fn names_a_fault(body: &Value) -> bool {
    ["/data/validationErrorData", "/data/apiErrorData"]
        .iter()
        .any(|path| body.pointer(path).is_some_and(|fault| !fault.is_null()))
}

/// The record with the item's number; where records carry none, the one at its place.
fn said(list: &[Value], index: usize, number: &str) -> Said {
    let number_of = |record: &Value| record.get("orderNumber").and_then(scalar_text);
    let named = list.iter().find(|record| number_of(record).as_deref() == Some(number));
    let placed = || list.get(index).filter(|record| number_of(record).is_none());
    let Some(record) = named.or_else(placed) else { return Said::Silence };
    let id = ["calltouchOrderId", "orderId"]
        .iter()
        .filter_map(|name| record.get(*name).and_then(scalar_text))
        .find_map(|text| fields::id(&text).map(str::to_owned));
    if let Some(id) = id {
        return Said::Done(id);
    }
    let error = ["error", "errorMessage", "message"]
        .iter()
        .filter_map(|name| record.get(*name).filter(|error| !error.is_null()))
        .map(|error| scalar_text(error).unwrap_or_else(|| error.to_string()))
        .find(|text| !text.is_empty());
    match error {
        Some(text) if exists(&text) => Said::Exists(text),
        Some(text) => Said::Refused(text),
        None => Said::Silence,
    }
}

fn exists(text: &str) -> bool {
    let text = text.to_lowercase();
    EXISTS.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Whose;
    use axum::body::Bytes;
    use rstest::rstest;
    use serde_json::json;
    use std::time::Duration;

    fn answer(
        status: u16,
        kind: &str,
        after: Option<u64>,
        body: &str,
    ) -> Result<Response, Failure> {
        Ok(Response {
            status,
            content_type: kind.to_owned(),
            body: Bytes::from(body.to_owned()),
            retry_after: after.map(Duration::from_secs),
        })
    }

    fn each(body: Value) -> Judged {
        judge(&answer(200, "application/json", None, &body.to_string()), &["1", "2"], "token")
    }

    fn word(judged: &Judged) -> &'static str {
        match judged {
            Judged::Each(_) => "each",
            Judged::Refused(_) => "refused",
            Judged::Later(delay) => match delay.whose {
                Whose::Item => "later",
                Whose::Connection => "connection",
                Whose::Access => "access",
                Whose::Setup => "setup",
            },
            Judged::Unknown(_) => "unknown",
        }
    }

    const JSON: &str = "application/json";

    #[rstest]
    #[case(400, JSON, None, "{}", "refused")]
    #[case(422, JSON, None, "", "refused")]
    #[case(400, "text/html", None, "<html>", "unknown")]
    #[case(401, JSON, None, "{}", "access")]
    #[case(403, "text/html", None, "<html>", "access")]
    #[case(404, JSON, None, "{}", "connection")]
    #[case(302, JSON, None, "", "connection")]
    #[case(429, JSON, Some(7), "", "later")]
    #[case(429, "text/html", None, "<html>", "later")]
    #[case(503, JSON, Some(7), "{}", "later")]
    #[case(503, JSON, None, "{}", "unknown")]
    #[case(503, "text/html", Some(7), "<html>", "unknown")]
    #[case(500, JSON, None, "{}", "unknown")]
    #[case(200, "text/html", None, "<html>", "unknown")]
    #[case(200, JSON, None, "[{", "unknown")]
    #[case(200, JSON, None, "{}", "unknown")]
    #[case(200, JSON, None, r#"{"message":"fine"}"#, "unknown")]
    #[case(
        200,
        JSON,
        None,
        r#"{"data":{"validationErrorData":{"violations":[{"message":"bad"}]}}}"#,
        "refused"
    )]
    #[case(201, JSON, None, r#"{"data":{"orders":[]}}"#, "each")]
    fn the_status_and_the_kind_of_body_come_first(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] after: Option<u64>,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        let judged = judge(&answer(status, kind, after, body), &["1"], "token");
        assert_eq!(word(&judged), expected, "{judged:?}");
        if let (Judged::Later(delay), Some(after)) = (&judged, after) {
            assert_eq!(delay.after, Some(Duration::from_secs(after)));
        }
    }

    #[test]
    fn what_never_left_is_later_and_what_was_lost_is_unknown() {
        for (sent, expected) in [(Sent::No, "connection"), (Sent::Maybe, "unknown")] {
            let failure = Failure { sent, why: "no".to_owned() };
            assert_eq!(word(&judge(&Err(failure), &["1"], "token")), expected);
        }
    }

    #[test]
    fn an_item_is_judged_by_its_number_else_by_its_place() {
        let done = |id: &str| Said::Done(id.to_owned());
        let refused = |why: &str| Said::Refused(why.to_owned());
        for (list, expected) in [
            (
                json!([{"orderNumber": "2", "calltouchOrderId": 20, "error": null},
                       {"orderNumber": 1, "calltouchOrderId": "10"}]),
                [done("10"), done("20")],
            ),
            (json!([{"calltouchOrderId": 10}, {"error": "bad"}]), [done("10"), refused("bad")]),
            (
                json!([{"orderNumber": "2", "error": {"code": 5}}]),
                [Said::Silence, refused("{\"code\":5}")],
            ),
            (
                json!([{"orderNumber": "1", "calltouchOrderId": 0, "error": null}, {"orderNumber": "9", "calltouchOrderId": 9}]),
                [Said::Silence, Said::Silence],
            ),
            (json!(["garbage", null]), [Said::Silence, Said::Silence]),
        ] {
            let judged = each(json!({"data": {"orders": list}}));
            assert_eq!(judged, Judged::Each(expected.to_vec()), "{list}");
        }
    }

    #[rstest]
    #[case("Order with this orderNumber already exists", true)]
    #[case("Duplicate orderNumber", true)]
    #[case("orderNumber must be unique", true)]
    #[case("Сделка с таким номером уже существует", true)]
    #[case("Сделка уже создана", true)]
    #[case("Номер сделки не уникален", true)]
    #[case("order not found", false)]
    #[case("Сделка не найдена", false)]
    #[case("the status does not exist", false)]
    fn a_deal_that_is_there_already_is_known_by_many_words(
        #[case] text: &str,
        #[case] there: bool,
    ) {
        assert_eq!(exists(text), there);
    }

    #[test]
    fn a_depth_is_blamed_however_it_is_written() {
        assert!(blames_depth("orders[0].matching[1].callContactParams.searchDepth must be less"));
        assert!(blames_depth("Search depth is too large") && !blames_depth("search is too deep"));
    }
}
