//! The ends of orders: merged through the API, deleted by a person in the CRM. Invariant: an order
//! that is gone is found nowhere but in the entry of its end, and its id is not given again.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Object};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::history::{self, Actor, Change, Step, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// `POST /orders/combine`.
pub fn combine(account: &mut Account, call: &Call) -> Result {
    let invalid = || Refusal::new(400, "Invalid input parameters");
    let id = |key: &str| -> Result<u64> {
        let id = call.object(key)?.get("id").and_then(Value::as_u64);
        let known = |id: &u64| account.orders.get(*id).is_some_and(|row| call.sees(&row.site));
        id.filter(known).ok_or_else(invalid)
    };
    let (source, result) = (id("order")?, id("resultOrder")?);
    let technique = call.one("technique").unwrap_or_default().to_owned();
    if source == result || !["ours", "summ", "theirs", "merge"].contains(&technique.as_str()) {
        return Err(invalid());
    }
    merge(account, source, result, &technique, call.now);
    Ok(Answer::json(200, &json!({"success": true, "errors": []})))
}

/// The source ends in the result, which takes its items by the technique.
pub fn merge(account: &mut Account, source: u64, result: u64, technique: &str, now: Timestamp) {
    let theirs = account.orders.get(source).map(|row| row.items.clone()).unwrap_or_default();
    let Some(before) = account.orders.get(result).cloned() else { return };
    let mut after = before.clone();
    match technique {
        "theirs" => after.items = theirs,
        "merge" | "summ" => after.items.extend(theirs),
        _ => {}
    }
    let subject = Subject {
        row: result,
        site: after.site.clone(),
        actor: Actor::Combine,
        at: now,
        stored_at: now,
    };
    let changes = history::order_changes(&before, &after);
    account.history.write_all(&subject, changes);
    account.orders.change(result, |old| *old = after);
    end(account, source, Actor::Combine, Some(result), now);
}

/// The order is gone; false when there is none.
pub fn end(
    account: &mut Account,
    id: u64,
    actor: Actor,
    survivor: Option<u64>,
    now: Timestamp,
) -> bool {
    let Some(row) = account.orders.remove(id) else { return false };
    let subject = Subject { row: id, site: row.site.clone(), actor, at: now, stored_at: now };
    let change = Change::new("id", json!(id), Value::Null);
    account.history.write(&subject, Step::Deleted(survivor), change);
    account.gone.insert(id, row);
    true
}

/// `{"into": 7}` of the control route: the order that this one is merged into.
pub fn survivor(account: &Account, body: &Object) -> std::result::Result<Option<u64>, String> {
    let Some(id) = body.get("into") else { return Ok(None) };
    let known = id.as_u64().filter(|id| account.orders.get(*id).is_some());
    known.map(Some).ok_or_else(|| format!("there is no order {id}"))
}
