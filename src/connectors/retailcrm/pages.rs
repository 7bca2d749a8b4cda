//! Orders that a list has just shown. Invariant: bounded in number and age; an order is given only
//! to a question that what was read then can answer.

use super::wire::Order;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many orders are held.
const MOST: usize = 2000;
/// How long they are worth something.
const LONGEST: SignedDuration = SignedDuration::from_mins(2);

/// The orders of the last pages.
#[derive(Debug, Default)]
pub struct Pages(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    orders: BTreeMap<i64, (Order, Timestamp)>,
    /// In the order in which they were read; one that was read again stands there twice.
    queue: VecDeque<(i64, Timestamp)>,
}

impl Pages {
    /// Keeps what was asked for at `read`.
    pub fn put(&self, orders: impl IntoIterator<Item = Order>, read: Timestamp) {
        let mut held = self.held();
        for order in orders {
            held.queue.push_back((order.id, read));
            held.orders.insert(order.id, (order, read));
        }
        while let Some(&(id, at)) = held.queue.front() {
            let over = held.queue.len() > MOST || read.duration_since(at) > LONGEST;
            if !over {
                break;
            }
            held.queue.pop_front();
            if held.orders.get(&id).is_some_and(|(_, last)| *last == at) {
                held.orders.remove(&id);
            }
        }
    }

    /// The order as it was at `since` or later.
    pub fn get(&self, id: i64, since: Timestamp, now: Timestamp) -> Option<Order> {
        let held = self.held();
        let (order, read) = held.orders.get(&id)?;
        let young = now.duration_since(*read).abs() <= LONGEST;
        (*read >= since && young).then(|| order.clone())
    }

    /// What was read of this order holds no longer: we wrote it.
    pub fn forget(&self, id: i64) {
        self.held().orders.remove(&id);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn orders(ids: std::ops::Range<i64>) -> Vec<Order> {
        ids.map(|id| Order::read(&json!({"id": id}), &TimeZone::UTC).unwrap()).collect()
    }

    #[test]
    fn what_was_read_before_the_question_is_no_answer() {
        let pages = Pages::default();
        pages.put(orders(1..3), at(10));
        let held = |since, now| pages.get(1, at(since), at(now)).is_some();
        assert!(held(10, 11) && held(9, 130));
        assert!(!held(11, 12) && !held(9, 131));
        pages.forget(1);
        assert!(!held(9, 11) && pages.get(2, at(9), at(11)).is_some());
    }

    #[test]
    fn old_ones_make_room() {
        let pages = Pages::default();
        pages.put(orders(0..1500), at(0));
        pages.put(orders(1..2), at(10));
        pages.put(orders(1500..2500), at(20));
        let held = |id| pages.get(id, at(0), at(20)).is_some();
        assert!(!held(0) && held(1) && !held(400) && held(501) && held(2499));
        assert_eq!(pages.held().queue.len(), MOST);
        pages.put(orders(9000..9001), at(141));
        let held = pages.held();
        assert_eq!((held.queue.len(), held.orders.len()), (1, 1));
    }
}
