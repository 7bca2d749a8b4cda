//! File, then environment, merged. Invariant: a variable wins over the file, and which of the two
//! set a value is known for every value; a file that cannot be parsed gives its mistakes and no
//! half of a configuration.

use super::node::{Node, Setting};
use super::origin::{Book, Origins};
use super::section::Section;
use super::{Config, read, secret};
use crate::diagnosis::{Problem, Source};
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use toml::de::DeTable;

/// Read where `--config` names no other.
pub const DEFAULT_FILE: &str = "config/leadlink.toml";

/// Variables that begin so and contain `__` are ours.
const PREFIX: &str = "LEADLINK_";

/// Loads the file at `path` (by default [`DEFAULT_FILE`]) and lays the environment over it. With
/// problems the configuration still comes wherever it can be used, so that other checks go on.
pub fn load(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> (Option<Config>, Vec<Problem>) {
    let path = path.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    match std::fs::read_to_string(path) {
        Ok(text) => load_text(&path.display().to_string(), &text, env),
        Err(error) => (None, vec![unreadable(path, &error)]),
    }
}

/// As [`load`], of a text that problems call `name`.
pub fn load_text(
    name: &str,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> (Option<Config>, Vec<Problem>) {
    match merge(name, text, env) {
        Ok((table, origins)) => {
            let (config, problems) = read::config(table, origins);
            (Some(config), problems)
        }
        Err(problems) => (None, problems),
    }
}

/// The body of `[connections.NAME]` alone.
pub(super) fn section_of(name: &str, text: &str) -> Section {
    let path = vec!["connections".to_owned(), name.to_owned()];
    let whole = format!("[connections.{name}]\n{text}");
    let merged = merge(name, &whole, std::iter::empty());
    let (mut table, origins, problems) = match merged {
        Ok((table, origins)) => (table, origins, Vec::new()),
        Err(problems) => (BTreeMap::new(), Origins::default(), problems),
    };
    for key in &path {
        table = match table.remove(key).map(|node| node.value) {
            Some(Setting::Table(inner)) => inner,
            _ => BTreeMap::new(),
        };
    }
    let mut section = Section::new(path, table, origins);
    for key in ["connector", "name"] {
        section.text(key);
    }
    for problem in problems {
        section.problem_at(&[], super::origin::Part::Value, problem);
    }
    section
}

type Merged = (BTreeMap<String, Node>, Origins);

fn merge(
    name: &str,
    text: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Merged, Vec<Problem>> {
    let environment: BTreeMap<String, String> = env.collect();
    let (parsed, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| broken(name, text, error)).collect());
    }
    let table: toml::Table =
        toml::from_str(text).map_err(|error| vec![broken(name, text, &error)])?;
    let mut book = Book::new(environment.clone());
    book.read(name, text, parsed.get_ref());
    let variables: Vec<Variable> =
        environment.iter().filter_map(|(name, value)| Variable::of(name, value, &table)).collect();
    let mut figment = Figment::from(Serialized::defaults(&table));
    for variable in &variables {
        book.set_by(variable.path.clone(), variable.name.clone());
        figment = figment.merge(variable);
    }
    let merged = figment.find_value("").map_err(|error| {
        // Only a value that no kind of ours can hold ends here.
        vec![Problem::error(format!("{name}: {}", error.kind))]
    })?;
    let typed = |value: &Value, path: &[String]| {
        let name = &figment.get_metadata(value.tag())?.name;
        let mut set = variables.iter().filter(|variable| variable.path == path);
        set.find(|variable| variable.name == *name).map(|variable| variable.value.clone())
    };
    match Setting::of(merged, &[], &typed) {
        Setting::Table(table) => Ok((table, Origins::new(book))),
        _ => Ok((BTreeMap::new(), Origins::new(book))),
    }
}

/// One variable as a source of its own, so that the merged value remembers it.
struct Variable {
    name: String,
    path: Vec<String>,
    value: String,
}

impl Variable {
    /// `None` where the variable is not ours.
    fn of(name: &str, value: &str, table: &toml::Table) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        let parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
        if parts.len() < 2 || parts.iter().any(String::is_empty) {
            return None;
        }
        let path = existing(&parts, table);
        Some(Self { name: name.to_owned(), path, value: value.to_owned() })
    }

    /// The TOML value that the text is, else the text itself.
    fn parsed(&self) -> toml::Value {
        match self.value.parse::<toml::Value>() {
            Ok(toml::Value::Datetime(_)) | Err(_) => toml::Value::String(self.value.clone()),
            Ok(value) => value,
        }
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut value = Value::serialize(self.parsed())?;
        for key in self.path.iter().skip(1).rev() {
            value = Value::from(Dict::from([(key.clone(), value)]));
        }
        let top = self.path.first().cloned().unwrap_or_default();
        Ok(Map::from([(Profile::Default, Dict::from([(top, value)]))]))
    }
}

/// The keys that a variable's parts mean: those of the file where they match with `-` for `_`; a
/// new connection or flow gets `-`, as our names have it.
fn existing(parts: &[String], table: &toml::Table) -> Vec<String> {
    let mut path = Vec::new();
    let mut here = Some(table);
    for (depth, part) in parts.iter().enumerate() {
        let found = here.and_then(|table| {
            let exact = table.keys().find(|key| *key == part);
            exact.or_else(|| table.keys().find(|key| folded(key) == *part)).cloned()
        });
        let named = depth == 1 && matches!(parts[0].as_str(), "connections" | "flows");
        let key = match found {
            Some(key) => key,
            None if named => part.replace('_', "-"),
            None => part.clone(),
        };
        here = here.and_then(|table| table.get(&key)).and_then(toml::Value::as_table);
        path.push(key);
    }
    path
}

fn folded(key: &str) -> String {
    key.to_ascii_lowercase().replace('-', "_")
}

fn broken(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    let source = Source::new(name, secret::mask_unparsed(text));
    let span = error.span().unwrap_or(0..0);
    Problem::error(format!("this is no TOML: {}", error.message())).at(&source, span)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let path = path.display();
    if error.kind() == ErrorKind::NotFound {
        return Problem::error(format!("there is no configuration at `{path}`"))
            .mend("write one (the commented config/leadlink.toml is a start) or name yours: --config FILE");
    }
    Problem::error(format!("the configuration `{path}` cannot be read: {error}"))
}
