//! One table of settings, read key by key. Invariant: what nobody asked for is reported with the
//! nearest key that was asked for; the value of a secret is in no problem and in no `Debug`.

use super::Plain;
use super::load;
use super::node::{Node, Setting};
use super::origin::{Origins, Part};
use crate::diagnosis::{Problem, duration_of, suggest};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What to write where a duration is wanted.
const DURATION: &str = "write a duration like \"30s\", \"5m\", \"1h 30m\" or \"7d\"";

/// A table of settings that is read key by key. What nobody asked for is unknown: `finish` reports
/// it with the nearest key that was asked for. Problems carry the line in the file, or the name of
/// the environment variable that overrode it.
pub struct Section {
    pub(super) path: Vec<String>,
    pub(super) table: BTreeMap<String, Node>,
    asked: BTreeSet<String>,
    problems: Vec<Problem>,
    pub(super) origins: Origins,
}

impl Section {
    pub(super) fn new(path: Vec<String>, table: BTreeMap<String, Node>, origins: Origins) -> Self {
        Self { path, table, asked: BTreeSet::new(), problems: Vec::new(), origins }
    }

    /// A section made of TOML text, for tests of connectors and for the demo. `env:` secrets are
    /// unset in it.
    #[must_use]
    pub fn from_toml(name: &str, text: &str) -> Self {
        load::section_of(name, text)
    }

