//! Settings as people are shown them. Invariant: no secret is shown, wherever it was written; of each
//! value it is told where it was set.

use super::keys::{Key, Shape};
use super::node::{Node, Setting};
use super::secret;
use super::section::Section;
use secrecy::SecretString;

/// What stands for a secret.
const STARS: &str = "••••••••";

/// A key of a table of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// With the tables that it stands in: `statuses.new`.
    pub key: String,
    /// In one line; of secrets `env:NAME`, `file:PATH` or dots.
    pub value: String,
    pub secret: bool,
    /// `config/leadlink.toml:12`, or the variable that set it.
    pub place: Option<String>,
    pub about: &'static str,
    /// Nobody wrote it.
    pub default: bool,
}

impl Section {
    /// Every key that was written, and after them the defaults of those that were not.
    #[must_use]
    pub fn shown(&self, keys: &[Key]) -> Vec<Shown> {
        let mut all = Vec::new();
        for (name, node) in &self.table {
            let key = keys.iter().find(|key| key.name == name);
            let hidden = key.is_some_and(|key| matches!(key.shape, Shape::Secret));
            let about = key.map_or("", |key| key.about);
            self.show(&mut vec![name.clone()], node, (hidden, about), &mut all);
        }
        let written = |key: &&Key| !self.table.contains_key(key.name) && !key.default.is_empty();
        all.extend(keys.iter().filter(written).map(|key| Shown {
            key: key.name.to_owned(),
            value: key.default.to_owned(),
            secret: false,
            place: None,
            about: key.about,
            default: true,
        }));
        all
    }

    /// A secret that stands here and can be had; asking so leaves no trace in the problems.
    #[must_use]
    pub fn held_secret(&self, key: &str) -> Option<SecretString> {
        let text = self.table.get(key)?.text()?.to_owned();
        self.found_secret(text).filter(|secret| !secret.trim().is_empty()).map(Into::into)
    }

    fn show(
        &self,
        path: &mut Vec<String>,
        node: &Node,
        (hidden, about): (bool, &'static str),
        all: &mut Vec<Shown>,
    ) {
        let name = path.last().map(String::as_str).unwrap_or_default();
        let hidden = hidden || secret::is_secret_name(name);
        if let Setting::Table(inner) = &node.value {
            for (name, node) in inner {
                path.push(name.clone());
                self.show(path, node, (hidden, about), all);
                path.pop();
            }
            return;
        }
        let value = line(node);
        let named = value.starts_with("env:") || value.starts_with("file:");
        let value = match hidden {
            true if named => value,
            true => STARS.to_owned(),
            false => address(&value),
        };
        let whole: Vec<String> = self.path.iter().chain(path.iter()).cloned().collect();
        let place = self.origins.place(&whole);
        all.push(Shown {
            key: path.join("."),
            value,
            secret: hidden,
            place,
            about,
            default: false,
        });
    }
}

/// A value in one line.
fn line(node: &Node) -> String {
    match (&node.value, node.text()) {
        (_, Some(text)) => text.to_owned(),
        (Setting::List(items), None) => items.iter().map(line).collect::<Vec<String>>().join(", "),
        (other, None) => match other.plain() {
            Some(value) => value.to_string(),
            None => other.kind().to_owned(),
        },
    }
}

/// An address without its password and without what stands in its query: a key may be there.
fn address(text: &str) -> String {
    let plain = secret::without_password(text);
    match plain.split_once('?') {
        Some((before, _)) if plain.contains("://") => format!("{before}?…"),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[Key] = &[
        Key::must("api_key", Shape::Secret, "The key"),
        Key::may("url", Shape::Text, "The address"),
        Key::may("rate", Shape::Rate, "How fast").by_default("5"),
        Key::may("signature", Shape::Secret, "What signs"),
    ];

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let text = "api_key = \"abc123\"\nurl = \"https://u:pass@h/x?token=abc123\"\n\
                    signature = \"abc123\"\nhook_secret = \"env:X\"\n\
                    send_headers = { Authorization = \"Bearer abc123\" }\nids = [\"1\", \"2\"]\n";
        let section = Section::from_toml("shop", text);
        let shown = section.shown(KEYS);
        let value = |key: &str| shown.iter().find(|row| row.key == key).map(|row| &*row.value);
        assert_eq!(value("api_key"), Some(STARS));
        assert_eq!(value("signature"), Some(STARS));
        assert_eq!(value("hook_secret"), Some("env:X"));
        assert_eq!(value("url"), Some("https://u:***@h/x?…"));
        assert_eq!(value("send_headers.Authorization"), Some(STARS));
        assert_eq!(value("ids"), Some("1, 2"));
        assert_eq!(value("rate"), Some("5"));
        assert!(!format!("{shown:?}").contains("abc123"));
        let place = shown.iter().find(|row| row.key == "url").and_then(|row| row.place.clone());
        assert_eq!(place.as_deref(), Some("shop:3"));
    }
}
