//! Flows as config runs them: stopped, started, with a delay of their own. Invariant: a flow acts
//! only where it runs, and what came while it did not is kept.

use crate::support::{House, Plan};
use jiff::SignedDuration;
use leadlink::domain::JobState;
use serde_json::{Value, json};

const PHONE: &str = "79990000001";

fn setting(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(format!("LEADLINK_FLOWS__CALL_TO_ORDER__{name}"), value.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_flow_that_is_stopped_is_skipped_at_its_time() {
    let mut house = House::start(Plan::default()).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.routed().await;
    assert_eq!(house.stop(), Some(0));
    house.set_env(setting("RUNNING", "false"));
    house.run().await;
    let counts = house.counts().await;
    assert_eq!((counts.waiting, counts.skipped), (1, 0), "{counts:?}");
    // One that comes now makes no job; another flow goes on.
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    house.lead(json!({ "type": "request", "phone": "79990000003" })).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (1, 1), "{counts:?}");
    let story = house.story(PHONE).await;
    assert_eq!(story[0].jobs[0].state, JobState::Skipped);
    let because = serde_json::to_string(&story[0].jobs[0].decisions).expect("JSON");
    assert!(because.contains("the flow is stopped"), "{because}");
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(ledger.made_customers()[0]["phones"], json!(["79990000003"]));
    // Started again, it acts on what comes from then on. A lead that no journal has shown yet comes
    // then (design §7.3), so the journals are read first.
    house.polled().await;
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    house.run().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config_may_lengthen_the_delay() {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    house.set_env(setting("DELAY", "10m"));
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(9 * 60 + 50)).await;
    house.settled().await;
    house.ledger().await.assert_nothing_written();
    house.advance(SignedDuration::from_secs(11)).await;
    house.settled().await;
    house.ledger().await.assert_one_of_each();
}

/// L4, L11: nobody is made responsible, neither for the customer nor for the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_manager_is_set_and_a_flow_may_set_one() {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(shown(&house, "customers", 1).await["managerId"], Value::Null);
    assert_eq!(shown(&house, "orders", 1).await["managerId"], Value::Null);

    // A flow file of one's own: the shipped one with a manager on the order.
    let folder = house.dir.path().join("flows");
    std::fs::create_dir(&folder).expect("a folder");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/call-to-order.toml");
    let shipped = std::fs::read_to_string(shipped).expect("the flow");
    let (rules, _cases) = shipped.split_once("# ---- What must happen").expect("rules and cases");
    let customer = "customer  = \"{{ facts.customer.id or steps.customer.id }}\"\n";
    let own = rules.replacen(customer, &format!("{customer}managerId = 2\n"), 1);
    assert_ne!(own, rules);
    std::fs::write(folder.join("call-to-order.toml"), own).expect("written");
    assert_eq!(house.stop(), Some(0));
    let mut env = vec![("LEADLINK_MAPPINGS__DIR".to_owned(), folder.display().to_string())];
    for flow in ["REQUEST_TO_ORDER", "CHAT_TO_ORDER"] {
        // Their files are not in this folder.
        env.push((format!("LEADLINK_FLOWS__{flow}__USE"), "call-to-order".to_owned()));
        env.push((format!("LEADLINK_FLOWS__{flow}__RUNNING"), "false".to_owned()));
    }
    house.set_env(env);
    house.run().await;
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    house.ended().await;
    assert_eq!(shown(&house, "customers", 2).await["managerId"], Value::Null);
    assert_eq!(shown(&house, "orders", 2).await["managerId"], 2);
}

/// A row as the CRM's API shows it.
async fn shown(house: &House, rows: &str, id: u64) -> Value {
    let url = format!("{}/api/v5/{rows}/{id}?by=id", house.sandbox.crm_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(url).header("X-API-KEY", house.sandbox.api_key());
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["success"], true, "{answer}");
    answer[rows.trim_end_matches('s')].clone()
}
