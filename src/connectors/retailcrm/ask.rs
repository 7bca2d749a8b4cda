//! The questions `customer` and `order`. Invariant: the CRM's search is a hint — every hit is
//! compared by canonical contact, the newest is found on our side, and what does not fit into the
//! pages that we read is refused, never cut off.

use super::Account;
use super::client::{List, Stop};
use super::wire::{self, Customer, Order};
use crate::domain::{EmailKey, Phone, Query};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// 1000 persons with one phone are a wrong search, not a choice.
const CUSTOMER_PAGES: usize = 10;
/// 5000 orders of one customer.
const ORDER_PAGES: usize = 50;
/// A merged customer may have been merged before.
const MOST_HOPS: usize = 5;

/// Whom a search is for. A hit must carry one of these.
pub struct Contacts {
    pub phones: Vec<Phone>,
    pub emails: Vec<EmailKey>,
    /// As typed; the CRM keeps what it was sent.
    typed_emails: Vec<String>,
}

impl Contacts {
    /// Takes what is a phone or an e-mail; the rest is no contact.
    pub fn of<'a>(
        phones: impl IntoIterator<Item = &'a str>,
        emails: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let typed: Vec<&str> =
            emails.into_iter().filter(|email| EmailKey::parse(email).is_some()).collect();
        Self {
            phones: phones.into_iter().filter_map(Phone::parse).collect(),
            emails: typed.iter().filter_map(|email| EmailKey::parse(email)).collect(),
            typed_emails: typed.iter().map(|email| email.trim().to_owned()).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.phones.is_empty() && self.emails.is_empty()
    }

    /// Does this customer carry one of them?
    fn match_with(&self, customer: &Customer) -> bool {
        let email = customer.email.as_deref().and_then(EmailKey::parse);
        email.is_some_and(|email| self.emails.contains(&email))
            || customer
                .phones
                .iter()
                .filter_map(|phone| Phone::parse(phone))
                .any(|phone| self.phones.iter().any(|wanted| wanted.key() == phone.key()))
    }

    /// The filters to ask with: every spelling of every phone, then every e-mail.
    fn filters(&self, patterns: &[String]) -> Vec<(&'static str, String)> {
        let mut filters = Vec::new();
        let mut add = |name, text: String| {
            if !text.is_empty() && !filters.contains(&(name, text.clone())) {
                filters.push((name, text));
            }
        };
        for phone in &self.phones {
            for spelling in spellings(phone, patterns) {
                add("filter[name]", spelling);
            }
        }
        for (email, typed) in self.emails.iter().zip(&self.typed_emails) {
            add("filter[email]", typed.clone());
            add("filter[email]", email.key().to_owned());
        }
        filters
    }
}

/// The ways in which a number may have been typed into the CRM.
fn spellings(phone: &Phone, patterns: &[String]) -> Vec<String> {
    let digits = phone.key().trim_start_matches('+');
    let national = phone.national();
    // Only numbers of the plan +7 have an 8 for long distance.
    let fits = |pattern: &&String| !pattern.starts_with('8') || phone.key().starts_with("+7");
    patterns
        .iter()
        .filter(fits)
        .map(|pattern| pattern.replace("{national}", &national).replace("{digits}", digits))
        .collect()
}

/// Answers a query of the offer.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn ask(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    if let Some(pick) = query.input.get("pick").filter(|pick| *pick != "newest") {
        let pick = wire::stringified(pick);
        return Err(Stop::Refused(format!("pick = `{pick}` is not on offer; write `newest`")));
    }
    match query.name.as_str() {
        "customer" => customer(account, query, now).await,
        "order" => order(account, &query.input, now).await,
        other => Err(Stop::Refused(format!("there is no question `{other}`"))),
    }
}

