//! Which days a journal shows. Invariant: days begin at midnight of the zone of `[console]`; dates that
//! a person typed go before a preset.

use crate::ui::formats::Times;
use crate::ui::values::Fields;
use crate::ui::words::Journals;
use jiff::civil::Date;
use jiff::{Span, Timestamp};

/// The days that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Days {
    pub preset: &'static str,
    pub from: Timestamp,
    /// Not included; none: to the newest.
    pub until: Option<Timestamp>,
    /// For the fields of the form; empty where a preset was chosen.
    pub first: String,
    pub last: String,
}

/// A preset with its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    pub key: &'static str,
    pub word: &'static str,
    days: i64,
}

pub fn presets(w: &Journals) -> [Preset; 4] {
    [
        Preset { key: "today", word: w.today, days: 0 },
        Preset { key: "7d", word: w.week, days: 6 },
        Preset { key: "31d", word: w.month, days: 30 },
        Preset { key: "90d", word: w.quarter, days: 89 },
    ]
}

impl Days {
    pub fn of(fields: &Fields, times: &Times, w: &Journals) -> Self {
        let date = |name: &str| fields.get(name).and_then(|text| text.parse::<Date>().ok());
        let (first, last) = (date("from"), date("to"));
        if first.is_some() || last.is_some() {
            let after = |date: Date| begins(date.saturating_add(Span::new().days(1)), times);
            let last_day = last.unwrap_or_else(|| times.today());
            let first_day = first.unwrap_or_else(|| last_day.saturating_sub(Span::new().days(30)));
            let said = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
            return Self {
                preset: "",
                from: begins(first_day, times),
                until: last.map(after),
                first: said(first),
                last: said(last),
            };
        }
        let all = presets(w);
        let preset =
            fields.get("period").and_then(|key| all.iter().find(|preset| preset.key == key));
        let preset = preset.unwrap_or(&all[2]);
        let day = times.today().saturating_sub(Span::new().days(preset.days));
        let (first, last) = (String::new(), String::new());
        Self { preset: preset.key, from: begins(day, times), until: None, first, last }
    }
}

/// Midnight, or the first moment after it where the clocks jumped.
fn begins(date: Date, times: &Times) -> Timestamp {
    let zoned = date.to_zoned(times.zone.clone());
    zoned.map_or(Timestamp::MIN, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::words::{Language, RU};
    use jiff::tz::TimeZone;

    fn days(query: &str) -> (String, String, &'static str) {
        let zone = TimeZone::get("Europe/Moscow").expect("a zone");
        let now = "2026-11-22T22:30:00Z".parse().expect("a time");
        let times = Times { language: Language::Ru, zone, now };
        let days = Days::of(&Fields::of(query), &times, &RU.journals);
        let until = days.until.map(|until| until.to_string()).unwrap_or_default();
        (days.from.to_string(), until, days.preset)
    }

    #[test]
    fn days_are_those_of_the_zone() {
        // It is the 23rd in Moscow already.
        assert_eq!(days("period=today"), ("2026-11-22T21:00:00Z".into(), String::new(), "today"));
        assert_eq!(days("period=7d").0, "2026-11-16T21:00:00Z");
        assert_eq!(days("").2, "31d");
        assert_eq!(days("period=never").2, "31d");
        let asked = ("2026-10-31T21:00:00Z".into(), "2026-11-02T21:00:00Z".into(), "");
        assert_eq!(days("period=7d&from=2026-11-01&to=2026-11-02"), asked);
        assert_eq!(days("from=2026-11-01").1, "");
        assert_eq!(days("to=2026-11-02").0, "2026-10-02T21:00:00Z");
        assert_eq!(days("from=x&to=9999-99-99").2, "31d");
        assert!(!days("from=9999-12-31&to=9999-12-31").0.is_empty());
    }
}
