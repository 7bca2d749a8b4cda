//! Numbers, money and times as people read them. Invariant: money stays decimal text from the far side
//! to the page; a time is shown in the zone of `[console]`, to the second where order matters.

use super::words::Language;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const MONTHS_RU: [&str; 12] =
    ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"];
const MONTHS_EN: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time, however often a template has borrowed it.
pub trait Moment {
    fn moment(&self) -> Timestamp;
}

impl Moment for Timestamp {
    fn moment(&self) -> Timestamp {
        *self
    }
}

impl<T: Moment> Moment for &T {
    fn moment(&self) -> Timestamp {
        (**self).moment()
    }
}

/// A number of things, of whichever type and however often borrowed; below zero counts as none.
pub trait Amount {
    fn amount(&self) -> u64;
}

macro_rules! amounts {
    ($($kind:ty)+) => {$(
        impl Amount for $kind {
            fn amount(&self) -> u64 {
                u64::try_from(*self).unwrap_or(0)
            }
        }
    )+};
}

amounts! { u32 u64 usize i64 }

impl<T: Amount> Amount for &T {
    fn amount(&self) -> u64 {
        (**self).amount()
    }
}

/// `1 234` or `1,234`.
pub fn number(language: Language, count: u64) -> String {
    grouped(language, &count.to_string())
}

/// The digits of a whole number in groups of three.
fn grouped(language: Language, digits: &str) -> String {
    let gap = if language == Language::Ru { '\u{a0}' } else { ',' };
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(gap);
        }
        out.push(digit);
    }
    out
}

/// A decimal text in groups, with kopecks where there are any: `12 900`, `12 900,50`. What is no
/// number is shown as it is.
pub fn money(language: Language, amount: &str) -> String {
    let (sign, bare) = match amount.strip_prefix('-') {
        Some(bare) => ("\u{2212}", bare),
        None => ("", amount),
    };
    let (whole, rest) = bare.split_once('.').unwrap_or((bare, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(rest) {
        return amount.to_owned();
    }
    let whole = grouped(language, whole);
    let rest = rest.trim_end_matches('0');
    let point = if language == Language::Ru { ',' } else { '.' };
    match rest.len() {
        0 => format!("{sign}{whole}"),
        1 => format!("{sign}{whole}{point}{rest}0"),
        _ => format!("{sign}{whole}{point}{rest}"),
    }
}

/// With the sign of the currency, where it has one.
pub fn priced(language: Language, amount: &str, currency: &str) -> String {
    let code = currency.to_uppercase();
    let sign = match code.as_str() {
        "RUB" => "₽",
        "USD" => "$",
        "EUR" => "€",
        "KZT" => "₸",
        other => other,
    };
    let amount = money(language, amount);
    if sign.is_empty() { amount } else { format!("{amount}\u{a0}{sign}") }
}

/// A share in whole hundredths; `—` of nothing.
pub fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return "—".to_owned();
    }
    format!("{}%", (part.saturating_mul(200) / of).div_ceil(2))
}

/// Times in one zone and language; `now` tells which year is this one.
#[derive(Debug, Clone)]
pub struct Times {
    pub language: Language,
    pub zone: TimeZone,
    pub now: Timestamp,
}

impl Times {
    /// `21 ноя 19:57`, with the year where it is another.
    pub fn minute(&self, at: impl Moment) -> String {
        let at = at.moment();
        let at = at.to_zoned(self.zone.clone());
        format!("{} {:02}:{:02}", self.day(at.date()), at.hour(), at.minute())
    }

    /// As [`Self::minute`], with seconds.
    pub fn second(&self, at: impl Moment) -> String {
        let at = at.moment();
        let zoned = at.to_zoned(self.zone.clone());
        format!("{}:{:02}", self.minute(at), zoned.second())
    }

    /// `19:57:01`, for what follows on each other within a day.
    pub fn clock(&self, at: impl Moment) -> String {
        let at = at.moment();
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// `21 ноя`, with the year where it is another.
    pub fn day(&self, date: Date) -> String {
        let months = if self.language == Language::Ru { MONTHS_RU } else { MONTHS_EN };
        let month = usize::try_from(date.month() - 1).ok().and_then(|month| months.get(month));
        let said = format!("{}\u{a0}{}", date.day(), month.unwrap_or(&""));
        match date.year() == self.today().year() {
            true => said,
            false => format!("{said} {}", date.year()),
        }
    }

    pub fn today(&self) -> Date {
        self.now.to_zoned(self.zone.clone()).date()
    }

    /// For `<time datetime>`.
    pub fn machine(&self, at: impl Moment) -> String {
        let at = at.moment();
        format!("{at:.0}")
    }

    /// All of it, for who hovers: `2026-11-21 19:57:01 MSK`.
    pub fn whole(&self, at: impl Moment) -> String {
        let at = at.moment();
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    pub fn ago(&self, at: impl Moment) -> String {
        let at = at.moment();
        super::words::count::ago(self.language, self.now.as_second() - at.as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{En, Ru};

    fn plain(text: &str) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn numbers_and_money_are_grouped() {
        assert_eq!(plain(&number(Ru, 1_234_567)), "1 234 567");
        assert_eq!(number(En, 1_234), "1,234");
        assert_eq!(number(En, 999), "999");
        for (amount, ru, en) in [
            ("12900", "12 900", "12,900"),
            ("12900.00", "12 900", "12,900"),
            ("1234.5", "1 234,50", "1,234.50"),
            ("-1500.25", "\u{2212}1 500,25", "\u{2212}1,500.25"),
            ("0", "0", "0"),
            (
                "99999999999999999999.01",
                "99 999 999 999 999 999 999,01",
                "99,999,999,999,999,999,999.01",
            ),
            ("n/a", "n/a", "n/a"),
            ("", "", ""),
            (".5", ".5", ".5"),
        ] {
            assert_eq!(plain(&money(Ru, amount)), ru);
            assert_eq!(money(En, amount), en);
        }
        assert_eq!(plain(&priced(Ru, "10", "RUB")), "10 ₽");
        assert_eq!(plain(&priced(En, "10", "aed")), "10 AED");
        assert_eq!(plain(&priced(Ru, "10", "rub")), "10 ₽");
        assert_eq!(priced(Ru, "10", ""), "10");
    }

    #[test]
    fn shares_are_rounded() {
        assert_eq!(share(0, 0), "—");
        assert_eq!(share(2, 3), "67%");
        assert_eq!(share(1, 3), "33%");
        assert_eq!(share(5, 5), "100%");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().expect("a time");
        let times =
            Times { language: Ru, zone: TimeZone::get("Europe/Moscow").expect("a zone"), now };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(plain(&times.minute(at("2026-11-21T21:57:01Z"))), "22 ноя 00:57");
        assert_eq!(plain(&times.second(at("2025-05-01T09:00:05.9Z"))), "1 мая 2025 12:00:05");
        assert_eq!(times.whole(at("2026-11-21T21:57:01Z")), "2026-11-22 00:57:01 MSK");
        assert_eq!(times.machine(at("2026-11-21T21:57:01.123Z")), "2026-11-21T21:57:01Z");
        assert_eq!(plain(&times.ago(at("2026-11-22T02:55:00Z"))), "5 минут назад");
        let times = Times { language: En, ..times };
        assert_eq!(plain(&times.minute(at("2026-05-01T09:00:05Z"))), "1 May 12:00");
    }
}
