//! The loops of each connection: its pollers, its prober, its look for drift, its backfills. Invariant: they run for the connections
//! that are ours, with the connector as it is now; what ended is said to `owners`.

use super::{Pipeline, backfill, drift, poll};
use crate::clock::plus;
use crate::connectors::Connector;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A prober of a connection that answers looks again after this.
const LOOK: Duration = Duration::from_secs(1);

struct Tended {
    connector: Arc<dyn Connector>,
    stop: CancellationToken,
    loops: TaskTracker,
}

/// Starts and ends the loops of connections as they become ours or another's, until `stop`.
pub async fn forever(pipeline: Pipeline, tracker: TaskTracker, stop: CancellationToken) {
    let mut changes = pipeline.owners.changes();
    let mut all: BTreeMap<String, Tended> = BTreeMap::new();
    while !stop.is_cancelled() {
        let pipeline = pipeline.fresh();
        let ours = pipeline.owners.all();
        let stale: Vec<String> = all
            .iter()
            .filter(|(name, tended)| {
                let now = pipeline.connector(name).filter(|_| ours.contains(*name));
                now.is_none_or(|now| !Arc::ptr_eq(now, &tended.connector))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in stale {
            let Some(tended) = all.remove(&name) else { continue };
            tended.stop.cancel();
            if ours.contains(&name) {
                // Its successor here reads the same cursors: one at a time.
                tended.loops.wait().await;
            } else {
                let pipeline = pipeline.clone();
                tracker.spawn(async move {
                    tended.loops.wait().await;
                    pipeline.owners.tend(&name, false);
                });
            }
        }
        for name in ours {
            let Some(connector) = pipeline.connector(&name) else { continue };
            if !all.contains_key(&name) {
                all.insert(name.clone(), tend(&pipeline, &name, connector, &tracker, &stop));
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            _ = changes.changed() => {}
        }
    }
}

/// The loops of one connection.
fn tend(
    pipeline: &Pipeline,
    name: &str,
    connector: &Arc<dyn Connector>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Tended {
    let stop = stop.child_token();
    let loops = TaskTracker::new();
    pipeline.owners.tend(name, true);
    if let Some(first_start) = pipeline.first_starts.get(name).copied() {
        for feed in connector.feeds() {
            let wake = Arc::new(Notify::new());
            let mut feeds = pipeline.wake.feeds.lock().unwrap_or_else(PoisonError::into_inner);
            feeds.insert((name.to_owned(), feed.name), Arc::clone(&wake));
            drop(feeds);
            let hints = (wake, stop.clone());
            let reading =
                poll::forever(pipeline.clone(), name.to_owned(), feed, first_start, hints);
            tracker.spawn(loops.track_future(reading));
        }
    }
    tracker.spawn(loops.track_future(probe(pipeline.clone(), name.to_owned(), stop.clone())));
    let looking = drift::forever(pipeline.clone(), name.to_owned(), stop.clone());
    tracker.spawn(loops.track_future(looking));
    let reading = backfill::forever(pipeline.clone(), name.to_owned(), stop.clone());
    tracker.spawn(loops.track_future(reading));
    loops.close();
    Tended { connector: Arc::clone(connector), stop, loops }
}

/// Asks a connection in trouble whether it answers again.
pub(super) async fn probe(pipeline: Pipeline, name: String, stop: CancellationToken) {
    let Some(connector) = pipeline.connector(&name).cloned() else { return };
    while !stop.is_cancelled() {
        let now = pipeline.clock.now();
        let until = match pipeline.gates.closed(&name) {
            None => plus(now, LOOK),
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
