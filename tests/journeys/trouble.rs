//! Lost answers, refusals and crashes in the middle of a plan. Invariant: whatever is lost on the
//! way, the far side ends with one customer and one order.

use crate::support::ledger::{Ledger, api_writes, text};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

const PHONE: &str = "79990000001";

/// Every way in which a request can go wrong; the second says whether the work is done first.
const FAULTS: [(&str, bool); 12] = [
    ("error_503", false),
    ("error_500", false),
    ("error_500", true),
    ("html_502", false),
    ("html_502", true),
    ("empty_500", false),
    ("empty_500", true),
    ("lost_answer", false),
    ("reset_before", false),
    ("down", false),
    ("garbage", false),
    ("slow", false),
];

fn rule(fault: &str, path: &str, next: u32, after_commit: bool) -> Value {
    json!({
        "side": "retailcrm", "fault": fault, "path": path, "next": next, "ms": 1500,
        "after_commit": after_commit, "method": "POST",
    })
}

/// What became of one lead that met one fault.
fn complaints(ledger: &Ledger, phone: &str, lead: &str, known: Option<u64>) -> Vec<String> {
    let mut complaints = Vec::new();
    let has =
        |row: &&&Value| row["phones"].as_array().is_some_and(|own| own.contains(&json!(phone)));
    let made = ledger.made_customers();
    let made: Vec<_> = made.iter().filter(has).collect();
    if made.len() != usize::from(known.is_none()) {
        complaints.push(format!("{} customers were made", made.len()));
    }
    let customer = known.or(made.first().and_then(|row| row["id"].as_u64()));
    let mine = |order: &&Value| text(&order["custom_fields"]["calltouch_call_id"]) == lead;
    let orders: Vec<&Value> = ledger.orders().iter().filter(mine).collect();
    match orders.as_slice() {
        [order] => {
            if order["customer"].as_u64() != customer {
                complaints.push(format!("the order is of {}, not {customer:?}", order["customer"]));
            }
            // A repeated edit that changes nothing is no second write.
            let changing = api_writes(order).into_iter().filter(|write| write["changed"] == true);
            let changing = changing.count();
            if changing != 1 {
                complaints.push(format!("{changing} writes"));
            }
        }
        other => complaints.push(format!("{} orders", other.len())),
    }
    complaints
}

#[rstest]
#[case::the_customer("customers/create", true)]
#[case::the_order("orders/create", true)]
#[case::the_order_without_external_ids("orders/create", false)]
#[case::the_edit("/edit", true)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_doubles_nothing(#[case] path: &str, #[case] external_ids: bool) {
    let shop = format!("external_ids = {external_ids}\ntimeout = \"1s\"");
    let mut house = House::start(Plan { shop, ..Plan::default() }).await;
    let mut report = Vec::new();
    for (index, (fault, after_commit)) in FAULTS.into_iter().enumerate() {
        let phone = format!("79990002{index:03}");
        let known = if path == "/edit" {
            let customer = house.customer(json!({ "firstName": "Иван", "phones": [phone] })).await;
            house.order(json!({ "customer": { "id": customer }, "status": "new" })).await;
            Some(customer)
        } else {
            None
        };
        let before = house.ledger().await;
        let struck = format!("retailcrm {fault}");
        let strikes = |ledger: &Ledger| ledger.0["faults"][&struck].as_u64().unwrap_or_default();
        house.faults(json!([rule(fault, path, 1, after_commit)])).await;
        let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
        let counts = house.ended().await;
        let ledger = house.ledger().await;
        let mut found = complaints(&ledger, &phone, &text(&sent["lead"]["id"]), known);
        if counts.stuck > 0 {
            found.push(format!("{} jobs are stuck", counts.stuck));
        }
        if strikes(&ledger) != strikes(&before) + 1 {
            found.push("the fault did not strike".to_owned());
        }
        if !found.is_empty() {
            report.push(format!("{fault}, after the work: {after_commit}: {}", found.join(", ")));
        }
    }
    assert!(report.is_empty(), "{}\n{}", report.join("\n"), house.log());
    house.ledger().await.assert_no_customer_edited();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_everywhere_double_nothing() {
    let shop = "timeout = \"1s\"".to_owned();
    let mut house = House::start(Plan { shop, ..Plan::default() }).await;
    let sometimes = |side: &str, fault: &str, probability: f64| json!({ "side": side, "fault": fault, "probability": probability });
    house
        .faults(json!([
            sometimes("retailcrm", "lost_answer", 0.1),
            sometimes("retailcrm", "error_500", 0.05),
            sometimes("retailcrm", "html_502", 0.05),
            sometimes("retailcrm", "garbage", 0.05),
            sometimes("retailcrm", "reset_before", 0.05),
            sometimes("calltouch", "error_500", 0.2),
            sometimes("calltouch", "lost_answer", 0.1),
        ]))
        .await;
    let phones = (0..25).map(|index| format!("79990003{index:03}"));
    let mut leads = Vec::new();
    for phone in phones.clone() {
        let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
        leads.push((phone, text(&sent["lead"]["id"])));
    }
    house.advance(SignedDuration::from_secs(2)).await;
    for phone in phones {
        house.lead(json!({ "type": "request", "phone": phone })).await;
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (25, 25, 0), "{counts:?}");
    let ledger = house.ledger().await;
    let mut report = Vec::new();
    for (phone, lead) in leads {
        let found = complaints(&ledger, &phone, &lead, None);
        if !found.is_empty() {
            report.push(format!("{phone}: {}", found.join(", ")));
        }
    }
    assert!(report.is_empty(), "{}\n{:#}", report.join("\n"), ledger.0["faults"]);
    assert_eq!(ledger.0["duplicates"], json!([]));
    assert_eq!(ledger.writes().len(), 25);
    house.assert_replays_the_same();
}

