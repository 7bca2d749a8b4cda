//! The journals of leads, read backwards day by day. Invariant: a day counts as covered when all of
//! its pages are kept; covered days are not read again.

use super::{AHEAD, Course, End, backwards, bounds, nouns};
use crate::connectors::port::LeadPage;
use crate::domain::{Covered, Seen};
use crate::pipeline::ahead::{Ahead, Read, Ticket};
use crate::store::Progress;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A page, and when it was asked for.
type Page = (Timestamp, LeadPage);

pub async fn run(course: &mut Course) -> Result<(), End> {
    let tickets = unread(course).await?;
    let (connector, clock) = (Arc::clone(&course.connector), course.pipeline.clock.clone());
    let read: Read<Page> = Arc::new(move |ticket: Ticket| {
        let (connector, clock) = (Arc::clone(&connector), clock.clone());
        Box::pin(async move {
            let asked = clock.now();
            Ok((asked, connector.leads(ticket.kind, ticket.day, ticket.page).await?))
        })
    });
    let mut ahead = Ahead::new(read, tickets.into_iter(), AHEAD);
    let mut begun: Option<Timestamp> = None;
    while let Some((ticket, (asked, page))) = course.page(&mut ahead).await? {
        let since = if ticket.page == 1 { asked } else { begun.unwrap_or(asked) };
        begun = Some(since);
        if page.more {
            ahead.more(&ticket, None);
        }
        let covered = (!page.more).then(|| covered(course, &ticket, since)).flatten();
        let leads =
            page.leads.into_iter().map(|lead| crate::domain::Lead { seen: Seen::BACKFILL, ..lead });
        let leads: Vec<_> = leads.collect();
        course.row.position = json!({ "day": ticket.day });
        course.row.done += leads.len() as u64;
        course.keep(Progress { leads, covered, ..Progress::default() }).await?;
    }
    Ok(())
}

/// The days that are not covered, the last one first, of each noun.
async fn unread(course: &Course) -> Result<Vec<Ticket>, End> {
    let nouns = nouns(course.connector.offer());
    if nouns.is_empty() {
        return Err(End::Failed("it has no journal of leads that can be read".to_owned()));
    }
    let mut known = BTreeMap::new();
    for noun in &nouns {
        let store = &course.pipeline.store;
        known.insert(*noun, store.covered(&course.row.connection, noun).await?);
    }
    let last = course.day().unwrap_or(course.row.last);
    let zone = course.connector.zone();
    let now = course.pipeline.clock.now();
    let is_known = |noun: &str, day: Date| match (known.get(noun), bounds(day, &zone)) {
        (Some(Some((since, until))), Some((begin, end))) => {
            *since <= begin && end.min(now) <= *until
        }
        _ => false,
    };
    let days = backwards(course.row.first, last);
    let all = days.flat_map(|day| nouns.iter().map(move |noun| Ticket::of(noun, day)));
    Ok(all.filter(|ticket| !is_known(ticket.kind, ticket.day)).collect())
}

/// What is covered with the last page of a day: of the day that is not over, what was before it was
/// asked for.
fn covered(course: &Course, ticket: &Ticket, asked: Timestamp) -> Option<Covered> {
    let (from, end) = bounds(ticket.day, &course.connector.zone())?;
    let until = end.min(asked);
    (from < until).then(|| Covered {
        connection: course.row.connection.clone(),
        kind: ticket.kind.to_owned(),
        from,
        until,
    })
}
