//! Hourly counts. Invariant: what is counted is written in the transaction of what it counts, as rows
//! that are only ever added, and read together with those that are not folded yet: exact at any time.

use super::listing::{Column, Journal};
use super::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// What is counted by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Leads; `a` is their kind.
    Leads,
    /// Deals; `a` is `linked` or `unlinked`.
    Deals,
    /// Deals; `a` is their source, `b` their campaign, `unit` their currency.
    Sales,
    /// What they bring, in hundredths of `unit`; else as `Sales`.
    Revenue,
    /// Messages; `a` is `in` or `out`.
    Messages,
    /// Time from a lead's registration to the first step that was done; `a` is a bucket, `b` the kind.
    Latency,
}

/// A count of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hour {
    pub at: Timestamp,
    pub measure: Measure,
    pub connection: String,
    pub a: String,
    pub b: String,
    pub unit: String,
    pub n: i64,
}

/// What revenue is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Source,
    Campaign,
}

/// What the deals of one source or campaign brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The source or campaign; empty: none.
    pub of: String,
    /// Empty: none was told.
    pub currency: String,
    pub deals: i64,
    /// In hundredths of the currency.
    pub minor: i64,
}

/// How long something took, of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub count: u64,
    /// Milliseconds, a tenth too much at most; none: nothing was counted.
    pub p50: Option<u64>,
    pub p99: Option<u64>,
}

impl Store {
    /// Counts by the hour; the end is not included. Hours without any are missing.
    pub async fn hourly(
        &self,
        _measures: &[Measure],
        _from: Timestamp,
        _until: Timestamp,
    ) -> Result<Vec<Hour>, Error> {
        Ok(Vec::new())
    }

    /// What the deals of a span brought, the most first.
    pub async fn revenue(
        &self,
        _from: Timestamp,
        _until: Timestamp,
        _by: By,
        _connection: Option<&str>,
    ) -> Result<Vec<Sum>, Error> {
        Ok(Vec::new())
    }

    /// How long leads of a span waited for the first step that was done.
    pub async fn latency(&self, _from: Timestamp, _until: Timestamp) -> Result<Latency, Error> {
        Ok(Latency::default())
    }

    /// What a column of a journal holds in this span, for a list to choose from; some hundred at most.
    pub async fn known_values(
        &self,
        _journal: Journal,
        _column: Column,
        _from: Timestamp,
        _until: Timestamp,
    ) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}
