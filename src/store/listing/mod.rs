//! The journals that people page through: leads, deals, messages. Invariant: a page goes on by key,
//! never by offset, so that each row comes once whatever is written meanwhile; a filter or a search
//! costs a few looks into an index, however much is kept.

mod deals;
mod leads;
mod messages;

pub use deals::{DealFilter, DealLead, DealRow};
pub use leads::{LeadFilter, LeadOrder, LeadRow};
pub use messages::{MessageFilter, MessageRow};

use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub at: Timestamp,
    pub id: i64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.as_millisecond(), self.id)
    }
}

/// It is no mark: milliseconds, a hyphen, a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of a page: MS-ID is meant")]
pub struct NoMark;

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let (ms, id) = text.rsplit_once('-').ok_or(NoMark)?;
        let at = ms.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Self { at: at.ok_or(NoMark)?, id: id.parse().map_err(|_| NoMark)? })
    }
}

/// Which rows of a journal, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub from: Timestamp,
    /// Not included.
    pub until: Timestamp,
    /// Go on after this row.
    pub after: Option<Mark>,
    pub most: u32,
}

/// A page, and where to go on; none: that was the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub next: Option<Mark>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), next: None }
    }
}

/// Which journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Journal {
    Leads,
    Deals,
    Messages,
}

/// What a journal can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    Connection,
    Kind,
    Source,
    Medium,
    Campaign,
    Outcome,
    Status,
    Manager,
    Funnel,
    Direction,
    State,
}
