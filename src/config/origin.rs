//! Where every key was written: a span of the file, or the variable that set it.
//! Invariant: the text that problems show has its secrets masked, byte for byte, so that spans hold.

use super::secret;
use crate::diagnosis::{Problem, Source};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Shared by all sections of one configuration.
#[derive(Clone, Default)]
pub struct Origins {
    book: Arc<Book>,
}

#[derive(Default, Clone)]
pub(super) struct Book {
    source: Option<Source>,
    spans: BTreeMap<Vec<String>, Spans>,
    /// By path: the variable that set the value there.
    variables: BTreeMap<Vec<String>, String>,
    /// For secrets of the form `env:NAME`.
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// Which part of `key = value` a problem underlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl Origins {
    pub(super) fn new(book: Book) -> Self {
        Self { book: Arc::new(book) }
    }

    /// Points `problem` at the value of `path`: at its span, or by naming its variable; a key that
    /// was never written is shown at the table that it belongs to.
    #[must_use]
    pub fn point(&self, path: &[&str], problem: Problem) -> Problem {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        self.mark(&path, Part::Value, problem)
    }

    pub(super) fn mark(&self, path: &[String], part: Part, mut problem: Problem) -> Problem {
        if problem.place.is_some() {
            return problem;
        }
        let beneath = || self.variable_beneath(path).filter(|_| !self.is_written(path));
        if let Some(variable) = self.variable(path).or_else(beneath) {
            problem.title = format!("{} (set by {variable})", problem.title);
            problem.label.clear();
            return problem;
        }
        let Some(source) = &self.book.source else { return problem };
        let own = self.book.spans.get(path).map(|spans| match part {
            Part::Key => spans.key.clone(),
            Part::Value => spans.value.clone(),
        });
        let span = own.or_else(|| {
            let table = path.get(..path.len().checked_sub(1)?)?;
            self.book.spans.get(table).map(|spans| spans.key.clone())
        });
        match span {
            Some(span) => problem.at(source, span),
            None => problem,
        }
    }

    /// The variable that set the value at `path`, or a table or list around it.
    pub(super) fn variable(&self, path: &[String]) -> Option<&str> {
        (0..=path.len())
            .rev()
            .find_map(|length| self.book.variables.get(path.get(..length)?).map(String::as_str))
    }

    /// A variable that set something beneath `path`.
    fn variable_beneath(&self, path: &[String]) -> Option<&str> {
        let mut beneath = self.book.variables.range(path.to_vec()..);
        beneath.next().filter(|(key, _)| key.starts_with(path)).map(|(_, name)| name.as_str())
    }

    /// Where the value at `path` was set: the variable, or file and line.
    pub(super) fn place(&self, path: &[String]) -> Option<String> {
        if let Some(variable) = self.variable(path) {
            return Some(variable.to_owned());
        }
        let (source, spans) = (self.book.source.as_ref()?, self.book.spans.get(path)?);
        let before = source.text.get(..spans.key.start)?;
        Some(format!("{}:{}", source.name, before.matches('\n').count() + 1))
    }

    pub(super) fn is_written(&self, path: &[String]) -> bool {
        self.book.spans.contains_key(path)
    }

    pub(super) fn environment(&self, name: &str) -> Option<&str> {
        self.book.environment.get(name).map(String::as_str)
    }

    /// Shows `problem` with the values at `paths` masked too: a secret under a mistyped name.
    pub(super) fn hide(&self, paths: &[Vec<String>], mut problem: Problem) -> Problem {
        let spans = paths.iter().filter_map(|path| self.book.spans.get(path));
        let values: Vec<_> = spans.map(|spans| spans.value.clone()).collect();
        if let Some(place) = &mut problem.place
            && !values.is_empty()
        {
            place.source.text = secret::mask(&place.source.text, &values).into();
        }
        problem
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origins(…)")
    }
}

impl Book {
    pub(super) fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Takes in a parsed file; its secrets are masked in what problems show.
    pub(super) fn read(&mut self, name: &str, text: &str, table: &DeTable<'_>) {
        let mut secrets = Vec::new();
        self.walk(&mut Vec::new(), table, &mut secrets);
        let masked = secret::mask(text, &secrets);
        self.source = Some(Source::new(name, masked));
    }

    pub(super) fn set_by(&mut self, path: Vec<String>, variable: String) {
        self.variables.insert(path, variable);
    }

    fn walk(
        &mut self,
        path: &mut Vec<String>,
        table: &DeTable<'_>,
        secrets: &mut Vec<Range<usize>>,
    ) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.note(path, key.span(), value);
            secrets.extend(secret::spans(key.get_ref(), value));
            match value.get_ref() {
                DeValue::Table(inner) => self.walk(path, inner, secrets),
                DeValue::Array(items) => {
                    for (place, item) in items.iter().enumerate() {
                        path.push(place.to_string());
                        self.note(path, item.span(), item);
                        if let DeValue::Table(inner) = item.get_ref() {
                            self.walk(path, inner, secrets);
                        }
                        path.pop();
                    }
                }
                _ => {}
            }
            path.pop();
        }
    }

    fn note(&mut self, path: &[String], key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        // A table under a header has no text of its own to underline: its name stands for it.
        let value = match value.get_ref() {
            DeValue::Table(_) => key.clone(),
            _ => value.span(),
        };
        self.spans.insert(path.to_vec(), Spans { key, value });
    }
}
