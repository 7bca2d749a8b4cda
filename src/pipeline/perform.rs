//! The steps of a plan, one after another. Invariant: a step is committed as running before it is
//! sent and its outcome is committed with what follows; what an answer means the connector has said.

use super::Pipeline;
use super::decide::{Stop, fenced};
use super::later::{due_after, in_time, is_over, shut};
use super::remember::{kept, linked_to, links, mark};
use crate::clock::plus;
use crate::connectors::http::no_later_than;
use crate::domain::plan::{REFUSED, fill, is_of, refusal};
use crate::domain::{Delay, Effect, Event, Outcome, Plan, Step};
use crate::rules::retry::SETTLE;
use crate::store::{self, Claimed, Fenced, Finished, JobState, Next, StepState};
use crate::telemetry;
use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A plan under way.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    ids: Vec<i64>,
    /// Outputs by step name, those of earlier decisions included; of a refused step that another deals
    /// with, why.
    outputs: BTreeMap<String, Value>,
    /// What was refused and nobody has dealt with, and why no step can be filled.
    refused: Vec<(String, String)>,
    /// A refusal was dealt with: the steps behind it are still not performed.
    dealt: bool,
}

impl Run {
    pub fn new(plan: Plan, ids: Vec<i64>, outputs: BTreeMap<String, Value>) -> Self {
        Self { plan, ids, outputs, refused: Vec::new(), dealt: false }
    }

    /// The next step after `index` that may run: one after a refused step only if it does not need
    /// that one.
    fn next(&mut self, index: usize) -> Option<(usize, Map<String, Value>)> {
        for next in index + 1..self.plan.steps.len() {
            let step = &self.plan.steps[next];
            if !self.is_wanted(step) {
                continue;
            }
            match fill(&step.effect.input, &|name| self.output(name)) {
                Ok(input) => return Some((next, input)),
                Err(why) => self.refused.push((step.name.clone(), why)),
            }
        }
        None
    }

    fn is_wanted(&self, step: &Step) -> bool {
        if let Some(of) = &step.if_refused {
            return self.refused.iter().any(|(name, _)| is_of(name, of))
                || !self.plan.steps.iter().any(|other| other.is(of));
        }
        match &step.needs {
            Some(needs) => {
                needs.iter().all(|need| self.outputs.keys().any(|name| is_of(name, need)))
            }
            None => self.refused.is_empty() && !self.dealt,
        }
    }

    /// What a hole of this step is filled from. A refusal is that of any of its repetitions.
    fn output(&self, name: &str) -> Option<Value> {
        let rule = name.split('.').next().unwrap_or(name);
        let why = self.refused.iter().find(|(refused, _)| is_of(refused, rule));
        let mut output = self.outputs.get(name).cloned();
        if let (Some((_, why)), Value::Object(told)) = (why, output.get_or_insert(json!({}))) {
            told.insert(REFUSED.to_owned(), why.as_str().into());
        }
        output.filter(|output| *output != json!({}))
    }

    /// The step is done, and with it what was refused of the one that it deals with.
    fn done(&mut self, index: usize, output: Value) {
        let step = &self.plan.steps[index];
        if let Some(of) = &step.if_refused {
            self.refused.retain(|(name, _)| !is_of(name, of));
            self.dealt = true;
        }
        self.outputs.insert(step.name.clone(), output);
    }

    fn end(&self) -> Next {
        if self.refused.is_empty() {
            return Next::End { state: JobState::Acted, why: None };
        }
        let told = self.refused.iter().map(|(name, why)| format!("step {name}: {why}"));
        let why = told.collect::<Vec<_>>().join("; ");
        Next::End { state: JobState::Stuck, why: Some(why) }
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
        let (name, id, until) = (step.name.clone(), run.ids[index], step.until);
        let effect = Effect { input: filled, ..step.effect.clone() };
        let outcome = perform(pipeline, claimed, &effect, until).await;
        tell(pipeline, claimed, &name, (&effect, &outcome));
        let mut finished = finished(pipeline, event, &effect, id, &outcome);
        let next = match outcome {
            Outcome::Done(output) => {
                run.done(index, output);
                None
            }
            Outcome::Refused(why) => {
                run.refused.push((name, why));
                None
            }
            Outcome::Later(delay) => {
                let due = due_after(pipeline, claimed, &effect.connection, &delay);
                let due = in_time(due, until);
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
                let effect = &run.plan.steps[next].effect;
                let effect = Effect { input: filled.clone(), ..effect.clone() };
                finished.mark = mark(pipeline, claimed, &effect);
                input = Some(filled.clone());
                Next::Start { step: run.ids[next], input: filled }
            }
            None => run.end(),
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
        Outcome::Refused(why) => (StepState::Refused, Some(refusal(why)), Some(why.clone())),
        Outcome::Later(delay) => (StepState::Waiting, None, Some(delay.why.clone())),
        Outcome::Unknown(delay) => (StepState::Unknown, None, Some(delay.why.clone())),
    };
    let told = output.as_ref().filter(|_| state == StepState::Done);
    let links = told.map(|output| links(pipeline, event, effect, output));
    let kept = told.and_then(|output| kept(pipeline, effect, output));
    let links = links.unwrap_or_default();
    Finished { step, state, output, why, links, kept, mark: None }
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

/// Sends an effect, unless its time is over or its connection gets no requests. What waits for its
/// turn is sent in time or not at all.
async fn perform(
    pipeline: &Pipeline,
    claimed: &Claimed,
    effect: &Effect,
    until: Option<Timestamp>,
) -> Outcome {
    let Some(connector) = pipeline.connector(&effect.connection) else {
        return Outcome::Refused(format!("there is no connection {}", effect.connection));
    };
    if let Some(until) = until.filter(|_| is_over(pipeline, until)) {
        return Outcome::Refused(format!(
            "it could not be sent until {until}, and it is not sent later"
        ));
    }
    if let Some(why) = shut(pipeline, claimed, &effect.connection) {
        return Outcome::Later(Delay::item(format!("{}: {why}", effect.connection)));
    }
    let sending = connector.perform(effect, pipeline.clock.now());
    let outcome = match until {
        Some(until) => no_later_than(pipeline.clock.left(until), sending).await,
        None => sending.await,
    };
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
