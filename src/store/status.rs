//! How the house does, for `leadlink status`: one snapshot of everything that a person asks about.
//! Invariant: no statement walks the jobs; where there are very many, counting stops at a limit and
//! says so.

use super::drift::{self, DriftRow};
use super::owners::{self, Replica};
use super::rest;
use super::sql::{Connection, Row, args, statements};
use super::switches::{self, Switch};
use super::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Counts end here; one more means "more".
pub const MOST: u64 = 100_000;
/// So many of what waits for a person are read, the newest first.
pub const SHOWN: usize = 1000;

statements! {
    KEEP = "connection_state", "insert into connection_state \
            (connection, state, why, since, answered, seen) values ($1, $2, $3, $4, $5, $6) \
        on conflict (connection) do update set state = excluded.state, why = excluded.why, \
            since = excluded.since, answered = coalesce(excluded.answered, connection_state.answered), \
            seen = excluded.seen";
    OWNERS = "connection_owner", "select connection, owner from connection_owner \
        where owner is not null";
    STATES = "connection_state", "select connection, state, why, since, answered, seen \
        from connection_state order by connection";
    CHORES = "chore", "select name, last_run, owner, report from chore order by name";
    DRIFT = "drift", "select connection, looked, problems, seen from drift order by connection";
    CURSORS = "cursor", "select connection, feed, moved from cursor order by connection, feed";
    JOBS = "job_count", "select state, jobs as n from job_count";
    WAITING = "job", "select count(*) as n from (select 1 as one from job \
        where flow = $1 and state = 'waiting' and epoch = 0 limit 100001) as found";
    AGAIN = "job", "select count(*) as n from (select 1 as one from job \
        where flow = $1 and state = 'waiting' and epoch > 0 limit 100001) as found";
    DUE = "job", "select flow, count(*) as n from (select flow from job \
        where state = 'waiting' and due <= $1 order by due, id limit 10001) as found group by flow";
    DECIDING = "job", "select flow, count(*) as n from job where state = 'deciding' group by flow";
    OLDEST = "job", "select min(due) as due from ( \
        select min(due) as due from job where state = 'waiting' and due <= $1 \
        union all select min(due) from job where state = 'deciding') as oldest";
    STUCK = "job", "select j.id, j.flow, j.why, j.changed, e.key, e.connection from job j \
        join event e on e.id = j.event_id where j.state = 'stuck' \
        order by j.due desc, j.id desc limit 1000";
    UNREADABLE = "raw", "select id, connection, channel, received, why from raw \
        where state = 'unreadable' order by id desc limit 1000";
    UNREADABLE_ALL = "raw", "select count(*) as n from (select 1 as one from raw \
        where state = 'unreadable' limit 100001) as found";
    UNROUTED = "raw", "select count(*) as n from (select 1 as one from raw \
        where state = 'new' limit 100001) as found";
    UNKNOWN = "step", "select s.name, s.connection, s.operation, s.started, j.id as job, j.flow, j.state \
        from step s join job j on j.id = s.job_id where s.state = 'unknown' \
        order by s.id desc limit 1000";
}

/// How a connection does, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionRow {
    pub connection: String,
    /// `setting up`, `ready`, `paused`.
    pub state: String,
    pub why: Option<String>,
    pub since: Timestamp,
    /// The last proper answer.
    pub answered: Option<Timestamp>,
    /// When this was written.
    pub seen: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoreRow {
    pub name: String,
    pub last_run: Option<Timestamp>,
    /// Who runs it now.
    pub owner: Option<String>,
    pub report: Option<Value>,
}

/// Jobs of one flow; a number above [`MOST`] (of `due`: above 10 000) means "more".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FlowCounts {
    pub waiting: u64,
    /// Of those that wait: due already.
    pub due: u64,
    pub deciding: u64,
    pub stuck: u64,
}

/// A job that a person must look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StuckJob {
    pub id: i64,
    pub flow: String,
    pub why: Option<String>,
    pub changed: Timestamp,
    /// The event's key and where it came from.
    pub event: String,
    pub connection: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnreadableRow {
    pub id: i64,
    pub connection: String,
    pub channel: String,
    pub received: Timestamp,
    pub why: Option<String>,
}

/// A step of which nobody knows whether it happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnknownStep {
    pub name: String,
    pub connection: String,
    pub operation: String,
    pub started: Option<Timestamp>,
    pub job: i64,
    pub flow: String,
    /// State of the job: while it waits, the step is looked for.
    pub state: &'static str,
}

