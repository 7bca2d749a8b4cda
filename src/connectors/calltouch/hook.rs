//! A delivery at the door, read. Invariant: only a finished call acts; a test delivery, a foreign
//! site and a lead that nobody could tell from others are refused with the reason.

use super::Reader;
use super::fields::{self, Fields};
use super::offer;
use super::parse::{self, Frame, Noun};
use super::sites::Site;
use super::wire;
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};

/// Texts without which a delivery is no lead; a test delivery leaves placeholders in them.
const ESSENTIAL: [&str; 14] = [
    "leadtype",
    "callphase",
    "id",
    "callid",
    "requestid",
    "chatid",
    "callerphone",
    "phone",
    "email",
    "timestamp",
    "calltime",
    "requestdate",
    "siteid",
    "duration",
];

/// The event of each lead in a delivery.
pub fn read(reader: &Reader, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let deliveries = wire::decode(&raw.content_type, &raw.body).map_err(Unreadable)?;
    deliveries.into_iter().map(|pairs| lead(reader, &Fields::of(pairs), raw)).collect()
}

fn lead(reader: &Reader, fields: &Fields, raw: &Raw) -> Result<Event, Unreadable> {
    refuse_test(fields)?;
    let site = site(reader, fields)?;
    let noun = noun(fields)?;
    let (kind, stage) = match noun {
        Noun::Call => phase(fields)?,
        Noun::Request => (offer::REQUEST_CREATED, ""),
        Noun::Chat => (offer::CHAT_CREATED, ""),
    };
    let frame = Frame { kind, stage, registered: raw.received };
    parse::event(noun, frame, fields, &reader.names, &site).map_err(Unreadable)
}

fn refuse_test(fields: &Fields) -> Result<(), Unreadable> {
    let left: Vec<&str> = ESSENTIAL
        .into_iter()
        .filter(|name| {
            fields
                .get(name)
                .is_some_and(|text| text.find('{').is_some_and(|open| text[open..].contains('}')))
        })
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Unreadable(format!(
        "a test delivery: {} still {} {{placeholders}}",
        left.join(", "),
        if left.len() == 1 { "holds" } else { "hold" }
    )))
}

/// The site of the lead: the connection's unless the delivery names another.
fn site(reader: &Reader, fields: &Fields) -> Result<Site, Unreadable> {
    match fields.get("siteid").and_then(fields::id) {
        None => Ok(reader.site.clone()),
        Some(text) => reader.site_of(text),
    }
}

fn noun(fields: &Fields) -> Result<Noun, Unreadable> {
    if let Some(text) = fields.get("leadtype").filter(|text| !fields::is_nothing(text)) {
        return match text.to_lowercase().as_str() {
            "call" | "calls" => Ok(Noun::Call),
            "request" | "requests" => Ok(Noun::Request),
            "chat" | "chats" | "dialog" => Ok(Noun::Chat),
            other => Err(Unreadable(format!(
                "leadtype `{}` is no call, request or chat",
                other.chars().take(32).collect::<String>()
            ))),
        };
    }
    if fields.has(&["requestid", "requestnumber", "requestdate"]) {
        return Ok(Noun::Request);
    }
    if fields.has(&["chatid", "chatdate"]) {
        return Ok(Noun::Chat);
    }
    if fields.has(&["callphase", "calltime", "callid"]) {
        return Ok(Noun::Call);
    }
    Err(Unreadable(
        "no leadtype, requestId, chatId, callphase or calltime: nothing says what lead this is"
            .to_owned(),
    ))
}

/// Which stage of a call it tells of.
fn phase(fields: &Fields) -> Result<(&'static str, &'static str), Unreadable> {
    let phase = fields.get("callphase").unwrap_or_default().to_lowercase();
    match phase.as_str() {
        "callconnected" => Ok((offer::CALL_STARTED, ":started")),
        "calldisconnected" => Ok((offer::CALL_FINISHED, "")),
        _ if fields.has(&["duration"]) => Ok((offer::CALL_FINISHED, "")),
        _ => Err(Unreadable(
            "a call with neither callphase nor duration: nothing says whether it is over; select \
             these fields in Calltouch's webhook (the journal brings this call)"
                .to_owned(),
        )),
    }
}
