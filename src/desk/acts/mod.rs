//! What people do about jobs and deliveries. Invariant: every act is checked against the actor's
//! rights and leaves one row in the audit log, also when it was refused or came to nothing.
//!
//! An act on a job only writes the store: who owns the job's connection claims it there, in whatever
//! process. What must be done by the owner itself (a poll) is left for it as a command.

mod bulk;
mod preview;
mod view;

pub use preview::{after, changed, line, verdict};
pub use view::*;

use super::{Actor, Desk, Error, Note, Right};
use crate::pipeline::mend::{self, Anew, Obstacle, Report, Retry};
use crate::pipeline::{Pipeline, call, obey};
use crate::rules::replay::fingerprint;
use serde_json::{Value, json};
use std::time::Duration;

/// The owner of a connection has so long to answer a command.
const PATIENCE: Duration = Duration::from_secs(60);
/// A word has at most so many characters.
const LONGEST: usize = 1000;

impl Desk {
    /// Decides the event of a job anew, as a new job. `fingerprint`: as the preview told it; another
    /// flow is refused.
    ///
    /// # Errors
    /// The actor may not; there is no such job; it cannot be now; the store's.
    pub async fn decide_anew(
        &self,
        actor: &Actor,
        job: i64,
        fingerprint: Option<&str>,
        why: Option<&str>,
    ) -> Result<Done, Error> {
        let note = of_job(Act::Replay, job).with(json!({ "why": why }));
        let (desk, who) = (self.clone(), actor.name.clone());
        let (shown, why) = (fingerprint.map(str::to_owned), why.map(str::to_owned));
        let work = async move { desk.anew(job, shown.as_deref(), (who, why.as_deref())).await };
        self.act(actor, Right::Act, note, work).await
    }

    async fn anew(
        &self,
        job: i64,
        shown: Option<&str>,
        (who, why): (String, Option<&str>),
    ) -> Result<Done, Error> {
        let pipeline = self.pipeline.fresh();
        let (who, why) = (Some(who), word(why)?);
        let flow = brief(&pipeline, job).await?.flow;
        let bound = pipeline.book.flow(&flow);
        let bound =
            bound.ok_or_else(|| Error::Conflict(format!("its flow {flow} is not there")))?;
        let now = fingerprint(bound);
        if shown.is_some_and(|shown| shown != now) {
            let why = format!("{flow} is another than it was shown: look at the difference anew");
            return Err(Error::Conflict(why));
        }
        let asked = Anew { jobs: vec![job], flows: [(flow, now)].into(), who, why };
        one(mend::anew(&pipeline, &asked).await)
    }

    /// A parked job is decided anew, with fresh facts.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`].
    pub async fn retry(&self, actor: &Actor, job: i64, why: Option<&str>) -> Result<Done, Error> {
        let note = of_job(Act::Retry, job).with(json!({ "why": why }));
        let (desk, who, why) = (self.clone(), Some(actor.name.clone()), why.map(str::to_owned));
        let work = async move {
            let why = word(why.as_deref())?;
            desk.retried(&Retry { jobs: vec![job], who, why, ..Retry::default() }).await
        };
        self.act(actor, Right::Act, note, work).await
    }

    /// "It arrived" or "send it again" for a step of unknown outcome of a parked job, which is then
    /// decided anew.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`]; what is missing in the word.
    pub async fn word(&self, actor: &Actor, job: i64, said: &StepWord) -> Result<Done, Error> {
        let act = if said.arrived { Act::Arrived } else { Act::Again };
        let detail = json!({ "step": said.step, "output": said.output, "why": said.why });
        let (desk, who, said) = (self.clone(), Some(actor.name.clone()), said.clone());
        let work = async move {
            let (arrived, again) = match said.arrived {
                true => (vec![said.step.clone()], Vec::new()),
                false => (Vec::new(), vec![said.step.clone()]),
            };
            let (output, why) = (said.output.clone(), word(said.why.as_deref())?);
            let jobs = vec![job];
            let asked = Retry { jobs, who, why, arrived, output, again, ..Retry::default() };
            desk.retried(&asked).await
        };
        self.act(actor, Right::Act, of_job(act, job).with(detail), work).await
    }

    async fn retried(&self, asked: &Retry) -> Result<Done, Error> {
        let pipeline = self.pipeline.fresh();
        for job in &asked.jobs {
            brief(&pipeline, *job).await?;
        }
        one(mend::retry(&pipeline, asked).await)
    }

    /// Ends a parked or waiting job; `why` is needed.
    ///
    /// # Errors
    /// As of [`Desk::decide_anew`].
    pub async fn skip(&self, actor: &Actor, job: i64, why: &str) -> Result<Done, Error> {
        let note = of_job(Act::Skip, job).with(json!({ "why": why }));
        let (desk, who, why) = (self.clone(), actor.name.clone(), why.to_owned());
        let work = async move {
            let why = needed(Some(&why))?;
            brief(&desk.pipeline, job).await?;
            one(Ok(mend::skip(&desk.pipeline, &[job], (Some(&who), &why)).await?))
        };
        self.act(actor, Right::Act, note, work).await
    }

