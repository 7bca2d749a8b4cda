//! A time of the clock in cron's words, in a zone. Invariant: one that was made comes again and
//! again; which time was the last is a pure question, so that nobody has to wait for it to know.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron as Pattern;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use std::fmt;

/// No zone has moved its clock by more at once.
const SHIFTED_MINUTES: u32 = 25 * 60;

/// `17 3 * * *` in `Europe/Moscow`: minute, hour, day of the month, month, day of the week. As in
/// every cron, a day of the month *and* a day of the week mean either.
#[derive(Clone)]
pub struct Cron {
    expression: String,
    pattern: Pattern,
    zone: Tz,
}

impl Cron {
    /// # Errors
    /// Why it is none, for people.
    pub fn new(expression: &str, zone: &str) -> Result<Self, String> {
        let zone: Tz = zone.parse().map_err(|_| format!("`{zone}` is no time zone"))?;
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed);
        let pattern = parser.build().parse(expression);
        let pattern = pattern.map_err(|error| format!("`{expression}` is no time: {error}"))?;
        let cron = Self { expression: expression.trim().to_owned(), pattern, zone };
        // The 30th of February: no error of grammar, and never.
        match cron.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(format!("`{expression}` never comes")),
        }
    }

    /// The last such time, at `now` or before it. In an hour that a zone leaves out it comes when
    /// that hour is over; in one that a zone has twice, the first time.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        // On the face of the clock, which knows no zone; so its way back and forth is ours to see.
        let found = self.pattern.find_previous_occurrence(&self.face(now)?.and_utc(), true).ok()?;
        let mut face = found.naive_utc();
        for _ in 0..SHIFTED_MINUTES {
            if let Some(found) = self.zone.from_local_datetime(&face).earliest() {
                return Timestamp::from_second(found.timestamp()).ok();
            }
            face += TimeDelta::minutes(1);
        }
        None
    }

    /// What the clock on the wall shows, to the second; in an hour that comes for the second time,
    /// its end: all that it shows has been there already.
    fn face(&self, now: Timestamp) -> Option<NaiveDateTime> {
        let now = DateTime::<Utc>::from_timestamp(now.as_second(), 0)?.with_timezone(&self.zone);
        let mut face = now.naive_local();
        for _ in 0..SHIFTED_MINUTES {
            match self.zone.from_local_datetime(&face) {
                LocalResult::Ambiguous(first, _) if first < now => face += TimeDelta::minutes(1),
                _ => break,
            }
        }
        // The minute behind the hour is the next one already.
        Some(if face == now.naive_local() { face } else { face - TimeDelta::minutes(1) })
    }

    /// The next such time, after `now`.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let from = DateTime::<Utc>::from_timestamp(now.as_second(), 0)?.with_timezone(&self.zone);
        let found = self.pattern.find_next_occurrence(&from, false).ok()?;
        Timestamp::from_second(found.timestamp()).ok()
    }

    /// As it was written.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    #[must_use]
    pub fn zone(&self) -> Tz {
        self.zone
    }

    pub(super) fn is_zone(name: &str) -> bool {
        name.parse::<Tz>().is_ok()
    }

    pub(super) fn zones() -> impl Iterator<Item = &'static str> {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({} {})", self.expression, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn last(expression: &str, zone: &str, now: &str) -> String {
        let cron = Cron::new(expression, zone).expect("a time");
        cron.last(at(now)).expect("it was").to_string()
    }

    #[test]
    fn the_last_time_is_told_in_the_zone() {
        let night = |now| last("17 3 * * *", "Europe/Moscow", now);
        assert_eq!(night("2026-11-20T00:17:00Z"), "2026-11-20T00:17:00Z");
        assert_eq!(night("2026-11-20T00:17:00.9Z"), "2026-11-20T00:17:00Z");
        assert_eq!(night("2026-11-20T00:16:59.9Z"), "2026-11-19T00:17:00Z");
        assert_eq!(night("2026-11-20T23:59:59Z"), "2026-11-20T00:17:00Z");
        assert_eq!(last("0 5 1 * *", "UTC", "2026-03-01T04:59:59Z"), "2026-02-01T05:00:00Z");
        let cron = Cron::new("17 3 * * *", "Europe/Moscow").expect("a time");
        let next = |now| cron.next(at(now)).expect("it comes").to_string();
        assert_eq!(next("2026-11-20T00:16:59Z"), "2026-11-20T00:17:00Z");
        assert_eq!(next("2026-11-20T00:17:00Z"), "2026-11-21T00:17:00Z");
    }

    /// Berlin leaves out 2:00–3:00 on 2026-03-29 and has it twice on 2026-10-25.
    #[test]
    fn a_night_without_that_hour_or_with_two_has_one_time() {
        let cron = Cron::new("17 2 * * *", "Europe/Berlin").expect("a time");
        for (from, to, days) in [
            ("2026-03-27T12:00:00Z", "2026-04-01T12:00:00Z", 5),
            ("2026-10-23T12:00:00Z", "2026-10-28T12:00:00Z", 5),
        ] {
            let mut seen = std::collections::BTreeSet::new();
            let mut now = at(from);
            let before = cron.last(now).expect("it was");
            let mut latest = before;
            while now < at(to) {
                now += jiff::SignedDuration::from_mins(1);
                let last = cron.last(now).expect("it was");
                assert!(last <= now && last >= latest, "{last} at {now} after {latest}");
                latest = last;
                seen.insert(last);
            }
            seen.remove(&before);
            assert_eq!(seen.len(), days, "{from}: {seen:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_told() {
        for (expression, zone, said) in [
            ("61 3 * * *", "UTC", "`61 3 * * *` is no time"),
            ("nightly", "UTC", "`nightly` is no time"),
            ("", "UTC", "`` is no time"),
            ("0 17 3 * * *", "UTC", "`0 17 3 * * *` is no time"),
            ("0 0 30 2 *", "UTC", "`0 0 30 2 *` never comes"),
            ("17 3 * * *", "Europe/Mosco", "`Europe/Mosco` is no time zone"),
        ] {
            let error = Cron::new(expression, zone).expect_err(expression);
            assert!(error.starts_with(said), "{error}");
        }
    }
}
