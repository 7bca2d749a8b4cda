//! What a done effect leaves in our memory: who is what, and what is known of its entity now.
//! Invariant: told by the offer alone; kept in the transaction that keeps the outcome.

use super::Pipeline;
use crate::domain::contact::contact_key;
use crate::domain::event::is_empty;
use crate::domain::{Effect, Event, Kept, Kind, KnownId, Link, OperationOffer, Query, QueryOffer};
use crate::store::{self, Claimed};
use serde_json::Value;

/// The kind under which marks are remembered, and the field with the job that left it.
pub const MARK: &str = "mark";
pub const JOB: &str = "job";

/// Inputs with the contacts of a new entity.
const CONTACTS: [&str; 4] = ["phone", "phones", "email", "emails"];

/// The links that a done effect makes: the event to the entity, the thing that the event is about
/// (an order of which a deal is made), the leads that it named, its owner and, where it is new, its
/// contacts.
pub fn links(pipeline: &Pipeline, event: &Event, effect: &Effect, output: &Value) -> Vec<Link> {
    let (Some(offer), Some(id)) = (offer(pipeline, effect), output.get("id").and_then(text_of))
    else {
        return Vec::new();
    };
    let Some(entity) = offer.entity else { return Vec::new() };
    let made = pipeline.clock.now();
    let link = |from_kind: &str, from_connection: &str, from_id: String| Link {
        from_kind: from_kind.to_owned(),
        from_connection: from_connection.to_owned(),
        from_id,
        to_connection: effect.connection.clone(),
        to_kind: entity.to_owned(),
        to_id: id.clone(),
        made,
    };
    let mut links = vec![link("event", &event.connection, event.key.clone())];
    if let Some((kind, id)) = subject(pipeline, event) {
        links.push(link(kind, &event.connection, id));
    }
    // What was there before had its lead then, whatever this effect named.
    let leads = if existed(output) { &[] } else { offer.leads };
    for (input, noun) in leads {
        if let Some(id) = effect.input.get(*input).and_then(text_of) {
            links.push(link("event", &effect.connection, format!("{noun}:{id}")));
        }
    }
    if let Some(owner) = offer.owner
        && let Some(id) = effect.input.get(owner).and_then(text_of)
    {
        links.push(link(owner, &effect.connection, id));
    }
    if offer.makes {
        let contacts = CONTACTS.into_iter().filter_map(|name| effect.input.get(name));
        for key in contacts.flat_map(contact_keys) {
            links.push(link("contact", &effect.connection, key));
        }
    }
    links
}

/// What our own links know for a question: from the contacts and the owner that it names.
///
/// # Errors
/// The store's.
pub async fn known(
    pipeline: &Pipeline,
    offer: &QueryOffer,
    query: &Query,
) -> Result<Vec<KnownId>, store::Error> {
    let Some(kind) = offer.known else { return Ok(Vec::new()) };
    let contacts = offer
        .input
        .iter()
        .filter(|field| is_contact(field.kind))
        .filter_map(|field| query.input.get(field.name))
        .flat_map(|given| given.as_array().map_or(std::slice::from_ref(given), Vec::as_slice))
        .filter_map(|given| contact_key(given.as_str()?));
    let mut from = vec![("contact", contacts.collect::<Vec<_>>())];
    if let Some(owner) = offer.owner {
        from.push((owner, query.input.get(owner).and_then(text_of).into_iter().collect()));
    }
    let mut known = Vec::new();
    for (from, ids) in from {
        let links = pipeline.store.links(&query.connection, kind, from, &ids).await?;
        let links = links.into_iter();
        known.extend(links.map(|l| KnownId { id: l.to_id, made: l.made, from: l.from_kind }));
    }
    Ok(known)
}

fn is_contact(kind: Kind) -> bool {
    match kind {
        Kind::List(each) => matches!(each, Kind::Phone | Kind::Email),
        kind => matches!(kind, Kind::Phone | Kind::Email),
    }
}

/// What a done effect tells of its entity: the inputs and outputs that the offer says are kept.
pub fn kept(pipeline: &Pipeline, effect: &Effect, output: &Value) -> Option<Kept> {
    let offer = offer(pipeline, effect)?;
    if offer.keeps.is_empty() {
        return None;
    }
    let told = |name: &&str| {
        let answered = output.get(*name).filter(|value| !is_empty(value));
        answered.or_else(|| effect.input.get(*name)).cloned()
    };
    let names_lead = |name: &str| offer.leads.iter().any(|(input, _)| *input == name);
    let keeps = offer.keeps.iter().filter(|name| !(existed(output) && names_lead(name)));
    let fields = keeps.filter_map(|name| Some(((*name).to_owned(), told(name)?)));
    Some(Kept {
        connection: effect.connection.clone(),
        kind: offer.entity?.to_owned(),
        id: output.get("id").and_then(text_of)?,
        fields: fields.collect(),
        at: pipeline.clock.now(),
    })
}

/// The mark that an effect leaves when it begins.
pub fn mark(pipeline: &Pipeline, claimed: &Claimed, effect: &Effect) -> Option<Kept> {
    let mark = effect.input.get(offer(pipeline, effect)?.mark?).and_then(text_of)?;
    let fields = [
        (JOB.to_owned(), claimed.fence.job.into()),
        ("event".to_owned(), claimed.event.key.clone().into()),
        ("operation".to_owned(), effect.operation.clone().into()),
    ];
    Some(Kept {
        connection: effect.connection.clone(),
        kind: MARK.to_owned(),
        id: mark,
        fields: fields.into_iter().collect(),
        at: pipeline.clock.now(),
    })
}

/// The effect should have made something that was there already.
fn existed(output: &Value) -> bool {
    output.get("existed") == Some(&Value::Bool(true))
}

/// The nouns of the leads that an effect names; `None`: its operation names none ever.
pub fn linked_to(pipeline: &Pipeline, effect: &Effect) -> Option<&'static str> {
    let leads = offer(pipeline, effect)?.leads;
    let named = leads.iter().find(|(input, _)| effect.input.contains_key(*input));
    (!leads.is_empty()).then(|| named.map_or("none", |(_, noun)| noun))
}

/// The foreign thing that an event is about, where its offer says so.
fn subject(pipeline: &Pipeline, event: &Event) -> Option<(&'static str, String)> {
    let fate = pipeline.book.offer(&event.connection)?.event(&event.kind)?.fate?;
    Some((fate.entity, event.fields.get(fate.id).and_then(text_of)?))
}

fn offer(pipeline: &Pipeline, effect: &Effect) -> Option<&'static OperationOffer> {
    pipeline.connector(&effect.connection)?.offer().operation(&effect.operation)
}

/// An id as text.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn contact_keys(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => contact_key(text).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(contact_keys).collect(),
        _ => Vec::new(),
    }
}
