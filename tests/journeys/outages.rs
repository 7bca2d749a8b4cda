//! Far sides that are down, too fast for, closed to us, or that answer strangely. Invariant: nothing
//! is given up and nothing is parked; everything is done when the far side answers again.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};

const PHONE: &str = "79990000001";

fn down(side: &str) -> Value {
    json!([{ "side": side, "fault": "down" }])
}

async fn metric(house: &House, line: &str) -> String {
    let (_, text) = house.get("/metrics").await;
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.unwrap_or("none").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_without_the_crm_delays_and_loses_nothing() {
    let mut house = House::start(Plan { pace: 10, ..Plan::default() }).await;
    house.faults(down("retailcrm")).await;
    let mut first = Vec::new();
    for index in 0..20 {
        let phone = format!("79990005{index:03}");
        let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
        first.push(text(&sent["lead"]["id"]));
        house.advance(SignedDuration::from_secs(5)).await;
    }
    // A second lead of each person, while the first one waits.
    for index in 0..20 {
        let phone = format!("79990005{index:03}");
        house.lead(json!({ "type": "request", "phone": phone })).await;
    }
    for _ in 0..36 {
        house.advance(SignedDuration::from_secs(100)).await;
        house.calm().await;
    }
    let counts = house.counts().await;
    assert_eq!((counts.waiting, counts.stuck, counts.acted), (40, 0, 0), "{counts:?}");
    // Probes go on, but a far side in trouble is not stormed: at most one a minute after a while.
    let asked = house.ledger().await.0["retailcrm"]["total"].as_u64().unwrap_or_default();
    assert!(asked < 400, "{asked} requests in an hour");
    house.faults(json!([])).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (20, 20, 0), "{counts:?}");

    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 20);
    assert_eq!(ledger.0["duplicates"], json!([]));
    // Of each person the first lead went first.
    let mut won: Vec<String> = ledger
        .made_orders()
        .iter()
        .map(|order| text(&order["custom_fields"]["calltouch_call_id"]))
        .collect();
    won.sort();
    assert_eq!(won, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_pauses_one_connection_and_heals() {
    let mut house = House::start(Plan { poll_every: "20s", ..Plan::default() }).await;
    house.faults(json!([{ "side": "retailcrm", "fault": "denied" }])).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.calm().await;
    let paused = "leadlink_connection_paused{connection=\"shop\"}";
    assert_eq!(metric(&house, paused).await, "1");
    let (status, ready) = house.get("/readyz").await;
    assert_eq!(status, 200, "accepting goes on: {ready}");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!(ready["connections"]["shop"]["state"], "paused");
    assert_eq!(ready["connections"]["calltouch-main"]["state"], "ready");
    assert!(house.whole_log().contains("the connection is paused"), "{}", house.log());
    // The other one goes on: journals are read, deliveries are kept.
    house.lead(json!({ "type": "call", "phone": "79990000003", "drop": true })).await;
    house.polled().await;
    house.advance(SignedDuration::from_hours(2)).await;
    let counts = house.calm().await;
    assert_eq!((counts.waiting, counts.stuck, counts.acted), (3, 0, 0), "{counts:?}");
    house.faults(json!([])).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (3, 0), "{counts:?}");
    assert_eq!(metric(&house, paused).await, "0");
    assert_eq!(house.ledger().await.writes().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_mended_in_the_config_does_what_waited() {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    let key = "LEADLINK_CONNECTIONS__SHOP__API_KEY".to_owned();
    house.set_env(vec![(key, "not-the-key-0123456789".to_owned())]);
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let counts = house.calm().await;
    assert_eq!((counts.waiting, counts.stuck), (1, 0), "{counts:?}");
    assert!(house.whole_log().contains("Wrong"), "{}", house.log());
    assert!(!house.whole_log().contains("not-the-key"), "{}", house.log());
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    house.run().await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_custom_fields_pause_until_setup_has_run() {
    let mut house = House::build(Plan { setup: false, ..Plan::default() }).await;
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let counts = house.calm().await;
    assert_eq!((counts.waiting, counts.stuck), (1, 0), "{counts:?}");
    assert!(house.whole_log().contains("leadlink setup"), "{}", house.log());
    assert!(house.command(&["setup"]).status.success());
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calltouch_down_holds_up_no_hook_and_heals() {
    let mut house = House::start(Plan { poll_every: "20s", ..Plan::default() }).await;
    house.faults(down("calltouch")).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.lead(json!({ "type": "call", "phone": "79990000002", "drop": true })).await;
    for _ in 0..10 {
        house.advance(SignedDuration::from_secs(30)).await;
        house.calm().await;
    }
    let counts = house.counts().await;
    assert_eq!((counts.acted, counts.stuck), (1, 0), "{counts:?}");
    house.faults(json!([])).await;
    for _ in 0..10 {
        house.advance(SignedDuration::from_secs(30)).await;
        if house.calm().await.acted == 2 {
            break;
        }
    }
    house.until("healed", |counts| counts.acted == 2).await;
    assert_eq!(house.ledger().await.writes().len(), 2);
}

#[rstest]
#[case::calltouch_with_retry_after(json!({ "calltouch_retry_after": 7 }), json!({ "calltouch_rps": 1 }))]
#[case::crm_503(json!({ "too_fast": "503" }), json!({ "crm_rps": 10 }))]
#[case::crm_429(json!({ "too_fast": "429" }), json!({ "crm_rps": 10 }))]
#[case::crm_html(json!({ "too_fast": "html" }), json!({ "crm_rps": 10 }))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_are_slowed_and_none_is_lost(
    #[case] switch: Value,
    #[case] limit: Value,
) {
    let mut house = House::start(Plan { poll_every: "20s", ..Plan::default() }).await;
    house.control("switches", switch).await;
    house.control("limits", limit).await;
    for index in 0..8 {
        let phone = format!("79990006{index:03}");
        house.lead(json!({ "type": "call", "phone": phone, "drop": index % 2 == 0 })).await;
    }
    // The far sides count real seconds, which our clock outruns: they are strict for a while only.
    for _ in 0..15 {
        house.advance(SignedDuration::from_secs(20)).await;
        house.calm().await;
    }
    house.control("limits", json!({ "crm_rps": null, "calltouch_rps": null })).await;
    for _ in 0..20 {
        house.advance(SignedDuration::from_secs(61)).await;
        if house.calm().await.acted == 8 {
            break;
        }
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (8, 0), "{counts:?}\n{}", house.log());
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 8);
    assert_eq!(ledger.writes().len(), 8);
    assert_eq!(ledger.0["duplicates"], json!([]));
    let refused = |side: &str| ledger.0[side]["refused"].as_u64().unwrap_or_default();
    assert!(refused("retailcrm") + refused("calltouch") > 0, "the limit was never met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_documented_limits_nothing_is_refused() {
    let plan =
        Plan { pace: 10, calls: "limit_group = \"calltouch\"".to_owned(), ..Plan::default() };
    let mut house = House::start(plan).await;
    house.control("limits", json!({ "crm_rps": 10 })).await;
    for index in 0..6 {
        house.lead(json!({ "type": "call", "phone": format!("79990007{index:03}") })).await;
    }
    house.advance(SignedDuration::from_secs(61)).await;
    let counts = house.settled().await;
    assert_eq!(counts.acted, 6, "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.0["retailcrm"]["refused"], 0);
    assert!(ledger.0["retailcrm"]["total"].as_u64() > Some(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_crm_is_waited_for() {
    let mut house = House::start(Plan::default()).await;
    house
        .faults(json!([{ "side": "retailcrm", "fault": "slow", "probability": 1.0, "ms": 150 }]))
        .await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let before: Timestamp = house.now();
    let counts = house.settled().await;
    assert_eq!(counts.acted, 1, "{counts:?} since {before}");
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}