    /// A text that is not blank.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let node = self.ask(key)?;
        let Some(text) = node.text().map(str::to_owned) else {
            self.wrong_kind(key, "a text", &quoted(&node.value));
            return None;
        };
        (!text.trim().is_empty()).then_some(text)
    }

    /// A problem where it is missing or empty; `about` says what belongs there.
    pub fn required_text(&mut self, key: &str, about: &str) -> String {
        let before = self.problems.len();
        let text = self.text(key);
        if text.is_none() && self.problems.len() == before {
            self.missing(key, about, &format!("write {key} = \"…\""));
        }
        text.unwrap_or_default()
    }

    /// `env:NAME`, `file:PATH` (the line end at its end is cut) or the literal; an unset one is a
    /// problem.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        let node = self.ask(key)?;
        let Some(text) = node.text().map(str::to_owned) else {
            let mend = "write \"env:NAME\", \"file:PATH\" or the secret itself in quotes";
            self.wrong_kind(key, "a text", mend);
            return None;
        };
        match self.secret_of(text) {
            Ok(secret) if secret.trim().is_empty() => None,
            Ok(secret) => Some(secret.into()),
            Err(Unset { why, mend }) => {
                self.problem(key, Problem::error(why).mend(mend));
                None
            }
        }
    }

    /// As `secret`; a problem where it is missing or empty.
    pub fn required_secret(&mut self, key: &str, about: &str) -> SecretString {
        let before = self.problems.len();
        let secret = self.secret(key);
        if secret.is_none() && self.problems.len() == before {
            let path = self.path_of(key);
            let variable = path.get(1..).unwrap_or_default().join("_").replace('-', "_");
            let mend = format!("write {key} = \"env:{}\"", variable.to_uppercase());
            self.missing(key, about, &mend);
        }
        secret.unwrap_or_default()
    }

    /// `60s`, `5m`, `1h 30m`, `7d`.
    pub fn duration(&mut self, key: &str, default: Duration) -> Duration {
        self.optional_duration(key).unwrap_or(default)
    }

    /// As `duration`, where nothing is a value too.
    pub fn optional_duration(&mut self, key: &str) -> Option<Duration> {
        let node = self.ask(key)?;
        let Some(text) = node.text().map(str::to_owned) else {
            self.wrong_kind(key, "a duration", DURATION);
            return None;
        };
        let found = duration_of(&text);
        if found.is_none() {
            self.problem(key, Problem::error(format!("`{text}` is no duration")).mend(DURATION));
        }
        found
    }

    pub fn integer(&mut self, key: &str) -> Option<i64> {
        let node = self.ask(key)?;
        if let Setting::Integer(number) = node.value {
            return Some(number);
        }
        self.wrong_kind(key, "a whole number", &format!("write {key} = 1, without quotes"));
        None
    }

    /// A problem where it is missing; `about` says what belongs there.
    pub fn required_integer(&mut self, key: &str, about: &str) -> Option<i64> {
        let before = self.problems.len();
        let number = self.integer(key);
        if number.is_none() && self.problems.len() == before {
            self.missing(key, about, &format!("write {key} = 1, without quotes"));
        }
        number
    }

    /// A finite number, whole or not.
    pub fn number(&mut self, key: &str, default: f64) -> f64 {
        let Some(node) = self.ask(key) else { return default };
        match node.value {
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53")]
            Setting::Integer(number) => number as f64,
            Setting::Number(number) if number.is_finite() => number,
            _ => {
                self.wrong_kind(key, "a number", &format!("write {key} = 1.5, without quotes"));
                default
            }
        }
    }

    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        self.optional_flag(key).unwrap_or(default)
    }

    /// As `flag`, where nothing is a value too.
    pub fn optional_flag(&mut self, key: &str) -> Option<bool> {
        let node = self.ask(key)?;
        if let Setting::Flag(flag) = node.value {
            return Some(flag);
        }
        self.wrong_kind(key, "true or false", "write true or false, without quotes");
        None
    }

    /// A text or a list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let node = self.ask(key)?;
        let path = self.path_of(key);
        self.texts_of(&path, &node)
    }

    /// A table of `name = text or list of texts`.
    pub fn table_of_texts(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        for (name, node) in self.table(key) {
            let mut path = self.path_of(key);
            path.push(name.clone());
            if let Some(texts) = self.texts_of(&path, &node) {
                found.insert(name, texts);
            }
        }
        found
    }

    /// A table of any plain values; who knows their kinds judges them.
    pub fn values(&mut self, key: &str) -> BTreeMap<String, Plain> {
        let mut found = BTreeMap::new();
        for (name, node) in self.table(key) {
            if let Some(value) = node.value.plain() {
                found.insert(name, Plain { value, typed: node.typed });
                continue;
            }
            let mut path = self.path_of(key);
            path.push(name);
            let wanted = "a text, a number, true or false, or a list of texts";
            self.wrong_kind_at(&path, &node.value, wanted, "write one of these");
        }
        found
    }

    /// One of these words.
    pub fn choice(&mut self, key: &str, choices: &[&str], default: &str) -> String {
        let Some(text) = self.text(key) else { return default.to_owned() };
        if choices.contains(&text.as_str()) {
            return text;
        }
        let problem = Problem::error(format!("`{text}` is not on offer"));
        self.problem(key, problem.mend(suggest(&text, choices)));
        default.to_owned()
    }

    /// A table of tables with any names, each as a section of its own; [`Section::close`] takes it back.
    pub fn tables(&mut self, key: &str) -> Vec<(String, Self)> {
        let mut all = self.section(key);
        let names = all.names();
        let found = names.into_iter().map(|name| (name.clone(), all.section(&name))).collect();
        self.problems.extend(all.into_problems());
        found
    }

    /// Everything that is wrong with one of the [`Section::tables`] is wrong here.
    pub fn close(&mut self, inner: Self) {
        self.problems.extend(inner.finish());
    }

    /// Adds a problem at a key (the connector knows why a value is unwise).
    pub fn problem(&mut self, key: &str, problem: Problem) {
        let path = self.path_of(key);
        self.problem_at(&path, Part::Value, problem);
    }

    /// Everything that is wrong with this table, unknown keys included.
    #[must_use]
    pub fn finish(mut self) -> Vec<Problem> {
        let unknown: Vec<String> =
            self.table.keys().filter(|key| !self.asked.contains(*key)).cloned().collect();
        for key in &unknown {
            let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
            let problem = Problem::error("there is no such key").label("unknown");
            let problem = problem.mend(suggest(key, &known));
            let path = self.path_of(key);
            self.problem_at(&path, Part::Key, problem);
        }
        // A secret under a mistyped name is a secret still.
        let of_a_connection = self.path.first().is_some_and(|top| top == "connections");
        let hidden: Vec<_> =
            unknown.iter().filter(|_| of_a_connection).map(|key| self.path_of(key)).collect();
        let origins = self.origins;
        self.problems.into_iter().map(|problem| origins.hide(&hidden, problem)).collect()
    }

    /// The table at `key` as a section of its own.
    pub(super) fn section(&mut self, key: &str) -> Self {
        let table = self.table(key);
        Self::new(self.path_of(key), table, self.origins.clone())
    }

    /// What is wrong so far, where nobody will read the rest.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    pub(super) fn problem_at(&mut self, path: &[String], part: Part, mut problem: Problem) {
        // The place in a list is underlined, not spelled out.
        let in_list = path.len() > 2 && path.last().is_some_and(|key| key.parse::<u32>().is_ok());
        let named = if in_list { path.split_last().map_or(path, |(_, list)| list) } else { path };
        let field = named.join(".");
        if !field.is_empty() && !problem.title.starts_with(&field) {
            problem.title = format!("{field}: {}", problem.title);
        }
        self.problems.push(self.origins.mark(path, part, problem));
    }

    pub(super) fn path_of(&self, key: &str) -> Vec<String> {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        path
    }

    fn ask(&mut self, key: &str) -> Option<Node> {
        #[cfg(test)]
        crate::diagnosis::asked::note(&self.path.join("."), key);
        self.asked.insert(key.to_owned());
        self.table.get(key).cloned()
    }

    fn table(&mut self, key: &str) -> BTreeMap<String, Node> {
        match self.ask(key) {
            None => BTreeMap::new(),
            Some(Node { value: Setting::Table(table), .. }) => table,
            Some(_) => {
                let header = self.path_of(key).join(".");
                self.wrong_kind(key, "a table", &format!("write [{header}] and its keys beneath"));
                BTreeMap::new()
            }
        }
    }

    fn texts_of(&mut self, path: &[String], node: &Node) -> Option<Vec<String>> {
        let mend = "write \"one\" or [\"one\", \"two\"]";
        let Setting::List(items) = &node.value else {
            let text = node.text().map(|text| vec![text.to_owned()]);
            if text.is_none() {
                self.wrong_kind_at(path, &node.value, "a text or a list of texts", mend);
            }
            return text;
        };
        let mut texts = Vec::new();
        for (place, item) in items.iter().enumerate() {
            if let Setting::Text(text) = &item.value {
                texts.push(text.clone());
                continue;
            }
            let mut path = path.to_vec();
            path.push(place.to_string());
            self.wrong_kind_at(&path, &item.value, "a text", mend);
        }
        Some(texts)
    }

    fn secret_of(&self, text: String) -> Result<String, Unset> {
        match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
            (Some(name), _) => self.secret_of_variable(name.trim()),
            (_, Some(path)) => secret_of_file(path.trim()),
            _ => Ok(text),
        }
    }

    pub(super) fn found_secret(&self, text: String) -> Option<String> {
        self.secret_of(text).ok()
    }

    fn secret_of_variable(&self, name: &str) -> Result<String, Unset> {
        match self.origins.environment(name) {
            Some(secret) if !secret.trim().is_empty() => Ok(secret.to_owned()),
            state => {
                let what = if state.is_some() { "is empty" } else { "is not set" };
                Err(Unset {
                    why: format!("the environment variable `{name}` {what}"),
                    mend: format!("set it before the start: export {name}=…"),
                })
            }
        }
    }

    fn missing(&mut self, key: &str, about: &str, mend: &str) {
        self.problem(key, Problem::error(format!("is missing: {about}")).mend(mend));
    }

    fn wrong_kind(&mut self, key: &str, wanted: &str, mend: &str) {
        let path = self.path_of(key);
        if let Some(node) = self.table.get(key) {
            let found = node.value.clone();
            self.wrong_kind_at(&path, &found, wanted, mend);
        }
    }

    fn wrong_kind_at(&mut self, path: &[String], found: &Setting, wanted: &str, mend: &str) {
        let title = format!("must be {wanted}, not {}", found.kind());
        let of_variable = self.origins.variable(path).map(|_| format!("set it to {wanted}"));
        let mend = of_variable.unwrap_or_else(|| mend.to_owned());
        self.problem_at(path, Part::Value, Problem::error(title).mend(mend));
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.table.keys().collect();
        write!(f, "Section({} {keys:?})", self.path.join("."))
    }
}

/// Why a secret has no value.
struct Unset {
    why: String,
    mend: String,
}

fn secret_of_file(path: &str) -> Result<String, Unset> {
    let unset =
        |why| Unset { why, mend: format!("write the secret into {path}, readable for this user") };
    let text = std::fs::read_to_string(path)
        .map_err(|error| unset(format!("the secret cannot be read from `{path}`: {error}")))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(unset(format!("the secret's file `{path}` is empty")));
    }
    Ok(secret.to_owned())
}

fn quoted(value: &Setting) -> String {
    match value {
        Setting::Integer(number) => format!("write \"{number}\", in quotes"),
        Setting::Number(number) => format!("write \"{number}\", in quotes"),
        _ => "write a text in quotes: \"…\"".to_owned(),
    }
}
