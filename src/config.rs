//! The configuration: file, then environment. (skeleton: signatures that connectors and app build on)
//! Invariant: knows no other room but `diagnosis`; every problem is reported, each with its place.

use crate::diagnosis::Problem;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration, merged.
#[derive(Debug)]
pub struct Config {
    pub listen: String,
    pub store_url: String,
    pub mappings_dir: PathBuf,
    /// Role → connections (a role may bind a list).
    pub roles: BTreeMap<String, Vec<String>>,
    pub connections: Vec<Connection>,
    pub flows: BTreeMap<String, FlowSettings>,
}

/// `[connections.NAME]`; its settings are read by the connector.
#[derive(Debug)]
pub struct Connection {
    pub name: String,
    pub connector: String,
    pub section: Section,
}

/// `[flows.NAME]`
#[derive(Debug, Clone, Default)]
pub struct FlowSettings {
    /// The mapping file's flow that this is an instance of; by default the same name.
    pub use_flow: Option<String>,
    pub running: Option<bool>,
    pub delay: Option<Duration>,
    pub max_age: Option<Duration>,
    pub roles: BTreeMap<String, Vec<String>>,
}

/// A table of settings that is read key by key. What nobody asked for is unknown: `finish` reports
/// it with the nearest key that was asked for. Problems carry the line in the file, or the name of
/// the environment variable that overrode it.
#[derive(Debug)]
pub struct Section {
    problems: Vec<Problem>,
}

#[expect(unused_variables, reason = "skeleton")]
impl Section {
    pub fn text(&mut self, key: &str) -> Option<String> {
        unimplemented!()
    }
    /// A problem where it is missing or empty; `about` says what belongs there.
    pub fn required_text(&mut self, key: &str, about: &str) -> String {
        unimplemented!()
    }
    /// `env:NAME`, `file:PATH` or the literal; an unset one is a problem.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        unimplemented!()
    }
    pub fn required_secret(&mut self, key: &str, about: &str) -> SecretString {
        unimplemented!()
    }
    /// `60s`, `5m`, `1h 30m`, `7d`.
    pub fn duration(&mut self, key: &str, default: Duration) -> Duration {
        unimplemented!()
    }
    pub fn integer(&mut self, key: &str) -> Option<i64> {
        unimplemented!()
    }
    pub fn number(&mut self, key: &str, default: f64) -> f64 {
        unimplemented!()
    }
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        unimplemented!()
    }
    /// A text or a list of texts.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        unimplemented!()
    }
    /// A table of `name = text or list of texts`.
    pub fn table_of_texts(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        unimplemented!()
    }
    /// One of these words.
    pub fn choice(&mut self, key: &str, choices: &[&str], default: &str) -> String {
        unimplemented!()
    }
    /// Adds a problem at a key (the connector knows why a value is unwise).
    pub fn problem(&mut self, key: &str, problem: Problem) {
        unimplemented!()
    }
    /// Everything that is wrong with this table, unknown keys included.
    pub fn finish(self) -> Vec<Problem> {
        unimplemented!()
    }
    /// A section made of TOML text, for tests of connectors and for the demo.
    pub fn from_toml(name: &str, text: &str) -> Self {
        unimplemented!()
    }
}
