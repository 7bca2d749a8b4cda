//! The columns of the matrix in which Calltouch refuses, is busy or loses its answer. Invariant:
//! each kind of order meets each fault, when its deal is made and when it is updated.

use super::matrix::{Shop, Wanted};
use super::{minutes, order_of, plan};
use crate::support::ledger::Ledger;
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

const CREATE: &str = "client-order/create";
const UPDATE: &str = "client-order/update";

/// How often a fault struck.
fn struck(ledger: &Ledger, fault: &str) -> u64 {
    ledger.0["faults"][format!("calltouch {fault}")].as_u64().unwrap_or_default()
}

/// A rule for each order, which strikes once.
fn once_each(shop: &Shop, fault: &str, path: &str) -> Value {
    let rule = |order: u64| {
        json!({
            "side": "calltouch", "fault": fault, "path": path, "next": 1, "retry_after": 7,
            "orders": [order.to_string()],
        })
    };
    shop.rows.iter().map(|row| rule(row.order)).collect()
}

fn kinds() -> u64 {
    super::matrix::KINDS.len() as u64
}

/// One who was not struck.
async fn bystander(shop: &Shop) -> u64 {
    order_of(&shop.house, &["79995556677"], json!({})).await
}

const AFTER: Wanted = Wanted { updates: 1, stale: false, statuses: &["new", "delivering"] };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deal_that_is_refused_alone_waits_for_a_person() {
    let mut shop = Shop::open(plan()).await;
    let other = bystander(&shop).await;
    shop.house.faults(once_each(&shop, "item_error", "")).await;
    shop.wait(SignedDuration::from_secs(125)).await;
    let counts = shop.house.ended().await;
    assert_eq!(counts.stuck, kinds(), "{counts:?}\n{}", shop.house.log());
    let ledger = shop.house.ledger().await;
    assert_eq!(struck(&ledger, "item_error"), kinds());
    assert_eq!(ledger.deals().len(), 1, "{:#}", ledger.0["deals"]);
    assert_eq!(ledger.deal(other)["creations"], 1);
    assert!(shop.house.command(&["retry", "--stuck"]).status.success());
    shop.house.ended().await;
    shop.judge_beside("made", &Wanted::default(), 1).await;

    shop.change_all(json!({ "status": "delivering" })).await;
    shop.house.faults(once_each(&shop, "item_error", "")).await;
    shop.wait(minutes(31)).await;
    let counts = shop.house.ended().await;
    assert_eq!(counts.stuck, kinds(), "{counts:?}\n{}", shop.house.log());
    shop.judge_beside("refused", &Wanted { stale: true, ..Wanted::default() }, 1).await;
    assert!(shop.house.command(&["retry", "--stuck"]).status.success());
    shop.house.ended().await;
    let ledger = shop.judge_beside("updated", &AFTER, 1).await;
    assert_eq!(struck(&ledger, "item_error"), 2 * kinds());
    shop.house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_calltouch_is_waited_for() {
    let mut shop = Shop::open(plan()).await;
    shop.house.faults(once_each(&shop, "error_429", CREATE)).await;
    shop.wait(SignedDuration::from_secs(125)).await;
    shop.house.ended().await;
    shop.judge("made", &Wanted::default()).await.assert_deals_once();
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.house.faults(once_each(&shop, "error_429", UPDATE)).await;
    shop.wait(minutes(31)).await;
    let counts = shop.house.ended().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    let ledger = shop.judge("updated", &AFTER).await;
    ledger.assert_deals_once();
    assert_eq!(struck(&ledger, "error_429"), 2 * kinds());
    shop.house.assert_replays_the_same();
}

/// One deal that Calltouch cannot stand, in a body with the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_refused_whole_costs_nobody_but_the_bad_one() {
    let mut shop = Shop::open(plan()).await;
    shop.house.advance(SignedDuration::from_secs(5)).await;
    let bad = bystander(&shop).await;
    let rule = |path: &str| {
        json!({
            "side": "calltouch", "fault": "error_400", "path": path, "orders": [bad.to_string()],
        })
    };
    // While the first request is answered slowly the others gather for a body, the bad one with them.
    let slow =
        json!({ "side": "calltouch", "fault": "slow", "path": CREATE, "next": 1, "ms": 2000 });
    shop.house.faults(json!([slow, rule(CREATE)])).await;
    shop.house.polled_of("shop").await;
    shop.house.advance(SignedDuration::from_secs(117)).await;
    shop.house.advance(SignedDuration::from_secs(10)).await;
    let counts = shop.house.ended().await;
    assert_eq!(counts.stuck, 1, "{counts:?}\n{}", shop.house.log());
    let ledger = shop.judge("made", &Wanted::default()).await;
    ledger.assert_deals_once();
    let gathered = ledger.deals().iter().any(|deal| deal["writes"][0]["batch"] != 1);
    assert!(gathered && struck(&ledger, "error_400") >= 2, "{:#}", ledger.0["deals"]);
    // Calltouch has been mended, and the person tries again.
    shop.house.faults(json!([])).await;
    assert!(shop.house.command(&["retry", "--stuck"]).status.success());
    shop.house.ended().await;
    shop.judge_beside("mended", &Wanted::default(), 1).await.assert_deals_once();

    shop.change_all(json!({ "status": "delivering" })).await;
    super::change(&shop.house, bad, json!({ "status": "delivering" })).await;
    shop.house.faults(json!([rule(UPDATE)])).await;
    shop.wait(minutes(31)).await;
    let counts = shop.house.ended().await;
    assert_eq!(counts.stuck, 1, "{counts:?}\n{}", shop.house.log());
    let ledger = shop.judge_beside("updated", &AFTER, 1).await;
    assert_eq!(ledger.deal(bad)["updates"], 0);
    shop.house.assert_replays_the_same();
}

