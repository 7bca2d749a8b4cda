//! Times as a person types them. Invariant: a time without a zone is of the system's zone; a text
//! that could mean two things is refused.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// What may be typed, for messages.
const FORMS: &str = "write 7d, 2h or 90m (so long ago), 2026-11-20, 20.11.2026, `2026-11-20 14:30`, \
     today, yesterday, or RFC 3339";

/// A time: RFC 3339; a date (its first moment) or a date with a time of day; `today`, `yesterday`,
/// `сегодня`, `вчера`; or how long ago, in weeks, days, hours, minutes and seconds: `7d`, `1h30m`.
///
/// # Errors
/// What may be typed.
pub fn time(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let here = now.to_zoned(zone.clone());
    let found = date(text, &here)
        .and_then(|date| date.to_zoned(zone.clone()).ok())
        .or_else(|| of_day(text)?.to_zoned(zone.clone()).ok())
        .or_else(|| ago(text, &here));
    found.map(|found| found.timestamp()).ok_or_else(|| FORMS.to_owned())
}

/// A day: that of such a time.
///
/// # Errors
/// What may be typed.
pub fn day(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Date, String> {
    time(text, now, zone).map(|time| time.to_zoned(zone.clone()).date())
}

fn date(text: &str, here: &Zoned) -> Option<Date> {
    match text.to_lowercase().as_str() {
        "today" | "сегодня" => Some(here.date()),
        "yesterday" | "вчера" => here.date().yesterday().ok(),
        _ if text.contains([':', 'T', ' ']) => None,
        _ => Date::strptime("%d.%m.%Y", text).or_else(|_| Date::strptime("%Y-%m-%d", text)).ok(),
    }
}

fn of_day(text: &str) -> Option<DateTime> {
    let forms = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"];
    let text = text.replacen('T', " ", 1);
    forms.iter().find_map(|form| DateTime::strptime(form, &text).ok())
}

fn ago(text: &str, here: &Zoned) -> Option<Zoned> {
    let span: Span = text.parse().ok()?;
    // `P…` is for machines, months differ in length, and a time to come was not decided yet.
    let plain = text.starts_with(|first: char| first.is_ascii_digit());
    if !plain || span.is_negative() || span.get_months() != 0 || span.get_years() != 0 {
        return None;
    }
    here.checked_sub(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2026-11-19T10:00:00Z", "2026-11-19T10:00:00Z")]
    #[case("2026-11-19T10:00:00+03:00", "2026-11-19T07:00:00Z")]
    #[case("2026-11-19", "2026-11-18T21:00:00Z")]
    #[case("19.11.2026", "2026-11-18T21:00:00Z")]
    #[case("2026-11-19 14:30", "2026-11-19T11:30:00Z")]
    #[case("2026-11-19T14:30:15", "2026-11-19T11:30:15Z")]
    #[case("19.11.2026 14:30", "2026-11-19T11:30:00Z")]
    #[case("today", "2026-11-19T21:00:00Z")]
    #[case("Вчера", "2026-11-18T21:00:00Z")]
    #[case("7d", "2026-11-13T12:00:00Z")]
    #[case("2w", "2026-11-06T12:00:00Z")]
    #[case("1h30m", "2026-11-20T10:30:00Z")]
    #[case("90m", "2026-11-20T10:30:00Z")]
    fn times_are_read(#[case] text: &str, #[case] wanted: &str) {
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let zone = TimeZone::get("Europe/Moscow").expect("a zone");
        assert_eq!(time(text, now, &zone).map(|time| time.to_string()), Ok(wanted.to_owned()));
    }

    #[rstest]
    #[case("")]
    #[case("soon")]
    #[case("7")]
    #[case("-7d")]
    #[case("7mo")]
    #[case("2026-13-01")]
    #[case("31.02.2026")]
    #[case("11/19/2026")]
    fn others_are_refused(#[case] text: &str) {
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        assert_eq!(time(text, now, &TimeZone::UTC), Err(FORMS.to_owned()));
    }
}
