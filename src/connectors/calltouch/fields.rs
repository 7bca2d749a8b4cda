//! Named texts of one lead, and how they become typed values. Invariant: a text that does not read
//! as its kind is no value; it never becomes a wrong one.

use super::wire::{Pairs, plain};
use crate::domain::{EmailKey, Kind, Phone};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;

/// Literals that Calltouch sends for "nothing" (calltouch.md §2.3). They are kept in texts, where
/// `(none)` may be an analytics value (the flow's `clean` drops them), and are no id or contact.
const NOTHING: [&str; 8] =
    ["null", "none", "nan", "undefined", "<не указано>", "<не заполнено>", "(not set)", "(none)"];

/// Tables that only wrap a lead in relays' JSON; their names are no part of a field's path.
const WRAPPERS: [&str; 7] = ["data", "lead", "call", "request", "chat", "payload", "body"];

/// Epochs from here on are milliseconds (as seconds: the year 5138).
const LEAST_MILLISECONDS: i64 = 100_000_000_000;
/// Numbers below are no epoch (as seconds: 1973).
const LEAST_SECONDS: i64 = 100_000_000;

/// Non-empty texts by plain name (see [`plain`]).
#[derive(Default)]
pub struct Fields {
    held: BTreeMap<String, String>,
}

impl Fields {
    /// Of a delivery. The items of a list are joined by line breaks; of a name that comes twice in
    /// a form, both are kept in the same way.
    pub fn of(pairs: Pairs) -> Self {
        let mut fields = Self::default();
        for (path, text) in pairs.into_iter().filter(|(_, text)| !text.is_empty()) {
            let name = unwrapped(&plain(&path)).to_owned();
            fields
                .held
                .entry(name)
                .and_modify(|held| {
                    if *held != text {
                        held.push('\n');
                        held.push_str(&text);
                    }
                })
                .or_insert(text);
        }
        fields
    }

    /// Enters a text unless its name has one; an empty one is not entered.
    pub fn add(&mut self, name: &str, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.held.entry(plain(name)).or_insert_with(|| text.to_owned());
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.held.get(name).map(String::as_str)
    }

    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.held.contains_key(*name))
    }

    /// The texts under these names, in the order of the names.
    pub fn all<'a, S: AsRef<str>>(&'a self, names: &'a [S]) -> impl Iterator<Item = &'a str> {
        names.iter().filter_map(|name| self.get(name.as_ref()))
    }
}

fn unwrapped(mut path: &str) -> &str {
    while let Some((head, rest)) = path.split_once('.') {
        if !WRAPPERS.contains(&head) {
            break;
        }
        path = rest;
    }
    path
}

/// The value of a text in the shape of the offer; `None` where the text does not read so.
pub fn value(kind: &Kind, text: &str, zone: &TimeZone) -> Option<Value> {
    match kind {
        Kind::Phone => phone(text).map(|phone| phone.typed().into()),
        Kind::Email => email(text).map(Value::String),
        Kind::Time => time(text, zone).map(|time| time.to_string().into()),
        Kind::Number => number(text),
        Kind::Flag => flag(text).map(Value::Bool),
        _ => Some(text.into()),
    }
}

/// Is this one of the literals that mean "nothing"?
pub fn is_nothing(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    text.is_empty() || NOTHING.contains(&text.as_str())
}

/// An id: not one of the literals for nothing, not zero.
pub fn id(text: &str) -> Option<&str> {
    let text = text.lines().next().unwrap_or_default().trim();
    (!is_nothing(text) && text != "0").then_some(text)
}

/// The first phone of a text that may hold several.
pub fn phone(text: &str) -> Option<Phone> {
    text.split([',', ';', '|', '\n']).find_map(Phone::parse)
}

/// The first e-mail of a text that may hold several, as typed.
pub fn email(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'))
        .find(|part| EmailKey::parse(part).is_some())
        .map(str::to_owned)
}

/// An instant: Unix seconds or milliseconds, RFC 3339, or wall-clock time of the site.
pub fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.lines().next().unwrap_or_default().trim();
    if let Ok(epoch) = text.parse::<i64>() {
        return match epoch {
            LEAST_MILLISECONDS.. => Timestamp::from_millisecond(epoch).ok(),
            LEAST_SECONDS.. => Timestamp::from_second(epoch).ok(),
            _ => None,
        };
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    ["%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S"]
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok())
        .or_else(|| text.parse::<DateTime>().ok())
        .and_then(|local| zone.to_timestamp(local).ok())
}

fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let number = text.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite())?;
    // A float that is whole (`42.0`) is written as the integer that it is.
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}").parse::<i64>().ok().map(Value::from);
    }
    Some(number.into())
}

/// `true`, `1`, `True`, and Calltouch's own pairs: `successful`/`unsuccessful`,
/// `target`/`non-target`, `uniqtarget`/`non-uniqtarget`, `callback`/`non-callback`.
fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "да" | "successful" | "target" | "uniqtarget" | "unique"
        | "callback" => Some(true),
        "false" | "0" | "no" | "нет" | "unsuccessful" | "non-target" | "non-uniqtarget"
        | "non-unique" | "non-callback" => Some(false),
        _ => None,
    }
}
