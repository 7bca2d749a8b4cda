//! Which day of a journal is read next. Invariant: today and yesterday (site's zone) are read anew
//! at each poll, so that a lost webhook and a late record heal; after an outage every day since
//! the last complete one is read. Pure: `now` is an argument.
//!
//! A day is complete when a poll read it after the next day had ended too. The cursor holds the
//! last complete day and, within a poll, the page that comes next and when the poll began: what a
//! poll read to its end is covered from its first day until it began.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Version of the cursor's shape.
const VERSION: i64 = 1;

/// One page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub day: Date,
    pub page: u32,
}

/// Where a feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The last day that need not be read again.
    complete: Date,
    /// The next page of a poll that is under way.
    next: Option<Place>,
    /// When that poll began.
    begun: Option<Timestamp>,
}

impl Cursor {
    /// The cursor as stored; `None`, or one that cannot be read, begins at the first start's day.
    pub fn read(stored: Option<&Value>, first_start: Timestamp, zone: &TimeZone) -> Self {
        stored.and_then(parse).unwrap_or_else(|| Self {
            complete: before(day_of(first_start, zone)),
            next: None,
            begun: None,
        })
    }

    pub fn store(&self) -> Value {
        let mut stored = json!({ "v": VERSION, "day": self.complete.to_string() });
        if let Some(next) = self.next {
            stored["next"] = json!({ "day": next.day.to_string(), "page": next.page });
            if let Some(begun) = self.begun {
                stored["begun"] = begun.to_string().into();
            }
        }
        stored
    }

    /// The page to read now.
    pub fn place(&self, now: Timestamp, zone: &TimeZone) -> Place {
        let today = day_of(now, zone);
        self.next
            // A clock that was set back must not ask for days to come.
            .filter(|next| next.day <= today)
            .unwrap_or_else(|| Place { day: after(self.complete).min(before(today)), page: 1 })
    }

    /// The cursor after `place` was read: the next page of the day, the next day, or, behind
    /// today, the end of this poll.
    pub fn advanced(&self, place: Place, more: bool, now: Timestamp, zone: &TimeZone) -> Self {
        let today = day_of(now, zone);
        let next = if more {
            Some(Place { page: place.page.saturating_add(1), ..place })
        } else {
            (place.day < today).then(|| Place { day: after(place.day), page: 1 })
        };
        let complete = match next {
            Some(_) => self.complete,
            None => self.complete.max(before(before(today))),
        };
        Self { complete, next, begun: self.began(now).filter(|_| next.is_some()) }
    }

    /// When the poll began whose page this cursor gives.
    fn began(&self, now: Timestamp) -> Option<Timestamp> {
        if self.next.is_none() {
            return Some(now);
        }
        // A clock that was set back does not cover what is to come.
        self.begun.map(|begun| begun.min(now))
    }

    /// What the poll covers whose last page this cursor gave: from the first of its days until it
    /// began. `None`: another version of ours began it, and did not say when.
    pub fn covered(&self, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let begun = self.began(now)?;
        let first = after(self.complete).min(before(day_of(begun, zone)));
        let from = first.to_zoned(zone.clone()).ok()?.timestamp();
        Some((from, begun))
    }

    /// Is a poll under way, with more to read at once?
    pub fn under_way(&self) -> bool {
        self.next.is_some()
    }
}

pub fn day_of(time: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(time).date()
}

pub fn before(day: Date) -> Date {
    day.yesterday().unwrap_or(day)
}

fn after(day: Date) -> Date {
    day.tomorrow().unwrap_or(day)
}

