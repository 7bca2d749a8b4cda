//! Reads the feeds of a connection. Invariant: rows and cursor are stored in one transaction; a
//! lost webhook heals here, because a feed is read with overlap and the keys sort out repeats.

use super::Pipeline;
use crate::connectors::Connector;
use crate::connectors::port::{Feed, Poll};
use crate::domain::{Delay, Lead, Raw, Seen};
use crate::rules::{self, retry};
use crate::store::{self, CursorMove};
use crate::telemetry;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A feed that is called for is read at most once in this time.
const CALM: Duration = Duration::from_millis(500);

/// Leads of one write.
const LEADS: usize = 100;

/// What one reading of a feed brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    pub new: u64,
    pub known: u64,
    pub pages: u64,
}

/// Why a reading ended early; the cursor stands after the last whole page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", .0.why)]
    FarSide(Delay),
    #[error("the store")]
    Store(#[from] store::Error),
}

/// Reads a feed to its end, once.
///
/// # Errors
/// The far side's trouble or the store's; what was read before is kept.
pub async fn once(
    pipeline: &Pipeline,
    name: &str,
    connector: &Arc<dyn Connector>,
    feed: &Feed,
    first_start: Timestamp,
) -> Result<Brought, Error> {
    let mut brought = Brought::default();
    loop {
        let cursor = pipeline.store.cursor(name, feed.name).await?;
        let now = pipeline.clock.now();
        let poll = Poll { feed: feed.name, cursor: cursor.as_ref(), first_start, now };
        let page = match connector.poll(&poll).await {
            Ok(page) => page,
            Err(delay) => {
                pipeline.gates.failure(name, &delay, pipeline.clock.now());
                return Err(Error::FarSide(delay));
            }
        };
        pipeline.gates.success(name);
        let moved = page.cursor.map(|to| CursorMove {
            connection: name.to_owned(),
            feed: feed.name.to_owned(),
            to,
            at: pipeline.clock.now(),
        });
        // What is covered is found: its leads are in before anybody is told so, also those whose rows
        // wait to be routed.
        keep_leads(pipeline, connector, &page.rows).await?;
        let accepted = pipeline.store.accept(page.rows, moved).await?;
        if page.covered.is_some() {
            pipeline.store.keep_leads(Vec::new(), page.covered).await?;
        }
        brought.new += accepted.new;
        brought.known += accepted.duplicate;
        brought.pages += 1;
        if accepted.new > 0 {
            metrics::counter!(telemetry::ACCEPTED, "connection" => name.to_owned())
                .increment(accepted.new);
            pipeline.wake.route.notify_one();
        }
        if !page.more {
            return Ok(brought);
        }
    }
}

/// Keeps the leads that these rows tell of.
async fn keep_leads(
    pipeline: &Pipeline,
    connector: &Arc<dyn Connector>,
    rows: &[Raw],
) -> Result<(), store::Error> {
    if !connector.offer().events.iter().any(|offer| offer.lead.is_some()) {
        return Ok(());
    }
    // What cannot be read is told of where it is routed.
    let events = rows.iter().filter_map(|raw| connector.parse(raw).ok()).flatten();
    let leads = events.filter_map(|event| {
        let lead = rules::route::lead(&pipeline.book, &event)?;
        Some(Lead { seen: Seen::JOURNAL, ..lead })
    });
    let leads: Vec<Lead> = leads.collect();
    // Deliveries at the doors wait for one write at most.
    for some in leads.chunks(LEADS) {
        pipeline.store.keep_leads(some.to_vec(), None).await?;
    }
    Ok(())
}

/// Reads a feed at once and then every so often, for ever; `wake` makes it read now.
pub async fn forever(
    pipeline: Pipeline,
    name: String,
    feed: Feed,
    first_start: Timestamp,
    (wake, stop): (Arc<Notify>, CancellationToken),
) {
    let Some(connector) = pipeline.connector(&name).cloned() else { return };
    let waits = connector.waits(feed.name);
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        let pause = if let Some(shut) = pipeline.gates.shut_until(&name, pipeline.clock.now()) {
            // The prober finds out when it answers again.
            Duration::try_from(shut.duration_since(pipeline.clock.now())).unwrap_or_default()
                + Duration::from_millis(200)
        } else {
            let reading = once(&pipeline, &name, &connector, &feed, first_start);
            // What waits for news is let go at once: nothing is confirmed that is not durable.
            let read = tokio::select! {
                biased;
                () = stop.cancelled(), if waits => return,
                read = reading => read,
            };
            match read {
                Ok(brought) => {
                    failures = 0;
                    tracing::debug!(
                        connection = %name, feed = feed.name, new = brought.new,
                        known = brought.known, "polled"
                    );
                    if waits { feed.every.saturating_sub(begun.elapsed()) } else { feed.every }
                }
                Err(error) => {
                    tracing::warn!(connection = %name, feed = feed.name, %error, "polling failed; it is tried again");
                    failures += 1;
                    retry::after(failures, u64::from(failures), None)
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wake.notified() => {
                // A hundred calls at once are one.
                let calm = CALM.saturating_sub(begun.elapsed());
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(calm) => {}
                }
            }
            () = pipeline.clock.sleep(pause) => {}
        }
    }
}
