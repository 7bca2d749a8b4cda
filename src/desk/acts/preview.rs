//! What today's flow would decide, beside what was decided. Invariant: reads only; from the facts as
//! they were, so that a difference is one of the flow.

use super::{Act, Changed, PlannedStep, ReplayPreview, Verdict};
use crate::desk::story::{Entry, entries, story_id};
use crate::desk::{Actor, Desk, Error, Right};
use crate::domain::event::is_empty;
use crate::domain::plan::as_hole;
use crate::domain::{Decision, JobState, Recorded};
use crate::rules::replay::{Change, Now, Weighed, fingerprint, weigh};
use serde_json::Value;

impl Desk {
    /// What today's flow would decide about a job that is through, beside what was decided. Writes
    /// nothing.
    ///
    /// # Errors
    /// The actor may not; there is no such job, or nothing was decided of it; the store's.
    pub async fn replay(&self, actor: &Actor, job: i64) -> Result<ReplayPreview, Error> {
        actor.must(Right::Read)?;
        let store = &self.pipeline.store;
        let brief = super::brief(&self.pipeline, job).await?;
        let recorded = store.recorded_job(job).await?;
        let recorded = recorded.ok_or_else(|| {
            Error::Conflict(format!(
                "nothing was decided of job {job}: it is {}",
                brief.state.word()
            ))
        })?;
        let book = std::sync::Arc::clone(&self.pipeline.setup().book);
        let bound = book.flow(&recorded.flow);
        let print = bound.map(fingerprint);
        let obstacle = match (bound, brief.state) {
            (None, _) => Some(format!("its flow {} is not there any more", recorded.flow)),
            (Some(bound), _) if !bound.running => {
                Some(format!("its flow {} is stopped: start it first", recorded.flow))
            }
            (_, JobState::Stuck) => {
                Some(format!("it is parked: `{}` decides it anew", Act::Retry.word()))
            }
            (_, state) if !state.ended() => Some(format!("it is still {}", state.word())),
            _ => None,
        };
        let weighed = weigh(&book, &recorded);
        Ok(shown(&recorded, &weighed, print, obstacle))
    }
}

fn shown(
    recorded: &Recorded,
    weighed: &Weighed,
    fingerprint: Option<String>,
    obstacle: Option<String>,
) -> ReplayPreview {
    let was = verdict(&recorded.decision);
    let (outcome, what, now, changes) = match weighed {
        Weighed::Same => ("same", None, Some(was.clone()), Vec::new()),
        Weighed::Differs(difference) => {
            let changes = difference.changes.iter().map(changed).collect();
            ("differs", Some(difference.kind.to_string()), Some(after(&difference.now)), changes)
        }
        Weighed::Untold(why) => ("untold", Some(why.clone()), None, Vec::new()),
        Weighed::Rested => {
            let why = "no rule was asked then: the flow did not run".to_owned();
            ("rested", Some(why), None, Vec::new())
        }
        Weighed::Gone => ("gone", None, None, Vec::new()),
    };
    ReplayPreview {
        job: recorded.job,
        flow: recorded.flow.clone(),
        event: recorded.event.key.clone(),
        story: story_id(&recorded.event.connection, &recorded.event.key),
        at: recorded.at,
        outcome: outcome.to_owned(),
        what,
        was,
        now,
        changes,
        fingerprint,
        possible: obstacle.is_none(),
        obstacle,
    }
}

/// A decision, short.
pub fn verdict(decision: &Decision) -> Verdict {
    let steps = match &decision.verdict {
        crate::domain::Verdict::Act(plan) => plan.steps.as_slice(),
        _ => &[],
    };
    let steps = steps.iter().map(|step| PlannedStep {
        name: step.name.clone(),
        connection: step.effect.connection.clone(),
        operation: step.effect.operation.clone(),
        input: entries(&step.effect.input)
            .into_iter()
            .map(|field| Entry { value: named(&field.value), ..field })
            .collect(),
    });
    Verdict {
        word: crate::desk::story::word(&decision.verdict).to_owned(),
        steps: steps.collect(),
        reasons: decision.reasons.iter().map(ToString::to_string).collect(),
    }
}

/// Outputs of earlier steps by their names.
fn named(value: &Value) -> Value {
    match value {
        Value::Object(fields) if as_hole(value).is_none() => {
            fields.iter().map(|(name, value)| (name.clone(), named(value))).collect()
        }
        Value::Array(items) => items.iter().map(named).collect(),
        other if as_hole(other).is_some() => Value::String(line(other)),
        other => other.clone(),
    }
}

/// What would be decided, short.
pub fn after(now: &Now) -> Verdict {
    match now {
        Now::Decided(decision) => verdict(decision),
        Now::Stuck(why) => Verdict {
            word: JobState::Stuck.word().to_owned(),
            steps: Vec::new(),
            reasons: vec![why.clone()],
        },
    }
}

/// A change in two lines.
pub fn changed(change: &Change) -> Changed {
    Changed {
        at: change.at.clone(),
        was: change.was.as_ref().map(line),
        now: change.now.as_ref().map(line),
    }
}

/// A value in one line; outputs of earlier steps by their names.
pub fn line(value: &Value) -> String {
    if let Some((step, path)) = as_hole(value) {
        return format!("steps.{step}.{}", path.join("."));
    }
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !is_empty(value));
            let fields: Vec<String> =
                fields.map(|(name, value)| format!("{name} = {}", line(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
