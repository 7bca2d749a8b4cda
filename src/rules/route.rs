//! Which jobs follow from an event. Invariant: called inside the routing transaction with the event
//! as merged, so it reads nothing and decides nothing but due times, merge keys and lanes.

use super::{Book, Fault, Knowledge, fault, guard, texts};
use crate::domain::contact::contact_key;
use crate::domain::event::is_empty;
use crate::domain::{Event, Fate, JobChange, JobDraft, JobState, Kept, Lead, Seen};
use crate::mapping::filters::clean;
use crate::mapping::{Bound, Phrase};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

/// Symbols of a lead's source, medium or campaign that are kept.
const LONGEST_WORD: usize = 255;

/// The jobs that the running flows want for `event`, given the states of those it has.
/// An event registered before its connection's first start makes none (it fills the journal), unless
/// a person asked for it; nor does one that the flow's `on.when` does not hold for.
pub fn route(
    book: &Book,
    event: &Event,
    jobs: &[(String, JobState)],
    first_start: Option<Timestamp>,
    now: Timestamp,
) -> Vec<JobChange> {
    // Far sides give their times in whole seconds: a lead of the very second of the first start may
    // have come after it, and is not lost.
    let before = |start: Timestamp| event.registered.as_second() < start.as_second();
    if !event.asked && first_start.is_some_and(before) {
        return Vec::new();
    }
    let knowledge = Knowledge::of(book, event, now);
    book.flows()
        .iter()
        .filter(|bound| listens(bound, event))
        .filter_map(|bound| change(book, bound, event, jobs, &knowledge))
        .collect()
}

fn listens(bound: &Bound, event: &Event) -> bool {
    let trigger = &bound.flow.on;
    bound.running
        && trigger.event == event.kind
        && bound.connections(&trigger.role).contains(&event.connection)
}

fn change(
    book: &Book,
    bound: &Bound,
    event: &Event,
    jobs: &[(String, JobState)],
    knowledge: &Knowledge,
) -> Option<JobChange> {
    // One that cannot be judged gets its job, which then tells a person why.
    if !guard::wanted(bound, knowledge).unwrap_or(true) {
        return None;
    }
    let states = jobs.iter().filter(|(flow, _)| *flow == bound.name).map(|(_, state)| *state);
    let states: Vec<JobState> = states.collect();
    let draft = || JobDraft {
        flow: bound.name.clone(),
        merge_key: merge_key(bound, event, knowledge),
        due: if event.asked { event.registered } else { due(event.registered, bound) },
        registered: event.registered,
        lanes: lanes(book, bound, &bound.flow.lane, knowledge).unwrap_or_default(),
        settle: bound.flow.settle.filter(|_| !event.asked).map(signed),
    };
    if states.contains(&JobState::Waiting) {
        return Some(JobChange::Update(draft()));
    }
    // An event key holds for ever: only a lead that lacked what the flow requires, and now has it,
    // is decided once more.
    let open = states.iter().all(|state| *state == JobState::Incomplete);
    let fuller = || guard::complete(bound, knowledge).unwrap_or(true);
    (open && (states.is_empty() || fuller())).then(|| JobChange::New(draft()))
}

