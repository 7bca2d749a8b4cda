//! A TOML table that is read key by key and knows what was not asked for. Invariant: every value
//! keeps its place; a wrong kind, a missing key and an unknown key are problems, all collected.

use super::nearest::suggest;
use super::{Problem, Source};
use jiff::{Span, SpanRelativeTo};
use std::ops::Range;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A value with its place in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// Any TOML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Text(String),
    Integer(i64),
    Number(f64),
    Flag(bool),
    /// A TOML date or time, as written.
    Time(String),
    List(Vec<Spanned<Item>>),
    /// In the order of the file.
    Table(Vec<(Spanned<String>, Spanned<Item>)>),
}

/// See the module.
#[derive(Debug)]
pub struct Table {
    source: Source,
    /// Where in the file by name: empty at the top, else `flow`, `step[2]`.
    path: String,
    span: Range<usize>,
    entries: Vec<(Spanned<String>, Spanned<Item>)>,
    /// Keys that were asked for, whether they are there or not.
    asked: Vec<String>,
    problems: Vec<Problem>,
}

impl Table {
    /// Reads a whole file; whatever is no TOML is a problem, and the rest is read nevertheless.
    pub fn parse(source: &Source) -> (Self, Vec<Problem>) {
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        let problems = errors
            .iter()
            .map(|error| {
                let problem = Problem::error(format!("not TOML: {}", error.message()));
                match error.span() {
                    Some(span) => problem.at(source, span),
                    None => problem.at(source, 0..0),
                }
            })
            .collect();
        (Self::new(source, String::new(), 0..0, entries_of(root.into_inner())), problems)
    }

