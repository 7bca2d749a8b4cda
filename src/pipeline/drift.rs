//! The sentinel: has a far side drifted from what the flows use of it? Invariant: told before a write
//! fails — once in the log, then by metric and `status` until it is mended; a connection that is
//! paused is not asked.

use super::Pipeline;
use crate::clock::plus;
use crate::connectors::port::Glance;
use crate::diagnosis::{Problem, Severity, to_json};
use crate::domain::{Delay, Uses};
use crate::mapping;
use crate::rules::{Book, retry};
use crate::store::{self, DriftRow};
use crate::telemetry;
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lists of a far side change seldom, and a look costs few requests.
const EVERY: Duration = Duration::from_secs(3600);
const AFTER_TROUBLE: Duration = Duration::from_secs(60);

/// Why a look told nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", .0.why)]
    FarSide(Delay),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

/// What all flows use of a connection.
pub fn uses(book: &Book, connection: &str) -> Uses {
    let Some(offer) = book.offer(connection) else { return Uses::default() };
    let mut uses = Uses::default();
    for bound in book.flows() {
        let found = mapping::uses(bound, connection, offer);
        if !found.is_empty() {
            uses.of.push_str(&bound.flow.hash);
            uses.list.extend(found);
        }
    }
    uses
}

/// Looks at once and then every hour, until `stop`.
pub async fn forever(pipeline: Pipeline, name: String, stop: CancellationToken) {
    let mut failures = 0;
    while !stop.is_cancelled() {
        // The flows as they are now.
        let pipeline = pipeline.fresh();
        let now = pipeline.clock.now();
        let until = if let Some(shut) = pipeline.gates.shut_until(&name, now) {
            plus(shut, Duration::from_millis(200))
        } else {
            match once(&pipeline, &name).await {
                Ok(()) => {
                    failures = 0;
                    plus(now, EVERY)
                }
                Err(error) => {
                    tracing::warn!(connection = %name, %error, "no look for drift; it is tried again");
                    failures += 1;
                    let pause = retry::after(failures, u64::from(failures), None);
                    plus(now, pause.max(AFTER_TROUBLE))
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.clock.sleep_until(until) => {}
        }
    }
    // Whoever looks after the connection from now on tells of it.
    metrics::gauge!(telemetry::DRIFT, "connection" => name).set(0.0);
}

/// One look; what it found is kept.
///
/// # Errors
/// The far side's trouble or the store's; what the last look found stays.
pub async fn once(pipeline: &Pipeline, name: &str) -> Result<(), Error> {
    let Some(connector) = pipeline.connector(name) else { return Ok(()) };
    let uses = uses(&pipeline.book, name);
    let last = pipeline.store.drift(name).await?;
    let now = pipeline.clock.now();
    let glance = Glance { uses: &uses, before: last.as_ref().map(|last| &last.seen), now };
    let sight = connector.drift(&glance).await.map_err(|delay| {
        pipeline.gates.failure(name, &delay, pipeline.clock.now());
        Error::FarSide(delay)
    })?;
    pipeline.gates.success(name);
    let told: Vec<&Problem> =
        sight.problems.iter().filter(|problem| problem.severity > Severity::Note).collect();
    let row = DriftRow {
        connection: name.to_owned(),
        looked: now,
        problems: told.iter().map(|problem| to_json(problem)).collect(),
        seen: sight.seen,
    };
    pipeline.store.keep_drift(&row).await?;
    report(name, &row.problems, last.as_ref().map_or(&[], |last| last.problems.as_slice()));
    Ok(())
}

/// A line when something newly drifts, and one when it is mended.
#[expect(clippy::cast_precision_loss, reason = "a handful of problems")]
fn report(name: &str, now: &[Value], before: &[Value]) {
    metrics::gauge!(telemetry::DRIFT, "connection" => name.to_owned()).set(now.len() as f64);
    let title = |problem: &Value| problem["title"].as_str().unwrap_or_default().to_owned();
    let had = |all: &[Value], one: &Value| all.iter().any(|held| title(held) == title(one));
    for problem in now.iter().filter(|problem| !had(before, problem)) {
        let place = match (problem["file"].as_str(), problem["line"].as_u64()) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            _ => "the config".to_owned(),
        };
        let mend = problem["mend"].as_str().unwrap_or_default();
        tracing::warn!(connection = name, place, mend, "drift: {}", title(problem));
    }
    for problem in before.iter().filter(|problem| !had(now, problem)) {
        tracing::info!(connection = name, "mended: {}", title(problem));
    }
}
