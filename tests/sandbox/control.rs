//! Limits, faults, ledger and control routes. Invariant: what struck is counted.

use crate::{Crm, answer};
use leadlink::sandbox::{Duplicate, Fault, Options, Rule, Sandbox, Side};
use serde_json::{Value, json};

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = Options { listen: "0.0.0.0:0".into(), ..Options::default() };
    let refused = Sandbox::start(options).await.err().expect("a refusal");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_eleventh_request_in_a_second_is_refused() {
    let crm = Crm::start(Options::default()).await;
    for number in 1..=10 {
        assert_eq!(answer(crm.get("settings")).await.0, 200, "{number}");
    }
    let (status, body) = answer(crm.get("settings")).await;
    assert_eq!((status, &body["errorMsg"]), (503, &json!("Rate limit exceeded")));
    let counters = crm.sandbox.ledger().retailcrm;
    assert_eq!((counters.total, counters.refused, counters.most_in_a_second), (11, 1, 11));
    // The other far side has a bucket of its own.
    let calls = crm.calltouch("4242/calls-diary/calls");
    assert_eq!(
        calls
            .query(&[("dateFrom", "01/01/2025"), ("dateTo", "01/01/2025")])
            .send()
            .await
            .expect("an answer")
            .status(),
        200
    );
}

#[tokio::test]
async fn a_lost_answer_is_a_done_work() {
    let crm = Crm::unlimited().await;
    crm.sandbox.add_fault(Rule::next(Side::Retailcrm, Fault::LostAnswer, "orders/create", 1));
    let order = [("order", json!({"externalId": "x"}).to_string())];
    let lost = crm.post("orders/create", &order).send().await;
    assert!(lost.is_err(), "no answer: {lost:?}");
    assert_eq!(answer(crm.get("orders/x")).await.0, 200);
    let ledger = crm.sandbox.ledger();
    assert_eq!(ledger.faults["retailcrm lost_answer"], 1);
    assert_eq!(ledger.api_orders().count(), 1);

    crm.sandbox.add_fault(Rule::next(Side::Retailcrm, Fault::ResetBefore, "orders/create", 1));
    let order = [("order", json!({"externalId": "y"}).to_string())];
    assert!(crm.post("orders/create", &order).send().await.is_err());
    assert_eq!(answer(crm.get("orders/y")).await.0, 404, "nothing was done");
}

