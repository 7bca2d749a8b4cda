//! What we know of a foreign thing that we wrote or follow: a deal, an order. Invariant: `fields` are
//! what was last written (or read back), never a guess; what is gone stays, with what it became.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A foreign thing as we remember it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub connection: String,
    /// `deal`, `order`.
    pub kind: String,
    pub id: String,
    /// The inputs and outputs that the offer of its operations says are kept (`keeps`).
    pub fields: Map<String, Value>,
    pub made: Timestamp,
    pub changed: Timestamp,
    /// When it was deleted or merged over there.
    pub gone: Option<Timestamp>,
    /// The id of what it was merged into.
    pub became: Option<String>,
}

/// What a done effect tells of its entity: laid over what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub connection: String,
    pub kind: String,
    pub id: String,
    pub fields: Map<String, Value>,
    pub at: Timestamp,
}

/// A foreign thing was deleted or merged over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub connection: String,
    pub kind: String,
    pub id: String,
    /// The id of what it was merged into; none: deleted.
    pub became: Option<String>,
    pub at: Timestamp,
}
