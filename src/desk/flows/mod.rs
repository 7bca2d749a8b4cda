//! Flows as people see them, and what they do to them: start, stop, try. Invariant: what is tried
//! writes nothing and reads no file but those of the mappings folder; who started or stopped a flow is
//! kept, and holds until the configured value changes.

mod view;

pub use view::*;

use super::{Actor, Desk, Error};

impl Desk {
    /// All flows, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn flows(&self) -> Result<Vec<FlowRow>, Error> {
        Ok(Vec::new())
    }

    /// One flow, whole.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn flow(&self, name: &str) -> Result<FlowPage, Error> {
        Err(Error::NotFound(format!("flow {name}")))
    }

    /// Starts or stops a flow, in all processes, until the configured value changes.
    ///
    /// # Errors
    /// The actor may not; there is no such flow, or it is off; the store's.
    pub async fn switch(
        &self,
        actor: &Actor,
        flow: &str,
        running: bool,
        why: Option<&str>,
    ) -> Result<FlowRow, Error> {
        let _ = (actor, running, why);
        Err(Error::NotFound(format!("flow {flow}")))
    }

    /// What this source text (none: what is on disk) would have decided about the last `most`
    /// recorded decisions of the flow (100 at most 1000). Writes nothing.
    ///
    /// # Errors
    /// There is no such flow, or the store's.
    pub async fn try_flow(
        &self,
        actor: &Actor,
        name: &str,
        text: Option<&str>,
        most: u32,
    ) -> Result<Trial, Error> {
        let _ = (actor, text, most);
        Err(Error::NotFound(format!("flow {name}")))
    }
}
