//! Was it sent? Invariant: a message is found only where it can be no other: it is ours, says the
//! same in the same chat since then, no answer ever named it, and there is but one such.

use super::message::sent;
use super::send::{chat_of, output, words_of};
use super::wire::{list, text};
use super::{ChatApi, message, offer, wire};
use crate::domain::{Effect, Look};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// So much the gateway's clock may be behind ours; an older message of the same text is another one.
const BEHIND: SignedDuration = SignedDuration::from_secs(5);
/// Messages of one answer.
const LIMIT: usize = 100;

/// Can it be looked for?
pub fn looks(effect: &Effect) -> bool {
    match effect.operation.as_str() {
        offer::SEND => chat_of(effect).is_some() && words_of(effect).is_some(),
        // A file without words could be any file.
        offer::SEND_FILE => chat_of(effect).is_some(),
        _ => false,
    }
}

/// Looks through the chat's messages since then.
pub async fn look(own: &ChatApi, effect: &Effect, since: Timestamp) -> Look {
    let Some(chat) = chat_of(effect).filter(|_| looks(effect)) else { return Look::Absent };
    let from = since.checked_sub(BEHIND).unwrap_or(since);
    let query = [
        ("chatId", chat.clone()),
        ("min_time", from.as_second().to_string()),
        ("limit", LIMIT.to_string()),
    ];
    let body = match own.api.get("/messages", &query).await {
        Ok(body) => body,
        Err(delay) => return Look::Later(delay),
    };
    let words = words_of(effect);
    let is_it = |told: &&Value| {
        let Some(id) = message::id(told) else { return false };
        let ours = wire::flag(told, "fromMe") || id.starts_with("true_");
        let there = text(told, "chatId").is_none_or(|held| held == chat);
        let then = sent(told).is_some_and(|at| at >= from);
        ours && there && then && !own.given.has(&id) && says(told, effect, words.as_deref())
    };
    let found: Vec<&Value> = list(&body, "messages").iter().filter(is_it).collect();
    match found.as_slice() {
        [one] => message::id(one).map_or(Look::Absent, |id| {
            own.given.tell(&id);
            Look::Done(output(&id, effect))
        }),
        // Of several nobody can tell which.
        _ => Look::Absent,
    }
}

fn says(told: &Value, effect: &Effect, words: Option<&str>) -> bool {
    let kind = text(told, "type").unwrap_or_default();
    let is_text = matches!(kind.as_str(), "chat" | "text");
    if effect.operation == offer::SEND {
        return is_text && plain(text(told, "body")) == plain(words.map(str::to_owned));
    }
    // A document's caption may be its name.
    let caption = plain(text(told, "caption"));
    !is_text && (words.is_none() || caption == plain(words.map(str::to_owned)))
}

/// A text as it is compared: gateways trim, and end lines as they like.
fn plain(text: Option<String>) -> String {
    text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
