//! The memory: inbox, events, jobs, plans, links, cursors. Invariant: one public function is one
//! transaction; SQL stands only in this room; no HTTP inside; `now` is always an argument.
//!
//! All writes pass through a writer (`writer`), which commits those that wait together and answers
//! after the commit; reads have a few connections of their own. A write that was answered is durable.
//! The database is SQLite, of one process, or PostgreSQL, which several share (`home`).

mod audit;
mod backfills;
mod chores;
mod claim;
mod commands;
mod complete;
mod copy;
mod cursors;
mod deals;
mod drafts;
mod drift;
mod entities;
mod events;
mod gone;
mod hints;
mod home;
mod inbox;
mod jobs;
mod journals;
mod lanes;
mod latest;
mod leads;
mod links;
pub mod listing;
mod marks;
mod mend;
mod messages;
mod needs;
mod open;
mod owners;
mod people;
mod plans;
mod postgres;
mod recorded;
mod rest;
mod retention;
mod route;
pub mod rows;
mod sessions;
mod space;
mod sql;
mod states;
pub mod status;
mod stories;
mod switches;
pub mod tallies;
mod views;
mod writer;

#[cfg(test)]
mod tests;

pub use audit::{ActRow, Acts, NewAct};
pub use backfills::{Backfill, BackfillState, Progress};
pub use chores::ChoreRow;
pub use copy::Copied;
pub use drift::DriftRow;
pub use hints::{Hint, Hints};
pub use latest::{BriefDecision, Failed};
pub use leads::{Candidate, LeadCounts, LeadSearch, LeadsFound};
pub use listing::{
    DealFilter, DealLead, DealRow, LanesOfDeals, LeadFilter, LeadOrder, LeadRow, Listed, Mark,
    MessageFilter, MessageRow, Slice,
};
pub use marks::{Afar, Marks};
pub use mend::{Brief, Doubtful, Hand, LanesOf, Mended, Word};
pub use needs::Parked;
pub use owners::{Bid, Replica, Share};
pub use people::{Edit, Edited, PersonRow};
pub use recorded::Span;
pub use retention::{Deleted, Kept, Rows, Window};
pub use rows::*;
pub use sessions::{Counted, NewSession, NewToken, SessionRow, TokenRow, Try};
pub use space::Space;
pub use switches::Switch;
pub use tallies::{By, Hour, Latency, Measure, Sum};

use crate::domain::Event;
use futures_util::future::BoxFuture;
use sql::Connection;
use sqlx::{PgPool, SqlitePool};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use writer::{Accept, Ran, Task};

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    accepts: mpsc::Sender<Accept>,
    tasks: mpsc::Sender<Task>,
    readers: Readers,
    closing: CancellationToken,
    /// How many writers still run.
    running: watch::Receiver<usize>,
    /// Counts the writes of this process that were committed.
    written: watch::Sender<u64>,
}

/// Connections for reading.
#[derive(Clone)]
enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// What a process tells the others when it has kept a delivery, in a group of accepts.
const ARRIVED: &str = "arrived";

/// Called inside the routing transaction with the event as merged: what follows? Pure.
pub type Judge = Arc<dyn Fn(&Event, &[(String, JobState)]) -> Judged + Send + Sync>;

impl Store {
    /// Finishes what is queued, checkpoints, closes. Later calls answer `Unavailable`.
    pub async fn close(&self) {
        match &self.readers {
            Readers::Sqlite(pool) => pool.close().await,
            Readers::Postgres(pool) => pool.close().await,
        }
        self.closing.cancel();
        let mut running = self.running.clone();
        // An error means that the writers are gone, which is what is waited for.
        let _gone = running.wait_for(|running| *running == 0).await;
    }

    /// Runs `work` in the writer, in a savepoint of its own, and answers after the commit. A caller
    /// that goes away does not stop it.
    async fn write<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Connection) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        self.write_weighing(0, work).await
    }

    /// As `write`, of work that changes about `weight` more rows than others.
    async fn write_weighing<T, W>(&self, weight: usize, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: for<'a> FnOnce(&'a mut Connection) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            Box::pin(async move {
                let done = match connection {
                    Ok(connection) => work(connection).await,
                    Err(error) => Err(error),
                };
                Ran {
                    kept: done.is_ok(),
                    weight,
                    settle: Box::new(move |committed| {
                        // The caller may have gone away; the work is done nevertheless.
                        let _gone = answer.send(done.and_then(|value| committed.map(|()| value)));
                    }),
                }
            })
        });
        self.tasks.send(task).await.map_err(|_| closed())?;
        let done = answered.await.map_err(|_| dropped())?;
        if done.is_ok() {
            self.written.send_modify(|count| *count += 1);
        }
        done
    }

    /// A connection for one reading statement.
    async fn reader(&self) -> Result<Connection, Error> {
        let pooled = match &self.readers {
            Readers::Sqlite(pool) => pool.acquire().await.map(Connection::SqlitePooled),
            Readers::Postgres(pool) => pool.acquire().await.map(Connection::PostgresPooled),
        };
        pooled.map_err(|error| sql::failed("the database", &error))
    }

    /// A connection that sees one state of the database for all its statements.
    async fn snapshot(&self) -> Result<Connection, Error> {
        const SNAPSHOT: &str = "begin isolation level repeatable read, read only";
        let begun = match &self.readers {
            Readers::Sqlite(pool) => pool.begin().await.map(Connection::SqliteReader),
            Readers::Postgres(pool) => {
                pool.begin_with(SNAPSHOT).await.map(Connection::PostgresReader)
            }
        };
        begun.map_err(|error| sql::failed("the database", &error))
    }

    /// Do several processes share the database?
    pub fn is_shared(&self) -> bool {
        matches!(self.readers, Readers::Postgres(_))
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

/// The writer let go of a request without an answer: its transaction is gone.
fn dropped() -> Error {
    Error::Unavailable("the write was given up; nothing of it was kept".to_owned())
}
