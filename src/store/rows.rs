//! What goes into the store and comes out of it. Invariant: plain data, the same for every database.

use crate::domain::{Asked, Decision, Effect, Entity, Event, Fate, Kept, Lead, Link};
pub use crate::domain::{JobChange, JobDraft, JobState};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// A cursor as it shall stand after the rows are in.
#[derive(Debug, Clone)]
pub struct CursorMove {
    pub connection: String,
    pub feed: String,
    pub to: Value,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    pub new: u64,
    pub duplicate: u64,
}

/// What a raw row was read as.
#[derive(Debug, Clone)]
pub enum Reading {
    Events(Vec<Event>),
    Unreadable(String),
}

/// What follows from an event.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    pub jobs: Vec<JobChange>,
    /// It is a lead: kept in the journal of leads. Its `seen` is laid over by how the row came.
    pub lead: Option<Lead>,
    /// It tells that a foreign thing is gone.
    pub fate: Option<Fate>,
    /// What it tells of foreign things.
    pub kept: Vec<Kept>,
}

impl From<Vec<JobChange>> for Judged {
    fn from(jobs: Vec<JobChange>) -> Self {
        Self { jobs, ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routed {
    /// Events seen for the first time.
    pub events: u64,
    /// Arrivals of events that were known.
    pub repeats: u64,
    pub jobs: u64,
    pub unreadable: u64,
}

/// Proof that a job is ours: checked in every transaction that writes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub job: i64,
    pub epoch: i64,
}

/// Did the fence hold?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced<T = ()> {
    Yes(T),
    /// The job was taken from us; nothing was written.
    Lost,
}

/// Who claims jobs.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// The name in the lease.
    pub owner: &'a str,
    /// The connections that the jobs' requests go to: they must be its own.
    pub needs: &'a [String],
    pub lease: Duration,
}

#[derive(Debug, Clone)]
pub struct Claimed {
    pub fence: Fence,
    pub flow: String,
    pub event: Event,
    pub registered: Timestamp,
    pub due: Timestamp,
    /// How often it was put off or decided before.
    pub tries: u32,
    /// When its first decision attempt began, if it was tried before.
    pub first_tried: Option<Timestamp>,
    /// Steps of earlier decisions that are done or unknown.
    pub steps: Vec<StepRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Waiting,
    Running,
    Done,
    Refused,
    Unknown,
    /// Looked for after an unknown outcome and not there: may be repeated.
    Absent,
    Skipped,
}

#[derive(Debug, Clone)]
pub struct StepRow {
    pub id: i64,
    pub name: String,
    /// With its holes filled once it has run.
    pub effect: Effect,
    pub state: StepState,
    pub output: Option<Value>,
    /// When it last began to run.
    pub started: Option<Timestamp>,
    /// Looks after its unknown outcome.
    pub looks: u32,
}

/// A decision to be stored whole.
#[derive(Debug, Clone)]
pub struct NewDecision {
    pub decision: Decision,
    /// The time that its expressions saw as `now`.
    pub at: Timestamp,
    /// Fields of the event that was decided about.
    pub event: Map<String, Value>,
    /// Fact name → the question that was asked for it.
    pub asked: BTreeMap<String, Asked>,
    /// Fact name → the fields that were kept.
    pub facts: Value,
    pub flow_hash: String,
    /// Lanes that the facts told; all or none are taken.
    pub lanes: Vec<String>,
    /// The mark of its first step.
    pub mark: Option<Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Ids of the plan's steps, in order; the first is running.
    Started(Vec<i64>),
    /// Nothing to do: the job has ended.
    Ended,
    /// Another job holds one of the lanes, or wrote in it after this one was claimed; this one waits
    /// for it and is decided anew.
    LaneBusy,
}

/// What came of a running step.
#[derive(Debug, Clone)]
pub struct Finished {
    pub step: i64,
    pub state: StepState,
    pub output: Option<Value>,
    /// Why, where it was not done.
    pub why: Option<String>,
    pub links: Vec<Link>,
    /// What it tells of its entity.
    pub kept: Option<Kept>,
    /// The mark of the step that runs next.
    pub mark: Option<Kept>,
}

