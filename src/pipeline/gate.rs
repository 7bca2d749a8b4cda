//! Which connections answer, and how much is under way on each. Invariant: a connection in trouble
//! gets probes, not jobs; it is probed for ever and opens by itself — nothing switches itself off.

use crate::clock::{Clock, plus};
use crate::domain::{Delay, Whose};
use crate::rules::retry;
use crate::telemetry;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many failures without a success between them close the gate: one lost request is the item's
/// matter, a row of them is the connection's.
const FAILURES: u32 = 3;

/// Conditions that have not changed are told again after this, with the time of the last answer.
const TOLD_AGAIN: Duration = Duration::from_secs(30);

/// The state of every connection.
pub struct Gates {
    gates: Mutex<BTreeMap<String, Gate>>,
    clock: Clock,
    /// What `news` told last, and when.
    told: Mutex<(Option<Timestamp>, Vec<Condition>)>,
}

#[derive(Debug, Clone)]
struct Gate {
    failures: u32,
    closed: Option<Closed>,
    /// The far side asked us to wait so long.
    hold: Option<Timestamp>,
    /// Since when the set-up is known to be incomplete. A probe cannot see that it was mended; only
    /// an effect that is done can.
    unfinished: Option<Timestamp>,
    /// By [`Lot`].
    under_way: [usize; 3],
    /// Since when it is open.
    open_since: Timestamp,
    /// The last proper answer.
    answered: Option<Timestamp>,
}

/// Jobs that share room on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// Each effect is a request.
    Items,
    /// One request carries many.
    Batches,
    /// The same, of events that a person asked for.
    Asked,
}

/// A place among the jobs that are under way on a connection; given back when it is dropped.
pub struct Place {
    gates: Arc<Gates>,
    connection: String,
    lot: Lot,
}

impl Place {
    pub fn take(gates: &Arc<Gates>, connection: &str, lot: Lot) -> Self {
        gates.enter(connection, lot);
        Self { gates: Arc::clone(gates), connection: connection.to_owned(), lot }
    }

    /// Goes over to another connection, if fewer than `most` are under way there.
    pub fn go_to(&mut self, connection: &str, most: usize) -> bool {
        if self.connection == connection || self.lot != Lot::Items {
            return true;
        }
        let entered = self.gates.with(connection, |gate| {
            let held = &mut gate.under_way[Lot::Items as usize];
            let enters = *held < most;
            *held += usize::from(enters);
            enters
        });
        if entered == Some(true) {
            self.gates.leave(&self.connection, self.lot);
            connection.clone_into(&mut self.connection);
        }
        entered.unwrap_or(true)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gates.leave(&self.connection, self.lot);
    }
}

/// How a connection does, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub connection: String,
    /// `setting up`, `ready` or `paused`.
    pub state: &'static str,
    pub why: Option<String>,
    pub since: Timestamp,
    pub answered: Option<Timestamp>,
}

impl Gate {
    fn open(now: Timestamp) -> Self {
        Self {
            failures: 0,
            closed: None,
            hold: None,
            unfinished: None,
            under_way: [0; 3],
            open_since: now,
            answered: None,
        }
    }
}

/// Why and since when a connection gets no jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub since: Timestamp,
    pub next_probe: Timestamp,
    pub why: String,
    pub whose: Whose,
}

impl Gates {
    pub fn new(connections: impl Iterator<Item = String>) -> Self {
        let clock = Clock::default();
        let now = clock.now();
        let gates = connections.map(|name| (name, Gate::open(now))).collect();
        Self { gates: Mutex::new(gates), clock, told: Mutex::default() }
    }

    /// The same, by another clock.
    pub fn on(self, clock: Clock) -> Self {
        let mut gates = self.gates.into_inner().unwrap_or_else(PoisonError::into_inner);
        gates.values_mut().for_each(|gate| gate.open_since = clock.now());
        Self { gates: Mutex::new(gates), clock, told: self.told }
    }

    /// These connections are there now; what is known of them stays.
    pub fn know(&self, connections: impl Iterator<Item = String>) {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        for name in connections {
            gates.entry(name).or_insert_with(|| Gate::open(self.clock.now()));
        }
    }

    /// What is known of a connection is of another time: it is open until it proves otherwise.
    pub fn forget(&self, connection: &str) {
        let now = self.clock.now();
        let closed = self.with(connection, |gate| {
            let under_way = gate.under_way;
            std::mem::replace(gate, Gate { under_way, ..Gate::open(now) }).closed.is_some()
        });
        if closed == Some(true) {
            paused(connection, 0.0);
        }
    }

    /// A request got a proper answer. Returns true when this opened the gate.
    pub fn success(&self, connection: &str) -> bool {
        let now = self.clock.now();
        let opened = self.with(connection, |gate| {
            gate.failures = 0;
            gate.answered = Some(now);
            let opens = gate.closed.take().is_some();
            if opens {
                gate.open_since = now;
            }
            opens
        });
        if opened == Some(true) {
            paused(connection, 0.0);
            tracing::info!(connection, "the connection answers again");
        }
        opened.unwrap_or_default()
    }

