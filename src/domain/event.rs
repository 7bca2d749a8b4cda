//! What came in (`Raw`) and what it says (`Event`). Invariant: an event is identified by its keys,
//! never by its contents; merging two arrivals of one fact loses no field that either carried.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What came in, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Row of the inbox; 0 before it is stored.
    pub id: i64,
    /// The connection at whose door or poll it arrived.
    pub connection: String,
    /// `hook`, or the name of the feed that was polled (`calls`, `requests`).
    pub channel: String,
    /// MIME type as sent; a GET delivery is kept as a form.
    pub content_type: String,
    /// The body; of a GET its query string.
    pub body: Vec<u8>,
    /// Unique within the connection: a second delivery with the same key changes nothing.
    pub dedupe_key: String,
    pub received: Timestamp,
}

/// A normalized fact about one of our few nouns. `fields` has the shape of its offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The connection that it belongs to (a foreign site's hook belongs to that site's connection).
    pub connection: String,
    /// `noun.verb`, e.g. `call.finished`.
    pub kind: String,
    /// `type:id`, e.g. `call:900000001`; unique within the connection and held for ever.
    pub key: String,
    /// Other keys under which the same fact may arrive (a hook without an id: phone and time).
    #[serde(default)]
    pub aliases: Vec<String>,
    /// True when the far side sent no id and `key` is made of the contents.
    #[serde(default)]
    pub provisional: bool,
    /// When the lead was registered: arrival of its hook; of a journal record, the end of the call
    /// or the creation of the request.
    pub registered: Timestamp,
    /// A person asked for it (backfill, reconciliation): it is due at once, and neither its age nor
    /// the first start of its connection is held against it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    pub fields: Map<String, Value>,
}

impl Event {
    /// Takes over what `other` knows and `self` does not: empty fields are filled, aliases are
    /// united, the earlier registration wins, a real key replaces a provisional one.
    /// Returns whether anything changed.
    pub fn fill_from(&mut self, other: &Event) -> bool {
        let before = self.clone();
        for (name, value) in &other.fields {
            let held = self.fields.get(name);
            if held.is_none_or(is_empty) && !is_empty(value) {
                self.fields.insert(name.clone(), value.clone());
            }
        }
        if self.provisional && !other.provisional {
            let old = std::mem::replace(&mut self.key, other.key.clone());
            self.provisional = false;
            if old != self.key {
                push_new(&mut self.aliases, &old);
            }
        } else if other.key != self.key {
            push_new(&mut self.aliases, &other.key);
        }
        for alias in &other.aliases {
            if *alias != self.key {
                push_new(&mut self.aliases, alias);
            }
        }
        self.registered = self.registered.min(other.registered);
        *self != before
    }

    /// All keys under which this event may be known.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.key.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The noun of the key, e.g. `call` of `call:900000001`.
    pub fn noun(&self) -> &str {
        self.key.split(':').next().unwrap_or_default()
    }
}

/// Nothing that a person would call a value: null, an empty text, list or table.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn push_new(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|held| held == item) {
        list.push(item.to_owned());
    }
}
