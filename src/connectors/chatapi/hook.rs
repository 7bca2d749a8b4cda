//! A delivery at the door: messages and what became of ours. Invariant: pure; each message of a
//! delivery is an event, whatever stands beside it, and a repeat has its first key.

use super::message;
use super::offer;
use super::wire::{list, text};
use crate::connectors::door;
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The feed of messages, and the channel of what it brings.
pub const MESSAGES: &str = "messages";

/// What a stored row says.
///
/// # Errors
/// It is no JSON of the gateway's, or another instance's.
pub fn read(raw: &Raw, connection: &str, instance: &str) -> Result<Vec<Event>, Unreadable> {
    let body: Value = serde_json::from_slice(&raw.body).map_err(|fault| {
        let (line, column) = (fault.line(), fault.column());
        Unreadable(format!("the body is no JSON (line {line}, column {column})"))
    })?;
    if raw.channel == MESSAGES {
        let events = told(&body, connection, raw.received);
        let unreadable = || Unreadable("a message without an id".to_owned());
        return if events.is_empty() { Err(unreadable()) } else { Ok(events) };
    }
    let named = text(&body, "instanceId");
    if let Some(other) = named.filter(|named| named.trim_start_matches("instance") != instance) {
        let shown: String = other.chars().take(20).collect();
        return Err(Unreadable(format!("instance {shown} is not this connection's")));
    }
    delivered(&body, connection, raw.received)
}

fn delivered(body: &Value, connection: &str, at: Timestamp) -> Result<Vec<Event>, Unreadable> {
    let known = ["messages", "ack", "chatUpdate", "statusNotification", "status", "test"];
    if !known.iter().any(|name| body.get(name).is_some()) {
        return Err(Unreadable("neither messages nor acks: nothing says what this is".to_owned()));
    }
    let messages = list(body, "messages");
    let mut events: Vec<Event> =
        messages.iter().flat_map(|message| told(message, connection, at)).collect();
    if events.is_empty() && !messages.is_empty() {
        return Err(Unreadable("messages without an id".to_owned()));
    }
    events.extend(list(body, "ack").iter().filter_map(|ack| acked(ack, connection, at)));
    Ok(events)
}

fn told(message: &Value, connection: &str, received: Timestamp) -> Vec<Event> {
    let registered = registered(message, received);
    let read = message::read(message, connection, registered);
    read.into_iter().chain(message::pressed(message, connection, registered)).collect()
}

/// When a message counts as written: one time, however it came, so that one that the list brought
/// keeps its place among those that were delivered. The gateway tells whole seconds.
fn registered(message: &Value, received: Timestamp) -> Timestamp {
    let second = SignedDuration::from_millis(999);
    let end = message::sent(message).and_then(|sent| sent.checked_add(second).ok());
    end.map_or(received, |end| end.min(received))
}

/// What became of a message; none where that is nothing new (it waits) or a word that we do not know.
fn acked(ack: &Value, connection: &str, at: Timestamp) -> Option<Event> {
    let id = text(ack, "id").or_else(|| text(ack, "msgId"))?;
    let said = text(ack, "status")?.to_lowercase();
    let state = match said.as_str() {
        "sent" => "sent",
        "delivered" => "delivered",
        "viewed" | "read" | "played" => "read",
        "failed" | "error" | "not sent" | "undelivered" => "error",
        _ => return None,
    };
    let why = ["error", "description", "message", "reason"].iter().find_map(|name| text(ack, name));
    let why = (state == "error").then(|| why.unwrap_or(said));
    let fields = json!({
        "id": id,
        "chat": text(ack, "chatId"),
        "state": state,
        "code": why.as_deref().map(super::judge::code),
        "why": why.as_deref().map(super::judge::line),
        "at": at.to_string(),
    });
    Some(message::event(offer::DELIVERY, connection, format!("delivery:{id}:{state}"), at, fields))
}

/// The key of a delivery: that of its one message, else of all that it tells. What tells nothing is
/// known by its bytes.
pub fn dedupe_key(body: &[u8]) -> String {
    let read = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let messages = list(&read, "messages").iter().filter_map(message::id);
    let mut keys: Vec<String> = messages.map(|id| message::key(&id)).collect();
    keys.extend(list(&read, "ack").iter().filter_map(|ack| {
        let id = text(ack, "id").or_else(|| text(ack, "msgId"))?;
        Some(format!("delivery:{id}:{}", text(ack, "status")?.to_lowercase()))
    }));
    match keys.as_slice() {
        [] => format!("hook:{}", digest([body])),
        [one] => one.clone(),
        _ => format!("hook:{}", digest(keys.iter().map(String::as_bytes))),
    }
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    door::hex(&hash.finalize())
}
