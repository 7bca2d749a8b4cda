//! The deals of one site and all that was ever sent of them. Invariant: an order number has one
//! living deal at most; every create and update that came is written down, refused ones too.

use crate::sandbox::calltouch::matching::Matched;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A create, update or delete that came, and what it was told.
#[derive(Debug, Clone, Serialize)]
pub struct DealWrite {
    /// `create`, `update` or `delete`.
    pub kind: &'static str,
    pub at: Timestamp,
    pub number: String,
    /// The deals that came in the same request.
    pub batch: usize,
    pub error: Option<String>,
    /// The fields as sent.
    pub sent: Map<String, Value>,
}

/// A status that the deal had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DealStatus {
    pub status: String,
    pub status_date: Option<Timestamp>,
    pub revenue: String,
    pub at: Timestamp,
}

/// What can be written to a deal.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Fields {
    pub order_name: String,
    pub manager: String,
    pub funnel: String,
    pub status: String,
    pub status_date: Option<Timestamp>,
    pub order_date: Option<Timestamp>,
    pub update_date: Option<Timestamp>,
    pub revenue: String,
    pub currency: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Deal {
    pub site: u64,
    /// `calltouchOrderId`
    pub id: u64,
    /// `orderNumber`
    pub number: String,
    #[serde(flatten)]
    pub fields: Fields,
    /// What the deal was linked to; none: every entry of the matching failed.
    pub matched: Option<Matched>,
    /// The matching as sent.
    pub matching: Value,
    pub made_at: Timestamp,
    /// Creations that came for it, those refused because it existed already too.
    pub creations: usize,
    /// Updates that came for it and were carried out.
    pub updates: usize,
    /// How often `reMatching` was sent.
    pub rematchings: usize,
    pub statuses: Vec<DealStatus>,
    pub writes: Vec<DealWrite>,
    pub deleted: bool,
}

/// The deals of one site.
#[derive(Debug, Default)]
pub struct Deals {
    rows: Vec<Deal>,
    living: HashMap<String, usize>,
    refused: Vec<DealWrite>,
}

impl Deals {
    pub fn iter(&self) -> impl Iterator<Item = &Deal> {
        self.rows.iter()
    }

    /// Writes that no deal holds: refused ones of numbers without a deal.
    pub fn refused(&self) -> &[DealWrite] {
        &self.refused
    }

    pub fn get(&self, number: &str) -> Option<&Deal> {
        self.rows.get(*self.living.get(number)?)
    }

    pub fn get_mut(&mut self, number: &str) -> Option<&mut Deal> {
        self.rows.get_mut(*self.living.get(number)?)
    }

    pub fn put(&mut self, deal: Deal) {
        self.living.insert(deal.number.clone(), self.rows.len());
        self.rows.push(deal);
    }

    /// The deal is gone; its number is free again.
    pub fn delete(&mut self, number: &str) -> bool {
        let Some(at) = self.living.remove(number) else { return false };
        if let Some(deal) = self.rows.get_mut(at) {
            deal.deleted = true;
        }
        true
    }

    /// Writes down what came.
    pub fn note(&mut self, write: DealWrite) {
        let Some(deal) = self.get_mut(&write.number) else {
            self.refused.push(write);
            return;
        };
        match write.kind {
            "create" => deal.creations += 1,
            "update" if write.error.is_none() => deal.updates += 1,
            _ => {}
        }
        deal.writes.push(write);
    }
}

impl Deal {
    /// Writes the status down when it, its date or the revenue is another one.
    pub fn note_status(&mut self, at: Timestamp) {
        let Fields { status, status_date, revenue, .. } = self.fields.clone();
        let last = self.statuses.last();
        let same = last.is_some_and(|last| {
            (&last.status, last.status_date, &last.revenue) == (&status, status_date, &revenue)
        });
        if !same {
            self.statuses.push(DealStatus { status, status_date, revenue, at });
        }
    }
}
