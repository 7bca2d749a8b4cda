//! The histories of orders and of customers as feeds. Invariant: the cursor is the highest id that was seen and never
//! goes back; ids may become visible out of order, so every poll begins some ids before it, and the
//! rows' keys sort out what is read twice.

use super::Account;
use super::client::{PAGE, Stop};
use super::wire;
use crate::connectors::door;
use crate::connectors::port::{Page, Poll};
use crate::domain::{Delay, Raw};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Names of the feeds and channels of their rows.
pub const ORDERS: &str = "orders";
pub const CUSTOMERS: &str = "customers";
pub const TEMPLATE: &str = "/api/v5/orders/history";
const OF_CUSTOMERS: &str = "/api/v5/customers/history";
/// The CRM sorts customers into segments by itself, all the time: nothing happened (2.2).
const NOISE: &str = "segments";

/// Version of the cursor's shape.
const VERSION: i64 = 1;
/// How many ids are read again at each poll.
const AGAIN: i64 = 200;
/// The pages of one poll follow each other faster than this; a poll that broke off begins anew.
const BROKEN: SignedDuration = SignedDuration::from_mins(1);
/// `generatedAt` is cut to the second and an answer takes a while: so little is no difference.
const SAME_CLOCK: SignedDuration = SignedDuration::from_secs(2);

/// How far our clock is ahead of the CRM's, as the last answer showed it.
#[derive(Debug, Default)]
pub struct Ahead(AtomicI64);

impl Ahead {
    pub fn get(&self) -> SignedDuration {
        SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }

    /// Learns from an answer that was made at `generated` by the CRM's clock.
    fn learn(&self, generated: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let ahead = generated.map_or(SignedDuration::ZERO, |made| now.duration_since(made));
        // Cut down as `generatedAt` is.
        let seconds = ahead.as_millis().div_euclid(1000);
        let ahead = if ahead.abs() <= SAME_CLOCK {
            SignedDuration::ZERO
        } else {
            SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
        };
        self.0.store(ahead.as_secs(), Ordering::Relaxed);
        ahead
    }

    /// What the CRM's wall clock showed at our `time`, as its filters take it.
    pub fn wall_clock(&self, time: Timestamp, zone: &TimeZone) -> String {
        let theirs = time.saturating_sub(self.get()).unwrap_or(time);
        zone.to_datetime(theirs).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// Where the feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    /// The highest id seen.
    since: Option<i64>,
    /// Of a poll that is under way: the id after which it goes on, and when it was left there.
    next: Option<(i64, Timestamp)>,
}

impl Cursor {
    fn read(stored: Option<&Value>) -> Self {
        let none = Self { since: None, next: None };
        let Some(stored) = stored.filter(|held| held.get("v") == Some(&json!(VERSION))) else {
            return none;
        };
        let next = stored.get("next").and_then(|next| {
            Some((next.get("id")?.as_i64()?, next.get("at")?.as_str()?.parse().ok()?))
        });
        Self { since: stored.get("since").and_then(Value::as_i64), next }
    }

    fn store(self) -> Option<Value> {
        let mut stored = json!({ "v": VERSION, "since": self.since? });
        if let Some((id, at)) = self.next {
            stored["next"] = json!({ "id": id, "at": at.to_string() });
        }
        Some(stored)
    }

    /// The id after which the next page begins; `None`: nothing was ever seen.
    fn place(self, now: Timestamp) -> Option<i64> {
        let again = |id: i64| id.saturating_sub(AGAIN).max(0);
        match self.next {
            Some((id, at)) if now.duration_since(at).abs() < BROKEN => Some(id),
            Some((id, _)) => Some(again(id.min(self.since.unwrap_or(id)))),
            None => self.since.map(again),
        }
    }

