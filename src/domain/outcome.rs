//! How a far side's answer ends: done, later, refused or unknown. Invariant: far-side trouble is a
//! value of this room, judged by the connector that knows the API; it is never an `Err`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It happened; the output has the shape of the offer.
    Done(Value),
    /// It surely did not happen; try again.
    Later(Delay),
    /// The far side refuses this very item, and will again.
    Refused(String),
    /// It may have happened.
    Unknown(Delay),
}

/// Why not now, and who is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// What the far side asked for (`Retry-After`), already within bounds.
    pub after: Option<Duration>,
    /// For a person; no secrets, no bodies.
    pub why: String,
    pub whose: Whose,
}

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// Only this item; others may go through.
    Item,
    /// The connection does not answer as it should: network, 5xx, HTML.
    Connection,
    /// The credentials or rights are wrong (401/403): the connection pauses and is probed.
    Access,
    /// The set-up is not complete (a custom field is missing): the connection waits for a person.
    Setup,
}

/// What a look after an unknown outcome found.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// It had happened; the output that was lost.
    Done(Value),
    /// No trace of it yet.
    Absent,
    /// The look itself did not get through.
    Later(Delay),
}

impl Delay {
    pub fn item(why: impl Into<String>) -> Self {
        Self { after: None, why: why.into(), whose: Whose::Item }
    }
    pub fn connection(why: impl Into<String>) -> Self {
        Self { after: None, why: why.into(), whose: Whose::Connection }
    }
    pub fn access(why: impl Into<String>) -> Self {
        Self { after: None, why: why.into(), whose: Whose::Access }
    }
    pub fn setup(why: impl Into<String>) -> Self {
        Self { after: None, why: why.into(), whose: Whose::Setup }
    }
    pub fn after(mut self, after: Option<Duration>) -> Self {
        self.after = after;
        self
    }
}
