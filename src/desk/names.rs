//! Names beside the codes of far sides. Invariant: nobody waits for a far side: what is at hand is
//! shown, and what is old or missing is asked for behind the scenes, at most once a minute.

use crate::connectors::Connector;
use crate::pipeline::Pipeline;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Names are taken for true so long.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// After a far side did not answer it is asked again so much later.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// The lists that journals show, as far as they were read.
#[derive(Debug, Default)]
pub struct Names {
    /// Connection and list.
    held: Mutex<BTreeMap<(String, &'static str), Held>>,
}

#[derive(Debug, Default)]
struct Held {
    names: Arc<HashMap<String, String>>,
    /// When it is asked for next.
    next: Option<Timestamp>,
    asking: bool,
}

/// A list of codes that may have names: those of all connections that have it.
#[derive(Debug, Clone, Default)]
pub struct Known(Vec<Arc<HashMap<String, String>>>);

impl Known {
    /// The name of a code; none where nobody has one, or two accounts have different ones.
    pub fn name(&self, code: &str) -> Option<String> {
        let mut all = self.0.iter().filter_map(|names| names.get(code));
        let first = all.next()?;
        all.all(|other| other == first).then(|| first.clone())
    }
}

impl Names {
    /// What is at hand of a list, whichever connections have it.
    pub fn of(self: &Arc<Self>, pipeline: &Pipeline, list: &'static str) -> Known {
        let pipeline = pipeline.fresh();
        let has = |connector: &&Arc<dyn Connector>| {
            connector.lists().iter().any(|offered| offered.name == list)
        };
        let now = pipeline.clock.now();
        let mut known = Known::default();
        for (name, connector) in pipeline.connectors.iter().filter(|(_, held)| has(held)) {
            let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let held = all.entry((name.clone(), list)).or_default();
            known.0.push(Arc::clone(&held.names));
            // What is in trouble is not asked for names on top.
            let due = held.next.is_none_or(|next| next <= now);
            if due && !held.asking && pipeline.gates.closed(name).is_none() {
                held.asking = true;
                drop(all);
                self.ask(&pipeline, (name.clone(), list), connector);
            }
        }
        known
    }

    fn ask(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        key: (String, &'static str),
        connector: &Arc<dyn Connector>,
    ) {
        let (names, clock, connector) =
            (Arc::clone(self), pipeline.clock.clone(), Arc::clone(connector));
        tokio::spawn(async move {
            let read = connector.list(key.1).await;
            let mut all = names.held.lock().unwrap_or_else(PoisonError::into_inner);
            let held = all.entry(key).or_default();
            held.asking = false;
            let pause = match read {
                Ok(listing) => {
                    held.names = Arc::new(named(listing.columns, &listing.rows));
                    FRESH
                }
                Err(delay) => {
                    tracing::debug!(why = %delay.why, "names were not read; codes are shown");
                    AGAIN
                }
            };
            held.next = clock.now().saturating_add(pause).ok();
        });
    }
}

/// The first column is the code; the one that is called so is the name.
fn named(columns: &[&str], rows: &[Vec<Value>]) -> HashMap<String, String> {
    let Some(at) = columns.iter().position(|column| *column == "name") else {
        return HashMap::new();
    };
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    rows.iter().filter_map(|row| Some((text(row.first()?)?, text(row.get(at)?)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_code_has_a_name_where_those_who_know_it_agree() {
        let rows =
            |name: &str| vec![vec![json!("new"), json!(name)], vec![json!("x"), json!(null)]];
        let of = |name: &str| Arc::new(named(&["code", "name"], &rows(name)));
        let name = |all: &[&str]| Known(all.iter().map(|name| of(name)).collect()).name("new");
        assert_eq!(name(&["Новый"]).as_deref(), Some("Новый"));
        assert_eq!(name(&["Новый", "Новый"]).as_deref(), Some("Новый"));
        assert_eq!(name(&["Новый", "New"]), None);
        assert_eq!(Known(vec![of("a")]).name("x"), None);
        assert_eq!(named(&["code"], &rows("a")), HashMap::new());
    }
}
