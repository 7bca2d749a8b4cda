//! Leads of the journals, read because somebody asks and not because a poll is due. Invariant: reads
//! only; a lead without an id or a contact cannot be linked to, and is left out.

use super::journal::{self, CALLS, REQUESTS};
use super::parse::Noun;
use super::poll::day_of;
use super::{Calltouch, client};
use crate::connectors::port::LeadPage;
use crate::domain::contact::contact_key;
use crate::domain::event::is_empty;
use crate::domain::{Delay, Event, Lead, Raw, Seen};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::Value;

/// All records since then, as the polls make rows of them.
///
/// # Errors
/// Why not now.
pub async fn recent(
    own: &Calltouch,
    noun: &str,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Raw>, Delay> {
    let Some(feed) = feed(noun) else { return Ok(Vec::new()) };
    let zone = &own.reader.site.zone;
    let (first, today) = (day_of(since, zone), day_of(now, zone));
    // Within one day its last hours are enough, unless the clocks were changed in them.
    let from = Some(zone.to_datetime(since))
        .filter(|_| first == today && zone.to_offset(since) == zone.to_offset(now));
    let mut rows = Vec::new();
    for day in first.series(jiff::Span::new().days(1)).take_while(|day| *day <= today) {
        for record in all(own, feed, day, from).await? {
            rows.extend(journal::row(&record, feed, &own.reader.site, now));
        }
    }
    Ok(rows)
}

/// A page of the leads of a day; the requests of a day are one page.
///
/// # Errors
/// Why not now.
pub async fn page(own: &Calltouch, noun: &str, day: Date, page: u32) -> Result<LeadPage, Delay> {
    let read = match feed(noun) {
        Some(CALLS) => own.api.calls((day, day), page, client::LIMIT).await?,
        Some(_) => own.api.requests(day, None).await?,
        None => return Ok(LeadPage::default()),
    };
    let event = if noun == Noun::Call.word() { journal::call } else { journal::request };
    let events = read.records.iter().filter_map(|record| event(&own.reader, record).ok()).flatten();
    let leads = events.filter(|event| event.connection == own.reader.site.connection);
    Ok(LeadPage { leads: leads.filter_map(|event| lead(&event)).collect(), more: read.more })
}

fn feed(noun: &str) -> Option<&'static str> {
    match noun {
        "call" => Some(CALLS),
        "request" => Some(REQUESTS),
        // Chats have no journal.
        _ => None,
    }
}

async fn all(
    own: &Calltouch,
    feed: &str,
    day: Date,
    from: Option<DateTime>,
) -> Result<Vec<Value>, Delay> {
    if feed == REQUESTS {
        return Ok(own.api.requests(day, from).await?.records);
    }
    let mut records = Vec::new();
    for page in 1.. {
        let read = own.api.calls_from(day, from, page).await?;
        records.extend(read.records);
        if !read.more {
            break;
        }
    }
    Ok(records)
}

/// The lead of an event of the journal.
fn lead(event: &Event) -> Option<Lead> {
    let text = |name: &str| {
        let value = event.fields.get(name).filter(|value| !is_empty(value))?;
        value.as_str().map(str::to_owned)
    };
    let contacts: Vec<String> =
        ["phone", "email"].iter().filter_map(|name| contact_key(&text(name)?)).collect();
    if contacts.is_empty() || event.provisional {
        return None;
    }
    let at = text("started").or_else(|| text("created"));
    Some(Lead {
        connection: event.connection.clone(),
        kind: event.noun().to_owned(),
        id: text("id")?,
        at: at.and_then(|text| text.parse().ok()).unwrap_or(event.registered),
        contacts,
        source: text("source"),
        medium: text("medium"),
        campaign: text("utm_campaign"),
        seen: Seen::BACKFILL,
    })
}
