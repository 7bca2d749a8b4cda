//! The question `order`, by id and by customer, and the list of a day. Invariant: an order that a
//! list does not show is read by its id before it is said to be absent, since lists lag; what
//! was read before the time that a question names answers nothing.

use super::Account;
use super::ask::texts;
use super::client::{List, PAGE, Stop};
use super::wire::{self, Customer, Order};
use crate::connectors::port::{Listed, ListedPage};
use crate::domain::{Delay, Query};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const TEMPLATE: &str = "/api/v5/orders";
/// 5000 orders of one customer.
const ORDER_PAGES: usize = 50;
/// How long the CRM's lists may lag behind what we wrote. Not documented; seconds were seen.
const LAG: SignedDuration = SignedDuration::from_mins(10);
/// Of the orders that we wrote for a customer only the last can be the newest.
const MOST_KNOWN: usize = 1;

/// Answers the question.
///
/// # Errors
/// [`Stop`]: not now, or refused.
pub async fn ask(account: &Account, query: &Query, now: Timestamp) -> Result<Value, Stop> {
    let given = |name: &str| query.input.get(name).map(|value| wire::number(Some(value)));
    match (given("id"), given("customer")) {
        (Some(Some(id)), _) => by_id(account, id, query.since, now).await,
        (None, Some(Some(customer))) => newest(account, customer, query, now).await,
        (Some(None), _) => Err(Stop::Refused("`id` is no id of an order".into())),
        _ => Err(Stop::Refused("`customer` is no id of a customer".into())),
    }
}

