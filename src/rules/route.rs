//! Which jobs follow from an event. Invariant: called inside the routing transaction with the event
//! as merged, so it reads nothing and decides nothing but due times, merge keys and lanes.

use super::{Book, Fault, Knowledge, fault};
use crate::domain::{Event, JobChange, JobDraft, JobState, contact::contact_key};
use crate::mapping::{Bound, Phrase};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// The jobs that the running flows want for `event`, given the states of those it has.
/// An event registered before its connection's first start makes none: it fills the journal.
pub fn route(
    book: &Book,
    event: &Event,
    jobs: &[(String, JobState)],
    first_start: Option<Timestamp>,
    now: Timestamp,
) -> Vec<JobChange> {
    // Far sides give their times in whole seconds: a lead of the very second of the first start may
    // have come after it, and is not lost.
    if first_start.is_some_and(|start| event.registered.as_second() < start.as_second()) {
        return Vec::new();
    }
    let knowledge = Knowledge {
        event: book.event_fields(event),
        facts: BTreeMap::new(),
        done: BTreeMap::new(),
        now,
    };
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
    let states = jobs.iter().filter(|(flow, _)| *flow == bound.name).map(|(_, state)| *state);
    let states: Vec<JobState> = states.collect();
    let draft = || JobDraft {
        flow: bound.name.clone(),
        merge_key: event.key.clone(),
        due: due(event.registered, bound),
        registered: event.registered,
        lanes: lanes(book, bound, &bound.flow.lane, knowledge).unwrap_or_default(),
        settle: None,
    };
    if states.contains(&JobState::Waiting) {
        return Some(JobChange::Update(draft()));
    }
    // An event key holds for ever: only a lead that lacked what the flow requires, and now has it,
    // is decided once more.
    let open = states.iter().all(|state| *state == JobState::Incomplete);
    let fuller = || super::guard::complete(bound, knowledge).unwrap_or(true);
    (open && (states.is_empty() || fuller())).then(|| JobChange::New(draft()))
}

fn due(registered: Timestamp, bound: &Bound) -> Timestamp {
    let delay = SignedDuration::try_from(bound.delay).unwrap_or(SignedDuration::MAX);
    registered.checked_add(delay).unwrap_or(Timestamp::MAX)
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
            let key = contact_key(&text).unwrap_or(text);
            let lane = format!("{connection}|{key}");
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
    }
    Ok(lanes)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Object(_) => Vec::new(),
    }
}
