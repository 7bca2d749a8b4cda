//! Answers what we know ourselves: whose lead an order is, and what was last sent of a thing.
//! Invariant: "not found" is said only after a fresh look into the far side's journal; what a look
//! brought is kept as leads before it is routed, so that nobody misses what it covered.

use super::Pipeline;
use super::decide::Stop;
use super::remember::{JOB, MARK, text_of};
use crate::connectors::Connector;
use crate::domain::{Answer, Covered, Delay, Lead, Query, Seen};
use crate::rules::leads::{self as rules, Candidate, Found, Wanted};
use crate::rules::route;
use crate::store::{self, LeadSearch, LeadsFound};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A look serves all who ask so long after its beginning.
const FRESH: SignedDuration = SignedDuration::from_secs(10);
/// Candidates on either side of the order that a person may want to see.
const MOST: u32 = 10;

/// Who looks into which journal of leads: one at a time for each connection and noun.
#[derive(Debug)]
pub struct Looks {
    slots: Mutex<BTreeMap<(String, String), Slot>>,
    keeps: bool,
}

type Slot = Arc<tokio::sync::Mutex<Option<Last>>>;

/// The last look of a slot.
#[derive(Debug, Clone)]
struct Last {
    begun: Timestamp,
    ended: Timestamp,
    trouble: Option<Delay>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { slots: Mutex::default(), keeps: true }
    }
}

impl Looks {
    /// For who must write nothing: what a look brings is shown to the one who asked, and let go.
    pub fn unkept() -> Self {
        Self { keeps: false, ..Self::default() }
    }

    fn slot(&self, connection: &str, noun: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((connection.to_owned(), noun.to_owned())).or_default())
    }
}

/// What a look did.
enum Looked {
    /// Begun at that time; what was found is in the store.
    Kept(Timestamp),
    /// Begun at that time, by one who must not write; these are what it brought.
    Shown(Timestamp, Vec<Lead>),
    Later(Delay),
}

/// What we remember of an entity of this kind, from the first of the role's connections that knows it.
///
/// # Errors
/// The store's.
pub async fn remembered(pipeline: &Pipeline, kind: &str, query: &Query) -> Result<Answer, Stop> {
    let Some(id) = query.input.get("id").and_then(text_of) else {
        return Ok(Answer::Refused(format!("`id` of a {kind} is a text or a number")));
    };
    let alone = std::slice::from_ref(&query.connection);
    let among = if query.among.is_empty() { alone } else { &query.among };
    let Some(entity) = pipeline.store.entity(among, kind, &id).await? else {
        return Ok(Answer::Known(Value::Null));
    };
    // A job that is decided anew is not kept from what it began itself.
    let own = query.job.is_some_and(|job| entity.fields.get(JOB) == Some(&job.into()));
    if kind == MARK && own {
        return Ok(Answer::Known(Value::Null));
    }
    let account = pipeline.connector(&entity.connection).and_then(|owner| owner.account());
    let mut fields = entity.fields;
    fields.insert("id".to_owned(), entity.id.into());
    fields.insert("account".to_owned(), account.into());
    fields.insert("created".to_owned(), entity.made.to_string().into());
    Ok(Answer::Known(Value::Object(fields)))
}

/// The lead of an order, from our own journal.
///
/// # Errors
/// The store's.
pub async fn find(
    pipeline: &Pipeline,
    connector: &Arc<dyn Connector>,
    query: &Query,
) -> Result<Answer, Stop> {
    let wanted = match rules::wanted(connector.offer(), &query.input) {
        Ok(wanted) => wanted,
        Err(why) => return Ok(Answer::Refused(why)),
    };
    let window = wanted.window(&connector.zone());
    let search = LeadSearch {
        connection: query.connection.clone(),
        kind: wanted.kind.clone(),
        contacts: wanted.contacts.clone(),
        from: window.from,
        to: window.to,
        at: wanted.at,
        most: MOST,
    };
    let mut now = pipeline.clock.now();
    let mut found = found(pipeline.store.leads(&search).await?);
    if let Some(since) = found.gap(&wanted, &window, now) {
        match look(pipeline, connector, query, &wanted, since).await? {
            Looked::Later(delay) => return Ok(Answer::Later(delay)),
            Looked::Kept(begun) => {
                now = begun;
                found = self::found(pipeline.store.leads(&search).await?);
            }
            Looked::Shown(begun, leads) => {
                now = begun;
                found.add(&leads, &wanted, &window);
                found.covered = Some((found.covered.map_or(since, |(from, _)| from), begun));
            }
        }
    }
    Ok(Answer::Known(rules::fact(&found, &wanted, &window, now)))
}

