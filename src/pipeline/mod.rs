//! The hands: take a row, ask the head, commit. Invariant: no transaction is open over an HTTP
//! call, nothing is committed here and enqueued elsewhere, and there is no business `if` — if one
//! is needed, the head lacks a word.

pub mod decide;
pub mod drift;
pub mod explain;
pub mod gate;
pub mod perform;
pub mod poll;
pub mod receive;
pub mod resolve;
pub mod route;
pub mod run;
pub mod state;
pub mod sweep;

use crate::clock::Clock;
use crate::connectors::Connector;
use crate::rules::Book;
use crate::store::Store;
use gate::Gates;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Notify;

/// Everything that a hand needs. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pub store: Store,
    pub clock: Clock,
    pub book: Arc<Book>,
    pub connectors: Arc<BTreeMap<String, Arc<dyn Connector>>>,
    pub gates: Arc<Gates>,
    pub wake: Arc<Wake>,
    /// Names this process in leases.
    pub owner: Arc<str>,
}

/// Who is waiting for what.
#[derive(Debug, Default)]
pub struct Wake {
    /// There are rows to route.
    pub route: Notify,
    /// There are jobs to decide: new ones, a lane let go, a connection that answers again.
    pub decide: Notify,
    /// Counts deliveries at the doors: while they pour in, routing takes a back seat.
    pub arrivals: AtomicU64,
}

impl Pipeline {
    pub fn new(
        store: Store,
        clock: Clock,
        book: Book,
        connectors: BTreeMap<String, Arc<dyn Connector>>,
    ) -> Self {
        let gates = Gates::new(connectors.keys().cloned()).on(clock.clone());
        let owner = format!("{}-{}", std::process::id(), clock.now().as_millisecond());
        Self {
            store,
            clock,
            book: Arc::new(book),
            connectors: Arc::new(connectors),
            gates: Arc::new(gates),
            wake: Arc::default(),
            owner: owner.into(),
        }
    }

    pub fn connector(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.get(name)
    }
}