/// What follows a step, in the same transaction.
#[derive(Debug, Clone)]
pub enum Next {
    /// The next step runs, its holes filled.
    Start { step: i64, input: Map<String, Value> },
    /// The job has ended; steps still waiting become skipped.
    End { state: JobState, why: Option<String> },
    /// The rest of the plan is dropped; the job is decided anew.
    Again { due: Timestamp, why: String },
}

#[derive(Debug, Clone)]
pub enum Resolution {
    Done {
        output: Value,
        links: Vec<Link>,
        kept: Option<Box<Kept>>,
    },
    /// Not there; `last`: it may be repeated now, else another look follows.
    Absent {
        last: bool,
    },
}

#[derive(Debug, Clone)]
pub struct Command {
    pub id: i64,
    pub kind: String,
    pub body: Value,
}

/// One event from raw to answers; what `why` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    pub event: Event,
    pub deliveries: Vec<Delivery>,
    pub jobs: Vec<JobStory>,
    pub links: Vec<Link>,
    /// What we remember of the things that it is about.
    pub things: Vec<Entity>,
}

/// A raw row that carried the event.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    pub id: i64,
    pub channel: String,
    pub content_type: String,
    pub received: Timestamp,
    pub bytes: u64,
}

/// An event that was found, and where it stands.
#[derive(Debug, Clone, Serialize)]
pub struct FoundStory {
    pub event: Event,
    pub jobs: Vec<FoundJob>,
    pub links: Vec<Link>,
}

/// Where a job stands.
#[derive(Debug, Clone, Serialize)]
pub struct FoundJob {
    pub id: i64,
    pub flow: String,
    pub state: JobState,
    pub why: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct JobStory {
    pub id: i64,
    pub flow: String,
    pub state: JobState,
    pub registered: Timestamp,
    pub due: Timestamp,
    pub tries: u32,
    /// Why it waits or is stuck.
    pub why: Option<String>,
    pub lanes: Vec<String>,
    pub decisions: Vec<DecisionStory>,
    /// What persons did to it.
    pub mends: Vec<Mend>,
}

/// A person's hand in a job.
#[derive(Debug, Clone, Serialize)]
pub struct Mend {
    pub at: Timestamp,
    /// `retried`, `replayed`, `skipped`; of a step: `arrived` (it had happened), `again` (it had not).
    pub what: String,
    pub step: Option<String>,
    /// None: by a command, or before it was kept.
    pub who: Option<String>,
    pub why: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DecisionStory {
    pub at: Timestamp,
    pub flow_hash: String,
    /// The event's fields as they were.
    pub event: Map<String, Value>,
    /// Fact name → the question; `None`: kept by a version that did not keep questions.
    pub asked: Option<BTreeMap<String, Asked>>,
    pub facts: Value,
    pub decision: Decision,
    pub steps: Vec<StepStory>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StepStory {
    pub name: String,
    pub effect: Effect,
    pub state: StepState,
    pub output: Option<Value>,
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// `done`, `later`, `refused`, `unknown`, `look: …`
    pub result: Option<String>,
    pub why: Option<String>,
}

/// For metrics, `/readyz` and the demo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub unrouted: u64,
    pub unreadable: u64,
    pub waiting: u64,
    pub deciding: u64,
    pub acted: u64,
    pub skipped: u64,
    pub stuck: u64,
    pub unknown_steps: u64,
    /// Due time of the oldest job that is due and not decided.
    pub oldest_due: Option<Timestamp>,
    /// `(connection, feed, when it last moved)`.
    pub cursors: Vec<(String, String, Timestamp)>,
}

/// Why the store did not do it. A variant per kind of answer that a caller can give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{0} is not a database that leadlink knows: write sqlite:PATH or postgres://…")]
    Url(String),
    #[error("another leadlink process owns {0}")]
    Owned(String),
    #[error("the database cannot be opened: {0}")]
    Open(String),
    #[error("nothing is kept there yet: {0}")]
    Empty(String),
    #[error("the database is of another version: {0}")]
    Version(String),
    /// Full disk, locked file, I/O: nothing was written; try again.
    #[error("the database cannot be written: {0}")]
    Unavailable(String),
    /// A row does not read back: a defect or a damaged file.
    #[error("a row of {table} cannot be read: {why}")]
    Damaged { table: &'static str, why: String },
}
