//! The loops of the daemon. Invariant: a loop never ends by itself — it logs, waits and goes on —
//! and at a stop nothing new is begun while what is under way comes to its end.

use super::{Pipeline, decide, drift, poll, route, sweep};
use crate::clock::plus;
use crate::connectors::port::Feed;
use crate::store::{Command, Error};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// At most so long is waited at a stop for what is under way (a request's time-out is below it).
const GRACE: Duration = Duration::from_secs(20);
/// A loop that missed every hint looks again after this.
const GUARANTEE: Duration = Duration::from_secs(1);
const AFTER_TROUBLE: Duration = Duration::from_millis(500);
const CLAIM: u32 = 32;

type Wakes = Arc<BTreeMap<(String, &'static str), Arc<Notify>>>;

/// When each connection was first started.
pub type FirstStarts = Arc<BTreeMap<String, Timestamp>>;

/// Keeps when each connection was first started. Before any door opens: a delivery that is kept
/// while this is not would look older than the start of the next process, and be lost.
///
/// # Errors
/// The store's.
pub async fn first_starts(pipeline: &Pipeline) -> Result<FirstStarts, Error> {
    let mut first_starts = BTreeMap::new();
    for name in pipeline.connectors.keys() {
        let now = pipeline.clock.now();
        first_starts.insert(name.clone(), pipeline.store.first_start(name, now).await?);
    }
    Ok(Arc::new(first_starts))
}

/// Runs until `stop`, then lets what is under way end.
pub async fn run(pipeline: Pipeline, first_starts: FirstStarts, stop: CancellationToken) {
    let tracker = TaskTracker::new();
    let wakes = pollers(&pipeline, &first_starts, &tracker, &stop);
    tracker.spawn(route_loop(pipeline.clone(), Arc::clone(&first_starts), stop.clone()));
    tracker.spawn(decide_loop(pipeline.clone(), tracker.clone(), stop.clone()));
    tracker.spawn(sweep_loop(pipeline.clone(), tracker.clone(), stop.clone()));
    tracker.spawn(command_loop(pipeline.clone(), wakes, first_starts, stop.clone()));
    for name in pipeline.connectors.keys() {
        tracker.spawn(probe_loop(pipeline.clone(), name.clone(), stop.clone()));
        tracker.spawn(drift::forever(pipeline.clone(), name.clone(), stop.clone()));
    }
    stop.cancelled().await;
    tracker.close();
    if tokio::time::timeout(GRACE, tracker.wait()).await.is_err() {
        tracing::warn!("some requests did not end in time; their steps will be looked for");
    }
}

fn pollers(
    pipeline: &Pipeline,
    first_starts: &BTreeMap<String, Timestamp>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Wakes {
    let mut wakes = BTreeMap::new();
    for (name, connector) in pipeline.connectors.iter() {
        let Some(first_start) = first_starts.get(name).copied() else { continue };
        for feed in connector.feeds() {
            let wake = Arc::new(Notify::new());
            wakes.insert((name.clone(), feed.name), Arc::clone(&wake));
            let hints = (wake, stop.clone());
            tracker.spawn(poll::forever(pipeline.clone(), name.clone(), feed, first_start, hints));
        }
    }
    Arc::new(wakes)
}

async fn route_loop(
    pipeline: Pipeline,
    first_starts: Arc<BTreeMap<String, Timestamp>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let arrived = pipeline.wake.arrivals.load(Ordering::Relaxed);
        let begun = Instant::now();
        let pause = match route::batch(&pipeline, &first_starts).await {
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
            let closed = closed(pipeline, &connection, now);
            if room == 0 || closed.len() == pipeline.book.flows().len() {
                break;
            }
            let jobs =
                pipeline.store.claim(&pipeline.owner, room, &closed, sweep::LEASE, now).await?;
            let claimed = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            for job in jobs {
                pipeline.gates.enter(&connection);
                let (pipeline, connection) = (pipeline.clone(), connection.clone());
                tracker.spawn(async move {
                    decide::job(&pipeline, job).await;
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
        !idle.contains(connection) || shut(pipeline, bound, now).is_some()
    });
    let full: Vec<String> = full.map(|bound| bound.name.clone()).collect();
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
    let other = |bound: &&crate::mapping::Bound| {
        pipeline.book.writes_to(bound).unwrap_or_default() != connection
            || shut(pipeline, bound, now).is_some()
    };
    pipeline.book.flows().iter().filter(other).map(|bound| bound.name.clone()).collect()
}

fn shut(pipeline: &Pipeline, bound: &crate::mapping::Bound, now: Timestamp) -> Option<Timestamp> {
    pipeline.book.needs(bound).filter_map(|name| pipeline.gates.shut_until(name, now)).max()
}

async fn sweep_loop(pipeline: Pipeline, tracker: TaskTracker, stop: CancellationToken) {
    // While jobs come to their end at a stop, their leases are still kept.
    while !(stop.is_cancelled() && tracker.len() <= 1) {
        if let Err(error) = sweep::round(&pipeline).await {
            tracing::error!(%error, "the sweep failed; it is tried again");
        }
        if stop.is_cancelled() {
            tokio::time::sleep(AFTER_TROUBLE).await;
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(sweep::EVERY) => {}
        }
    }
}

async fn probe_loop(pipeline: Pipeline, name: String, stop: CancellationToken) {
    let Some(connector) = pipeline.connector(&name).cloned() else { return };
    while !stop.is_cancelled() {
        let now = pipeline.clock.now();
        let until = match pipeline.gates.closed(&name) {
            None => plus(now, GUARANTEE),
            Some(closed) if closed.next_probe > now => closed.next_probe,
            Some(_) => {
                match connector.probe().await {
                    Ok(()) => {
                        pipeline.gates.success(&name);
                        pipeline.wake.decide.notify_one();
                    }
                    Err(delay) => pipeline.gates.failure(&name, &delay, pipeline.clock.now()),
                }
                continue;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.clock.sleep_until(until) => {}
        }
    }
}

/// Performs what other processes (`leadlink poll`) have left for the daemon.
async fn command_loop(
    pipeline: Pipeline,
    wakes: Wakes,
    first_starts: Arc<BTreeMap<String, Timestamp>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        match pipeline.store.take_command(pipeline.clock.now()).await {
            Ok(Some(command)) => {
                let answer = obey(&pipeline, &command, &wakes, &first_starts).await;
                let now = pipeline.clock.now();
                if let Err(error) = pipeline.store.answer_command(command.id, &answer, now).await {
                    tracing::error!(%error, "the answer to a command was not kept");
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "commands cannot be read; it is tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(AFTER_TROUBLE) => {}
        }
    }
}

async fn obey(
    pipeline: &Pipeline,
    command: &Command,
    wakes: &Wakes,
    first_starts: &BTreeMap<String, Timestamp>,
) -> Value {
    let connection = command.body.get("connection").and_then(Value::as_str).unwrap_or_default();
    let (Some(connector), Some(first_start), "poll") =
        (pipeline.connector(connection), first_starts.get(connection), command.kind.as_str())
    else {
        return json!({ "error": format!("cannot {} {connection}", command.kind) });
    };
    let mut answer = serde_json::Map::new();
    for feed in connector.feeds() {
        let told = read(pipeline, connection, connector, &feed, *first_start).await;
        answer.insert(feed.name.to_owned(), told);
        if let Some(wake) = wakes.get(&(connection.to_owned(), feed.name)) {
            wake.notify_one();
        }
    }
    Value::Object(answer)
}

/// Reads a feed once and says what it brought.
pub async fn read(
    pipeline: &Pipeline,
    connection: &str,
    connector: &Arc<dyn crate::connectors::Connector>,
    feed: &Feed,
    first_start: Timestamp,
) -> Value {
    match poll::once(pipeline, connection, connector, feed, first_start).await {
        Ok(brought) => {
            json!({ "new": brought.new, "known": brought.known, "pages": brought.pages })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}
