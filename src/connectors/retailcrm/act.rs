//! Performing effects, and what their answers mean. Invariant: "it surely did not happen" is said
//! only where the answer proves it; anything else is unknown, to be looked up before a repeat.

use super::Account;
use super::client::{Judged, List, Stop, told};
use super::contacts;
use super::fields;
use super::references::References;
use super::request::{self, Defaults};
use super::wire::{self, Order, Refusal};
use crate::connectors::http::Sent;
use crate::domain::{Delay, Effect, Outcome};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Performs an effect whose holes are filled.
pub async fn perform(account: &Account, effect: &Effect, now: Timestamp) -> Outcome {
    if request::has_hole(effect) {
        return Outcome::Refused("an input still waits for an earlier step".into());
    }
    let references = match ready(account, effect, now).await {
        Ok(references) => references,
        Err(delay) => return Outcome::Later(delay),
    };
    if effect.operation == contacts::FILL {
        return contacts::fill(account, effect, now).await;
    }
    match stranger(account, effect, now).await {
        Ok(None) => {}
        Ok(Some(why)) => return Outcome::Refused(why),
        Err(delay) => return Outcome::Later(delay),
    }
    let built = match request::build(effect, &account.config, &Defaults::of(&references)) {
        Ok(built) => built,
        Err(why) => return Outcome::Refused(why),
    };
    let judged = account.client.post(built.template, built.path, built.fields).await;
    match outcome(effect, judged) {
        Written::Ended(outcome) => account.cleaned(outcome),
        Written::Exists(refusal) => existing(account, effect, &refusal, &references.zone).await,
    }
}

/// Why the manager that the effect names cannot be one.
async fn stranger(
    account: &Account,
    effect: &Effect,
    now: Timestamp,
) -> Result<Option<String>, Delay> {
    let Some(id) = wire::number(effect.input.get("managerId")) else { return Ok(None) };
    let known = account.users.knows(&account.client, id, now).await?;
    Ok((known == Some(false)).then(|| {
        format!("managerId: the CRM has no active user {id}; mend the flow, or the user there")
    }))
}

/// The references, with every custom field of the effect among them.
async fn ready(
    account: &Account,
    effect: &Effect,
    now: Timestamp,
) -> Result<Arc<References>, Delay> {
    let references = account.references(now).await?;
    if !effect.operation.starts_with("order.") {
        return Ok(references);
    }
    let used = request::custom_fields(&effect.input);
    let codes: Vec<&str> = used.keys().map(String::as_str).collect();
    if references.missing(&codes).is_empty() {
        return Ok(references);
    }
    // Somebody may have run the set-up since.
    let references = account.reread(&references, now).await?;
    match references.missing(&codes).as_slice() {
        [] => Ok(references),
        missing => Err(Delay::setup(setup_text(missing))),
    }
}

fn setup_text(missing: &[&str]) -> String {
    let codes = missing.join(", ");
    if missing.iter().all(|code| fields::is_ours(code)) {
        format!("the CRM has no custom fields {codes} of orders: run `leadlink setup`")
    } else {
        format!("the CRM has no custom fields {codes} of orders: create them, or mend the flow")
    }
}

/// How a write ended.
#[derive(Debug, PartialEq)]
pub enum Written {
    Ended(Outcome),
    /// The CRM refuses a second order with our `externalId`: the first one is ours.
    Exists(Refusal),
}

/// What the answer to an effect means.
pub fn outcome(effect: &Effect, judged: Judged) -> Written {
    let makes = effect.operation != "order.edit";
    Written::Ended(match judged {
        Judged::Success(answer) => match output(effect, &answer) {
            Some(output) => Outcome::Done(output),
            None => Outcome::Unknown(Delay::connection("the CRM said success without an id")),
        },
        Judged::Later { delay, may_have: Sent::No } => Outcome::Later(delay),
        Judged::Later { delay, may_have: Sent::Maybe } => Outcome::Unknown(delay),
        Judged::NotFound(refusal) => Outcome::Refused(told_without(&refusal, effect)),
        Judged::Refused(refusal) if makes && is_duplicate(effect, &refusal) => {
            return Written::Exists(refusal);
        }
        Judged::Refused(refusal) => Outcome::Refused(told_without(&refusal, effect)),
    })
}

