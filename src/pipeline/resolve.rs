//! After a lost answer: look before repeating. Invariant: a *once* operation is never repeated, though
//! it may be found; a *check* operation is repeated only after looks found no trace of it.

use super::Pipeline;
use super::decide::{Stop, fenced};
use super::remember::{kept, links};
use crate::clock::plus;
use crate::domain::plan::REFUSED;
use crate::domain::{Decision, Delay, Look, Repeat, Verdict};
use crate::rules::retry::SETTLE;
use crate::store::{Claimed, Resolution, StepRow, StepState};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the reason of a job ends whose step only a person knows about.
pub const ASKS: &str = "a person must say";
/// What a person may type then: it happened, or it did not.
pub fn words(job: i64, step: &str) -> [String; 2] {
    ["arrived", "again"].map(|word| format!("leadlink retry {job} --{word} {step}"))
}

/// A job that looks for what nobody repeats lets others of its lanes go first when the far side could
/// not be asked for so long.
const HELD: Duration = Duration::from_secs(120);

/// What is to be done about the unknown steps of a job.
#[derive(Debug)]
pub enum Unknowns {
    /// Decide. `doubtful` steps left no trace; the far side would refuse a second one, so they may
    /// be repeated, but a decision to leave them out must look once more.
    /// `refused` steps hold why.
    Clear {
        done: BTreeMap<String, Value>,
        refused: BTreeMap<String, String>,
        doubtful: Vec<StepRow>,
    },
    /// Look (again) then.
    Wait { due: Timestamp, why: String },
    /// The look did not get through. `patient`: it has not for long, of what is not repeated anyway, so
    /// that others need not wait for it.
    Later { connection: String, delay: Delay, patient: bool },
    /// Only a person can say.
    Stuck(String),
}

/// Looks for every step of the job whose outcome is unknown.
///
/// # Errors
/// The store's, or a lost fence.
pub async fn unknowns(pipeline: &Pipeline, claimed: &Claimed) -> Result<Unknowns, Stop> {
    let mut done = BTreeMap::new();
    let mut refused = BTreeMap::new();
    let mut doubtful = Vec::new();
    for row in &claimed.steps {
        if row.state == StepState::Done {
            done.insert(row.name.clone(), row.output.clone().unwrap_or_default());
            continue;
        }
        if row.state == StepState::Refused {
            let why = row.output.as_ref().and_then(|output| output.get(REFUSED)?.as_str());
            refused.insert(row.name.clone(), why.unwrap_or_default().to_owned());
            continue;
        }
        match one(pipeline, claimed, row).await? {
            One::Done(output) => {
                done.insert(row.name.clone(), output);
            }
            One::Absent => {}
            One::Doubtful => doubtful.push(row.clone()),
            One::Not(unknowns) => return Ok(unknowns),
        }
    }
    Ok(Unknowns::Clear { done, refused, doubtful })
}

enum One {
    Done(Value),
    Absent,
    Doubtful,
    Not(Unknowns),
}

async fn one(pipeline: &Pipeline, claimed: &Claimed, row: &StepRow) -> Result<One, Stop> {
    let effect = &row.effect;
    let Some(connector) = pipeline.connector(&effect.connection) else {
        return Ok(stuck(format!(
            "step {}: there is no connection {}",
            row.name, effect.connection
        )));
    };
    let repeat = connector.offer().operation(&effect.operation).map(|offer| offer.repeat);
    match repeat {
        Some(Repeat::Safe) => return resolved(pipeline, claimed, row, (Look::Absent, false)).await,
        Some(Repeat::Check) => {}
        Some(Repeat::Once) if connector.looks(effect) => {}
        Some(Repeat::Once) | None => {
            return Ok(stuck(format!("step {} may have happened: {ASKS}", row.name)));
        }
    }
    let once = repeat == Some(Repeat::Once);
    let now = pipeline.clock.now();
    let started = row.started.unwrap_or(now);
    let guarded = !once && connector.guarded(effect);
    let settled = plus(started, SETTLE[usize::from(row.looks > 0)]);
    if !guarded && now < settled {
        return Ok(One::Not(Unknowns::Wait {
            due: settled,
            why: format!("step {} may have happened: looking for it then", row.name),
        }));
    }
    let look = connector.look(effect, started, now).await;
    if !matches!(look, Look::Later(_)) {
        pipeline.gates.success(&effect.connection);
    }
    if guarded && look == Look::Absent {
        return Ok(One::Doubtful);
    }
    if once && look == Look::Absent && row.looks > 0 {
        let why = "left no trace, and may have happened";
        return Ok(stuck(format!("step {} {why}: {ASKS}", row.name)));
    }
    resolved(pipeline, claimed, row, (look, once)).await
}

async fn resolved(
    pipeline: &Pipeline,
    claimed: &Claimed,
    row: &StepRow,
    (look, once): (Look, bool),
) -> Result<One, Stop> {
    let now = pipeline.clock.now();
    let last = row.looks > 0;
    let (found, one) = match look {
        Look::Later(delay) => {
            let connection = row.effect.connection.clone();
            let patient = once && plus(row.started.unwrap_or(now), HELD) < now;
            return Ok(One::Not(Unknowns::Later { connection, delay, patient }));
        }
        Look::Done(output) => {
            let links = links(pipeline, &claimed.event, &row.effect, &output);
            let kept = kept(pipeline, &row.effect, &output).map(Box::new);
            (Resolution::Done { output: output.clone(), links, kept }, One::Done(output))
        }
        Look::Absent if last => (Resolution::Absent { last }, One::Absent),
        Look::Absent => {
            let due = plus(row.started.unwrap_or(now), SETTLE[1]);
            let why = format!("step {} left no trace yet: looking once more then", row.name);
            (Resolution::Absent { last }, One::Not(Unknowns::Wait { due, why }))
        }
    };
    fenced(pipeline.store.resolve(claimed.fence, row.id, found, now).await?)?;
    Ok(one)
}

fn stuck(why: String) -> One {
    One::Not(Unknowns::Stuck(why))
}

/// Settles the doubtful steps once the decision is known: repeated ones are absent; before a
/// decision leaves one out, it is looked for again, for it may have landed since. Returns whether
/// one was found, so that the job must be decided anew.
///
/// # Errors
/// The store's, or a lost fence.
pub async fn settle(
    pipeline: &Pipeline,
    claimed: &Claimed,
    decision: &Decision,
    doubtful: &[StepRow],
) -> Result<bool, Stop> {
    let mut found = false;
    for row in doubtful {
        let again = match &decision.verdict {
            Verdict::Act(plan) => plan.steps.iter().any(|step| step.name == row.name),
            Verdict::Skip | Verdict::Incomplete => false,
        };
        let mut resolution = Resolution::Absent { last: true };
        if !again && let Some(connector) = pipeline.connector(&row.effect.connection) {
            let now = pipeline.clock.now();
            if let Look::Done(output) =
                connector.look(&row.effect, row.started.unwrap_or(now), now).await
            {
                let links = links(pipeline, &claimed.event, &row.effect, &output);
                let kept = kept(pipeline, &row.effect, &output).map(Box::new);
                resolution = Resolution::Done { output, links, kept };
                found = true;
            }
        }
        let now = pipeline.clock.now();
        fenced(pipeline.store.resolve(claimed.fence, row.id, resolution, now).await?)?;
    }
    Ok(found)
}
