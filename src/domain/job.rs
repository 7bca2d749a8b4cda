//! "Decide flow F for event E at time T", as routing asks for it. Invariant: a draft names its flow
//! instance, its merge key and its lanes; whether it may run is the store's to say.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    Deciding,
    Acted,
    Skipped,
    /// Skipped because the event lacked what the flow requires.
    Incomplete,
    /// Parked for a person.
    Stuck,
}

/// A job that a flow wants for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobDraft {
    /// Name of the flow instance.
    pub flow: String,
    pub merge_key: String,
    pub due: Timestamp,
    pub registered: Timestamp,
    pub lanes: Vec<String>,
    /// Every event that joins the waiting job starts its delay anew, at most so long after the first
    /// one; `None`: the earliest due time stays.
    pub settle: Option<SignedDuration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobChange {
    New(JobDraft),
    /// The waiting job of this flow and event: its due time and lanes become these.
    Update(JobDraft),
}
