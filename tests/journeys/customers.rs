//! Customers that are merged in the CRM. Invariant: who was linked to the one that is gone is linked
//! to the survivor, and the next lead goes there.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};

const FIRST: &str = "79990000001";
const SECOND: &str = "79990000002";

/// A call of this number, decided; its id.
async fn call(house: &mut House, phone: &str) -> String {
    let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
    house.routed().await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.settled().await;
    text(&sent["lead"]["id"])
}

async fn links(house: &House, id: &str, kind: &str) -> Vec<String> {
    let stories = house.story(id).await;
    let links = stories.iter().flat_map(|story| &story.links);
    links.filter(|link| link.to_kind == kind).map(|link| link.to_id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_lead_of_a_merged_customer_goes_to_the_survivor() {
    let shop = "poll_every = \"30s\"";
    let mut house = House::start(Plan { shop: shop.into(), ..Plan::default() }).await;
    let survivor = house.customer(json!({ "firstName": "Анна", "phones": [FIRST] })).await;
    let lead = call(&mut house, SECOND).await;
    let ledger = house.ledger().await;
    let merged = ledger.made_customers()[0]["id"].as_u64().expect("an id");
    assert_eq!(links(&house, &format!("call:{lead}"), "customer").await, [merged.to_string()]);

    // The CRM takes the merge and does it later; nobody tells us but the history.
    house.control("switches", json!({ "combine_delay_ms": 5000 })).await;
    let url = format!(
        "{}/api/v5/customers/combine?apiKey={}",
        house.sandbox.crm_url(),
        house.sandbox.api_key()
    );
    let customers = json!([{ "id": merged }]).to_string();
    let result = json!({ "id": survivor }).to_string();
    let fields = [("customers", customers.as_str()), ("resultCustomer", result.as_str())];
    assert_eq!(house.post_to(&url, &fields).await, 200);
    house.advance(SignedDuration::from_secs(31)).await;
    house.polled_of("shop").await;
    house.advance(SignedDuration::from_secs(31)).await;
    house.polled_of("shop").await;
    house.settled().await;
    let linked = links(&house, &format!("call:{lead}"), "customer").await;
    assert!(linked.contains(&survivor.to_string()), "{linked:?}\n{}", house.log());
    // A person who asks is told.
    let told = house.command(&["why", &format!("customer:{merged}")]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains(&format!("link to customer {survivor}")), "{told}");

    // Whoever calls next from either number: no new customer, and the order is the survivor's.
    for phone in [SECOND, FIRST] {
        call(&mut house, phone).await;
    }
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 1, "{:#}", ledger.0["customers"]);
    let owners: Vec<&Value> = ledger.made_orders().iter().map(|order| &order["customer"]).collect();
    assert!(owners.iter().all(|owner| **owner == json!(survivor)), "{owners:?}");
    house.assert_replays_the_same();
}