fn output(effect: &Effect, answer: &Map<String, Value>) -> Option<Value> {
    let id = wire::number(answer.get("id"));
    match effect.operation.as_str() {
        "order.create" => {
            let order = answer.get("order");
            let id = id.or_else(|| order.and_then(|held| wire::number(held.get("id"))))?;
            let number = order.and_then(|held| wire::text(held.get("number")));
            Some(json!({ "id": id, "number": number }))
        }
        // An edit is of the order that was named, whatever the answer repeats.
        "order.edit" => Some(json!({ "id": wire::number(effect.input.get("order"))? })),
        _ => Some(json!({ "id": id? })),
    }
}

/// `Order already exists.`; the texts of fields are in the account's language, so a complaint about
/// the field `externalId` counts as well. The look-up that follows decides.
fn is_duplicate(effect: &Effect, refusal: &Refusal) -> bool {
    let speaks = |text: &str| text.to_lowercase().contains("already exists");
    // Of customers only those that we made for a person carry one.
    let carries = match effect.operation.as_str() {
        "order.create" => true,
        "customer.create" => effect.input.contains_key(contacts::PERSON),
        _ => false,
    };
    carries
        && (speaks(&refusal.message)
            || refusal
                .fields
                .iter()
                .any(|(field, text)| speaks(text) || field.contains("externalId")))
}

/// What was refused, without the names that the effect carries.
fn told_without(refusal: &Refusal, effect: &Effect) -> String {
    let mut said = told(refusal);
    for name in ["firstName", "lastName", "patronymic"] {
        let held = effect.input.get(name).and_then(Value::as_str).map(str::trim);
        if let Some(held) = held.filter(|held| held.chars().count() > 2) {
            said = said.replace(held, "…");
        }
    }
    said
}

/// The order that the CRM says exists already.
async fn existing(
    account: &Account,
    effect: &Effect,
    refusal: &Refusal,
    zone: &TimeZone,
) -> Outcome {
    let said = account.client.clean(&told_without(refusal, effect));
    if !account.config.external_ids {
        return Outcome::Refused(said);
    }
    let found = match wire::text(effect.input.get(contacts::PERSON)) {
        Some(person) if effect.operation == "customer.create" => {
            let found = contacts::by_external_id(account, &person, zone).await;
            found.map(|found| found.map(|customer| json!({ "id": customer.id })))
        }
        _ => {
            let found = by_external_id(account, &effect.key, zone).await;
            found.map(|f| f.map(|order| json!({ "id": order.id, "number": order.number })))
        }
    };
    match found {
        Ok(Some(output)) => Outcome::Done(output),
        Ok(None) if said.to_lowercase().contains("already exists") => {
            Outcome::Later(Delay::item("the CRM says that it exists, but does not list it yet"))
        }
        Ok(None) => Outcome::Refused(said),
        Err(stop) => Outcome::Later(stop.delay("the order that exists already")),
    }
}

/// The order that carries our `externalId` for this key.
///
/// # Errors
/// [`Stop`] as lists have it.
pub async fn by_external_id(
    account: &Account,
    key: &str,
    zone: &TimeZone,
) -> Result<Option<Order>, Stop> {
    let wanted = request::external_id(key);
    let list = List {
        template: "/api/v5/orders",
        rows: "orders",
        // An array even for one value (2.3).
        filter: &[("filter[externalIds][]", wanted.clone())],
        most_pages: 1,
    };
    let rows = account.client.all(&list).await?;
    let orders = rows.iter().filter_map(|row| Order::read(row, zone));
    Ok(orders.filter(|order| order.external_id.as_deref() == Some(&wanted)).max_by_key(|o| o.id))
}