/// Waits until the far side has begun to work on a request of this path, however it will answer.
async fn reached(house: &House, line: &str) {
    for _ in 0..1000 {
        if house.ledger().await.received("retailcrm", line) > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{line} was never asked:\n{}", house.log());
}

#[rstest]
#[case::before_the_customer("customers/create", "POST /api/v5/customers/create")]
#[case::before_the_order("orders/create", "POST /api/v5/orders/create")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_during_a_request_doubles_nothing(#[case] path: &str, #[case] line: &str) {
    let mut house = House::start(Plan::default()).await;
    // The work is done at once, its answer comes after the process is gone.
    house
        .faults(json!([{
            "side": "retailcrm", "fault": "slow", "path": path, "method": "POST", "next": 1,
            "ms": 4000,
        }]))
        .await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    reached(&house, line).await;
    house.kill();
    house.run().await;
    house.ended().await;
    house.polled().await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_with_work_at_every_stage_loses_and_doubles_nothing() {
    let mut house = House::start(Plan::default()).await;
    for index in 0..12 {
        let phone = format!("79990004{index:03}");
        house.lead(json!({ "type": "call", "phone": phone })).await;
        if index % 3 == 1 {
            house.advance(SignedDuration::from_secs(30)).await;
        }
        if index % 4 == 3 {
            house.kill();
            house.run().await;
        }
    }
    house.kill();
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (12, 0, 0), "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 12);
    assert_eq!(ledger.made_orders().len(), 12);
    assert_eq!(ledger.0["duplicates"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_lets_what_is_under_way_end() {
    let mut house = House::start(Plan::default()).await;
    house
        .faults(json!([{
            "side": "retailcrm", "fault": "slow", "path": "orders/create", "method": "POST",
            "next": 1, "ms": 700,
        }]))
        .await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.lead(json!({ "type": "call", "phone": "79990000002", "deliveries": 1 })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    reached(&house, "POST /api/v5/orders/create").await;
    assert_eq!(house.stop(), Some(0), "{}", house.log());
    assert!(house.log().contains("nothing is under way"), "{}", house.log());
    let counts = house.counts().await;
    assert_eq!((counts.deciding, counts.unknown_steps), (0, 0), "{counts:?}");
    // The answer was waited for: the order that was under way is done, and known to be.
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_orders().len() as u64, counts.acted, "{counts:?}");
    assert!(counts.acted >= 1, "{counts:?}");
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (2, 0), "{counts:?}");
    assert_eq!(house.ledger().await.writes().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_crm_refuses_waits_for_a_person_and_lets_the_lane_go() {
    let shop = "order_method = \"no-such-method\"".to_owned();
    let mut house = House::start(Plan { shop, ..Plan::default() }).await;
    let customer = house.customer(json!({ "firstName": "Иван", "phones": [PHONE] })).await;
    let sent = house.lead(json!({ "type": "call", "phone": PHONE })).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (0, 1), "{counts:?}");
    let story = house.story(&text(&sent["lead"]["id"])).await;
    let why = story[0].jobs[0].why.clone().unwrap_or_default();
    assert!(why.contains("orderMethod"), "{why}");
    // A manager makes the order by hand; the next lead of that person is not held up.
    house.order(json!({ "customer": { "id": customer }, "status": "new" })).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (1, 1), "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.writes().len(), 1);
    ledger.assert_no_customer_edited();
    house.assert_replays_the_same();
}
