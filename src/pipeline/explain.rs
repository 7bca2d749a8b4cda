//! What would be decided, and which requests would be sent. Invariant: asks the far sides, but
//! writes nothing — neither there nor in the store.

use super::Pipeline;
use super::decide::{Stop, ask};
use super::leads::Looks;
use crate::connectors::port::Preview;
use crate::domain::{Answer, Decision, Event, Query, Verdict};
use crate::rules::{self, Knowledge, gather, guard};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The whole explanation.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub flow: String,
    pub event: Event,
    /// Fact name → the query that was asked.
    pub queries: BTreeMap<String, Query>,
    pub facts: BTreeMap<String, Value>,
    pub decision: Decision,
    /// Step name → the request, in order.
    #[serde(skip)]
    pub requests: Vec<(String, Preview)>,
}

/// Explains what `flow` would do about `event` now.
///
/// # Errors
/// Why it cannot be told: a fault of the flow, a far side that does not answer, the store.
pub async fn explain(pipeline: &Pipeline, flow: &str, event: Event) -> Result<Explanation, String> {
    let pipeline = &Pipeline { looks: Arc::new(Looks::unkept()), ..pipeline.clone() };
    let book = &pipeline.book;
    let bound = book.flow(flow).ok_or_else(|| format!("there is no flow {flow}"))?;
    let running = crate::mapping::Bound { running: true, ..bound.clone() };
    let now = pipeline.clock.now();
    let mut knowledge = Knowledge::of(book, &event, now);
    let mut queries = BTreeMap::new();
    let guarded = guard::decide(&running, &event, &knowledge).map_err(|fault| fault.to_string())?;
    let decision = match guarded {
        Some(decision) => decision,
        None => {
            loop {
                let next = gather::next(book, &running, &mut knowledge);
                let asked = next.map_err(|fault| fault.to_string())?;
                if asked.is_empty() {
                    break;
                }
                for (fact, query) in asked {
                    let value = answer(pipeline, &fact, &query).await?;
                    knowledge.facts.insert(fact.clone(), value);
                    queries.insert(fact, query);
                }
            }
            rules::decide::decide(book, &running, &event, &knowledge)
                .map_err(|fault| fault.to_string())?
        }
    };
    let requests = requests(pipeline, &decision);
    let facts = knowledge.facts;
    Ok(Explanation { flow: flow.to_owned(), event, queries, facts, decision, requests })
}

async fn answer(pipeline: &Pipeline, fact: &str, query: &Query) -> Result<Value, String> {
    match ask(pipeline, query).await {
        Ok(Answer::Known(value)) => Ok(value),
        Ok(Answer::Later(delay)) => Err(format!("{}: {}", query.connection, delay.why)),
        Ok(Answer::Refused(why)) => Err(format!("fact {fact}: {why}")),
        Err(Stop::Store(error)) => Err(error.to_string()),
        Err(stop @ (Stop::Written | Stop::Lost)) => Err(stop.to_string()),
    }
}

fn requests(pipeline: &Pipeline, decision: &Decision) -> Vec<(String, Preview)> {
    let Verdict::Act(plan) = &decision.verdict else { return Vec::new() };
    plan.steps
        .iter()
        .filter_map(|step| {
            let connector = pipeline.connector(&step.effect.connection)?;
            Some((step.name.clone(), connector.preview(&step.effect)))
        })
        .collect()
}
