//! Rows as the API shows them (retailcrm.md §1.8, §2). Invariant: absent values are left out, and
//! an empty map is `[]`, as PHP writes it.

use crate::sandbox::crm::account::{Account, Customer, Object, Order};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::str::FromStr;

/// An object, or PHP's empty list.
pub fn php_map(object: &Object) -> Value {
    if object.is_empty() { json!([]) } else { Value::Object(object.clone()) }
}

/// A JSON number (or its text) as a decimal.
pub fn decimal(value: Option<&Value>) -> Decimal {
    let text = match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => return Decimal::ZERO,
    };
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).unwrap_or_default()
}

/// A decimal as a JSON number.
pub fn number(value: Decimal) -> Value {
    serde_json::from_str(&value.normalize().to_string()).unwrap_or(Value::Null)
}

/// Goods, and goods with delivery less the order's discount.
pub fn sums(order: &Order) -> (Decimal, Decimal) {
    let item = |item: &Object| {
        let quantity = item.get("quantity").map_or(Decimal::ONE, |text| decimal(Some(text)));
        let price = decimal(item.get("initialPrice")) - decimal(item.get("discountTotal"));
        price.saturating_mul(quantity)
    };
    let summ: Decimal = order.items.iter().map(item).fold(Decimal::ZERO, Decimal::saturating_add);
    let delivery = decimal(order.fields.get("delivery").and_then(|delivery| delivery.get("cost")));
    let discount = decimal(order.fields.get("discountManualAmount"));
    let total = summ.saturating_add(delivery).saturating_sub(discount);
    let seeded = |key: &str, sum| order.fields.get(key).map_or(sum, |value| decimal(Some(value)));
    (seeded("summ", summ), seeded("totalSumm", total))
}

/// A customer as `GET /customers/{id}` shows it.
pub fn customer(account: &Account, row: &Customer) -> Value {
    let orders = account.orders.with_owner(row.id);
    let total = orders
        .iter()
        .filter_map(|id| account.orders.get(*id))
        .map(|order| sums(order).1)
        .fold(Decimal::ZERO, Decimal::saturating_add);
    let average = i64::try_from(orders.len())
        .ok()
        .and_then(|count| total.checked_div(Decimal::from(count)))
        .unwrap_or_default();
    let mut body = Object::new();
    let kind = if row.corporate { "customer_corporate" } else { "customer" };
    body.insert("type".into(), json!(kind));
    body.insert("id".into(), json!(row.id));
    if let Some(external) = &row.external_id {
        body.insert("externalId".into(), json!(external));
    }
    body.insert("isContact".into(), json!(false));
    body.insert("createdAt".into(), json!(account.stamp(row.created_at)));
    for (key, value) in [("vip", json!(false)), ("bad", json!(false)), ("site", json!(row.site))] {
        body.insert(key.into(), value);
    }
    let payer = if row.corporate { "legal-entity" } else { "individual" };
    body.insert("contragent".into(), json!({ "contragentType": payer }));
    let tags = row.tags.iter().map(|tag| json!({"name": tag, "color": "", "attached": false}));
    body.insert("tags".into(), Value::Array(tags.collect()));
    for (key, value) in [
        ("marginSumm", json!(0)),
        ("totalSumm", number(total)),
        ("averageSumm", number(average.round_dp(2))),
        ("ordersCount", json!(orders.len())),
        ("costSumm", json!(0)),
        ("customFields", php_map(&row.custom)),
        ("personalDiscount", json!(0)),
        ("cumulativeDiscount", json!(0)),
        ("segments", json!([])),
    ] {
        body.insert(key.into(), value);
    }
    body.extend(row.fields.clone());
    if !row.corporate {
        body.insert("email".into(), json!(row.email));
        let phones = row.phones.iter().map(|phone| json!({ "number": phone }));
        body.insert("phones".into(), Value::Array(phones.collect()));
    }
    Value::Object(body)
}

fn person(account: &Account, id: Option<u64>) -> Option<Value> {
    let row = account.customers.get(id?)?;
    Some(customer(account, row))
}

/// An order as `GET /orders/{id}` shows it, with its whole customer.
pub fn order(account: &Account, row: &Order) -> Value {
    let (summ, total) = sums(row);
    let mut body = Object::new();
    body.insert("slug".into(), json!(row.id));
    body.insert("id".into(), json!(row.id));
    body.insert("number".into(), json!(row.number));
    if let Some(external) = &row.external_id {
        body.insert("externalId".into(), json!(external));
    }
    for (key, value) in [
        ("privilegeType", json!("none")),
        ("countryIso", json!("RU")),
        ("createdAt", json!(account.stamp(row.created_at))),
        ("statusUpdatedAt", json!(account.stamp(row.status_at))),
        ("markDatetime", json!(account.stamp(row.created_at))),
        ("summ", number(summ)),
        ("totalSumm", number(total)),
        ("prepaySum", json!(0)),
        ("purchaseSumm", json!(0)),
        ("bonusesCreditTotal", json!(0)),
        ("bonusesChargeTotal", json!(0)),
        ("call", json!(false)),
        ("expired", json!(false)),
        ("currency", json!("RUB")),
    ] {
        body.insert(key.into(), value);
    }
    body.extend(row.fields.clone());
    body.insert("summ".into(), number(summ));
    body.insert("totalSumm".into(), number(total));
    let customer = person(account, row.customer);
    let contact =
        if row.contact == row.customer { customer.clone() } else { person(account, row.contact) };
    let legal = customer.as_ref().is_some_and(|person| person["type"] == "customer_corporate");
    for (key, value) in [("customer", customer), ("contact", contact)] {
        if let Some(value) = value {
            body.insert(key.into(), value);
        }
    }
    let payer = if legal { "legal-entity" } else { "individual" };
    body.entry("contragent").or_insert_with(|| json!({ "contragentType": payer }));
    body.entry("delivery")
        .or_insert_with(|| json!({"cost": 0, "netCost": 0, "address": {"countryIso": "RU"}}));
    let items = row.items.iter().map(item).collect();
    for (key, value) in [
        ("site", json!(row.site)),
        ("status", json!(row.status)),
        ("items", Value::Array(items)),
        ("payments", json!([])),
        ("fromApi", json!(row.origin == crate::sandbox::crm::account::Origin::Api)),
        ("shipped", json!(false)),
        ("customFields", php_map(&row.custom)),
    ] {
        body.insert(key.into(), value);
    }
    Value::Object(body)
}

fn item(row: &Object) -> Value {
    let mut body = row.clone();
    for (key, value) in [
        ("markingCodes", json!([])),
        ("discountTotal", json!(0)),
        ("quantity", json!(1)),
        ("status", json!("new")),
        ("properties", json!([])),
        ("purchasePrice", json!(0)),
    ] {
        body.entry(key).or_insert(value);
    }
    Value::Object(body)
}
