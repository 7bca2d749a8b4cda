//! One connection of the config, for commands that need no flows. Invariant: what is wrong with
//! flows and other connections does not keep a person from looking at this one.

use super::show;
use crate::config;
use crate::connectors::{self, Connector};
use crate::diagnosis::{Problem, suggest};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A connection and those beside it.
pub struct Reached {
    pub own: Arc<dyn Connector>,
    pub all: BTreeMap<String, Arc<dyn Connector>>,
}

/// The connection of this name; `None` where there is none that works, and then it was told why.
pub fn connection(config: Option<PathBuf>, name: &str) -> Option<Reached> {
    let (config, mut problems) = config::load(config.as_deref(), std::env::vars());
    let Some(config) = config else {
        show(&problems);
        return None;
    };
    let names: Vec<String> = config.connections.iter().map(|held| held.name.clone()).collect();
    let built = connectors::build(config.connections);
    problems.extend(built.problems);
    if let Some(own) = built.connectors.get(name) {
        return Some(Reached { own: Arc::clone(own), all: built.connectors });
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    if !known.contains(&name) {
        let mend = match known.as_slice() {
            [] => "the config has none: `leadlink init` makes one".to_owned(),
            known => suggest(name, known),
        };
        problems = vec![Problem::error(format!("there is no connection `{name}`")).mend(mend)];
    }
    show(&problems);
    None
}
