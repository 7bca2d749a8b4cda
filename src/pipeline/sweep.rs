//! Keeps the leases, takes back what was left, and shows the state in metrics. Invariant: our own
//! leases are lengthened before any is taken back, so a clock that jumps takes nothing from us.

use super::{Pipeline, state};
use crate::store::{Counts, Error};
use crate::telemetry;
use jiff::Timestamp;
use std::time::Duration;

/// How long a lease lasts; client time-outs stay below it.
const LEASE: Duration = Duration::from_secs(15);

/// How long a lease lasts. Tests that wait for one to run out make it short.
pub fn lease() -> Duration {
    #[cfg(feature = "testing")]
    if let Some(ms) = std::env::var("LEADLINK_LEASE").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    LEASE
}

/// How often leases are lengthened and metrics are refreshed.
pub fn every() -> Duration {
    lease() / 3
}

/// One round.
///
/// # Errors
/// The store's; the next round tries again.
pub async fn round(pipeline: &Pipeline) -> Result<(), Error> {
    let now = pipeline.clock.now();
    if !pipeline.store.is_shared() {
        // Where it is shared the keeper does so, together with the connections' (`owners`).
        pipeline.store.renew(&pipeline.owner, &pipeline.owners.jobs(), lease(), now).await?;
    }
    let taken_back = pipeline.store.sweep(now).await?;
    if taken_back > 0 {
        tracing::warn!(jobs = taken_back, "leases ran out; the jobs are decided anew");
        pipeline.wake.decide.notify_one();
    }
    state::keep(pipeline).await?;
    show(&pipeline.store.counts(now).await?, now);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^52")]
fn show(counts: &Counts, now: Timestamp) {
    let jobs = |state: &'static str, count: u64| {
        metrics::gauge!(telemetry::JOBS, "state" => state).set(count as f64);
    };
    jobs("waiting", counts.waiting);
    jobs("deciding", counts.deciding);
    jobs("acted", counts.acted);
    jobs("skipped", counts.skipped);
    jobs("stuck", counts.stuck);
    metrics::gauge!(telemetry::WAITING_FOR_PERSON).set((counts.stuck + counts.unreadable) as f64);
    let lag = counts.oldest_due.map_or(0.0, |due| now.duration_since(due).as_secs_f64().max(0.0));
    metrics::gauge!(telemetry::OLDEST_DUE_LAG).set(lag);
    for (connection, feed, moved) in &counts.cursors {
        metrics::gauge!(
            telemetry::CURSOR_AGE,
            "connection" => connection.clone(), "feed" => feed.clone()
        )
        .set(now.duration_since(*moved).as_secs_f64());
    }
}
