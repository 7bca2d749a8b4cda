//! The loops of the daemon. Invariant: a loop never ends by itself — it logs, waits and goes on —
//! and at a stop nothing new is begun while what is under way comes to its end.

use super::gate::{Lot, Place};
use super::owners::{self, Sign, Work};
use super::{Pipeline, decide, fold, obey, route, sweep, tend};
use crate::clock::plus;
use crate::mapping::Bound;
use crate::store::{Claimant, Claimed, Error};
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
/// Of jobs that a person asked for (a backfill) so many may wait or be under way at a time.
pub const ASKED: u32 = 200;

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
    tracker.spawn(fold::forever(pipeline.clone(), stop.clone()));
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
    let mut idle: BTreeSet<Track> = BTreeSet::new();
    for track in tracks(pipeline) {
        loop {
            let now = pipeline.clock.now();
            let room = room(pipeline, &track).min(CLAIM);
            // From here on nothing of this is given up; what is being given up is closed already.
            let work = Arc::new(pipeline.owners.begin(needs(pipeline, &track, &[])));
            let mut closed = closed(pipeline, &track, now);
            if room == 0 || closed.len() == pipeline.book.flows().len() {
                break;
            }
            closed.extend(pipeline.owners.foreign());
            let needs = needs(pipeline, &track, &closed);
            let claimant =
                Claimant { owner: &pipeline.owner, needs: &needs, lease: sweep::lease() };
            let jobs = pipeline.store.claim(&claimant, room, &closed, now).await?;
            let claimed = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            for job in jobs {
                begin(pipeline, tracker, &track, (job, Arc::clone(&work)));
            }
            if claimed < room {
                idle.insert(track);
                break;
            }
        }
    }
    let now = pipeline.clock.now();
    let flows = pipeline.book.flows().iter();
    let full = flows.filter(|bound| {
        !idle.contains(&track_of(pipeline, bound)) || !may_begin(pipeline, bound, now)
    });
    let full = full.map(|bound| bound.name.clone()).chain(pipeline.owners.foreign());
    let full: Vec<String> = full.collect();
    let due = pipeline.store.next_due(&full).await?;
    let soonest = plus(now, Duration::from_millis(20));
    let latest = plus(now, Duration::from_secs(3600));
    let opens = pipeline.book.flows().iter().filter_map(|bound| shut(pipeline, bound, now)).min();
    Ok(due.unwrap_or(latest).min(opens.unwrap_or(latest)).max(soonest))
}

/// Decides a claimed job beside the others.
fn begin(
    pipeline: &Pipeline,
    tracker: &TaskTracker,
    track: &Track,
    (job, work): (Claimed, Arc<Work>),
) {
    let (id, lot) = (job.fence.job, track.lot(job.event.asked));
    let mut place = Place::take(&pipeline.gates, &track.connection, lot);
    pipeline.owners.enter(id);
    let pipeline = pipeline.clone();
    tracker.spawn(async move {
        decide::job(&pipeline, job, &mut place).await;
        drop(work);
        pipeline.owners.leave(id);
        drop(place);
        pipeline.wake.decide.notify_one();
    });
}

/// Flows that share room: those that write to one connection, item by item or in batches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Track {
    /// Empty for flows without steps.
    connection: String,
    batched: bool,
}

impl Track {
    fn lot(&self, asked: bool) -> Lot {
        match (self.batched, asked) {
            (false, _) => Lot::Items,
            (true, false) => Lot::Batches,
            (true, true) => Lot::Asked,
        }
    }
}

fn track_of(pipeline: &Pipeline, bound: &Bound) -> Track {
    let connection = pipeline.book.writes_to(bound).unwrap_or_default().to_owned();
    Track { connection, batched: batch(pipeline, bound) > 1 }
}

/// How many effects of the flow one request carries at least.
fn batch(pipeline: &Pipeline, bound: &Bound) -> u32 {
    let steps = bound.flow.steps.iter();
    let offers = steps.map(|step| pipeline.book.operation(bound, &step.role, &step.operation));
    offers.map(|offer| offer.map_or(1, |offer| offer.batch)).min().unwrap_or(1)
}

fn tracks(pipeline: &Pipeline) -> BTreeSet<Track> {
    pipeline.book.flows().iter().map(|bound| track_of(pipeline, bound)).collect()
}

fn flows_of<'a>(pipeline: &'a Pipeline, track: &'a Track) -> impl Iterator<Item = &'a Bound> {
    pipeline.book.flows().iter().filter(|bound| track_of(pipeline, bound) == *track)
}

/// How many more jobs may be under way: facts are read only when a request may soon be sent, so a
/// slow far side gets few at a time; two requests' worth where one carries many. What a person asked
/// for takes none of that room: who asks lets only [`ASKED`] of them wait at a time, which are all
/// claimed at once, so that what is live neither waits behind them nor beside them.
fn room(pipeline: &Pipeline, track: &Track) -> u32 {
    let under_way = |lot| {
        let jobs = pipeline.gates.under_way(&track.connection, lot);
        u32::try_from(jobs).unwrap_or(u32::MAX)
    };
    if track.batched {
        let batches = flows_of(pipeline, track).map(|bound| batch(pipeline, bound));
        let most = batches.max().unwrap_or(1).saturating_mul(2);
        let beyond = under_way(Lot::Asked).saturating_sub(ASKED.saturating_mul(2));
        return most.saturating_sub(under_way(Lot::Batches)).saturating_sub(beyond);
    }
    most(pipeline, &track.connection).saturating_sub(under_way(Lot::Items))
}

/// How many jobs may be under way on a connection, where each effect is a request.
pub fn most(pipeline: &Pipeline, connection: &str) -> u32 {
    let pace = pipeline.connector(connection).map_or(0.0, |connector| connector.pace());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 4..=64"
    )]
    let most = (pace * 0.6).ceil().clamp(4.0, 64.0) as u32;
    most
}

/// The flows that may not be claimed for this track now.
fn closed(pipeline: &Pipeline, track: &Track, now: Timestamp) -> Vec<String> {
    let other =
        |bound: &&Bound| track_of(pipeline, bound) != *track || !may_begin(pipeline, bound, now);
    pipeline.book.flows().iter().filter(other).map(|bound| bound.name.clone()).collect()
}

/// What the flows of this track need that are not closed.
fn needs(pipeline: &Pipeline, track: &Track, closed: &[String]) -> Vec<String> {
    let open = flows_of(pipeline, track).filter(|bound| !closed.contains(&bound.name));
    let needs: BTreeSet<&str> = open.flat_map(|bound| pipeline.book.needs(bound)).collect();
    needs.into_iter().map(str::to_owned).collect()
}

/// Is all that the flow needs ours, and does that answer without which none of its jobs can be done?
fn may_begin(pipeline: &Pipeline, bound: &Bound, now: Timestamp) -> bool {
    pipeline.book.needs(bound).all(|name| pipeline.owners.works(name))
        && shut(pipeline, bound, now).is_none()
}

fn shut(pipeline: &Pipeline, bound: &Bound, now: Timestamp) -> Option<Timestamp> {
    pipeline.book.waits_for(bound).filter_map(|name| pipeline.gates.shut_until(name, now)).max()
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
