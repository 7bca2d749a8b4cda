//! The messengers among the connections, and what each can carry. Invariant: told from offers alone;
//! who attaches messengers to chats (a CRM) knows none of them by name.

use super::port::Connector;
use crate::domain::MessengerOffer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The messengers of a process, by connection. Cheap to clone.
#[derive(Clone, Default)]
pub struct Messengers(Arc<Mutex<BTreeMap<String, MessengerOffer>>>);

impl Messengers {
    pub fn tell(&self, connectors: &BTreeMap<String, Arc<dyn Connector>>) {
        let told = connectors
            .iter()
            .filter_map(|(name, connector)| Some((name.clone(), connector.offer().messenger?)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told.collect();
    }

    /// One of them, by the name of its connection.
    pub fn get(&self, connection: &str) -> Option<MessengerOffer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(connection).copied()
    }

    /// The names of all connections that are messengers.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}
