//! What an order goes through besides: it was there before, we wrote to it ourselves, it is merged
//! or deleted, Calltouch knows it already. Invariant: one deal for each order that lives, and none
//! is written to whose order is gone.

use super::{
    change, house_at, is_not_found, lead, lead_flows_run, made, minutes, order_of, plan,
    read_and_wait, stale, why,
};
use crate::support::Plan;
use crate::support::ledger::text;
use jiff::SignedDuration;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_before_gets_its_deal_when_it_changes() {
    let mut house = super::house(plan()).await;
    let day = SignedDuration::from_hours(24);
    let moscow = |at: jiff::Timestamp| {
        at.in_tz("Europe/Moscow").expect("a zone").strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let old = moscow(house.now() - day * 100);
    let later = moscow(house.now() - day * 90);
    let mut orders = Vec::new();
    for (index, changed) in
        [json!({ "totalSumm": "3" }), json!({ "status": "complete" }), json!({})]
            .into_iter()
            .enumerate()
    {
        let phone = format!("7999000{index:04}");
        let too_early = lead(&house, "call", &phone, house.now() - day * 466).await;
        let call = lead(&house, "call", &phone, house.now() - day * 464).await;
        // Of a time long after the order: no lead of that order.
        lead(&house, "call", &phone, house.now() - day * 50).await;
        let body = json!({ "createdAt": old, "statusUpdatedAt": later, "history": false });
        let order = order_of(&house, &[&phone], body).await;
        orders.push((order, call, too_early, changed));
    }
    read_and_wait(&mut house, minutes(60)).await;
    assert!(house.ledger().await.deals().is_empty());
    for (order, .., changed) in &orders[..2] {
        change(&house, *order, changed.clone()).await;
    }
    let ledger = made(&mut house).await;
    for (order, call, too_early, _) in &orders[..2] {
        assert_eq!(stale(&ledger, *order), Vec::<String>::new());
        assert_eq!(ledger.linked(*order), *call, "not {too_early}\n{}", house.log());
    }
    assert!(ledger.find_deal(orders[2].0).is_none(), "nobody touched it");
    // The deal shows the new status already: no update comes of that change.
    read_and_wait(&mut house, SignedDuration::from_hours(3)).await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deals().iter().filter(|deal| deal["updates"] != 0).count(), 0);
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_writes_are_no_reason_but_what_stands_behind_them_is() {
    let mut house = super::house(plan()).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    let still = order_of(&house, &["79990000002"], json!({})).await;
    made(&mut house).await;
    lead_flows_run(&house);
    // Both call: we mark their orders ourselves.
    for phone in ["79990000001", "79990000002"] {
        lead(&house, "call", phone, house.now()).await;
    }
    house.advance(SignedDuration::from_secs(61)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.writes().len(), 2, "{:?}", ledger.writes());
    // Our own key changes the status too, and between that stands a person's change.
    let own = format!("api:{}", house.sandbox.api_key());
    change(&house, still, json!({ "status": "delivering", "by": own })).await;
    change(&house, order, json!({ "status": "delivering" })).await;
    change(&house, order, json!({ "managerComment": "x", "by": own })).await;
    let jobs = async || house.counts().await;
    let before = jobs().await;
    read_and_wait(&mut house, minutes(31)).await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(order)["updates"], 1, "{}", house.log());
    assert_eq!(stale(&ledger, order), Vec::<String>::new());
    assert_eq!(ledger.deal(still)["updates"], 0, "an echo of ours");
    let after = house.counts().await;
    // Of the echoes no job was made at all; the other key's change is one.
    assert_eq!(after.acted, before.acted + 1, "{before:?} {after:?}");
    // Another program with a key of its own is no echo.
    change(&house, still, json!({ "status": "complete", "by": "api" })).await;
    read_and_wait(&mut house, minutes(31)).await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(still)["updates"], 1);
    assert_eq!(stale(&ledger, still), Vec::<String>::new());
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_order_hands_its_links_over_and_its_deal_rests() {
    // A command asks for days, and has no clock of the test's.
    let mut house = house_at(Plan { leads: true, ..plan() }, "2027-05-14 12:00:00").await;
    let call = lead(&house, "call", "79990000001", house.now()).await.replace(' ', ":");
    house.advance(SignedDuration::from_secs(61)).await;
    house.settled().await;
    let merged = house.ledger().await.made_orders()[0]["id"].as_u64().expect("an id");
    let survivor = order_of(&house, &["79990000001"], json!({})).await;
    let deleted = order_of(&house, &["79990000002"], json!({})).await;
    let alone = order_of(&house, &["79990000003"], json!({})).await;
    let ledger = made(&mut house).await;
    assert_eq!(ledger.deals().len(), 4);
    // All change; then two of them are gone before the half hour is over, and one never gets a deal.
    for order in [merged, survivor, deleted, alone] {
        change(&house, order, json!({ "status": "delivering" })).await;
    }
    let brief = order_of(&house, &["79990000004"], json!({})).await;
    read_and_wait(&mut house, minutes(1)).await;
    house.control(&format!("orders/{merged}/delete"), json!({ "into": survivor })).await;
    house.control(&format!("orders/{deleted}/delete"), json!({})).await;
    house.control(&format!("orders/{brief}/delete"), json!({})).await;
    read_and_wait(&mut house, minutes(35)).await;
    let counts = house.counts().await;
    assert_eq!((counts.stuck, counts.waiting), (0, 0), "{counts:?}\n{}", house.log());
    let ledger = house.ledger().await;
    assert!(ledger.find_deal(brief).is_none(), "{:#}", ledger.0["deals"]);
    for (order, updates) in [(merged, 0), (deleted, 0), (survivor, 1), (alone, 1)] {
        assert_eq!(ledger.deal(order)["updates"], updates, "order {order}\n{}", house.log());
    }
    assert_eq!(stale(&ledger, survivor), Vec::<String>::new());
    ledger.assert_deals_once();
    // The lead is now the survivor's.
    let linked: Vec<String> = house
        .story(&call)
        .await
        .iter()
        .flat_map(|story| &story.links)
        .filter(|link| link.to_kind == "order")
        .map(|link| link.to_id.clone())
        .collect();
    assert!(linked.contains(&survivor.to_string()), "{linked:?}");
    // And it is told.
    let told = why(&house, &format!("order:{merged}"));
    super::holds(&told, &["gone over there since", &format!("it became {survivor}")]);
    super::holds(&why(&house, &format!("order:{deleted}")), &["gone over there since"]);
    let output =
        house.command(&["reconcile", "--from", "2027-05-12", "--to", "2027-05-15", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    let found = &report["pairs"][0]["found"];
    let ids = json!([merged.to_string(), deleted.to_string()]);
    assert_eq!((&found["gone"]["count"], &found["gone"]["ids"]), (&json!(2), &ids), "{report:#}");
    let found = found.as_object().into_iter().flatten();
    let found = found.filter(|(_, found)| found["count"] != 0).map(|(word, _)| word);
    assert_eq!(found.collect::<Vec<_>>(), ["gone", "same"], "{report:#}");
    house.assert_replays_the_same();
}

/// Somebody else has written this order to Calltouch before us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_calltouch_knows_is_updated_not_made_again() {
    let mut house = super::house(plan()).await;
    let call = lead(&house, "call", "79990000001", house.now() - minutes(600)).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    let url = format!("{}/lead-service/v1/api/client-order/create", house.sandbox.calltouch_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let foreign = json!({ "orders": [{
        "orderNumber": order.to_string(), "orderName": "by hand", "status": "draft",
        "orderDate": "01-02-2026 10:00:00", "revenue": "1", "matching": [{ "type": "withoutSource" }],
    }] });
    let request = client
        .post(url)
        .header("Access-Token", house.sandbox.token())
        .header("SiteId", house.sandbox.site_id())
        .json(&foreign);
    assert!(request.send().await.expect("an answer").status().is_success());
    let ledger = made(&mut house).await;
    let counts = house.counts().await;
    assert_eq!((counts.stuck, ledger.deals().len()), (0, 1), "{counts:?}\n{}", house.log());
    let deal = ledger.deal(order);
    assert_eq!((&deal["updates"], &deal["rematchings"]), (&json!(1), &json!(0)));
    for name in ["status", "order_name"] {
        let wanted = if name == "status" { "status" } else { "number" };
        assert_eq!(text(&deal[name]), text(&ledger.order(order)[wanted]));
    }
    assert_eq!(text(&deal["revenue"]), "1000.5");
    assert_ne!(ledger.linked(order), call, "a deal is linked where it is made, not by us");
    // From now on it is a deal like every other.
    change(&house, order, json!({ "status": "complete" })).await;
    read_and_wait(&mut house, minutes(31)).await;
    let ledger = house.ledger().await;
    let deal = ledger.deal(order);
    assert_eq!((text(&deal["status"]), &deal["updates"]), ("complete".to_owned(), &json!(2)));
    assert!(!is_not_found(&ledger, order));
    house.assert_replays_the_same();
}

/// What happened while nobody ran is found from where the reading stood, and is due as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_nobody_runs_is_caught_up() {
    let mut house = super::house(plan()).await;
    let old = order_of(&house, &["79990000001"], json!({})).await;
    made(&mut house).await;
    house.kill();
    change(&house, old, json!({ "status": "delivering" })).await;
    let call = house.lead(json!({ "type": "call", "phone": "79990000002", "drop": true })).await;
    house.advance(minutes(60)).await;
    let new = order_of(&house, &["79990000002"], json!({})).await;
    let late = order_of(&house, &["79990000003"], json!({})).await;
    house.advance(minutes(100)).await;
    change(&house, late, json!({ "status": "no-call" })).await;
    house.run().await;
    house.polled_of("shop").await;
    let counts = house.settled().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(old)["updates"], 1, "{}", house.log());
    for order in [old, new, late] {
        assert_eq!(stale(&ledger, order), Vec::<String>::new());
    }
    assert_eq!(ledger.linked(new), format!("call {}", text(&call["lead"]["id"])));
    // Made with the status of now, the last one needs no update.
    house.advance(minutes(31)).await;
    house.settled().await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(late)["updates"], 0, "{}", house.log());
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}

/// The status changes before the deal is made: it is made with it, and nothing more is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_changes_before_the_deal_is_made_goes_with_it() {
    let mut house = super::house(plan()).await;
    let order = order_of(&house, &["79990000001"], json!({})).await;
    read_and_wait(&mut house, minutes(1)).await;
    change(&house, order, json!({ "status": "delivering", "totalSumm": "5" })).await;
    read_and_wait(&mut house, SignedDuration::from_secs(65)).await;
    let ledger = house.ledger().await;
    assert_eq!(stale(&ledger, order), Vec::<String>::new(), "{}", house.log());
    read_and_wait(&mut house, SignedDuration::from_hours(3)).await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(order)["updates"], 0, "{}", house.log());
    ledger.assert_deals_once();
    house.assert_replays_the_same();
}
