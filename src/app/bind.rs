//! Flow files become instances bound to connections. Invariant: a flow runs only where config says
//! so, and never with a role that is bound to nothing.

use crate::config::{FlowSettings, Origins, Plain};
use crate::diagnosis::{Problem, nearest};
use crate::mapping::{self, Bound, Flow, Roles};
use crate::rules::{Book, cases};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Bindings {
    pub flows: Vec<Bound>,
    /// Instances with a role that is bound to nothing; `check` tells which, in the flow's file.
    pub off: Vec<Bound>,
    pub problems: Vec<Problem>,
}

/// Every instance: the files under their own names, and what config makes of them with `use`.
pub fn bind(
    files: &[Arc<Flow>],
    settings: &BTreeMap<String, FlowSettings>,
    roles: &Roles,
    origins: &Origins,
) -> Bindings {
    let mut bindings = Bindings::default();
    let by_name: BTreeMap<&str, &Arc<Flow>> =
        files.iter().map(|flow| (flow.name.as_str(), flow)).collect();
    let own = by_name.keys().map(|name| (*name).to_owned());
    let names: BTreeSet<String> = own.chain(settings.keys().cloned()).collect();
    for name in names {
        let given = settings.get(&name).cloned().unwrap_or_default();
        let file = given.use_flow.clone().unwrap_or_else(|| name.clone());
        let Some(flow) = by_name.get(file.as_str()) else {
            let mend = nearest(&file, by_name.keys().copied()).map_or_else(
                || "add the file to the mappings folder".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = Problem::error(format!("flows.{name}: there is no flow `{file}`"));
            bindings.problems.push(origins.point(&["flows", &name], problem.mend(mend)));
            continue;
        };
        let laid = settings_of(flow, &name, &given.settings, origins);
        bindings.problems.extend(laid.1);
        let mut roles = roles.clone();
        roles.extend(given.roles);
        let bound = |role: &String| roles.get(role).is_some_and(|held| !held.is_empty());
        let whole = needed(flow).iter().all(bound);
        let instance = Bound {
            name,
            flow: Arc::clone(flow),
            roles,
            running: given.running.unwrap_or(false),
            delay: given.delay.unwrap_or(flow.delay),
            max_age: given.max_age.unwrap_or(flow.max_age),
            settings: laid.0,
        };
        if whole { &mut bindings.flows } else { &mut bindings.off }.push(instance);
    }
    bindings
}

/// The flow's settings with what config lays over them, and what is wrong with that.
fn settings_of(
    flow: &Flow,
    name: &str,
    given: &BTreeMap<String, Plain>,
    origins: &Origins,
) -> (Map<String, Value>, Vec<Problem>) {
    let mut settings: Map<String, Value> = flow.settings.iter().cloned().collect();
    let mut problems = Vec::new();
    for (key, plain) in given {
        let laid = mapping::laid(&flow.settings, key, &plain.value);
        // A variable's digits may be meant as a text.
        let laid = laid.or_else(|problem| {
            let typed = plain.typed.as_deref().map(Value::from).ok_or(());
            typed
                .and_then(|text| mapping::laid(&flow.settings, key, &text).map_err(drop))
                .map_err(|()| problem)
        });
        match laid {
            Ok(value) => {
                settings.insert(key.clone(), value);
            }
            // What could not be read of the flow itself is told there.
            Err(_) if flow.broken => {}
            Err(mut problem) => {
                problem.title = format!("flows.{name}.settings.{key}: {}", problem.title);
                problems.push(origins.point(&["flows", name, "settings", key], *problem));
            }
        }
    }
    (settings, problems)
}

/// The roles of an instance that are bound to nothing.
pub fn unbound(bound: &Bound) -> Vec<String> {
    let needed = needed(&bound.flow).into_iter();
    needed.filter(|role| bound.connections(role).is_empty()).collect()
}

fn needed(flow: &Flow) -> BTreeSet<String> {
    let facts = flow.facts.iter().map(|fact| &fact.role);
    let steps = flow.steps.iter().map(|step| &step.role);
    std::iter::once(&flow.on.role).chain(facts).chain(steps).cloned().collect()
}

/// Checks every instance against the offers of its connections and runs the cases of each file
/// once.
pub fn check(book: &Book, off: &[Bound]) -> cases::Report {
    let mut report = cases::Report::default();
    let mut seen = BTreeSet::new();
    for bound in book.flows().iter().chain(off) {
        let offer = |role: &str| book.offer(bound.connection(role)?);
        let connectors: Vec<_> = needed(&bound.flow)
            .iter()
            .map(|role| offer(role).map(|offer| offer.connector))
            .collect();
        let whole = !connectors.contains(&None);
        // A second instance with the same connectors would only say everything twice.
        if whole && !seen.insert((bound.flow.name.clone(), connectors)) {
            continue;
        }
        let faults = mapping::check(bound, &offer);
        let sound = whole && !bound.flow.broken && !crate::diagnosis::has_errors(&faults);
        report.problems.extend(faults);
        if sound {
            let played = cases::run(book, bound);
            report.passed += played.passed;
            report.problems.extend(played.problems);
        }
    }
    report
}
