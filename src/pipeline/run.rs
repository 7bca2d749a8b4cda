//! The loops of the daemon. Invariant: a loop never ends by itself — it logs, waits and goes on —
//! and at a stop nothing new is begun while what is under way comes to its end.

use super::owners::{self, Sign};
use super::{Pipeline, decide, obey, route, sweep, tend};
use crate::clock::plus;
use crate::mapping::Bound;
use crate::store::{Claimant, Error};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// At most so long is waited at a stop for what is under way (a request's time-out is below it).
const GRACE: Duration = Duration::from_secs(20);
/// A loop that missed every hint looks again after this.
const GUARANTEE: Duration = Duration::from_secs(1);
const AFTER_TROUBLE: Duration = Duration::from_millis(500);
const CLAIM: u32 = 32;

/// Runs until `stop`, then lets what is under way end and gives up what it owns.
pub async fn run(pipeline: Pipeline, sign: Sign, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    if let Ok(last) = pipeline.store.last_command().await {
        pipeline.wake.hear(last);
    }
    // The keeper outlives the others: what is under way at a stop is still ours.
    let done = CancellationToken::new();
    let keeper = tokio::spawn(owners::keep(pipeline.clone(), sign, done.clone()));
    let sweeper = tokio::spawn(sweep_loop(pipeline.clone(), done.clone()));
    tracker.spawn(tend::forever(pipeline.clone(), tracker.clone(), stop.clone()));
    tracker.spawn(route_loop(pipeline.clone(), stop.clone()));
    tracker.spawn(decide_loop(pipeline.clone(), tracker.clone(), stop.clone()));
    tracker.spawn(obey::forever(pipeline.clone(), stop.clone()));
    stop.cancelled().await;
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time; their steps will be looked for");
    }
    done.cancel();
    // Both end at once; an error would mean that one had ended before.
    let _ended = tokio::join!(keeper, sweeper);
    let ours: Vec<String> = pipeline.owners.changes().borrow().iter().cloned().collect();
    let now = pipeline.clock.now();
    if let Err(error) = pipeline.store.sign_off(&pipeline.owner, &ours, now).await {
        tracing::warn!(%error, "others will follow when the leases have run out");
    }
}

/// Routes and decides until `stop`, then lets what is under way end: for a command that works alone.
pub async fn work(pipeline: Pipeline, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let done = CancellationToken::new();
    let sweeper = tokio::spawn(sweep_loop(pipeline.clone(), done.clone()));
    tracker.spawn(route_loop(pipeline.clone(), stop.clone()));
    tracker.spawn(decide_loop(pipeline, tracker.clone(), stop.clone()));
    stop.cancelled().await;
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time; their steps will be looked for");
    }
    done.cancel();
    drop(sweeper.await);
}

