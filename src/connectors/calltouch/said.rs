//! What Calltouch says in words, fit for people. Invariant: a text that leaves here is one short line,
//! without the token and without anybody's phone, e-mail or name.

use serde_json::Value;

/// Characters of a far-side message that are worth showing.
const LONGEST: usize = 200;
/// From so many digits on, a number may be a phone.
const PHONE_DIGITS: usize = 10;
/// What stands in place of what is not shown.
const HIDDEN: &str = "…";

/// The text of the error envelopes (calltouch.md §1.8): `data.apiErrorData`,
/// `data.validationErrorData`, and `message`/`errorMessage` at the top or in `data`.
pub fn message_of(body: &Value) -> Option<String> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let data = body.get("data").unwrap_or(&Value::Null);
    if let Some(fault) = data.get("apiErrorData").filter(|fault| !fault.is_null()) {
        let code = fault.get("errorCode").and_then(Value::as_i64);
        let said = text(fault, "errorMessage").unwrap_or_default();
        return Some(code.map_or(said.clone(), |code| format!("{code} {said}")));
    }
    if let Some(list) = data.pointer("/validationErrorData/violations").and_then(Value::as_array) {
        let each = list.iter().map(|violation| {
            let field = text(violation, "field").unwrap_or_default();
            let said = text(violation, "message").unwrap_or_default();
            format!("{field} {said}").trim().to_owned()
        });
        return Some(each.collect::<Vec<_>>().join("; "));
    }
    [body, data]
        .into_iter()
        .flat_map(|table| [text(table, "message"), text(table, "errorMessage")])
        .flatten()
        .next()
}

/// A message as the tail of our text, and dropped where it repeats the token.
pub fn tail(text: &str, token: &str) -> String {
    let line = line(text, token, &[]);
    if line.is_empty() { line } else { format!(": {line}") }
}

/// A message in one line, without these private texts; empty where it repeats the token.
pub fn line(text: &str, token: &str, private: &[String]) -> String {
    if text.contains(token) {
        return String::new();
    }
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for own in private.iter().filter(|own| own.chars().count() > 2) {
        text = text.replace(own.as_str(), HIDDEN);
    }
    without_phones(&without_emails(&text)).chars().take(LONGEST).collect::<String>().trim().into()
}

fn without_emails(text: &str) -> String {
    let part = |word: &str| {
        let held = word.contains('@');
        if held { HIDDEN.to_owned() } else { word.to_owned() }
    };
    text.split(' ').map(part).collect::<Vec<_>>().join(" ")
}

/// Numbers of as many digits as a phone, whatever their mask.
fn without_phones(text: &str) -> String {
    let mut shown = String::new();
    let mut number = String::new();
    for symbol in text.chars().chain(['\0']) {
        let inside = symbol.is_ascii_digit() || matches!(symbol, '+' | '(' | ')' | '-' | ' ');
        if inside {
            number.push(symbol);
            continue;
        }
        if number.chars().filter(char::is_ascii_digit).count() >= PHONE_DIGITS {
            shown.push_str(&format!(" {HIDDEN} "));
        } else {
            shown.push_str(&number);
        }
        number.clear();
        if symbol != '\0' {
            shown.push(symbol);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_envelope_of_an_error_gives_its_text() {
        for (body, said) in [
            (
                json!({"data": {"apiErrorData": {"errorCode": 10003, "errorMessage": "no"}}}),
                Some("10003 no"),
            ),
            (
                json!({"data": {"validationErrorData": {"violations": [
                    {"field": "dateFrom", "message": "bad"}, {"message": "worse"}]}}}),
                Some("dateFrom bad; worse"),
            ),
            (json!({"message": "Invalid credentials"}), Some("Invalid credentials")),
            (json!({"data": {"message": "Invalid credentials"}}), Some("Invalid credentials")),
            (json!({"errorCode": 1, "errorMessage": "no site"}), Some("no site")),
            (json!([]), None),
        ] {
            assert_eq!(message_of(&body).as_deref(), said, "{body}");
        }
    }

    #[test]
    fn a_line_names_nobody() {
        let own = ["Имя Фамилия".to_owned()];
        for (text, shown) in [
            ("order 1001 is bad\nvery", "order 1001 is bad very"),
            ("phone +7 (999) 000-00-01 is bad", "phone … is bad"),
            ("[79990000001]", "[ … ]"),
            ("mail a@example.test is bad", "mail … is bad"),
            ("manager Имя Фамилия is unknown", "manager … is unknown"),
            ("the token secret is bad", ""),
        ] {
            assert_eq!(line(text, "secret", &own), shown, "{text}");
        }
        assert_eq!(line(&"ы".repeat(900), "secret", &own).chars().count(), LONGEST);
        assert_eq!(tail("", "secret"), "");
        assert_eq!(tail("no", "secret"), ": no");
    }
}