/// Looks into the far side's journal, unless somebody just did.
async fn look(
    pipeline: &Pipeline,
    connector: &Arc<dyn Connector>,
    query: &Query,
    wanted: &Wanted,
    since: Timestamp,
) -> Result<Looked, store::Error> {
    let asked = pipeline.clock.now();
    let slot = pipeline.looks.slot(&query.connection, &wanted.kind);
    let mut last = slot.lock().await;
    let begun = pipeline.clock.now();
    if let Some(last) = last.as_ref().filter(|_| pipeline.looks.keeps) {
        match &last.trouble {
            // Who waited for a look that failed need not try what just failed.
            Some(delay) if last.ended >= asked => return Ok(Looked::Later(delay.clone())),
            None if serves(last.begun, query.since, begun) => return Ok(Looked::Kept(last.begun)),
            Some(_) | None => {}
        }
    }
    let read = read(pipeline, connector, (&query.connection, wanted), since, begun).await?;
    let trouble = match &read {
        Looked::Later(delay) => Some(delay.clone()),
        Looked::Kept(_) | Looked::Shown(..) => None,
    };
    *last = Some(Last { begun, ended: pipeline.clock.now(), trouble });
    Ok(read)
}

/// Does a look that was begun then still serve one whose job was due at `due`?
fn serves(begun: Timestamp, due: Option<Timestamp>, now: Timestamp) -> bool {
    let age = now.duration_since(begun);
    due.is_none_or(|due| begun >= due) && age >= SignedDuration::ZERO && age <= FRESH
}

async fn read(
    pipeline: &Pipeline,
    connector: &Arc<dyn Connector>,
    (connection, wanted): (&str, &Wanted),
    since: Timestamp,
    begun: Timestamp,
) -> Result<Looked, store::Error> {
    let rows = match connector.recent(&wanted.kind, since, begun).await {
        Ok(rows) => rows,
        Err(delay) => return Ok(Looked::Later(delay)),
    };
    pipeline.gates.success(connection);
    // What cannot be read becomes so in routing, where it is kept for a person.
    let events = rows.iter().filter_map(|raw| connector.parse(raw).ok()).flatten();
    let leads = events.filter_map(|event| route::lead(&pipeline.book, &event));
    let leads: Vec<Lead> = leads.map(|lead| Lead { seen: Seen::JOURNAL, ..lead }).collect();
    tracing::debug!(
        connection,
        noun = %wanted.kind,
        rows = rows.len(),
        leads = leads.len(),
        "looked into the journal before saying that there is no lead"
    );
    if !pipeline.looks.keeps {
        return Ok(Looked::Shown(begun, leads));
    }
    let covered = Covered {
        connection: connection.to_owned(),
        kind: wanted.kind.clone(),
        from: since,
        until: begun,
    };
    pipeline.store.keep_leads(leads, Some(covered)).await?;
    if pipeline.store.accept(rows, None).await?.new > 0 {
        pipeline.wake.route.notify_one();
    }
    Ok(Looked::Kept(begun))
}

fn found(found: LeadsFound) -> Found {
    Found {
        inside: found.inside.into_iter().map(candidate).collect(),
        before: found.before.map(candidate),
        after: found.after.map(candidate),
        covered: found.covered,
    }
}

fn candidate(found: store::Candidate) -> Candidate {
    Candidate {
        id: found.id,
        at: found.at,
        contact: found.contact,
        source: found.source,
        medium: found.medium,
        campaign: found.campaign,
    }
}
