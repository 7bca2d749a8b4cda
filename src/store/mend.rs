//! What a person mends: parked jobs wait again, steps of unknown outcome get the person's word,
//! decided events get a new job, unreadable rows are read again. Invariant: a job that is not parked
//! is not touched; a new job stands in its lanes as any other, and beside no other job of its flow
//! and event that is not through; every mend of a job is kept.

use super::lanes::{self, Holds};
use super::sql::{Connection, Row, args, statements};
use super::{Error, JobState, StepState, Store, claim, entities, events, links, messages};
use crate::domain::{Effect, Event, Kept, Link};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

statements! {
    JOB = "job", "select id, flow, state, why, event_id, merge_key, registered, \
            coalesce(first_tried, claimed) as tried from job where id = $1";
    PARKED = "job", "select j.id, j.flow, j.state, j.why, e.key, e.connection \
        from job j join event e on e.id = j.event_id \
        where j.state = 'stuck' and j.id > $1 order by j.id limit $2";
    BRIEF = "job", "select j.id, j.flow, j.state, j.why, e.key, e.connection \
        from job j join event e on e.id = j.event_id where j.id = $1";
    EVENT = "event", "select e.id, e.connection, e.kind, e.key, e.aliases, e.provisional, \
        e.registered, e.asked, e.fields from job j join event e on e.id = j.event_id where j.id = $1";
    DOUBTFUL = "step", "select id, name, connection, operation, input, key from step \
        where job_id = $1 and state = 'unknown' order by id";
    SAY = "step", "update step set state = $3, output = $4 \
        where id = $1 and job_id = $2 and state = 'unknown'";
    TELL = "attempt", "insert into attempt (step_id, started, ended, result, why) \
        values ($1, $2, $2, $3, $4)";
    // Its age is judged as of its first try, however long it was parked.
    AFRESH = "job", "update job set tries = 0, first_tried = coalesce(first_tried, claimed, $2) \
        where id = $1 and state = 'stuck'";
    // Whoever does the same at the same time waits here.
    HOLD = "job", "update job set changed = changed where id = $1";
    NEW = "job", "insert into job (flow, event_id, merge_key, registered, due, state, ready, \
            first_tried, why, created, changed, asked) \
        values ($1, $2, $3, $4, $5, 'waiting', 1, $6, $7, $5, $5, \
            (select asked from event where id = $2)) \
        on conflict (flow, merge_key) where state = 'waiting' and epoch = 0 do nothing returning id";
    KEEP = "mend", "insert into mend (job_id, at, what, step, who, why) \
        values ($1, $2, $3, $4, $5, $6)";
    UNREADABLE = "raw", "select id from raw where state = 'unreadable' and id > $1 \
        and ($2 = '' or connection = $2) order by id limit $3";
    REREAD = "raw", "update raw set state = 'new', why = null, routed = null \
        where state = 'unreadable' and id = $1";
}

/// Rows of one transaction.
const ROWS: u32 = 500;

/// A job as a person names it.
#[derive(Debug, Clone, Serialize)]
pub struct Brief {
    pub job: i64,
    pub flow: String,
    pub state: JobState,
    pub why: Option<String>,
    /// Key of its event.
    pub event: String,
    /// Where the event came from.
    pub connection: String,
}

/// A step of which nobody knows whether it happened.
#[derive(Debug, Clone)]
pub struct Doubtful {
    pub id: i64,
    pub name: String,
    pub effect: Effect,
}

/// A person's word on a step of unknown outcome.
#[derive(Debug, Clone)]
pub enum Word {
    /// It happened: the output, the links that it makes, and what is kept of its entity.
    Arrived { output: Value, links: Vec<Link>, kept: Option<Box<Kept>> },
    /// It did not: it may be sent again.
    Again,
}

/// Whose hand it was, and their word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hand {
    /// None: a command of the operating system's user.
    pub who: Option<String>,
    pub why: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// The job waits; its number.
    Waits(i64),
    /// The job has ended; its number.
    Ended(i64),
    NoJob,
    /// It is not parked, or (for a new job) not through.
    Is(JobState),
    /// Another job of the same flow and event is not through: its number and state.
    Beside(i64, JobState),
    /// It has no step of this name with an unknown outcome.
    NoStep(String),
}