async fn customer(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    let given = |name: &str| query.input.get(name).and_then(Value::as_str);
    let contacts = Contacts::of(given("phone"), given("email"));
    if contacts.is_empty() {
        return Ok(Value::Null);
    }
    let zone = account.references(now).await.map_err(Stop::Later)?.zone.clone();
    let mut found = BTreeMap::new();
    for id in &query.known {
        if let Some(customer) = known(account, id, &contacts, &zone).await? {
            found.insert(customer.id, customer);
        }
    }
    for customer in search(account, &contacts, &zone).await? {
        found.insert(customer.id, customer);
    }
    let matches = found.len();
    let newest = found.into_values().max_by_key(|customer| (customer.created, customer.id));
    Ok(newest.map_or(Value::Null, |customer| shown_customer(customer, matches)))
}

/// All persons that carry one of the contacts.
///
/// # Errors
/// As [`ask`].
pub async fn search(
    account: &Account,
    contacts: &Contacts,
    zone: &TimeZone,
) -> Result<Vec<Customer>, Stop> {
    let mut found: BTreeMap<i64, Customer> = BTreeMap::new();
    for filter in contacts.filters(&account.config.phone_spellings) {
        let list = List {
            template: "/api/v5/customers",
            rows: "customers",
            filter: &[filter],
            most_pages: CUSTOMER_PAGES,
        };
        let rows = account.client.all(&list).await?;
        let persons = rows.iter().filter_map(|row| Customer::read(row, zone));
        for person in persons.filter(|person| !person.corporate && contacts.match_with(person)) {
            found.insert(person.id, person);
        }
    }
    Ok(found.into_values().collect())
}

/// The customer with an id that our links know, if it is still this person: it carries the contact,
/// or it is what such a customer was merged into (its contacts may lag behind the merge).
async fn known(
    account: &Account,
    id: &str,
    contacts: &Contacts,
    zone: &TimeZone,
) -> Result<Option<Customer>, Stop> {
    let Ok(mut id) = id.parse::<i64>() else { return Ok(None) };
    let mut seen = BTreeSet::new();
    while seen.insert(id) && seen.len() <= MOST_HOPS {
        let path = format!("/api/v5/customers/{id}");
        let by = vec![("by".to_owned(), "id".to_owned())];
        match account.client.get("/api/v5/customers/{id}", path, by).await {
            Ok(answer) => {
                let read = answer.get("customer").and_then(|row| Customer::read(row, zone));
                let merged = seen.len() > 1;
                return Ok(
                    read.filter(|held| !held.corporate && (merged || contacts.match_with(held)))
                );
            }
            Err(Stop::NotFound(refusal)) => match refusal.combined_to {
                Some(survivor) => id = survivor,
                None => return Ok(None),
            },
            Err(stop) => return Err(stop),
        }
    }
    Ok(None)
}

async fn order(
    account: &Account,
    input: &Map<String, Value>,
    now: Timestamp,
) -> Result<Value, Stop> {
    let Some(customer) = wire::number(input.get("customer")) else {
        return Err(Stop::Refused("`customer` is no id of a customer".into()));
    };
    let zone = account.references(now).await.map_err(Stop::Later)?.zone.clone();
    let orders = orders_of(account, customer, &zone).await?;
    let count = orders.len();
    let Some(newest) = orders.into_iter().max_by_key(|order| (order.created, order.id)) else {
        return Ok(Value::Null);
    };
    let group = match &newest.status {
        Some(status) => account.group_of(status, now).await.map_err(Stop::Later)?,
        None => None,
    };
    Ok(shown_order(newest, group, count))
}

/// All orders of a person, each once. The filter may take a company's orders along: those whose
/// person is another one are left out.
///
/// # Errors
/// As [`ask`].
pub async fn orders_of(
    account: &Account,
    customer: i64,
    zone: &TimeZone,
) -> Result<Vec<Order>, Stop> {
    let list = List {
        template: "/api/v5/orders",
        rows: "orders",
        filter: &[("filter[customerId]", customer.to_string())],
        most_pages: ORDER_PAGES,
    };
    let rows = account.client.all(&list).await?;
    let orders = rows.iter().filter_map(|row| Order::read(row, zone));
    let own = orders
        .filter(|order| order.customer == Some(customer) || order.contact == Some(customer))
        .map(|order| (order.id, order));
    Ok(own.collect::<BTreeMap<_, _>>().into_values().collect())
}

