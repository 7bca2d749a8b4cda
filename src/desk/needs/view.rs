//! What is shown of all that waits for a person. Invariant: each row says in plain words why it waits
//! and what may be done.

use crate::desk::acts::Act;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// A job whose step was refused, or that cannot be decided.
    Job,
    /// A job with a step of which only a person knows whether it happened.
    Unknown,
    /// A delivery that cannot be read.
    Delivery,
    /// A connection that is paused or being set up.
    Connection,
    /// A far side does not have any more what a flow uses.
    Drift,
    /// A reload was refused.
    Reload,
}

/// Which of them.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct NeedFilter {
    #[serde(default)]
    pub kind: Option<NeedKind>,
    #[serde(default)]
    pub flow: Option<String>,
    #[serde(default)]
    pub connection: Option<String>,
    /// As a group has it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A page of all that waits.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Needs {
    /// By reason, most of one first; of everything, whatever the filter and the page.
    pub groups: Vec<NeedGroup>,
    /// The newest first.
    pub rows: Vec<Need>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<String>,
    /// Of everything; with `more` at least so many.
    pub total: u64,
    pub more: bool,
}

/// What waits for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NeedGroup {
    pub kind: NeedKind,
    /// Of which flow, or from which connection.
    pub of: String,
    /// The reason without its numbers: what a filter and a bulk act are given.
    pub reason: String,
    /// As the newest of them has it.
    pub why: String,
    pub count: u64,
    /// There may be more than were counted.
    pub more: bool,
    /// The newest few.
    pub ids: Vec<i64>,
    /// What may be done to all of them at once.
    pub acts: Vec<Act>,
    /// What to type instead, for the newest.
    pub commands: Vec<String>,
}

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Need {
    pub kind: NeedKind,
    /// Job or delivery; 0 of others.
    pub id: i64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub flow: Option<String>,
    pub connection: Option<String>,
    /// Key of the event, where there is one.
    pub event: Option<String>,
    /// Names the story in addresses.
    pub story: Option<String>,
    pub why: String,
    /// The reason without its numbers.
    pub reason: String,
    /// The step of unknown outcome.
    pub step: Option<String>,
    /// What a person does about it, in plain words; empty where the acts say it.
    pub mend: String,
    /// Of a delivery that cannot be read: how it begins.
    pub body: Option<String>,
    pub acts: Vec<Act>,
}
