//! Writing deals: `client-order/create`, `update`, `delete` (calltouch.md §5). Invariant: a body is
//! read whole before anything is written; after that each deal is accepted or refused by itself.

use crate::sandbox::answer::{Answer, violation};
use crate::sandbox::calltouch::deals::{Deal, DealWrite, Fields};
use crate::sandbox::calltouch::matching::Matching;
use crate::sandbox::calltouch::{Incoming, Site};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

const MOST: usize = 100;
const CURRENCIES: [&str; 9] = ["rub", "usd", "eur", "kzt", "byn", "uah", "gbp", "cny", "amd"];

/// One deal of a body, read.
struct Sent {
    number: String,
    raw: Map<String, Value>,
    /// Matching of a create, re-matching of an update.
    matching: Option<Matching>,
}

/// The `orderNumber`s of a body, whatever else is wrong with it.
pub fn numbers(body: &Value) -> Vec<String> {
    let orders = body["orders"].as_array().into_iter().flatten().map(|order| &order["orderNumber"]);
    let numbers = body["orderNumbers"].as_array().into_iter().flatten();
    orders.chain(numbers).filter_map(number_of).collect()
}

fn number_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `dd-MM-yyyy HH:mm:ss` of the site's zone, and nothing else.
pub fn parse_stamp(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if text.len() != 19 {
        return None;
    }
    let at = DateTime::strptime("%d-%m-%Y %H:%M:%S", text).ok()?;
    Some(at.to_zoned(zone.clone()).ok()?.timestamp())
}

/// `client-order/create`.
pub fn create(site: &mut Site, incoming: &mut Incoming) -> Result<Answer, Answer> {
    let sent = read(site, incoming, "matching")?;
    let batch = sent.len();
    let mut told = Vec::new();
    for order in sent {
        let refused = (incoming.item_error)(&order.number);
        let exists = || site.deals.get(&order.number).is_some();
        let text = || format!("Order with orderNumber {} already exists", order.number);
        let error = refused.or_else(|| exists().then(text));
        if error.is_none() {
            make(site, &order, incoming.now)?;
        }
        told.push(tell(site, ("create", batch), order, error, incoming.now));
    }
    Ok(Answer::json(200, &json!({"data": {"orders": told}})))
}

fn make(site: &mut Site, order: &Sent, now: Timestamp) -> Result<(), Answer> {
    let mut fields = Fields::default();
    apply(&mut fields, &order.raw, &site.zone)?;
    let matched = order.matching.as_ref().and_then(|matching| matching.find(&site.leads, now));
    let mut deal = Deal {
        site: site.id,
        id: site.next_deal(),
        number: order.number.clone(),
        fields,
        matched,
        matching: order.raw.get("matching").cloned().unwrap_or_default(),
        made_at: now,
        creations: 0,
        updates: 0,
        rematchings: 0,
        statuses: Vec::new(),
        writes: Vec::new(),
        deleted: false,
    };
    deal.note_status(now);
    site.deals.put(deal);
    Ok(())
}

/// `client-order/update`.
pub fn update(site: &mut Site, incoming: &mut Incoming) -> Result<Answer, Answer> {
    let sent = read(site, incoming, "reMatching")?;
    let batch = sent.len();
    let mut told = Vec::new();
    for order in sent {
        let mut error = (incoming.item_error)(&order.number);
        let again = order.matching.as_ref().map(|list| list.find(&site.leads, incoming.now));
        match site.deals.get_mut(&order.number) {
            Some(deal) if error.is_none() => {
                apply(&mut deal.fields, &order.raw, &site.zone)?;
                if let Some(found) = again {
                    deal.rematchings += 1;
                    deal.matched = found;
                }
                deal.note_status(incoming.now);
            }
            Some(_) => {}
            None => {
                let text = format!("Order with orderNumber {} not found", order.number);
                error = error.or(Some(text));
            }
        }
        told.push(tell(site, ("update", batch), order, error, incoming.now));
    }
    Ok(Answer::json(200, &json!({"data": {"orders": told}})))
}

