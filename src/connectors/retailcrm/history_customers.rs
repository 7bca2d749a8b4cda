//! A change of a customer as an event: an entry of the customers' history (2.2). Invariant: reading is
//! pure; a customer that was merged into another names it, so that what was linked to the one follows
//! to the other.

use super::change::{body, coded, event, is, time};
use super::{offer, wire};
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use serde_json::{Value, json};

/// The event of a row.
///
/// # Errors
/// Why it cannot be read.
pub fn read(raw: &Raw) -> Result<Event, Unreadable> {
    let body = body(raw)?;
    let registered = time(body.get("registered")).unwrap_or(raw.received);
    let entry = body.get("entry").unwrap_or(&Value::Null);
    let Some(id) = wire::number(entry.get("id")) else {
        return Err(Unreadable("the entry of the customers' history has no id".into()));
    };
    let customer = wire::table(entry.get("customer"));
    // Of one that is gone the entry may say no more than the id that went.
    let went = || wire::number(entry.get("oldValue")).filter(|_| is(entry, "deleted"));
    let Some(whose) = wire::number(customer.get("id")).or_else(went) else {
        return Err(Unreadable(format!("entry {id} of the customers' history names no customer")));
    };
    let source = wire::text(entry.get("source"));
    let ours = entry.get("apiKey").is_some_and(|key| is(key, "current"));
    let combined = entry.get("combinedTo").and_then(|to| wire::number(to.get("id")));
    let fields = json!({
        "id": whose.to_string(),
        "site": coded(customer.get("site")),
        "field": wire::text(entry.get("field")),
        "own": source.as_deref() == Some("api") && ours,
        "source": source,
        "created": is(entry, "created"),
        "deleted": is(entry, "deleted") || combined.is_some(),
        "combined_to": combined.map(|id| id.to_string()),
        "changed": registered.to_string(),
    });
    let event = event(&raw.connection, format!("customers:{id}"), registered, &fields);
    Ok(Event { kind: offer::CUSTOMER_CHANGED.to_owned(), ..event })
}