fn shown_customer(customer: Customer, matches: usize) -> Value {
    json!({
        "id": customer.id,
        "createdAt": customer.created.map(|time| time.to_string()),
        "firstName": customer.first_name,
        "lastName": customer.last_name,
        "patronymic": customer.patronymic,
        "email": customer.email,
        "phones": customer.phones,
        "site": customer.site,
        "managerId": customer.manager,
        "ordersCount": customer.orders_count,
        "matches": matches,
        "customFields": texts(customer.custom_fields),
    })
}

fn shown_order(order: Order, group: Option<String>, count: usize) -> Value {
    json!({
        "id": order.id,
        "number": order.number,
        "externalId": order.external_id,
        "createdAt": order.created.map(|time| time.to_string()),
        "status": order.status,
        "status_group": group,
        "statusUpdatedAt": order.status_updated.map(|time| time.to_string()),
        "site": order.site,
        "orderMethod": order.method,
        "orderType": order.kind,
        "managerId": order.manager,
        "totalSumm": order.total.map(|sum| sum.to_string()),
        "customFields": texts(order.custom_fields),
        "count": count,
    })
}

fn texts(fields: Map<String, Value>) -> Map<String, Value> {
    let shown = |value: &Value| Value::from(wire::stringified(value));
    fields.iter().map(|(code, value)| (code.clone(), shown(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::offer::OFFER;
    use super::*;

    fn patterns(list: &[&str]) -> Vec<String> {
        list.iter().map(|pattern| (*pattern).to_owned()).collect()
    }

    #[test]
    fn every_spelling_is_asked_once_in_order() {
        let all = patterns(&["{national}", "{digits}", "+{digits}", "8{national}", "{digits}"]);
        let filters = Contacts::of(["8 (999) 000-00-01"], None).filters(&all);
        let asked: Vec<&str> = filters.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(asked, ["9990000001", "79990000001", "+79990000001", "89990000001"]);
        let filters = Contacts::of(["+375 29 123-45-67"], None).filters(&all);
        let asked: Vec<&str> = filters.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(asked, ["291234567", "375291234567", "+375291234567"]);
    }

    #[test]
    fn an_email_is_asked_as_typed_and_in_lower_case() {
        let filters = Contacts::of(None, ["User@Example.test"]).filters(&[]);
        let asked = filters.iter().map(|(name, text)| format!("{name}={text}"));
        let asked: Vec<_> = asked.collect();
        assert_eq!(asked, ["filter[email]=User@Example.test", "filter[email]=user@example.test"]);
    }

    #[test]
    fn a_hit_must_carry_the_contact() {
        let customer = |phone: &str, email: &str| {
            let row = json!({"id": 1, "email": email, "phones": [{"number": phone}]});
            Customer::read(&row, &TimeZone::UTC).unwrap()
        };
        let contacts = Contacts::of(["79990000001"], ["a@example.test"]);
        assert!(contacts.match_with(&customer("8 999 000-00-01", "")));
        assert!(contacts.match_with(&customer("", "A@EXAMPLE.test ")));
        // The search finds substrings: 999 is no reason to take this one.
        assert!(!contacts.match_with(&customer("79990000012", "b@example.test")));
        assert!(!contacts.match_with(&customer("", "")));
    }

    #[test]
    fn facts_have_the_shape_of_the_offer() {
        let row = json!({"id": 1, "customFields": {"flag": true, "list": ["a", "b"], "n": 3}});
        let customer = Customer::read(&row, &TimeZone::UTC).unwrap();
        let order = Order::read(&row, &TimeZone::UTC).unwrap();
        for (name, fact) in
            [("customer", shown_customer(customer, 1)), ("order", shown_order(order, None, 1))]
        {
            let offered: Vec<_> =
                OFFER.query(name).unwrap().output.iter().map(|field| field.name).collect();
            let shown: Vec<_> = fact.as_object().unwrap().keys().cloned().collect();
            assert_eq!(shown, offered);
            let fields = json!({"flag": "true", "list": "a, b", "n": "3"});
            assert_eq!(fact["customFields"], fields);
        }
    }
}