/// Every single answer is lost; each work is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_looked_up_in_the_journal_of_deals() {
    let mut shop = Shop::open(plan()).await;
    let lost = |path: &str| json!([{ "side": "calltouch", "fault": "lost_answer", "path": path }]);
    shop.house.faults(lost(CREATE)).await;
    shop.wait(SignedDuration::from_secs(125)).await;
    shop.house.ended().await;
    let ledger = shop.judge("made", &Wanted::default()).await;
    ledger.assert_deals_once();
    let looks = |ledger: &Ledger| -> u64 {
        let paths = ledger.0["calltouch"]["by_path"].as_object().into_iter().flatten();
        paths
            .filter(|(path, _)| path.contains("orders-diary"))
            .filter_map(|(_, n)| n.as_u64())
            .sum()
    };
    let before = looks(&ledger);
    assert!(before > 0, "{:#}", ledger.0["calltouch"]);
    shop.house.faults(lost(UPDATE)).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(31)).await;
    let counts = shop.house.ended().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
    let ledger = shop.judge("updated", &AFTER).await;
    ledger.assert_deals_once();
    assert!(looks(&ledger) > before, "{:#}", ledger.0["calltouch"]);
    shop.house.assert_replays_the_same();
}

/// The status went and came back, and the update that tells it never arrives: the journal shows the
/// right word all the same. It is the word of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_update_is_not_taken_for_done_by_the_word_of_before() {
    let mut shop = Shop::made(plan()).await;
    shop.change_all(json!({ "status": "delivering" })).await;
    shop.wait(minutes(10)).await;
    shop.change_all(json!({ "status": "new", "totalSumm": "5" })).await;
    shop.house.faults(once_each(&shop, "reset_before", UPDATE)).await;
    shop.wait(minutes(31)).await;
    let counts = shop.house.ended().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
    let after = Wanted { updates: 1, statuses: &["new", "new"], ..Wanted::default() };
    let ledger = shop.judge("updated", &after).await;
    ledger.assert_deals_once();
    assert!(struck(&ledger, "reset_before") > 0, "{:#}", ledger.0["faults"]);
    shop.house.assert_replays_the_same();
}

/// Calltouch's journal of deals shows a deal late. Within half a minute we wait for it; later than
/// that the deal is sent once more, and Calltouch knows the number.
#[rstest]
#[case::a_little(20, 1)]
#[case::very(3600, 2)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_whose_deal_shows_late_makes_no_second_deal(
    #[case] lag: u64,
    #[case] creations: u64,
) {
    let mut house = super::house(plan()).await;
    let call = super::lead(&house, "call", "79990000001", house.now() - minutes(600)).await;
    house.control("switches", json!({ "diary_lag_ms": lag * 1000 })).await;
    house
        .faults(json!([{ "side": "calltouch", "fault": "lost_answer", "path": CREATE, "next": 1 }]))
        .await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    super::made(&mut house).await;
    let counts = house.ended().await;
    let ledger = house.ledger().await;
    assert_eq!((ledger.deals().len(), counts.stuck, counts.unknown_steps), (1, 0, 0), "{counts:?}");
    let deal = ledger.deal(order);
    assert_eq!((&deal["creations"], &deal["rematchings"]), (&json!(creations), &json!(0)));
    assert_eq!(deal["updates"], creations - 1, "{deal:#}");
    assert_eq!(ledger.linked(order), call);
    assert_eq!(super::stale(&ledger, order), Vec::<String>::new());
    house.assert_replays_the_same();
}
