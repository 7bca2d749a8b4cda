//! The configuration: a TOML file, then `LEADLINK_…` variables with `__` between levels.
//! Invariant: knows no other room but `diagnosis`; every problem is reported, each with its place
//! in the file or the variable that it came from; no secret stands in a problem or a `Debug`.

mod console;
mod cron;
pub mod keys;
mod load;
mod node;
mod origin;
mod read;
mod reconcile;
mod retention;
mod secret;
mod section;
mod shown;

pub use console::Console;
pub use cron::Cron;
pub use load::{DEFAULT_FILE, load, load_text};
pub use origin::Origins;
pub use read::untold;
pub use reconcile::Reconcile;
pub use retention::Retention;
pub use section::Section;
pub use shown::Shown;

use crate::diagnosis::Problem;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration, merged.
pub struct Config {
    pub server: Server,
    pub store_url: String,
    pub mappings_dir: PathBuf,
    /// Role → connections (a role may bind a list).
    pub roles: BTreeMap<String, Vec<String>>,
    pub connections: Vec<Connection>,
    pub flows: BTreeMap<String, FlowSettings>,
    pub log: Log,
    pub retention: Retention,
    pub reconcile: Reconcile,
    pub console: Console,
    /// Where each key was written, so that a later check can point at it.
    pub origins: Origins,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the doors listen: `host:port`.
    pub listen: String,
    /// Another process may listen on the same address beside this one.
    pub reuse_port: bool,
    /// At a stop the doors stay open for so long, unready.
    pub drain: Duration,
}

/// `[connections.NAME]`; its settings are read by the connector.
#[derive(Debug)]
pub struct Connection {
    pub name: String,
    /// What people call it, at least 5 characters; `NAME` where nothing is said.
    pub title: String,
    pub connector: String,
    pub section: Section,
}

/// `[flows.NAME]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlowSettings {
    /// The mapping file's flow that this is an instance of; by default the same name.
    pub use_flow: Option<String>,
    pub running: Option<bool>,
    pub delay: Option<Duration>,
    pub max_age: Option<Duration>,
    pub roles: BTreeMap<String, Vec<String>>,
    /// Over the flow's own `[settings]`.
    pub settings: BTreeMap<String, Plain>,
}

/// A value whose kind another room knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    pub value: serde_json::Value,
    /// What was typed into the variable that it came from.
    pub typed: Option<String>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// `info`, or with modules: `info,leadlink::store=debug`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

impl Config {
    /// Points a problem that a later check found at the place where `path` was written.
    #[must_use]
    pub fn point(&self, path: &[&str], problem: Problem) -> Problem {
        self.origins.point(path, problem)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            store_url: "sqlite:data/leadlink.db".into(),
            mappings_dir: "mappings".into(),
            roles: BTreeMap::new(),
            connections: Vec::new(),
            flows: BTreeMap::new(),
            log: Log::default(),
            retention: Retention::default(),
            reconcile: Reconcile::default(),
            console: Console::default(),
            origins: Origins::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".into(), reuse_port: false, drain: Duration::ZERO }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server", &self.server)
            .field("store_url", &secret::without_password(&self.store_url))
            .field("mappings_dir", &self.mappings_dir)
            .field("roles", &self.roles)
            .field("connections", &self.connections)
            .field("flows", &self.flows)
            .field("log", &self.log)
            .field("retention", &self.retention)
            .field("reconcile", &self.reconcile)
            .field("console", &self.console)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
