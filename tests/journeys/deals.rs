//! Orders of the CRM become deals of Calltouch. Invariant: what a journey asserts is what stands in
//! Calltouch in the end; when it was written there is told by the far side's own clock.

mod bounds;
mod faults;
mod follow;
mod links;
mod matrix;
mod stores;
mod wake;
mod why;

use crate::support::ledger::{Ledger, text};
use crate::support::{House, Plan};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value, json};

pub const NOT_FOUND: &str = "Лид не найден";
pub const FLOWS: &str =
    "[flows.order-to-deal]\nrunning = true\n[flows.deal-update]\nrunning = true\n";

/// A house whose feeds are read when the test says so, and never by themselves; a lead makes no
/// order, for webhooks bring the leads of the past.
pub fn plan() -> Plan {
    Plan {
        shop: "poll_every = \"20d\"".to_owned(),
        more: FLOWS.to_owned(),
        poll_every: "20d",
        leads: false,
        ..Plan::default()
    }
}

pub async fn house(plan: Plan) -> House {
    begun(House::build(plan).await).await
}

/// A house whose first start is at this hour of the account's clocks.
pub async fn house_at(plan: Plan, hour: &str) -> House {
    let mut house = House::build(plan).await;
    let ahead = local(hour).duration_since(house.now());
    house.advance(ahead).await;
    begun(house).await
}

/// Starts the daemon and waits for the first reading of every feed: a clock that is moved while one
/// is under way would look like one that goes wrong.
pub async fn begun(mut house: House) -> House {
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    let feeds = ["feed=\"orders\"", "feed=\"calls\"", "feed=\"requests\""];
    let read = |log: &str, feed: &str| {
        log.lines().any(|line| line.contains(": polled ") && line.contains(feed))
    };
    for _ in 0..2000 {
        let log = house.whole_log();
        if feeds.iter().all(|feed| read(&log, feed)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    house.advance(SignedDuration::from_secs(2)).await;
    house
}

/// From now on leads make orders.
pub fn lead_flows_run(house: &House) {
    let config = std::fs::read_to_string(house.config()).expect("the config is read");
    let config = config.replace("running = false", "running = true");
    std::fs::write(house.config(), config).expect("the config is written");
    let done = house.command(&["reload"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// `2028-02-29 00:30:00` of the account's clocks.
pub fn local(hour: &str) -> Timestamp {
    let zone = TimeZone::get("Europe/Moscow").expect("a zone");
    let hour: jiff::civil::DateTime = hour.parse().expect("a wall-clock time");
    zone.to_timestamp(hour).expect("a moment")
}

/// A lead of the past, told by its webhook; `call 900000001`.
pub async fn lead(house: &House, noun: &str, contact: &str, at: Timestamp) -> String {
    let field = if contact.contains('@') { "email" } else { "phone" };
    let sent = house
        .lead(json!({
            "type": noun, field: contact, "at": at.to_string(), "name": "Иван",
            "utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "spring",
        }))
        .await;
    assert_eq!(sent["deliveries"][0]["status"], 200, "{sent}");
    format!("{noun} {}", text(&sent["lead"]["id"]))
}

/// An order that a person makes now, of a new customer with these contacts.
pub async fn order_of(house: &House, contacts: &[&str], more: Value) -> u64 {
    let email = contacts.iter().find(|contact| contact.contains('@'));
    let phones: Vec<&&str> = contacts.iter().filter(|contact| !contact.contains('@')).collect();
    let mut person = json!({ "firstName": "Иван", "phones": phones });
    if let Some(email) = email {
        person["email"] = json!(email.to_uppercase());
    }
    let customer = house.customer(person).await;
    let mut body = json!({
        "customer": { "id": customer }, "status": "new", "totalSumm": "1000.50", "managerId": 2,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    house.order(body).await
}

/// A person changes an order.
pub async fn change(house: &House, order: u64, body: Value) {
    house.control(&format!("orders/{order}"), body).await;
}

/// The CRM's changes are read, and time goes on; what is due meanwhile is done.
pub async fn read_and_wait(house: &mut House, wait: SignedDuration) {
    house.polled_of("shop").await;
    house.advance(wait).await;
    house.settled().await;
}

/// The orders of now become deals.
pub async fn made(house: &mut House) -> Ledger {
    read_and_wait(house, SignedDuration::from_secs(125)).await;
    house.ledger().await
}

pub const fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}: no time"))
}

/// What differs between a deal and its order as it is now (D2).
pub fn stale(ledger: &Ledger, id: u64) -> Vec<String> {
    let (order, deal) = (ledger.order(id), ledger.deal(id));
    let mut complaints = Vec::new();
    let mut same = |name: &str, is: String, wanted: String| {
        if is != wanted {
            complaints.push(format!("{name} is `{is}`, not `{wanted}`"));
        }
    };
    for (name, of_order) in
        [("order_name", "number"), ("funnel", "site"), ("status", "status"), ("currency", "")]
    {
        let wanted = if of_order.is_empty() { "rub".to_owned() } else { text(&order[of_order]) };
        same(name, text(&deal[name]), wanted);
    }
    let manager = if order["fields"]["managerId"] == 2 { "Седов Пётр" } else { "" };
    same("manager", text(&deal["manager"]), manager.to_owned());
    let sum = |value: &Value| text(value).parse::<Decimal>().unwrap_or_default().normalize();
    same("revenue", sum(&deal["revenue"]).to_string(), sum(&order["total"]).to_string());
    for (name, of_order) in
        [("order_date", "created_at"), ("status_date", "status_at"), ("update_date", "status_at")]
    {
        same(name, time(&deal[name]).to_string(), time(&order[of_order]).to_string());
    }
    complaints
}

/// A deal without a lead says so in all three fields.
pub fn is_not_found(ledger: &Ledger, order: u64) -> bool {
    let matched = &ledger.deal(order)["matched"];
    let names = ["source", "medium", "campaign"];
    ledger.linked(order) == "customSources" && names.iter().all(|name| matched[*name] == NOT_FOUND)
}

/// What `why` tells.
pub fn why(house: &House, of: &str) -> String {
    let output = house.command(&["why", of]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[track_caller]
pub fn holds(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
}
