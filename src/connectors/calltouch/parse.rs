//! From named texts to an event. Invariant: hook and journal go through the same rules, so that
//! what they say of one lead has one key, one shape and one meaning; nothing here reads a clock.
//!
//! A lead without an id is known by contact and second (`call:~+79990000001@1695674116`); every
//! lead with both carries that text as an alias, so that a hook without an id and the journal's
//! record of it are one lead. Where a delivery has two times that differ (`timestamp` and
//! `calltime` or `requestDate`), there is an alias for each.

use super::fields::{self, Fields};
use super::offer;
use super::sites::Site;
use crate::domain::{EmailKey, Event};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The kinds of leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Call,
    Request,
    Chat,
}

/// The names under which a field of ours is found.
pub struct Named {
    pub field: &'static str,
    /// As [`super::wire::plain`] writes them, best first.
    pub names: Vec<String>,
}

/// The names of all fields of the three nouns, settings applied.
pub struct Names {
    call: Vec<Named>,
    request: Vec<Named>,
    chat: Vec<Named>,
}

/// What makes an event besides its fields.
pub struct Frame {
    pub kind: &'static str,
    /// Sets the keys of another stage of the same lead apart: `:started`.
    pub stage: &'static str,
    /// When the lead was registered; of a hook its arrival.
    pub registered: Timestamp,
}

type Synonyms = [(&'static str, &'static [&'static str])];

const TRAFFIC: &Synonyms = &[
    ("source", &["source"]),
    ("medium", &["medium"]),
    ("keyword", &["keyword", "keywords"]),
    ("utm_source", &["utmsource"]),
    ("utm_medium", &["utmmedium"]),
    ("utm_campaign", &["utmcampaign"]),
    ("utm_content", &["utmcontent"]),
    ("utm_term", &["utmterm"]),
    ("city", &["city"]),
    ("session_id", &["sessionid"]),
    ("manager", &["manager"]),
];

/// `phonenumber` is the tracked number: never the client's.
const CALL: &Synonyms = &[
    ("id", &["id", "callid"]),
    ("phone", &["callerphone", "callernumber"]),
    ("tracked_phone", &["phonenumber"]),
    ("started", &["timestamp", "calltime", "date"]),
    ("duration", &["duration"]),
    ("waiting", &["waitingtime", "waitingconnect"]),
    ("successful", &["successful", "status"]),
    ("unique", &["unique", "uniquecall"]),
    ("target", &["target", "targetcall"]),
    ("callback", &["callback", "callbackcall"]),
    ("url", &["url", "callurl"]),
];

/// `id` is a call's: a request without `requestId` is known by its contact.
const REQUEST: &Synonyms = &[
    ("id", &["requestid"]),
    ("number", &["requestnumber"]),
    ("subject", &["subject"]),
    ("name", &["fio", "name", "clientname"]),
    ("phone", &["callerphone", "phone", "clientphone"]),
    ("email", &["email", "clientemail", "mail"]),
    ("created", &["timestamp", "date", "requestdate", "datestr"]),
    ("comment", &["comment", "comments"]),
    ("url", &["requesturl", "callurl", "url"]),
    ("unique", &["uniquerequest", "unique"]),
    ("target", &["targetrequest", "target"]),
];

/// Proposals: no public page names the fields of a chat's webhook (calltouch.md §4).
const CHAT: &Synonyms = &[
    ("id", &["chatid", "id"]),
    ("name", &["fio", "name", "clientname", "client.name", "client.fio"]),
    ("phone", &["phone", "callerphone", "phonenumber", "clientphone", "client.phone"]),
    ("email", &["email", "clientemail", "client.email"]),
    ("created", &["timestamp", "chatdate", "date"]),
    ("text", &["messages", "text", "messages.text", "messages.message"]),
];

/// The fields that `chat_fields` may name.
pub fn chat_fields() -> impl Iterator<Item = &'static str> {
    CHAT.iter().chain(TRAFFIC).map(|(field, _)| *field).filter(|field| *field != "manager")
}

impl Names {
    /// `email` and `chat` override the names of a request's e-mail and of a chat's fields.
    pub fn new(email: Option<&[String]>, chat: &[(String, Vec<String>)]) -> Self {
        let mut names = Self { call: named(CALL), request: named(REQUEST), chat: named(CHAT) };
        let plain = |list: &[String]| list.iter().map(|name| super::wire::plain(name)).collect();
        if let (Some(list), Some(held)) =
            (email, names.request.iter_mut().find(|held| held.field == "email"))
        {
            held.names = plain(list);
        }
        for (field, list) in chat {
            if let Some(held) = names.chat.iter_mut().find(|held| held.field == field) {
                held.names = plain(list);
            }
        }
        names
    }

    fn of(&self, noun: Noun) -> &[Named] {
        match noun {
            Noun::Call => &self.call,
            Noun::Request => &self.request,
            Noun::Chat => &self.chat,
        }
    }

    pub fn of_field(&self, noun: Noun, field: &str) -> &[String] {
        self.of(noun).iter().find(|named| named.field == field).map_or(&[], |named| &named.names)
    }
}

fn named(own: &Synonyms) -> Vec<Named> {
    own.iter()
        .chain(TRAFFIC)
        .map(|(field, names)| Named {
            field,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        })
        .collect()
}

impl Noun {
    pub fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Request => "request",
            Self::Chat => "chat",
        }
    }

    /// The field that says when the lead began.
    pub fn time_field(self) -> &'static str {
        match self {
            Self::Call => "started",
            Self::Request | Self::Chat => "created",
        }
    }
}

