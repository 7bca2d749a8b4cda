//! What a message carries: its kind, its words and its files. Invariant: pure; what nobody wrote (a
//! member joined, a message was pinned) is no content.

use crate::connectors::files::FileRef;
use serde_json::{Value, json};

/// What a message carries.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    /// As the offer has it: `text`, `image`, …
    pub kind: &'static str,
    pub text: String,
    pub files: Vec<Value>,
    /// The sender's own, where it was shared.
    pub phone: Option<String>,
}

/// Parts of a message that Telegram writes, and nobody else.
const SERVICE: [&str; 24] = [
    "new_chat_members",
    "left_chat_member",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "chat_background_set",
    "boost_added",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
    "write_access_allowed",
    "proximity_alert_triggered",
];

/// One kind of file: its part of the message, its kind in the offer, its MIME type where Telegram
/// says none.
const FILES: [(&str, &str, &str); 6] = [
    // An animation is told as a document too.
    ("animation", "video", "video/mp4"),
    ("document", "file", ""),
    ("audio", "audio", "audio/mpeg"),
    ("voice", "audio", "audio/ogg"),
    ("video", "video", "video/mp4"),
    ("video_note", "video", "video/mp4"),
];

/// Reads a message; none where nobody wrote it.
pub fn read(connection: &str, message: &Value) -> Option<Content> {
    let part = |name: &str| message.get(name).filter(|part| !part.is_null());
    if SERVICE.iter().any(|name| part(name).is_some()) {
        return None;
    }
    let words = text_of(part("text").or_else(|| part("caption")));
    let of = |kind, files| Content { kind, text: words.clone(), files, phone: None };
    if part("text").is_some() {
        return Some(of("text", vec![]));
    }
    if let Some(photo) = part("photo").and_then(largest) {
        return Some(of("image", file(connection, photo, "image", "image/jpeg")));
    }
    for (name, kind, mime) in FILES {
        if let Some(found) = part(name) {
            return Some(of(kind, file(connection, found, kind, mime)));
        }
    }
    if let Some(contact) = part("contact") {
        return Some(contact_of(contact, message));
    }
    if let Some(text) = place(message) {
        return Some(Content { kind: "location", text, ..Content::default() });
    }
    let said = ["/sticker/emoji", "/dice/emoji", "/poll/question", "/game/title"];
    let said = said.iter().find_map(|path| message.pointer(path)?.as_str());
    let text = said.map(str::to_owned).unwrap_or(words);
    Some(Content { kind: "other", text, ..Content::default() })
}

/// Telegram makes several sizes of a photo.
fn largest(photo: &Value) -> Option<&Value> {
    let number = |size: &Value, name: &str| size.get(name).and_then(Value::as_u64).unwrap_or(0);
    let area = |size: &Value| number(size, "width").saturating_mul(number(size, "height"));
    photo.as_array()?.iter().max_by_key(|size| (area(size), number(size, "file_size")))
}

fn file(connection: &str, found: &Value, kind: &str, mime: &str) -> Vec<Value> {
    let Some(id) = found.get("file_id").and_then(Value::as_str) else { return vec![] };
    let told = text_of(found.get("mime_type"));
    let file = FileRef {
        connection: connection.to_owned(),
        id: id.to_owned(),
        name: text_of(found.get("file_name")),
        mime: if told.is_empty() { mime.to_owned() } else { told },
        size: found.get("file_size").and_then(Value::as_u64),
        kind: kind.to_owned(),
    };
    vec![json!(file)]
}

/// A contact: the sender's own phone is the sender's, any other is a text.
fn contact_of(contact: &Value, message: &Value) -> Content {
    let phone = text_of(contact.get("phone_number"));
    let parts = [text_of(contact.get("first_name")), text_of(contact.get("last_name"))];
    let name = parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    let both = [name, phone.clone()].into_iter().filter(|part| !part.is_empty());
    let text = both.collect::<Vec<_>>().join(", ");
    let id = contact.get("user_id").and_then(id_of);
    let is_own = id.is_some() && id == message.pointer("/from/id").and_then(id_of);
    let phone = Some(phone).filter(|phone| is_own && !phone.is_empty());
    Content { kind: "contact", text, phone, files: vec![] }
}

/// A place in words: name, address, latitude and longitude.
fn place(message: &Value) -> Option<String> {
    let point = message.pointer("/venue/location").or_else(|| message.get("location"))?;
    let number = |name: &str| point.get(name).filter(|part| part.is_number()).map(Value::to_string);
    let point = format!("{}, {}", number("latitude")?, number("longitude")?);
    let named = ["/venue/title", "/venue/address"].map(|path| text_of(message.pointer(path)));
    let parts = named.into_iter().filter(|part| !part.is_empty()).chain([point]);
    Some(parts.collect::<Vec<_>>().join("; "))
}

/// An id, which Telegram writes as a number.
pub fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::Number(id) => Some(id.to_string()),
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        _ => None,
    }
}

pub fn text_of(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}
