//! An update, read. Invariant: pure; one update is one event at most, and its keys are those of the
//! message, so that hook and poll bring the same.

use super::content::{self, id_of, text_of};
use super::offer;
use crate::connectors::door;
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Whose updates they are.
#[derive(Debug)]
pub struct Reader<'a> {
    pub connection: &'a str,
    /// The bot's own id.
    pub bot: &'a str,
}

/// The number of an update.
pub fn number(update: &Value) -> Option<i64> {
    update.get("update_id")?.as_i64()
}

/// The press that wants to be answered.
pub fn press(update: &Value) -> Option<&str> {
    update.pointer("/callback_query/id")?.as_str()
}

/// Equal for the same update, whether it was delivered, delivered again or fetched.
pub fn dedupe_key(body: &[u8]) -> String {
    let update = serde_json::from_slice::<Value>(body).ok();
    match update.as_ref().and_then(number) {
        Some(number) => format!("update:{number}"),
        None => format!("body:{}", door::digest(body)),
    }
}

/// What an update says.
pub fn read(reader: &Reader<'_>, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let unreadable = |why: &str| Unreadable(why.to_owned());
    let update: Value = serde_json::from_slice(&raw.body)
        .map_err(|_| unreadable("this is no JSON, and thus no update of Telegram"))?;
    let number = number(&update).ok_or_else(|| unreadable("there is no update_id in it"))?;
    let part = |name: &str| update.get(name).filter(|part| part.is_object());
    let event = if let Some(message) = part("message") {
        received(reader, message, number, raw)
    } else if let Some(message) = part("edited_message") {
        edited(reader, message, number, raw)
    } else if let Some(press) = part("callback_query") {
        pressed(reader, press, raw).map(Some)
    } else if let Some(change) = part("my_chat_member") {
        membership(reader, change, number, raw)
    } else {
        Ok(None)
    };
    Ok(event?.into_iter().collect())
}

/// Chat, and the id of the message as we name it.
fn ids(message: &Value) -> Result<(String, String), Unreadable> {
    let missing = |what: &str| Unreadable(format!("the message has no {what}"));
    let chat = message.pointer("/chat/id").and_then(id_of).ok_or_else(|| missing("chat"))?;
    let number = message.get("message_id").and_then(id_of).ok_or_else(|| missing("message_id"))?;
    let id = format!("{chat}:{number}");
    Ok((chat, id))
}

fn received(
    reader: &Reader<'_>,
    message: &Value,
    number: i64,
    raw: &Raw,
) -> Result<Option<Event>, Unreadable> {
    let (chat, id) = ids(message)?;
    let Some(content) = content::read(reader.connection, message) else { return Ok(None) };
    let sender = sender(message);
    let reply_to = message.pointer("/reply_to_message/message_id").and_then(id_of);
    let sent = time(message.get("date")).unwrap_or(raw.received);
    let has = |name: &str| message.get(name).is_some_and(|value| !value.is_null());
    let mut fields = named(sender);
    let sender = id_at(sender, "id");
    let more = json!({
        "id": id,
        "chat": chat,
        "phone": content.phone.unwrap_or_default(),
        "text": content.text,
        "type": content.kind,
        "files": content.files,
        "reply_to": reply_to.map(|answered| format!("{chat}:{answered}")).unwrap_or_default(),
        "group": message.pointer("/chat/type").and_then(Value::as_str) != Some("private"),
        "own": !reader.bot.is_empty() && sender == reader.bot,
        "bot": message.pointer("/from/is_bot") == Some(&Value::Bool(true)),
        "forwarded": has("forward_origin") || has("forward_date"),
        "sent": sent,
        "number": number,
    });
    extend(&mut fields, more);
    Ok(Some(event(
        reader,
        offer::RECEIVED,
        format!("message:{id}"),
        sent.min(raw.received),
        fields,
    )))
}

fn edited(
    reader: &Reader<'_>,
    message: &Value,
    number: i64,
    raw: &Raw,
) -> Result<Option<Event>, Unreadable> {
    let (chat, id) = ids(message)?;
    let Some(content) = content::read(reader.connection, message) else { return Ok(None) };
    let edited = time(message.get("edit_date")).unwrap_or(raw.received);
    let key = format!("edited:{id}:{number}");
    let mut fields = Map::new();
    let sender = id_at(sender(message), "id");
    let more = json!({
        "id": id, "chat": chat, "sender": sender, "text": content.text, "edited": edited,
    });
    extend(&mut fields, more);
    Ok(Some(event(reader, offer::EDITED, key, edited.min(raw.received), fields)))
}