fn due(registered: Timestamp, bound: &Bound) -> Timestamp {
    registered.checked_add(signed(bound.delay)).unwrap_or(Timestamp::MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Ids are a connection's own: what two connections report is never one decision.
fn merge_key(bound: &Bound, event: &Event, knowledge: &Knowledge) -> String {
    let merge = bound.flow.merge.as_ref();
    let value = merge.and_then(|merge| bound.flow.value(merge, &knowledge.scope(bound)).ok());
    match value.map(|value| texts(&value).join(" ")) {
        Some(text) if !text.is_empty() => format!("{}|{text}", event.connection),
        _ => event.key.clone(),
    }
}

/// The lead that an event is, for the journal. None where its id or every contact is missing: nobody
/// could find it.
pub fn lead(book: &Book, event: &Event) -> Option<Lead> {
    let offer = book.offer(&event.connection)?.event(&event.kind)?.lead?;
    let (kind, id) = event.key.split_once(':').filter(|_| !event.provisional)?;
    // Whatever follows is the stage: a call that is not over is the lead that it will be.
    let id = id.split_once(':').map_or(id, |(id, _)| id);
    let field = |name: &str| event.fields.get(name).unwrap_or(&Value::Null);
    let mut contacts: Vec<String> = Vec::new();
    for text in offer.contacts.iter().flat_map(|name| texts(field(name))) {
        contacts.extend(contact_key(&text).filter(|key| !contacts.contains(key)));
    }
    let at = field(offer.at).as_str().and_then(|text| text.parse().ok());
    let word = |name: &str| {
        let text = clean(field(name).as_str()?);
        let cut: String = text.chars().take(LONGEST_WORD).collect();
        (!cut.is_empty()).then_some(cut)
    };
    (!contacts.is_empty()).then(|| Lead {
        connection: event.connection.clone(),
        kind: kind.to_owned(),
        id: id.to_owned(),
        at: at.unwrap_or(event.registered),
        source: word("source"),
        medium: word("medium"),
        campaign: word("utm_campaign"),
        contacts,
        seen: Seen::default(),
    })
}

/// What an event tells about a foreign thing that is gone.
pub fn fate(book: &Book, event: &Event) -> Option<Fate> {
    let offer = book.offer(&event.connection)?.event(&event.kind)?.fate?;
    let first = |name: &str| texts(event.fields.get(name)?).into_iter().next();
    let id = first(offer.id)?;
    let became = first(offer.became).filter(|other| *other != id);
    let gone = event.fields.get(offer.gone).and_then(Value::as_bool).unwrap_or(false);
    (gone || became.is_some()).then(|| Fate {
        connection: event.connection.clone(),
        kind: offer.entity.to_owned(),
        id,
        became,
        at: event.registered,
    })
}

/// What an event tells of foreign things that is to be remembered.
pub fn kept(book: &Book, event: &Event) -> Vec<Kept> {
    let offer = book.offer(&event.connection).and_then(|offer| offer.event(&event.kind));
    let kept = offer.map_or(&[][..], |offer| offer.keeps).iter().filter_map(|keep| {
        let held = |name: &str| event.fields.get(name).filter(|value| !is_empty(value));
        let id = texts(held(keep.id)?).into_iter().next()?;
        let fields = keep.fields.iter();
        let fields =
            fields.filter_map(|(name, field)| Some(((*name).to_owned(), held(field)?.clone())));
        Some(Kept {
            connection: event.connection.clone(),
            kind: keep.entity.to_owned(),
            id,
            fields: fields.collect(),
            at: event.registered,
        })
    });
    kept.collect()
}

/// Lanes of a list of phrases: contacts by their canonical key, other texts as they are, all scoped
/// by the connection that the flow writes to. Empty ones are left out.
///
/// # Errors
/// The phrase that cannot be evaluated.
pub fn lanes(
    book: &Book,
    bound: &Bound,
    phrases: &[Phrase],
    knowledge: &Knowledge,
) -> Result<Vec<String>, Fault> {
    let scope = knowledge.scope(bound);
    let connection = book.writes_to(bound).unwrap_or_default();
    let mut lanes = Vec::new();
    for phrase in phrases {
        let value = bound.flow.value(phrase, &scope).map_err(|error| fault("lane", &error))?;
        for text in texts(&value) {
            let key = if names_kind(&text) { None } else { contact_key(&text) };
            let key = key.unwrap_or(text);
            let lane = format!("{connection}|{key}");
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
    }
    Ok(lanes)
}

/// `order:12345` is no phone, whatever its digits say.
fn names_kind(text: &str) -> bool {
    let kind = text.split_once(':').map(|(kind, _)| kind);
    kind.is_some_and(|kind| !kind.is_empty() && kind.chars().all(|c| c.is_ascii_lowercase()))
}
