//! The repair. Invariant: memory learns what was read, and the flows decide about what differs; no
//! effect is made here.

use super::{Error, Repaired};
use crate::domain::Kept;
use crate::pipeline::Pipeline;
use crate::pipeline::backfill::asked_row;
use crate::rules::pairs::Pair;
use crate::rules::reconcile::{Finding, Sides, lesson};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Rows of one transaction.
const CHUNK: usize = 200;

pub async fn run(
    pipeline: &Pipeline,
    pair: &Pair,
    (sides, found): (&Sides, &BTreeMap<String, Finding>),
    now: Timestamp,
) -> Result<Repaired, Error> {
    let mut repaired = Repaired::default();
    let mut lessons = Vec::new();
    for (id, held) in &sides.held {
        let Some(finding) = found.get(id).copied() else { continue };
        // Somebody else's entities are not ours to remember.
        if !sides.things.contains_key(id) || finding == Finding::NotDue {
            continue;
        }
        let keeps = keeps(pipeline, &held.connection, pair.entity);
        let fields = lesson(&keeps, held, sides.remembered.get(id), finding);
        lessons.extend(fields.map(|fields| Kept {
            connection: held.connection.clone(),
            kind: pair.entity.to_owned(),
            id: id.clone(),
            fields,
            at: now,
        }));
    }
    repaired.remembered = lessons.len() as u64;
    for chunk in lessons.chunks(CHUNK) {
        pipeline.store.keep_entities(chunk.to_vec()).await?;
    }
    let run = format!("reconcile-{}", now.as_millisecond());
    let mendable = found.iter().filter(|(_, finding)| finding.is_mendable());
    let rows: Vec<_> = mendable.map(|(id, _)| asked_row(pair, &run, id, now)).collect();
    for chunk in rows.chunks(CHUNK) {
        repaired.asked += pipeline.store.accept(chunk.to_vec(), None).await?.new;
    }
    pipeline.wake.route.notify_one();
    Ok(repaired)
}

/// What is remembered of an entity.
fn keeps(pipeline: &Pipeline, connection: &str, entity: &str) -> Vec<&'static str> {
    let offer = pipeline.book.offer(connection);
    let operations = offer.into_iter().flat_map(|offer| offer.operations);
    let writing = operations.filter(|operation| operation.entity == Some(entity));
    let mut keeps: Vec<&str> = writing.flat_map(|operation| operation.keeps).copied().collect();
    keeps.sort_unstable();
    keeps.dedup();
    keeps
}
