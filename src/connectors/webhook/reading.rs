//! A delivery, read by the paths of the settings. Invariant: pure; what the settings do not call a
//! message is none, and what they do has an id and a chat.

use super::offer;
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields that a delivery may fill.
pub const FIELDS: &[&str] =
    &["id", "chat", "sender", "phone", "name", "username", "text", "reply_to", "sent"];

/// `(path, values)`.
pub type Tests = Vec<(String, Vec<String>)>;

/// Where things stand in a delivery.
pub struct Shape {
    pub when: Tests,
    pub unless: Tests,
    pub own: Tests,
    /// Ours, and their paths in order.
    pub fields: BTreeMap<String, Vec<String>>,
}

/// The message of a delivery, if it is one.
pub fn read(shape: &Shape, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let body: Value =
        serde_json::from_slice(&raw.body).map_err(|_| Unreadable("this is no JSON".to_owned()))?;
    let wanted = shape.when.iter().all(|test| holds(&body, test));
    if !wanted || shape.unless.iter().any(|test| holds(&body, test)) {
        return Ok(Vec::new());
    }
    let field = |name: &str| {
        let paths = shape.fields.get(name).into_iter().flatten();
        paths.filter_map(|path| text_of(at(&body, path)?)).find(|text| !text.is_empty())
    };
    let must = |name: &str| {
        field(name).ok_or_else(|| Unreadable(format!("there is no {name} where the settings say")))
    };
    let (id, chat) = (must("id")?, must("chat")?);
    let sent = field("sent").and_then(|text| time(&text)).unwrap_or(raw.received);
    let own = !shape.own.is_empty() && shape.own.iter().all(|test| holds(&body, test));
    let told = |name: &str| field(name).unwrap_or_default();
    let fields = json!({
        "id": id,
        "chat": chat,
        "sender": told("sender"),
        "phone": told("phone"),
        "name": told("name"),
        "username": told("username"),
        "text": told("text"),
        "type": "text",
        "files": [],
        "reply_to": told("reply_to"),
        "group": false,
        "own": own,
        "bot": false,
        "forwarded": false,
        "sent": sent,
    });
    let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
    Ok(vec![Event {
        connection: raw.connection.clone(),
        kind: offer::RECEIVED.to_owned(),
        key: format!("message:{id}"),
        aliases: Vec::new(),
        provisional: false,
        registered: sent.min(raw.received),
        asked: false,
        fields,
    }])
}

/// Is the value at the path one of these? One that is not there is the empty text.
fn holds(body: &Value, (path, values): &(String, Vec<String>)) -> bool {
    let found = at(body, path).and_then(text_of).unwrap_or_default();
    values.contains(&found)
}

/// `conversation.meta.sender.id`; a number is a place in a list.
pub fn at<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(body, |held, name| match held {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// RFC 3339, or seconds or milliseconds since 1970.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let whole = text.split('.').next()?.parse::<i64>().ok().filter(|number| *number > 0)?;
    if whole < 100_000_000_000 {
        return Timestamp::from_second(whole).ok();
    }
    Timestamp::from_millisecond(whole).ok()
}
