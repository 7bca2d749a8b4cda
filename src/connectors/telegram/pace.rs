//! The pace of each chat: Telegram takes about one message a second in one chat, and twenty a minute
//! in a group, and answers with a long wait where more come. Invariant: messages of one chat keep that
//! distance, in the order in which they asked; other chats do not wait for them.

use crate::connectors::http::is_over_by;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// In a group so many times the distance of other chats.
const GROUP: u32 = 3;
/// So many chats are known before those are forgotten that need not wait.
const MANY: usize = 1000;

/// When the next message of each chat may go.
pub struct Chats {
    distance: Duration,
    next: Mutex<HashMap<String, Instant>>,
}

impl Chats {
    pub fn new(distance: Duration) -> Self {
        Self { distance, next: Mutex::default() }
    }

    /// Waits for the turn of a message to this chat; false where that would be too late for it.
    pub async fn turn(&self, chat: &str) -> bool {
        let Some(turn) = self.take(chat, Instant::now()) else { return false };
        tokio::time::sleep_until(turn.into()).await;
        true
    }

    fn take(&self, chat: &str, now: Instant) -> Option<Instant> {
        // Groups have ids below 0.
        let distance = if chat.starts_with('-') { self.distance * GROUP } else { self.distance };
        if distance.is_zero() {
            return Some(now);
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= MANY {
            next.retain(|_, turn| *turn > now);
        }
        let turn = next.get(chat).map_or(now, |turn| now.max(*turn));
        if is_over_by(turn) {
            return None;
        }
        next.insert(chat.to_owned(), turn + distance);
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::http::no_later_than;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_chat_keeps_its_distance_and_a_group_thrice_of_it() {
        let chats = Chats::new(SECOND);
        let now = Instant::now();
        let turns = |chat: &str| [0, 1, 2].map(|_| chats.take(chat, now).map(|turn| turn - now));
        assert_eq!(turns("7"), [Some(Duration::ZERO), Some(SECOND), Some(2 * SECOND)]);
        assert_eq!(turns("8")[0], Some(Duration::ZERO), "another chat does not wait");
        assert_eq!(turns("-100"), [Some(Duration::ZERO), Some(3 * SECOND), Some(6 * SECOND)]);
        let later = now + 10 * SECOND;
        assert_eq!(chats.take("7", later), Some(later), "nothing is saved up");
        assert_eq!(chats.take("7", later), Some(later + SECOND));
    }

    #[test]
    fn chats_that_need_not_wait_are_forgotten() {
        let chats = Chats::new(SECOND);
        let now = Instant::now();
        for chat in 0..=MANY {
            chats.take(
                &chat.to_string(),
                now + if chat == MANY { 5 * SECOND } else { Duration::ZERO },
            );
        }
        assert_eq!(chats.next.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_would_come_too_late_takes_no_turn() {
        let chats = Chats::new(Duration::from_secs(3600));
        let turns = no_later_than(SECOND, async { (chats.turn("7").await, chats.turn("7").await) });
        assert_eq!(turns.await, (true, false));
    }
}
