//! What persons asked to be read from the past. Invariant: a connection has one running backfill of
//! each sort; its place moves in the transaction that keeps what was read.

use super::sql::{Connection, Row, args, statements};
use super::{Error, Store, inbox, journals};
use crate::domain::{Covered, Lead, Raw};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

statements! {
    // Whoever is second finds the row of the first.
    BEGIN = "backfill", "insert into backfill \
            (what, connection, first, last, position, state, created, changed) \
        values ($1, $2, $3, $4, 'null', 'running', $5, $5) \
        on conflict (what, connection) where state = 'running' do nothing";
    RUNNING = "backfill", "select id, what, connection, first, last, position, done, total, requests, \
            state, why, created, changed from backfill \
        where what = $1 and connection = $2 and state = 'running'";
    ONE = "backfill", "select id, what, connection, first, last, position, done, total, requests, \
            state, why, created, changed from backfill where id = $1";
    ALL_RUNNING = "backfill", "select id, what, connection, first, last, position, done, total, \
            requests, state, why, created, changed from backfill \
        where state = 'running' order by id desc";
    ALL_ROWS = "backfill", "select id, what, connection, first, last, position, done, total, \
            requests, state, why, created, changed from backfill order by id desc limit 1000";
    RESUME = "backfill", "update backfill set state = 'running', why = null, changed = $2 \
        where id = $1 and state in ('stopped', 'failed') and not exists ( \
            select 1 from backfill r where r.what = backfill.what \
            and r.connection = backfill.connection and r.state = 'running')";
    GO_ON = "backfill", "update backfill set position = $2, done = $3, total = $4, requests = $5, \
            state = $6, why = $7, changed = $8 where id = $1 and state = 'running'";
    STOP = "backfill", "update backfill set state = 'stopped', why = $2, changed = $3 \
        where id = $1 and state = 'running'";
    ASKED = "job", "select count(*) as n from job \
        where asked = 1 and state in ('waiting', 'deciding') \
        and (state = 'deciding' or tries > 0 or due < $1)";
}

/// A backfill as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backfill {
    pub id: i64,
    /// `leads`, `deals`.
    pub what: String,
    pub connection: String,
    /// Days of the account's zone, both included.
    pub first: Date,
    pub last: Date,
    /// Where it goes on.
    pub position: Value,
    /// Leads kept, or orders read.
    pub done: u64,
    /// How many there are, as far as it is known.
    pub total: Option<u64>,
    /// Requests sent.
    pub requests: u64,
    pub state: BackfillState,
    pub why: Option<String>,
    pub created: Timestamp,
    pub changed: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    Running,
    Done,
    /// By a person.
    Stopped,
    Failed,
}

/// What a backfill brought, kept in one transaction with its place and its counts as they are now.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub position: Value,
    /// All that it did up to here, not since the last time.
    pub done: u64,
    pub total: Option<u64>,
    /// As `done`.
    pub requests: u64,
    /// Rows of the inbox.
    pub rows: Vec<Raw>,
    pub leads: Vec<Lead>,
    pub covered: Option<Covered>,
    /// It has ended.
    pub ended: Option<(BackfillState, Option<String>)>,
}

