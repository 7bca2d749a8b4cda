//! Spans of time as people write them: `60s`, `5m`, `1h 30m`, `7d`. Invariant: whole numbers with
//! a unit each, longer units first is not asked for; never zero by an overflow.

use std::time::Duration;

/// What to write where a duration is wanted.
pub(super) const MEND: &str =
    "write a number with a unit (ms, s, m, h, d, w): \"60s\", \"5m\", \"1h 30m\", \"7d\"";

/// Reads a duration; `None` where it is none.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?.trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = millis(rest.get(..letters)?)?;
        rest = rest.get(letters..)?.trim_start();
        let part = Duration::from_millis(amount.checked_mul(unit)?);
        total = total.checked_add(part)?;
    }
    Some(total)
}

fn millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let table = [
            ("0s", 0),
            ("250ms", 250),
            ("60s", 60_000),
            ("5m", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 7d ", 604_800_000),
            ("1 h", 3_600_000),
            ("2w", 1_209_600_000),
        ];
        for (text, ms) in table {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in
            ["", "  ", "5", "m", "1 mn", "-5m", "1.5h", "5m 3", "99999999999999999999s", "минута"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
