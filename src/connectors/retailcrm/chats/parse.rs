//! What the gateway tells us at the door (5.5), and the CRM's word that our module was switched on or
//! off (2.8). Invariant: told from a trigger by its content alone; reading never panics, and what we
//! have no use for is kept and makes no event.

use super::Chats;
use super::cards::{cards, content};
use super::offer;
use super::split;
use crate::connectors::door;
use crate::connectors::files::FileRef;
use crate::connectors::port::Unreadable;
use crate::connectors::retailcrm::wire;
use crate::domain::event::is_empty;
use crate::domain::{Event, Raw};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// What the gateway says (5.5); of the last five we make nothing.
const SENT: &str = "message_sent";
const UPDATED: &str = "message_updated";
const DELETED: &str = "message_deleted";
const READ: &str = "message_read";
const SILENT: [&str; 5] =
    ["reaction_add", "reaction_delete", "template_create", "template_update", "template_delete"];

/// What stands at the door, if it is of the chats.
enum Said {
    Gateway(Value),
    /// The CRM switched our module on or off.
    Activity(BTreeMap<String, String>),
}

fn said(body: &[u8]) -> Option<Said> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    if body.first() == Some(&b'{') {
        let value: Value = serde_json::from_slice(body).ok()?;
        let whole = value.get("type").is_some_and(Value::is_string)
            && value.get("data").is_some_and(Value::is_object);
        return whole.then_some(Said::Gateway(value));
    }
    let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let whole = form.contains_key("clientId") && form.contains_key("activity");
    whole.then_some(Said::Activity(form))
}

/// Is this delivery of the chats, and no trigger of the CRM?
pub fn is_ours(body: &[u8]) -> bool {
    said(body).is_some()
}

/// The gateway repeats a delivery byte for byte.
pub fn dedupe_key(body: &[u8], received: Timestamp) -> String {
    match said(body) {
        // On, off and on again are three words of the same form.
        Some(Said::Activity(_)) => {
            format!("module:{}:{}", door::digest(body), received.as_second())
        }
        _ => format!("mg:{}", door::digest(body)),
    }
}

/// The word about a module must be about ours.
pub fn vouched(chats: &Chats, body: &[u8]) -> bool {
    match said(body) {
        Some(Said::Activity(form)) => {
            let told = form.get("clientId").map(String::as_str).unwrap_or_default();
            told.as_bytes().ct_eq(chats.client_id().as_bytes()).into()
        }
        _ => true,
    }
}

/// What the sender wants to read: a message to a person goes out later, and is told of then; what the
/// CRM's own rule forbids is refused at once.
pub fn reply(chats: &Chats, body: &[u8]) -> Option<Value> {
    Some(match said(body)? {
        Said::Gateway(value) if value.get("type") == Some(&json!(SENT)) => {
            match forbidden(chats, value.get("data").unwrap_or(&Value::Null)) {
                Some(why) => json!({ "error": { "code": "general", "message": why } }),
                None => json!({ "async": true }),
            }
        }
        Said::Gateway(_) => json!({}),
        Said::Activity(_) => json!({ "success": true }),
    })
}

/// Why a message may not go out (RC-11).
fn forbidden(chats: &Chats, data: &Value) -> Option<String> {
    let most = chats.config.longest_text;
    let solid = split::solid(&content(data)?);
    (solid > most)
        .then(|| format!("the text has {solid} characters without white space; {most} are allowed"))
}

/// The events of a delivery.
///
/// # Errors
/// Why it cannot be read.
pub fn read(chats: &Chats, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    match said(&raw.body) {
        Some(Said::Gateway(value)) => gateway(chats, &value, raw),
        Some(Said::Activity(form)) => Ok(vec![activity(&form, raw)]),
        None => Err(Unreadable("this is no word of the chats".into())),
    }
}

