//! The memory: inbox, events, jobs, plans, links, cursors. Invariant: one public function is one
//! transaction; SQL stands only in this room; no HTTP inside; `now` is always an argument.
//! (skeleton: signatures that the pipeline builds on)

pub mod rows;

pub use rows::*;

use crate::domain::{Event, Link, Raw};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Store;

/// Called inside the routing transaction with the event as merged: which jobs follow? Pure.
pub type Judge = Arc<dyn Fn(&Event, &[(String, JobState)]) -> Vec<JobChange> + Send + Sync>;

#[expect(unused_variables, reason = "skeleton")]
impl Store {
    /// Opens as the one owner: takes the lock, migrates, takes back every lease (running steps
    /// become unknown, deciding jobs wait again).
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Opens beside a running owner: for `why`, `status` and for leaving commands. No migration.
    pub async fn open_beside(url: &str) -> Result<Self, Error> {
        unimplemented!()
    }
    /// Finishes what is queued, checkpoints, closes.
    pub async fn close(&self) {
        unimplemented!()
    }

    // -- inbox
    /// Stores rows under their dedupe keys and moves the cursor; returns only when it is durable.
    pub async fn accept(
        &self,
        rows: Vec<Raw>,
        cursor: Option<CursorMove>,
    ) -> Result<Accepted, Error> {
        unimplemented!()
    }
    /// The oldest rows that are not routed yet.
    pub async fn unrouted(&self, limit: u32) -> Result<Vec<Raw>, Error> {
        unimplemented!()
    }
    /// Routes rows: each event meets what is known under any of its keys (filled, or new), then
    /// `judge` says which jobs follow. All in one transaction.
    pub async fn route(
        &self,
        batch: Vec<(i64, Reading)>,
        judge: Judge,
        now: Timestamp,
    ) -> Result<Routed, Error> {
        unimplemented!()
    }

    // -- jobs
    /// Takes due jobs whose lanes are free, in due order (equal times in order of registration),
    /// none of the `closed` flows.
    pub async fn claim(
        &self,
        owner: &str,
        limit: u32,
        closed: &[String],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Claimed>, Error> {
        unimplemented!()
    }
    /// When the next waiting job of an open flow is due (jobs whose lane is held do not count).
    pub async fn next_due(&self, closed: &[String]) -> Result<Option<Timestamp>, Error> {
        unimplemented!()
    }
    /// Lengthens the leases of this owner's jobs.
    pub async fn renew(&self, owner: &str, lease: Duration, now: Timestamp) -> Result<(), Error> {
        unimplemented!()
    }
    /// Takes back jobs whose lease ran out; their running steps become unknown.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, Error> {
        unimplemented!()
    }
    /// Puts a claimed job back, to be decided anew at `due`. A job that has been tried keeps its lanes.
    pub async fn put_off(
        &self,
        fence: Fence,
        due: Timestamp,
        why: &str,
        counted: bool,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        unimplemented!()
    }
    /// Ends a claimed job before a decision (parked for a person, or skipped).
    pub async fn park(
        &self,
        fence: Fence,
        state: JobState,
        why: &str,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        unimplemented!()
    }
    /// The event of a claimed job became fuller (`complete`). `Fenced::Yes(false)`: another event
    /// has its key already, so the job was ended as skipped.
    pub async fn complete(
        &self,
        fence: Fence,
        event: &Event,
        now: Timestamp,
    ) -> Result<Fenced<bool>, Error> {
        unimplemented!()
    }

    // -- plans
    /// Stores the decision whole; with a plan takes the extra lanes and starts its first step, else
    /// ends the job. A busy lane puts the job back, waiting for that lane too.
    pub async fn begin(
        &self,
        fence: Fence,
        decision: NewDecision,
        now: Timestamp,
    ) -> Result<Fenced<Begun>, Error> {
        unimplemented!()
    }
    /// Commits what came of a running step, and what is next, in one transaction.
    pub async fn finish(
        &self,
        fence: Fence,
        finished: Finished,
        next: Next,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        unimplemented!()
    }
    /// Commits what a look after an unknown outcome found.
    pub async fn resolve(
        &self,
        fence: Fence,
        step: i64,
        found: Resolution,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        unimplemented!()
    }

    // -- links, cursors, connections
    /// Links to entities of one kind from any of these ids, newest first.
    pub async fn links(
        &self,
        to_connection: &str,
        to_kind: &str,
        from_kind: &str,
        from_ids: &[String],
    ) -> Result<Vec<Link>, Error> {
        unimplemented!()
    }
    pub async fn cursor(&self, connection: &str, feed: &str) -> Result<Option<Value>, Error> {
        unimplemented!()
    }
    /// When this connection was first started: the first caller's `now`.
    pub async fn first_start(&self, connection: &str, now: Timestamp) -> Result<Timestamp, Error> {
        unimplemented!()
    }

    // -- commands left by other processes
    pub async fn leave_command(
        &self,
        kind: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<i64, Error> {
        unimplemented!()
    }
    pub async fn take_command(&self, now: Timestamp) -> Result<Option<Command>, Error> {
        unimplemented!()
    }
    pub async fn answer_command(
        &self,
        id: i64,
        answer: &Value,
        now: Timestamp,
    ) -> Result<(), Error> {
        unimplemented!()
    }
    pub async fn command_answer(&self, id: i64) -> Result<Option<Value>, Error> {
        unimplemented!()
    }

    // -- views
    /// The whole story of every event that `query` names: an event key, a far-side id (of a lead or
    /// an order), a phone or an e-mail.
    pub async fn story(&self, query: &str) -> Result<Vec<Story>, Error> {
        unimplemented!()
    }
    /// For metrics and readiness.
    pub async fn counts(&self, now: Timestamp) -> Result<Counts, Error> {
        unimplemented!()
    }
    /// Can it be written to right now?
    pub async fn ping(&self, now: Timestamp) -> Result<(), Error> {
        unimplemented!()
    }
}
