//! A message of the gateway as an event. Invariant: pure; a message of an unknown type is told with
//! what it says as text, and one without a phone is told without it.

use super::offer;
use super::wire::{digits, flag, integer, is_group, text};
use crate::connectors::files::FileRef;
use crate::domain::Event;
use crate::domain::event::is_empty;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// Characters of a file's name.
const LONGEST_NAME: usize = 120;

/// The id of a message, by which all its arrivals are one.
pub fn id(message: &Value) -> Option<String> {
    text(message, "id")
}

pub fn key(id: &str) -> String {
    format!("message:{id}")
}

/// When it was written.
pub fn sent(message: &Value) -> Option<Timestamp> {
    let seconds = integer(message, "time").filter(|seconds| *seconds > 0)?;
    // Some speak in milliseconds.
    let seconds = if seconds > 100_000_000_000 { seconds / 1000 } else { seconds };
    Timestamp::from_second(seconds).ok()
}

/// The chat: it is named, or stands in the id (`false_79990000001@c.us_3A65`).
fn chat(message: &Value, id: &str) -> Option<String> {
    text(message, "chatId").or_else(|| {
        let mut parts = id.splitn(3, '_');
        parts.nth(1).filter(|chat| chat.contains('@')).map(str::to_owned)
    })
}

fn own(message: &Value, id: &str) -> bool {
    match message.get("fromMe") {
        None | Some(Value::Null) => id.starts_with("true_"),
        Some(_) => flag(message, "fromMe"),
    }
}

/// What a message says; none where it names neither itself nor its chat.
pub fn read(message: &Value, connection: &str, registered: Timestamp) -> Option<Event> {
    let id = id(message)?;
    let chat = chat(message, &id)?;
    let (own, group) = (own(message, &id), is_group(&chat));
    let sender = match (own, group) {
        (true, true) => None,
        // Whom we wrote to.
        (_, false) => Some(text(message, "author").filter(|_| !own).unwrap_or(chat.clone())),
        (false, true) => text(message, "author"),
    };
    let name = match (own, group) {
        (true, true) => None,
        (true, false) => text(message, "chatName"),
        (false, true) => text(message, "senderName"),
        (false, false) => text(message, "senderName").or_else(|| text(message, "chatName")),
    };
    // An author that hides the phone may write in a chat that shows it.
    let phone = sender.as_deref().and_then(digits).or_else(|| digits(&chat));
    let content = content(message);
    let fields = json!({
        "id": id,
        "chat": chat,
        "sender": sender,
        "phone": phone.map(|digits| format!("+{digits}")),
        "name": name.filter(|name| !is_number(name)),
        "text": content.text,
        "type": content.kind,
        "files": content.file.map(|file| vec![FileRef { connection: connection.to_owned(), ..file }]),
        "reply_to": text(message, "quotedMsgId"),
        "group": group,
        "own": own,
        "bot": false,
        "forwarded": flag(message, "isForwarded"),
        "sent": sent(message).unwrap_or(registered).to_string(),
        "number": integer(message, "messageNumber"),
    });
    Some(event(offer::RECEIVED, connection, key(&id), registered, fields))
}

/// A press of a button, where the message is one.
pub fn pressed(message: &Value, connection: &str, registered: Timestamp) -> Option<Event> {
    let kinds = ["buttons_response", "button_reply", "list_response", "interactive", "button"];
    let kind = text(message, "type").filter(|kind| kinds.contains(&kind.as_str()));
    let id = id(message).filter(|id| kind.is_some() && !own(message, id))?;
    let chat = chat(message, &id)?;
    let ids = ["selectedButtonId", "selectedId", "buttonId", "selectedRowId", "payload"];
    let body = text(message, "body");
    let data = ids.iter().find_map(|name| text(message, name)).or_else(|| body.clone())?;
    let ours: Vec<&str> = data.splitn(3, '|').collect();
    let (flow, order, button) = match ours.as_slice() {
        [flow, order, button] => (Some(*flow), Some(*order), Some((*button).to_owned())),
        _ => (None, None, body),
    };
    let sender = text(message, "author").unwrap_or(chat.clone());
    let fields = json!({
        "id": text(message, "quotedMsgId").unwrap_or(id.clone()),
        "chat": chat,
        "phone": digits(&sender).or_else(|| digits(&chat)).map(|digits| format!("+{digits}")),
        "sender": sender,
        "data": data,
        "flow": flow,
        "order": order,
        "button": button,
        "at": sent(message).unwrap_or(registered).to_string(),
    });
    Some(event(offer::PRESSED, connection, format!("button:{id}"), registered, fields))
}