fn parse(stored: &Value) -> Option<Cursor> {
    if stored.get("v")?.as_i64()? != VERSION {
        return None;
    }
    let day = |value: &Value| value.get("day")?.as_str()?.parse::<Date>().ok();
    let next = stored.get("next").and_then(|next| {
        let page = next.get("page")?.as_u64().and_then(|page| u32::try_from(page).ok())?;
        Some(Place { day: day(next)?, page: page.max(1) })
    });
    let begun = stored.get("begun").and_then(|begun| begun.as_str()?.parse().ok());
    Some(Cursor { complete: day(stored)?, next, begun })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    /// Polls once from `cursor`; each day has `pages` pages. Returns the places read.
    fn poll(
        stored: &mut Option<Value>,
        first: &str,
        now: &str,
        pages: u32,
        zone: &TimeZone,
    ) -> Vec<String> {
        let (first, now) = (first.parse().expect("time"), now.parse().expect("time"));
        let mut read = Vec::new();
        loop {
            let cursor = Cursor::read(stored.as_ref(), first, zone);
            let place = cursor.place(now, zone);
            read.push(if pages == 1 {
                place.day.to_string()
            } else {
                format!("{}/{}", place.day, place.page)
            });
            let cursor = cursor.advanced(place, place.page < pages, now, zone);
            *stored = Some(cursor.store());
            assert!(read.len() < 1000);
            if !cursor.under_way() {
                return read;
            }
        }
    }

    #[rstest]
    #[case::first_day("Europe/Moscow", "2025-05-14T09:00:00Z", "2025-05-14T09:00:00Z", &["2025-05-13", "2025-05-14"])]
    #[case::zone_is_ahead("Europe/Moscow", "2025-05-14T21:30:00Z", "2025-05-14T21:30:00Z", &["2025-05-14", "2025-05-15"])]
    #[case::first_poll_came_late("Europe/Moscow", "2025-05-12T09:00:00Z", "2025-05-14T09:00:00Z", &["2025-05-12", "2025-05-13", "2025-05-14"])]
    #[case::month_end("Europe/Moscow", "2024-03-01T09:00:00Z", "2024-03-01T09:00:00Z", &["2024-02-29", "2024-03-01"])]
    #[case::year_end("Asia/Vladivostok", "2024-12-31T15:00:00Z", "2024-12-31T15:00:00Z", &["2024-12-31", "2025-01-01"])]
    // 25 hours: clocks go back at 01:00 UTC on 26 October 2025.
    #[case::long_day("Europe/Berlin", "2025-10-26T22:59:00Z", "2025-10-26T22:59:00Z", &["2025-10-25", "2025-10-26"])]
    #[case::after_long_day("Europe/Berlin", "2025-10-26T23:00:00Z", "2025-10-26T23:00:00Z", &["2025-10-26", "2025-10-27"])]
    // 23 hours: clocks go forward at 01:00 UTC on 30 March 2025.
    #[case::short_day("Europe/Berlin", "2025-03-30T22:00:00Z", "2025-03-30T22:00:00Z", &["2025-03-30", "2025-03-31"])]
    fn the_first_poll(
        #[case] name: &str,
        #[case] first: &str,
        #[case] now: &str,
        #[case] days: &[&str],
    ) {
        assert_eq!(poll(&mut None, first, now, 1, &zone(name)), days);
    }

    #[test]
    fn each_poll_reads_yesterday_and_today_and_a_day_is_complete_a_day_later() {
        let zone = zone("Europe/Moscow");
        let first = "2025-05-10T09:00:00Z";
        let mut stored = None;
        let mut at = |now: &str| poll(&mut stored, first, now, 1, &zone);
        assert_eq!(at("2025-05-10T09:00:00Z"), ["2025-05-09", "2025-05-10"]);
        assert_eq!(at("2025-05-10T20:55:00Z"), ["2025-05-09", "2025-05-10"]);
        // Behind midnight, the day before yesterday is read once more: a poll before midnight
        // cannot have seen all of it.
        assert_eq!(at("2025-05-10T21:01:00Z"), ["2025-05-10", "2025-05-11"]);
        assert_eq!(at("2025-05-11T21:01:00Z"), ["2025-05-10", "2025-05-11", "2025-05-12"]);
        assert_eq!(at("2025-05-11T21:06:00Z"), ["2025-05-11", "2025-05-12"]);
        // An outage of five days.
        assert_eq!(
            at("2025-05-17T09:00:00Z"),
            [
                "2025-05-11",
                "2025-05-12",
                "2025-05-13",
                "2025-05-14",
                "2025-05-15",
                "2025-05-16",
                "2025-05-17"
            ]
        );
        assert_eq!(at("2025-05-17T09:05:00Z"), ["2025-05-16", "2025-05-17"]);
        assert_eq!(stored, Some(serde_json::json!({"v": 1, "day": "2025-05-15"})));
    }

    #[test]
    fn a_day_of_several_pages_is_read_page_by_page_and_a_poll_that_broke_goes_on() {
        let zone = zone("UTC");
        let (first, now) = ("2025-05-14T09:00:00Z", "2025-05-14T10:00:00Z");
        let all = ["2025-05-13/1", "2025-05-13/2", "2025-05-14/1", "2025-05-14/2"];
        assert_eq!(poll(&mut None, first, now, 2, &zone), all);
        let mut stored =
            Some(json!({"v": 1, "day": "2025-05-12", "next": {"day": "2025-05-13", "page": 2}}));
        assert_eq!(poll(&mut stored, first, now, 2, &zone), all[1..]);
    }

    #[rstest]
    #[case(json!(null))]
    #[case(json!({"day": "2025-05-12"}))]
    #[case(json!({"v": 2, "day": "2025-05-12"}))]
    #[case(json!({"v": 1, "day": "12/05/2025"}))]
    fn a_cursor_that_cannot_be_read_begins_anew(#[case] stored: Value) {
        let zone = zone("UTC");
        let first = "2025-05-14T09:00:00Z";
        assert_eq!(poll(&mut Some(stored), first, first, 1, &zone), ["2025-05-13", "2025-05-14"]);
    }

    #[test]
    fn a_clock_set_back_asks_for_no_day_to_come() {
        let zone = zone("UTC");
        let mut stored =
            Some(json!({"v": 1, "day": "2025-06-20", "next": {"day": "2025-06-21", "page": 3}}));
        let first = "2025-05-14T09:00:00Z";
        assert_eq!(poll(&mut stored, first, first, 1, &zone), ["2025-05-13", "2025-05-14"]);
    }
}
