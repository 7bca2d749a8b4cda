//! Who wrote in a messenger: the question `contact`, and filling in what a customer lacks. Invariant:
//! one exact match is an answer, several are none; nothing that the CRM has is overwritten.

use super::Account;
use super::act::{self, Written};
use super::ask::{self, Contacts};
use super::client::{List, Stop};
use super::request;
use super::wire::{self, Customer};
use crate::domain::{Effect, KnownId, Outcome, Phone, Query};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const FILL: &str = "customer.fill";
/// From whom our links lead to a customer: `telegram-main:501`.
pub const PERSON: &str = "person";

/// The customer who wrote: whom our links know for the person, who carries the id that we gave, then
/// by phone, then by e-mail.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn ask(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    let person = query.input.get(PERSON).and_then(Value::as_str);
    let bound = query.known.iter().find(|known| person.is_some() && known.from == PERSON);
    if let Some(id) = bound.and_then(|known| known.id.parse::<i64>().ok()) {
        return Ok(answer(Some(id), "channel", 1, None));
    }
    let zone = account.references(now).await.map_err(Stop::Later)?.zone.clone();
    if let Some(person) = person
        && let Some(customer) = by_external_id(account, person, &zone).await?
    {
        return Ok(found(&customer, "channel", 1));
    }
    for by in ["phone", "email"] {
        let Some(given) = query.input.get(by).and_then(Value::as_str) else { continue };
        let contacts = match by {
            "phone" => Contacts::of([given], None),
            _ => Contacts::of(None, [given]),
        };
        let customers = carriers(account, &contacts, &query.known, &zone).await?;
        if let Some(answer) = judge(&customers, by, person) {
            return Ok(answer);
        }
    }
    Ok(Value::Null)
}

/// All who carry the contact; whom we made and the search does not show (yet) are asked for by id.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn carriers(
    account: &Account,
    contacts: &Contacts,
    known: &[KnownId],
    zone: &TimeZone,
) -> Result<Vec<Customer>, Stop> {
    if contacts.is_empty() {
        return Ok(Vec::new());
    }
    let shown = ask::search(account, contacts, zone).await?;
    let mut all: BTreeMap<i64, Customer> = shown.into_iter().map(|held| (held.id, held)).collect();
    for known in known {
        let Ok(id) = known.id.parse::<i64>() else { continue };
        if !all.contains_key(&id)
            && let Some(customer) = ask::by_id(account, id, contacts, zone).await?
        {
            all.insert(customer.id, customer);
        }
    }
    Ok(all.into_values().collect())
}

/// One is the answer; of several the one whom the CRM's chats know as this person. `None`: nobody.
fn judge(customers: &[Customer], by: &str, person: Option<&str>) -> Option<Value> {
    let chats = |customer: &&Customer| {
        person.is_some_and(|person| customer.chats.iter().any(|held| held == person))
    };
    let known: Vec<&Customer> = customers.iter().filter(chats).collect();
    match (customers, known.as_slice()) {
        ([], _) => None,
        (all, [one]) => Some(found(one, "channel", all.len())),
        ([one], _) => Some(found(one, by, 1)),
        (all, _) => Some(answer(None, by, all.len(), None)),
    }
}

fn found(customer: &Customer, by: &str, matches: usize) -> Value {
    answer(Some(customer.id), by, matches, Some(customer))
}

fn answer(id: Option<i64>, by: &str, matches: usize, customer: Option<&Customer>) -> Value {
    json!({
        "id": id,
        "found": by,
        "several": id.is_none(),
        "matches": matches,
        "firstName": customer.and_then(|held| held.first_name.clone()),
        "lastName": customer.and_then(|held| held.last_name.clone()),
        "phones": customer.map(|held| held.phones.clone()).unwrap_or_default(),
        "email": customer.and_then(|held| held.email.clone()),
    })
}

/// The customer that we made for this person.
///
/// # Errors
/// [`Stop`] as lists have it.
pub async fn by_external_id(
    account: &Account,
    person: &str,
    zone: &TimeZone,
) -> Result<Option<Customer>, Stop> {
    if !account.config.external_ids {
        return Ok(None);
    }
    let wanted = request::external_id(person);
    let list = List {
        template: "/api/v5/customers",
        rows: "customers",
        filter: &[("filter[externalIds][]", wanted.clone())],
        most_pages: 1,
    };
    let rows = account.client.all(&list).await?;
    let ours = |row: &&Value| wire::text(row.get("externalId")).as_deref() == Some(&wanted);
    let customers = rows.iter().filter(ours).filter_map(|row| Customer::read(row, zone));
    Ok(customers.max_by_key(|customer| customer.id))
}