    /// Reads all feeds of a connection now, by whichever process owns it.
    ///
    /// # Errors
    /// The actor may not; there is no such connection; the far side's answer; the store's.
    pub async fn poll(&self, actor: &Actor, connection: &str) -> Result<Done, Error> {
        let note = Note::done(Act::Poll.word(), format!("connection:{connection}"));
        let (desk, connection) = (self.clone(), connection.to_owned());
        self.act(actor, Right::Act, note, async move { desk.polled(&connection).await }).await
    }

    async fn polled(&self, connection: &str) -> Result<Done, Error> {
        let pipeline = self.pipeline.fresh();
        let connector = pipeline.connector(connection);
        let connector =
            connector.ok_or_else(|| Error::NotFound(format!("connection {connection}")))?;
        if connector.feeds().is_empty() {
            return Err(Error::Conflict(format!("{connection} has nothing to poll")));
        }
        let answer = if pipeline.owners.works(connection) {
            obey::poll(&pipeline, connection).await
        } else {
            self.command("poll", &json!({ "connection": connection })).await?
        };
        if let Some(why) = answer.get("error").and_then(Value::as_str) {
            return Err(Error::FarSide(why.to_owned()));
        }
        let mut done = Done::default();
        for (feed, told) in answer.as_object().into_iter().flatten() {
            if let Some(why) = told.get("error").and_then(Value::as_str) {
                return Err(Error::FarSide(format!("{feed}: {why}")));
            }
            done.rows += told.get("new").and_then(Value::as_u64).unwrap_or_default();
        }
        Ok(done)
    }

    /// Leaves a command for the process that it concerns, and waits for its answer.
    async fn command(&self, kind: &str, body: &Value) -> Result<Value, Error> {
        let (store, clock) = (&self.pipeline.store, &self.pipeline.clock);
        let answer = call::command(store, kind, body, clock);
        let late = "no process that owns it has answered; it will still be done";
        let answered = tokio::time::timeout(PATIENCE, answer).await;
        Ok(answered.map_err(|_| Error::Conflict(late.into()))??)
    }
}

fn of_job(act: Act, job: i64) -> Note {
    Note::done(act.word(), format!("job:{job}"))
}

async fn brief(pipeline: &Pipeline, job: i64) -> Result<crate::store::Brief, Error> {
    let found = pipeline.store.job_brief(job).await?;
    found.ok_or_else(|| Error::NotFound(format!("job {job}")))
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Refused(why) => Self::Conflict(why),
            Obstacle::Store(error) => Self::Store(error),
        }
    }
}

/// An act on one job that left it as it is has failed.
fn one(report: Result<Report, Obstacle>) -> Result<Done, Error> {
    let report = report?;
    match report.left.first() {
        Some(left) => Err(Error::Conflict(left.why.clone())),
        None => Ok(done(report)),
    }
}

fn done(report: Report) -> Done {
    let left = report.left.into_iter();
    Done {
        waiting: report.waiting,
        ended: report.ended,
        left: left.map(|left| LeftOver { id: left.job, why: left.why }).collect(),
        ..Done::default()
    }
}

/// A word as it is kept; a blank one is none.
pub(super) fn word(why: Option<&str>) -> Result<Option<String>, Error> {
    let why = why.map(str::trim).filter(|why| !why.is_empty());
    if why.is_some_and(|why| why.chars().count() > LONGEST) {
        let told = format!("write at most {LONGEST} characters");
        return Err(Error::Invalid(vec![("why".to_owned(), told)]));
    }
    Ok(why.map(str::to_owned))
}

/// A word that must be there.
fn needed(why: Option<&str>) -> Result<String, Error> {
    let missing = || Error::Invalid(vec![("why".to_owned(), "say why, in a word".to_owned())]);
    word(why)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_without_blanks_and_not_too_long() {
        assert_eq!(word(Some("  ")), Ok(None));
        assert_eq!(word(Some(" no ")), Ok(Some("no".to_owned())));
        assert!(word(Some(&"х".repeat(LONGEST))).is_ok());
        assert!(matches!(word(Some(&"х".repeat(LONGEST + 1))), Err(Error::Invalid(_))));
        assert!(matches!(needed(None), Err(Error::Invalid(_))));
    }

    #[test]
    fn trouble_of_the_store_is_no_conflict() {
        let away = crate::store::Error::Unavailable("full".to_owned());
        let told = |obstacle| one(Err(obstacle));
        assert_eq!(told(Obstacle::Store(away.clone())), Err(Error::Store(away)));
        let stopped = "it is stopped".to_owned();
        assert_eq!(told(Obstacle::Refused(stopped.clone())), Err(Error::Conflict(stopped)));
    }
}
