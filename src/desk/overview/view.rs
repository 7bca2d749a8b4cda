//! What the first page shows. Invariant: plain data of one moment.

use crate::desk::connections::ConnectionRow;
use crate::desk::needs::NeedGroup;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How everything does.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    /// Nothing needs a person.
    pub ok: bool,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub processes: Vec<Process>,
    pub connections: Vec<ConnectionRow>,
    /// Jobs by state.
    pub jobs: BTreeMap<String, u64>,
    /// Deliveries that are not routed yet.
    pub unrouted: u64,
    /// Seconds since the oldest due job was due.
    pub lag_seconds: i64,
    /// Steps of unknown outcome that are looked for.
    pub looked_for: u64,
    /// What needs a person, by reason.
    pub needs: Vec<NeedGroup>,
    pub needs_total: u64,
    pub flows_running: usize,
    pub flows_stopped: usize,
    pub flows_off: usize,
}

/// A process.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Process {
    pub name: String,
    pub version: String,
    /// Where it listens.
    pub listen: String,
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// Its last sign of life.
    #[schema(value_type = String, format = DateTime)]
    pub seen: Timestamp,
    /// When it read config and flows.
    #[schema(value_type = String, format = DateTime)]
    pub loaded: Timestamp,
    /// Why its last reload was refused.
    pub trouble: Option<String>,
    /// Connections that it owns.
    pub connections: Vec<String>,
    /// It is the one that answers now.
    pub me: bool,
}