fn pressed(reader: &Reader<'_>, press: &Value, raw: &Raw) -> Result<Event, Unreadable> {
    let id = press.get("id").and_then(id_of);
    let id = id.ok_or_else(|| Unreadable("the press has no id".to_owned()))?;
    let data = text_of(press.get("data"));
    let ours: Vec<&str> = data.split('|').collect();
    let [flow, order, button] = ours[..] else {
        return Ok(press_event(reader, press, (id, data), raw));
    };
    let told = json!({"flow": flow, "order": order, "button": button});
    let mut event = press_event(reader, press, (id, data.clone()), raw);
    extend(&mut event.fields, told);
    Ok(event)
}

fn press_event(
    reader: &Reader<'_>,
    press: &Value,
    (id, data): (String, String),
    raw: &Raw,
) -> Event {
    let chat = press.pointer("/message/chat/id").and_then(id_of).unwrap_or_default();
    let mut fields = Map::new();
    let more = json!({
        "id": id, "chat": chat, "sender": id_at(press.get("from"), "id"), "phone": "",
        "data": data, "flow": "", "order": "", "button": "", "at": raw.received,
    });
    extend(&mut fields, more);
    event(reader, offer::PRESSED, format!("button:{id}"), raw.received, fields)
}

/// A person blocked the bot, or started it again; what groups do with it is no event.
fn membership(
    reader: &Reader<'_>,
    change: &Value,
    number: i64,
    raw: &Raw,
) -> Result<Option<Event>, Unreadable> {
    if change.pointer("/chat/type").and_then(Value::as_str) != Some("private") {
        return Ok(None);
    }
    let chat = change.pointer("/chat/id").and_then(id_of);
    let chat = chat.ok_or_else(|| Unreadable("the change has no chat".to_owned()))?;
    let status = |which: &str| {
        change.pointer(&format!("/{which}/status")).and_then(Value::as_str).unwrap_or_default()
    };
    let (before, after) = (status("old_chat_member"), status("new_chat_member"));
    let (kind, word, blocked) = match (before, after) {
        (_, "kicked") => (offer::BLOCKED, "blocked", true),
        ("kicked", "member") => (offer::UNBLOCKED, "unblocked", false),
        _ => return Ok(None),
    };
    let at = time(change.get("date")).unwrap_or(raw.received);
    let mut fields = named(change.get("from"));
    extend(&mut fields, json!({"chat": chat, "blocked": blocked, "at": at}));
    Ok(Some(event(reader, kind, format!("{word}:{chat}:{number}"), at.min(raw.received), fields)))
}

/// Who wrote: a person, a bot, or a group in its own name.
fn sender(message: &Value) -> Option<&Value> {
    message.get("from").or_else(|| message.get("sender_chat"))
}

/// The fields of a person.
fn named(person: Option<&Value>) -> Map<String, Value> {
    let text = |name: &str| text_of(person.and_then(|person| person.get(name)));
    let names = [text("first_name"), text("last_name"), text("title")];
    let name: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let mut fields = Map::new();
    let told = json!({
        "sender": id_at(person, "id"), "name": name.join(" "), "username": text("username"),
    });
    extend(&mut fields, told);
    fields
}

fn id_at(of: Option<&Value>, name: &str) -> String {
    of.and_then(|of| of.get(name)).and_then(id_of).unwrap_or_default()
}

fn time(seconds: Option<&Value>) -> Option<Timestamp> {
    Timestamp::from_second(seconds?.as_i64().filter(|seconds| *seconds > 0)?).ok()
}

fn extend(fields: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
}

fn event(
    reader: &Reader<'_>,
    kind: &str,
    key: String,
    registered: Timestamp,
    fields: Map<String, Value>,
) -> Event {
    Event {
        connection: reader.connection.to_owned(),
        kind: kind.to_owned(),
        key,
        aliases: Vec::new(),
        provisional: false,
        registered,
        asked: false,
        fields,
    }
}
