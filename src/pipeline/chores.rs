//! Chores by the clock: what is done at times of the wall clock and not because something came in.
//! Invariant: a run that was missed is made up, once, whatever became of the scheduler.
//!
//! tokio-cron-scheduler gives the hint that it is time; it is never the only thing between us and a
//! missed run, for a repeated job of its may stop for ever under load (its issue 113), and it keeps
//! the zone's offset of the day on which it was started. So each chore has a loop of its own that
//! looks every minute whether it is overdue by its expression and `last_run`. A chore is claimed in
//! the store, so that of several processes one runs it; who dies in it leaves a lease that runs out.

use super::{Pipeline, reconcile, retention};
use crate::clock::plus;
use crate::config::{Cron, Reconcile, Retention};
use crate::store::Error;
use crate::telemetry;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

/// How long a run belongs to a process that gives no sign of life.
const LEASE: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(5);
/// How often a chore is looked at.
const LOOK: Duration = Duration::from_secs(60);

/// By what the chores are done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub retention: Retention,
    pub reconcile: Reconcile,
}

/// Every chore. To add one is a line here.
pub fn all(settings: &Settings) -> Vec<Arc<dyn Chore>> {
    vec![
        Arc::new(retention::Chore::new(settings.retention.clone())),
        Arc::new(reconcile::Chore::new(settings.reconcile.clone())),
    ]
}

/// Something to do at certain times. A run may break off at any `await` and is then begun anew, so
/// what it has done so far must not have to be done again.
#[async_trait]
pub trait Chore: Send + Sync {
    /// Names it in the store, the log and metrics.
    fn name(&self) -> &'static str;
    /// When; `None`: never.
    fn at(&self) -> Option<&Cron>;
    /// # Errors
    /// The store's; the chore is begun anew a minute later.
    async fn run(&self, pipeline: &Pipeline) -> Result<Report, Error>;
}

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rows deleted or written, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// What else `status` shall tell.
    pub more: Map<String, Value>,
}

/// Looks after all chores until `stop`, by the settings as they are: when they change, a run that is
/// under way breaks off and is begun anew by the new ones.
pub async fn run(
    pipeline: Pipeline,
    mut settings: watch::Receiver<Settings>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let chores = all(&settings.borrow_and_update());
        let unchanged = stop.child_token();
        let running = tokio::spawn(run_by(pipeline.clone(), chores, unchanged.clone()));
        tokio::select! {
            () = stop.cancelled() => {}
            changed = settings.changed() => if changed.is_err() {
                // Nobody is left who could change them.
                stop.cancelled().await;
            }
        }
        unchanged.cancel();
        if let Err(error) = running.await {
            tracing::error!(%error, "the chores ended badly");
        }
    }
}

async fn run_by(pipeline: Pipeline, chores: Vec<Arc<dyn Chore>>, stop: CancellationToken) {
    let mut loops = JoinSet::new();
    let mut hints = Vec::new();
    for chore in chores {
        let Some(at) = chore.at().cloned() else { continue };
        let hint = Arc::new(Notify::new());
        hints.push((at.clone(), Arc::clone(&hint)));
        loops.spawn(forever(pipeline.clone(), (chore, at), hint, stop.clone()));
    }
    let scheduler = match scheduled(&hints).await {
        Ok(scheduler) => Some(scheduler),
        Err(error) => {
            tracing::warn!(%error, "no scheduler: chores begin up to a minute late");
            None
        }
    };
    while loops.join_next().await.is_some() {}
    if let Some(mut scheduler) = scheduler
        && let Err(error) = scheduler.shutdown().await
    {
        tracing::debug!(%error, "the scheduler did not end properly");
    }
}

/// A scheduler that hints at the times of these expressions.
async fn scheduled(hints: &[(Cron, Arc<Notify>)]) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    for (at, hint) in hints {
        let hint = Arc::clone(hint);
        // It wants seconds, the first field.
        let expression = format!("0 {}", at.expression());
        let job = Job::new_async_tz(expression, at.zone(), move |_, _| {
            hint.notify_one();
            Box::pin(async {})
        })?;
        scheduler.add(job).await?;
    }
    scheduler.start().await?;
    Ok(scheduler)
}

