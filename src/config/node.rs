//! One value of the merged configuration. Invariant: what came from a variable keeps the text as it
//! was typed, so that a token of digits stays a token.

use figment::value::{Num, Value};
use std::collections::BTreeMap;

/// A value and, where it came from a variable, the text of that variable.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Setting,
    pub(super) typed: Option<String>,
}

#[derive(Clone)]
pub(super) enum Setting {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    Date,
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// The key by which the TOML library hands on a date as a table.
const DATE: &str = "$__toml_private_datetime";

/// Finds what was typed into the variable that set the value at a path, and nothing around it.
pub(super) type Typed<'a> = &'a dyn Fn(&Value, &[String]) -> Option<String>;

impl Setting {
    /// Takes over the merged value at `path`.
    pub(super) fn of(value: Value, path: &[String], typed: Typed<'_>) -> Self {
        let node = |key: String, value| {
            let path: Vec<String> = path.iter().cloned().chain([key]).collect();
            Node::of(value, &path, typed)
        };
        match value {
            Value::String(_, text) => Self::Text(text),
            Value::Char(_, letter) => Self::Text(letter.to_string()),
            Value::Bool(_, flag) => Self::Flag(flag),
            Value::Num(_, num) => number(num),
            Value::Empty(..) => Self::Text(String::new()),
            Value::Dict(_, dict) if dict.contains_key(DATE) => Self::Date,
            Value::Dict(_, dict) => {
                let nodes = dict.into_iter().map(|(key, value)| (key.clone(), node(key, value)));
                Self::Table(nodes.collect())
            }
            Value::Array(_, items) => {
                let numbered = items.into_iter().enumerate();
                Self::List(numbered.map(|(place, item)| node(place.to_string(), item)).collect())
            }
        }
    }

    /// As JSON: a text, a number, a flag or a list of texts.
    pub(super) fn plain(&self) -> Option<serde_json::Value> {
        match self {
            Self::Text(text) => Some(text.as_str().into()),
            Self::Integer(number) => Some((*number).into()),
            Self::Number(number) if number.is_finite() => Some((*number).into()),
            Self::Flag(flag) => Some((*flag).into()),
            Self::List(items) => {
                let texts = items.iter().map(|item| item.text().map(str::to_owned));
                texts.collect::<Option<Vec<String>>>().map(serde_json::Value::from)
            }
            Self::Number(_) | Self::Date | Self::Table(_) => None,
        }
    }

    /// With its article, as a message says it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::Flag(_) => "a yes or no",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    fn of(value: Value, path: &[String], typed: Typed<'_>) -> Self {
        let typed_text = typed(&value, path);
        Self { value: Setting::of(value, path, typed), typed: typed_text }
    }

    /// The text, or what was typed into a variable where a text is wanted.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Setting::Text(text) => Some(text),
            Setting::Table(_) => None,
            _ => self.typed.as_deref(),
        }
    }
}

fn number(num: Num) -> Setting {
    match num.to_i128().or_else(|| num.to_u128().and_then(|wide| i128::try_from(wide).ok())) {
        Some(whole) => {
            i64::try_from(whole).map_or(Setting::Number(f64::INFINITY), Setting::Integer)
        }
        None => Setting::Number(num.to_f64().unwrap_or(f64::NAN)),
    }
}
