//! The customer of an order: named, found by its contacts, or made for it. Invariant: an order
//! never belongs to a customer that is merged away.

use crate::sandbox::answer::Refusal;
use crate::sandbox::crm::account::{Account, Object, Order, Origin, text_of};
use crate::sandbox::crm::customer_write::{add_phone, create_row as create_customer};
use crate::sandbox::crm::history::{self, Actor};
use crate::sandbox::crm::stamp::Stamp;
use crate::sandbox::digits::{canonical, tail};
use crate::sandbox::switches::Pairing;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Refusal>;

/// The customer that `key` names; for an order without one, by the pairing switch.
pub fn customer_of(
    account: &mut Account,
    body: &Object,
    key: &str,
    stamp: &Stamp,
) -> Result<Option<u64>> {
    match body.get(key) {
        None | Some(Value::Null) if key == "customer" => pair(account, body, stamp),
        None | Some(Value::Null) => Ok(None),
        Some(value) => named(account, value, key, &stamp.site).map(Some),
    }
}

pub fn customer_of_edit(account: &Account, body: &Object, stamp: &Stamp) -> Result<Option<u64>> {
    match body.get("customer") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => named(account, value, "customer", &stamp.site).map(Some),
    }
}

fn named(account: &Account, value: &Value, key: &str, site: &str) -> Result<u64> {
    let unset = || Refusal::entity(key, "Set one of the following fields: id, externalId");
    let (field, shown, row) = match (&value["id"], &value["externalId"]) {
        (Value::Number(id), _) => {
            ("id", id.to_string(), id.as_u64().and_then(|id| account.customers.get(id)))
        }
        (_, Value::String(external)) => {
            ("externalId", external.clone(), account.customers.by_external(external, site))
        }
        _ => return Err(unset()),
    };
    row.filter(|row| row.combined_to.is_none()).map(|row| row.id).ok_or_else(|| {
        let text = format!("Customer with {field}={shown} not found.");
        let errors = json!({ format!("{key}.{field}"): text });
        Refusal::new(400, "Order is not loaded").with("errors", errors)
    })
}

/// An order without a customer: one with its phone or e-mail, else a new one.
fn pair(account: &mut Account, body: &Object, stamp: &Stamp) -> Result<Option<u64>> {
    if account.switches.pairing == Pairing::None || stamp.origin == Origin::Seed {
        return Ok(None);
    }
    let (phone, email) = (text_of(body, "phone"), text_of(body, "email"));
    if account.switches.pairing == Pairing::Match {
        let mut ids = account.customers.with_digits(&tail(phone)).unwrap_or_default();
        ids.retain(|id| {
            let row = account.customers.get(*id);
            row.is_some_and(|row| row.phones.iter().any(|own| canonical(own) == canonical(phone)))
        });
        if ids.is_empty() && !email.is_empty() {
            ids = account.customers.with_email(email);
        }
        ids.retain(|id| account.customers.get(*id).is_some_and(|row| row.combined_to.is_none()));
        if let Some(found) = account.customers.sorted(ids).first() {
            return Ok(Some(*found));
        }
    }
    let mut person = Object::new();
    for key in ["firstName", "lastName", "patronymic", "email"] {
        person.extend(body.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    if !phone.is_empty() {
        person.insert("phones".to_owned(), json!([{ "number": phone }]));
    }
    create_customer(account, &person, &stamp.by_code()).map(Some)
}

/// An order's contacts reach the customer that it is linked to (php testCreate).
pub fn touch_customer(account: &mut Account, row: &Order, stamp: &Stamp) {
    if stamp.origin == Origin::Seed || !account.switches.order_contacts_change_customer {
        return;
    }
    let phone = text_of(&row.fields, "phone").to_owned();
    let email = text_of(&row.fields, "email").to_owned();
    let Some(before) = row.contact.and_then(|id| account.customers.get(id).cloned()) else {
        return;
    };
    let mut after = before.clone();
    add_phone(&mut after, &phone);
    if !email.is_empty() {
        after.email = email;
    }
    let subject = stamp.subject(after.id, &after.site, Actor::Code);
    let changes = history::customer_changes(&before, &after);
    account.customer_history.write_all(&subject, changes);
    account.customers.change(before.id, |old| *old = after);
}
