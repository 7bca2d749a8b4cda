//! Paths and bodies with places in them. Invariant: a value is put into a text of the body, never into
//! its syntax; in a path it is one part and no more.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// What a place may be called: inputs of `message.send`.
pub const PLACES: [&str; 4] = ["chat", "text", "reply_to", "mark"];

const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The first place that nobody fills; a brace that stands for itself is none.
pub fn unknown(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let name: String = after
            .chars()
            .take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
            .collect();
        let closed = after[name.len()..].starts_with('}');
        if closed && !name.is_empty() && !PLACES.contains(&name.as_str()) {
            return Some(name);
        }
        rest = after;
    }
    None
}

pub fn path(template: &str, value: &impl Fn(&str) -> String) -> String {
    filled(template, &|place| utf8_percent_encode(&value(place), PART).to_string())
}

pub fn body(template: &Value, value: &impl Fn(&str) -> String) -> Value {
    match template {
        Value::String(text) => filled(text, value).into(),
        Value::Array(items) => items.iter().map(|item| body(item, value)).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, item)| (name.clone(), body(item, value))).collect(),
        ),
        other => other.clone(),
    }
}

/// In one pass: a value that looks like a place stays as it is.
fn filled(template: &str, value: &impl Fn(&str) -> String) -> String {
    let mut made = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        made.push_str(&rest[..open]);
        rest = &rest[open..];
        let place = PLACES.iter().find(|place| {
            rest[1..].strip_prefix(**place).is_some_and(|after| after.starts_with('}'))
        });
        match place {
            Some(place) => {
                made.push_str(&value(place));
                rest = &rest[place.len() + 2..];
            }
            None => {
                made.push('{');
                rest = &rest[1..];
            }
        }
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_stays_a_value() {
        let value = |place: &str| match place {
            "chat" => "a/b?c".to_owned(),
            _ => "\"}, {chat} \\".to_owned(),
        };
        assert_eq!(path("/chats/{chat}/x", &value), "/chats/a%2Fb%3Fc/x");
        let template = json!({"to": ["{chat}"], "text": "> {text} {", "n": 1});
        let expected = json!({"to": ["a/b?c"], "text": "> \"}, {chat} \\ {", "n": 1});
        assert_eq!(body(&template, &value), expected);
    }

    #[test]
    fn a_place_that_nobody_fills_is_named() {
        assert_eq!(unknown("/a/{chat}/{person}"), Some("person".to_owned()));
        assert_eq!(unknown("{\"a\": {\"b\": \"{text}\"}, \"c\": {}}"), None);
    }
}
