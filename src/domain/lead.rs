//! A lead as the journal of leads keeps it: who, when, from where. Invariant: known by its far side's
//! id, never provisional; its contacts are canonical keys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A call, request or chat that an order may be linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The connection that it belongs to.
    pub connection: String,
    /// The noun: `call`, `request`, `chat`. Ids of different nouns are separate spaces.
    pub kind: String,
    /// The far side's id.
    pub id: String,
    /// Start of the call, creation of the request, beginning of the chat.
    pub at: Timestamp,
    /// Canonical keys ([`super::contact::contact_key`]): `phone:+79990000001`, `email:…`.
    pub contacts: Vec<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// By which ways it came to us.
    pub seen: Seen,
}

/// By which ways a lead came to us; a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    pub hook: bool,
    pub journal: bool,
    pub backfill: bool,
}

impl Seen {
    pub const HOOK: Self = Self { hook: true, journal: false, backfill: false };
    pub const JOURNAL: Self = Self { hook: false, journal: true, backfill: false };
    pub const BACKFILL: Self = Self { hook: false, journal: false, backfill: true };
}

/// A stretch of time of which a far side's journal was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    pub connection: String,
    /// The noun of the leads.
    pub kind: String,
    pub from: Timestamp,
    /// Until when, exclusive: the moment at which the reading began.
    pub until: Timestamp,
}
