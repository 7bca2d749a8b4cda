//! The nightly chore that deletes what has grown old and gives its space back. Invariant: the writer
//! is never busy with it for long, and rests as long as it worked; broken off, it has lost nothing.

use super::{Pipeline, chores};
use crate::config::{Cron, Retention};
use crate::store::{Error, Kept, Rows, Store};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rows that are read at once.
const WINDOW: u32 = 500;
/// How long the writer may be busy with one batch: about as long as it takes to make one durable.
const TURN: Duration = Duration::from_millis(5);
const FEWEST: usize = 4;
const MOST: usize = 400;
/// Free space that stays in the file, since tomorrow's rows need it.
const RESERVE: u64 = 1 << 20;

pub struct Chore {
    settings: Retention,
}

impl Chore {
    pub fn new(settings: Retention) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl chores::Chore for Chore {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn at(&self) -> Option<&Cron> {
        self.settings.at.as_ref()
    }

    async fn run(&self, pipeline: &Pipeline) -> Result<chores::Report, Error> {
        let report = run(&pipeline.store, &self.settings, pipeline.clock.now()).await?;
        pipeline.store.space().await.inspect(tell_of_space)?;
        Ok(report)
    }
}

/// Deletes all that is older than the settings say, then gives the space back.
///
/// # Errors
/// The store's; what was deleted stays deleted.
pub async fn run(
    store: &Store,
    settings: &Retention,
    now: Timestamp,
) -> Result<chores::Report, Error> {
    let mut rows = Rows::new();
    let mut pace = Pace { rows: 32 };
    for (kept, before) in cutoffs(settings, now) {
        walk(store, (kept, before), &mut pace, &mut rows).await?;
    }
    if let Some(before) = settings.leads.map(|span| ago(now, span)) {
        let hours = store.forget_hours(before).await?;
        if hours > 0 {
            add(&mut rows, Rows::from([("tally", hours)]));
        }
    }
    if let Some(before) = settings.replicas.map(|span| ago(now, span)) {
        add(&mut rows, store.delete_unseen(before).await?.rows);
    }
    // Wrong passwords count for a day.
    store.delete_ended(ago(now, Duration::from_secs(24 * 3600)), now).await?;
    let given_back = give_back(store).await?;
    store.vacuum(&rows).await?;
    let mut more = serde_json::Map::new();
    more.insert("bytes_given_back".to_owned(), json!(given_back));
    Ok(chores::Report { rows, more })
}

/// How many rows of each kind `run` would delete now; nothing is written.
///
/// # Errors
/// The store's.
pub async fn preview(
    store: &Store,
    settings: &Retention,
    now: Timestamp,
) -> Result<BTreeMap<&'static str, u64>, Error> {
    let mut found = BTreeMap::new();
    for (kept, before) in cutoffs(settings, now) {
        let mut free = 0;
        let mut after = 0;
        loop {
            let window = store.old(kept, after, before, WINDOW).await?;
            free += store.free(kept, &window.ids, before).await?.len() as u64;
            match window.next {
                Some(next) => after = next,
                None => break,
            }
        }
        *found.entry(word(kept)).or_default() += free;
    }
    if let Some(before) = settings.replicas.map(|span| ago(now, span)) {
        found.insert("replicas", store.unseen(before).await?);
    }
    Ok(found)
}

/// The word of the configuration.
fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Raw => "raw",
        Kept::Unreadable => "unreadable",
        Kept::Events => "events",
        Kept::Links => "links",
        Kept::Commands => "commands",
        Kept::Leads => "leads",
        Kept::Entities => "entities",
        Kept::Messages | Kept::MessageRows => "messages",
        Kept::Backfills => "backfills",
        Kept::Acts => "audit",
    }
}

/// What is deleted by its age, and what is old.
fn cutoffs(settings: &Retention, now: Timestamp) -> impl Iterator<Item = (Kept, Timestamp)> {
    let spans = [
        (Kept::Raw, settings.raw),
        (Kept::Unreadable, settings.unreadable),
        (Kept::Events, settings.events),
        (Kept::Links, settings.links),
        (Kept::Commands, settings.commands),
        (Kept::Leads, settings.leads),
        // What is remembered of a thing serves as long as the links to it.
        (Kept::Entities, settings.links),
        (Kept::Messages, settings.messages),
        (Kept::MessageRows, settings.messages),
        (Kept::Backfills, settings.commands),
        (Kept::Acts, settings.audit),
    ];
    spans.into_iter().filter_map(move |(kept, span)| Some((kept, ago(now, span?))))
}

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(span).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// As many rows at a time as the writer manages in its turn.
struct Pace {
    rows: usize,
}

impl Pace {
    fn learn(&mut self, took: Duration) {
        let step = if took > TURN { self.rows / 2 } else { self.rows + self.rows / 4 + 1 };
        self.rows = step.clamp(FEWEST, MOST);
    }
}

async fn walk(
    store: &Store,
    (kept, before): (Kept, Timestamp),
    pace: &mut Pace,
    rows: &mut Rows,
) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let window = store.old(kept, after, before, WINDOW).await?;
        let free = store.free(kept, &window.ids, before).await?;
        let mut left = free.as_slice();
        while !left.is_empty() {
            let (turn, rest) = left.split_at(pace.rows.min(left.len()));
            let deleted = store.delete(kept, turn.to_vec(), before).await?;
            pace.learn(deleted.took);
            add(rows, deleted.rows);
            left = rest;
            tokio::time::sleep(deleted.took.max(Duration::from_millis(1))).await;
        }
        match window.next {
            Some(next) => after = next,
            None => return Ok(()),
        }
    }
}

fn add(rows: &mut Rows, deleted: Rows) {
    for (table, count) in deleted {
        *rows.entry(table).or_default() += count;
    }
}

/// Gives free space back step by step; answers how many bytes.
async fn give_back(store: &Store) -> Result<u64, Error> {
    let before = store.space().await?;
    let mut left = before;
    while left.can_shrink && left.free > RESERVE {
        let next = store.shrink().await?;
        if next.bytes >= left.bytes {
            break;
        }
        left = next;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(before.bytes.saturating_sub(left.bytes))
}

/// A file that was made by an older version cannot shrink by itself.
fn tell_of_space(space: &crate::store::Space) {
    if !space.can_shrink && space.free > RESERVE.max(space.bytes / 4) {
        tracing::warn!(
            free_bytes = space.free,
            "the database file has much free space that it cannot give back; stop the daemon once \
             and run `leadlink migrate --compact`"
        );
    }
}