#[tokio::test]
async fn faults_answer_as_named() {
    let crm = Crm::unlimited().await;
    for (fault, status) in [
        (Fault::Error503, 503),
        (Fault::Error500, 500),
        (Fault::Html502, 502),
        (Fault::Empty500, 500),
        (Fault::Denied, 403),
        (Fault::Garbage, 200),
    ] {
        crm.sandbox.add_fault(Rule::next(Side::Retailcrm, fault, "", 1));
        let answer = crm.get("settings").send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{fault:?}");
        let is_json = serde_json::from_str::<Value>(&answer.text().await.expect("a body")).is_ok();
        let has_json = matches!(fault, Fault::Error503 | Fault::Error500 | Fault::Denied);
        assert_eq!(is_json, has_json, "{fault:?}");
        assert_eq!(crm.get("settings").send().await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn the_ledger_finds_what_was_done_twice() {
    let crm = Crm::unlimited().await;
    let custom = json!({"customFields": {"calltouch_call_id": "7", "calltouch_site_id": "1"}});
    let (_, made) = crm.create_order(custom.clone()).await;
    assert_eq!(crm.sandbox.ledger().duplicates(), []);
    let form = [("by", "id".to_owned()), ("order", custom.to_string())];
    answer(crm.post(&format!("orders/{}/edit", made["id"]), &form)).await;
    let (_, second) = crm.create_order(custom).await;
    crm.create_customer(json!({"phones": [{"number": "8 916 123-45-67"}]})).await;
    crm.create_customer(json!({"phones": [{"number": "79161234567"}]})).await;
    let found = crm.sandbox.ledger().duplicates();
    assert!(matches!(&found[0], Duplicate::Customers { phone, .. } if phone == "79161234567"));
    let made = [made["id"].as_u64().expect("id"), second["id"].as_u64().expect("id")];
    assert!(matches!(&found[1], Duplicate::Creates { orders, .. } if *orders == made));
    assert!(matches!(&found[2], Duplicate::CreateAndEdit { .. }));
}

#[tokio::test]
async fn control_routes_seed_and_move_the_clock() {
    let crm = Crm::start(Options::default()).await;
    let post =
        async |path: &str, body: Value| answer(crm.client.post(crm.url(path)).json(&body)).await;
    let customer = json!({"phones": ["8 (916) 123-45-67"], "createdAt": "2020-05-01 10:00:00"});
    let (status, body) = post("/_sandbox/customers", customer).await;
    assert_eq!((status, &body["ids"]), (200, &json!([1])));
    let order =
        json!({"customer": {"id": 1}, "status": "complete", "createdAt": "2020-05-02 10:00:00"});
    post("/_sandbox/orders", order).await;
    let (_, body) = answer(crm.get("orders/1?by=id")).await;
    assert_eq!(body["order"]["createdAt"], "2020-05-02 10:00:00");
    let before = crm.sandbox.clock().now();
    post("/_sandbox/clock", json!({"shift_ms": 60_000})).await;
    assert!(crm.sandbox.clock().now().duration_since(before).as_secs() >= 60);
    let (status, _) = post("/_sandbox/limits", json!({"crm_rps": null})).await;
    assert_eq!(status, 200);
    let (status, body) = post("/_sandbox/switches", json!({"phone_macth": "exact"})).await;
    assert_eq!(
        (status, body["error"].as_str().is_some_and(|text| text.contains("phone_macth"))),
        (400, true)
    );
    post("/_sandbox/reset", json!({})).await;
    let (_, ledger) = answer(crm.client.get(crm.url("/_sandbox/ledger"))).await;
    assert_eq!((&ledger["customers"], &ledger["duplicates"]), (&json!([]), &json!([])));
    let (_, index) = answer(crm.client.get(crm.url("/_sandbox"))).await;
    assert_eq!(index["calltouch"]["site_id"], 4242);
}

#[tokio::test]
async fn a_slow_answer_is_a_done_work_and_an_error_may_be_one() {
    let crm = Crm::unlimited().await;
    let slow = Rule { ms: 60_000, ..Rule::next(Side::Retailcrm, Fault::Slow, "orders/create", 1) };
    crm.sandbox.add_fault(slow);
    let order = [("order", json!({"externalId": "x"}).to_string())];
    let patience = std::time::Duration::from_millis(200);
    let given_up = crm.post("orders/create", &order).timeout(patience).send().await;
    assert!(given_up.is_err_and(|error| error.is_timeout()));
    assert_eq!(answer(crm.get("orders/x")).await.0, 200);

    let rule = Rule::next(Side::Retailcrm, Fault::Html502, "orders/create", 1);
    crm.sandbox.add_fault(Rule { after_commit: true, ..rule });
    let order = [("order", json!({"externalId": "y"}).to_string())];
    let answered = crm.post("orders/create", &order).send().await.expect("an answer");
    assert_eq!(answered.status(), 502);
    assert_eq!(answer(crm.get("orders/y")).await.0, 200);
}

#[tokio::test]
async fn what_was_written_may_be_found_later() {
    let crm = Crm::unlimited().await;
    crm.sandbox.set_switches(|switches| switches.search_lag_ms = 5_000);
    crm.create_customer(json!({"phones": [{"number": "79161234567"}]})).await;
    let found = async || {
        let (_, body) = answer(crm.get("customers?filter[name]=79161234567")).await;
        body["pagination"]["totalCount"].as_u64()
    };
    assert_eq!(found().await, Some(0));
    assert_eq!(answer(crm.get("customers/1?by=id")).await.0, 200, "by id at once");
    crm.sandbox.clock().shift(jiff::SignedDuration::from_secs(5));
    assert_eq!(found().await, Some(1));
}

#[tokio::test]
async fn the_request_log_holds_templates_and_no_secret() {
    let crm = Crm::unlimited().await;
    answer(crm.get("customers/secret-17")).await;
    answer(crm.calltouch("requests")).await;
    let (_, body) = answer(crm.client.get(crm.url("/_sandbox/requests"))).await;
    assert_eq!(body["log"][0]["path"], "/api/v5/customers/{}");
    assert_eq!(body["log"][0]["status"], 404);
    let text = body.to_string();
    for secret in ["secret-17", crm.sandbox.token(), crm.sandbox.api_key()] {
        assert!(!text.contains(secret), "{secret}");
    }
}
