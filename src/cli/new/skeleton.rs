//! The flow that `new flow` writes: a note for the manager of the newest open order. Invariant: made
//! from the offer of its event, so that it can be checked wherever that event is on offer.

use crate::domain::{EventOffer, Field, Kind};
use anyhow::bail;
use serde_json::{Map, Value, json};

/// The roles that it uses.
pub struct Roles<'a> {
    pub from: &'a str,
    pub crm: &'a str,
}

const PHONE: &str = "79990000001";

/// File and sample.
///
/// # Errors
/// The event has no phone to find a customer by.
pub fn of(name: &str, event: &EventOffer, roles: &Roles<'_>) -> anyhow::Result<(String, String)> {
    let has_phone = |field: &&Field| field.name == "phone" && matches!(field.kind, Kind::Phone);
    if !event.fields.iter().any(|field| has_phone(&field)) {
        bail!("the event `{}` has no phone", event.kind);
    }
    let sample: Map<String, Value> =
        event.fields.iter().map(|field| (field.name.to_owned(), example(field))).collect();
    let sample = format!("{:#}\n", Value::Object(sample));
    Ok((text(name, event, roles), sample))
}

fn example(field: &Field) -> Value {
    match (field.name, field.kind) {
        ("phone", _) => json!(PHONE),
        ("id", _) => json!("900000001"),
        (_, Kind::Phone) => json!("74950000000"),
        (_, Kind::Email) => json!("ivan@example.com"),
        (_, Kind::Number) => json!(60),
        (_, Kind::Flag) => json!(true),
        (_, Kind::Money) => json!("1290.50"),
        (_, Kind::Time) => json!("2026-01-15T09:00:00Z"),
        (_, Kind::Record(inner)) => {
            inner.iter().map(|field| (field.name.to_owned(), example(field))).collect()
        }
        (_, Kind::List(_)) => json!([]),
        (_, Kind::Open(_)) => json!({}),
        (name, Kind::Text | Kind::Any) => json!(name),
    }
}

fn text(name: &str, event: &EventOffer, Roles { from, crm }: &Roles<'_>) -> String {
    let kind = event.kind;
    let about = event.about;
    format!(
        r#"# {name}: say here in one sentence what it is for.
#
# `leadlink offers CONNECTION` shows what can be used: fields of the event, queries, operations.
# `leadlink check` reads this file and runs its cases; `leadlink explain {name} EVENT.json` shows
# what it would do about an event.

[flow]
name      = "{name}"
title     = "{name}"
# {about}.
on        = {{ from = "{from}", event = "{kind}" }}
# From the registration of the lead to the decision.
delay     = "1m"
# Without it the lead is incomplete, and decided when a fuller arrival of it comes.
requires  = "event.phone"
# Leads of one person are decided one after another.
lane      = "{{{{ event.phone }}}}"
fact_lane = "{{{{ 'customer:' ~ facts.customer.id if facts.customer }}}}"

# Asked when deciding. What is not found is none, and so is every attribute of it.
[facts]
customer = {{ ask = "{crm}.customer", phone = "{{{{ event.phone }}}}", pick = "newest" }}
order    = {{ ask = "{crm}.order", customer = "{{{{ facts.customer.id }}}}", pick = "newest" }}

# Names for conditions; where a step is skipped its condition is shown as the reason.
[let]
closed = "facts.order.status_group in ['complete', 'cancel']"

# What is done, in this order. Here: a note for the manager of the newest open order.
[[step]]
name   = "note"
do     = "{crm}.order.edit"
when   = "facts.order"
unless = "closed"
[step.with]
order          = "{{{{ facts.order.id }}}}"
managerComment = "{kind}: {{{{ event.phone }}}}"

# A test: with this event and these facts, this must be decided.
[[case]]
name   = "an open order gets the note"
event  = "samples/{name}.json"
facts  = {{ customer = {{ id = 1 }}, order = {{ id = 7, status = "new", status_group = "new" }} }}
[case.expect]
steps     = ["note"]
with.note = {{ order = 7, managerComment = "{kind}: {PHONE}" }}
"#
    )
}
