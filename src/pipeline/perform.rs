//! The steps of a plan, one after another. Invariant: a step is committed as running before it is
//! sent and its outcome is committed with what follows; what an answer means the connector has said.

use super::Pipeline;
use super::decide::{Stop, due_after, fenced, plus};
use crate::domain::contact::contact_key;
use crate::domain::plan::fill;
use crate::domain::{Effect, Event, Link, Offer, Outcome, Plan};
use crate::rules::retry::SETTLE;
use crate::store::{self, Claimed, Fenced, Finished, JobState, Next, StepState};
use crate::telemetry;
use backon::{ExponentialBuilder, Retryable};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A plan under way.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    ids: Vec<i64>,
    /// Outputs by step name, those of earlier decisions included.
    outputs: BTreeMap<String, Value>,
    refused: Vec<String>,
}

impl Run {
    pub fn new(plan: Plan, ids: Vec<i64>, outputs: BTreeMap<String, Value>) -> Self {
        Self { plan, ids, outputs, refused: Vec::new() }
    }

    /// The next step after `index` that may run: one after a refused step only if it does not need
    /// that one.
    fn next(&mut self, index: usize) -> Option<(usize, Map<String, Value>)> {
        for next in index + 1..self.plan.steps.len() {
            let step = &self.plan.steps[next];
            let held = match &step.needs {
                Some(needs) => needs.iter().all(|need| self.outputs.contains_key(need)),
                None => self.refused.is_empty(),
            };
            if !held {
                continue;
            }
            match fill(&step.effect.input, &|name| self.outputs.get(name).cloned()) {
                Ok(input) => return Some((next, input)),
                Err(why) => self.refused.push(format!("step {}: {why}", step.name)),
            }
        }
        None
    }
}

/// Performs a plan whose first step is committed as running.
///
/// # Errors
/// The store's, or a lost fence.
pub async fn plan(
    pipeline: &Pipeline,
    claimed: &Claimed,
    event: &Event,
    mut run: Run,
) -> Result<(), Stop> {
    let mut index = 0;
    let mut input = run.plan.steps.first().map(|step| step.effect.input.clone());
    while let Some(filled) = input.take() {
        let step = &run.plan.steps[index];
        let effect = Effect { input: filled, ..step.effect.clone() };
        let (name, id) = (step.name.clone(), run.ids[index]);
        let outcome = perform(pipeline, &effect).await;
        tell(claimed, &name, &effect, &outcome);
        let mut finished = Finished {
            step: id,
            state: StepState::Done,
            output: None,
            why: None,
            links: Vec::new(),
        };
        match outcome {
            Outcome::Done(output) => {
                finished.links = links(pipeline, event, &effect, &output);
                finished.output = Some(output.clone());
                run.outputs.insert(name, output);
            }
            Outcome::Refused(why) => {
                finished.state = StepState::Refused;
                finished.why = Some(why.clone());
                run.refused.push(format!("step {name}: {why}"));
            }
            Outcome::Later(delay) => {
                finished.state = StepState::Waiting;
                finished.why = Some(delay.why.clone());
                let due = due_after(pipeline, claimed, &effect.connection, &delay);
                let why = format!("step {name}: {}", delay.why);
                return finish(pipeline, claimed, finished, Next::Again { due, why }).await;
            }
            Outcome::Unknown(delay) => {
                finished.state = StepState::Unknown;
                finished.why = Some(delay.why.clone());
                let soon = due_after(pipeline, claimed, &effect.connection, &delay);
                let settled = plus(pipeline.clock.now(), SETTLE[0]);
                let guarded =
                    pipeline.connector(&effect.connection).is_some_and(|c| c.guarded(&effect));
                let due = if guarded { soon } else { soon.max(settled) };
                let why = format!("step {name} may have happened: {}", delay.why);
                return finish(pipeline, claimed, finished, Next::Again { due, why }).await;
            }
        }
        let next = match run.next(index) {
            Some((next, filled)) => {
                index = next;
                input = Some(filled.clone());
                Next::Start { step: run.ids[next], input: filled }
            }
            None if run.refused.is_empty() => Next::End { state: JobState::Acted, why: None },
            None => Next::End { state: JobState::Stuck, why: Some(run.refused.join("; ")) },
        };
        finish(pipeline, claimed, finished, next).await?;
    }
    Ok(())
}

