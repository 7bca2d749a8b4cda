//! When this process may send, and on which connections. Invariant: where several processes share a
//! database, a request leaves only while its connection is this process's, without a break since the
//! request was asked for: one that waited while the lease ran out is another's to make.
//!
//! Asked at every step of a request until it has left, since a process may stand still (a pause, a
//! machine that moves) at any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The leave of this process. At first it may send everywhere, for ever: so it stays where it shares
/// nothing with others.
#[derive(Default)]
pub struct Leave {
    shared: Mutex<Option<Held>>,
}

/// What is ours, and until when.
struct Held {
    last: Instant,
    tenures: BTreeMap<String, Tenure>,
    /// The number of the newest tenure.
    newest: u64,
}

/// An unbroken time in which a connection is ours.
#[derive(Clone, Copy)]
struct Tenure {
    number: u64,
    /// Nothing is sent before this instant: another may have sent a moment ago.
    first: Option<Instant>,
}

/// Leave for one request: good for as long as the tenure in which it was asked for.
pub struct Pass {
    tenure: Option<Tenure>,
}

impl Pass {
    /// The request waits until then.
    pub(super) fn first(&self) -> Option<Instant> {
        self.tenure.and_then(|tenure| tenure.first)
    }
}

impl Leave {
    /// These connections are ours until `last`, all others are not. Those that were not ours without
    /// a break until now begin a tenure, and send nothing before `first`; they are returned.
    pub fn hold(
        &self,
        owned: &BTreeSet<String>,
        last: Instant,
        first: Option<Instant>,
    ) -> BTreeSet<String> {
        let mut shared = self.lock();
        let mut before = shared.take();
        let mut newest = before.as_ref().map_or(0, |held| held.newest);
        if before.as_ref().is_some_and(|held| Instant::now() >= held.last) {
            before = None;
        }
        let kept = before.map(|held| held.tenures).unwrap_or_default();
        let mut begun = BTreeSet::new();
        let tenures = owned.iter().map(|name| {
            let tenure = kept.get(name).copied().unwrap_or_else(|| {
                newest += 1;
                begun.insert(name.clone());
                Tenure { number: newest, first }
            });
            (name.clone(), tenure)
        });
        let tenures = tenures.collect();
        *shared = Some(Held { last, tenures, newest });
        begun
    }

    /// From now on these are not ours.
    pub fn give_up<'a>(&self, connections: impl IntoIterator<Item = &'a String>) {
        if let Some(held) = self.lock().as_mut() {
            for connection in connections {
                held.tenures.remove(connection);
            }
        }
    }

    /// Leave for a request to the connection; `None` where it is not ours.
    pub(super) fn pass(&self, connection: &str) -> Option<Pass> {
        let shared = self.lock();
        let Some(held) = shared.as_ref() else { return Some(Pass { tenure: None }) };
        let tenure = held.tenures.get(connection).filter(|_| Instant::now() < held.last)?;
        Some(Pass { tenure: Some(*tenure) })
    }

    /// Is it still good?
    pub(super) fn holds(&self, connection: &str, pass: &Pass) -> bool {
        let now = self.pass(connection);
        let number = |pass: &Pass| pass.tenure.map(|tenure| tenure.number);
        now.is_some_and(|now| pass.tenure.is_none() || number(&now) == number(pass))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn who_shares_nothing_sends_everywhere() {
        let leave = Leave::default();
        let pass = leave.pass("shop").unwrap();
        assert!(leave.holds("shop", &pass) && pass.first().is_none());
    }

    #[test]
    fn a_lease_that_is_kept_is_one_tenure() {
        let leave = Leave::default();
        assert_eq!(leave.hold(&names(&["shop"]), in_a_minute(), None), names(&["shop"]));
        let pass = leave.pass("shop").unwrap();
        assert!(leave.hold(&names(&["shop"]), in_a_minute(), Some(in_a_minute())).is_empty());
        assert!(leave.holds("shop", &pass));
        assert!(leave.pass("other").is_none());
    }

    #[test]
    fn a_request_of_before_a_break_is_never_sent() {
        let leave = Leave::default();
        leave.hold(&names(&["shop"]), in_a_minute(), None);
        let pass = leave.pass("shop").unwrap();
        // The lease runs out and is had anew.
        leave.hold(&names(&["shop"]), Instant::now(), None);
        assert!(!leave.holds("shop", &pass) && leave.pass("shop").is_none());
        let first = Some(Instant::now());
        assert_eq!(leave.hold(&names(&["shop"]), in_a_minute(), first), names(&["shop"]));
        assert!(!leave.holds("shop", &pass), "somebody else may have made it meanwhile");
        assert_eq!(leave.pass("shop").unwrap().first(), first);
    }

    #[test]
    fn what_was_given_up_or_lost_is_another_tenure_when_it_comes_back() {
        let leave = Leave::default();
        leave.hold(&names(&["a", "b"]), in_a_minute(), None);
        let (a, b) = (leave.pass("a").unwrap(), leave.pass("b").unwrap());
        leave.give_up(&names(&["a"]));
        assert!(!leave.holds("a", &a) && leave.holds("b", &b));
        assert_eq!(leave.hold(&names(&["a", "b"]), in_a_minute(), None), names(&["a"]));
        assert!(!leave.holds("a", &a) && leave.holds("b", &b));
        leave.hold(&names(&["a"]), in_a_minute(), None);
        assert!(!leave.holds("b", &b));
    }

    #[test]
    fn a_pass_of_before_the_first_bid_does_not_outlive_it() {
        let leave = Leave::default();
        let pass = leave.pass("shop").unwrap();
        leave.hold(&names(&[]), in_a_minute(), None);
        assert!(!leave.holds("shop", &pass));
    }
}
