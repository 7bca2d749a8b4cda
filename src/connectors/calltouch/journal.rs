//! The journals of calls and of requests: pages into rows, rows into events. Invariant: a record
//! is one row whose dedupe key changes with its contents, so a record that grew is read again.

use super::Reader;
use super::fields::{self, Fields};
use super::offer;
use super::parse::{self, Frame, Noun};
use super::sites::Site;
use super::wire::{digest, scalar_text};
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub const CALLS: &str = "calls";
pub const REQUESTS: &str = "requests";

const JSON: &str = "application/json";

/// More pages are no day of calls but a far side that turns in a circle.
const MOST_PAGES: u32 = 1000;

/// Records of one page, and whether another follows.
#[derive(Debug, PartialEq)]
pub struct Records {
    pub records: Vec<Value>,
    pub more: bool,
    /// How many there are on all pages, where the answer says so.
    pub total: Option<u64>,
}

/// Reads a page: a bare list (all there is), or `{page, pageTotal, records}`. Where the total is
/// left out, a full page has a successor.
pub fn page(answer: Value, page: u32, limit: usize) -> Result<Records, String> {
    let mut table = match answer {
        Value::Array(records) => {
            let total = u64::try_from(records.len()).ok();
            return Ok(Records { records, more: false, total });
        }
        Value::Object(table) => table,
        _ => return Err("the answer is neither a list nor a table".to_owned()),
    };
    let Some(Value::Array(records)) = table.remove("records") else {
        return Err("the answer holds no `records`".to_owned());
    };
    let number = |names: &[&str]| {
        names.iter().find_map(|name| scalar_text(table.get(*name)?)?.parse::<u64>().ok())
    };
    let more = !records.is_empty()
        && page < MOST_PAGES
        && match number(&["pageTotal", "totalPage", "pagesTotal"]) {
            Some(total) => u64::from(page) < total,
            None => records.len() >= limit,
        };
    let total = number(&["recordsTotal", "recordsCount"]);
    Ok(Records { records, more, total })
}

/// The row of a record; `None` for one of another site, which its own connection polls.
pub fn row(record: &Value, channel: &str, site: &Site, now: Timestamp) -> Option<Raw> {
    let foreign = record
        .get("siteId")
        .and_then(scalar_text)
        .is_some_and(|id| fields::id(&id).is_some_and(|id| id != site.id.to_string()));
    if foreign {
        return None;
    }
    let name = if channel == CALLS { "callId" } else { "requestId" };
    let id = record.get(name).and_then(scalar_text).unwrap_or_default();
    let body = record.to_string().into_bytes();
    let hash = digest(JSON, &body);
    Some(Raw {
        id: 0,
        connection: site.connection.clone(),
        channel: channel.to_owned(),
        content_type: JSON.to_owned(),
        dedupe_key: format!("{channel}:{id}:{hash}"),
        body,
        received: now,
    })
}

/// The event of a polled row; none for a call that is not over.
pub fn read(reader: &Reader, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let record: Value = serde_json::from_slice(&raw.body).map_err(|fault| {
        Unreadable(format!("the record is no JSON (column {})", fault.column()))
    })?;
    if !record.is_object() {
        return Err(Unreadable("the record is no table of fields".to_owned()));
    }
    if raw.channel == CALLS { call(reader, &record) } else { request(reader, &record) }
}

/// A call is registered at its end: start, ringing and talk.
pub fn call(reader: &Reader, record: &Value) -> Result<Vec<Event>, Unreadable> {
    let fields = scalars(record);
    let over = match fields.get("callphase") {
        Some(phase) => phase.eq_ignore_ascii_case("calldisconnected"),
        None => fields.has(&["duration"]),
    };
    if !over {
        return Ok(Vec::new());
    }
    let site = site(reader, &fields)?;
    required_id(&fields, "callid", "callId")?;
    let start = start(reader, Noun::Call, &fields, &site)?;
    let seconds = |name: &str| {
        fields.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0).clamp(0.0, 864e2)
    };
    let length = SignedDuration::from_secs_f64(seconds("waitingconnect") + seconds("duration"));
    let end = start.saturating_add(length).unwrap_or(start);
    let frame = Frame { kind: offer::CALL_FINISHED, stage: "", registered: end };
    let event = parse::event(Noun::Call, frame, &fields, &reader.names, &site);
    Ok(vec![event.map_err(Unreadable)?])
}

/// A request is registered when it was made.
pub fn request(reader: &Reader, record: &Value) -> Result<Vec<Event>, Unreadable> {
    let mut fields = scalars(record);
    let site = site(reader, &fields)?;
    required_id(&fields, "requestid", "requestId")?;
    let client = record.get("client").unwrap_or(&Value::Null);
    let phones = texts(client.get("phones"), &["phoneNumber", "phone", "value"]);
    if let Some(phone) = phones.iter().find_map(|text| fields::phone(text)) {
        fields.add("callerphone", phone.typed());
    }
    // `contactType/contactValue` in one client, `type/value` in another: the value tells.
    let contacts = texts(client.get("contacts"), &["contactValue", "value"]);
    if let Some(email) = contacts.iter().find_map(|text| fields::email(text)) {
        let name = reader.names.of_field(Noun::Request, "email").first();
        fields.add(name.map_or("email", String::as_str), &email);
    }
    if let Some(name) = client.get("fio").and_then(scalar_text) {
        fields.add("fio", &name);
    }
    fields.add("comment", &texts(record.get("comments"), &["comment"]).join("\n"));
    if let Some(Value::Object(session)) = record.get("session") {
        for (name, text) in session.iter().filter_map(|(n, v)| Some((n, scalar_text(v)?))) {
            fields.add(name, &text);
        }
    }
    let registered = start(reader, Noun::Request, &fields, &site)?;
    let frame = Frame { kind: offer::REQUEST_CREATED, stage: "", registered };
    let event = parse::event(Noun::Request, frame, &fields, &reader.names, &site);
    Ok(vec![event.map_err(Unreadable)?])
}

/// The scalars of a record's first level.
fn scalars(record: &Value) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in record.as_object().into_iter().flatten() {
        if let Some(text) = scalar_text(value) {
            fields.add(name, &text);
        }
    }
    fields
}

/// The texts of a list whose items are scalars or tables.
fn texts(list: Option<&Value>, names: &[&str]) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| {
            scalar_text(item)
                .or_else(|| names.iter().find_map(|name| scalar_text(item.get(*name)?)))
        })
        .filter(|text| !text.is_empty())
        .collect()
}

fn site(reader: &Reader, fields: &Fields) -> Result<Site, Unreadable> {
    match fields.get("siteid").and_then(fields::id) {
        None => Ok(reader.site.clone()),
        Some(text) => reader.site_of(text),
    }
}

fn required_id(fields: &Fields, name: &str, shown: &str) -> Result<(), Unreadable> {
    match fields.get(name).and_then(fields::id) {
        Some(_) => Ok(()),
        None => Err(Unreadable(format!("the journal's record has no {shown}"))),
    }
}

fn start(
    reader: &Reader,
    noun: Noun,
    fields: &Fields,
    site: &Site,
) -> Result<Timestamp, Unreadable> {
    fields
        .all(reader.names.of_field(noun, noun.time_field()))
        .find_map(|text| fields::time(text, &site.zone))
        .ok_or_else(|| Unreadable("the journal's record has no time".to_owned()))
}
