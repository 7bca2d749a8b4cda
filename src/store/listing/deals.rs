//! The journal of deals as people page through it. Invariant: a row shows what we wrote last, never
//! what the far side may have made of it.

use super::{Listed, Slice};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// Which deals; none: all. `search` is what a person typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DealFilter {
    pub connection: Option<String>,
    pub status: Option<String>,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub manager: Option<String>,
    pub funnel: Option<String>,
    /// Only those that were made with a lead, or without one.
    pub linked: Option<bool>,
    /// A number, an id, `call:9` of its lead, a phone or an e-mail of its lead: exact, whatever the span.
    pub search: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DealRow {
    pub row: i64,
    pub connection: String,
    pub id: String,
    /// What people call it.
    pub number: Option<String>,
    /// When the order was made; where that is not known, when we made the deal.
    pub at: Timestamp,
    pub status: Option<String>,
    /// Decimal text.
    pub revenue: Option<String>,
    pub currency: Option<String>,
    pub manager: Option<String>,
    pub funnel: Option<String>,
    /// Of its lead; without one what the deal itself was given.
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub lead: Option<DealLead>,
    /// When we wrote it last.
    pub changed: Timestamp,
    /// When its next update is due.
    pub due: Option<Timestamp>,
    /// When its order was deleted or merged over there.
    pub gone: Option<Timestamp>,
    /// The id of what it was merged into.
    pub became: Option<String>,
}

/// The lead that a deal is linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DealLead {
    pub kind: String,
    pub id: String,
    /// None: our journal of leads does not have it.
    pub at: Option<Timestamp>,
}

impl Store {
    /// Deals, newest first.
    pub async fn listed_deals(
        &self,
        _filter: &DealFilter,
        _slice: &Slice,
    ) -> Result<Listed<DealRow>, Error> {
        Ok(Listed::default())
    }
}
