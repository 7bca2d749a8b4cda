//! The steps of a plan, one after another. Invariant: a step is committed as running before it is
//! sent and its outcome is committed with what follows; what an answer means the connector has said.

use super::Pipeline;
use super::decide::{Stop, due_after, fenced};
use super::remember::{kept, linked_to, links};
use crate::clock::plus;
use crate::domain::plan::fill;
use crate::domain::{Delay, Effect, Event, Outcome, Plan};
use crate::rules::retry::SETTLE;
use crate::store::{self, Claimed, Fenced, Finished, JobState, Next, StepState};
use crate::telemetry;
use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
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
        let (name, id) = (step.name.clone(), run.ids[index]);
        let effect = Effect { input: filled, ..step.effect.clone() };
        let outcome = perform(pipeline, &effect).await;
        tell(pipeline, claimed, &name, (&effect, &outcome));
        let finished = finished(pipeline, event, &effect, id, &outcome);
        let next = match outcome {
            Outcome::Done(output) => {
                run.outputs.insert(name, output);
                None
            }
            Outcome::Refused(why) => {
                run.refused.push(format!("step {name}: {why}"));
                None
            }
            Outcome::Later(delay) => {
                let due = due_after(pipeline, claimed, &effect.connection, &delay);
                Some(Next::Again { due, why: format!("step {name}: {}", delay.why) })
            }
            Outcome::Unknown(delay) => {
                let due = due_of_look(pipeline, claimed, &effect, &delay);
                let why = format!("step {name} may have happened: {}", delay.why);
                Some(Next::Again { due, why })
            }
        };
        let next = next.unwrap_or_else(|| match run.next(index) {
            Some((next, filled)) => {
                index = next;
                input = Some(filled.clone());
                Next::Start { step: run.ids[next], input: filled }
            }
            None if run.refused.is_empty() => Next::End { state: JobState::Acted, why: None },
            None => Next::End { state: JobState::Stuck, why: Some(run.refused.join("; ")) },
        });
        finish(pipeline, claimed, finished, next).await?;
    }
    Ok(())
}

/// What is kept of a step's outcome.
fn finished(
    pipeline: &Pipeline,
    event: &Event,
    effect: &Effect,
    step: i64,
    outcome: &Outcome,
) -> Finished {
    let (state, output, why) = match outcome {
        Outcome::Done(output) => (StepState::Done, Some(output.clone()), None),
        Outcome::Refused(why) => (StepState::Refused, None, Some(why.clone())),
        Outcome::Later(delay) => (StepState::Waiting, None, Some(delay.why.clone())),
        Outcome::Unknown(delay) => (StepState::Unknown, None, Some(delay.why.clone())),
    };
    let links = output.as_ref().map(|output| links(pipeline, event, effect, output));
    let kept = output.as_ref().and_then(|output| kept(pipeline, effect, output));
    Finished { step, state, output, why, links: links.unwrap_or_default(), kept }
}

/// When to look for an effect whose outcome is unknown: soon where the far side guards against a
/// second one, else after it has settled.
fn due_of_look(
    pipeline: &Pipeline,
    claimed: &Claimed,
    effect: &Effect,
    delay: &Delay,
) -> Timestamp {
    let soon = due_after(pipeline, claimed, &effect.connection, delay);
    let guarded = pipeline.connector(&effect.connection).is_some_and(|c| c.guarded(effect));
    let settled = plus(pipeline.clock.now(), SETTLE[0]);
    if guarded { soon } else { soon.max(settled) }
}

async fn perform(pipeline: &Pipeline, effect: &Effect) -> Outcome {
    let Some(connector) = pipeline.connector(&effect.connection) else {
        return Outcome::Refused(format!("there is no connection {}", effect.connection));
    };
    let outcome = connector.perform(effect, pipeline.clock.now()).await;
    match outcome {
        Outcome::Done(_) => pipeline.gates.performed(&effect.connection),
        Outcome::Refused(_) => drop(pipeline.gates.success(&effect.connection)),
        Outcome::Later(_) | Outcome::Unknown(_) => {}
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

fn tell(
    pipeline: &Pipeline,
    claimed: &Claimed,
    step: &str,
    (effect, outcome): (&Effect, &Outcome),
) {
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
    if let (Outcome::Done(_), Some(lead)) = (outcome, linked_to(pipeline, effect)) {
        metrics::counter!(
            telemetry::LINKED, "connection" => effect.connection.clone(), "lead" => lead
        )
        .increment(1);
    }
    tracing::info!(
        job = claimed.fence.job, event = %claimed.event.key, step, operation = %effect.operation,
        connection = %effect.connection, outcome = word, why, "performed"
    );
}
