//! The only place that reads the time. Invariant: everything below a hand gets `now` as an
//! argument; with the feature `testing` a test moves this clock and every sleeper notices.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// A clock that runs with the system's, shifted by what a test asked for. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    shift_ms: Arc<AtomicI64>,
    moved: Arc<watch::Sender<u64>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { shift_ms: Arc::default(), moved: Arc::new(watch::Sender::new(0)) }
    }
}

impl Clock {
    /// Now, to the millisecond.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    pub fn now(&self) -> Timestamp {
        let real = Timestamp::now().as_millisecond();
        let shift = self.shift_ms.load(Ordering::Acquire);
        Timestamp::from_millisecond(real.saturating_add(shift)).unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward (or back) and wakes every sleeper.
    pub fn shift(&self, by: SignedDuration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shift_ms.fetch_add(ms, Ordering::AcqRel);
        self.moved.send_modify(|count| *count += 1);
    }

    /// Sleeps until the clock shows `when`.
    pub async fn sleep_until(&self, when: Timestamp) {
        let mut moved = self.moved.subscribe();
        loop {
            let left = when.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// How long it is until then; nothing where that is over.
    pub fn left(&self, until: Timestamp) -> Duration {
        Duration::try_from(until.duration_since(self.now())).unwrap_or_default()
    }

    /// Sleeps for `span` of this clock's time.
    pub async fn sleep(&self, span: Duration) {
        self.sleep_until(plus(self.now(), span)).await;
    }
}

/// `now + span`, without overflow.
pub fn plus(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}
