//! What persons asked to be read from the past. Invariant: a connection has one running backfill of
//! each sort; its place moves in the transaction that keeps what was read.

use super::{Error, Store};
use crate::domain::{Covered, Lead, Raw};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

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

/// What a backfill brought, kept in one transaction with its place.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub position: Value,
    pub done: u64,
    pub total: Option<u64>,
    pub requests: u64,
    /// Rows of the inbox.
    pub rows: Vec<Raw>,
    pub leads: Vec<Lead>,
    pub covered: Option<Covered>,
    /// It has ended.
    pub ended: Option<(BackfillState, Option<String>)>,
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
        let _ = (what, connection, days, now);
        Err(Error::Unavailable("not built".to_owned()))
    }

    /// The last backfill that stopped over these very days, to be gone on with.
    pub async fn resume_backfill(&self, id: i64, now: Timestamp) -> Result<Backfill, Error> {
        let _ = (id, now);
        Err(Error::Unavailable("not built".to_owned()))
    }

    /// Stops one that runs; `false`: it did not.
    pub async fn stop_backfill(&self, id: i64, why: &str, now: Timestamp) -> Result<bool, Error> {
        let _ = (id, why, now);
        Ok(false)
    }

    /// Backfills: those that run, or all, newest first.
    pub async fn backfills(&self, running: bool) -> Result<Vec<Backfill>, Error> {
        let _ = running;
        Ok(Vec::new())
    }

    pub async fn backfill(&self, id: i64) -> Result<Option<Backfill>, Error> {
        let _ = id;
        Ok(None)
    }

    /// Keeps what was read and where to go on. `false`: somebody stopped it; nothing was kept.
    pub async fn progress_backfill(
        &self,
        id: i64,
        progress: Progress,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let _ = (id, progress, now);
        Ok(false)
    }

    /// Jobs that wait or are being decided of events that persons asked for.
    pub async fn asked_under_way(&self) -> Result<u64, Error> {
        Ok(0)
    }
}
