//! The list of messages, by number: what no hook brought. Invariant: the cursor never goes back, but
//! where the gateway began to count anew.

use super::ChatApi;
use super::hook::MESSAGES;
use super::message;
use super::wire::{integer, list};
use crate::connectors::port::{Page, Poll};
use crate::domain::{Delay, Raw};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Messages of one page.
const LIMIT: usize = 100;

/// Reads what came after the last number; at first what came since the connection's first start.
///
/// # Errors
/// Why not now.
pub async fn poll(own: &ChatApi, poll: &Poll<'_>) -> Result<Page, Delay> {
    if poll.feed != MESSAGES {
        return Err(Delay::setup(format!("the gateway has no feed `{}`", poll.feed)));
    }
    let Some(after) = poll.cursor.and_then(|cursor| integer(cursor, "number")) else {
        return first(own, poll).await;
    };
    let query = [("lastMessageNumber", after.to_string()), ("limit", LIMIT.to_string())];
    let body = own.api.get("/messages", &query).await?;
    let messages = list(&body, "messages");
    let newest = newest(&body);
    if newest.is_some_and(|newest| newest < after) && messages.is_empty() {
        // An instance that was made anew counts from the start.
        return first(own, poll).await;
    }
    let newest = newest.unwrap_or(after);
    Ok(Page {
        rows: rows(own, messages, poll.now),
        cursor: (newest > after).then(|| json!({ "number": newest })),
        more: messages.len() >= LIMIT && newest > after,
        covered: None,
    })
}

/// The newest messages, as far as they are of our time.
async fn first(own: &ChatApi, poll: &Poll<'_>) -> Result<Page, Delay> {
    let query = [("last", "true".to_owned()), ("limit", LIMIT.to_string())];
    let body = own.api.get("/messages", &query).await?;
    let of_our_time = |told: &&Value| message::sent(told).is_none_or(|at| at >= poll.first_start);
    let messages: Vec<Value> =
        list(&body, "messages").iter().filter(of_our_time).cloned().collect();
    Ok(Page {
        rows: rows(own, &messages, poll.now),
        cursor: Some(json!({ "number": newest(&body).unwrap_or(0) })),
        more: false,
        covered: None,
    })
}

/// The number after which the next page begins.
fn newest(body: &Value) -> Option<i64> {
    let told =
        list(body, "messages").iter().filter_map(|told| integer(told, "messageNumber")).max();
    told.max(integer(body, "lastMessageNumber"))
}

fn rows(own: &ChatApi, messages: &[Value], now: Timestamp) -> Vec<Raw> {
    let row = |told: &Value| {
        let id = message::id(told)?;
        Some(Raw {
            id: 0,
            connection: own.connection.clone(),
            channel: MESSAGES.to_owned(),
            content_type: "application/json".to_owned(),
            body: told.to_string().into_bytes(),
            dedupe_key: message::key(&id),
            received: now,
        })
    };
    messages.iter().filter_map(row).collect()
}
