//! What this process owns of a shared database. Invariant: only the owner of a connection polls it
//! and writes to it; what is to be given up is given up when nothing is under way there; a process
//! that cannot keep its lease stops sending before the lease ends.
//!
//! On SQLite the lock of the file makes one process the owner of all.

use super::Pipeline;
use crate::connectors::Connector;
use crate::rules::Book;
use crate::store::{Bid, Hint, Share};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Sending stops so long before the lease ends (a short lease of a test: a fifth of it).
const MARGIN: Duration = Duration::from_secs(1);
/// A sign of life is given this often, and free connections are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// So long after another's lease should have run out it is looked whether it did.
const SOON: Duration = Duration::from_millis(20);
const AFTER_TROUBLE: Duration = Duration::from_millis(500);
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
    /// Flows that others know and this process does not.
    foreign: Mutex<BTreeSet<String>>,
    /// How much is under way on each connection.
    work: Mutex<BTreeMap<String, usize>>,
    /// Jobs under way: their leases are kept. One that was taken back from us may be ours again while
    /// what we began with it ends.
    jobs: Mutex<Vec<i64>>,
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
            foreign: Mutex::default(),
            work: Mutex::default(),
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

    /// Flows whose jobs are left to others.
    pub fn foreign(&self) -> Vec<String> {
        lock(&self.foreign).iter().cloned().collect()
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

    /// Work on these connections begins: until it ends none of them is given up.
    pub fn begin(self: &Arc<Self>, connections: Vec<String>) -> Work {
        let mut work = lock(&self.work);
        for name in &connections {
            *work.entry(name.clone()).or_default() += 1;
        }
        Work { owners: Arc::clone(self), connections }
    }

    /// Is anything under way there?
    fn is_busy(&self, connection: &str) -> bool {
        lock(&self.tended).contains(connection) || lock(&self.work).contains_key(connection)
    }

    pub fn enter(&self, job: i64) {
        lock(&self.jobs).push(job);
    }

    pub fn leave(&self, job: i64) {
        let mut jobs = lock(&self.jobs);
        if let Some(at) = jobs.iter().position(|held| *held == job) {
            jobs.swap_remove(at);
        }
    }

    pub fn jobs(&self) -> Vec<i64> {
        lock(&self.jobs).clone()
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

/// Work that is under way on connections, until it is dropped.
pub struct Work {
    owners: Arc<Owners>,
    connections: Vec<String>,
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut work = lock(&self.owners.work);
        let mut ended = false;
        for name in &self.connections {
            let left = work.get(name).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                work.remove(name);
                ended |= lock(&self.owners.leaving).contains(name);
            } else {
                work.insert(name.clone(), left);
            }
        }
        drop(work);
        if ended {
            self.owners.bid.notify_one();
        }
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

/// How long after a bid was made its owner sends.
fn sending(lease: Duration) -> Duration {
    lease.saturating_sub(MARGIN.min(lease / 5))
}

/// What the keeper remembers from bid to bid.
struct Keeper {
    sign: Sign,
    lease: Duration,
    /// The answer to a bid got lost: what we own by now may be more than we know.
    in_doubt: bool,
}

/// Keeps what is ours and takes what is free, until `stop`; the caller signs off when all is done.
pub async fn keep(pipeline: Pipeline, sign: Sign, stop: CancellationToken) {
    let mut keeper = Keeper { sign, lease: super::sweep::lease(), in_doubt: false };
    let mut hints = pipeline.store.hints();
    let mut kept_until = Instant::now();
    loop {
        let asked = Instant::now();
        let pause = match keeper.bid(&pipeline).await {
            Ok(soonest) => {
                kept_until = asked + sending(keeper.lease);
                let soonest = soonest.map_or(LOOK, |left| left + SOON);
                (keeper.lease / 3).min(LOOK).min(soonest)
            }
            Err(error) => {
                tracing::warn!(%error, "no sign of life could be given; it is tried again");
                keeper.in_doubt = true;
                if pipeline.store.is_shared() && Instant::now() >= kept_until {
                    // Others may have followed us: nothing new is begun.
                    pipeline.owners.set(BTreeSet::new(), BTreeSet::new());
                }
                AFTER_TROUBLE
            }
        };
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

impl Keeper {
    /// One bid, and what follows from it. Answers when the soonest lease of another runs out.
    async fn bid(&mut self, pipeline: &Pipeline) -> Result<Option<Duration>, crate::store::Error> {
        let setup = pipeline.setup();
        let crews = crews(&setup.book, &setup.connectors);
        let bid = Bid {
            owner: pipeline.owner.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            listen: self.sign.listen.clone(),
            started: self.sign.started,
            loaded: setup.loaded,
            trouble: pipeline.trouble(),
            heard: pipeline.wake.heard(),
            crews: crews.clone(),
            flows: setup.book.flows().iter().map(|bound| bound.name.clone()).collect(),
            jobs: pipeline.owners.jobs(),
            lease: self.lease,
        };
        let asked = Instant::now();
        let share = pipeline.store.own(bid, pipeline.clock.now()).await?;
        let begun = if pipeline.store.is_shared() {
            let first = share.handed_over || self.in_doubt;
            let first = first.then(|| Instant::now() + HANDOVER);
            pipeline.leave.hold(&share.owned, asked + sending(self.lease), first)
        } else {
            let before = pipeline.owners.changes().borrow().clone();
            share.owned.difference(&before).cloned().collect()
        };
        self.in_doubt = false;
        settle(pipeline, &share, &begun);
        for crew in crews.iter().filter(|crew| crew.iter().any(|name| share.surplus.contains(name)))
        {
            if !crew.iter().any(|name| pipeline.owners.is_busy(name)) {
                give_up(pipeline, crew).await?;
            }
        }
        Ok(share.soonest)
    }
}

/// From now on this is ours.
fn settle(pipeline: &Pipeline, share: &Share, begun: &BTreeSet<String>) {
    let before = pipeline.owners.changes().borrow().clone();
    for name in begun {
        // What was wrong with it when it was ours before is not known to be wrong now.
        pipeline.gates.forget(name);
        if pipeline.store.is_shared() {
            tracing::info!(connection = %name, "the connection is ours");
        }
    }
    for name in before.difference(&share.owned) {
        tracing::info!(connection = %name, "the connection is another process's now");
    }
    lock(&pipeline.owners.foreign).clone_from(&share.foreign);
    pipeline.owners.set(share.owned.clone(), share.surplus.clone());
    if !begun.is_empty() {
        // What its last owner had under way waits for nobody else.
        pipeline.wake.sweep.notify_one();
        pipeline.wake.route.notify_one();
        pipeline.wake.decide.notify_one();
    }
}

async fn give_up(pipeline: &Pipeline, crew: &[String]) -> Result<(), crate::store::Error> {
    tracing::info!(connections = ?crew, "given up: other processes have less to do");
    pipeline.leave.give_up(crew);
    let left = pipeline.owners.changes().borrow().clone();
    let left = left.into_iter().filter(|name| !crew.contains(name)).collect();
    let leaving = lock(&pipeline.owners.leaving)
        .iter()
        .filter(|name| !crew.contains(name))
        .cloned()
        .collect();
    pipeline.owners.set(left, leaving);
    pipeline.store.disown(&pipeline.owner, crew, pipeline.clock.now()).await
}
