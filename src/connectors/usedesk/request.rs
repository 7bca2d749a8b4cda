//! What a ticket asks for its block, read. Invariant: pure; whatever is odd is absent, and no body can
//! make reading it long or deep.
//!
//! Documented is a JSON body with `client_data`; what its lists hold is only known in part, so phones
//! and e-mails are taken as texts, numbers and tables; a form carries the same by bracketed names.

use crate::domain::{EmailKey, Phone};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Contacts of each kind that are searched for; more of them are no person but a list.
const MOST: usize = 10;
/// Fields of a form that are read, and brackets of a name.
const MOST_FIELDS: usize = 2_000;
const DEEPEST: usize = 8;

/// The fields that count.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub secret: Option<String>,
    pub subdomain: Option<String>,
    /// As typed.
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    /// Could it be read who writes?
    pub sound: bool,
}

impl Asked {
    /// Canonical phones and e-mails, each once and sorted; the first ten of the ticket.
    pub fn contacts(&self) -> (Vec<String>, Vec<String>) {
        let phones = self.phones.iter().filter_map(|typed| Phone::parse(typed));
        let emails = self.emails.iter().filter_map(|typed| EmailKey::parse(typed));
        (
            distinct(phones.map(|phone| phone.key().to_owned())),
            distinct(emails.map(|email| email.key().to_owned())),
        )
    }
}

/// Spellings of one contact count once.
fn distinct(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if seen.len() == MOST {
            break;
        }
        seen.insert(key);
    }
    seen.into_iter().collect()
}

/// Reads a body, JSON or a form; `None` where it is neither.
pub fn read(body: &[u8]) -> Option<Asked> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let fields = match body.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'{' => serde_json::from_slice(body).ok()?,
        _ => form(body),
    };
    let client = client(&fields);
    let of = |key: &str| client.as_ref().and_then(|client| client.get(key)).cloned();
    let mut asked = Asked {
        // Block descriptions say `secret_key`, requests of the same help desk `secret`.
        secret: text(fields.get("secret")).or_else(|| text(fields.get("secret_key"))),
        subdomain: text(fields.get("subdomain")),
        sound: client.is_some(),
        ..Asked::default()
    };
    gather(&of("phones").unwrap_or_default(), "phone", &mut asked.phones, DEEPEST);
    gather(&of("emails").unwrap_or_default(), "email", &mut asked.emails, DEEPEST);
    asked.emails = asked.emails.iter().flat_map(|text| split(text)).collect();
    Some(asked)
}

/// The person of the ticket; a relay may have packed the table into a text.
fn client(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    match fields.get("client_data") {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(client)) => Some(client.clone()),
        // An empty table of PHP.
        Some(Value::Array(items)) if items.is_empty() => Some(Map::new()),
        Some(Value::String(packed)) => serde_json::from_str(packed).ok(),
        Some(_) => None,
    }
}

/// The texts of a list, a table of lists, or one text; of a table that holds `key` that field alone
/// (beside it stands what kind of phone it is).
fn gather(value: &Value, key: &str, found: &mut Vec<String>, depth: usize) {
    match value {
        Value::Array(items) if depth > 0 => {
            items.iter().for_each(|item| gather(item, key, found, depth - 1));
        }
        Value::Object(fields) if depth > 0 => match fields.get(key) {
            Some(value) => gather(value, key, found, depth - 1),
            None => {
                let numbered = fields.iter().filter(|(name, _)| name.parse::<u32>().is_ok());
                numbered.for_each(|(_, item)| gather(item, key, found, depth - 1));
            }
        },
        scalar => found.extend(text(Some(scalar))),
    }
}

/// Several addresses in one text.
fn split(text: &str) -> Vec<String> {
    let parts = text.split([',', ';', ' ']).map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// A text that is not blank; ids and phones may come as numbers.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// `client_data[phones][0][phone]=…` as the table that it spells.
fn form(body: &[u8]) -> Map<String, Value> {
    let mut fields = Value::Object(Map::new());
    for (name, value) in form_urlencoded::parse(body.trim_ascii()).take(MOST_FIELDS) {
        let mut path = name.split('[').map(|part| part.trim_end_matches(']'));
        let parts: Vec<&str> = path.by_ref().take(DEEPEST).collect();
        if path.next().is_none() {
            put(&mut fields, &parts, value.into_owned());
        }
    }
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Lays a text down at a path; `[]` is the next free number. The first of two for one place stays.
fn put(place: &mut Value, path: &[&str], text: String) {
    let Some((part, rest)) = path.split_first() else {
        if place.is_null() {
            *place = text.into();
        }
        return;
    };
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    let Value::Object(fields) = place else { return };
    let name = if part.is_empty() { fields.len().to_string() } else { (*part).to_owned() };
    put(fields.entry(name).or_insert(Value::Null), rest, text);
}
