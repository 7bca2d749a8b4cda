//! After an unknown outcome: did it happen? Invariant: reads only, and takes for ours only what
//! carries our mark — the `externalId`, the lead's id, or the contacts within the time of the try.

use super::Account;
use super::act::by_external_id;
use super::ask::{Contacts, search};
use super::client::Stop;
use super::contacts;
use super::fields::LEAD_IDS;
use super::orders::orders_of;
use super::request;
use super::wire::{self, Order};
use crate::domain::{Effect, Look};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// How far the CRM's clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// Looks for the trace of an effect that was begun at `since`.
pub async fn look(account: &Account, effect: &Effect, since: Timestamp, now: Timestamp) -> Look {
    let zone = match account.references(now).await {
        Ok(references) => references.zone.clone(),
        Err(delay) => return Look::Later(delay),
    };
    let from = since.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
    let found = match effect.operation.as_str() {
        "customer.create" => customer(account, effect, from, &zone).await,
        "order.create" if account.config.external_ids => {
            by_external_id(account, &effect.key, &zone).await.map(|found| found.map(made))
        }
        "order.create" => order(account, effect, from, &zone).await,
        "order.edit" => edit(account, effect, &zone).await,
        _ => Ok(None),
    };
    match found {
        Ok(Some(output)) => Look::Done(output),
        Ok(None) | Err(Stop::NotFound(_)) => Look::Absent,
        Err(stop) => Look::Later(stop.delay("the look after an unknown outcome")),
    }
}

fn made(order: Order) -> Value {
    json!({ "id": order.id, "number": order.number })
}

async fn customer(
    account: &Account,
    effect: &Effect,
    from: Timestamp,
    zone: &TimeZone,
) -> Result<Option<Value>, Stop> {
    if let Some(person) = wire::text(effect.input.get(contacts::PERSON))
        && let Some(held) = contacts::by_external_id(account, &person, zone).await?
    {
        return Ok(Some(json!({ "id": held.id })));
    }
    let phones = effect.input.get("phones").map(wire::listed).unwrap_or_default();
    let email = effect.input.get("email").and_then(Value::as_str);
    let contacts = Contacts::of(phones.into_iter().filter_map(Value::as_str), email);
    let found = search(account, &contacts, zone).await?;
    let since = found.into_iter().filter(|held| held.created.is_some_and(|time| time >= from));
    let newest = since.max_by_key(|held| (held.created, held.id));
    Ok(newest.map(|held| json!({ "id": held.id })))
}

/// Without `externalId`: the customer's order that carries the lead's id; of a lead that has none,
/// the one of that time whose custom fields are all those that were sent.
async fn order(
    account: &Account,
    effect: &Effect,
    from: Timestamp,
    zone: &TimeZone,
) -> Result<Option<Value>, Stop> {
    let Some(customer) = wire::number(effect.input.get("customer")) else { return Ok(None) };
    let sent = request::custom_fields(&effect.input);
    let lead: Map<String, Value> = sent
        .iter()
        .filter(|(code, _)| LEAD_IDS.contains(&code.as_str()))
        .map(|(code, value)| (code.clone(), value.clone()))
        .collect();
    let ours = |order: &Order| {
        if lead.is_empty() {
            order.created.is_some_and(|time| time >= from) && holds(&order.custom_fields, &sent)
        } else {
            holds(&order.custom_fields, &lead)
        }
    };
    let orders = orders_of(account, customer, zone).await?;
    Ok(orders.into_iter().filter(ours).max_by_key(|order| (order.created, order.id)).map(made))
}

async fn edit(account: &Account, effect: &Effect, zone: &TimeZone) -> Result<Option<Value>, Stop> {
    let Some(id) = wire::number(effect.input.get("order")) else { return Ok(None) };
    let path = format!("/api/v5/orders/{id}");
    let by = vec![("by".to_owned(), "id".to_owned())];
    let answer = account.client.get("/api/v5/orders/{id}", path, by).await?;
    let Some(row) = answer.get("order") else { return Ok(None) };
    let Some(order) = Order::read(row, zone) else { return Ok(None) };
    Ok(is_written(effect, row, &order).then(|| json!({ "id": id })))
}

/// Does the order carry all that the effect sent?
fn is_written(effect: &Effect, row: &Value, order: &Order) -> bool {
    let input = &effect.input;
    let plain = ["status", "managerId", "customerComment", "managerComment"];
    let source = input.get("source").and_then(Value::as_object);
    let held = wire::table(row.get("source"));
    plain.iter().all(|name| same(row.get(*name), input.get(*name)))
        && source.into_iter().flatten().all(|(name, sent)| same(held.get(name), Some(sent)))
        && holds(&order.custom_fields, &request::custom_fields(input))
}

fn holds(held: &Map<String, Value>, sent: &Map<String, Value>) -> bool {
    sent.iter().all(|(code, value)| same(held.get(code), Some(value)))
}

/// Equal as texts; what was not sent is equal to anything.
fn same(held: Option<&Value>, sent: Option<&Value>) -> bool {
    let sent = sent.map(wire::stringified).unwrap_or_default();
    sent.trim().is_empty() || held.map(wire::stringified).unwrap_or_default().trim() == sent.trim()
}
