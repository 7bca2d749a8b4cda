//! How everything does, for the first page. Invariant: one snapshot; no statement walks the jobs.

mod view;

pub use view::*;

use super::{Desk, Error};
use jiff::Timestamp;
use std::collections::BTreeMap;

impl Desk {
    /// How everything does now.
    ///
    /// # Errors
    /// The store's.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, Error> {
        Ok(Overview {
            ok: true,
            at: now,
            processes: Vec::new(),
            connections: Vec::new(),
            jobs: BTreeMap::new(),
            unrouted: 0,
            lag_seconds: 0,
            looked_for: 0,
            needs: Vec::new(),
            needs_total: 0,
            flows_running: 0,
            flows_stopped: 0,
            flows_off: 0,
        })
    }
}