/// Adds what the customer lacks.
pub async fn fill(account: &Account, effect: &Effect, now: Timestamp) -> Outcome {
    let zone = match account.references(now).await {
        Ok(references) => references.zone.clone(),
        Err(delay) => return Outcome::Later(delay),
    };
    let Some(id) = wire::number(effect.input.get("customer")) else {
        return Outcome::Refused("`customer` is no id".into());
    };
    let customer = match ask::survivor(account, id, &zone).await {
        Ok(Some(customer)) => customer,
        Ok(None) => return Outcome::Refused(format!("the CRM has no customer {id} any more")),
        Err(stop) => return Outcome::Later(stop.delay("the customer")),
    };
    let missing = missing(&customer, &effect.input);
    if missing.is_empty() {
        return Outcome::Done(json!({ "id": customer.id }));
    }
    let built = request::customer_edit(customer.id, &missing);
    let judged = account.client.post(built.template, built.path, built.fields).await;
    match act::outcome(effect, judged) {
        Written::Ended(outcome) => account.cleaned(outcome),
        Written::Exists(_) => Outcome::Done(json!({ "id": customer.id })),
    }
}

/// What of the input the customer lacks. A name is one thing: of somebody who has one nothing is
/// added to it.
fn missing(customer: &Customer, input: &Map<String, Value>) -> Map<String, Value> {
    let mut missing = Map::new();
    let names = [&customer.first_name, &customer.last_name, &customer.patronymic];
    let named = names.iter().any(|name| name.as_ref().is_some_and(|name| !name.trim().is_empty()));
    let given = |name: &str| wire::text(input.get(name)).filter(|text| !text.trim().is_empty());
    let texts: &[&str] = if named { &[] } else { &["firstName", "lastName", "patronymic"] };
    for name in texts {
        missing.extend(given(name).map(|text| ((*name).to_owned(), text.into())));
    }
    if customer.email.is_none() {
        missing.extend(given("email").map(|email| ("email".to_owned(), email.into())));
    }
    let has = |phone: &Phone| {
        customer.phones.iter().filter_map(|held| Phone::parse(held)).any(|h| h.key() == phone.key())
    };
    let phones = input.get("phones").map(wire::listed).unwrap_or_default();
    let phones = phones.into_iter().filter_map(|phone| Phone::parse(phone.as_str()?));
    let lacks: Vec<String> =
        phones.filter(|phone| !has(phone)).map(|phone| phone.typed().to_owned()).collect();
    if !lacks.is_empty() {
        // With those that are there: whether the list is replaced is not documented.
        let all = customer.phones.iter().chain(&lacks);
        missing.insert("phones".to_owned(), all.map(|phone| json!({ "number": phone })).collect());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::super::offer::OFFER;
    use super::*;

    fn customer(row: Value) -> Customer {
        Customer::read(&row, &TimeZone::UTC).unwrap()
    }

    #[test]
    fn one_binds_and_several_do_not_choose() {
        let one = customer(json!({ "id": 1, "phones": [{ "number": "79990000001" }] }));
        let chats = json!([{ "id": 5, "externalId": 501, "mgChannel": { "externalId": "bot" } }]);
        let two = customer(json!({ "id": 2, "mgCustomers": chats }));
        assert_eq!(judge(&[], "phone", None), None);
        let shown = judge(std::slice::from_ref(&one), "phone", Some("bot:501")).unwrap();
        assert_eq!((&shown["id"], &shown["found"]), (&json!(1), &json!("phone")));
        let several = judge(&[one.clone(), two.clone()], "phone", Some("bot:7")).unwrap();
        assert_eq!((&several["id"], &several["several"]), (&Value::Null, &json!(true)));
        assert_eq!(several["matches"], 2);
        let chosen = judge(&[one, two], "phone", Some("bot:501")).unwrap();
        assert_eq!((&chosen["id"], &chosen["found"]), (&json!(2), &json!("channel")));
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let input =
            json!({ "firstName": "Анна", "email": "a@example.test", "phones": ["+79990000001"] });
        let input = input.as_object().unwrap();
        let add = |row: Value| Value::from(missing(&customer(row), input));
        let phones = json!([{ "number": "+79990000001" }]);
        let all = json!({ "firstName": "Анна", "email": "a@example.test", "phones": phones });
        assert_eq!(add(json!({ "id": 1 })), all);
        let whole = json!({ "id": 1, "lastName": "Б", "email": "b@example.test",
            "phones": [{ "number": "8 (999) 000-00-01" }] });
        assert_eq!(add(whole), json!({}));
        let other = json!({ "id": 1, "firstName": "Б", "email": "b@example.test",
            "phones": [{ "number": "79990000002" }] });
        let both = json!([{ "number": "79990000002" }, { "number": "+79990000001" }]);
        assert_eq!(add(other), json!({ "phones": both }));
    }

    #[test]
    fn the_answer_has_the_shape_of_the_offer() {
        let offered: Vec<_> =
            OFFER.query("contact").unwrap().output.iter().map(|field| field.name).collect();
        let shown = found(&customer(json!({ "id": 1 })), "phone", 1);
        let shown: Vec<_> = shown.as_object().unwrap().keys().cloned().collect();
        assert_eq!(shown, offered);
    }
}