async fn route_loop(pipeline: Pipeline, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pipeline = pipeline.fresh();
        let arrived = pipeline.wake.arrivals.load(Ordering::Relaxed);
        let begun = Instant::now();
        let pause = match route::batch(&pipeline).await {
            Ok(true) => {
                let more = pipeline.wake.arrivals.load(Ordering::Relaxed) - arrived;
                back_seat(begun.elapsed(), more, &stop).await;
                continue;
            }
            Ok(false) => GUARANTEE,
            Err(error) => {
                tracing::error!(%error, "routing failed; it is tried again");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.wake.route.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Accepts come first: while deliveries pour in faster than they are routed, routing leaves three
/// quarters of the time to them. What waits is routed when the rush is over, and long before its
/// minute has passed.
async fn back_seat(took: Duration, more: u64, stop: &CancellationToken) {
    if more < u64::from(route::BATCH) / 2 {
        return;
    }
    let pause = took.saturating_mul(3).min(Duration::from_millis(200));
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

async fn decide_loop(pipeline: Pipeline, tracker: TaskTracker, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pipeline = pipeline.fresh();
        let until = match claim(&pipeline, &tracker).await {
            Ok(until) => until,
            Err(error) => {
                tracing::error!(%error, "claiming failed; it is tried again");
                plus(pipeline.clock.now(), AFTER_TROUBLE)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.wake.decide.notified() => {}
            () = pipeline.clock.sleep_until(until) => {}
            () = tokio::time::sleep(GUARANTEE) => {}
        }
    }
}

/// Starts what is due and may run; says when to look again.
async fn claim(pipeline: &Pipeline, tracker: &TaskTracker) -> Result<Timestamp, Error> {
    let mut idle: BTreeSet<String> = BTreeSet::new();
    for connection in written_to(pipeline) {
        loop {
            let now = pipeline.clock.now();
            let room = room(pipeline, &connection).min(CLAIM);
            // From here on nothing of this is given up; what is being given up is closed already.
            let work = Arc::new(pipeline.owners.begin(needs(pipeline, &connection, &[])));
            let mut closed = closed(pipeline, &connection, now);
            if room == 0 || closed.len() == pipeline.book.flows().len() {
                break;
            }
            closed.extend(pipeline.owners.foreign());
            let needs = needs(pipeline, &connection, &closed);
            let claimant =
                Claimant { owner: &pipeline.owner, needs: &needs, lease: sweep::lease() };
            let jobs = pipeline.store.claim(&claimant, room, &closed, now).await?;
            let claimed = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            for job in jobs {
                pipeline.gates.enter(&connection);
                let id = job.fence.job;
                pipeline.owners.enter(id);
                let (pipeline, connection) = (pipeline.clone(), connection.clone());
                let work = Arc::clone(&work);
                tracker.spawn(async move {
                    decide::job(&pipeline, job).await;
                    drop(work);
                    pipeline.owners.leave(id);
                    pipeline.gates.leave(&connection);
                    pipeline.wake.decide.notify_one();
                });
            }
            if claimed < room {
                idle.insert(connection);
                break;
            }
        }
    }
    let now = pipeline.clock.now();
    let flows = pipeline.book.flows().iter();
    let full = flows.filter(|bound| {
        let connection = pipeline.book.writes_to(bound).unwrap_or_default();
        !idle.contains(connection) || !may_begin(pipeline, bound, now)
    });
    let full = full.map(|bound| bound.name.clone()).chain(pipeline.owners.foreign());
    let full: Vec<String> = full.collect();
    let due = pipeline.store.next_due(&full).await?;
    let soonest = plus(now, Duration::from_millis(20));
    let latest = plus(now, Duration::from_secs(3600));
    let opens = pipeline.book.flows().iter().filter_map(|bound| shut(pipeline, bound, now)).min();
    Ok(due.unwrap_or(latest).min(opens.unwrap_or(latest)).max(soonest))
}

/// Every connection that some flow writes to; of a flow without one, the empty name.
fn written_to(pipeline: &Pipeline) -> BTreeSet<String> {
    let flows = pipeline.book.flows().iter();
    flows.map(|bound| pipeline.book.writes_to(bound).unwrap_or_default().to_owned()).collect()
}

/// How many more jobs may be under way: facts are read only when a request may soon be sent, so a
/// slow far side gets few at a time.
fn room(pipeline: &Pipeline, connection: &str) -> u32 {
    let pace = pipeline.connector(connection).map_or(0.0, |connector| connector.pace());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 4..=64"
    )]
    let most = (pace * 0.6).ceil().clamp(4.0, 64.0) as usize;
    u32::try_from(most.saturating_sub(pipeline.gates.under_way(connection))).unwrap_or_default()
}

/// The flows that may not be claimed for this connection now.
fn closed(pipeline: &Pipeline, connection: &str, now: Timestamp) -> Vec<String> {
    let other = |bound: &&Bound| {
        pipeline.book.writes_to(bound).unwrap_or_default() != connection
            || !may_begin(pipeline, bound, now)
    };
    pipeline.book.flows().iter().filter(other).map(|bound| bound.name.clone()).collect()
}

/// What the flows need that write to this connection and are not closed.
fn needs(pipeline: &Pipeline, connection: &str, closed: &[String]) -> Vec<String> {
    let open = pipeline.book.flows().iter().filter(|bound| {
        pipeline.book.writes_to(bound).unwrap_or_default() == connection
            && !closed.contains(&bound.name)
    });
    let needs: BTreeSet<&str> = open.flat_map(|bound| pipeline.book.needs(bound)).collect();
    needs.into_iter().map(str::to_owned).collect()
}

/// Is all that the flow needs ours, and answers?
fn may_begin(pipeline: &Pipeline, bound: &Bound, now: Timestamp) -> bool {
    pipeline.book.needs(bound).all(|name| pipeline.owners.works(name))
        && shut(pipeline, bound, now).is_none()
}

fn shut(pipeline: &Pipeline, bound: &Bound, now: Timestamp) -> Option<Timestamp> {
    pipeline.book.needs(bound).filter_map(|name| pipeline.gates.shut_until(name, now)).max()
}

/// Leases are kept until all that was under way has ended.
async fn sweep_loop(pipeline: Pipeline, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = sweep::round(&pipeline).await {
            tracing::error!(%error, "the sweep failed; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.wake.sweep.notified() => {}
            () = tokio::time::sleep(sweep::every()) => {}
        }
    }
}
