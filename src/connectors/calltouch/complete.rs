//! What a webhook left out, looked up in the journal. Invariant: it only adds; a lead is taken for
//! the same when its id is, or when contact and time agree and no other record is nearer.

use super::journal::{self, CALLS};
use super::poll::day_of;
use super::{Calltouch, offer};
use crate::connectors::port::Completion;
use crate::domain::{Delay, EmailKey, Event, Phone};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How far a record's start may be from the webhook's: clocks and wall-clock texts differ.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(3);

/// The event with what the journals know. Chats have no journal.
pub async fn complete(own: &Calltouch, event: &Event) -> Result<Completion, Delay> {
    let found = match event.kind.as_str() {
        offer::CALL_FINISHED if event.provisional => call(own, event).await?,
        offer::REQUEST_CREATED if event.provisional || !has_contact(event) => {
            request(own, event).await?
        }
        _ => return Ok(Completion::Never),
    };
    let Some(found) = found else { return Ok(Completion::NotYet) };
    let mut full = event.clone();
    let grew = full.fill_from(&found);
    Ok(if grew { Completion::Fuller(Box::new(full)) } else { Completion::Never })
}

async fn call(own: &Calltouch, event: &Event) -> Result<Option<Event>, Delay> {
    let days = days_around(own, event);
    let mut records = Vec::new();
    for page in 1.. {
        let read = own.api.calls(days, page, super::client::LIMIT).await?;
        records.extend(read.records);
        if !read.more {
            break;
        }
    }
    Ok(nearest(event, events(own, CALLS, &records)))
}

async fn request(own: &Calltouch, event: &Event) -> Result<Option<Event>, Delay> {
    let (from, to) = days_around(own, event);
    let mut records = own.api.requests(to, None).await?.records;
    if from != to {
        records.extend(own.api.requests(from, None).await?.records);
    }
    let found = events(own, journal::REQUESTS, &records);
    if event.provisional {
        return Ok(nearest(event, found));
    }
    Ok(found.into_iter().find(|found| found.key == event.key))
}

/// The days of the site that the lead may stand on. Without a start of its own, a lead is looked
/// for on the day of its arrival and the day before.
fn days_around(own: &Calltouch, event: &Event) -> (Date, Date) {
    let zone = &own.reader.site.zone;
    let (from, to) = match start(event) {
        Some(start) => (start.saturating_sub(TOLERANCE), start.saturating_add(TOLERANCE)),
        None => {
            (event.registered.saturating_sub(SignedDuration::from_hours(24)), Ok(event.registered))
        }
    };
    let day = |time: Result<Timestamp, _>| day_of(time.unwrap_or(event.registered), zone);
    (day(from), day(to))
}

/// The events of records; one that cannot be read is none of ours to find.
fn events(own: &Calltouch, channel: &str, records: &[Value]) -> Vec<Event> {
    let read = if channel == CALLS { journal::call } else { journal::request };
    records.iter().filter_map(|record| read(&own.reader, record).ok()).flatten().collect()
}

/// The record of the same contact that is nearest in time, within the tolerance.
fn nearest(event: &Event, found: Vec<Event>) -> Option<Event> {
    let distance = |found: &Event| match (start(event), start(found)) {
        (Some(one), Some(other)) => one.duration_since(other).abs(),
        // Without a start, arrival is compared with the end.
        _ => event.registered.duration_since(found.registered).abs(),
    };
    found
        .into_iter()
        .filter(|found| found.connection == event.connection && same_contact(event, found))
        .map(|found| (distance(&found), found))
        .filter(|(distance, _)| *distance <= TOLERANCE)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, found)| found)
}

fn start(event: &Event) -> Option<Timestamp> {
    ["started", "created"].iter().find_map(|name| text(event, name)?.parse().ok())
}

fn same_contact(one: &Event, other: &Event) -> bool {
    let phone =
        |event| text(event, "phone").and_then(Phone::parse).map(|phone| phone.key().to_owned());
    let email =
        |event| text(event, "email").and_then(EmailKey::parse).map(|email| email.key().to_owned());
    let same = |one: Option<String>, other: Option<String>| one.is_some() && one == other;
    same(phone(one), phone(other)) || same(email(one), email(other))
}

fn has_contact(event: &Event) -> bool {
    text(event, "phone").is_some() || text(event, "email").is_some()
}

fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.fields.get(name).and_then(Value::as_str)
}