impl BackfillState {
    fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Store {
    /// Begins a backfill, or answers the one that runs already over the same days; one over other
    /// days is an error of the caller's, told by the row that is answered.
    pub async fn begin_backfill(
        &self,
        what: &str,
        connection: &str,
        days: (Date, Date),
        now: Timestamp,
    ) -> Result<Backfill, Error> {
        let (what, connection) = (what.to_owned(), connection.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let (first, last) = (days.0.to_string(), days.1.to_string());
                db.execute(BEGIN, args![&what, &connection, first, last, now]).await?;
                backfill(&db.fetch_row(RUNNING, args![&what, &connection]).await?)
            })
        })
        .await
    }

    /// One that stopped or failed runs again, from where it was, unless another one of its sort and
    /// connection runs; it is answered as it is then.
    pub async fn resume_backfill(&self, id: i64, now: Timestamp) -> Result<Backfill, Error> {
        self.write(move |db| {
            Box::pin(async move {
                db.execute(RESUME, args![id, now]).await?;
                backfill(&db.fetch_row(ONE, args![id]).await?)
            })
        })
        .await
    }

    /// Stops one that runs; `false`: it did not.
    pub async fn stop_backfill(&self, id: i64, why: &str, now: Timestamp) -> Result<bool, Error> {
        let args = args![id, why, now];
        self.write(move |db| Box::pin(async move { Ok(db.execute(STOP, args).await? > 0) })).await
    }

    /// Backfills: those that run, or the last thousand of all, newest first.
    pub async fn backfills(&self, running: bool) -> Result<Vec<Backfill>, Error> {
        let statement = if running { ALL_RUNNING } else { ALL_ROWS };
        self.reader().await?.fetch(statement, args![]).await?.iter().map(backfill).collect()
    }

    pub async fn backfill(&self, id: i64) -> Result<Option<Backfill>, Error> {
        self.reader().await?.fetch_one(ONE, args![id]).await?.as_ref().map(backfill).transpose()
    }

    /// Keeps what was read and where to go on. `false`: somebody stopped it; nothing was kept.
    pub async fn progress_backfill(
        &self,
        id: i64,
        progress: Progress,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let weight = progress.rows.len() + progress.leads.len().saturating_mul(4);
        self.write_weighing(weight, move |db| {
            Box::pin(async move { go_on(db, id, &progress, now).await })
        })
        .await
    }

    /// Jobs of events that persons asked for that are being decided, are tried again, or are due
    /// before then. One that is due later, because its thing changed a moment ago, waits as it
    /// would for any event.
    pub async fn asked_under_way(&self, before: Timestamp) -> Result<u64, Error> {
        self.reader().await?.fetch_row(ASKED, args![before]).await?.count("n")
    }
}

async fn go_on(
    connection: &mut Connection,
    id: i64,
    progress: &Progress,
    now: Timestamp,
) -> Result<bool, Error> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (state, why) = match &progress.ended {
        Some((state, why)) => (*state, why.as_ref()),
        None => (BackfillState::Running, None),
    };
    let args = args![
        id,
        &progress.position,
        count(progress.done),
        progress.total.map(count),
        count(progress.requests),
        state.word(),
        why,
        now,
    ];
    if connection.execute(GO_ON, args).await? == 0 {
        return Ok(false);
    }
    journals::keep(connection, &progress.leads).await?;
    journals::cover(connection, progress.covered.as_ref()).await?;
    if !inbox::keep(connection, progress.rows.iter().collect()).await?.is_empty() {
        connection.tell(super::ARRIVED).await?;
    }
    Ok(true)
}

fn backfill(row: &Row) -> Result<Backfill, Error> {
    let day =
        |column| row.text(column)?.parse::<Date>().map_err(|error| row.damaged(column, error));
    let total = row.opt_int("total")?.map(u64::try_from).transpose();
    Ok(Backfill {
        id: row.int("id")?,
        what: row.owned("what")?,
        connection: row.owned("connection")?,
        first: day("first")?,
        last: day("last")?,
        position: row.json("position")?,
        done: row.count("done")?,
        total: total.map_err(|error| row.damaged("total", error))?,
        requests: row.count("requests")?,
        state: match row.text("state")? {
            "running" => BackfillState::Running,
            "done" => BackfillState::Done,
            "stopped" => BackfillState::Stopped,
            "failed" => BackfillState::Failed,
            other => return Err(row.damaged("state", format!("`{other}` is no state"))),
        },
        why: row.opt_text("why")?.map(str::to_owned),
        created: row.time("created")?,
        changed: row.time("changed")?,
    })
}
