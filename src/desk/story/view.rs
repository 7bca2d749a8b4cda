//! What a story shows. Invariant: plain data, whole in itself: whoever renders it asks nothing more.

use crate::desk::acts::Act;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A name with its value: a field, an input, a path that an expression saw.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    pub name: String,
    pub value: Value,
}

/// One line of what was found for a query; its story is read by `key`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Found {
    /// Names the story in addresses: `{connection}~{event key}`.
    pub id: String,
    /// Key of the event: `call:900000001`.
    pub key: String,
    pub kind: String,
    pub connection: String,
    #[schema(value_type = String, format = DateTime)]
    pub registered: Timestamp,
    /// Where it stands, job by job, the newest first.
    pub jobs: Vec<FoundJob>,
    /// The things that it made or wrote: `order 17 in shop`.
    pub links: Vec<Tie>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FoundJob {
    pub job: i64,
    pub flow: String,
    /// `waiting`, `deciding`, `acted`, `skipped`, `incomplete`, `stuck`.
    pub state: String,
    pub why: Option<String>,
}

/// One event from raw to answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Story {
    /// Names the story in addresses: `{connection}~{event key}`.
    pub id: String,
    pub key: String,
    /// `call.finished`
    pub kind: String,
    pub connection: String,
    /// The connector behind it; none: the connection is gone.
    pub connector: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub registered: Timestamp,
    /// A person asked for it (backfill, reconciliation).
    pub asked: bool,
    /// The far side gave no id: the key is made of the contents.
    pub provisional: bool,
    /// Other keys of the same event.
    pub aliases: Vec<String>,
    /// The fields as they are now, the empty ones left out.
    pub fields: Vec<Entry>,
    pub deliveries: Vec<Delivery>,
    /// Oldest first.
    pub jobs: Vec<JobView>,
    /// Flows that listen to such events and made no job of this one, with the reason.
    pub silent: Vec<Silent>,
    pub links: Vec<Tie>,
    /// What is remembered of the things that it is about, and when each is written next.
    pub things: Vec<Thing>,
}

/// A raw row that carried the event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Delivery {
    pub id: i64,
    /// `hook`, or the feed that was polled.
    pub channel: String,
    pub content_type: String,
    #[schema(value_type = String, format = DateTime)]
    pub received: Timestamp,
    /// Length of the whole body.
    pub bytes: u64,
    /// As text, at most 64 KiB of it.
    pub body: String,
    /// The body is longer than what is shown.
    pub cut: bool,
}

/// A flow that listens and made no job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Silent {
    pub flow: String,
    pub why: String,
}

/// The event is linked to a foreign thing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tie {
    pub connection: String,
    /// `order`, `deal`, `customer`.
    pub kind: String,
    pub id: String,
    #[schema(value_type = String, format = DateTime)]
    pub made: Timestamp,
}

/// What is remembered of a foreign thing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Thing {
    pub connection: String,
    pub kind: String,
    pub id: String,
    pub fields: Vec<Entry>,
    /// More than its fate is known.
    pub known: bool,
    #[schema(value_type = String, format = DateTime)]
    pub made: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// Since when it is gone over there.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub gone: Option<Timestamp>,
    /// What it became.
    pub became: Option<String>,
    /// The jobs that may write it next, the soonest first.
    pub next: Vec<NextWrite>,
    /// Some flow writes such things: with `next` empty, nothing waits to be written.
    pub written: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NextWrite {
    pub job: i64,
    pub flow: String,
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    pub why: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobView {
    pub id: i64,
    pub flow: String,
    /// What people call the flow; none: it is not there any more.
    pub title: Option<String>,
    /// `waiting`, `deciding`, `acted`, `skipped`, `incomplete`, `stuck`.
    pub state: String,
    /// Why it waits or is stuck, or how it ended.
    pub why: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub registered: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    pub tries: u32,
    pub lanes: Vec<String>,
    /// Oldest first; the last is what it came to.
    pub decisions: Vec<Decided>,
    /// What people did to it.
    pub mends: Vec<Mended>,
    /// Steps of which nobody knows whether they happened.
    pub doubts: Vec<Doubt>,
    /// What a person may do about it now.
    pub acts: Vec<Act>,
}

/// A step of unknown outcome.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Doubt {
    pub step: String,
    pub connection: String,
    pub operation: String,
    /// Only a person can say whether it happened; else it is looked for.
    pub asks: bool,
    /// `it arrived` must say what was made: one of these is the id.
    pub needs_id: bool,
    /// What its output may hold.
    pub output: Vec<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Mended {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `retried`, `replayed`, `skipped`; of a step: `arrived` (it had happened), `again` (it had not).
    pub what: String,
    pub step: Option<String>,
    /// None: by a command, or before it was kept.
    pub who: Option<String>,
    pub why: Option<String>,
}

/// One decision of a job, with what came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Decided {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `act`, `skip`, `incomplete`.
    pub verdict: String,
    /// SHA-256 of the flow file that decided.
    pub flow_hash: String,
    /// The flow is another than it was: `same`, `other`, `gone`.
    pub flow_since: String,
    /// The event as it was then, the empty fields left out.
    pub event: Vec<Entry>,
    pub facts: Vec<Fact>,
    pub reasons: Vec<Because>,
    /// How it chose among the leads, line by line; empty where it did not.
    pub leads: Vec<LeadLine>,
    pub steps: Vec<StepView>,
}

/// A fact as it was when it was decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fact {
    pub name: String,
    /// Whom it was asked of, and what; none: it was not asked, or not kept.
    pub connection: Option<String>,
    pub query: Option<String>,
    pub input: Vec<Entry>,
    /// The answer; null: none.
    pub value: Value,
}

/// A reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Because {
    /// The step, or `flow`.
    pub about: String,
    /// `planned`, `when`, `unless`, `done`, `refused`, `guard`.
    pub why: String,
    /// The words of the flow file.
    pub word: String,
    /// In one line: `update: marked`.
    pub text: String,
    /// What the words saw.
    pub saw: Vec<Entry>,
}

/// A line on how a lead was chosen, or was not.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LeadLine {
    pub text: String,
    /// The key of the lead that the line is about: `call:900000001`.
    pub lead: Option<String>,
    /// It is the one that was linked.
    pub linked: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepView {
    pub name: String,
    pub connection: String,
    pub operation: String,
    /// `safe`, `check`, `once`; none: the operation is not on offer any more.
    pub repeat: Option<String>,
    /// `waiting`, `running`, `done`, `refused`, `unknown`, `absent`, `skipped`.
    pub state: String,
    /// What the flow gave it.
    pub input: Vec<Entry>,
    /// The request as it was sent, without secrets; none: the connection is gone.
    pub request: Option<RequestView>,
    /// What the far side answered, as far as it was kept.
    pub output: Option<Value>,
    pub attempts: Vec<Tried>,
}

/// A request without secrets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RequestView {
    pub method: String,
    pub path: String,
    /// Decoded form fields or query, in order.
    pub fields: Vec<RequestField>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RequestField {
    pub name: String,
    pub value: String,
}

/// An attempt, or a look after an unknown outcome, or a person's word.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tried {
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended: Option<Timestamp>,
    /// `done`, `later`, `refused`, `unknown`, `look: …`, `a person: …`; none: no answer yet.
    pub result: Option<String>,
    pub why: Option<String>,
}