    pub fn new(
        source: &Source,
        path: String,
        span: Range<usize>,
        entries: Vec<(Spanned<String>, Spanned<Item>)>,
    ) -> Self {
        let source = source.clone();
        Self { source, path, span, entries, asked: Vec::new(), problems: Vec::new() }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The header, or the braces.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The full name of a key of this table: `flow.delay`.
    pub fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(held, _)| held.value == key)
    }

    /// The place of a key's name, or of the table where the key is not there.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.entries
            .iter()
            .find(|(held, _)| held.value == key)
            .map_or_else(|| self.span(), |(held, _)| held.span.clone())
    }

    /// Adds a problem that the reader of this table found.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a problem at the value of a key (at the table where the key is not there).
    pub fn problem_at(&mut self, key: &str, problem: Problem) {
        let span = self
            .entries
            .iter()
            .find(|(held, _)| held.value == key)
            .map_or_else(|| self.span(), |(_, item)| item.span.clone());
        self.problems.push(problem.at(&self.source, span));
    }

    /// Whatever stands there.
    pub fn any(&mut self, key: &str) -> Option<Spanned<Item>> {
        #[cfg(test)]
        super::asked::note(&self.path, key);
        if !self.asked.iter().any(|asked| asked == key) {
            self.asked.push(key.to_owned());
        }
        self.entries.iter().find(|(held, _)| held.value == key).map(|(_, item)| item.clone())
    }

    pub fn text(&mut self, key: &str) -> Option<Spanned<String>> {
        self.read(key, "a text in quotes", |item| match item {
            Item::Text(text) => Some(text),
            _ => None,
        })
    }

    pub fn integer(&mut self, key: &str) -> Option<Spanned<i64>> {
        self.read(key, "a whole number", |item| match item {
            Item::Integer(number) => Some(number),
            _ => None,
        })
    }

    pub fn number(&mut self, key: &str) -> Option<Spanned<f64>> {
        self.read(key, "a number", |item| match item {
            #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
            Item::Integer(number) => Some(number as f64),
            Item::Number(number) => Some(number),
            _ => None,
        })
    }

    pub fn flag(&mut self, key: &str) -> Option<Spanned<bool>> {
        self.read(key, "true or false", |item| match item {
            Item::Flag(flag) => Some(flag),
            _ => None,
        })
    }

    /// A span of time: `60s`, `5m`, `1h 30m`, `7d`.
    pub fn duration(&mut self, key: &str) -> Option<Spanned<Duration>> {
        let belongs = "a duration like \"30s\", \"5m\", \"1h 30m\" or \"7d\"";
        let text = self.read(key, belongs, |item| match item {
            Item::Text(text) => Some(text),
            _ => None,
        })?;
        if let Some(value) = duration_of(&text.value) {
            return Some(Spanned { value, span: text.span });
        }
        let name = self.name_of(key);
        let problem = Problem::error(format!("{name}: `{}` is no duration", text.value))
            .at(&self.source, text.span)
            .label("no duration")
            .mend(format!("write {belongs}"));
        self.problems.push(problem);
        None
    }

    /// A text or a list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Spanned<Vec<Spanned<String>>>> {
        let whole = self.any(key)?;
        let items = match whole.value {
            Item::List(items) => items,
            other => vec![Spanned { value: other, span: whole.span.clone() }],
        };
        let mut texts = Vec::new();
        for item in items {
            match item.value {
                Item::Text(value) => texts.push(Spanned { value, span: item.span }),
                other => self.wrong_kind(key, &other, &item.span, "a text in quotes"),
            }
        }
        Some(Spanned { value: texts, span: whole.span })
    }

    /// A nested table, to be read and finished by itself (see [`Table::absorb`]).
    pub fn table(&mut self, key: &str) -> Option<Table> {
        let read = self.read(key, "a table", |item| match item {
            Item::Table(entries) => Some(entries),
            _ => None,
        })?;
        Some(Self::new(&self.source, self.name_of(key), read.span, read.value))
    }

    /// `[[key]]`: every table of it; none where the key is not there.
    pub fn tables(&mut self, key: &str) -> Vec<Table> {
        let read = self.read(key, "a list of tables (`[[…]]`)", |item| match item {
            Item::List(items) => Some(items),
            _ => None,
        });
        let mut tables = Vec::new();
        for (at, item) in read.map(|read| read.value).unwrap_or_default().into_iter().enumerate() {
            let path = format!("{}[{}]", self.name_of(key), at + 1);
            match item.value {
                Item::Table(entries) => {
                    tables.push(Self::new(&self.source, path, item.span, entries));
                }
                other => self.wrong_kind(key, &other, &item.span, "a table"),
            }
        }
        tables
    }

    /// Everything that was not asked for yet, in the order of the file; for tables with free keys.
    pub fn rest(&mut self) -> Vec<(Spanned<String>, Spanned<Item>)> {
        let rest: Vec<_> = self
            .entries
            .iter()
            .filter(|(key, _)| !self.asked.contains(&key.value))
            .cloned()
            .collect();
        self.asked.extend(rest.iter().map(|(key, _)| key.value.clone()));
        rest
    }

    /// A problem where the key is not there; `about` says what belongs there.
    pub fn require(&mut self, key: &str, about: &str) {
        if self.has(key) {
            return;
        }
        let name = self.name_of(key);
        let problem = Problem::error(format!("{name} is missing"))
            .at(&self.source, self.span())
            .mend(format!("write `{key} = …`: {about}"));
        self.problems.push(problem);
    }

    /// Takes over what a nested table found wrong.
    pub fn absorb(&mut self, nested: Table) {
        self.problems.extend(nested.finish());
    }

    /// Everything that is wrong with this table; keys that nobody asked for are unknown.
    pub fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems;
        let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
        for (key, _) in &self.entries {
            if self.asked.contains(&key.value) {
                continue;
            }
            let place = if self.path.is_empty() {
                "at the top of the file".to_owned()
            } else {
                format!("in `{}`", self.path)
            };
            problems.push(
                Problem::error(format!("unknown key `{}` {place}", key.value))
                    .at(&self.source, key.span.clone())
                    .label("nobody reads this")
                    .mend(suggest(&key.value, &known)),
            );
        }
        problems
    }

    fn read<T>(
        &mut self,
        key: &str,
        belongs: &str,
        take: impl FnOnce(Item) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let item = self.any(key)?;
        if let Some(value) = take(item.value.clone()) {
            return Some(Spanned { value, span: item.span });
        }
        self.wrong_kind(key, &item.value, &item.span, belongs);
        None
    }

    fn wrong_kind(&mut self, key: &str, found: &Item, span: &Range<usize>, belongs: &str) {
        let name = self.name_of(key);
        let problem = Problem::error(format!("{name}: found {}, expected {belongs}", found.kind()))
            .at(&self.source, span.clone())
            .label(found.kind())
            .mend(format!("write {belongs}"));
        self.problems.push(problem);
    }
}

