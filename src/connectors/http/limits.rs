//! The buckets of all far-side hosts. Invariant: one bucket a group, at the lowest rate of its
//! clients; waiters go in the order in which they came; no sliding second holds one request more
//! than the rate allows.
//!
//! Background work passes a second limiter at half the rate before it queues with everybody else,
//! one at a time: who is live never waits behind more than one of them.

use super::leave::Leave;
use governor::clock::{Clock, DefaultClock};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The part of the allowed rate that is used. The rest keeps a second of the far side's clock from
/// holding one request more when the network delivers two of them closer than they were sent.
const USED: f64 = 0.965;
/// The part of a group's rate that background work may take at most.
const BACKGROUND: f64 = 0.5;
/// Above this the limit costs more than it saves: a stand-in on this machine.
const UNLIMITED: f64 = 1000.0;
/// The limiter counts in nanoseconds of 64 bits; slower than this nobody means.
const SLOWEST: Duration = Duration::from_secs(24 * 3600);
/// One request in the limiter's cells.
const CELLS: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// A request may go this much before its time if the one before went that late, so that late timers
/// do not add up to a lower rate. Small against what `USED` keeps back of a second.
const LATE: Duration = Duration::from_millis(5);

/// All buckets of the process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Limits {
    groups: Arc<Mutex<HashMap<String, Arc<Bucket>>>>,
    /// The lowest rate of each group, as the clients of one configuration ask for it.
    asked: Arc<Mutex<HashMap<String, f64>>>,
    leave: Arc<Leave>,
}

/// The bucket of one group.
pub(super) struct Bucket {
    /// Held while waiting: tokio's mutex is fair, governor's waiters are not.
    queue: tokio::sync::Mutex<()>,
    /// The queue before the queue: of background work.
    behind: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
    /// When the last request went on its way.
    sent: Mutex<Option<Instant>>,
}

struct Pace {
    rate: f64,
    spacing: Duration,
    /// `None`: unlimited.
    limiter: Option<Arc<Limiter<DefaultClock>>>,
    /// What of it background work may take.
    background: Option<Arc<Limiter<DefaultClock>>>,
}

type Limiter<C> = RateLimiter<
    NotKeyed,
    InMemoryState,
    C,
    governor::middleware::NoOpMiddleware<<C as Clock>::Instant>,
>;

impl Limits {
    /// The limits of the next configuration: the same buckets, whose rates stay as they are until
    /// [`Limits::adopt`].
    #[must_use]
    pub fn next(&self) -> Self {
        let (groups, leave) = (Arc::clone(&self.groups), Arc::clone(&self.leave));
        Self { groups, asked: Arc::default(), leave }
    }

    /// The buckets take the rates that the clients of this configuration asked for.
    pub fn adopt(&self) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, rate) in asked.iter() {
            let Some(bucket) = groups.get(group) else { continue };
            let mut held = bucket.pace();
            if (held.rate - rate).abs() > f64::EPSILON {
                *held = pace(*rate);
            }
        }
    }

    /// When this process may send.
    pub fn leave(&self) -> Arc<Leave> {
        Arc::clone(&self.leave)
    }

    /// The bucket of `group`, for a client that may send at `rate`.
    pub(super) fn bucket(&self, group: &str, rate: f64) -> Arc<Bucket> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let lowest = asked.entry(group.to_owned()).or_insert(rate);
        *lowest = lowest.min(rate);
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = groups.entry(group.to_owned()).or_insert_with(|| {
            Arc::new(Bucket {
                queue: tokio::sync::Mutex::default(),
                behind: tokio::sync::Mutex::default(),
                pace: Mutex::new(pace(rate)),
                sent: Mutex::default(),
            })
        });
        Arc::clone(bucket)
    }
}

impl Bucket {
    /// Waits for this caller's turn.
    pub(super) async fn turn(&self, background: bool) {
        let half = self.pace().background.clone();
        let Some(half) = half.filter(|_| background) else { return self.common_turn().await };
        // Held until the turn has come: of background work one waits among the live at a time.
        let _first = self.behind.lock().await;
        admitted(&half).await;
        self.common_turn().await;
    }

