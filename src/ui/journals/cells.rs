//! What stands in the columns of a journal, as HTML and as CSV know it. Invariant: one value makes
//! both, so that a file says what the page says.

use crate::desk::journals::Named;
use crate::ui::formats::Times;
use crate::ui::signs::Sign;
use crate::ui::words::Language;
use jiff::Timestamp;

/// A column that can be shown.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// In addresses and in the cookie.
    pub key: &'static str,
    pub title: &'static str,
    pub numeric: bool,
    /// Shown where nobody chose.
    pub usual: bool,
}

impl Column {
    pub const fn new(key: &'static str, title: &'static str) -> Self {
        Self { key, title, numeric: false, usual: true }
    }

    pub const fn numeric(self) -> Self {
        Self { numeric: true, ..self }
    }

    pub const fn rare(self) -> Self {
        Self { usual: false, ..self }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Nothing,
    Text(String),
    /// Cut on the page, whole in the file.
    Long(String),
    At(Timestamp),
    /// What is to come, said as "in 5 minutes".
    Due(Timestamp),
    Money {
        amount: String,
        currency: String,
    },
    State {
        sign: Sign,
        why: Option<String>,
    },
    Named(Named),
    /// An address of ours, or none, and its text.
    Links(Vec<(Option<String>, String)>),
    Lines(Vec<String>),
    Count(u64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: String,
    /// The story; none: there is none to tell.
    pub open: Option<String>,
    /// One for each column of the journal, in its order.
    pub cells: Vec<Cell>,
}

impl Cell {
    pub fn text(text: Option<String>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Self::Nothing, Self::Text)
    }

    pub fn links(links: Vec<(Option<String>, String)>) -> Self {
        if links.is_empty() { Self::Nothing } else { Self::Links(links) }
    }

    pub fn named(named: Option<Named>) -> Self {
        named.map_or(Self::Nothing, Self::Named)
    }

    /// As a file has it: times by the second, money with the point of the language.
    pub fn plain(&self, times: &Times) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) | Self::Long(text) => text.clone(),
            Self::At(at) | Self::Due(at) => {
                at.to_zoned(times.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            Self::Money { amount, .. } if times.language == Language::Ru => {
                amount.replace('.', ",")
            }
            Self::Money { amount, .. } => amount.clone(),
            Self::State { sign, why } => match why {
                Some(why) => format!("{}: {why}", sign.word),
                None => sign.word.clone(),
            },
            Self::Named(named) => named.shown().to_owned(),
            Self::Links(links) => {
                links.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ")
            }
            Self::Lines(lines) => lines.join(", "),
            Self::Count(count) => count.to_string(),
        }
    }

    /// A number of ours or decimal text: nothing that a table program would run.
    pub fn is_number(&self) -> bool {
        match self {
            Self::Money { amount, .. } => {
                let bare = amount.strip_prefix('-').unwrap_or(amount);
                bare.chars().all(|c| c.is_ascii_digit() || c == '.')
            }
            Self::Count(_) => true,
            _ => false,
        }
    }
}