impl Item {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Time(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// As JSON; a TOML date becomes its text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) | Self::Time(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Table(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, item)| (key.value.clone(), item.value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// `60s`, `5m`, `1h 30m`, `7d` (a day is 24 hours); `None` for what is none, or is negative.
pub fn duration_of(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

fn entries_of(table: DeTable<'_>) -> Vec<(Spanned<String>, Spanned<Item>)> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, item)| {
            let key = Spanned { span: key.span(), value: key.into_inner().into_owned() };
            let span = item.span();
            (key, Spanned { value: item_of(item.into_inner()), span })
        })
        .collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

fn item_of(value: DeValue<'_>) -> Item {
    match value {
        DeValue::String(text) => Item::Text(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or_else(
                // Past 64 bits it is no whole number that we could use; kinds are checked later.
                |_| Item::Number(number.as_str().parse().unwrap_or(f64::NAN)),
                Item::Integer,
            )
        }
        DeValue::Float(number) => Item::Number(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Item::Flag(flag),
        DeValue::Datetime(time) => Item::Time(time.to_string()),
        DeValue::Array(items) => Item::List(
            items
                .iter()
                .map(|item| Spanned { value: item_of(item.get_ref().clone()), span: item.span() })
                .collect(),
        ),
        DeValue::Table(table) => Item::Table(entries_of(table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{has_errors, line_col};

    fn table(text: &str) -> Table {
        let (table, problems) = Table::parse(&Source::new("a.toml", text));
        assert!(problems.is_empty(), "{problems:?}");
        table
    }

    fn titles(problems: &[Problem]) -> Vec<String> {
        problems
            .iter()
            .map(|problem| {
                let (line, column) = problem.place.as_ref().map_or((0, 0), line_col);
                format!("{line}:{column} {} | {}", problem.title, problem.mend)
            })
            .collect()
    }

    #[test]
    fn wrong_kinds_missing_and_unknown_keys_are_told_with_their_places() {
        let mut root = table("[flow]\nname = 5\ndealy = \"1m\"\n[[step]]\nname = \"a\"\n");
        let mut flow = root.table("flow").expect("a table");
        assert_eq!(flow.text("name"), None);
        assert_eq!(flow.text("delay"), None);
        flow.require("title", "a title for people");
        root.absorb(flow);
        let mut steps = root.tables("step");
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].text("name").map(|text| text.value).as_deref(), Some("a"));
        let problems = root.finish();
        assert!(has_errors(&problems));
        assert_eq!(
            titles(&problems),
            [
                "2:8 flow.name: found a whole number, expected a text in quotes | write a text in quotes",
                "1:1 flow.title is missing | write `title = …`: a title for people",
                "3:1 unknown key `dealy` in `flow` | did you mean `delay`?",
            ]
        );
    }

    #[test]
    fn several_syntax_errors_are_reported_at_once_and_the_rest_is_read() {
        let (mut root, problems) =
            Table::parse(&Source::new("a.toml", "a = \nb = 1\nc = [1,\nd = \"x\n"));
        assert!(problems.len() >= 2, "{problems:?}");
        assert_eq!(root.integer("b").map(|b| b.value), Some(1));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("60s", Some(60)),
            ("1m", Some(60)),
            ("1h 30m", Some(5400)),
            ("7d", Some(604_800)),
            ("1 mn", None),
            ("1 month", None),
            ("-5m", None),
            ("60", None),
            ("", None),
        ] {
            assert_eq!(duration_of(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn order_of_the_file_is_kept() {
        let mut root = table("z = 1\na = [\"x\", \"y\"]\nm = { k = 0x10 }\n");
        let keys: Vec<String> = root.rest().into_iter().map(|(key, _)| key.value).collect();
        assert_eq!(keys, ["z", "a", "m"]);
        assert_eq!(root.texts("a").map(|list| list.value.len()), Some(2));
        assert_eq!(root.texts("z").map(|list| list.value.len()), Some(0));
        let mut nested = root.table("m").expect("a table");
        assert_eq!(nested.integer("k").map(|k| k.value), Some(16));
        assert_eq!(root.finish().len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_the_reader(text in "(?s).{0,200}") {
            let source = Source::new("a.toml", text);
            let (mut table, mut problems) = Table::parse(&source);
            table.tables("a");
            problems.extend(table.finish());
            crate::diagnosis::render(&problems, false);
        }

        #[test]
        fn no_torn_toml_panics_the_reader(cut in 0usize..80, junk in "[\\[\\]{}\"'=.\n#\\\\а]{0,6}") {
            let whole = "[flow]\nname = \"Звонок\"\non = { from = \"a\" }\n[[step]]\nwith = [1, 2]\n";
            let at = (0..=cut.min(whole.len())).rev().find(|&at| whole.is_char_boundary(at)).unwrap_or(0);
            let source = Source::new("a.toml", format!("{}{junk}{}", &whole[..at], &whole[at..]));
            let (table, mut problems) = Table::parse(&source);
            problems.extend(table.finish());
            crate::diagnosis::render(&problems, false);
        }
    }
}