/// A number in place of a name.
fn is_number(name: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_digit() || "+-() \u{a0}".contains(letter))
}

/// An event without its empty fields.
pub fn event(
    kind: &str,
    connection: &str,
    key: String,
    registered: Timestamp,
    fields: Value,
) -> Event {
    let fields: Map<String, Value> = match fields {
        Value::Object(fields) => fields.into_iter().filter(|(_, held)| !is_empty(held)).collect(),
        _ => Map::new(),
    };
    Event {
        connection: connection.to_owned(),
        kind: kind.to_owned(),
        key,
        aliases: Vec::new(),
        provisional: false,
        registered,
        asked: false,
        fields,
    }
}

/// What a message holds.
struct Content {
    kind: &'static str,
    text: Option<String>,
    file: Option<FileRef>,
}

fn content(message: &Value) -> Content {
    let (body, caption) = (text(message, "body"), text(message, "caption"));
    let given = text(message, "type").unwrap_or_default().to_lowercase();
    let kind = match given.as_str() {
        "chat" | "text" | "buttons_response" | "button_reply" | "list_response" | "interactive"
        | "button" => "text",
        "image" | "sticker" => "image",
        "ptt" | "audio" | "voice" => "audio",
        "video" => "video",
        "document" | "file" => "file",
        "location" => "location",
        "vcard" | "contact" | "contacts" | "contact_card" | "multi_vcard" => "contact",
        _ => "other",
    };
    let link = body.as_deref().filter(|body| is_link(body));
    let carries = matches!(kind, "image" | "audio" | "video" | "file");
    match link.filter(|_| carries) {
        Some(link) => {
            let name = name_of(link);
            // A document's caption is its name where nobody wrote one.
            let text = caption.filter(|caption| *caption != name);
            Content { kind, text, file: Some(file(link, name, kind)) }
        }
        // The file is not there (yet): what is said of it is told.
        None if carries => Content { kind, text: caption.or(body), file: None },
        None if kind == "other" && body.is_none() => {
            let shown = caption.unwrap_or_else(|| format!("[{}]", shown(&given)));
            Content { kind, text: Some(shown), file: None }
        }
        None => Content { kind, text: body.or(caption), file: None },
    }
}

/// The type of a message as a text.
fn shown(given: &str) -> String {
    let plain = |letter: &char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ' ');
    let shown: String = given.chars().filter(plain).take(40).collect();
    if shown.is_empty() { "message".to_owned() } else { shown }
}

fn is_link(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with("https://") || text.starts_with("http://"))
        && !text.contains(char::is_whitespace)
}

/// A file; the link is what it is known by, for the gateway has no other name of it.
fn file(link: &str, name: String, kind: &str) -> FileRef {
    FileRef {
        connection: String::new(),
        id: link.trim().to_owned(),
        name,
        mime: String::new(),
        size: None,
        kind: kind.to_owned(),
    }
}

/// The last part of a link's path, if it is a file's name.
fn name_of(link: &str) -> String {
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let last = percent_decode_str(path).decode_utf8_lossy();
    let last = last.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|letter| !letter.is_control()).collect();
    let cut = plain.chars().count().saturating_sub(LONGEST_NAME);
    let name: String = plain.chars().skip(cut).collect();
    if name.contains('.') && !name.starts_with('.') { name } else { String::new() }
}
