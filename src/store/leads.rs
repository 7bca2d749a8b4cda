//! The journal of leads: calls, requests and chats of the last year, found by contact. Invariant: a
//! lead is one row however often it comes; what is said to be covered was read to its end and is in.

use super::{Error, Store};
use crate::domain::{Covered, Lead};
use jiff::Timestamp;

/// Whose leads are looked for, and when.
#[derive(Debug, Clone)]
pub struct LeadSearch {
    pub connection: String,
    /// `call`, `request`, `chat`.
    pub kind: String,
    /// Contact keys.
    pub contacts: Vec<String>,
    /// Both included.
    pub from: Timestamp,
    pub to: Timestamp,
    /// The nearest to this are wanted.
    pub at: Timestamp,
    /// How many before and how many after it.
    pub most: u32,
}

/// A lead that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: String,
    pub at: Timestamp,
    /// The contact key that matched.
    pub contact: String,
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadsFound {
    /// Within the span, by time; a lead that several contacts match is there once.
    pub inside: Vec<Candidate>,
    /// The nearest before the span, and the nearest after it.
    pub before: Option<Candidate>,
    pub after: Option<Candidate>,
    /// Of which time the journal is known to its end; `None`: of none.
    pub covered: Option<(Timestamp, Timestamp)>,
}

/// How many leads came by which ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeadCounts {
    pub all: u64,
    /// A webhook brought them.
    pub hooked: u64,
    /// No webhook did, the journal showed them.
    pub polled_only: u64,
}

impl Store {
    /// Looks for leads.
    pub async fn leads(&self, search: &LeadSearch) -> Result<LeadsFound, Error> {
        let _ = search;
        Ok(LeadsFound::default())
    }

    /// Keeps leads: new ones, and what is new of known ones; then that this stretch is covered. A
    /// stretch that does not touch the one that is known replaces it only if it is later.
    pub async fn keep_leads(
        &self,
        leads: Vec<Lead>,
        covered: Option<Covered>,
    ) -> Result<(), Error> {
        let _ = (leads, covered);
        Ok(())
    }

    /// Of which time this journal is known to its end.
    pub async fn covered(
        &self,
        connection: &str,
        kind: &str,
    ) -> Result<Option<(Timestamp, Timestamp)>, Error> {
        let _ = (connection, kind);
        Ok(None)
    }

    /// Counts the leads of a stretch of time.
    pub async fn lead_counts(
        &self,
        connection: &str,
        kind: &str,
        span: (Timestamp, Timestamp),
    ) -> Result<LeadCounts, Error> {
        let _ = (connection, kind, span);
        Ok(LeadCounts::default())
    }
}