/// `client-order/delete`.
pub fn delete(site: &mut Site, incoming: &mut Incoming) -> Result<Answer, Answer> {
    let body = incoming.body.json().unwrap_or(&Value::Null);
    let numbers = numbers(body);
    if numbers.is_empty() || numbers.len() > MOST || !body["orderNumbers"].is_array() {
        return Err(violation("orderNumbers", "1 to 100 numbers"));
    }
    let batch = numbers.len();
    let mut told = Vec::new();
    for number in numbers {
        let known = site.deals.get(&number).is_some();
        let error = (!known).then(|| format!("Order with orderNumber {number} not found"));
        let order = Sent { number: number.clone(), raw: Map::new(), matching: None };
        told.push(tell(site, ("delete", batch), order, error, incoming.now));
        site.deals.delete(&number);
    }
    Ok(Answer::json(200, &json!({"data": {"orders": told}})))
}

/// Writes the item down and says what became of it.
fn tell(
    site: &mut Site,
    (kind, batch): (&'static str, usize),
    order: Sent,
    error: Option<String>,
    at: Timestamp,
) -> Value {
    let id = site.deals.get(&order.number).map(|deal| deal.id).filter(|_| error.is_none());
    let told = json!({"orderNumber": order.number, "calltouchOrderId": id, "error": error});
    let Sent { number, raw: sent, .. } = order;
    site.deals.note(DealWrite { kind, at, number, batch, error, sent });
    told
}

/// Reads a whole body; the first thing that is wrong refuses all of it.
fn read(site: &Site, incoming: &Incoming, matching: &str) -> Result<Vec<Sent>, Answer> {
    let orders = incoming.body.json().and_then(|body| body["orders"].as_array());
    let orders = orders.ok_or_else(|| violation("orders", "must be a list"))?;
    if orders.is_empty() || orders.len() > MOST {
        return Err(violation("orders", "1 to 100 deals"));
    }
    let creates = matching == "matching";
    let mut sent = Vec::new();
    for (position, order) in orders.iter().enumerate() {
        let wrong =
            |field: &str, text: &str| violation(&format!("orders[{position}].{field}"), text);
        let raw = order.as_object().cloned().ok_or_else(|| wrong("", "must be an object"))?;
        let number = number_of(&order["orderNumber"]);
        let number = number.ok_or_else(|| wrong("orderNumber", "must not be empty"))?;
        if creates && !raw.contains_key("orderDate") {
            return Err(wrong("orderDate", "must not be empty"));
        }
        apply(&mut Fields::default(), &raw, &site.zone)?;
        let list = match raw.get(matching) {
            None if creates => return Err(wrong("matching", "must not be empty")),
            None => None,
            Some(list) => {
                Some(Matching::read(list, &site.zone, incoming.switches.max_search_depth)?)
            }
        };
        sent.push(Sent { number, raw, matching: list });
    }
    Ok(sent)
}

/// Writes the sent fields over the old ones.
fn apply(fields: &mut Fields, raw: &Map<String, Value>, zone: &TimeZone) -> Result<(), Answer> {
    let texts = [
        ("orderName", &mut fields.order_name),
        ("manager", &mut fields.manager),
        ("funnel", &mut fields.funnel),
        ("status", &mut fields.status),
        ("currency", &mut fields.currency),
        ("revenue", &mut fields.revenue),
    ];
    for (key, field) in texts {
        let Some(value) = raw.get(key) else { continue };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if key == "revenue" => number.to_string(),
            _ => return Err(violation(key, "must be a text")),
        };
        let fits = match key {
            "currency" => CURRENCIES.contains(&text.as_str()),
            "revenue" => text.parse::<rust_decimal::Decimal>().is_ok(),
            _ => true,
        };
        if !fits {
            return Err(violation(key, "has a wrong value"));
        }
        *field = text;
    }
    let dates = [
        ("statusDate", &mut fields.status_date),
        ("orderDate", &mut fields.order_date),
        ("updateDate", &mut fields.update_date),
    ];
    for (key, field) in dates {
        let Some(value) = raw.get(key) else { continue };
        let at = value.as_str().and_then(|text| parse_stamp(text, zone));
        *field = Some(at.ok_or_else(|| violation(key, "must be dd-MM-yyyy HH:mm:ss"))?);
    }
    Ok(())
}
