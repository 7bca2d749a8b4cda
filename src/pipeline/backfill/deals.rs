//! Orders of the past, read day by day and decided by the flows. Invariant: an order becomes a row of
//! the inbox in the transaction that moves the place; no page is taken on while the flows have enough
//! to do; the end is when they have done it all.

use super::{AHEAD, Course, End, forwards};
use crate::clock::plus;
use crate::connectors::port::ListedPage;
use crate::domain::Raw;
use crate::pipeline::Pipeline;
use crate::pipeline::ahead::{Ahead, Read, Ticket};
use crate::rules::pairs::{self, Pair};
use crate::store::{self, BackfillState, Progress};
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// No page is taken on while more jobs than this are under way: enough to fill batches while others
/// are on their way, and few enough to be decided from the pages that are in memory.
const MOST: u64 = 400;
/// What is due within this is under way; what the flows put off for longer ends by itself.
const SOON: Duration = Duration::from_secs(60);
/// How often it is looked whether there is room.
const LOOK: Duration = Duration::from_millis(40);

/// A page, and when it was asked for.
type Page = (Timestamp, ListedPage);

pub async fn run(course: &mut Course) -> Result<(), End> {
    let name = course.row.connection.clone();
    let pairs = pairs::all(&course.pipeline.book);
    let Some(pair) = pairs.into_iter().find(|pair| pair.source == name) else {
        return Err(End::Failed(format!("no running flow writes what becomes of {name}")));
    };
    let mut ahead = ahead(course, &pair);
    while let Some((ticket, (asked, page))) = course.page(&mut ahead).await? {
        let rows = page.rows.len() as u64;
        let pages = page.total.filter(|_| rows > 0).map(|total| total.div_ceil(rows));
        let pages = pages.map(|pages| u32::try_from(pages).unwrap_or(u32::MAX));
        let known = pages.filter(|_| ticket.page == 1);
        if page.more {
            ahead.more(&ticket, known);
        }
        room(course, &pair).await?;
        let run = course.row.id.to_string();
        let rows = page.rows.iter().map(|row| asked_row(&pair, &run, &row.id, asked)).collect();
        course.row.done += page.rows.len() as u64;
        let pages = known.or_else(|| {
            course.row.position.get("pages").and_then(|pages| pages.as_u64()?.try_into().ok())
        });
        course.row.position = if page.more {
            json!({ "day": ticket.day, "page": ticket.page + 1, "pages": pages })
        } else {
            json!({ "day": ticket.day.tomorrow().unwrap_or(ticket.day), "page": 1 })
        };
        course.keep(Progress { rows, ..Progress::default() }).await?;
        course.pipeline.wake.route.notify_one();
    }
    while under_way(&course.pipeline, &name).await? > 0 {
        look(course).await?;
    }
    Ok(())
}

/// The pages from where it stands to the end.
fn ahead(course: &Course, pair: &Pair) -> Ahead<Page> {
    let first = course.day().unwrap_or(course.row.first);
    let page = course.row.position.get("page").and_then(serde_json::Value::as_u64);
    let page = page.and_then(|page| u32::try_from(page).ok()).unwrap_or(1);
    let kind = pair.thing;
    let tickets = forwards(first, course.row.last).map(move |day| Ticket {
        kind,
        day,
        page: if day == first { page } else { 1 },
    });
    let (connector, clock) = (Arc::clone(&course.connector), course.pipeline.clock.clone());
    let read: Read<Page> = Arc::new(move |ticket: Ticket| {
        let (connector, clock) = (Arc::clone(&connector), clock.clone());
        Box::pin(async move {
            let asked = clock.now();
            Ok((asked, connector.listed(ticket.kind, ticket.day, ticket.page, asked).await?))
        })
    });
    Ahead::new(read, tickets, AHEAD)
}

/// A row that has the flows decide about a thing, whatever they decided before.
pub fn asked_row(pair: &Pair, run: &str, id: &str, at: Timestamp) -> Raw {
    let body = json!({ "run": run, "kind": pair.thing, "id": id, "at": at });
    Raw {
        id: 0,
        connection: pair.source.clone(),
        channel: "listed".to_owned(),
        content_type: "application/json".to_owned(),
        body: body.to_string().into_bytes(),
        dedupe_key: format!("listed:{run}:{id}"),
        received: at,
    }
}

/// Waits until the flows have little to do, and may write.
async fn room(course: &mut Course, pair: &Pair) -> Result<(), End> {
    for target in &pair.targets {
        course.rest(target).await?;
    }
    while under_way(&course.pipeline, &pair.source).await? >= MOST {
        look(course).await?;
    }
    Ok(())
}

async fn look(course: &Course) -> Result<(), End> {
    tokio::time::sleep(LOOK).await;
    let row = course.pipeline.store.backfill(course.row.id).await?;
    match row.is_none_or(|row| row.state != BackfillState::Running) {
        true => Err(End::Stopped),
        false => Ok(()),
    }
}

/// Jobs of what persons asked for that have not ended; what is not routed yet counts as plenty.
pub async fn under_way(pipeline: &Pipeline, name: &str) -> Result<u64, store::Error> {
    let unrouted = pipeline.store.unrouted(1, Some(&[name.to_owned()])).await?;
    if !unrouted.is_empty() {
        return Ok(u64::MAX);
    }
    pipeline.store.asked_under_way(plus(pipeline.clock.now(), SOON)).await
}
