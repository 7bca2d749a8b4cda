//! Keeping secrets out of what people read. Invariant: masking keeps the length in bytes, so that
//! every span still points at the same thing.

use crate::diagnosis::nearest;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Parts of names whose values are never shown.
const WORDS: [&str; 6] = ["key", "token", "secret", "passw", "auth", "credential"];

/// The names that they have with us: one that is nearly so is a mistyped one.
const NAMES: [&str; 4] = ["api_key", "token", "hook_secret", "password"];

/// Is a value under this name to be hidden?
pub(super) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word)) || nearest(name, NAMES).is_some()
}

/// What has to be masked in `name = value`: a literal secret, or the password of an address.
/// `env:NAME` and `file:PATH` say nothing and stay.
pub(super) fn spans(name: &str, value: &Spanned<DeValue<'_>>) -> Vec<Range<usize>> {
    match value.get_ref() {
        DeValue::Table(_) => Vec::new(),
        DeValue::String(text) if is_secret_name(name) => {
            if text.starts_with("env:") || text.starts_with("file:") {
                return Vec::new();
            }
            vec![value.span()]
        }
        DeValue::String(text) if password(text).is_some() => vec![value.span()],
        _ if is_secret_name(name) => vec![value.span()],
        _ => Vec::new(),
    }
}

/// Covers these spans with stars; quotes and line ends stay, so that the text keeps its shape.
pub(super) fn mask(text: &str, spans: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    for (place, letter) in text.char_indices() {
        let hidden = spans.iter().any(|span| span.contains(&place));
        if hidden && !matches!(letter, '"' | '\'' | '\n' | '\r') {
            masked.extend(std::iter::repeat_n('*', letter.len_utf8()));
        } else {
            masked.push(letter);
        }
    }
    masked
}

/// Masks a text that cannot be parsed: all that follows `=` on a line that speaks of a secret.
pub(super) fn mask_unparsed(text: &str) -> String {
    let mut spans = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let equals = line.find('=').unwrap_or(line.len());
        let key = line[..equals].rsplit(['{', ',', '.']).next().unwrap_or_default();
        if is_secret_name(key.trim()) || is_secret_name(line) {
            spans.push(start + equals..end);
        } else if password(line).is_some() {
            spans.push(start..end);
        }
        start = end;
    }
    mask(text, &spans)
}

/// An address as a log may show it: `postgres://leadlink:***@db/leadlink`.
pub(super) fn without_password(url: &str) -> String {
    match password(url) {
        Some(span) => {
            format!("{}***{}", &url[..span.start], &url[span.end..])
        }
        None => url.to_owned(),
    }
}

/// Where the password of `scheme://user:password@host` stands.
fn password(url: &str) -> Option<Range<usize>> {
    let scheme_end = url.find("://")? + 3;
    let rest = &url[scheme_end..];
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let user_end = authority.rfind('@')?;
    let colon = authority[..user_end].find(':')?;
    Some(scheme_end + colon + 1..scheme_end + user_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_without_moving_anything() {
        let text = "api_key = \"тайна\" # ok";
        let masked = mask(text, &[10..22, 0..0]);
        assert_eq!(masked, "api_key = \"**********\" # ok");
        assert_eq!(masked.len(), text.len());
    }

    #[test]
    fn hides_the_password_of_an_address() {
        assert_eq!(without_password("postgres://a:b:c@h/d"), "postgres://a:***@h/d");
        for plain in ["sqlite:data/x.db", "postgres://h/d", "postgres://a@h/d", "https://h:1/@x"] {
            assert_eq!(without_password(plain), plain);
        }
    }

    #[test]
    fn masks_a_broken_text_by_its_lines() {
        let text = "token = \"abc\nname = \"shop\"\nurl = \"pg://a:b@c\"\n";
        assert_eq!(mask_unparsed(text), "token **\"***\nname = \"shop\"\n******\"**********\"\n");
    }
}
