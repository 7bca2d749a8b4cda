//! Accounts that answer in ways of their own: merged customers, companies, unsorted and long lists,
//! searches that lag. Invariant: the right customer and the newest order are found nevertheless.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

const PHONE: &str = "79990000001";

/// A request to the CRM as some other program would send it.
async fn crm(house: &House, path: &str, fields: &[(&str, String)]) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client
        .post(format!("{}/api/v5{path}", house.sandbox.crm_url()))
        .header("X-API-KEY", house.sandbox.api_key())
        .form(fields);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["success"], true, "{path}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_customer_is_followed_to_the_one_that_stayed() {
    let mut house = House::start(Plan::default()).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let ours = ledger.made_customers()[0]["id"].as_u64().unwrap_or_default();
    let order = ledger.made_orders()[0]["id"].as_u64().unwrap_or_default();
    // A manager closes the order and merges the customer into one whose card lacks the phone.
    house.control(&format!("orders/{order}"), json!({ "status": "complete" })).await;
    let stayed = house.customer(json!({ "firstName": "Настоящий" })).await;
    let fields = [
        ("customers", json!([{ "id": ours }]).to_string()),
        ("resultCustomer", json!({ "id": stayed }).to_string()),
    ];
    crm(&house, "/customers/combine", &fields).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (2, 0), "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 1, "{:#}", ledger.0["customers"]);
    let orders = ledger.made_orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[1]["customer"], stayed);
    assert_eq!(ledger.customer(stayed)["first_name"], "Настоящий");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_of_a_company_is_its_contacts_too() {
    let mut house = House::start(Plan::default()).await;
    let company =
        house.customer(json!({ "type": "customer_corporate", "nickName": "ООО Ромашка" })).await;
    let person =
        house.customer(json!({ "firstName": "Иван", "phones": ["8 999 000-00-01"] })).await;
    let order = house
        .order(json!({
            "customer": { "id": company, "type": "customer_corporate" },
            "contact": { "id": person }, "status": "new",
        }))
        .await;
    let sent = house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    assert!(ledger.made_customers().is_empty());
    assert_eq!(ledger.writes(), [(order, "edit".to_owned())]);
    let marked = &ledger.order(order)["custom_fields"]["calltouch_call_id"];
    assert_eq!(*marked, text(&sent["lead"]["id"]));
}

/// Many customers and orders, in whatever order the CRM lists them.
#[rstest]
#[case::newest_first("newest")]
#[case::oldest_first("oldest")]
#[case::shuffled("shuffled")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_is_found_on_whichever_page_it_stands(#[case] listing: &str) {
    let mut house = House::start(Plan::default()).await;
    house.control("switches", json!({ "listing": listing })).await;
    // Neighbours whose phones contain the digits that are searched, and three namesakes.
    let made = |day: usize| format!("2025-01-{day:02} 10:00:00");
    let mut rows = Vec::new();
    for index in 0..130 {
        rows.push(json!({
            "id": 1000 + index, "firstName": "Сосед", "phones": [format!("9990000001{index:03}")],
            "createdAt": made(1 + index % 28),
        }));
    }
    for (id, day) in [(5001, 10), (5002, 20), (5003, 5)] {
        rows.push(json!({
            "id": id, "firstName": "Иван", "phones": ["+7 999 000 00 01"], "createdAt": made(day),
        }));
    }
    house.control("customers", Value::Array(rows)).await;
    let mut orders = Vec::new();
    for index in 0..240 {
        let (minute, hour) = (index % 60, index / 60);
        let newest = index == 77;
        let at = if newest {
            "2025-03-01 00:00:00".to_owned()
        } else {
            format!("2025-02-01 {hour:02}:{minute:02}:00")
        };
        orders.push(json!({
            "id": 9000 + index, "customer": { "id": 5002 }, "createdAt": at,
            "status": if newest { "delivering" } else { "complete" },
        }));
    }
    orders.push(json!({ "id": 9900, "customer": { "id": 5001 }, "status": "new" }));
    house.control("orders", Value::Array(orders)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    assert!(ledger.made_customers().is_empty());
    assert_eq!(ledger.writes(), [(9077, "edit".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_lags_makes_no_second_customer() {
    let mut house = House::start(Plan::default()).await;
    house.control("switches", json!({ "search_lag_ms": 3_600_000 })).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    house.advance(SignedDuration::from_mins(10)).await;
    house.lead(json!({ "type": "request", "phone": "+7 (999) 000-00-01" })).await;
    house.lead(json!({ "type": "chat", "phone": "89990000001" })).await;
    let counts = house.ended().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 1, "{:#}", ledger.0["customers"]);
    // The order is found too: the first lead won.
    ledger.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_while_the_search_lags_doubles_nothing() {
    let mut house = House::start(Plan::default()).await;
    house.control("switches", json!({ "search_lag_ms": 20_000 })).await;
    for path in ["customers/create", "orders/create"] {
        house
            .faults(json!([{
                "side": "retailcrm", "fault": "lost_answer", "path": path, "next": 1,
            }]))
            .await;
        house
            .lead(json!({ "type": "call", "phone": format!("7999000{}", path.len() + 1000) }))
            .await;
        house.ended().await;
    }
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 2, "{:#}", ledger.0["customers"]);
    assert_eq!(ledger.made_orders().len(), 2, "{:#}", ledger.0["orders"]);
    assert_eq!(ledger.0["duplicates"], json!([]));
}

/// The rule is literal: with a phone the e-mail is not searched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_email_with_an_unknown_phone_is_a_new_customer() {
    let mut house = House::start(Plan::default()).await;
    house.customer(json!({ "firstName": "Иван", "email": "client@example.test" })).await;
    house.lead(json!({ "type": "request", "phone": PHONE, "email": "client@example.test" })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    ledger.assert_no_customer_edited();
}

/// The store and the status that config names, and the codes of method and type.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_chooses_store_status_method_and_type() {
    let shop = "site = \"second\"\nstatus = \"client-confirmed\"\norder_method = \"phone\"\norder_type = \"eshop-legal\"";
    let mut house = House::build(Plan { shop: shop.to_owned(), ..Plan::default() }).await;
    house
        .control("stores", json!([{ "code": "main", "name": "Main", "ordering": 10 }, { "code": "second", "name": "Second", "ordering": 20 }]))
        .await;
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let order = ledger.made_orders()[0];
    assert_eq!((&order["site"], &order["status"]), (&json!("second"), &json!("client-confirmed")));
    assert_eq!(order["fields"]["orderMethod"], "phone");
    assert_eq!(order["fields"]["orderType"], "eshop-legal");
    assert_eq!(ledger.made_customers()[0]["site"], "second");
}