async fn forever(
    pipeline: Pipeline,
    (chore, at): (Arc<dyn Chore>, Cron),
    hint: Arc<Notify>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        // Counted from before the look: a clock that is moved meanwhile is noticed.
        let next = plus(pipeline.clock.now(), LOOK);
        if let Err(error) = look(&pipeline.fresh(), chore.as_ref(), &at, &stop).await {
            tracing::error!(chore = chore.name(), %error, "a chore failed; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = hint.notified() => {}
            () = pipeline.clock.sleep_until(next) => {}
        }
    }
}

/// Runs the chore if it is overdue and nobody else is at it.
async fn look(
    pipeline: &Pipeline,
    chore: &dyn Chore,
    at: &Cron,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let (name, now) = (chore.name(), pipeline.clock.now());
    let Some(known) = pipeline.store.chore(name).await? else {
        return pipeline.store.register_chore(name, now).await;
    };
    metrics::gauge!(telemetry::CHORE_AGE, "chore" => name)
        .set(now.duration_since(known.last_run).as_secs_f64());
    let Some(due) = at.last(now).filter(|due| *due > known.last_run) else { return Ok(()) };
    if !pipeline.store.claim_chore(name, &pipeline.owner, due, (LEASE, now)).await? {
        return Ok(());
    }
    tracing::info!(chore = name, %due, "a chore begins");
    let begun = Instant::now();
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        () = kept(pipeline, name) => {
            tracing::warn!(chore = name, "the chore was taken from us; another process runs it");
            return Ok(());
        }
        ended = chore.run(pipeline) => Some(ended),
    };
    match ended {
        Some(Ok(report)) => finish(pipeline, name, (due, now, begun.elapsed()), report).await,
        Some(Err(error)) => {
            pipeline.store.release_chore(name, &pipeline.owner).await?;
            Err(error)
        }
        None => {
            tracing::info!(chore = name, "a chore was broken off; it goes on after the next start");
            pipeline.store.release_chore(name, &pipeline.owner).await
        }
    }
}

/// Keeps the lease; returns when the chore is not ours any more.
async fn kept(pipeline: &Pipeline, name: &'static str) {
    loop {
        tokio::time::sleep(RENEW).await;
        let now = pipeline.clock.now();
        match pipeline.store.renew_chore(name, &pipeline.owner, LEASE, now).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(chore = name, %error, "the lease was not lengthened"),
        }
    }
}

async fn finish(
    pipeline: &Pipeline,
    name: &'static str,
    (due, began, took): (Timestamp, Timestamp, Duration),
    report: Report,
) -> Result<(), Error> {
    let rows: u64 = report.rows.values().sum();
    let ended = plus(began, took);
    let mut told = Map::new();
    told.insert("due".to_owned(), json!(due));
    told.insert("began".to_owned(), json!(began));
    told.insert("ended".to_owned(), json!(ended));
    told.insert("rows".to_owned(), json!(report.rows));
    told.extend(report.more);
    let told = Value::Object(told);
    let ours = pipeline.store.finish_chore(name, &pipeline.owner, due, &told).await?;
    for (table, count) in &report.rows {
        metrics::counter!(telemetry::CHORE_ROWS, "chore" => name, "table" => *table)
            .increment(*count);
    }
    metrics::gauge!(telemetry::CHORE_TOOK, "chore" => name).set(took.as_secs_f64());
    metrics::gauge!(telemetry::CHORE_AGE, "chore" => name)
        .set(pipeline.clock.now().duration_since(due).as_secs_f64());
    tracing::info!(
        chore = name, rows, seconds = took.as_secs_f64(), report = %told, ours, "a chore is done"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduler reads our expressions, zones and all; what it would not read would leave the
    /// chores to the minute's look.
    #[tokio::test]
    async fn the_scheduler_takes_our_expressions() -> Result<(), Box<dyn std::error::Error>> {
        let mut hints = Vec::new();
        for expression in ["17 3 * * *", "*/5 * * * *", "0 9 * * MON-FRI", "30 4 1,15 * *"] {
            hints.push((Cron::new(expression, "Europe/Moscow")?, Arc::new(Notify::new())));
        }
        scheduled(&hints).await?.shutdown().await?;
        Ok(())
    }

    #[test]
    fn every_chore_has_a_name_of_its_own() {
        let all = all(&Settings::default());
        let names: std::collections::BTreeSet<_> = all.iter().map(|chore| chore.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|chore| chore.at().is_some()), "each has a time by default");
    }
}
