//! A change of an order (or a customer) as an event: from an entry of the history, from a list that a person asked
//! for, from a trigger at the door. Invariant: reading is pure; what says no order's id is refused
//! with the reason, and everything else may be missing.

use super::trigger;
use super::wire;
use super::{history, history_customers, offer};
use crate::connectors::port::Unreadable;
use crate::domain::{Event, Raw};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The channel of rows that a list brought.
const LISTED: &str = "listed";
/// The field whose entries change the status.
const STATUS: &str = "status";

/// The event of a row.
///
/// # Errors
/// Why it cannot be read.
pub fn read(raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let event = match raw.channel.as_str() {
        history::ORDERS => kept_entry(raw),
        history::CUSTOMERS => history_customers::read(raw),
        LISTED => listed(raw),
        "hook" => trigger::read(raw),
        other => Err(Unreadable(format!("retailcrm reads no channel `{other}`"))),
    }?;
    Ok(vec![event])
}

pub fn body(raw: &Raw) -> Result<Value, Unreadable> {
    serde_json::from_slice(&raw.body)
        .map_err(|fault| Unreadable(format!("the row is no JSON (column {})", fault.column())))
}

pub fn time(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

fn kept_entry(raw: &Raw) -> Result<Event, Unreadable> {
    let body = body(raw)?;
    let registered = time(body.get("registered")).unwrap_or(raw.received);
    entry(body.get("entry").unwrap_or(&Value::Null), &raw.connection, registered)
}

/// The event of an entry of the history (2.4).
///
/// # Errors
/// Why it cannot be read.
pub fn entry(entry: &Value, connection: &str, registered: Timestamp) -> Result<Event, Unreadable> {
    let Some(id) = wire::number(entry.get("id")) else {
        return Err(Unreadable("the entry of the history has no id".into()));
    };
    let order = wire::table(entry.get("order"));
    let Some(order_id) = order_of(entry, &order) else {
        return Err(Unreadable(format!("entry {id} of the history names no order")));
    };
    let field = wire::text(entry.get("field"));
    let created = is(entry, "created");
    let source = wire::text(entry.get("source"));
    let own = source.as_deref() == Some("api")
        && entry.get("apiKey").is_some_and(|key| is(key, "current"));
    let combined = entry.get("combinedTo").and_then(|to| wire::number(to.get("id")));
    let fields = json!({
        "id": order_id.to_string(),
        "number": wire::text(order.get("number")),
        "site": coded(order.get("site")),
        "status": status(entry, field.as_deref(), &order),
        "field": field,
        "source": source,
        "created": created,
        "status_changed": created || field.as_deref() == Some(STATUS),
        "own": own,
        "deleted": is(entry, "deleted") || combined.is_some(),
        "combined_to": combined.map(|id| id.to_string()),
        "changed": registered.to_string(),
    });
    Ok(event(connection, format!("change:{id}"), registered, &fields))
}

/// The order of an entry; of one that was deleted it may be left out: then the field `id` that went
/// says it.
fn order_of(entry: &Value, order: &Map<String, Value>) -> Option<i64> {
    wire::number(order.get("id")).or_else(|| {
        let id = wire::text(entry.get("field")).is_some_and(|field| field == "id");
        let gone = wire::number(entry.get("oldValue")).filter(|_| is(entry, "deleted"));
        gone.filter(|_| id)
    })
}

/// The status after the change: what an entry of the status says itself, else what the order of the
/// entry shows.
fn status(entry: &Value, field: Option<&str>, order: &Map<String, Value>) -> Option<String> {
    let own = (field == Some(STATUS)).then(|| coded(entry.get("newValue"))).flatten();
    own.or_else(|| coded(order.get("status")))
}

/// A reference: its code, or the table with the code.
pub fn coded(value: Option<&Value>) -> Option<String> {
    wire::text(value).or_else(|| wire::text(value?.get("code")))
}

pub fn is(value: &Value, flag: &str) -> bool {
    let held = value.get(flag);
    held == Some(&Value::Bool(true)) || wire::number(held) == Some(1)
}

/// An order of a list that a person asked for.
fn listed(raw: &Raw) -> Result<Event, Unreadable> {
    let body = body(raw)?;
    let kind = wire::text(body.get("kind")).unwrap_or_default();
    if kind != "order" {
        return Err(Unreadable(format!("a list of `{kind}` is no list of orders")));
    }
    let run = wire::text(body.get("run"));
    let id = wire::number(body.get("id"));
    let (Some(run), Some(id)) = (run, id) else {
        return Err(Unreadable("the row of the list has no run or no order's id".into()));
    };
    let at = time(body.get("at")).unwrap_or(raw.received);
    let fields = json!({
        "id": id.to_string(),
        "field": LISTED,
        "source": "list",
        "created": false,
        "status_changed": true,
        "own": false,
        "deleted": false,
        "changed": at.to_string(),
    });
    Ok(Event { asked: true, ..event(&raw.connection, format!("listed:{run}:{id}"), at, &fields) })
}

/// An event of these fields; those that are null are left out.
pub fn event(connection: &str, key: String, registered: Timestamp, fields: &Value) -> Event {
    let fields = fields.as_object().into_iter().flatten();
    Event {
        connection: connection.to_owned(),
        kind: offer::ORDER_CHANGED.to_owned(),
        key,
        aliases: Vec::new(),
        provisional: false,
        registered,
        asked: false,
        fields: fields
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}
