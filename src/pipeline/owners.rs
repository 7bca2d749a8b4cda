//! What this process owns of a shared database. Invariant: only the owner of a connection polls it
//! and writes to it; what is to be given up is given up when nothing is under way there; a process
//! that cannot keep its lease stops sending before the lease ends.
//!
//! On SQLite the lock of the file makes one process the owner of all.

use super::Pipeline;
use crate::connectors::Connector;
use crate::rules::Book;
use crate::store::{Bid, Hint};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Sending stops so long before the lease ends (a short lease of a test: a fifth of it).
const MARGIN: Duration = Duration::from_secs(1);
/// After another's last request so long nothing is sent, so that no second holds both.
const HANDOVER: Duration = Duration::from_millis(1100);

/// Who this process is to others.
#[derive(Debug, Clone)]
pub struct Sign {
    pub listen: String,
    pub started: Timestamp,
}

/// What is ours, what we are about to give up, and what is under way.
pub struct Owners {
    owned: watch::Sender<BTreeSet<String>>,
    leaving: Mutex<BTreeSet<String>>,
    /// Connections on which a loop of ours still runs.
    tended: Mutex<BTreeSet<String>>,
    /// Jobs under way: their leases are kept.
    jobs: Mutex<BTreeSet<i64>>,
    /// Asks the keeper to bid at once.
    pub bid: Notify,
}

impl Owners {
    /// `all`: what is owned without asking.
    pub fn new(all: BTreeSet<String>) -> Self {
        Self {
            owned: watch::Sender::new(all),
            leaving: Mutex::default(),
            tended: Mutex::default(),
            jobs: Mutex::default(),
            bid: Notify::new(),
        }
    }

    /// Is the connection ours, to begin work on it?
    pub fn works(&self, connection: &str) -> bool {
        self.owned.borrow().contains(connection) && !lock(&self.leaving).contains(connection)
    }

    /// Changes of what is ours.
    pub fn changes(&self) -> watch::Receiver<BTreeSet<String>> {
        self.owned.subscribe()
    }

    /// What we work on.
    pub fn all(&self) -> BTreeSet<String> {
        let leaving = lock(&self.leaving);
        self.owned.borrow().difference(&leaving).cloned().collect()
    }

    /// A loop for the connection runs, or has ended.
    pub fn tend(&self, connection: &str, runs: bool) {
        let mut tended = lock(&self.tended);
        if runs {
            tended.insert(connection.to_owned());
        } else if tended.remove(connection) {
            self.bid.notify_one();
        }
    }

    pub fn enter(&self, job: i64) {
        lock(&self.jobs).insert(job);
    }

    pub fn leave(&self, job: i64) {
        lock(&self.jobs).remove(&job);
    }

    pub fn jobs(&self) -> Vec<i64> {
        lock(&self.jobs).iter().copied().collect()
    }

