//! What a decision needs to know. Invariant: facts are read when deciding, never when receiving.

use super::outcome::Delay;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One question to one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub connection: String,
    /// Name in the offer, e.g. `customer`.
    pub name: String,
    pub input: Map<String, Value>,
    /// What our own links know for the input's contacts or owner, newest first: the far side's
    /// lists may lag behind what we wrote.
    #[serde(default)]
    pub known: Vec<KnownId>,
    /// What was read before that is no answer.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The connections of the role, the chosen one first: for [`super::From::Memory`].
    #[serde(default)]
    pub among: Vec<String>,
    /// The job that asks: its own marks are no answer.
    #[serde(default)]
    pub job: Option<i64>,
}

/// A question as it is kept with the decision that asked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub connection: String,
    pub name: String,
    pub input: Map<String, Value>,
}

impl From<&Query> for Asked {
    fn from(query: &Query) -> Self {
        Self {
            connection: query.connection.clone(),
            name: query.name.clone(),
            input: query.input.clone(),
        }
    }
}

/// An entity that we wrote ourselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownId {
    pub id: String,
    /// When we last wrote it.
    pub made: Timestamp,
    /// What led to it: `contact`, or the kind of its owner.
    #[serde(default)]
    pub from: String,
}

/// What a far side answered to a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The fact in the shape of its offer; `Value::Null` when there is none.
    Known(Value),
    /// Not now.
    Later(Delay),
    /// The question itself was refused, and will be refused again.
    Refused(String),
}

/// "This lead is that order": a pair of foreign ids, written with the step that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `event`, `contact`, or the entity that owns the other (`customer`).
    pub from_kind: String,
    /// Connection that `from_id` is unique in.
    pub from_connection: String,
    /// An event's key (`call:900000001`) or a contact's canonical key (`phone:+79990000001`).
    pub from_id: String,
    pub to_connection: String,
    /// `customer`, `order`, …
    pub to_kind: String,
    pub to_id: String,
    pub made: Timestamp,
}