    /// After a page that began behind `place` and ended with `last`.
    fn advanced(self, place: Option<i64>, last: Option<i64>, more: bool, now: Timestamp) -> Self {
        // A page that does not lead on is the last one, whatever it says.
        let on = last.filter(|last| more && place.is_none_or(|place| *last > place));
        Self { since: self.since.max(last), next: on.map(|id| (id, now)) }
    }
}

/// Reads the next page.
///
/// # Errors
/// Why not now; no entry makes one.
pub async fn poll(account: &Account, poll: &Poll<'_>) -> Result<Page, Delay> {
    let path = match poll.feed {
        ORDERS => TEMPLATE,
        CUSTOMERS => OF_CUSTOMERS,
        other => return Err(Delay::setup(format!("the CRM has no feed `{other}`"))),
    };
    let zone = account.zone_at(poll.now).await?;
    let cursor = Cursor::read(poll.cursor);
    let place = cursor.place(poll.now);
    let from = match place {
        Some(id) => ("filter[sinceId]", id.to_string()),
        None => ("filter[startDate]", account.ahead.wall_clock(poll.first_start, &zone)),
    };
    let read = read(account, path, &[from], &zone, poll.now).await?;
    let last = read.entries.iter().filter_map(|entry| wire::number(entry.get("id"))).max();
    let next = cursor.advanced(place, last, read.more, poll.now);
    let row = |entry: &Value| row(entry, &read, account, poll, &zone);
    let told = |entry: &&Value| entry.get("field").and_then(Value::as_str) != Some(NOISE);
    Ok(Page {
        rows: read.entries.iter().filter(told).map(row).collect(),
        cursor: next.store(),
        more: next.next.is_some(),
        covered: None,
    })
}

/// One page of the history.
pub struct Entries {
    pub entries: Vec<Value>,
    pub more: bool,
    ahead: SignedDuration,
}

impl Entries {
    /// When an entry was made, by our clock.
    pub fn made(&self, entry: &Value, zone: &TimeZone) -> Option<Timestamp> {
        wire::time(entry.get("createdAt"), zone)?.checked_add(self.ahead).ok()
    }
}

/// Reads one page, by `sinceId` or `startDate`: never by `page` (2.4).
///
/// # Errors
/// Why not now.
pub async fn read(
    account: &Account,
    path: &'static str,
    filter: &[(&str, String)],
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Entries, Delay> {
    let mut query: Vec<(String, String)> =
        filter.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    query.push(("limit".to_owned(), PAGE.to_string()));
    let begun = Instant::now();
    let asked = account.client.get(path, path.to_owned(), query).await;
    let of = if path == TEMPLATE { "orders" } else { "customers" };
    let mut answer = asked.map_err(|stop| match stop {
        // Where there is no history, leads and orders may go on all the same.
        Stop::NotFound(_) => Delay::item(format!("the CRM knows no history of {of}")),
        stop => stop.delay(&format!("the history of {of}")),
    })?;
    // It may have waited long for its turn.
    let now = SignedDuration::try_from(begun.elapsed())
        .ok()
        .and_then(|took| now.checked_add(took).ok())
        .unwrap_or(now);
    let ahead = account.ahead.learn(wire::time(answer.get("generatedAt"), zone), now);
    let entries = match answer.get_mut("history").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        Some(Value::Object(entries)) => entries.into_iter().map(|(_, entry)| entry).collect(),
        _ => Vec::new(),
    };
    Ok(Entries { more: more(&answer, entries.len()), entries, ahead })
}

fn more(answer: &Map<String, Value>, count: usize) -> bool {
    let pages = answer.get("pagination").and_then(|held| wire::number(held.get("totalPageCount")));
    count > 0 && pages.map_or(count >= PAGE, |pages| pages > 1)
}

/// The row of an entry; one without an id is kept under its digest.
fn row(entry: &Value, read: &Entries, account: &Account, poll: &Poll<'_>, zone: &TimeZone) -> Raw {
    let registered = read.made(entry, zone).unwrap_or(poll.now);
    let book = if poll.feed == ORDERS { "history" } else { CUSTOMERS };
    let key = match wire::number(entry.get("id")) {
        Some(id) => format!("{book}:{id}"),
        None => format!("{book}:?{}", door::digest(entry.to_string().as_bytes())),
    };
    let body = json!({ "registered": registered.to_string(), "entry": entry });
    Raw {
        id: 0,
        connection: account.config.name.clone(),
        channel: poll.feed.to_owned(),
        content_type: "application/json".to_owned(),
        body: body.to_string().into_bytes(),
        dedupe_key: key,
        received: poll.now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_poll_begins_before_the_cursor_and_goes_on_where_its_page_ended() {
        let now = at("2026-11-20T10:00:00Z");
        let cursor = Cursor::read(None);
        assert_eq!((cursor.place(now), cursor.store()), (None, None));
        let cursor = cursor.advanced(None, Some(1100), true, now);
        assert_eq!(cursor.place(now), Some(1100));
        let cursor = Cursor::read(cursor.store().as_ref());
        assert_eq!(cursor.place(now), Some(1100));
        let cursor = cursor.advanced(Some(1100), Some(1130), false, now);
        assert_eq!(cursor.store(), Some(json!({"v": 1, "since": 1130})));
        assert_eq!(cursor.place(now), Some(930));
        // Two pages of what is known already: the cursor stands, the poll goes on.
        let cursor = cursor.advanced(Some(930), Some(1030), true, now);
        assert_eq!((cursor.since, cursor.place(now)), (Some(1130), Some(1030)));
        // A poll that broke off begins as a new one does.
        let later = at("2026-11-20T11:00:00Z");
        assert_eq!(cursor.place(later), Some(830));
        assert_eq!(Cursor { since: Some(5), next: None }.place(now), Some(0));
    }

    #[test]
    fn a_far_side_that_turns_in_a_circle_ends_the_poll() {
        let now = at("2026-11-20T10:00:00Z");
        let cursor = Cursor { since: Some(500), next: Some((500, now)) };
        assert_eq!(cursor.advanced(Some(500), Some(500), true, now).next, None);
        assert_eq!(cursor.advanced(Some(500), None, true, now), Cursor { next: None, ..cursor });
    }

    #[test]
    fn a_small_difference_of_the_clocks_is_none() {
        let ahead = Ahead::default();
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let now = at("2026-11-20T10:00:01.900Z");
        for (generated, seconds) in [
            ("2026-11-20T10:00:01Z", 0),
            ("2026-11-20T10:00:03Z", 0),
            ("2026-11-20T09:59:01Z", 60),
            ("2026-11-20T10:10:01Z", -600),
        ] {
            ahead.learn(Some(at(generated)), now);
            assert_eq!(ahead.get().as_secs(), seconds, "{generated}");
        }
        assert_eq!(ahead.wall_clock(now, &zone), "2026-11-20 13:10:01");
        ahead.learn(None, now);
        assert_eq!(ahead.wall_clock(now, &zone), "2026-11-20 13:00:01");
    }

    proptest! {
        #[test]
        fn the_cursor_never_goes_back(
            stored in prop_oneof![
                Just(json!(null)), Just(json!({"v": 2})), Just(json!({"v": 1, "since": "x"})),
                (0_i64..2000).prop_map(|id| json!({"v": 1, "since": id})),
                (0_i64..2000, 0_i64..2000).prop_map(|(id, next)| json!({"v": 1, "since": id,
                    "next": {"id": next, "at": "2026-11-20T10:00:00Z"}})),
            ],
            pages in prop::collection::vec((prop::option::of(0_i64..3000), any::<bool>(), 0_i64..7200), 0..20),
        ) {
            let mut cursor = Cursor::read(Some(&stored));
            let mut now = at("2026-11-20T10:00:00Z");
            for (last, more, pause) in pages {
                now += SignedDuration::from_secs(pause);
                let place = cursor.place(now);
                let next = cursor.advanced(place, last, more, now);
                prop_assert!(next.since >= cursor.since);
                if let Some((id, _)) = next.next {
                    prop_assert!(place.is_none_or(|place| id > place));
                }
                cursor = Cursor::read(next.store().as_ref());
                prop_assert_eq!(cursor, next);
            }
        }
    }
}
