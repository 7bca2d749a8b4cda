//! A trigger of the CRM wakes the reading of the history. Invariant: what a trigger tells of is done
//! though nobody polls, and once, whether the history shows it or not.

use super::{FLOWS, minutes, order_of, plan, stale};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

const SECRET: &str = "trigger-secret-0123456789";

async fn house(method: &str, duplicates: u32) -> House {
    let shop = format!("poll_every = \"20d\"\nhook_secret = \"{SECRET}\"");
    let house = super::house(Plan { shop, more: FLOWS.to_owned(), ..plan() }).await;
    let url = house.url(&format!("/hooks/shop/{SECRET}"));
    let trigger = json!({ "url": url, "method": method, "duplicates": duplicates });
    house.control("triggers", trigger).await;
    house
}

/// All calls of the triggers were taken.
async fn called(house: &House, times: usize) {
    for _ in 0..1000 {
        let told = house.ask("triggers").await;
        let called = told["called"].as_array().map_or(&[][..], Vec::as_slice);
        if called.len() == times {
            assert!(called.iter().all(|call| call["status"] == 200), "{told:#}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the trigger was not called {times} times:\n{}", house.log());
}

/// Waits until the history brought this many events of that kind.
async fn known(house: &House, entries: usize) {
    for _ in 0..1000 {
        let keys = house.sql("select key from event where key like 'change:%'").await;
        if keys.len() >= entries {
            house.routed().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the history was not read:\n{}", house.log());
}

#[rstest]
#[case::as_a_form("post")]
#[case::as_json("json")]
#[case::as_plain_text("text")]
#[case::in_the_query("get")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_wakes_the_poll(#[case] method: &str) {
    let mut house = house(method, 1).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    called(&house, 2).await;
    known(&house, 1).await;
    house.advance(SignedDuration::from_secs(125)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    assert_eq!(stale(&ledger, order), Vec::<String>::new());
    super::change(&house, order, json!({ "status": "delivering" })).await;
    called(&house, 4).await;
    known(&house, 2).await;
    house.advance(minutes(28)).await;
    house.settled().await;
    assert_eq!(house.ledger().await.deal(order)["updates"], 0);
    house.advance(minutes(3)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(order)["updates"], 1, "{}", house.log());
    assert_eq!(stale(&ledger, order), Vec::<String>::new());
    // Later polls bring nothing more.
    house.polled_of("shop").await;
    house.advance(SignedDuration::from_hours(3)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(order)["updates"], 1);
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}

/// The history does not show it in time: the trigger stands for itself, and the late entry is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_stands_for_itself_where_the_history_is_late() {
    let mut house = house("post", 0).await;
    house.control("history", json!({ "hold_next": 1 })).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    called(&house, 1).await;
    house.ended().await;
    let ledger = house.ledger().await;
    assert_eq!(stale(&ledger, order), Vec::<String>::new());
    house.control("history", json!({ "release": [] })).await;
    house.polled_of("shop").await;
    house.ended().await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(order)["updates"], 0);
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}
