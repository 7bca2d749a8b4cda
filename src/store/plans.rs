//! Decisions, plans, steps, attempts. Invariant: every write is fenced, and what came of a step, its
//! links and what runs next are committed together: a crash finds a step either running or settled.

use super::jobs::{self, Held};
use super::lanes::{self, Holds};
use super::sql::{Connection, args, json, statements};
use super::{
    Begun, Error, Fence, Fenced, Finished, JobState, NewDecision, Next, Resolution, StepState,
    Store, entities, links, messages, tallies,
};
use crate::domain::{Step, Verdict};
use jiff::Timestamp;
use serde_json::{Map, Value};

statements! {
    DECIDE = "decision", "insert into decision (job_id, epoch, event, facts, asked, flow_hash, decision, created) \
        select j.id, j.epoch, $2, $3, $4, $5, $6, $7 from job j where j.id = $1 returning id";
    PLAN = "step", "insert into step (decision_id, job_id, position, name, connection, operation, \
            input, key, state, created) values ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9) \
        returning id";
    START = "step", "update step set state = 'running', started = $3, input = coalesce($4, input) \
        where id = $1 and job_id = $2 and state = 'waiting'";
    TRY = "attempt", "insert into attempt (step_id, started) values ($1, $2)";
    FINISH = "step", "update step set state = $3, output = $4 \
        where id = $1 and job_id = $2 and state = 'running'";
    TRIED = "attempt", "update attempt set ended = $2, result = $3, why = $4 \
        where step_id = $1 and ended is null";
    FOUND = "step", "update step set state = 'done', output = $3 \
        where id = $1 and job_id = $2 and state = 'unknown'";
    LOOKED = "step", "update step set looks = looks + 1, state = $3 \
        where id = $1 and job_id = $2 and state = 'unknown'";
    LOOK = "attempt", "insert into attempt (step_id, started, ended, result) values ($1, $2, $2, $3)";
}

const BUSY: &str = "another job holds a lane that this one needs too";
const STALE: &str = "another job wrote in a lane that this one needs too: its facts are read anew";

impl Store {
    /// Stores the decision whole; with a plan takes the extra lanes and starts its first step, else
    /// ends the job. A busy lane, or one in which another job wrote since this one was claimed, puts
    /// the job back, waiting for that lane too; nothing is stored.
    pub async fn begin(
        &self,
        fence: Fence,
        decision: NewDecision,
        now: Timestamp,
    ) -> Result<Fenced<Begun>, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = jobs::held(db, fence).await? else { return Ok(Fenced::Lost) };
                begin(db, &job, &decision, now).await.map(Fenced::Yes)
            })
        })
        .await
    }

    /// Ends a claimed job before a decision: parked for a person.
    pub async fn park(&self, fence: Fence, why: &str, now: Timestamp) -> Result<Fenced, Error> {
        let why = why.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = jobs::held(db, fence).await? else { return Ok(Fenced::Lost) };
                let stuck = JobState::Stuck;
                lanes::end(db, job.id, stuck, Some(&why), now).await.map(Fenced::Yes)
            })
        })
        .await
    }

    /// Commits what came of a running step, and what is next, in one transaction.
    /// `Finished::state`: done, refused, unknown, or waiting for "later".
    pub async fn finish(
        &self,
        fence: Fence,
        finished: Finished,
        next: Next,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = jobs::held(db, fence).await? else { return Ok(Fenced::Lost) };
                finish(db, &job, &finished, now).await?;
                follow(db, &job, &next, now).await.map(Fenced::Yes)
            })
        })
        .await
    }

    /// Commits what a look after an unknown outcome found.
    pub async fn resolve(
        &self,
        fence: Fence,
        step: i64,
        found: Resolution,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = jobs::held(db, fence).await? else { return Ok(Fenced::Lost) };
                resolve(db, &job, step, &found, now).await.map(Fenced::Yes)
            })
        })
        .await
    }
}

async fn begin(
    connection: &mut Connection,
    job: &Held,
    new: &NewDecision,
    now: Timestamp,
) -> Result<Begun, Error> {
    let (state, steps): (JobState, &[Step]) = match &new.decision.verdict {
        // Nothing is left to do, because earlier decisions of the job did it.
        Verdict::Act(plan) => (JobState::Acted, &plan.steps),
        Verdict::Skip => (JobState::Skipped, &[]),
        Verdict::Incomplete => (JobState::Incomplete, &[]),
    };
    if steps.is_empty() {
        store_decision(connection, job, new).await?;
        lanes::end(connection, job.id, state, None, now).await?;
        return Ok(Begun::Ended);
    }
    if lanes::held_by_others(connection, job.id, &new.lanes).await? {
        wait_for(connection, job, &new.lanes, (BUSY, now)).await?;
        return Ok(Begun::LaneBusy);
    }
    if lanes::written_by_others(connection, job.id, &new.lanes, job.claimed).await? {
        wait_for(connection, job, &new.lanes, (STALE, now)).await?;
        return Ok(Begun::LaneBusy);
    }
    lanes::add(connection, job.id, &new.lanes, None, job.registered).await?;
    lanes::hold(connection, &[job.id]).await?;
    let decision = store_decision(connection, job, new).await?;
    let mut ids = Vec::with_capacity(steps.len());
    for (position, step) in steps.iter().enumerate() {
        ids.push(plan(connection, (decision, job.id), position, step, now).await?);
    }
    if let Some(first) = ids.first() {
        entities::keep(connection, new.mark.as_ref()).await?;
        start(connection, job.id, *first, None, now).await?;
    }
    Ok(Begun::Started(ids))
}

