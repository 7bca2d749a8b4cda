//! Backfills: the past, read because a person asked for it. Invariant: the owner of the connection
//! reads, one task a backfill; what was read is kept with the place to go on from, so that whoever
//! goes on reads nothing twice and leaves nothing out.

mod budget;
mod deals;
pub mod estimate;
mod leads;

pub use deals::{asked_row, under_way};

use super::ahead::{Ahead, Ticket};
use super::{Pipeline, run, tend};
use crate::clock::plus;
use crate::connectors::Connector;
use crate::domain::{Delay, Offer, Whose};
use crate::rules::retry;
use crate::store::{self, Backfill, BackfillState, Progress};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a new backfill is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// So many pages are read ahead of their use.
const AHEAD: usize = 4;

/// The part of a place that tells of the requests of its day.
const SPENT: &str = "spent";

pub const LEADS: &str = "leads";
pub const DEALS: &str = "deals";

/// Why the work on a backfill ended before its end.
#[derive(Debug, thiserror::Error)]
enum End {
    /// A person stopped it.
    #[error("stopped")]
    Stopped,
    #[error("{0}")]
    Failed(String),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

/// Goes on with the running backfills of a connection, until `stop`.
pub async fn forever(pipeline: Pipeline, name: String, stop: CancellationToken) {
    let mut under_way: BTreeMap<i64, JoinHandle<()>> = BTreeMap::new();
    while !stop.is_cancelled() {
        under_way.retain(|_, task| !task.is_finished());
        match pipeline.store.backfills(true).await {
            Ok(rows) => {
                let ours = rows.into_iter().filter(|row| row.connection == name);
                for row in ours {
                    let (pipeline, stop) = (pipeline.fresh(), stop.clone());
                    under_way.entry(row.id).or_insert_with(|| {
                        tokio::spawn(async move { one(&pipeline, row, &stop).await })
                    });
                }
            }
            Err(error) => tracing::warn!(connection = %name, %error, "no look for backfills"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    for (_, task) in under_way {
        // Each ends at the same word.
        drop(task.await);
    }
}

/// Works on one backfill where no daemon runs, until it has ended.
///
/// # Errors
/// The store's.
pub async fn alone(pipeline: &Pipeline, id: i64) -> Result<(), store::Error> {
    let stop = CancellationToken::new();
    let others = tokio::spawn(beside(pipeline.clone(), stop.clone()));
    let ended = loop {
        match pipeline.store.backfill(id).await {
            Ok(Some(row)) if row.state == BackfillState::Running => {
                one(pipeline, row, &stop).await;
            }
            Ok(_) => break Ok(()),
            Err(error) => break Err(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    stop.cancel();
    drop(others.await);
    ended
}

/// What a daemon does beside reading: routes, decides, probes.
pub async fn beside(pipeline: Pipeline, stop: CancellationToken) {
    let probers = TaskTracker::new();
    for name in pipeline.connectors.keys() {
        probers.spawn(tend::probe(pipeline.clone(), name.clone(), stop.clone()));
    }
    probers.close();
    run::work(pipeline, stop).await;
    probers.wait().await;
}

async fn one(pipeline: &Pipeline, row: Backfill, stop: &CancellationToken) {
    let (id, what, connection) = (row.id, row.what.clone(), row.connection.clone());
    tracing::info!(backfill = id, what, %connection, first = %row.first, last = %row.last, "goes on");
    let ended = tokio::select! {
        () = stop.cancelled() => return,
        ended = work(pipeline, row) => ended,
    };
    match ended {
        Ok(()) => tracing::info!(backfill = id, what, %connection, "the backfill is done"),
        Err(End::Stopped) => tracing::info!(backfill = id, what, %connection, "stopped"),
        Err(End::Store(error)) => {
            tracing::warn!(backfill = id, %error, "the backfill is tried again");
        }
        Err(End::Failed(why)) => {
            tracing::error!(backfill = id, what, %connection, why, "the backfill failed");
            if let Err(error) = fail(pipeline, id, why).await {
                tracing::warn!(backfill = id, %error, "that it failed could not be kept");
            }
        }
    }
}

async fn work(pipeline: &Pipeline, row: Backfill) -> Result<(), End> {
    let Some(connector) = pipeline.connector(&row.connection).cloned() else {
        return Err(End::Failed(format!("there is no connection {}", row.connection)));
    };
    if let Some(spent) = row.position.get(SPENT) {
        budget::recall(pipeline, spent);
    }
    let mut course = Course { pipeline: pipeline.clone(), connector, row, failures: 0 };
    match course.row.what.as_str() {
        LEADS => leads::run(&mut course).await?,
        DEALS => deals::run(&mut course).await?,
        other => return Err(End::Failed(format!("nobody knows a backfill of {other}"))),
    }
    course.keep(Progress { ended: Some((BackfillState::Done, None)), ..Progress::default() }).await
}

async fn fail(pipeline: &Pipeline, id: i64, why: String) -> Result<(), store::Error> {
    let Some(row) = pipeline.store.backfill(id).await? else { return Ok(()) };
    let progress = Progress {
        position: row.position,
        done: row.done,
        total: row.total,
        requests: row.requests,
        ended: Some((BackfillState::Failed, Some(why))),
        ..Progress::default()
    };
    pipeline.store.progress_backfill(id, progress, pipeline.clock.now()).await.map(drop)
}

/// A backfill under way.
struct Course {
    pipeline: Pipeline,
    connector: Arc<dyn Connector>,
    /// As it stands in the store, or is about to.
    row: Backfill,
    /// How often in a row reading failed.
    failures: u32,
}

impl Course {
    /// Keeps what was read, with the place and the counts of `row`.
    async fn keep(&mut self, brought: Progress) -> Result<(), End> {
        if let Some(spent) = budget::spent(&self.pipeline) {
            self.put(SPENT, spent);
        }
        let row = &self.row;
        let progress = Progress {
            position: row.position.clone(),
            done: row.done,
            total: row.total,
            requests: row.requests,
            ..brought
        };
        let now = self.pipeline.clock.now();
        match self.pipeline.store.progress_backfill(row.id, progress, now).await? {
            true => Ok(()),
            false => Err(End::Stopped),
        }
    }

    /// The next page that could be read; waits out whatever is in the way. `None`: the end.
    async fn page<P: Send + 'static>(
        &mut self,
        ahead: &mut Ahead<P>,
    ) -> Result<Option<(Ticket, P)>, End> {
        loop {
            self.rest(&self.row.connection.clone()).await?;
            let (pipeline, name) = (&self.pipeline, &self.row.connection);
            if let Some(shut) = pipeline.gates.shut_until(name, pipeline.clock.now()) {
                // The prober finds out when it answers again.
                self.wait(plus(shut, Duration::from_millis(200))).await?;
                continue;
            }
            let Some((ticket, answer)) = ahead.next().await else { return Ok(None) };
            self.row.requests += 1;
            match answer {
                Ok(page) => {
                    self.pipeline.gates.success(&self.row.connection);
                    self.failures = 0;
                    return Ok(Some((ticket, page)));
                }
                Err(delay) => {
                    ahead.again(ticket);
                    self.trouble(&delay).await?;
                }
            }
        }
    }

    async fn trouble(&mut self, delay: &Delay) -> Result<(), End> {
        let (pipeline, name) = (&self.pipeline, &self.row.connection);
        let now = pipeline.clock.now();
        if delay.whose == Whose::Setup {
            return Err(End::Failed(delay.why.clone()));
        }
        pipeline.gates.failure(name, delay, now);
        tracing::warn!(connection = %name, why = %delay.why, "a page could not be read; it is tried again");
        let pause = retry::after(self.failures, u64::from(self.failures), delay.after);
        self.failures = self.failures.saturating_add(1);
        self.wait(plus(now, pause)).await
    }

    /// Waits while a connection's requests of the day are spent.
    async fn rest(&mut self, name: &str) -> Result<(), End> {
        while let Some(until) = budget::rests_until(&self.pipeline, name) {
            if self.row.position.get("rests_until") != Some(&json!(until)) {
                tracing::info!(
                    backfill = self.row.id, connection = name, %until,
                    "the requests of the day are spent, less what live work needs; it goes on then"
                );
                self.put("rests_until", json!(until));
                self.keep(Progress::default()).await?;
            }
            self.wait(until).await?;
        }
        Ok(())
    }

    /// Waits until then, or until it is stopped.
    async fn wait(&self, until: Timestamp) -> Result<(), End> {
        let (pipeline, id) = (&self.pipeline, self.row.id);
        while pipeline.clock.now() < until {
            let row = pipeline.store.backfill(id).await?;
            if row.is_none_or(|row| row.state != BackfillState::Running) {
                return Err(End::Stopped);
            }
            tokio::select! {
                () = pipeline.clock.sleep_until(until) => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: Value) {
        match &mut self.row.position {
            Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
            other => *other = json!({ name: value }),
        }
    }

    /// The day at which it goes on.
    fn day(&self) -> Option<Date> {
        day_of(&self.row)
    }
}

/// The day that a backfill reads next, or reads now; `None`: it has not begun.
pub fn day_of(row: &Backfill) -> Option<Date> {
    row.position.get("day")?.as_str()?.parse().ok()
}

/// How much of its days a backfill has read, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "days and pages are few")]
pub fn share(row: &Backfill) -> f64 {
    let days = days(row.first, row.last) as f64;
    let Some(day) = day_of(row).filter(|_| row.state != BackfillState::Done) else {
        return if row.state == BackfillState::Done { 1.0 } else { 0.0 };
    };
    let (before, within) = if row.what == LEADS {
        (self::days(day, row.last) as f64 - 1.0, 0.0)
    } else {
        let number = |name| row.position.get(name).and_then(Value::as_f64).unwrap_or(1.0);
        (self::days(row.first, day) as f64 - 1.0, (number("page") - 1.0) / number("pages").max(1.0))
    };
    ((before + within.min(1.0)) / days.max(1.0)).clamp(0.0, 1.0)
}

/// How many days lie from one to the other, both included; 0 where there are none.
pub fn days(first: Date, last: Date) -> u64 {
    let days = first.until(last).map_or(0, |span| i64::from(span.get_days()) + 1);
    u64::try_from(days).unwrap_or_default()
}

/// When a day begins and ends in a zone.
pub fn bounds(day: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let begin = |day: Date| day.to_zoned(zone.clone()).ok().map(|day| day.timestamp());
    Some((begin(day)?, begin(day.tomorrow().ok()?)?))
}

/// The nouns of leads whose journals can be read.
pub fn nouns(offer: &'static Offer) -> Vec<&'static str> {
    let mut nouns = Vec::new();
    for event in offer.events.iter().filter(|event| event.lead.is_some_and(|lead| lead.journal)) {
        let noun = event.kind.split('.').next().unwrap_or_default();
        if !nouns.contains(&noun) {
            nouns.push(noun);
        }
    }
    nouns
}

/// The days from one to the other.
fn forwards(first: Date, last: Date) -> impl Iterator<Item = Date> + Send + 'static {
    first.series(1.day()).take_while(move |day| *day <= last)
}

/// The same, the last one first.
fn backwards(first: Date, last: Date) -> impl Iterator<Item = Date> + Send + 'static {
    last.series(-1.day()).take_while(move |day| *day >= first)
}