    fn set(&self, owned: BTreeSet<String>, leaving: BTreeSet<String>) {
        let changed = {
            let mut held = lock(&self.leaving);
            let changed = *held != leaving;
            *held = leaving;
            changed
        };
        self.owned.send_if_modified(|held| {
            let changed = changed || *held != owned;
            *held = owned;
            changed
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections that must have one owner: those that a flow brings together (its event's, its facts',
/// its steps'), and those that share a rate limit. Every connection is in one crew.
pub fn crews(book: &Book, connectors: &BTreeMap<String, Arc<dyn Connector>>) -> Vec<Vec<String>> {
    let mut crews: Vec<BTreeSet<String>> =
        connectors.keys().map(|name| BTreeSet::from([name.clone()])).collect();
    let mut join = |together: BTreeSet<String>| {
        let (met, mut apart): (Vec<_>, Vec<_>) =
            std::mem::take(&mut crews).into_iter().partition(|crew| !crew.is_disjoint(&together));
        apart.push(met.into_iter().flatten().collect());
        crews = apart;
    };
    let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, connector) in connectors {
        groups.entry(connector.limit_group()).or_default().insert(name.clone());
    }
    groups.into_values().for_each(&mut join);
    for bound in book.flows().iter().filter(|bound| bound.running) {
        let sources = bound.roles.get(&bound.flow.on.role).into_iter().flatten().cloned();
        let needs = book.needs(bound).map(str::to_owned);
        let known = sources.chain(needs).filter(|name| connectors.contains_key(name));
        let together: BTreeSet<String> = known.collect();
        if !together.is_empty() {
            join(together);
        }
    }
    let mut crews: Vec<Vec<String>> =
        crews.into_iter().map(|crew| crew.into_iter().collect()).collect();
    crews.sort();
    crews
}

/// Keeps what is ours and takes what is free, until `stop`; the caller signs off when all is done.
pub async fn keep(pipeline: Pipeline, sign: Sign, stop: CancellationToken) {
    let lease = super::sweep::lease();
    let mut hints = pipeline.store.hints();
    let mut kept_until = Instant::now();
    loop {
        let asked = Instant::now();
        match bid(&pipeline, &sign, lease).await {
            Ok(()) => {
                kept_until = asked + (lease - MARGIN.min(lease / 5));
                if pipeline.store.is_shared() {
                    pipeline.leave.until(kept_until);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no sign of life could be given; it is tried again");
                if pipeline.store.is_shared() && Instant::now() >= kept_until {
                    // Others may have followed us: nothing new is begun.
                    pipeline.owners.set(BTreeSet::new(), BTreeSet::new());
                }
            }
        }
        let pause = (lease / 3).min(Duration::from_secs(5));
        let again = Instant::now() + pause;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = pipeline.owners.bid.notified() => break,
                () = tokio::time::sleep_until(again.into()) => break,
                hint = hints.next() => match hint {
                    Hint::Free => break,
                    Hint::Arrived => pipeline.wake.route.notify_one(),
                    Hint::Other => pipeline.wake.command.notify_one(),
                },
            }
        }
    }
}

async fn bid(pipeline: &Pipeline, sign: &Sign, lease: Duration) -> Result<(), crate::store::Error> {
    let setup = pipeline.setup();
    let crews = crews(&setup.book, &setup.connectors);
    let bid = Bid {
        owner: pipeline.owner.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        listen: sign.listen.clone(),
        started: sign.started,
        loaded: setup.loaded,
        trouble: pipeline.trouble(),
        heard: pipeline.wake.heard(),
        crews: crews.clone(),
        lease,
    };
    let share = pipeline.store.own(bid, pipeline.clock.now()).await?;
    if share.handed_over && pipeline.store.is_shared() {
        pipeline.leave.not_before(Instant::now() + HANDOVER);
    }
    let before = pipeline.owners.changes().borrow().clone();
    for name in share.owned.difference(&before) {
        // What was wrong with it when it was ours before is not known to be wrong now.
        pipeline.gates.forget(name);
        if pipeline.store.is_shared() {
            tracing::info!(connection = %name, "the connection is ours");
        }
    }
    for name in before.difference(&share.owned) {
        tracing::info!(connection = %name, "the connection is another process's now");
    }
    let gained = share.owned.difference(&before).next().is_some();
    pipeline.owners.set(share.owned, share.surplus.clone());
    if gained {
        pipeline.wake.route.notify_one();
        pipeline.wake.decide.notify_one();
    }
    for crew in crews.iter().filter(|crew| crew.iter().any(|name| share.surplus.contains(name))) {
        let busy = crew.iter().any(|name| {
            lock(&pipeline.owners.tended).contains(name) || pipeline.gates.under_way(name) > 0
        });
        if !busy {
            tracing::info!(connections = ?crew, "given up: other processes have less to do");
            pipeline.store.disown(&pipeline.owner, crew, pipeline.clock.now()).await?;
            let left: BTreeSet<String> =
                pipeline.owners.all().into_iter().filter(|name| !crew.contains(name)).collect();
            pipeline.owners.set(left, BTreeSet::new());
        }
    }
    Ok(())
}
