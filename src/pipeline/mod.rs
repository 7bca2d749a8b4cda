//! The hands: take a row, ask the head, commit. Invariant: no transaction is open over an HTTP
//! call, nothing is committed here and enqueued elsewhere, and there is no business `if` — if one
//! is needed, the head lacks a word.

pub mod ahead;
pub mod backfill;
pub mod block;
pub mod call;
pub mod chores;
pub mod decide;
pub mod drift;
pub mod explain;
pub mod fold;
pub mod gate;
pub mod later;
pub mod leads;
pub mod mend;
pub mod obey;
pub mod owners;
pub mod perform;
pub mod poll;
pub mod receive;
pub mod reconcile;
pub mod remember;
pub mod replay;
pub mod resolve;
pub mod retention;
pub mod route;
pub mod run;
pub mod state;
pub mod sweep;
pub mod switches;
pub mod tend;

use crate::clock::Clock;
use crate::connectors::Connector;
use crate::connectors::http::Leave;
use crate::rules::Book;
use crate::store::{Error, Store};
use arc_swap::ArcSwap;
use gate::Gates;
use jiff::Timestamp;
use leads::Looks;
use owners::Owners;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// When each connection was first started.
pub type FirstStarts = Arc<BTreeMap<String, Timestamp>>;

/// What config and flow files say, as one of their readings.
pub struct Setup {
    pub book: Arc<Book>,
    pub connectors: Arc<BTreeMap<String, Arc<dyn Connector>>>,
    pub first_starts: FirstStarts,
    /// Flow → does it run, as config has it? Of `book` those run that a person left running.
    pub configured: Arc<BTreeMap<String, bool>>,
    /// When they were read.
    pub loaded: Timestamp,
}

/// Everything that a hand needs. Cheap to clone; a clone keeps the flows and connectors with which
/// it was made, so that a plan under way ends as it began, until it asks for [`Pipeline::fresh`].
#[derive(Clone)]
pub struct Pipeline {
    pub store: Store,
    pub clock: Clock,
    pub book: Arc<Book>,
    pub connectors: Arc<BTreeMap<String, Arc<dyn Connector>>>,
    pub first_starts: FirstStarts,
    pub gates: Arc<Gates>,
    pub wake: Arc<Wake>,
    pub owners: Arc<Owners>,
    /// When requests may be sent.
    pub leave: Arc<Leave>,
    /// Who looks into a journal of leads right now.
    pub looks: Arc<Looks>,
    /// What pages of far sides search for.
    pub blocks: Arc<block::Blocks>,
    /// Names this process in leases.
    pub owner: Arc<str>,
    current: Arc<ArcSwap<Setup>>,
    /// One change of it at a time.
    adopting: Arc<tokio::sync::Mutex<()>>,
    trouble: Arc<Mutex<Option<String>>>,
}

/// Who is waiting for what.
#[derive(Debug, Default)]
pub struct Wake {
    /// There are rows to route.
    pub route: Notify,
    /// There are jobs to decide: new ones, a lane let go, a connection that answers again.
    pub decide: Notify,
    /// Leases of others may have run out.
    pub sweep: Notify,
    /// A command was left.
    pub command: Notify,
    /// Config and flows shall be read anew.
    pub reload: Notify,
    /// Counts deliveries at the doors: while they pour in, routing takes a back seat.
    pub arrivals: AtomicU64,
    /// Wakes the poller of a feed.
    pub feeds: Mutex<BTreeMap<(String, &'static str), Arc<Notify>>>,
    /// The last call to all processes that this one has read, and the last that it has acted upon.
    read: AtomicI64,
    heard: AtomicI64,
    /// The last call to follow a switch that was followed.
    switched: AtomicI64,
}

impl Wake {
    /// The last call that this process has read.
    pub fn read(&self) -> i64 {
        self.read.load(Ordering::Acquire)
    }

    /// A call was read and asks for this.
    pub fn call(&self, call: i64, asks: &Notify) {
        self.read.store(call, Ordering::Release);
        asks.notify_one();
    }

    /// All calls until this one were acted upon.
    pub fn hear(&self, call: i64) {
        self.read.fetch_max(call, Ordering::AcqRel);
        self.heard.store(call, Ordering::Release);
    }

    /// The last call that this process has acted upon.
    pub fn heard(&self) -> i64 {
        self.heard.load(Ordering::Acquire)
    }