/// Does a process own the database? `None`: only its signs of life can tell (PostgreSQL). The lock is
/// tried for a moment.
pub fn is_owned(url: &str) -> Option<bool> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let Ok(lock) = std::fs::File::open(format!("{path}.lock")) else { return Some(false) };
    Some(matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Everything of one moment.
#[derive(Debug, Clone, Default)]
pub struct House {
    pub processes: Vec<Replica>,
    /// The time by which the processes' `seen` was written.
    pub lease_clock: Option<Timestamp>,
    pub states: Vec<ConnectionRow>,
    /// Connection → who owns it.
    pub owners: BTreeMap<String, String>,
    pub cursors: Vec<(String, String, Timestamp)>,
    pub drift: Vec<DriftRow>,
    pub chores: Vec<ChoreRow>,
    pub flows: BTreeMap<String, FlowCounts>,
    /// Jobs by state.
    pub jobs: BTreeMap<&'static str, u64>,
    pub unrouted: u64,
    pub unreadable_all: u64,
    pub oldest_due: Option<Timestamp>,
    pub stuck: Vec<StuckJob>,
    pub unreadable: Vec<UnreadableRow>,
    pub unknown: Vec<UnknownStep>,
    /// Flows that a person started or stopped.
    pub switches: BTreeMap<String, Switch>,
}

impl House {
    /// `now`, or the time of the daemon where its clock is ahead of ours.
    fn clock(&self, now: Timestamp) -> Timestamp {
        self.states.iter().map(|state| state.seen).fold(now, Timestamp::max)
    }
}

impl Store {
    /// Writes how connections do.
    pub async fn keep_states(&self, rows: Vec<ConnectionRow>) -> Result<(), Error> {
        self.write(move |db| {
            Box::pin(async move {
                for row in &rows {
                    let why = row.why.as_deref();
                    let (since, answered, seen) = (row.since, row.answered, row.seen);
                    let args = args![&row.connection, &row.state, why, since, answered, seen];
                    db.execute(KEEP, args).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// One snapshot; `flows` are those whose waiting jobs are counted. Answers also what is `now`
    /// there: later than the given one where the daemon's clock is ahead.
    pub async fn house(
        &self,
        flows: &[String],
        now: Timestamp,
    ) -> Result<(House, Timestamp), Error> {
        let mut db = self.snapshot().await?;
        let mut house = House {
            lease_clock: Some(db.lease_clock(now).await?),
            processes: owners::shown(&mut db).await?,
            states: all(&mut db, STATES, state).await?,
            owners: owned(&mut db).await?,
            drift: all(&mut db, DRIFT, drift::read).await?,
            chores: all(&mut db, CHORES, chore).await?,
            cursors: all(&mut db, CURSORS, cursor).await?,
            unrouted: db.fetch_row(UNROUTED, args![]).await?.count("n")?,
            unreadable_all: db.fetch_row(UNREADABLE_ALL, args![]).await?.count("n")?,
            stuck: all(&mut db, STUCK, stuck).await?,
            unreadable: all(&mut db, UNREADABLE, rest::unreadable).await?,
            unknown: all(&mut db, UNKNOWN, unknown).await?,
            switches: switches::all(&mut db).await?,
            ..House::default()
        };
        let now = house.clock(now);
        house.oldest_due = db.fetch_row(OLDEST, args![now]).await?.opt_time("due")?;
        for row in db.fetch(JOBS, args![]).await? {
            house.jobs.insert(row.job_state("state")?.word(), row.count("n")?);
        }
        count(&mut db, &mut house, flows, now).await?;
        Ok((house, now))
    }
}

async fn count(
    db: &mut Connection,
    house: &mut House,
    flows: &[String],
    now: Timestamp,
) -> Result<(), Error> {
    for flow in flows {
        let fresh: u64 = db.fetch_row(WAITING, args![flow]).await?.count("n")?;
        let again: u64 = db.fetch_row(AGAIN, args![flow]).await?.count("n")?;
        house.flows.entry(flow.clone()).or_default().waiting = fresh + again;
    }
    for row in db.fetch(DUE, args![now]).await? {
        house.flows.entry(row.owned("flow")?).or_default().due = row.count("n")?;
    }
    for row in db.fetch(DECIDING, args![]).await? {
        house.flows.entry(row.owned("flow")?).or_default().deciding = row.count("n")?;
    }
    for job in &house.stuck {
        house.flows.entry(job.flow.clone()).or_default().stuck += 1;
    }
    Ok(())
}

async fn all<T>(
    db: &mut Connection,
    statement: super::sql::Statement,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    db.fetch(statement, args![]).await?.iter().map(read).collect()
}

async fn owned(db: &mut Connection) -> Result<BTreeMap<String, String>, Error> {
    let rows = db.fetch(OWNERS, args![]).await?;
    rows.iter().map(|row| Ok((row.owned("connection")?, row.owned("owner")?))).collect()
}

fn state(row: &Row) -> Result<ConnectionRow, Error> {
    Ok(ConnectionRow {
        connection: row.owned("connection")?,
        state: row.owned("state")?,
        why: row.opt_text("why")?.map(str::to_owned),
        since: row.time("since")?,
        answered: row.opt_time("answered")?,
        seen: row.time("seen")?,
    })
}

fn chore(row: &Row) -> Result<ChoreRow, Error> {
    Ok(ChoreRow {
        name: row.owned("name")?,
        last_run: row.opt_time("last_run")?,
        owner: row.opt_text("owner")?.map(str::to_owned),
        report: row.opt_json("report")?,
    })
}

fn cursor(row: &Row) -> Result<(String, String, Timestamp), Error> {
    Ok((row.owned("connection")?, row.owned("feed")?, row.time("moved")?))
}

fn stuck(row: &Row) -> Result<StuckJob, Error> {
    Ok(StuckJob {
        id: row.int("id")?,
        flow: row.owned("flow")?,
        why: row.opt_text("why")?.map(str::to_owned),
        changed: row.time("changed")?,
        event: row.owned("key")?,
        connection: row.owned("connection")?,
    })
}

fn unknown(row: &Row) -> Result<UnknownStep, Error> {
    Ok(UnknownStep {
        name: row.owned("name")?,
        connection: row.owned("connection")?,
        operation: row.owned("operation")?,
        started: row.opt_time("started")?,
        job: row.int("job")?,
        flow: row.owned("flow")?,
        state: row.job_state("state")?.word(),
    })
}
