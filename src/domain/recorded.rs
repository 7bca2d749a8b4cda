//! A decision as it was kept. Invariant: plain data, as it was when it was decided; what was learnt
//! since is not in it.

use super::{Asked, Decision, Event};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One decision of a job, with all that it was made of.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Row of the decision.
    pub id: i64,
    pub job: i64,
    /// Name of the flow instance.
    pub flow: String,
    /// SHA-256 of the flow file as it was.
    pub flow_hash: String,
    /// With the fields as they were; its keys as they are now.
    pub event: Event,
    /// Fact name → fact, those that are none among them.
    pub facts: Map<String, Value>,
    /// Fact name → the question; `None`: kept by a version that did not keep questions.
    pub asked: Option<BTreeMap<String, Asked>>,
    /// Outputs of the steps that earlier decisions of the job had done.
    pub done: BTreeMap<String, Value>,
    /// Why steps of earlier decisions of the job were refused.
    pub refused: BTreeMap<String, String>,
    /// When the job was first tried, if it was put off at least once: its age is judged by that.
    pub first_tried: Option<Timestamp>,
    /// The `now` of its expressions.
    pub at: Timestamp,
    pub decision: Decision,
    /// It is the last of its job: what the job ended with.
    pub last: bool,
}