fn gateway(chats: &Chats, value: &Value, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let kind = wire::text(value.get("type")).unwrap_or_default();
    if SILENT.contains(&kind.as_str()) {
        return Ok(Vec::new());
    }
    let data = value.get("data").unwrap_or(&Value::Null);
    let told = value.get("meta").and_then(|meta| wire::number(meta.get("timestamp")));
    let at = told.and_then(|second| Timestamp::from_second(second).ok());
    if kind == SENT
        && let Some(why) = forbidden(chats, data)
    {
        // It was refused at the door.
        tracing::info!(connection = %raw.connection, %why, "a manager's message is refused");
        return Ok(Vec::new());
    }
    let known = match kind.as_str() {
        SENT => (offer::SENT, ""),
        UPDATED => (offer::UPDATED, ":updated"),
        DELETED => (offer::REMOVED, ":removed"),
        READ => (offer::READ, ":read"),
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(Unreadable(format!("the gateway's word `{other}` is not known")));
        }
    };
    let Some(number) = wire::number(data.get("channel_id")) else {
        return Err(Unreadable(format!("{kind} names no channel")));
    };
    let Some(id) = id(data) else {
        return Err(Unreadable(format!("{kind} names no message")));
    };
    // A message may be changed twice.
    let turn = match (kind.as_str(), told) {
        (UPDATED, Some(told)) => format!(":{told}"),
        (UPDATED, None) => format!(":{}", door::digest(&raw.body)),
        _ => String::new(),
    };
    let channel = chats.name_of(number);
    let mut fields = common(chats, data, &id, at.unwrap_or(raw.received));
    let said = fields.get("text").and_then(Value::as_str);
    let parts = channel.as_ref().zip(said).map(|(channel, said)| chats.parts(channel, said));
    fields.insert("parts".to_owned(), json!(parts));
    fields.insert("channel".to_owned(), json!(channel));
    fields.insert("channel_id".to_owned(), number.into());
    fields.extend(cards(data));
    fields.retain(|_, value| !is_empty(value));
    Ok(vec![Event {
        connection: raw.connection.clone(),
        kind: known.0.to_owned(),
        key: format!("mg:{id}{}{turn}", known.1),
        aliases: Vec::new(),
        // Whose channel it is may only be known after a look.
        provisional: channel.is_none(),
        registered: raw.received,
        asked: false,
        fields,
    }])
}

/// The gateway's own id; where it is left out (5.5), the messenger's.
fn id(data: &Value) -> Option<String> {
    let own = wire::number(data.get("id")).filter(|id| *id > 0).map(|id| id.to_string());
    let external = || wire::text(data.get("external_message_id")).filter(|id| !id.is_empty());
    own.or_else(|| external().map(|id| format!("external:{id}")))
}

fn common(chats: &Chats, data: &Value, id: &str, at: Timestamp) -> Map<String, Value> {
    let text = |name: &str| wire::text(data.get(name));
    let person = ["user", "bot"].iter().find_map(|who| Some((*who, data.get(*who)?.as_object()?)));
    let name = |fields: &Map<String, Value>| {
        let parts = ["first_name", "last_name", "name"];
        let parts: Vec<String> = parts
            .iter()
            .filter_map(|name| wire::text(fields.get(*name)))
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" ")
    };
    let fields = json!({
        "id": id,
        "external": text("external_message_id"),
        "chat": text("external_chat_id"),
        "person": text("external_user_id"),
        "text": content(data),
        "type": text("type"),
        "files": files(chats, data),
        "reply_to": text("quote_external_id"),
        "manager": person.map(|(_, fields)| name(fields)),
        "bot": person.is_some_and(|(who, _)| who == "bot"),
        "sent": at.to_string(),
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn files(chats: &Chats, data: &Value) -> Vec<Value> {
    let kind = wire::text(data.get("type")).unwrap_or_default();
    let items = data.get("items").map(wire::listed).unwrap_or_default();
    let file = |item: &Value| {
        let file = FileRef {
            connection: chats.connection.clone(),
            id: wire::text(item.get("id")).filter(|id| !id.is_empty())?,
            name: wire::text(item.get("caption")).unwrap_or_default(),
            mime: String::new(),
            size: wire::number(item.get("size")).and_then(|size| u64::try_from(size).ok()),
            kind: kind.clone(),
        };
        serde_json::to_value(file).ok()
    };
    items.into_iter().filter_map(file).collect()
}

fn activity(form: &BTreeMap<String, String>, raw: &Raw) -> Event {
    let said: Value =
        form.get("activity").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let is = |flag: &str| said.get(flag) == Some(&Value::Bool(true));
    let moved = form.get("systemUrl").filter(|url| !url.is_empty());
    let fields = json!({
        "active": is("active"),
        "frozen": is("freeze"),
        "url": moved,
        "at": raw.received.to_string(),
    });
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    fields.retain(|_, value| !value.is_null());
    Event {
        connection: raw.connection.clone(),
        kind: offer::SWITCHED.to_owned(),
        key: format!("module:{}", raw.received.as_millisecond()),
        aliases: Vec::new(),
        provisional: false,
        registered: raw.received,
        asked: false,
        fields,
    }
}
