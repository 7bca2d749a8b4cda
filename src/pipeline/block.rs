//! A page of a far side asks for its block: read, search, show. Invariant: the page is answered within the
//! block's time, whatever the search does; equal searches are one; what searches cost is background work, a
//! few at a time, so that no page keeps a live job waiting.
//!
//! A search that takes longer goes on: who asks again finds what it found.

use super::Pipeline;
use super::decide;
use crate::clock::plus;
use crate::connectors::block::{Block, QUESTION, Search, Seen, Wish};
use crate::connectors::http::{in_background, no_later_than};
use crate::domain::{Answer, Query};
use crate::rules::block as rule;
use crate::telemetry;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How long what was found answers the same search.
const FRESH: Duration = Duration::from_secs(30);
/// A search that has not been done by then is given up: its page is closed, or asks again.
const LONGEST: Duration = Duration::from_secs(90);
/// Searches under way on one connection; the others wait in line, so that the first are done soon.
const AT_ONCE: usize = 4;
/// Searches that are under way, wait, or were done lately.
const MOST: usize = 500;

/// What a page is answered.
#[derive(Debug)]
pub enum Reply {
    Shown(Value),
    /// No such block, or not its secret: the two are not told apart.
    Stranger,
}

/// A search: on which connection, for whom.
type Key = (String, Search);
/// What it found, and when.
type Found = (Timestamp, Seen);

/// The searches of this process.
#[derive(Default)]
pub struct Blocks {
    searches: Mutex<BTreeMap<Key, watch::Receiver<Option<Found>>>>,
    lines: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// Where a page asked.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub side: &'a str,
    pub connection: &'a str,
}

/// Answers a page.
pub async fn answer(
    pipeline: &Pipeline,
    Place { side, connection }: Place<'_>,
    content_type: &str,
    body: &[u8],
) -> Reply {
    let begun = Instant::now();
    let pipeline = pipeline.fresh();
    let block = pipeline.connector(connection).and_then(|connector| connector.block());
    let block = block.filter(|block| block.side() == side);
    let Some(block) = block else { return Reply::Stranger };
    let Some(source) = pipeline.connector(block.source()) else { return Reply::Stranger };
    let seen = match block.read(content_type, body, source.as_ref()) {
        Wish::Stranger => {
            count(connection, "stranger", begun);
            return Reply::Stranger;
        }
        Wish::Told(seen) => seen,
        Wish::Search(search) => in_time(&pipeline, block, search, begun).await,
    };
    count(connection, seen.word(), begun);
    Reply::Shown(block.show(&seen, source.as_ref()))
}

fn count(connection: &str, result: &'static str, begun: Instant) {
    let connection = connection.to_owned();
    metrics::histogram!(telemetry::BLOCK_SECONDS, "connection" => connection.clone())
        .record(begun.elapsed().as_secs_f64());
    metrics::counter!(telemetry::BLOCKS, "connection" => connection, "result" => result)
        .increment(1);
}

/// What the search finds within the block's time.
async fn in_time(pipeline: &Pipeline, block: &dyn Block, search: Search, begun: Instant) -> Seen {
    let key = (block.source().to_owned(), search);
    let mut found = match pipeline.blocks.join(pipeline, key) {
        Ok(found) => found,
        Err(seen) => return seen,
    };
    let until = begun + block.patience();
    match tokio::time::timeout_at(until.into(), found.wait_for(Option::is_some)).await {
        Ok(Ok(found)) => found.as_ref().map_or(Seen::Failed, |(_, seen)| seen.clone()),
        // A defect ended it.
        Ok(Err(_)) => Seen::Failed,
        Err(_) => Seen::Late,
    }
}

impl Blocks {
    /// The search of this key: one under way, one done lately, or a new one.
    fn join(&self, pipeline: &Pipeline, key: Key) -> Result<watch::Receiver<Option<Found>>, Seen> {
        let now = pipeline.clock.now();
        let mut searches = self.searches();
        searches.retain(|_, found| is_of_use(found, now));
        if let Some(known) = searches.get(&key) {
            return Ok(known.clone());
        }
        if pipeline.gates.shut_until(&key.0, now).is_some() {
            return Err(Seen::Paused);
        }
        if searches.len() >= MOST {
            return Err(Seen::Late);
        }
        let (promise, found) = watch::channel(None);
        searches.insert(key.clone(), found.clone());
        drop(searches);
        let line = self.line(&key.0);
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let seen = find(&pipeline, &key, &line).await;
            promise.send_replace(Some((pipeline.clock.now(), seen)));
        });
        Ok(found)
    }

    fn line(&self, source: &str) -> Arc<Semaphore> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(source.to_owned());
        Arc::clone(line.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    fn searches(&self) -> MutexGuard<'_, BTreeMap<Key, watch::Receiver<Option<Found>>>> {
        self.searches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under way, or found lately; what failed is tried anew.
fn is_of_use(search: &watch::Receiver<Option<Found>>, now: Timestamp) -> bool {
    let ended = search.has_changed().is_err();
    match search.borrow().as_ref() {
        Some((at, Seen::People { .. } | Seen::Nobody)) => now < plus(*at, FRESH),
        Some(_) => false,
        None => !ended,
    }
}

/// Searches in its turn.
async fn find(pipeline: &Pipeline, key: &Key, line: &Semaphore) -> Seen {
    let searched = async {
        let Ok(_place) = line.acquire().await else { return Seen::Failed };
        in_background(no_later_than(LONGEST, people(pipeline, key))).await
    };
    tokio::time::timeout(LONGEST, searched).await.unwrap_or(Seen::Late)
}

async fn people(pipeline: &Pipeline, (source, search): &Key) -> Seen {
    for (by, contacts) in [("phones", &search.phones), ("emails", &search.emails)] {
        if contacts.is_empty() {
            continue;
        }
        let all = match asked(pipeline, source, by, contacts, search.orders).await {
            Ok(all) => all,
            Err(seen) => return seen,
        };
        let (by, people) = match by {
            "phones" => ("phone", rule::by_phone(all)),
            _ => ("email", rule::by_email(all)),
        };
        if !people.is_empty() {
            return Seen::People { by, people: Arc::new(people) };
        }
    }
    Seen::Nobody
}

async fn asked(
    pipeline: &Pipeline,
    source: &str,
    by: &str,
    contacts: &[String],
    orders: u32,
) -> Result<Vec<Value>, Seen> {
    let input =
        Map::from_iter([(by.to_owned(), contacts.into()), ("orders".to_owned(), orders.into())]);
    let query = Query {
        connection: source.to_owned(),
        name: QUESTION.to_owned(),
        input,
        known: Vec::new(),
        since: None,
        among: Vec::new(),
        job: None,
    };
    let why = match decide::ask(pipeline, &query).await {
        Ok(Answer::Known(mut found)) => {
            let people = found.get_mut("people").map(Value::take);
            return Ok(people.and_then(|p| p.as_array().cloned()).unwrap_or_default());
        }
        Ok(Answer::Later(delay)) => delay.why,
        Ok(Answer::Refused(why)) => why,
        Err(stop) => stop.to_string(),
    };
    tracing::warn!(connection = source, why, "a block's search brought nothing");
    Err(Seen::Failed)
}