    async fn common_turn(&self) {
        let Some((limiter, spacing)) = self.limiter() else { return };
        let _first = self.queue.lock().await;
        admitted(&limiter).await;
        // The one before may have had its turn in time and gone late, if the process stood still.
        let sent = *self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(soonest) = sent.map(|sent| sent + spacing.saturating_sub(LATE)) {
            tokio::time::sleep_until(soonest.into()).await;
        }
    }

    /// A request goes on its way now.
    pub(super) fn sent(&self) {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn limiter(&self) -> Option<(Arc<Limiter<DefaultClock>>, Duration)> {
        let pace = self.pace();
        pace.limiter.clone().map(|limiter| (limiter, pace.spacing))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the limiter lets one request through.
async fn admitted(limiter: &Limiter<DefaultClock>) {
    // A request is never larger than the bucket: `burst` is above `CELLS`.
    while let Ok(Err(not_yet)) = limiter.check_n(CELLS) {
        tokio::time::sleep(not_yet.wait_time_from(limiter.clock().now())).await;
    }
}

fn pace(rate: f64) -> Pace {
    let limiter = |rate| limiter(rate, DefaultClock::default()).map(Arc::new);
    let background = limiter(rate * BACKGROUND).filter(|_| rate < UNLIMITED);
    Pace { rate, spacing: spacing(rate), limiter: limiter(rate), background }
}

fn spacing(rate: f64) -> Duration {
    Duration::try_from_secs_f64(1.0 / (rate * USED)).unwrap_or(SLOWEST).min(SLOWEST)
}

fn limiter<C: Clock>(rate: f64, clock: C) -> Option<Limiter<C>> {
    if rate >= UNLIMITED {
        return None;
    }
    let cell = spacing(rate) / CELLS.get();
    let late = LATE.as_nanos().checked_div(cell.as_nanos()).unwrap_or_default();
    let late = u32::try_from(late).unwrap_or(u32::MAX).clamp(1, CELLS.get());
    let quota = Quota::with_period(cell)?.allow_burst(CELLS.saturating_add(late));
    Some(RateLimiter::direct_with_clock(quota, clock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    /// The times (ms) at which requests go when each asks as soon as `late` after it may.
    fn times(rate: f64, count: usize, late: Duration) -> Vec<f64> {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(rate, clock.clone()).unwrap();
        let mut now = Duration::ZERO;
        let mut times = Vec::new();
        while times.len() < count {
            match limiter.check_n(CELLS).unwrap() {
                Ok(()) => times.push(now.as_secs_f64() * 1000.0),
                Err(not_yet) => {
                    let wait = not_yet.wait_time_from(clock.now()) + late;
                    clock.advance(wait);
                    now += wait;
                }
            }
        }
        times
    }

    #[test]
    fn no_sliding_second_holds_one_more_and_little_is_wasted() {
        for rate in [1.0, 5.0, 10.0, 40.0, 100.0] {
            for late in [0, 1, 3] {
                let times = times(rate, 400, Duration::from_millis(late));
                let window = rate as usize;
                for pair in times.windows(window + 1) {
                    let span = pair[window] - pair[0];
                    assert!(span > 1020.0, "{rate}/s: {} requests in {span} ms", window + 1);
                }
                let used = 399.0 / (times[399] - times[0]) * 1000.0 / rate;
                assert!((0.95..0.975).contains(&used), "{rate}/s, {late} ms late: {used}");
            }
        }
    }

    #[test]
    fn nothing_is_saved_up_while_idle() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(10.0, clock.clone()).unwrap();
        clock.advance(Duration::from_secs(60));
        assert!(limiter.check_n(CELLS).unwrap().is_ok());
        assert!(limiter.check_n(CELLS).unwrap().is_err());
    }

    #[test]
    fn a_group_has_one_bucket_at_its_lowest_rate() {
        let limits = Limits::default();
        let first = limits.bucket("crm", 10.0);
        let second = limits.bucket("crm", 4.0);
        let third = limits.bucket("crm", 2000.0);
        limits.adopt();
        assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
        assert!((first.pace.lock().unwrap().rate - 4.0).abs() < f64::EPSILON);
        assert!(limits.bucket("other", 1000.0).limiter().is_none());
    }

    #[test]
    fn the_next_configuration_changes_a_rate_only_when_it_is_adopted() {
        let limits = Limits::default();
        let bucket = limits.bucket("crm", 4.0);
        let next = limits.next();
        assert!(Arc::ptr_eq(&bucket, &next.bucket("crm", 8.0)));
        assert!((bucket.pace.lock().unwrap().rate - 4.0).abs() < f64::EPSILON);
        next.adopt();
        assert!((bucket.pace.lock().unwrap().rate - 8.0).abs() < f64::EPSILON);
    }

    #[test]
    fn an_absurd_rate_is_slow_and_does_not_overflow() {
        let limiter = limiter(1e-300, FakeRelativeClock::default()).unwrap();
        assert!(limiter.check_n(CELLS).unwrap().is_ok());
        assert!(limiter.check_n(CELLS).unwrap().is_err());
    }

    #[tokio::test]
    async fn who_went_late_keeps_the_next_one_back() {
        let bucket = Limits::default().bucket("crm", 20.0);
        bucket.turn(false).await;
        // It stood still between its turn and the wire: the next turn counts from there.
        tokio::time::sleep(Duration::from_millis(40)).await;
        bucket.sent();
        let sent = Instant::now();
        bucket.turn(false).await;
        assert!(sent.elapsed() >= spacing(20.0).saturating_sub(LATE), "{:?}", sent.elapsed());
    }

    /// Starts one waiter after another, each in its turn; their names as they went, with the time.
    async fn gone(bucket: Arc<Bucket>, waiters: &[&'static str]) -> Vec<(&'static str, Duration)> {
        let begun = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting = waiters.iter().map(|name| {
            let (bucket, order) = (Arc::clone(&bucket), Arc::clone(&order));
            async move {
                bucket.turn(*name == "behind").await;
                bucket.sent();
                order.lock().unwrap().push((*name, begun.elapsed()));
            }
        });
        futures_util::future::join_all(waiting).await;
        order.lock().unwrap().clone()
    }

    fn names(gone: &[(&'static str, Duration)]) -> Vec<&'static str> {
        gone.iter().map(|(name, _)| *name).collect()
    }

    #[tokio::test]
    async fn background_work_takes_half_of_the_rate_and_nearly_all_of_it() {
        let bucket = Limits::default().bucket("crm", 100.0);
        let gone = gone(bucket, &["behind"; 41]).await;
        let rate = 40.0 / (gone[40].1 - gone[0].1).as_secs_f64();
        // How near it comes is counted below; here the machine may be busy.
        assert!((20.0..=49.5).contains(&rate), "{rate} a second");
    }

    #[test]
    fn half_of_the_rate_is_counted_as_exactly_as_all_of_it() {
        for rate in [5.0, 10.0, 40.0] {
            let held = pace(rate);
            assert!(held.background.is_some());
            let times = times(rate * BACKGROUND, 400, Duration::ZERO);
            let used = 399.0 / (times[399] - times[0]) * 1000.0 / (rate * BACKGROUND);
            assert!((0.95..0.975).contains(&used), "{rate}/s: {used}");
        }
        assert!(pace(1500.0).background.is_none());
    }

    #[tokio::test]
    async fn the_live_wait_behind_one_of_the_background_at_most() {
        let bucket = Limits::default().bucket("crm", 100.0);
        let waiters = ["behind", "behind", "behind", "live", "live", "live", "live"];
        let names = names(&gone(bucket, &waiters).await);
        let behind = names.iter().take(5).filter(|name| **name == "behind").count();
        assert!(behind <= 2 && names[6] == "behind", "{names:?}");
    }

    #[tokio::test]
    async fn who_waits_in_the_background_keeps_no_live_one_waiting() {
        // The second of the background may go after 20 s.
        let bucket = Limits::default().bucket("crm", 0.1);
        bucket.turn(true).await;
        let waiting = tokio::spawn({
            let bucket = Arc::clone(&bucket);
            async move { bucket.turn(true).await }
        });
        tokio::task::yield_now().await;
        assert!(bucket.queue.try_lock().is_ok() && bucket.behind.try_lock().is_err());
        waiting.abort();
    }

    #[tokio::test]
    async fn waiters_go_in_order() {
        let bucket = Limits::default().bucket("crm", 900.0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiting = (0..20).map(|number| {
            let (bucket, order) = (Arc::clone(&bucket), Arc::clone(&order));
            async move {
                bucket.turn(false).await;
                order.lock().unwrap().push(number);
            }
        });
        futures_util::future::join_all(waiting).await;
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }
}
