//! What is wrong with a file, where, and how to mend it. Invariant: problems are values that are
//! collected, never the first one thrown; every one names file, line, field and the mend.
//! A leaf: it knows no other room; `config` and `mapping` speak through it.

#[cfg(test)]
pub mod asked;
mod nearest;
mod render;
pub mod table;

pub use nearest::{nearest, suggest};
pub use render::{line_col, render, sorted, to_json};
pub use table::{Item, Spanned, Table, duration_of};

use std::ops::Range;
use std::sync::Arc;

/// A text that problems point into.
#[derive(Debug, Clone)]
pub struct Source {
    /// As the operator would type it: `mappings/call-to-order.toml`.
    pub name: Arc<str>,
    pub text: Arc<str>,
}

impl Source {
    pub fn new(name: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self { name: name.as_ref().into(), text: text.as_ref().into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

#[derive(Debug, Clone)]
pub struct Problem {
    pub severity: Severity,
    /// Where; `None` for what has no file (an environment variable, a far side).
    pub place: Option<Place>,
    /// What is wrong, naming the field: ``flow.delay: `1 mn` is no duration``.
    pub title: String,
    /// Beneath the underlined text; may be empty.
    pub label: String,
    /// What to write instead; may be empty.
    pub mend: String,
}

#[derive(Debug, Clone)]
pub struct Place {
    pub source: Source,
    /// Bytes of `source.text`.
    pub span: Range<usize>,
}

impl Problem {
    pub fn error(title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: None,
            title: title.into(),
            label: String::new(),
            mend: String::new(),
        }
    }
    pub fn warning(title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(title) }
    }
    pub fn note(title: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(title) }
    }
    pub fn at(mut self, source: &Source, span: Range<usize>) -> Self {
        self.place = Some(Place { source: source.clone(), span });
        self
    }
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }
}

/// Is anything among them that forbids running?
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}