/// The order with an id; none where it was deleted or merged.
async fn by_id(
    account: &Account,
    id: i64,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Value, Stop> {
    if let Some(since) = since
        && let Some(order) = account.pages.get(id, since, now)
    {
        return shown(account, order, None, now).await;
    }
    let zone = account.zone_at(now).await.map_err(Stop::Later)?;
    let listed = account.joined().ask(id, |ids| some(account, ids, &zone, now)).await?;
    let order = match listed {
        Some(order) => Some(order),
        None => order_by_id(account, id, &zone).await?,
    };
    match order {
        Some(order) => shown(account, order, None, now).await,
        None => Ok(Value::Null),
    }
}

/// Those of these orders that the list shows, at most a page.
async fn some(
    account: &Account,
    ids: Vec<i64>,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<BTreeMap<i64, Order>, Stop> {
    let mut query: Vec<(String, String)> =
        ids.iter().map(|id| ("filter[ids][]".to_owned(), id.to_string())).collect();
    query.push(("limit".to_owned(), PAGE.to_string()));
    let answer = account.client.get(TEMPLATE, TEMPLATE.to_owned(), query).await?;
    let orders = rows(&answer, zone).into_iter().filter(|order| ids.contains(&order.id));
    let orders: BTreeMap<i64, Order> = orders.map(|order| (order.id, order)).collect();
    account.pages.put(orders.values().cloned(), now);
    Ok(orders)
}

/// The orders of an answer.
pub fn rows(answer: &Map<String, Value>, zone: &TimeZone) -> Vec<Order> {
    let rows = answer.get("orders").map(wire::listed).unwrap_or_default();
    rows.into_iter().filter_map(|row| Order::read(row, zone)).collect()
}

/// A page of the orders that were made on one day.
///
/// # Errors
/// Why not now.
pub async fn listed(
    account: &Account,
    day: Date,
    page: u32,
    now: Timestamp,
) -> Result<ListedPage, Delay> {
    let zone = account.zone_at(now).await?;
    let query = [
        ("filter[createdAtFrom]", day.to_string()),
        ("filter[createdAtTo]", day.to_string()),
        ("limit", PAGE.to_string()),
        ("page", page.max(1).to_string()),
    ];
    let query = query.map(|(name, text)| (name.to_owned(), text)).to_vec();
    let late = |stop: Stop| stop.delay("the list of orders");
    let answer = account.client.get(TEMPLATE, TEMPLATE.to_owned(), query).await.map_err(late)?;
    let said = |name: &str| {
        let pagination = answer.get("pagination");
        wire::number(pagination.and_then(|held| held.get(name)))
            .and_then(|number| u64::try_from(number).ok())
    };
    let orders = rows(&answer, &zone);
    let count = answer.get("orders").map(wire::listed).unwrap_or_default().len();
    let more = match said("totalPageCount") {
        Some(pages) => u64::from(page.max(1)) < pages,
        None => count >= PAGE,
    };
    account.pages.put(orders.iter().cloned(), now);
    let begun = zone.to_zoned(day.to_datetime(jiff::civil::Time::midnight()));
    let mut listed = Vec::new();
    for order in orders {
        let made = order.created.or(begun.as_ref().ok().map(jiff::Zoned::timestamp)).unwrap_or(now);
        let id = order.id.to_string();
        let fields = shown(account, order, None, now).await.map_err(late)?;
        listed.push(Listed { id, made, fields });
    }
    Ok(ListedPage { rows: listed, more: more && count > 0, total: said("totalCount") })
}

/// The newest order of a customer.
async fn newest(
    account: &Account,
    customer: i64,
    query: &Query,
    now: Timestamp,
) -> Result<Value, Stop> {
    let zone = account.zone_at(now).await.map_err(Stop::Later)?;
    let orders = orders_of(account, customer, &zone).await?;
    let mut orders: BTreeMap<i64, Order> = orders.into_iter().map(|held| (held.id, held)).collect();
    // What we wrote and the list does not show (yet), or may show as it was before, is read by id.
    for known in query.known.iter().take(MOST_KNOWN) {
        let Ok(id) = known.id.parse::<i64>() else { continue };
        let fresh = now.duration_since(known.made) < LAG;
        if (fresh || !orders.contains_key(&id))
            && let Some(order) = order_by_id(account, id, &zone).await?
            && (order.customer == Some(customer) || order.contact == Some(customer))
        {
            orders.insert(id, order);
        }
    }
    let count = orders.len();
    let Some(newest) = orders.into_values().max_by_key(|order| (order.created, order.id)) else {
        return Ok(Value::Null);
    };
    shown(account, newest, Some(count), now).await
}

async fn order_by_id(account: &Account, id: i64, zone: &TimeZone) -> Result<Option<Order>, Stop> {
    let path = format!("/api/v5/orders/{id}");
    let by = vec![("by".to_owned(), "id".to_owned())];
    match account.client.get("/api/v5/orders/{id}", path, by).await {
        Ok(answer) => Ok(answer.get("order").and_then(|row| Order::read(row, zone))),
        // Deleted or merged since: the list tells what is there.
        Err(Stop::NotFound(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
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
        template: TEMPLATE,
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

/// An order in the shape of the offer.
async fn shown(
    account: &Account,
    order: Order,
    count: Option<usize>,
    now: Timestamp,
) -> Result<Value, Stop> {
    let group = match &order.status {
        Some(status) => account.group_of(status, now).await.map_err(Stop::Later)?,
        None => None,
    };
    let manager = match order.manager {
        Some(id) => account.users.name(&account.client, id, now).await.map_err(Stop::Later)?,
        None => None,
    };
    Ok(fact(order, &Named { group, manager, count }))
}

/// What an order does not say itself.
#[derive(Debug, Default)]
struct Named {
    group: Option<String>,
    manager: Option<String>,
    count: Option<usize>,
}

fn fact(order: Order, named: &Named) -> Value {
    json!({
        "id": order.id,
        "number": order.number,
        "externalId": order.external_id,
        "createdAt": order.created.map(|time| time.to_string()),
        "status": order.status,
        "status_group": named.group,
        "statusUpdatedAt": order.status_updated.map(|time| time.to_string()),
        "site": order.site,
        "orderMethod": order.method,
        "orderType": order.kind,
        "managerId": order.manager,
        "manager": named.manager,
        "totalSumm": order.total.map(|sum| sum.to_string()),
        "currency": order.currency,
        "firstName": order.first_name,
        "lastName": order.last_name,
        "phone": order.phone,
        "additionalPhone": order.additional_phone,
        "email": order.email,
        "customer": order.person.map(person),
        "source": texts(order.source),
        "customFields": texts(order.custom_fields),
        "count": named.count,
    })
}

fn person(person: Customer) -> Value {
    json!({ "id": person.id, "phones": person.phones, "email": person.email })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A row as the answer to the question.
    pub fn shown(row: &Value) -> Value {
        fact(Order::read(row, &TimeZone::UTC).unwrap(), &Named::default())
    }

    #[test]
    fn the_person_of_a_companys_order_is_its_contact() {
        let company = json!({"id": 5, "type": "customer_corporate", "email": "",
            "phones": [{"number": "79990000005"}]});
        let contact = json!({"id": 6, "type": "customer", "email": "a@example.test",
            "phones": [{"number": "8 999 000-00-06"}, {"number": "79990000007"}]});
        let both = shown(&json!({"id": 1, "customer": company, "contact": contact}));
        let wanted = json!({"id": 6, "phones": ["8 999 000-00-06", "79990000007"],
            "email": "a@example.test"});
        assert_eq!(both["customer"], wanted);
        let person = shown(&json!({"id": 1, "customer": contact, "contact": company}));
        assert_eq!(person["customer"], wanted);
        assert_eq!(shown(&json!({"id": 1, "customer": []}))["customer"], Value::Null);
        let alone = shown(&json!({"id": 1, "customer": company}));
        assert_eq!(alone["customer"]["id"], 5);
    }

    #[test]
    fn sums_are_decimal_texts() {
        for (sum, text) in [("1290.5", "1290.5"), ("30770.40", "30770.40"), ("0", "0")] {
            let row: Value =
                serde_json::from_str(&format!("{{\"id\": 1, \"totalSumm\": \"{sum}\"}}")).unwrap();
            assert_eq!(shown(&row)["totalSumm"], text);
        }
    }
}
