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

impl Setting {
    /// Takes over a merged value; `typed` finds the variable's text of a leaf.
    pub(super) fn of(value: Value, typed: &impl Fn(&Value) -> Option<String>) -> Self {
        match value {
            Value::String(_, text) => Self::Text(text),
            Value::Char(_, letter) => Self::Text(letter.to_string()),
            Value::Bool(_, flag) => Self::Flag(flag),
            Value::Num(_, num) => number(num),
            Value::Empty(..) => Self::Text(String::new()),
            Value::Dict(_, dict) if dict.contains_key(DATE) => Self::Date,
            Value::Dict(_, dict) => Self::Table(
                dict.into_iter().map(|(key, value)| (key, Node::of(value, typed))).collect(),
            ),
            Value::Array(_, items) => {
                Self::List(items.into_iter().map(|item| Node::of(item, typed)).collect())
            }
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
    pub(super) fn of(value: Value, typed: &impl Fn(&Value) -> Option<String>) -> Self {
        let typed_text = typed(&value);
        Self { value: Setting::of(value, typed), typed: typed_text }
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