/// The lanes that a flow wants for an event as it is now; `None`: there is no such flow.
pub type LanesOf = Arc<dyn Fn(&str, &Event) -> Option<Vec<String>> + Send + Sync>;

impl Store {
    /// Parked jobs after a number, in order.
    pub async fn parked(&self, after: i64, limit: u32) -> Result<Vec<Brief>, Error> {
        let rows = self.reader().await?.fetch(PARKED, args![after, limit]).await?;
        rows.iter().map(brief).collect()
    }

    pub async fn job_brief(&self, job: i64) -> Result<Option<Brief>, Error> {
        let found = self.reader().await?.fetch_one(BRIEF, args![job]).await?;
        found.as_ref().map(brief).transpose()
    }

    /// The event of a job, and its steps of unknown outcome, oldest first.
    pub async fn doubtful(&self, job: i64) -> Result<(Event, Vec<Doubtful>), Error> {
        let mut db = self.snapshot().await?;
        let event = events::event(&db.fetch_row(EVENT, args![job]).await?)?;
        let rows = db.fetch(DOUBTFUL, args![job]).await?;
        Ok((event, rows.iter().map(doubtful).collect::<Result<_, _>>()?))
    }

    /// A parked job waits again, due now, with the person's words on its doubtful steps by name.
    /// All or nothing.
    pub async fn retry(
        &self,
        job: i64,
        words: Vec<(String, Word)>,
        hand: Hand,
        now: Timestamp,
    ) -> Result<Mended, Error> {
        self.write(move |db| Box::pin(async move { retry(db, job, &words, &hand, now).await }))
            .await
    }

    /// A new job for the flow and event of a job that is through, due now. Its age is judged as that
    /// of the first one was.
    pub async fn decide_anew(
        &self,
        job: i64,
        lanes: LanesOf,
        hand: Hand,
        now: Timestamp,
    ) -> Result<Mended, Error> {
        self.write(move |db| Box::pin(async move { anew(db, job, &lanes, &hand, now).await })).await
    }

    /// Unreadable rows of a connection (of all, where it is `None`) are read again; how many.
    pub async fn reread(&self, connection: Option<&str>) -> Result<u64, Error> {
        let connection = connection.unwrap_or_default().to_owned();
        let (mut after, mut total) = (0, 0);
        loop {
            let connection = connection.clone();
            let last = self
                .write(move |db| Box::pin(async move { reread(db, after, &connection).await }))
                .await?;
            let Some((count, last)) = last else { return Ok(total) };
            total += count;
            // Those that turn out unreadable again meanwhile are behind us.
            after = last;
        }
    }
}

async fn retry(
    db: &mut Connection,
    job: i64,
    words: &[(String, Word)],
    hand: &Hand,
    now: Timestamp,
) -> Result<Mended, Error> {
    let Some(row) = db.fetch_one(JOB, args![job]).await? else { return Ok(Mended::NoJob) };
    let state = row.job_state("state")?;
    if state != JobState::Stuck {
        return Ok(Mended::Is(state));
    }
    let steps = db.fetch(DOUBTFUL, args![job]).await?;
    let steps: Vec<Doubtful> = steps.iter().map(doubtful).collect::<Result<_, _>>()?;
    if let Some((name, _)) = words.iter().find(|(name, _)| !steps.iter().any(|s| s.name == *name)) {
        return Ok(Mended::NoStep(name.clone()));
    }
    if db.execute(AFRESH, args![job, now]).await? == 0 {
        return Ok(Mended::Is(JobState::Waiting));
    }
    for (name, word) in words {
        let named = steps.iter().filter(|step| step.name == *name);
        say(db, job, named, word, (hand, now)).await?;
    }
    keep(db, job, ("retried", None), hand, now).await?;
    let told = told("retried", hand.why.as_deref(), now);
    lanes::put_back(db, job, now, Holds::LetGo, (&told, now)).await?;
    Ok(Mended::Waits(job))
}

