//! Updates by long poll. Invariant: an update is confirmed by the poll after the one whose rows are
//! durable, so what was lost on the way comes again.

use super::Telegram;
use super::client::{ANSWER_PRESS, GET_UPDATES};
use super::update;
use crate::clock::plus;
use crate::connectors::port::{Page, Poll};
use crate::domain::{Delay, Raw};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The feed, and the channel of its rows.
pub const UPDATES: &str = "updates";
/// What we ask Telegram to tell; of all else it keeps silent.
pub const ALLOWED: [&str; 4] = ["message", "edited_message", "callback_query", "my_chat_member"];
/// The most that one answer holds.
const LIMIT: u64 = 100;
/// So long the answers to presses may take.
const ANSWERED: Duration = Duration::from_secs(2);
/// After a week of silence Telegram numbers anew, anywhere; our old number would hide what comes.
const NUMBERED_ANEW: SignedDuration = SignedDuration::from_hours(6 * 24);

/// The next updates; waits for some.
pub async fn page(own: &Telegram, poll: &Poll<'_>) -> Result<Page, Delay> {
    // A second poll of ours would break the first one off.
    let alone = own.polling.lock().await;
    let begun = Instant::now();
    let mut body = json!({"timeout": own.poll_wait, "limit": LIMIT, "allowed_updates": ALLOWED});
    if let Some(offset) = offset(poll.cursor, poll.now) {
        body["offset"] = offset.into();
    }
    let answer = own.api.ask(GET_UPDATES, body).await?;
    drop(alone);
    let Value::Array(updates) = answer else {
        return Err(Delay::connection("Telegram's list of updates is none"));
    };
    let received = plus(poll.now, begun.elapsed());
    let presses = updates.iter().filter_map(update::press);
    // Nobody cares what becomes of it: the person's button would only blink longer, and what is
    // not stored yet must not wait for it.
    let answers = join_all(presses.map(|id| own.api.call(ANSWER_PRESS, answered(id))));
    drop(tokio::time::timeout(ANSWERED, answers).await);
    let last = updates.iter().filter_map(update::number).max();
    let cursor = last.map(|last| json!({"offset": last + 1, "at": received}));
    let more = last.is_some();
    let rows = updates.iter().map(|update| row(own, update, received)).collect();
    Ok(Page { rows, cursor, more, covered: None })
}

/// What is said of a press, so that the button stops blinking.
pub fn answered(press: &str) -> Value {
    json!({ "callback_query_id": press })
}

fn offset(cursor: Option<&Value>, now: Timestamp) -> Option<i64> {
    let cursor = cursor?;
    let at = cursor.get("at")?.as_str()?.parse::<Timestamp>().ok()?;
    let fresh = now.duration_since(at) < NUMBERED_ANEW;
    cursor.get("offset")?.as_i64().filter(|_| fresh)
}

fn row(own: &Telegram, update: &Value, received: Timestamp) -> Raw {
    let body = update.to_string().into_bytes();
    Raw {
        id: 0,
        connection: own.name.clone(),
        channel: UPDATES.to_owned(),
        content_type: "application/json".to_owned(),
        dedupe_key: update::dedupe_key(&body),
        body,
        received,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_number_is_forgotten() {
        let cursor = json!({"offset": 7, "at": "2026-11-20T12:00:00Z"});
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(offset(Some(&cursor), at("2026-11-25T12:00:00Z")), Some(7));
        assert_eq!(offset(Some(&cursor), at("2026-11-27T12:00:00Z")), None);
        assert_eq!(offset(None, at("2026-11-27T12:00:00Z")), None);
        assert_eq!(offset(Some(&json!("garbage")), at("2026-11-27T12:00:00Z")), None);
    }
}
