//! The ordered matching of deals with leads (calltouch.md §5.2): read strictly, tried in order.
//! Invariant: the first entry that finds something wins, and those after it are not looked at.

use crate::sandbox::answer::{Answer, violation};
use crate::sandbox::calltouch::lead::{Kind, Lead};
use crate::sandbox::calltouch::leads::Leads;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// Longest text of a custom source.
const LONGEST_SOURCE: usize = 128;

/// What a deal was linked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// The entry that won: `call`, `callContact`, `customSources`, …
    #[serde(rename = "type")]
    pub entry: String,
    /// Type and id of the lead.
    pub lead: Option<&'static str>,
    pub id: Option<u64>,
    pub source: String,
    pub medium: String,
    pub campaign: String,
}

/// One entry, read.
#[derive(Debug, Clone)]
enum Entry {
    Lead(Kind, u64),
    Contact(Contact),
    Session(Vec<u64>),
    Sources([String; 3]),
    None,
}

#[derive(Debug, Clone)]
struct Contact {
    kinds: Vec<Kind>,
    contacts: Vec<String>,
    date: Timestamp,
    depth: SignedDuration,
    unique: bool,
}

/// A whole matching.
#[derive(Debug, Clone, Default)]
pub struct Matching(Vec<(String, Entry)>);

impl Matching {
    /// Reads the list; `deepest` is the longest `searchDepth` in minutes.
    pub fn read(list: &Value, zone: &TimeZone, deepest: u64) -> Result<Self, Answer> {
        let list = list.as_array().filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| violation("matching", "must be a list that is not empty"))?;
        let mut entries = Vec::new();
        for entry in list {
            let kind = entry["type"].as_str().unwrap_or_default();
            entries.push((kind.to_owned(), read_entry(kind, entry, zone, deepest)?));
        }
        Ok(Self(entries))
    }

    /// The first entry that finds something among what exists now.
    pub fn find(&self, leads: &Leads, now: Timestamp) -> Option<Matched> {
        self.0.iter().find_map(|(name, entry)| match entry {
            Entry::Lead(kind, id) => leads.get(*kind, *id).map(|lead| linked(name, lead)),
            Entry::Contact(contact) => contact.find(leads, now).map(|lead| linked(name, lead)),
            Entry::Session(sessions) => {
                let lead = sessions.iter().find_map(|session| leads.of_session(*session));
                lead.map(|lead| linked(name, lead))
            }
            Entry::Sources([source, medium, campaign]) => Some(Matched {
                source: source.clone(),
                medium: medium.clone(),
                campaign: campaign.clone(),
                ..unlinked(name)
            }),
            Entry::None => Some(unlinked(name)),
        })
    }
}

fn unlinked(entry: &str) -> Matched {
    let empty = String::new;
    Matched {
        entry: entry.to_owned(),
        lead: None,
        id: None,
        source: empty(),
        medium: empty(),
        campaign: empty(),
    }
}

fn linked(entry: &str, lead: &Lead) -> Matched {
    let [source, medium, campaign, ..] = lead.utm.clone();
    Matched {
        entry: entry.to_owned(),
        lead: Some(lead.kind.name()),
        id: Some(lead.id),
        source,
        medium,
        campaign,
    }
}

impl Contact {
    /// The nearest lead not later than `date` and not earlier than the depth allows.
    fn find<'a>(&self, leads: &'a Leads, now: Timestamp) -> Option<&'a Lead> {
        let first = self.date.saturating_sub(self.depth).unwrap_or(Timestamp::MIN);
        let fits = |lead: &&Lead| {
            self.kinds.contains(&lead.kind)
                && first <= lead.at
                && lead.at <= self.date.min(now)
                && (lead.unique || !self.unique)
        };
        let found = self.contacts.iter().flat_map(|contact| leads.with_contact(contact));
        found.filter(fits).max_by_key(|lead| (lead.at, lead.id))
    }
}

fn read_entry(kind: &str, entry: &Value, zone: &TimeZone, deepest: u64) -> Result<Entry, Answer> {
    let by_id = |params: &str, key: &str, kind: Kind| {
        let id = &entry[params][key];
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok());
        let field = format!("matching.{params}.{key}");
        id.map(|id| Entry::Lead(kind, id)).ok_or_else(|| violation(&field, "must be a number"))
    };
    let contact = |params: &str, nearest: &str, kinds: &[Kind]| {
        contact(&entry[params], nearest, kinds, (zone, deepest)).map(Entry::Contact)
    };
    match kind {
        "call" => by_id("callParams", "callId", Kind::Call),
        "request" => by_id("requestParams", "requestId", Kind::Request),
        "chat" => by_id("chatParams", "chatId", Kind::Chat),
        "callContact" => contact("callContactParams", "callTypeToMatch", &[Kind::Call]),
        "requestContact" => contact("requestContactParams", "requestTypeToMatch", &[Kind::Request]),
        "chatContact" => contact("chatContactParams", "chatTypeToMatch", &[Kind::Chat]),
        "leadContact" => {
            let with_chats = entry["leadContactParams"]["withChats"].as_bool().unwrap_or(false);
            let kinds = [Kind::Call, Kind::Request, Kind::Chat];
            let kinds = if with_chats { &kinds[..] } else { &kinds[..2] };
            contact("leadContactParams", "leadTypeToMatch", kinds)
        }
        "session" => {
            let list = entry["sessionParams"]["sessionId"].as_array();
            let list =
                list.ok_or_else(|| violation("matching.sessionParams", "needs sessionId"))?;
            let id = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
            Ok(Entry::Session(list.iter().filter_map(id).collect()))
        }
        "customSources" => sources(&entry["customSourceParams"]),
        "withoutSource" => Ok(Entry::None),
        _ => Err(violation("matching.type", "is not one of the types")),
    }
}

fn sources(params: &Value) -> Result<Entry, Answer> {
    let text = |key: &str| {
        let text = params[key].as_str().unwrap_or_default().to_owned();
        let field = format!("matching.customSourceParams.{key}");
        let fits = text.chars().count() <= LONGEST_SOURCE;
        fits.then_some(text).ok_or_else(|| violation(&field, "is longer than 128 characters"))
    };
    Ok(Entry::Sources([text("source")?, text("medium")?, text("campaign")?]))
}

fn contact(
    params: &Value,
    nearest: &str,
    kinds: &[Kind],
    (zone, deepest): (&TimeZone, u64),
) -> Result<Contact, Answer> {
    let wrong = |field: &str, text: &str| violation(&format!("matching.{field}"), text);
    let list = |key: &str| -> Vec<String> {
        let list = params[key].as_array();
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut contacts = list("phones");
    // Official samples of calls have no e-mails.
    if kinds != [Kind::Call] {
        contacts.extend(list("emails"));
    }
    let date = params["date"].as_str().unwrap_or_default();
    let date = super::orders::parse_stamp(date, zone);
    let date = date.ok_or_else(|| wrong("date", "must be dd-MM-yyyy HH:mm:ss"))?;
    let unique = match params[nearest].as_str() {
        Some("nearest") => false,
        Some("nearestUniq") => true,
        _ => return Err(wrong(nearest, "must be nearest or nearestUniq")),
    };
    let depth = params["searchDepth"].as_u64().filter(|depth| *depth <= deepest);
    let depth = depth.ok_or_else(|| wrong("searchDepth", "is no number or too large"))?;
    let minutes = i64::try_from(depth).unwrap_or(i64::MAX / 60);
    let depth = SignedDuration::from_mins(minutes);
    Ok(Contact { kinds: kinds.to_vec(), contacts, date, depth, unique })
}
