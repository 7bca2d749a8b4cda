//! How everything does, for the first page. Invariant: one snapshot; no statement walks the jobs.

pub mod report;
mod view;

pub use view::*;

use super::connections::{Failures, a_day_before, rows};
use super::needs::groups::shown;
use super::{Desk, Error, Papers};
use crate::pipeline::Setup;
use crate::store::status::House;
use jiff::Timestamp;
use report::{Report, Sheet};
use std::sync::Arc;

/// Everything of one moment, from which lists and pages are made.
pub(super) struct Look {
    pub setup: Arc<Setup>,
    pub papers: Arc<Papers>,
    pub house: House,
    pub now: Timestamp,
    /// Several processes share the database.
    pub shared: bool,
}

impl Look {
    pub fn sheet(&self) -> Sheet<'_> {
        Sheet {
            book: &self.setup.book,
            off: &self.papers.off,
            connectors: &self.setup.connectors,
            configured: &self.setup.configured,
        }
    }

    pub fn report(&self) -> Report {
        let clock = report::sign_clock(&self.house, self.shared, self.now);
        Report::new(self.sheet(), self.house.clone(), true, (self.now, clock))
    }
}

impl Desk {
    pub(super) async fn look(&self) -> Result<Look, Error> {
        let setup = self.pipeline.setup();
        let flows: Vec<String> =
            setup.book.flows().iter().map(|bound| bound.name.clone()).collect();
        let (house, now) = self.pipeline.store.house(&flows, self.pipeline.clock.now()).await?;
        let shared = self.pipeline.store.is_shared();
        Ok(Look { setup, papers: self.papers.load_full(), house, now, shared })
    }

    /// How everything does now.
    ///
    /// # Errors
    /// The store's.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, Error> {
        let look = self.look().await?;
        let failed = Failures::since(&self.pipeline.store, a_day_before(now)).await?;
        let report = look.report();
        let connections = rows(self, &look, &report, &failed);
        let flows = |state: &str| report.flows.iter().filter(|flow| flow.state == state).count();
        let (running, stopped, off) = (flows("running"), flows("stopped"), flows("off"));
        let needs = shown(&look.house, &report);
        let owned = |name: &str| {
            let owners = look.house.owners.iter().filter(|(_, owner)| *owner == name);
            owners.map(|(connection, _)| connection.clone()).collect()
        };
        let processes = report.processes.iter().map(|process| Process {
            name: process.owner.clone(),
            version: process.version.clone(),
            listen: process.listen.clone(),
            started: process.started,
            seen: process.seen,
            loaded: process.loaded,
            trouble: process.trouble.clone(),
            connections: owned(&process.owner),
            me: *process.owner == *self.pipeline.owner,
        });
        Ok(Overview {
            ok: report.ok,
            at: now,
            processes: processes.collect(),
            connections,
            jobs: report.jobs.iter().map(|(state, jobs)| ((*state).to_owned(), *jobs)).collect(),
            unrouted: report.unrouted,
            lag_seconds: report.lag_seconds,
            looked_for: report.looked_for,
            needs_total: needs.iter().map(|group| group.count).sum(),
            needs,
            flows_running: running,
            flows_stopped: stopped,
            flows_off: off,
        })
    }
}
