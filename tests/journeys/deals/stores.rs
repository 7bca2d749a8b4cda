//! A key that sees two stores, and two sites of Calltouch. Invariant: every order of every store
//! has one deal, in one site.

use super::{begun, change, lead, made, minutes, order_of, plan, read_and_wait, stale};
use crate::support::{HOOK_SECRET, House};
use serde_json::json;
use std::path::Path;

/// Two stores in the CRM, two sites in Calltouch, each a connection.
async fn house(change: impl Fn(&House, &str) -> String) -> House {
    let house = House::build(plan()).await;
    let stores = json!([
        { "code": "main", "name": "Main", "ordering": 10 },
        { "code": "second", "name": "Second", "ordering": 20 },
    ]);
    house.control("stores", stores).await;
    house.control("sites", json!({ "site_id": 4343 })).await;
    let config = std::fs::read_to_string(house.config()).expect("the config is read");
    let config = config.replace(
        "calls = \"calltouch-main\"",
        "calls = [\"calltouch-main\", \"calltouch-second\"]",
    );
    let (url, token) = (house.sandbox.calltouch_url(), house.sandbox.token().to_owned());
    let second = format!(
        "\n[connections.calltouch-second]\nconnector = \"calltouch\"\nname = \"Calltouch, second\"\n\
        url = \"{url}\"\nsite_id = 4343\ntoken = \"{token}\"\nhook_secret = \"{HOOK_SECRET}\"\n\
        poll_every = \"20d\"\nrequests_per_second = 2000\n"
    );
    let config = change(&house, &format!("{config}{second}"));
    std::fs::write(house.config(), config).expect("the config is written");
    begun(house).await
}

/// The site that an order's deal is in; one deal in all sites together.
#[track_caller]
fn site(ledger: &crate::support::ledger::Ledger, order: u64) -> u64 {
    let number = order.to_string();
    let deals = ledger.deals();
    let own: Vec<_> = deals.iter().filter(|deal| deal["number"] == number.as_str()).collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    own[0]["site"].as_u64().expect("a site")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_both_stores_becomes_a_deal_of_the_site_that_it_names() {
    let mut house = house(|_, config| config.to_owned()).await;
    // One person called both sites.
    let at = house.now() - minutes(600);
    let first = lead(&house, "call", "79990000001", at).await;
    let at = at.to_string();
    let call = json!({ "type": "call", "phone": "79990000001", "at": at, "site": 4343 });
    let second = house.lead(call).await;
    let second = format!("call {}", second["lead"]["id"]);
    let mut orders = Vec::new();
    for (store, named) in [("main", ""), ("second", ""), ("main", "4343"), ("second", "4242")] {
        let body = json!({ "site": store, "customFields": { "calltouch_site_id": named } });
        let order = order_of(&house, &["79990000001"], body).await;
        orders.push((order, store, if named == "4343" { 4343 } else { 4242 }));
    }
    let check = async |house: &House, updates: u64| {
        let ledger = house.ledger().await;
        assert_eq!(ledger.deals().len(), 4, "{}", house.log());
        for (order, store, wanted) in &orders {
            assert_eq!(site(&ledger, *order), *wanted, "order {order} of {store}");
            let lead = if *wanted == 4343 { &second } else { &first };
            assert_eq!(ledger.linked(*order), *lead, "order {order} of {store}");
            let deal = ledger.deal(*order);
            assert_eq!((&deal["funnel"], &deal["updates"]), (&json!(store), &json!(updates)));
            assert_eq!(stale(&ledger, *order), Vec::<String>::new());
        }
        ledger.assert_deals_once();
    };
    made(&mut house).await;
    check(&house, 0).await;
    // An update goes where the deal is, whatever site the order names by now.
    for (order, ..) in &orders {
        let body =
            json!({ "status": "delivering", "customFields": { "calltouch_site_id": "4343" } });
        change(&house, *order, body).await;
    }
    read_and_wait(&mut house, minutes(31)).await;
    check(&house, 1).await;
    house.assert_replays_the_same();
}

/// A flow of the operator's own chooses the site by the order's store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_may_choose_the_site_by_the_store() {
    let mut house = house(|house, config| {
        let dir = house.dir.path().join("mappings");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"), &dir);
        let file = dir.join("order-to-deal.toml");
        let flow = std::fs::read_to_string(&file).expect("the flow is read");
        let by_marker = "site     = \"fields.calltouch_site_id\"";
        let by_store = "site     = \"'4343' if facts.order.site == 'second' else '4242'\"";
        assert!(flow.contains(by_marker));
        std::fs::write(file, flow.replace(by_marker, by_store)).expect("the flow is written");
        let shipped = format!("dir = \"{}/mappings\"", env!("CARGO_MANIFEST_DIR"));
        assert!(config.contains(&shipped));
        config.replace(&shipped, &format!("dir = \"{}\"", dir.display()))
    })
    .await;
    let of_main = order_of(&house, &["79990000001"], json!({ "site": "main" })).await;
    let of_second = order_of(&house, &["79990000002"], json!({ "site": "second" })).await;
    let ledger = made(&mut house).await;
    assert_eq!((site(&ledger, of_main), site(&ledger, of_second)), (4242, 4343), "{}", house.log());
    ledger.assert_deals_once();
    change(&house, of_second, json!({ "status": "delivering" })).await;
    read_and_wait(&mut house, minutes(31)).await;
    let ledger = house.ledger().await;
    assert_eq!(ledger.deal(of_second)["updates"], 1);
    ledger.assert_deals_once();
}

/// A key that sees one store alone: the other's orders are none of ours, nor are its holes a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_a_store_that_the_key_does_not_see_become_no_deals() {
    let mut house = house(|_, config| config.to_owned()).await;
    house.control("rights", json!({ "sites": ["main"] })).await;
    let mut orders = Vec::new();
    for store in ["second", "main", "second", "main"] {
        orders.push(order_of(&house, &["79990000001"], json!({ "site": store })).await);
    }
    let ledger = made(&mut house).await;
    assert_eq!(ledger.deals().len(), 2, "{}", house.log());
    assert!(ledger.find_deal(orders[1]).is_some() && ledger.find_deal(orders[3]).is_some());
    assert_eq!(house.counts().await.stuck, 0);
    ledger.assert_deals_once();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
