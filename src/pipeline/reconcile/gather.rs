//! Reads both sides of a pair. Invariant: every day of the span is read to its last page, or there is
//! no report; all of it in the background.

use super::{Asked, Error, LeadReport};
use crate::clock::plus;
use crate::connectors::http::in_background;
use crate::connectors::port::{Listed, ListedPage};
use crate::domain::{Answer, Query, Whose};
use crate::pipeline::Pipeline;
use crate::pipeline::ahead::{Ahead, Read, Ticket};
use crate::pipeline::backfill::{bounds, nouns};
use crate::rules::pairs::{self, Pair};
use crate::rules::reconcile::{Held, Sides, Thing};
use crate::rules::retry;
use futures_util::future::join_all;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const AHEAD: usize = 3;
/// A page is tried so often before there is no report.
const TRIES: u32 = 6;
/// So many things are asked for one by one; more of them are a sign of something else.
const MOST_ASKED: usize = 1000;
/// Ids of one look into memory.
const CHUNK: usize = 500;

/// What was listed, by connection and kind.
#[derive(Default)]
pub struct Lists {
    of: BTreeMap<(String, &'static str), Vec<Listed>>,
    pub requests: u64,
}

impl Lists {
    fn get(&self, connection: &str, kind: &'static str) -> &[Listed] {
        self.of.get(&(connection.to_owned(), kind)).map_or(&[], Vec::as_slice)
    }
}

/// Reads the lists of a pair, as far as they are not read.
pub async fn read(
    pipeline: &Pipeline,
    pair: &Pair,
    asked: &Asked,
    lists: &mut Lists,
) -> Result<(), Error> {
    list(pipeline, (&pair.source, pair.thing), (asked.first, asked.last), lists).await?;
    for target in &pair.targets {
        // The same moment may be another day there.
        let first = asked.first.yesterday().unwrap_or(asked.first);
        let last = asked.last.tomorrow().unwrap_or(asked.last);
        list(pipeline, (target, pair.entity), (first, last), lists).await?;
    }
    Ok(())
}

async fn list(
    pipeline: &Pipeline,
    (name, kind): (&str, &'static str),
    (first, last): (Date, Date),
    lists: &mut Lists,
) -> Result<(), Error> {
    let key = (name.to_owned(), kind);
    let Some(connector) = pipeline.connector(name).filter(|_| !lists.of.contains_key(&key)) else {
        return Ok(());
    };
    let (connector, clock) = (Arc::clone(connector), pipeline.clock.clone());
    let read: Read<ListedPage> = Arc::new(move |ticket: Ticket| {
        let (connector, clock) = (Arc::clone(&connector), clock.clone());
        Box::pin(async move {
            connector.listed(ticket.kind, ticket.day, ticket.page, clock.now()).await
        })
    });
    let days = first.series(1.day()).take_while(move |day| *day <= last);
    let mut ahead = Ahead::new(read, days.map(move |day| Ticket::of(kind, day)), AHEAD);
    let mut rows = Vec::new();
    let mut failures = 0;
    while let Some((ticket, answer)) = ahead.next().await {
        lists.requests += 1;
        match answer {
            Ok(page) => {
                pipeline.gates.success(name);
                failures = 0;
                if page.more {
                    ahead.more(&ticket, None);
                }
                rows.extend(page.rows);
            }
            Err(delay) => {
                let now = pipeline.clock.now();
                pipeline.gates.failure(name, &delay, now);
                failures += 1;
                let hopeless = matches!(delay.whose, Whose::Access | Whose::Setup);
                if hopeless || failures >= TRIES {
                    return Err(Error::FarSide { name: name.to_owned(), delay });
                }
                let pause = retry::after(failures, u64::from(failures), delay.after);
                pipeline.clock.sleep_until(plus(now, pause)).await;
                ahead.again(ticket);
            }
        }
    }
    lists.of.insert(key, rows);
    Ok(())
}

/// Both sides of a pair, of the lists that were read.
pub async fn sides(
    pipeline: &Pipeline,
    (pair, group): (&Pair, &[Pair]),
    asked: &Asked,
    lists: &Lists,
) -> Result<Sides, Error> {
    let now = pipeline.clock.now();
    let mut sides = Sides { span: span(pipeline, pair, asked), ..Sides::default() };
    for listed in lists.get(&pair.source, pair.thing) {
        let due = pairs::due(&pipeline.book, pair, &listed.fields, now);
        sides.things.insert(listed.id.clone(), Thing { made: listed.made, due });
    }
    // What becomes of another source is no orphan here.
    let others = group.iter().filter(|other| other.source != pair.source);
    let others: BTreeSet<&str> = others
        .flat_map(|other| lists.get(&other.source, other.thing))
        .map(|listed| listed.id.as_str())
        .collect();
    for target in &pair.targets {
        for listed in lists.get(target, pair.entity) {
            let foreign =
                others.contains(listed.id.as_str()) && !sides.things.contains_key(&listed.id);
            if !foreign {
                sides.held.insert(listed.id.clone(), held(target, listed));
            }
        }
    }
    remember(pipeline, pair, &mut sides).await?;
    elsewhere(pipeline, pair, &mut sides).await?;
    Ok(sides)
}

fn held(target: &str, listed: &Listed) -> Held {
    let fields = match &listed.fields {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    Held { connection: target.to_owned(), made: listed.made, fields }
}

/// From the beginning of the first day to the end of the last.
fn span(pipeline: &Pipeline, pair: &Pair, asked: &Asked) -> Option<(Timestamp, Timestamp)> {
    let zone = pipeline.connector(&pair.source)?.zone();
    Some((bounds(asked.first, &zone)?.0, bounds(asked.last, &zone)?.1))
}

/// What we know of both sides: entities that were written, things that are gone.
async fn remember(pipeline: &Pipeline, pair: &Pair, sides: &mut Sides) -> Result<(), Error> {
    let mut ids: Vec<String> = sides.things.keys().chain(sides.held.keys()).cloned().collect();
    ids.sort();
    ids.dedup();
    for chunk in ids.chunks(CHUNK) {
        for target in &pair.targets {
            for entity in pipeline.store.entities(target, pair.entity, chunk).await? {
                sides.remembered.insert(entity.id.clone(), entity);
            }
        }
        let things = pipeline.store.entities(&pair.source, pair.thing, chunk).await?;
        let gone = things.into_iter().filter(|thing| thing.gone.is_some());
        sides.gone.extend(gone.map(|thing| (thing.id.clone(), thing)));
    }
    Ok(())
}

/// Asks the source for what it did not list and we do not know to be gone.
async fn elsewhere(pipeline: &Pipeline, pair: &Pair, sides: &mut Sides) -> Result<(), Error> {
    let Some(connector) = pipeline.connector(&pair.source) else { return Ok(()) };
    let unknown = |id: &&String| {
        !sides.things.contains_key(*id)
            && !sides.gone.contains_key(*id)
            // Ids of other makers are no numbers of ours.
            && id.chars().all(|c| c.is_ascii_digit())
    };
    let inside =
        |held: &Held| sides.span.is_none_or(|(from, to)| from <= held.made && held.made < to);
    let ids = sides.held.iter().filter(|(_, held)| inside(held)).map(|(id, _)| id);
    let ids: Vec<String> = ids.filter(unknown).take(MOST_ASKED).cloned().collect();
    let now = pipeline.clock.now();
    let asking = ids.iter().map(|id| {
        let input = json!({ "id": id.parse::<u64>().unwrap_or_default() });
        let input = input.as_object().cloned().unwrap_or_default();
        let query = Query {
            job: None,
            connection: pair.source.clone(),
            name: pair.thing.to_owned(),
            input,
            known: Vec::new(),
            since: Some(now),
            among: vec![pair.source.clone()],
        };
        async move { (id.clone(), connector.ask(&query, now).await) }
    });
    for (id, answer) in in_background(join_all(asking)).await {
        match answer {
            Answer::Known(Value::Null) => {}
            Answer::Known(_) => drop(sides.elsewhere.insert(id)),
            Answer::Later(delay) => {
                return Err(Error::FarSide { name: pair.source.clone(), delay });
            }
            // Whatever it is, it is no order of ours.
            Answer::Refused(_) => {}
        }
    }
    Ok(())
}

/// How the leads of the span came to us.
pub async fn leads(
    pipeline: &Pipeline,
    group: &[Pair],
    asked: &Asked,
) -> Result<Vec<LeadReport>, Error> {
    let targets: BTreeSet<&String> = group.iter().flat_map(|pair| &pair.targets).collect();
    let mut all = Vec::new();
    for name in targets {
        let Some(connector) = pipeline.connector(name) else { continue };
        let zone = connector.zone();
        let Some(((from, _), (_, to))) = bounds(asked.first, &zone).zip(bounds(asked.last, &zone))
        else {
            continue;
        };
        for noun in nouns(connector.offer()) {
            let counts = pipeline.store.lead_counts(name, noun, (from, to)).await?;
            all.push(LeadReport::new(name, noun, counts));
        }
    }
    Ok(all)
}
