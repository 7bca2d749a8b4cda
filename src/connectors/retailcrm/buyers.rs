//! The question `buyers`: all persons with these phones or e-mails, each with their newest orders, of all
//! stores that the key sees. Invariant: whom it names carries the contact, an order is of the person it
//! stands with; the references that give names to codes may be an hour old.
//!
//! The CRM takes one spelling of one contact a search, and one customer a list of orders: nothing of it
//! can go out in one request with another's.

use super::Account;
use super::ask::Contacts;
use super::client::{PAGE, Stop};
use super::contacts::carriers;
use super::orders::rows;
use super::references::References;
use super::wire::{self, Customer, Order};
use crate::connectors::block;
use crate::domain::Query;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::cmp::Reverse;

pub const NAME: &str = block::QUESTION;
/// Persons with orders that are shown, and persons whose orders are read; who was made last comes
/// first. More of them with one phone are no family, but a number that stands for nobody.
const MOST_PEOPLE: usize = 10;
const MOST_READ: usize = 20;
/// Orders of each where nothing is said.
const ORDERS: usize = 10;
/// Names beside codes change seldom, and reading them anew takes eight requests.
const OLDEST_NAMES: SignedDuration = SignedDuration::from_hours(1);

/// Answers the question.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn ask(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    let given = |name: &str| query.input.get(name).map(wire::listed).unwrap_or_default();
    let texts = |name: &str| given(name).into_iter().filter_map(Value::as_str).collect::<Vec<_>>();
    let contacts = Contacts::of(texts("phones"), texts("emails"));
    let most = wire::number(query.input.get("orders")).and_then(|most| usize::try_from(most).ok());
    let references = account.cache.recent(&account.client, &account.config, now, OLDEST_NAMES);
    let references = references.await.map_err(Stop::Later)?;
    let mut persons = carriers(account, &contacts, &query.known, &references.zone).await?;
    persons.sort_by_key(|person| Reverse((person.created, person.id)));
    let mut people = Vec::new();
    let mut buyers = 0;
    for person in persons.into_iter().take(MOST_READ) {
        if buyers == MOST_PEOPLE {
            break;
        }
        let (count, mut orders) = newest(account, person.id, &references).await?;
        buyers += usize::from(count > 0);
        orders.truncate(most.unwrap_or(ORDERS));
        let named = Named { url: &account.config.url, references: &references };
        people.push(named.person(person, count, orders));
    }
    Ok(json!({ "people": people }))
}

/// How many orders a person has, and the newest of them. The list is a page: it is said to begin with
/// the newest (2.3), so that what does not stand in a hundred rows is older.
async fn newest(
    account: &Account,
    customer: i64,
    references: &References,
) -> Result<(usize, Vec<Order>), Stop> {
    let template = "/api/v5/orders";
    let query = [
        ("filter[customerId]", customer.to_string()),
        ("limit", PAGE.to_string()),
        ("page", "1".to_owned()),
    ];
    let query = query.map(|(name, text)| (name.to_owned(), text)).to_vec();
    let answer = account.client.get(template, template.to_owned(), query).await?;
    let pagination = answer.get("pagination").and_then(|held| held.get("totalCount"));
    let total = wire::number(pagination).and_then(|total| usize::try_from(total).ok());
    let mut orders = rows(&answer, &references.zone);
    // The filter takes a company's orders along: those of others are left out.
    let read = orders.len();
    orders.retain(|order| order.customer == Some(customer) || order.contact == Some(customer));
    orders.sort_by_key(|order| Reverse((order.created, order.id)));
    let others = total.unwrap_or(read).saturating_sub(read);
    Ok((orders.len() + others, orders))
}

/// What the answer is made with.
struct Named<'a> {
    /// The root of the CRM's pages.
    url: &'a str,
    references: &'a References,
}

impl Named<'_> {
    fn person(&self, person: Customer, count: usize, orders: Vec<Order>) -> Value {
        let orders: Vec<Value> = orders.into_iter().map(|order| self.order(order)).collect();
        json!({
            "id": person.id,
            // Seen in scripts of users; the card of an order in the documentation too.
            "url": format!("{}/customers/{}", self.url, person.id),
            "createdAt": person.created.map(|time| time.to_string()),
            "firstName": person.first_name,
            "lastName": person.last_name,
            "patronymic": person.patronymic,
            "email": person.email,
            "phones": person.phones,
            "site_name": self.store(person.site.as_deref()),
            "site": person.site,
            "count": count,
            "orders": orders,
        })
    }

    fn order(&self, order: Order) -> Value {
        let status = order.status.as_deref().and_then(|code| self.references.statuses.get(code));
        json!({
            "id": order.id,
            "url": format!("{}/orders/{}/edit", self.url, order.id),
            "number": order.number,
            "createdAt": order.created.map(|time| time.to_string()),
            "status_name": status.and_then(|status| status.name.clone()),
            "status_group": status.map(|status| status.group.clone()),
            "status": order.status,
            "site_name": self.store(order.site.as_deref()),
            "site": order.site,
            "totalSumm": order.total.map(|sum| sum.to_string()),
            "currency": order.currency,
        })
    }

    fn store(&self, code: Option<&str>) -> Option<String> {
        code.and_then(|code| self.references.store_names.get(code)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::offer::OFFER;
    use super::*;
    use crate::domain::{Field, Kind};
    use jiff::tz::TimeZone;
    use std::collections::BTreeMap;

    fn names(fields: &[Field]) -> Vec<&'static str> {
        let mut names: Vec<_> = fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names
    }

    fn inside(fields: &'static [Field], name: &str) -> &'static [Field] {
        let field = fields.iter().find(|field| field.name == name).unwrap();
        match field.kind {
            Kind::List(Kind::Record(inner)) => inner,
            _ => panic!("no list of records"),
        }
    }

    #[test]
    fn the_answer_has_the_shape_of_the_offer() {
        let references = References {
            statuses: BTreeMap::new(),
            groups: BTreeMap::new(),
            sites: Vec::new(),
            store_names: BTreeMap::new(),
            order_methods: BTreeMap::new(),
            order_types: BTreeMap::new(),
            zone: TimeZone::UTC,
            order_fields: None,
        };
        let named = Named { url: "https://shop.retailcrm.ru", references: &references };
        let row = json!({ "id": 5 });
        let person = Customer::read(&row, &TimeZone::UTC).unwrap();
        let order = Order::read(&row, &TimeZone::UTC).unwrap();
        let shown = named.person(person, 1, vec![order]);
        let keys = |value: &Value| {
            let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            keys.sort_unstable();
            keys
        };
        let people = inside(OFFER.query(NAME).unwrap().output, "people");
        assert_eq!(keys(&shown), names(people));
        assert_eq!(keys(&shown["orders"][0]), names(inside(people, "orders")));
        assert_eq!(shown["orders"][0]["url"], "https://shop.retailcrm.ru/orders/5/edit");
    }
}
