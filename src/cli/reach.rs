//! One connection of the config, for commands that need no flows. Invariant: what is wrong with
//! flows and other connections does not keep a person from looking at this one.

use super::show;
use crate::config;
use crate::connectors::{self, Connector, Shared};
use crate::diagnosis::{Problem, suggest};
use crate::domain::{Delay, Whose};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A far side counts the requests of the process before this one too, which may just have ended.
const AGAIN: Duration = Duration::from_millis(1100);
const TRIES: usize = 3;

/// Asks once more, a second later, where only now is the wrong time.
///
/// # Errors
/// The last answer's.
pub async fn patiently<T>(ask: impl AsyncFn() -> Result<T, Delay>) -> Result<T, Delay> {
    for _ in 1..TRIES {
        match ask().await {
            Err(delay) if matches!(delay.whose, Whose::Item | Whose::Connection) => {
                tokio::time::sleep(AGAIN).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// A connection and those beside it.
pub struct Reached {
    pub own: Arc<dyn Connector>,
    pub all: BTreeMap<String, Arc<dyn Connector>>,
    /// The role that flows know it by; `ROLE` where it has none.
    pub role: String,
}

/// The connection of this name; `None` where there is none that works, and then it was told why.
pub fn connection(config: Option<PathBuf>, name: &str) -> Option<Reached> {
    let (config, mut problems) = config::load(config.as_deref(), std::env::vars());
    let Some(config) = config else {
        show(&problems);
        return None;
    };
    let names: Vec<String> = config.connections.iter().map(|held| held.name.clone()).collect();
    let mut roles = config.roles.iter().filter(|(_, bound)| bound.iter().any(|held| held == name));
    let role = roles.next().map_or_else(|| "ROLE".to_owned(), |(role, _)| role.clone());
    let built = connectors::build(config.connections, &Shared::default());
    problems.extend(built.problems);
    if let Some(own) = built.connectors.get(name) {
        return Some(Reached { own: Arc::clone(own), all: built.connectors, role });
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
