//! What acts take and what they answer. Invariant: an answer names everything that was done and
//! everything that was left, with the reason.

use crate::desk::story::Entry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a person may do about a job or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Decide it with today's flow, as a new job.
    Replay,
    /// Decide the parked job anew.
    Retry,
    /// Its step of unknown outcome had happened.
    Arrived,
    /// It had not: send it again.
    Again,
    /// End it, with a word.
    Skip,
    /// Read the unreadable delivery again.
    Reread,
    /// Let the unreadable delivery rest, with a word.
    Dismiss,
    /// Read all feeds of a connection now.
    Poll,
    /// Start a flow.
    Start,
    /// Stop a flow.
    Stop,
}

impl Act {
    /// As it is typed, in addresses and in the audit log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Retry => "retry",
            Self::Arrived => "arrived",
            Self::Again => "again",
            Self::Skip => "skip",
            Self::Reread => "reread",
            Self::Dismiss => "dismiss",
            Self::Poll => "poll",
            Self::Start => "flow.start",
            Self::Stop => "flow.stop",
        }
    }
}

/// What came of an act.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Done {
    /// Jobs that wait now.
    pub waiting: Vec<i64>,
    /// Jobs or deliveries that are at rest now.
    pub ended: Vec<i64>,
    /// What was left as it is, with the reason.
    pub left: Vec<LeftOver>,
    /// Deliveries that are read again, or brought by a poll.
    pub rows: u64,
    /// There is more of the kind than one act does: repeat it.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LeftOver {
    pub id: i64,
    pub why: String,
}

/// A person's word on a step of unknown outcome.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct StepWord {
    pub step: String,
    /// It had happened; else it had not, and is sent again.
    pub arrived: bool,
    /// What it answered, where that is known: `{"id": 17}`.
    #[serde(default)]
    pub output: Option<Map<String, Value>>,
    #[serde(default)]
    pub why: Option<String>,
}

/// One act on everything that a filter names.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct Bulk {
    /// `retry`, `skip`, `reread` or `dismiss`.
    pub act: Act,
    /// Exactly these jobs or deliveries; empty: all that the filter names.
    #[serde(default)]
    pub ids: Vec<i64>,
    #[serde(default)]
    pub flow: Option<String>,
    #[serde(default)]
    pub connection: Option<String>,
    /// The reason that they share, as `needs` groups them.
    #[serde(default)]
    pub reason: Option<String>,
    /// Needed for `skip` and `dismiss`.
    #[serde(default)]
    pub why: Option<String>,
}

/// What today's flow would decide about a job, beside what was decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReplayPreview {
    pub job: i64,
    pub flow: String,
    /// Key of the event.
    pub event: String,
    /// Names the story in addresses.
    pub story: String,
    /// When the last decision was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `same`, `differs`, `untold`, `rested`, `gone`.
    pub outcome: String,
    /// In what it differs (`skip → act`, `other input`), or why it cannot be told.
    pub what: Option<String>,
    pub was: Verdict,
    /// None where it cannot be told.
    pub now: Option<Verdict>,
    /// Field by field, the reasons too.
    pub changes: Vec<Changed>,
    /// The flow's fingerprint: `decide_anew` with it does what was shown, or refuses.
    pub fingerprint: Option<String>,
    /// May it be decided anew now?
    pub possible: bool,
    /// Why not.
    pub obstacle: Option<String>,
}

/// One decision, short.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Verdict {
    /// `act`, `skip`, `incomplete`, `stuck`.
    pub word: String,
    pub steps: Vec<PlannedStep>,
    /// In one line each: `update: marked`. Of `stuck`: why.
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlannedStep {
    pub name: String,
    pub connection: String,
    pub operation: String,
    pub input: Vec<Entry>,
}

/// One value that changes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Changed {
    /// `create.customFields.utm_source`
    pub at: String,
    /// In one line; none: it was not there.
    pub was: Option<String>,
    pub now: Option<String>,
}
