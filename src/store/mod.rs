//! The memory: inbox, events, jobs, plans, links, cursors. Invariant: one public function is one
//! transaction; SQL stands only in this room; no HTTP inside; `now` is always an argument.
//!
//! All writes pass through one writer (`writer`), which commits those that wait together and answers
//! after the commit; reads have a few connections of their own. A write that was answered is durable.

mod claim;
mod commands;
mod complete;
mod cursors;
mod drafts;
mod drift;
mod events;
mod inbox;
mod jobs;
mod lanes;
mod links;
mod open;
mod plans;
mod route;
pub mod rows;
mod sql;
mod states;
pub mod status;
mod stories;
mod views;
mod writer;

#[cfg(test)]
mod tests;

pub use drift::DriftRow;
pub use rows::*;

use crate::domain::Event;
use futures_util::future::BoxFuture;
use sql::Connection;
use sqlx::SqlitePool;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use writer::{Accept, Ran, Task};

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    accepts: mpsc::Sender<Accept>,
    tasks: mpsc::Sender<Task>,
    readers: SqlitePool,
    closing: CancellationToken,
    /// True when the writer has ended.
    ended: watch::Receiver<bool>,
}

/// Called inside the routing transaction with the event as merged: which jobs follow? Pure.
pub type Judge = Arc<dyn Fn(&Event, &[(String, JobState)]) -> Vec<JobChange> + Send + Sync>;

impl Store {
    /// Finishes what is queued, checkpoints, closes. Later calls answer `Unavailable`.
    pub async fn close(&self) {
        self.readers.close().await;
        self.closing.cancel();
        let mut ended = self.ended.clone();
        // An error means that the writer is gone, which is what is waited for.
        let _gone = ended.wait_for(|ended| *ended).await;
    }

    /// Runs `work` in the writer, in a savepoint of its own, and answers after the commit. A caller
    /// that goes away does not stop it.
    async fn write<T, W>(&self, work: W) -> Result<T, Error>
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
                    settle: Box::new(move |committed| {
                        // The caller may have gone away; the work is done nevertheless.
                        let _gone = answer.send(done.and_then(|value| committed.map(|()| value)));
                    }),
                }
            })
        });
        self.tasks.send(task).await.map_err(|_| closed())?;
        answered.await.map_err(|_| dropped())?
    }

    /// A connection for one reading statement.
    async fn reader(&self) -> Result<Connection, Error> {
        let pooled = self.readers.acquire().await;
        pooled.map(Connection::SqlitePooled).map_err(|error| sql::failed("the file", &error))
    }

    /// A connection that sees one state of the database for all its statements.
    async fn snapshot(&self) -> Result<Connection, Error> {
        let begun = self.readers.begin().await;
        begun.map(Connection::SqliteReader).map_err(|error| sql::failed("the file", &error))
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}

/// The writer let go of a request without an answer: its transaction is gone.
fn dropped() -> Error {
    Error::Unavailable("the write was given up; nothing of it was kept".to_owned())
}