    /// An effect was done: the set-up is complete.
    pub fn performed(&self, connection: &str) {
        self.with(connection, |gate| gate.unfinished = None);
        self.success(connection);
    }

    /// A request failed. Access and set-up close the gate at once, other trouble when it repeats.
    pub fn failure(&self, connection: &str, delay: &Delay, now: Timestamp) {
        let newly = self.with(connection, |gate| {
            if let Some(after) = delay.after {
                gate.hold = gate.hold.max(Some(plus(now, after)));
            }
            match delay.whose {
                Whose::Item => return false,
                Whose::Connection => gate.failures += 1,
                Whose::Access | Whose::Setup => gate.failures = FAILURES,
            }
            if gate.failures < FAILURES {
                return false;
            }
            let unfinished = gate.unfinished.filter(|_| delay.whose == Whose::Setup);
            let known = gate.closed.as_ref().map(|closed| closed.since).or(unfinished);
            let since = known.unwrap_or(now);
            if delay.whose == Whose::Setup {
                gate.unfinished = Some(since);
            }
            let trouble = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            let newly = known.is_none();
            gate.closed = Some(Closed {
                since,
                next_probe: plus(now, retry::probe_after(trouble)),
                why: delay.why.clone(),
                whose: delay.whose,
            });
            newly
        });
        if self.closed(connection).is_some() {
            paused(connection, 1.0);
        }
        if newly == Some(true) {
            tracing::error!(
                connection, why = %delay.why,
                "the connection is paused; its jobs wait, it is probed until it answers"
            );
        }
    }

    /// Why a connection is closed, if it is.
    pub fn closed(&self, connection: &str) -> Option<Closed> {
        self.with(connection, |gate| gate.closed.clone()).flatten()
    }

    /// May a job that needs this connection be started? `None`: now. Otherwise not before then, which
    /// is never in the past: a probe may be under way longer than its time, and whoever asks in a loop
    /// must not keep a small machine from ever ending it.
    pub fn shut_until(&self, connection: &str, now: Timestamp) -> Option<Timestamp> {
        self.with(connection, |gate| match (&gate.closed, gate.hold) {
            (Some(closed), _) => Some(closed.next_probe.max(now)),
            (None, Some(hold)) if hold > now => Some(hold),
            (None, _) => None,
        })
        .flatten()
    }

    /// How many jobs of this lot are under way on a connection.
    pub fn under_way(&self, connection: &str, lot: Lot) -> usize {
        self.with(connection, |gate| gate.under_way[lot as usize]).unwrap_or_default()
    }

    fn enter(&self, connection: &str, lot: Lot) {
        self.with(connection, |gate| gate.under_way[lot as usize] += 1);
    }

    fn leave(&self, connection: &str, lot: Lot) {
        self.with(connection, |gate| {
            let held = &mut gate.under_way[lot as usize];
            *held = held.saturating_sub(1);
        });
    }

    /// `(connection, why it is closed)` of all.
    pub fn states(&self) -> Vec<(String, Option<Closed>)> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().map(|(name, gate)| (name.clone(), gate.closed.clone())).collect()
    }

    /// How these connections do, where that has changed since it was told last (a first answer is a
    /// change, a later one is not), or 30 s later; else nothing.
    pub fn news(&self, of: &BTreeSet<String>, now: Timestamp) -> Vec<Condition> {
        let conditions: Vec<Condition> = {
            let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            let ours = gates.iter().filter(|(name, _)| of.contains(*name));
            ours.map(|(name, gate)| condition(name, gate)).collect()
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let same = told.1.len() == conditions.len()
            && told.1.iter().zip(&conditions).all(|(then, now)| {
                let answered = then.answered;
                answered.is_some() == now.answered.is_some()
                    && *then == Condition { answered, ..now.clone() }
            });
        let due = told.0.is_none_or(|then| plus(then, TOLD_AGAIN) <= now || then > now);
        if same && !due {
            return Vec::new();
        }
        *told = (Some(now), conditions.clone());
        conditions
    }

    /// What was told last was not heard.
    pub fn unheard(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = (None, Vec::new());
    }

    fn with<T>(&self, connection: &str, act: impl FnOnce(&mut Gate) -> T) -> Option<T> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.get_mut(connection).map(act)
    }
}

fn condition(connection: &str, gate: &Gate) -> Condition {
    let (state, why, since) = match &gate.closed {
        None => ("ready", None, gate.open_since),
        Some(closed) if closed.whose == Whose::Setup => {
            ("setting up", Some(closed.why.clone()), closed.since)
        }
        Some(closed) => ("paused", Some(closed.why.clone()), closed.since),
    };
    Condition { connection: connection.to_owned(), state, why, since, answered: gate.answered }
}