async fn perform(pipeline: &Pipeline, effect: &Effect) -> Outcome {
    let Some(connector) = pipeline.connector(&effect.connection) else {
        return Outcome::Refused(format!("there is no connection {}", effect.connection));
    };
    let outcome = connector.perform(effect, pipeline.clock.now()).await;
    if matches!(outcome, Outcome::Done(_) | Outcome::Refused(_)) {
        pipeline.gates.success(&effect.connection);
    }
    outcome
}

/// Commits an outcome. It is known only here until then, so a store that is full or locked is
/// asked again for a while before the outcome is given up as unknown.
async fn finish(
    pipeline: &Pipeline,
    claimed: &Claimed,
    finished: Finished,
    next: Next,
) -> Result<(), Stop> {
    let commit = || async {
        let now = pipeline.clock.now();
        pipeline.store.finish(claimed.fence, finished.clone(), next.clone(), now).await
    };
    let kept: Fenced = commit
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(100))
                .with_max_delay(Duration::from_secs(5))
                .with_max_times(60),
        )
        .sleep(tokio::time::sleep)
        .when(|error| matches!(error, store::Error::Unavailable(_)))
        .await?;
    fenced(kept)
}

/// The links that a done effect makes: the event to the entity and, where the entity is new, its
/// contacts and the entities that it belongs to.
pub fn links(pipeline: &Pipeline, event: &Event, effect: &Effect, output: &Value) -> Vec<Link> {
    let whole = pipeline.connector(&effect.connection).map(|connector| connector.offer());
    let offer = whole.and_then(|whole| whole.operation(&effect.operation));
    let (Some(whole), Some(offer), Some(id)) = (whole, offer, id_of(output)) else {
        return Vec::new();
    };
    let Some(entity) = offer.entity else { return Vec::new() };
    let made = pipeline.clock.now();
    let link = |from_kind: &str, from_connection: &str, from_id: String| Link {
        from_kind: from_kind.to_owned(),
        from_connection: from_connection.to_owned(),
        from_id,
        to_connection: effect.connection.clone(),
        to_kind: entity.to_owned(),
        to_id: id.clone(),
        made,
    };
    let mut links = vec![link("event", &event.connection, event.key.clone())];
    if offer.makes {
        let contacts =
            ["phone", "phones", "email"].into_iter().filter_map(|name| effect.input.get(name));
        for key in contacts.flat_map(contact_keys) {
            links.push(link("contact", &effect.connection, key));
        }
        for (owner, id) in owners(whole, &effect.input, entity) {
            links.push(link(owner, &effect.connection, id));
        }
    }
    links
}

/// The other entities that an input names by their id: an order's `customer`.
pub fn owners(
    offer: &'static Offer,
    input: &Map<String, Value>,
    own: &str,
) -> Vec<(&'static str, String)> {
    let entities: BTreeSet<&str> = offer.operations.iter().filter_map(|o| o.entity).collect();
    let others = entities.into_iter().filter(|entity| *entity != own);
    others.filter_map(|entity| Some((entity, text_of(input.get(entity)?)?))).collect()
}

fn id_of(output: &Value) -> Option<String> {
    text_of(output.get("id")?)
}

fn text_of(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn contact_keys(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => contact_key(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(contact_keys).collect(),
        _ => Vec::new(),
    }
}

fn tell(claimed: &Claimed, step: &str, effect: &Effect, outcome: &Outcome) {
    let (word, why) = match outcome {
        Outcome::Done(_) => ("done", ""),
        Outcome::Later(delay) => ("later", delay.why.as_str()),
        Outcome::Refused(why) => ("refused", why.as_str()),
        Outcome::Unknown(delay) => ("unknown", delay.why.as_str()),
    };
    metrics::counter!(
        telemetry::STEPS,
        "connection" => effect.connection.clone(),
        "operation" => effect.operation.clone(),
        "outcome" => word
    )
    .increment(1);
    tracing::info!(
        job = claimed.fence.job, event = %claimed.event.key, step, operation = %effect.operation,
        connection = %effect.connection, outcome = word, why, "performed"
    );
}
