//! The CRM is down, slow, closed to us. Invariant: the page is answered with 200 within its time, says
//! what is the matter, and shows the person once the CRM answers.

use super::{BUDGET, ask, metric, person, plan, searches};
use crate::support::House;
use serde_json::json;
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";

async fn house() -> House {
    let house = House::start(plan("timeout = \"3s\"")).await;
    let whom = json!({ "firstName": "Known", "phones": [{ "number": PHONE }] });
    person(&house, whom, 1).await;
    house
}

/// Asks until the person is shown.
async fn shown_at_last(house: &House) {
    let began = Instant::now();
    loop {
        let seen = ask(house, &[PHONE], &[]).await;
        assert_eq!(seen.status, 200);
        if seen.html.contains("Known") {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{seen:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crm_in_trouble_is_a_notice() {
    let house = house().await;
    for fault in ["down", "error_500", "html_502", "garbage"] {
        // On the paths of the search alone: the connection is not paused by it.
        let rules = json!([{ "side": "retailcrm", "fault": fault, "path": "/customers" }]);
        house.faults(rules).await;
        let seen = ask(&house, &[PHONE], &[]).await;
        seen.has("CRM не ответила");
        seen.within(BUDGET);
    }
    house.faults(json!([])).await;
    shown_at_last(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_crm_is_a_notice_in_time_and_the_search_goes_on() {
    let house = house().await;
    // Each that is asked meanwhile, for the history of customers is read by this path too.
    let slow = json!([{ "side": "retailcrm", "fault": "slow", "ms": 5_000, "path": "/customers" }]);
    house.faults(slow).await;
    let seen = ask(&house, &[PHONE], &[]).await;
    house.faults(json!([])).await;
    seen.has("CRM ещё ищет клиента");
    seen.has("Обновите блок");
    seen.within(BUDGET);
    assert!(seen.took >= Duration::from_secs(2), "{seen:?}");
    let asked = searches(&house).await;
    shown_at_last(&house).await;
    // Who asks again waits for the search that is under way.
    let more = searches(&house).await - asked;
    assert!(more <= 5, "{more}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_connection_is_told_at_once() {
    let mut house = house().await;
    house.faults(json!([{ "side": "retailcrm", "fault": "denied" }])).await;
    house.polled_of("shop").await;
    house.advance(jiff::SignedDuration::from_secs(61)).await;
    let began = Instant::now();
    while metric(&house, "leadlink_connection_paused{connection=\"shop\"}").await != 1 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is not paused:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = searches(&house).await;
    let seen = ask(&house, &[PHONE], &[]).await;
    seen.has("Связь с CRM приостановлена");
    seen.within(Duration::from_secs(2));
    assert_eq!(searches(&house).await, asked);
    house.faults(json!([])).await;
    for _ in 0..20 {
        house.advance(jiff::SignedDuration::from_secs(31)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if ask(&house, &[PHONE], &[]).await.html.contains("Known") {
            return;
        }
    }
    panic!("it is not shown again:\n{}", house.log());
}