/// The job lets go of everything and waits for all its lanes, the new ones among them, in the place
/// that it had when it was first due: those of its old lanes that come after it stay behind it. To
/// hold one lane while waiting for another is how deadlocks are made.
async fn wait_for(
    connection: &mut Connection,
    job: &Held,
    new: &[String],
    why: (&str, Timestamp),
) -> Result<(), Error> {
    lanes::add(connection, job.id, new, None, job.registered).await?;
    lanes::put_back(connection, job.id, job.first_due, Holds::LetGo, why).await
}

async fn store_decision(
    connection: &mut Connection,
    job: &Held,
    new: &NewDecision,
) -> Result<i64, Error> {
    let args = args![
        job.id,
        json("decision", &new.event)?,
        &new.facts,
        json("decision", &new.asked)?,
        &new.flow_hash,
        json("decision", &new.decision)?,
        new.at,
    ];
    connection.fetch_row(DECIDE, args).await?.int("id")
}

async fn plan(
    connection: &mut Connection,
    (decision, job): (i64, i64),
    position: usize,
    step: &Step,
    now: Timestamp,
) -> Result<i64, Error> {
    let effect = &step.effect;
    let args = args![
        decision,
        job,
        i64::try_from(position).unwrap_or(i64::MAX),
        &step.name,
        &effect.connection,
        &effect.operation,
        json("step", &effect.input)?,
        &effect.key,
        now,
    ];
    let id = connection.fetch_row(PLAN, args).await?.int("id")?;
    messages::planned(connection, id, effect, now).await?;
    Ok(id)
}

async fn start(
    connection: &mut Connection,
    job: i64,
    step: i64,
    input: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(input) = input {
        messages::filled(connection, step, input, now).await?;
    }
    let input = input.map(|input| json("step", input)).transpose()?;
    let changed = connection.execute(START, args![step, job, now, input]).await?;
    only(changed, step, "does not wait")?;
    connection.execute(TRY, args![step, now]).await.map(drop)
}

async fn finish(
    connection: &mut Connection,
    job: &Held,
    finished: &Finished,
    now: Timestamp,
) -> Result<(), Error> {
    let (state, result) = match finished.state {
        StepState::Done => (StepState::Done, "done"),
        StepState::Refused => (StepState::Refused, "refused"),
        StepState::Unknown => (StepState::Unknown, "unknown"),
        // The rest of the plan is dropped with it; the next decision plans it anew.
        StepState::Waiting => (StepState::Skipped, "later"),
        StepState::Skipped => (StepState::Skipped, "skipped"),
        StepState::Running | StepState::Absent => {
            return Err(Error::Damaged {
                table: "step",
                why: format!("a step cannot end as {}", finished.state.word()),
            });
        }
    };
    let args = args![finished.step, job.id, state.word(), finished.output.as_ref()];
    only(connection.execute(FINISH, args).await?, finished.step, "does not run")?;
    let args = args![finished.step, now, result, finished.why.as_ref()];
    connection.execute(TRIED, args).await?;
    links::insert(connection, finished.step, &finished.links).await?;
    entities::keep(connection, finished.kept.as_ref()).await?;
    match (&finished.why, state) {
        (_, StepState::Done) => {
            messages::sent(connection, finished.step, finished.kept.as_ref()).await?;
            tallies::arrived(connection, job.id, job.registered, now).await?;
        }
        (Some(why), _) => messages::failed(connection, finished.step, why).await?,
        (None, _) => {}
    }
    entities::keep(connection, finished.mark.as_ref()).await
}

async fn follow(
    connection: &mut Connection,
    job: &Held,
    next: &Next,
    now: Timestamp,
) -> Result<(), Error> {
    match next {
        Next::Start { step, input } => start(connection, job.id, *step, Some(input), now).await,
        Next::End { state, why } => {
            if !state.ended() {
                return Err(Error::Damaged {
                    table: "job",
                    why: format!("a job cannot end as {}", state.word()),
                });
            }
            jobs::drop_steps(connection, job.id).await?;
            lanes::end(connection, job.id, *state, why.as_deref(), now).await
        }
        Next::Again { due, why } => {
            jobs::drop_steps(connection, job.id).await?;
            jobs::tried(connection, job.id, now).await?;
            lanes::put_back(connection, job.id, *due, Holds::Kept, (why, now)).await
        }
    }
}

async fn resolve(
    connection: &mut Connection,
    job: &Held,
    step: i64,
    found: &Resolution,
    now: Timestamp,
) -> Result<(), Error> {
    let result = match found {
        Resolution::Done { output, links, kept } => {
            only(
                connection.execute(FOUND, args![step, job.id, output]).await?,
                step,
                "is not unknown",
            )?;
            links::insert(connection, step, links).await?;
            entities::keep(connection, kept.as_deref()).await?;
            messages::sent(connection, step, kept.as_deref()).await?;
            tallies::arrived(connection, job.id, job.registered, now).await?;
            "look: found"
        }
        Resolution::Absent { last } => {
            let state = if *last { StepState::Absent } else { StepState::Unknown };
            let changed = connection.execute(LOOKED, args![step, job.id, state.word()]).await?;
            only(changed, step, "is not unknown")?;
            "look: absent"
        }
    };
    connection.execute(LOOK, args![step, now, result]).await.map(drop)
}

/// A step that is not in the state that its caller believes is a defect; nothing is written.
fn only(changed: u64, step: i64, but: &str) -> Result<(), Error> {
    if changed == 1 {
        return Ok(());
    }
    Err(Error::Damaged { table: "step", why: format!("step {step} {but}") })
}
