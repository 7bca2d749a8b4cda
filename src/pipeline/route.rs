//! Rows of the inbox become events and jobs. Invariant: one row is routed in one transaction with
//! all that follows from it; what cannot be read is kept with the reason.

use super::Pipeline;
use super::receive::HOOK;
use crate::domain::{Event, JobState, Raw};
use crate::rules;
use crate::store::{Error, Judge, Judged, Reading, Routed};
use crate::telemetry;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One batch is one task of the writer; accepts that come meanwhile wait for its end.
pub const BATCH: u32 = 32;

/// Routes what waits; returns whether there may be more.
///
/// # Errors
/// The store's; nothing of the batch is lost, it is routed again.
pub async fn batch(pipeline: &Pipeline) -> Result<bool, Error> {
    let ours = pipeline.connectors.keys().filter(|name| pipeline.owners.works(name));
    let ours: Vec<String> = ours.cloned().collect();
    // Of several processes each routes what is its own: a connection that is unknown here may be known
    // to another, whose config is newer.
    let ours = pipeline.store.is_shared().then_some(ours.as_slice());
    let rows = pipeline.store.unrouted(BATCH, ours).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let more = rows.len() >= BATCH as usize;
    let readings = rows.iter().map(|raw| (raw.id, read(pipeline, raw))).collect();
    let now = pipeline.clock.now();
    let judge = judge(pipeline, now);
    let routed = pipeline.store.route(readings, judge, now).await?;
    report(&routed);
    wake(pipeline, &rows);
    if routed.jobs > 0 {
        pipeline.wake.decide.notify_one();
    }
    Ok(more)
}

fn read(pipeline: &Pipeline, raw: &Raw) -> Reading {
    let Some(connector) = pipeline.connector(&raw.connection) else {
        return Reading::Unreadable(format!("there is no connection {}", raw.connection));
    };
    match connector.parse(raw) {
        Ok(events) => {
            lag(raw, &events);
            Reading::Events(events)
        }
        Err(error) => {
            tracing::warn!(
                connection = %raw.connection, channel = %raw.channel, raw = raw.id, why = %error,
                "a delivery cannot be read; it is kept"
            );
            metrics::counter!(telemetry::UNREADABLE, "connection" => raw.connection.clone())
                .increment(1);
            Reading::Unreadable(error.0)
        }
    }
}

fn judge(pipeline: &Pipeline, now: Timestamp) -> Judge {
    let first_starts = Arc::clone(&pipeline.first_starts);
    let book = Arc::clone(&pipeline.book);
    Arc::new(move |event: &Event, jobs: &[(String, JobState)]| {
        let first_start = first_starts.get(&event.connection).copied();
        Judged {
            jobs: rules::route::route(&book, event, jobs, first_start, now),
            lead: rules::route::lead(&book, event),
            fate: rules::route::fate(&book, event),
            kept: rules::route::kept(&book, event),
        }
    })
}

/// What came in at the door of some connections only tells that there is something to be read. Who
/// routes for a connection is who reads its feeds. Also what could not be read is a call.
fn wake(pipeline: &Pipeline, rows: &[Raw]) {
    let called = rows.iter().filter(|raw| raw.channel == HOOK).filter_map(|raw| {
        let feed = pipeline.connector(&raw.connection)?.wakes(raw)?;
        Some((raw.connection.as_str(), feed))
    });
    for (name, feed) in called.collect::<BTreeSet<_>>() {
        pipeline.wake.feed(name, feed);
    }
}

/// How long after its registration an event came that a feed brought.
fn lag(raw: &Raw, events: &[Event]) {
    if raw.channel == HOOK {
        return;
    }
    for event in events.iter().filter(|event| !event.asked) {
        let lag = raw.received.duration_since(event.registered).as_secs_f64().max(0.0);
        metrics::histogram!(
            telemetry::FEED_LAG,
            "connection" => raw.connection.clone(), "feed" => raw.channel.clone()
        )
        .record(lag);
    }
}

fn report(routed: &Routed) {
    tracing::debug!(
        events = routed.events,
        repeats = routed.repeats,
        jobs = routed.jobs,
        unreadable = routed.unreadable,
        "routed"
    );
}
