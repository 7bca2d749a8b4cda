//! Phones and e-mails. Invariant: they compare by canonical key and keep what was typed; their
//! `Debug` hides the person.

use rlibphonenumber::{PhoneNumber, PhoneNumberFormat, Region};
use std::fmt;

/// Digits below which a text is no phone but an extension or a short code.
const FEWEST_DIGITS: usize = 5;

/// A phone as typed, with its canonical key.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone {
    typed: String,
    key: String,
}

impl Phone {
    /// Reads a phone in any mask (`8 (999) 000-00-01`, `79990000001`, `+7…`, `… доб. 12`).
    /// A number without a country is read as Russian; one that no numbering plan knows keeps its
    /// digits as key, so that it still equals itself. `None`: hidden, empty or too short.
    pub fn parse(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
        if digits.len() < FEWEST_DIGITS || typed.contains('{') {
            return None;
        }
        let key = e164(typed, Some(Region::RU))
            .or_else(|| e164(&format!("+{digits}"), None))
            .unwrap_or(digits);
        Some(Self { typed: typed.to_owned(), key })
    }

    /// What was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The canonical key: E.164 (`+79990000001`) where a numbering plan knows the number.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The digits without the country's code (`9990000001`); all digits where no numbering plan
    /// knows the number.
    pub fn national(&self) -> String {
        match PhoneNumber::parse(&self.key, None) {
            Ok(number) if self.key.starts_with('+') => number.get_national_significant_number(),
            _ => self.key.clone(),
        }
    }
}

fn e164(text: &str, region: Option<Region>) -> Option<String> {
    let number = PhoneNumber::parse(text, region).ok()?;
    number.is_valid().then(|| number.format_as(PhoneNumberFormat::E164).into_owned())
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", masked(&self.key))
    }
}

/// An e-mail's canonical key: trimmed, lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailKey(String);

impl EmailKey {
    /// `None` where the text is no address (`name@host`).
    pub fn parse(typed: &str) -> Option<Self> {
        let key = typed.trim().to_lowercase();
        let (name, host) = key.split_once('@')?;
        let sound = !name.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !key
                .contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '<' | '>' | ','));
        sound.then_some(Self(key))
    }

    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, host) = self.0.split_once('@').unwrap_or_default();
        write!(f, "Email({}…@{host})", name.chars().next().unwrap_or('?'))
    }
}

/// The lane and link key of a contact: `phone:+79990000001`, `email:user@example.test`.
/// A text that is neither gives `None`.
pub fn contact_key(text: &str) -> Option<String> {
    if text.contains('@') {
        return EmailKey::parse(text).map(|email| format!("email:{}", email.key()));
    }
    Phone::parse(text).map(|phone| format!("phone:{}", phone.key()))
}

/// A phone for logs: the first two and the last two digits.
pub fn masked(phone: &str) -> String {
    let symbols: Vec<char> = phone.chars().collect();
    match symbols.len() {
        0..=5 => "…".to_owned(),
        n => format!(
            "{}…{}",
            symbols[..3].iter().collect::<String>(),
            symbols[n - 2..].iter().collect::<String>()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_of_one_number_has_one_key() {
        for typed in [
            "79990000001",
            "+7 (999) 000-00-01",
            "8 999 000 00 01",
            "89990000001",
            "9990000001",
            "8(999)0000001 доб. 123",
        ] {
            assert_eq!(
                Phone::parse(typed).map(|p| p.key().to_owned()).as_deref(),
                Some("+79990000001"),
                "{typed}"
            );
        }
    }

    #[test]
    fn other_countries_and_oddities() {
        for (typed, key) in [
            ("375291234567", Some("+375291234567")),
            ("+7 701 123 45 67", Some("+77011234567")),
            ("8 800 200 00 00", Some("+78002000000")),
            ("anonymous", None),
            ("{callerphone}", None),
            ("", None),
            ("1234", None),
            ("100500100", Some("100500100")),
        ] {
            assert_eq!(Phone::parse(typed).map(|p| p.key().to_owned()).as_deref(), key, "{typed}");
        }
    }

    #[test]
    fn the_national_part_has_no_country() {
        for (typed, national) in [
            ("8 (999) 000-00-01", "9990000001"),
            ("375291234567", "291234567"),
            ("100500100", "100500100"),
        ] {
            assert_eq!(Phone::parse(typed).map(|p| p.national()).as_deref(), Some(national));
        }
    }

    #[test]
    fn debug_hides_the_person() {
        let shown =
            format!("{:?} {:?}", Phone::parse("79991234567"), EmailKey::parse("User@Example.test"));
        assert!(!shown.contains("99912345") && !shown.contains("user"), "{shown}");
    }
}
