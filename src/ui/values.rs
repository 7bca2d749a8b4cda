//! Values of far sides as text, addresses of our own pages, and fields of forms. Invariant: what is
//! shown is text and nothing else; an address that is made here leads to a page of ours.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fmt::Display;

/// What stands in a path as it is.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// The longest way back that a form may name.
const LONGEST: usize = 2000;

/// A value in one line, or in several where it is a table.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

/// A part of a path.
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// The id of a part of a page.
pub fn id(name: impl Display, at: impl Display) -> String {
    format!("{name}-{at}")
}

/// The address of a story.
pub fn story(id: &str) -> String {
    format!("/story/{}", part(id))
}

/// A path of ours that a form names to go on to; anything else leads home.
pub fn local(path: &str) -> &str {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let inside = path.starts_with('/') && !path.starts_with("//") && !path.contains("://");
    if plain && inside && path.len() <= LONGEST { path } else { "/" }
}

/// The fields of a form or a query, in order; a name may come several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    pub fn of(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first of that name that is not empty, without spaces around it.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mine = self.0.iter().find(|(key, value)| key == name && !value.trim().is_empty());
        mine.map(|(_, value)| value.trim())
    }

    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// As it was sent, empty or not.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let mine =
            self.0.iter().filter(move |(key, value)| key == name && !value.trim().is_empty());
        mine.map(|(_, value)| value.trim())
    }

    /// A query of these with some names left out, and others put in.
    pub fn with(&self, without: &[&str], more: &[(&str, &str)]) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if !without.contains(&name.as_str()) && !value.is_empty() {
                out.append_pair(name, value);
            }
        }
        out.extend_pairs(more);
        out.finish()
    }

    /// As a query of these names alone.
    pub fn only(&self, names: &[&str]) -> String {
        let mine = self.0.iter();
        let mine = mine.filter(|(name, value)| names.contains(&name.as_str()) && !value.is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(mine).finish()
    }

    /// Those that a form has to carry on, but for some names.
    pub fn others(&self, without: &[&str]) -> Vec<(String, String)> {
        let kept = self
            .0
            .iter()
            .filter(|(name, value)| !without.contains(&name.as_str()) && !value.is_empty());
        kept.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_back_to() {
        assert_eq!(local("/story/shop~call:1?x=1"), "/story/shop~call:1?x=1");
        for path in
            ["https://x.example", "//x.example", "/\\x.example", "x", "", "/a\r\nb", "/a://b", "/é"]
        {
            assert_eq!(local(path), "/", "{path}");
        }
    }

    #[test]
    fn keys_survive_an_address() {
        assert_eq!(story("shop~call:900"), "/story/shop~call:900");
        assert_eq!(story("a/b?c#d é\""), "/story/a%2Fb%3Fc%23d%20%C3%A9%22");
    }

    #[test]
    fn a_query_is_changed_and_not_lost() {
        let fields = Fields::of("kind=call&after=1-2&source=a%26b&empty=");
        assert_eq!(
            fields.with(&["after"], &[("period", "7d")]),
            "kind=call&source=a%26b&period=7d"
        );
        assert_eq!(fields.only(&["kind", "empty", "x"]), "kind=call");
        assert_eq!(fields.get("empty"), None);
        assert_eq!(fields.get("source"), Some("a&b"));
        assert_eq!(Fields::of("id=1&id=2&id= ").all("id").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn values_are_text() {
        assert_eq!(shown(&serde_json::json!("<b>")), "<b>");
        assert_eq!(shown(&serde_json::json!(12.5)), "12.5");
        assert_eq!(shown(&Value::Null), "—");
        assert_eq!(shown(&serde_json::json!(["a"])), "[\n  \"a\"\n]");
    }
}
