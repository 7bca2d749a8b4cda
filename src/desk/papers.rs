//! What config and flow files said when they were read last, beyond what runs by them: what is shown of
//! settings, and what a flow on trial is bound to. Invariant: no secret stands here in the open but the
//! secrets of hooks, which `Debug` hides.

use crate::config::{FlowSettings, Shown};
use crate::mapping::Bound;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct Papers {
    /// The folder of the flows.
    pub mappings: PathBuf,
    /// Instances with a role that is bound to nothing.
    pub off: Vec<Bound>,
    /// Instance → what config lays over its file.
    pub flows: BTreeMap<String, FlowSettings>,
    pub connections: BTreeMap<String, Account>,
}

/// A connection as it was configured.
#[derive(Debug, Clone)]
pub struct Account {
    /// What people call it.
    pub title: String,
    pub settings: Vec<Shown>,
    /// What stands in the address of its hook.
    pub hook_secret: Option<SecretString>,
}
