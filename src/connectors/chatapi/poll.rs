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
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Messages of one page.
const LIMIT: usize = 100;
/// A jump in the numbers has the list read at most so often: not every gateway tells of what we send.
const CALLED: Duration = Duration::from_secs(10);

/// The last number that was seen in this process, and when a jump had the list read.
#[derive(Default)]
pub struct Numbers(Mutex<(i64, Option<Instant>)>);

impl Numbers {
    /// The list is read until there.
    fn read(&self, newest: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = newest;
    }

    /// A hook brought these: is one missing before them?
    fn jump(&self, mut numbers: Vec<i64>) -> bool {
        numbers.sort_unstable();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, mut missing) = (held.0 > 0, false);
        for number in numbers {
            missing |= known && number > held.0 + 1;
            held.0 = held.0.max(number);
        }
        let missing = missing && held.1.is_none_or(|at| at.elapsed() >= CALLED);
        if missing {
            held.1 = Some(Instant::now());
        }
        missing
    }
}

/// Does a hook show that another one was lost?
pub fn is_missing_one(numbers: &Numbers, hook: &Raw) -> bool {
    let body: Value = serde_json::from_slice(&hook.body).unwrap_or_default();
    let told = list(&body, "messages").iter();
    numbers.jump(told.filter_map(|told| integer(told, "messageNumber")).collect())
}

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
    own.numbers.read(newest.max(after));
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
    let newest = newest(&body).unwrap_or(0);
    own.numbers.read(newest);
    Ok(Page {
        rows: rows(own, &messages, poll.now),
        cursor: Some(json!({ "number": newest })),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_seen_once_in_a_while() {
        let numbers = Numbers::default();
        assert!(!numbers.jump(vec![7, 5]), "nobody knows what was before");
        assert!(!numbers.jump(vec![8]) && !numbers.jump(vec![6]) && !numbers.jump(vec![]));
        assert!(numbers.jump(vec![10]), "9 is missing");
        assert!(!numbers.jump(vec![12]), "the list is being read");
        numbers.read(12);
        assert!(!numbers.jump(vec![14, 13]));
    }
}