/// Makes the event of a lead.
///
/// # Errors
/// Where neither an id nor a contact says which lead it is.
pub fn event(
    noun: Noun,
    frame: Frame,
    fields: &Fields,
    names: &Names,
    site: &Site,
) -> Result<Event, String> {
    let held = values(noun, frame.kind, fields, names, site);
    let mut seconds = seconds(noun, fields, names, site);
    let contacts = contacts(&held);
    let id = held.get("id").and_then(Value::as_str);
    if id.is_none() && seconds.is_empty() {
        seconds.push(frame.registered.as_second());
    }
    let mut aliases: Vec<String> = Vec::new();
    for (contact, second) in
        contacts.iter().flat_map(|contact| seconds.iter().map(move |second| (contact, second)))
    {
        aliases.push(format!("{}:~{contact}@{second}{}", noun.word(), frame.stage));
    }
    let provisional = id.is_none();
    let key = match id {
        Some(id) => format!("{}:{id}{}", noun.word(), frame.stage),
        None if aliases.is_empty() => {
            return Err(format!(
                "a {} with neither an id nor a contact: nothing says which one it is",
                noun.word()
            ));
        }
        None => aliases.remove(0),
    };
    Ok(Event {
        asked: false,
        connection: site.connection.clone(),
        kind: frame.kind.to_owned(),
        key,
        aliases,
        provisional,
        registered: frame.registered,
        fields: held,
    })
}

/// The values in the shape and order of the offer.
fn values(
    noun: Noun,
    kind: &str,
    fields: &Fields,
    names: &Names,
    site: &Site,
) -> Map<String, Value> {
    let mut held = Map::new();
    let offered = offer::OFFER.event(kind).map_or(&[][..], |event| event.fields);
    for field in offered {
        let texts = fields.all(names.of_field(noun, field.name));
        let value = match field.name {
            "site_id" => Some(site.id.to_string().into()),
            "id" | "session_id" => texts.filter_map(fields::id).map(Value::from).next(),
            _ => texts.filter_map(|text| fields::value(&field.kind, text, &site.zone)).next(),
        };
        if let Some(value) = value {
            held.insert(field.name.to_owned(), value);
        }
    }
    held
}

/// The lead's start in Unix seconds, the trusted time first.
fn seconds(noun: Noun, fields: &Fields, names: &Names, site: &Site) -> Vec<i64> {
    let mut seconds = Vec::new();
    for text in fields.all(names.of_field(noun, noun.time_field())) {
        let second = fields::time(text, &site.zone).map(Timestamp::as_second);
        seconds.extend(second.filter(|second| !seconds.contains(second)));
    }
    seconds
}

/// The canonical contacts, phone first.
fn contacts(held: &Map<String, Value>) -> Vec<String> {
    let text = |name: &str| held.get(name).and_then(Value::as_str);
    let phone = text("phone").and_then(fields::phone).map(|phone| phone.key().to_owned());
    let email = text("email").and_then(EmailKey::parse).map(|email| email.key().to_owned());
    phone.into_iter().chain(email).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Kind;

    #[test]
    fn every_field_on_offer_has_names_and_every_name_is_on_offer() {
        let names = Names::new(None, &[]);
        for (kind, noun) in [
            (offer::CALL_STARTED, Noun::Call),
            (offer::CALL_FINISHED, Noun::Call),
            (offer::REQUEST_CREATED, Noun::Request),
            (offer::CHAT_CREATED, Noun::Chat),
        ] {
            let offered = offer::OFFER.event(kind).expect("on offer").fields;
            for field in offered.iter().filter(|field| field.name != "site_id") {
                assert!(!names.of_field(noun, field.name).is_empty(), "{kind} {}", field.name);
            }
            for named in names.of(noun).iter().filter(|named| named.field != "manager") {
                assert!(offered.iter().any(|field| field.name == named.field), "{}", named.field);
            }
            for name in names.of(noun).iter().flat_map(|named| &named.names) {
                assert_eq!(*name, super::super::wire::plain(name));
            }
            assert!(
                offered.iter().any(
                    |field| field.name == noun.time_field() && matches!(field.kind, Kind::Time)
                )
            );
        }
    }
}
