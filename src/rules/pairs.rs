//! Which things of one connection become which of another, as the running flows say it. Invariant:
//! pure; told by offers and flows alone, so that no far side is named here.

use super::{Book, Knowledge};
use crate::domain::event::is_empty;
use crate::domain::{FateOffer, OperationOffer};
use crate::mapping::{Bound, StepRule};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// Things of `source` become entities of `targets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub source: String,
    /// What becomes one: `order`. The event that tells of it tells its end too.
    pub thing: &'static str,
    /// In the order in which the flows name them.
    pub targets: Vec<String>,
    /// What it becomes: `deal`.
    pub entity: &'static str,
    /// The running flows that write it.
    pub flows: Vec<String>,
    /// How many of them one request carries.
    pub batch: u32,
    /// A change that is younger than this may be on its way yet.
    pub settles: Duration,
}

/// All pairs of the running flows, by source.
pub fn all(book: &Book) -> Vec<Pair> {
    let mut pairs: BTreeMap<(String, &'static str), Pair> = BTreeMap::new();
    for bound in book.flows().iter().filter(|bound| bound.running) {
        for source in bound.connections(&bound.flow.on.role) {
            let Some(fate) = fate(book, bound, source) else { continue };
            for (rule, offer, entity) in writes(book, bound) {
                let settles = bound.delay.saturating_add(bound.flow.settle.unwrap_or_default());
                let pair = pairs.entry((source.clone(), entity)).or_insert_with(|| Pair {
                    source: source.clone(),
                    thing: fate.entity,
                    targets: Vec::new(),
                    entity,
                    flows: Vec::new(),
                    batch: offer.batch,
                    settles,
                });
                pair.settles = pair.settles.max(settles);
                for target in bound.connections(&rule.role) {
                    if !pair.targets.contains(target) {
                        pair.targets.push(target.clone());
                    }
                }
                if !pair.flows.contains(&bound.name) {
                    pair.flows.push(bound.name.clone());
                }
            }
        }
    }
    pairs.into_values().collect()
}

fn fate(book: &Book, bound: &Bound, source: &str) -> Option<FateOffer> {
    book.offer(source)?.event(&bound.flow.on.event)?.fate
}

/// The steps that write something which is remembered.
fn writes<'a>(
    book: &'a Book,
    bound: &'a Bound,
) -> impl Iterator<Item = (&'a StepRule, &'static OperationOffer, &'static str)> {
    bound.flow.steps.iter().filter_map(|rule| {
        let offer = book.operation(bound, &rule.role, &rule.operation)?;
        let entity = offer.entity.filter(|_| !offer.keeps.is_empty())?;
        Some((rule, offer, entity))
    })
}

/// What the flows of a pair would write of a thing now, as far as the thing alone tells: of an
/// update's inputs those that are remembered, with the maker's where no flow updates.
pub fn due(book: &Book, pair: &Pair, thing: &Value, now: Timestamp) -> Map<String, Value> {
    let mut due = Map::new();
    let bounds = pair.flows.iter().filter_map(|name| book.flow(name));
    let mut steps: Vec<_> = bounds
        .flat_map(|bound| writes(book, bound).map(move |(rule, offer, _)| (bound, rule, offer)))
        .collect();
    steps.sort_by_key(|(_, _, offer)| !offer.makes);
    for (bound, rule, offer) in steps {
        let facts = bound.flow.facts.iter().filter(|fact| fact.query == pair.thing);
        let facts = facts.map(|fact| (fact.name.clone(), thing.clone()));
        let knowledge = Knowledge {
            connection: pair.source.clone(),
            roles: None,
            event: Map::new(),
            facts: facts.collect(),
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
            now,
        };
        let scope = knowledge.scope(bound);
        for (name, phrase) in rule.with.iter().filter(|(name, _)| offer.keeps.contains(&&**name)) {
            if let Ok(value) = bound.flow.value(phrase, &scope)
                && !is_empty(&value)
            {
                due.insert(name.clone(), value);
            }
        }
    }
    due
}