fn paused(connection: &str, value: f64) {
    metrics::gauge!(telemetry::CONNECTION_PAUSED, "connection" => connection.to_owned()).set(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates() -> (Gates, Timestamp) {
        (Gates::new(["shop".to_owned()].into_iter()), Clock::default().now())
    }

    #[test]
    fn a_job_goes_over_to_where_it_sends_if_there_is_room() {
        let names = ["shop", "whatsapp"].map(str::to_owned);
        let gates = Arc::new(Gates::new(names.into_iter()));
        let items = |connection: &str| gates.under_way(connection, Lot::Items);
        let take = || Place::take(&gates, "shop", Lot::Items);
        let (mut first, mut second) = (take(), take());
        assert!(first.go_to("whatsapp", 1) && first.go_to("whatsapp", 1));
        assert!(!second.go_to("whatsapp", 1), "there is room for one");
        assert_eq!((items("shop"), items("whatsapp")), (1, 1));
        drop(first);
        assert!(second.go_to("whatsapp", 1));
        drop(second);
        assert_eq!((items("shop"), items("whatsapp")), (0, 0));
    }

    #[test]
    fn one_failure_is_the_items_matter_three_close() {
        let (gates, now) = gates();
        let delay = Delay::connection("HTTP 502");
        gates.failure("shop", &delay, now);
        gates.failure("shop", &delay, now);
        assert_eq!(gates.shut_until("shop", now), None);
        gates.failure("shop", &delay, now);
        assert_eq!(gates.shut_until("shop", now), Some(plus(now, Duration::from_secs(5))));
        // A probe may take longer than its time: nobody is told a time that is over.
        let late = plus(now, Duration::from_secs(60));
        assert_eq!(gates.shut_until("shop", late), Some(late));
        assert!(gates.success("shop"));
        assert_eq!(gates.shut_until("shop", now), None);
    }

    #[test]
    fn a_wrong_key_closes_at_once_and_probes_slow_down_but_go_on() {
        let (gates, now) = gates();
        let delay = Delay::access("Wrong \"apiKey\" value.");
        gates.failure("shop", &delay, now);
        assert_eq!(gates.closed("shop").map(|closed| closed.since), Some(now));
        for hours in [1, 24, 24 * 365] {
            let then = plus(now, Duration::from_secs(hours * 3600));
            gates.failure("shop", &delay, then);
            let closed = gates.closed("shop");
            assert_eq!(closed.as_ref().map(|closed| closed.since), Some(now));
            assert_eq!(
                closed.map(|closed| closed.next_probe),
                Some(plus(then, Duration::from_secs(60)))
            );
        }
    }

    #[test]
    fn an_incomplete_set_up_is_told_once_and_tried_ever_more_seldom() {
        let (gates, now) = gates();
        let delay = Delay::setup("run `leadlink setup`");
        gates.failure("shop", &delay, now);
        // The probe gets through, jobs ask their facts, and fail at the missing field again.
        assert!(gates.success("shop"));
        let then = plus(now, Duration::from_secs(400));
        gates.failure("shop", &delay, then);
        let closed = gates.closed("shop");
        assert_eq!(closed.as_ref().map(|closed| closed.since), Some(now));
        assert_eq!(
            closed.map(|closed| closed.next_probe),
            Some(plus(then, Duration::from_secs(60)))
        );
        // Mended: an effect is done, and the next trouble is a new one.
        gates.performed("shop");
        let much_later = plus(now, Duration::from_secs(4000));
        gates.failure("shop", &delay, much_later);
        assert_eq!(gates.closed("shop").map(|closed| closed.since), Some(much_later));
    }

    #[test]
    fn a_far_side_that_asks_to_wait_is_waited_for() {
        let (gates, now) = gates();
        let delay = Delay::item("429").after(Some(Duration::from_secs(7)));
        gates.failure("shop", &delay, now);
        assert_eq!(gates.shut_until("shop", now), Some(plus(now, Duration::from_secs(7))));
        assert_eq!(gates.shut_until("shop", plus(now, Duration::from_secs(7))), None);
    }

    #[test]
    fn news_are_told_when_something_changes_and_every_half_minute() {
        let (gates, now) = gates();
        let none = BTreeSet::new();
        let shop = BTreeSet::from(["shop".to_owned()]);
        assert_eq!(gates.news(&none, now)[..], [], "what is another's is not told");
        assert_eq!(gates.news(&shop, now).len(), 1);
        assert_eq!(gates.news(&shop, now)[..], []);
        gates.unheard();
        assert_eq!(gates.news(&shop, now).len(), 1);
        gates.success("shop");
        assert!(gates.news(&shop, now)[0].answered.is_some(), "the first answer");
        gates.success("shop");
        let soon = plus(now, Duration::from_secs(29));
        assert_eq!(gates.news(&shop, soon)[..], [], "a later answer can wait");
        let later = plus(now, Duration::from_secs(30));
        assert_eq!(gates.news(&shop, later).len(), 1);
        gates.failure("shop", &Delay::access("Wrong key"), later);
        let told = gates.news(&shop, later);
        assert_eq!((told[0].state, told[0].why.as_deref()), ("paused", Some("Wrong key")));
        assert_eq!(told[0].since, later);
        gates.failure("shop", &Delay::setup("run `leadlink setup`"), later);
        assert_eq!(gates.news(&shop, later)[0].state, "setting up");
        gates.success("shop");
        assert_eq!(gates.news(&shop, later)[0].state, "ready");
    }
}
