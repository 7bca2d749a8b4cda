//! The gateway's JSON, leniently: numbers as texts, texts as numbers, flags as 0 and 1. Invariant:
//! nothing here fails; what is not there, or is of no use, is none.

use serde_json::Value;

/// A text that says something.
pub fn text(value: &Value, name: &str) -> Option<String> {
    let held = match value.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!held.trim().is_empty()).then_some(held)
}

/// `true`, `1`, `"true"`; a count above 0.
pub fn flag(value: &Value, name: &str) -> bool {
    match value.get(name) {
        Some(Value::Bool(held)) => *held,
        Some(Value::Number(held)) => held.as_f64().is_some_and(|number| number > 0.0),
        Some(Value::String(held)) => matches!(held.trim(), "true" | "1"),
        _ => false,
    }
}

pub fn integer(value: &Value, name: &str) -> Option<i64> {
    match value.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The digits of a person's address (`79990000001@c.us`); a group and an address that hides the
/// phone (`@lid`) have none.
pub fn digits(address: &str) -> Option<&str> {
    let (digits, domain) = address.split_once('@')?;
    let is_phone = matches!(domain, "c.us" | "s.whatsapp.net")
        && (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_phone.then_some(digits)
}

pub fn is_group(address: &str) -> bool {
    address.ends_with("@g.us")
}

/// The address of a person with this phone.
pub fn address(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    (7..=15).contains(&digits.len()).then(|| format!("{digits}@c.us"))
}
