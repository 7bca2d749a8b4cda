//! Which site belongs to which connection. Invariant: one directory for all Calltouch connections
//! of the process, filled while they are built and only read afterwards.

use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Site id → its connection. Cheap to clone; clones share the directory.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    held: Arc<RwLock<BTreeMap<i64, Site>>>,
}

/// What reading a lead of a site needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    pub id: i64,
    /// Name of the connection that owns the site.
    pub connection: String,
    /// The zone of the site's wall-clock texts.
    pub zone: TimeZone,
}

impl Sites {
    /// Enters a site.
    ///
    /// # Errors
    /// The connection that holds the site already.
    pub fn enter(&self, site: Site) -> Result<(), String> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = held.get(&site.id).filter(|other| other.connection != site.connection)
        {
            return Err(other.connection.clone());
        }
        held.insert(site.id, site);
        Ok(())
    }

    pub fn find(&self, id: i64) -> Option<Site> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}