/// The last step of the name is what the word is about; an older one of that name was given up for
/// it, so it is at rest either way.
async fn say(
    db: &mut Connection,
    job: i64,
    named: impl DoubleEndedIterator<Item = &Doubtful>,
    word: &Word,
    (hand, now): (&Hand, Timestamp),
) -> Result<(), Error> {
    for (at, step) in named.rev().enumerate() {
        let (state, output, what, told) = match word {
            Word::Arrived { output, .. } if at == 0 => {
                (StepState::Done, Some(output), "arrived", "a person: it happened")
            }
            Word::Arrived { .. } | Word::Again => {
                (StepState::Absent, None, "again", "a person: it did not happen")
            }
        };
        db.execute(SAY, args![step.id, job, state.word(), output]).await?;
        db.execute(TELL, args![step.id, now, told, hand.why.as_ref()]).await?;
        if let (Word::Arrived { links, kept, .. }, 0) = (word, at) {
            links::insert(db, step.id, links).await?;
            entities::keep(db, kept.as_deref()).await?;
            messages::sent(db, step.id, kept.as_deref()).await?;
        }
        if at == 0 {
            keep(db, job, (what, Some(&step.name)), hand, now).await?;
        }
    }
    Ok(())
}

async fn anew(
    db: &mut Connection,
    job: i64,
    lanes: &LanesOf,
    hand: &Hand,
    now: Timestamp,
) -> Result<Mended, Error> {
    db.execute(HOLD, args![job]).await?;
    let Some(row) = db.fetch_one(JOB, args![job]).await? else { return Ok(Mended::NoJob) };
    let (flow, event) = (row.text("flow")?, row.int("event_id")?);
    let under_way = |state: JobState| !state.ended() || state == JobState::Stuck;
    for other in events::jobs(db, event).await? {
        if other.flow == flow && under_way(other.state) {
            return Ok(if other.id == job {
                Mended::Is(other.state)
            } else {
                Mended::Beside(other.id, other.state)
            });
        }
    }
    let known = events::load(db, event).await?;
    let Some(lanes) = lanes(flow, &known) else { return Ok(Mended::NoJob) };
    let registered = row.time("registered")?;
    let tried = row.opt_time("tried")?.unwrap_or(now);
    let told = told("replayed", hand.why.as_deref(), now);
    let key = row.text("merge_key")?;
    let made = db.fetch_one(NEW, args![flow, event, key, registered, now, tried, told]).await?;
    let Some(made) = made else { return Ok(Mended::Is(JobState::Waiting)) };
    let new = made.int("id")?;
    lanes::add(db, new, &lanes, Some(now), registered).await?;
    keep(db, new, ("replayed", None), hand, now).await?;
    Ok(Mended::Waits(new))
}

/// A person's hand in a job stays in its story.
pub(super) async fn keep(
    db: &mut Connection,
    job: i64,
    (what, step): (&str, Option<&str>),
    hand: &Hand,
    now: Timestamp,
) -> Result<(), Error> {
    let args = args![job, now, what, step, hand.who.as_ref(), hand.why.as_ref()];
    db.execute(KEEP, args).await.map(drop)
}

async fn reread(
    db: &mut Connection,
    after: i64,
    connection: &str,
) -> Result<Option<(u64, i64)>, Error> {
    let rows = db.fetch(UNREADABLE, args![after, connection, ROWS]).await?;
    let ids = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    let mut count = 0;
    for id in &ids {
        count += db.execute(REREAD, args![*id]).await?;
    }
    Ok(ids.last().map(|last| (count, *last)))
}

/// Who wants it, since when, and why: what `why` shows while the job waits.
fn told(what: &str, why: Option<&str>, now: Timestamp) -> String {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{what} by a person at {now:.0}{why}")
}

fn brief(row: &Row) -> Result<Brief, Error> {
    Ok(Brief {
        job: row.int("id")?,
        flow: row.owned("flow")?,
        state: row.job_state("state")?,
        why: row.opt_text("why")?.map(str::to_owned),
        event: row.owned("key")?,
        connection: row.owned("connection")?,
    })
}

fn doubtful(row: &Row) -> Result<Doubtful, Error> {
    Ok(Doubtful { id: row.int("id")?, name: row.owned("name")?, effect: claim::effect(row)? })
}