    /// The last call to follow a switch that was followed; then this one was.
    pub fn switched(&self) -> i64 {
        self.switched.load(Ordering::Acquire)
    }

    pub fn follow(&self, call: i64) {
        self.switched.fetch_max(call, Ordering::AcqRel);
    }

    /// Has a feed read now, if somebody reads it.
    pub fn feed(&self, connection: &str, feed: &'static str) {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wake) = feeds.get(&(connection.to_owned(), feed)) {
            wake.notify_one();
        }
    }
}

impl Pipeline {
    pub fn new(
        store: Store,
        clock: Clock,
        book: Book,
        connectors: BTreeMap<String, Arc<dyn Connector>>,
        leave: Arc<Leave>,
    ) -> Self {
        let setup = Setup {
            book: Arc::new(book),
            connectors: Arc::new(connectors),
            first_starts: Arc::default(),
            configured: Arc::default(),
            loaded: clock.now(),
        };
        let gates = Gates::new(setup.connectors.keys().cloned()).on(clock.clone());
        // Of a shared database nothing is ours before the first bid.
        let all = setup.connectors.keys().filter(|_| !store.is_shared()).cloned().collect();
        let owner = format!("{}-{}-{:08x}", host(), std::process::id(), fastrand::u32(..));
        Self {
            store,
            clock,
            book: Arc::clone(&setup.book),
            connectors: Arc::clone(&setup.connectors),
            first_starts: Arc::default(),
            gates: Arc::new(gates),
            wake: Arc::default(),
            owners: Arc::new(Owners::new(all)),
            leave,
            looks: Arc::default(),
            blocks: Arc::default(),
            owner: owner.into(),
            current: Arc::new(ArcSwap::from_pointee(setup)),
            adopting: Arc::default(),
            trouble: Arc::default(),
        }
    }

    pub fn connector(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.connectors.get(name)
    }

    /// The flows and connectors as they are now.
    pub fn setup(&self) -> Arc<Setup> {
        self.current.load_full()
    }

    /// This hand with the flows and connectors as they are now.
    #[must_use]
    pub fn fresh(&self) -> Self {
        let setup = self.current.load();
        Self {
            book: Arc::clone(&setup.book),
            connectors: Arc::clone(&setup.connectors),
            first_starts: Arc::clone(&setup.first_starts),
            ..self.clone()
        }
    }

    /// Keeps when each connection was first started; from then on it is known to all hands. Before
    /// any door opens: a delivery that is kept while this is not would look older than the start of
    /// the next process, and be lost.
    ///
    /// # Errors
    /// The store's.
    pub async fn started(&self) -> Result<Self, Error> {
        let setup = self.setup();
        self.adopt(Arc::clone(&setup.book), Arc::clone(&setup.connectors)).await?;
        Ok(self.fresh())
    }

    /// From now on these are the flows and connectors: jobs that are due later are decided by them. A
    /// flow that a person started or stopped stays so, unless what config says of it has changed.
    ///
    /// # Errors
    /// The store's; then all stays as it was.
    pub async fn adopt(
        &self,
        book: Arc<Book>,
        connectors: Arc<BTreeMap<String, Arc<dyn Connector>>>,
    ) -> Result<(), Error> {
        let _alone = self.adopting.lock().await;
        let loaded = self.clock.now();
        let configured = book.flows().iter().map(|bound| (bound.name.clone(), bound.running));
        let configured: BTreeMap<String, bool> = configured.collect();
        let switches = switches::held(self, &configured, loaded).await?;
        let book = book.switched(|flow| switches::running(&configured, &switches, flow));
        switches::tell(&book);
        let mut first_starts = BTreeMap::new();
        for name in connectors.keys() {
            let now = self.clock.now();
            first_starts.insert(name.clone(), self.store.first_start(name, now).await?);
        }
        self.gates.know(connectors.keys().cloned());
        self.current.store(Arc::new(Setup {
            book: Arc::new(book),
            connectors,
            first_starts: Arc::new(first_starts),
            configured: Arc::new(configured),
            loaded,
        }));
        self.owners.bid.notify_one();
        self.wake.decide.notify_one();
        self.wake.route.notify_one();
        Ok(())
    }

    /// Says to others how the last reload went: `None` well, else why it was refused.
    pub fn tell(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        self.owners.bid.notify_one();
    }

    /// Why the last reload was refused.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The name of this machine, as far as it is told, for people who read leases.
fn host() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain: String =
        told.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}
