//! Deals of Calltouch: writing, matching, journal. Invariant: HTTP 200 is not yet a written deal.

use crate::{Crm, answer};
use jiff::SignedDuration;
use leadlink::sandbox::{Fault, Kind, LeadSpec, Rule, Side};
use serde_json::{Value, json};

/// Now less so many minutes, as a deal writes it.
fn stamp(crm: &Crm, minutes_ago: i64) -> String {
    let at = crm.sandbox.clock().now() - SignedDuration::from_mins(minutes_ago);
    at.in_tz("Europe/Moscow").expect("a zone").strftime("%d-%m-%Y %H:%M:%S").to_string()
}

fn deal(crm: &Crm, number: &str, matching: Value) -> Value {
    json!({
        "orderNumber": number, "orderName": format!("{number}C"), "funnel": "main",
        "status": "new", "statusDate": stamp(crm, 0), "orderDate": stamp(crm, 0),
        "updateDate": stamp(crm, 0), "currency": "rub", "revenue": "100.50", "manager": "Анна",
        "matching": matching,
    })
}

async fn send(crm: &Crm, verb: &str, orders: Value) -> (u16, Value) {
    let url = format!("{}/lead-service/v1/api/client-order/{verb}", crm.sandbox.calltouch_url());
    let request = crm.client.post(url).header("Access-Token", crm.sandbox.token());
    let request = request.header("SiteId", crm.sandbox.site_id());
    answer(request.json(&json!({ "orders": orders }))).await
}

async fn create(crm: &Crm, number: &str, matching: Value) -> Value {
    let (status, body) = send(crm, "create", json!([deal(crm, number, matching)])).await;
    assert_eq!(status, 200, "{body}");
    body["data"]["orders"][0].clone()
}

fn unlinked() -> Value {
    json!([{"type": "withoutSource"}])
}

#[tokio::test]
async fn a_deal_is_made_once_and_updated_by_its_number() {
    let crm = Crm::unlimited().await;
    let made = create(&crm, "17", unlinked()).await;
    assert_eq!((&made["orderNumber"], &made["error"]), (&json!("17"), &Value::Null));
    assert!(made["calltouchOrderId"].as_u64().is_some_and(|id| id > 0));
    let again = create(&crm, "17", unlinked()).await;
    assert_eq!(again["calltouchOrderId"], Value::Null);
    assert!(again["error"].as_str().is_some_and(|text| text.contains("exists")));

    crm.sandbox.clock().shift(SignedDuration::from_mins(5));
    let change = json!({
        "orderNumber": "17", "status": "complete", "statusDate": stamp(&crm, 0), "revenue": "7",
    });
    let unknown = json!({"orderNumber": "18", "status": "complete"});
    let (status, body) = send(&crm, "update", json!([change, unknown])).await;
    let told = &body["data"]["orders"];
    assert_eq!((status, &told[0]["calltouchOrderId"]), (200, &made["calltouchOrderId"]));
    assert_eq!(told[1]["calltouchOrderId"], Value::Null);

    let ledger = crm.sandbox.ledger();
    let deal = ledger.deal("17").expect("a deal");
    assert_eq!((deal.creations, deal.updates, deal.rematchings), (2, 1, 0));
    assert_eq!((deal.fields.status.as_str(), deal.fields.revenue.as_str()), ("complete", "7"));
    assert_eq!(deal.fields.order_name, "17C", "what is not sent stays");
    assert_eq!(deal.statuses.len(), 2);
    assert_eq!(ledger.refused_deals[0].number, "18");
}

#[tokio::test]
async fn a_wrong_body_writes_nothing() {
    let crm = Crm::unlimited().await;
    let good = deal(&crm, "1", unlinked());
    let with = |key: &str, value: Value| {
        let mut deal = good.clone();
        deal[key] = value;
        deal
    };
    let depth = |depth: u64| {
        json!([{"type": "callContact", "callContactParams": {
            "phones": ["79161234567"], "date": "14-05-2025 12:03:10",
            "callTypeToMatch": "nearest", "searchDepth": depth,
        }}])
    };
    for wrong in [
        with("orderNumber", json!("")),
        with("orderDate", json!("2025-05-14 12:03:10")),
        with("statusDate", json!("14/05/2025 12:03:10")),
        with("currency", json!("RUB")),
        with("revenue", json!("много")),
        with("matching", json!([])),
        with("matching", json!([{"type": "leads"}])),
        with("matching", depth(525_601)),
    ] {
        let (status, body) = send(&crm, "create", json!([good, wrong])).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(body["data"]["validationErrorData"]["violations"][0]["field"].is_string());
    }
    let many: Vec<Value> = (0..101).map(|id| deal(&crm, &id.to_string(), unlinked())).collect();
    assert_eq!(send(&crm, "create", json!(many)).await.0, 400);
    assert_eq!(send(&crm, "create", json!(many[1..])).await.0, 200, "a hundred");
    assert_eq!(crm.sandbox.ledger().deals.len(), 100);
    crm.sandbox.set_switches(|switches| switches.max_search_depth = 262_800);
    let (status, _) = send(&crm, "create", json!([with("matching", depth(262_801))])).await;
    assert_eq!(status, 400);

    let url = crm.sandbox.calltouch_url() + "/lead-service/v1/api/client-order/create";
    let body = json!({"orders": [good]});
    let (status, told) =
        answer(crm.client.post(&url).header("Access-Token", crm.sandbox.token()).json(&body)).await;
    assert_eq!((status, &told["message"]), (403, &json!("Invalid credentials")));
}

#[tokio::test]
async fn the_first_entry_that_finds_a_lead_wins() {
    let crm = Crm::unlimited().await;
    let lead = async |kind: Kind, minutes_ago: i64, repeated: bool| {
        let at = crm.sandbox.clock().now() - SignedDuration::from_mins(minutes_ago);
        let (phone, email) = match kind {
            Kind::Call => ("89161234567".to_owned(), String::new()),
            _ => (String::new(), "Anna@shop.test".to_owned()),
        };
        let spec = LeadSpec { kind, phone, email, at: Some(at), repeated, ..LeadSpec::default() };
        crm.sandbox.send_lead(spec).await.lead.expect("a lead").id
    };
    let far = lead(Kind::Call, 600, false).await;
    let near = lead(Kind::Call, 60, true).await;
    let request = lead(Kind::Request, 30, false).await;
    lead(Kind::Chat, 10, false).await;

    let call = |nearest: &str, depth: u64, date: &str| {
        json!({"type": "callContact", "callContactParams": {
            "phones": ["+7 (916) 123-45-67"], "date": date, "callTypeToMatch": nearest,
            "searchDepth": depth,
        }})
    };
    let by_email = json!({"type": "requestContact", "requestContactParams": {
        "phones": [], "emails": ["anna@shop.test"], "date": stamp(&crm, 0),
        "requestTypeToMatch": "nearest", "searchDepth": 60,
    }});
    let (now, before) = (stamp(&crm, 0), stamp(&crm, 120));
    let sources =
        json!({"type": "customSources", "customSourceParams": {"source": "s", "medium": "m"}});
    let cases = [
        (json!([call("nearest", 525_600, &now), by_email]), "callContact", Some(near)),
        (json!([call("nearestUniq", 525_600, &now)]), "callContact", Some(far)),
        (json!([call("nearest", 525_600, &before)]), "callContact", Some(far)),
        (json!([call("nearest", 59, &now), by_email, sources]), "requestContact", Some(request)),
        (json!([{"type": "call", "callParams": {"callId": far}}, by_email]), "call", Some(far)),
        (
            json!([{"type": "request", "requestParams": {"requestId": 5}}, sources]),
            "customSources",
            None,
        ),
        (json!([{"type": "withoutSource"}, by_email]), "withoutSource", None),
    ];
    for (position, (matching, entry, id)) in cases.into_iter().enumerate() {
        create(&crm, &position.to_string(), matching.clone()).await;
        let ledger = crm.sandbox.ledger();
        let matched = ledger.deal(&position.to_string()).and_then(|deal| deal.matched.clone());
        let matched = matched.expect("a match");
        assert_eq!((matched.entry.as_str(), matched.id), (entry, id), "{matching}");
    }
    create(&crm, "nothing", json!([call("nearest", 1, &now)])).await;
    assert_eq!(crm.sandbox.ledger().deal("nothing").expect("a deal").matched, None);

    let again = json!([{"orderNumber": "6", "reMatching": [by_email]}]);
    send(&crm, "update", again).await;
    assert_eq!(crm.sandbox.ledger().deal("6").expect("a deal").rematchings, 1);
}

#[tokio::test]
async fn the_journal_shows_deals_by_the_day_of_their_order() {
    let crm = Crm::unlimited().await;
    let mut old = deal(
        &crm,
        "1",
        json!([{"type": "customSources", "customSourceParams": {
            "source": "Лид не найден", "medium": "Лид не найден", "campaign": "Лид не найден",
        }}]),
    );
    old["orderDate"] = json!("31-12-2024 23:59:59");
    let mut later = deal(&crm, "2", unlinked());
    later["orderDate"] = json!("01-01-2025 00:00:00");
    send(&crm, "create", json!([old, later])).await;
    let journal = async |from: &str, to: &str| {
        let query = [("dateFrom", from), ("dateTo", to), ("page", "1"), ("limit", "1000")];
        answer(crm.calltouch("4242/orders-diary/orders").query(&query)).await
    };
    let numbers = |body: &Value| -> Vec<String> {
        let rows = body["records"].as_array().expect("records").iter();
        rows.map(|row| row["orderNumber"].as_str().expect("a number").to_owned()).collect()
    };
    assert_eq!(journal("31/12/2024", "31/12/2024").await.0, 400);
    let (status, body) = journal("31/12/2024", "01/01/2025").await;
    assert_eq!((status, numbers(&body)), (200, vec!["1".to_owned()]));
    assert_eq!(body["records"][0]["visit"]["source"], "Лид не найден");
    assert_eq!(body["records"][0]["orderDate"], "31/12/2024 23:59:59");
    assert_eq!(numbers(&journal("31/12/2024", "02/01/2025").await.1), ["1", "2"]);
    crm.sandbox.set_switches(|switches| switches.diary_excludes_date_to = false);
    assert_eq!(numbers(&journal("31/12/2024", "01/01/2025").await.1), ["1", "2"]);
    crm.sandbox.set_switches(|switches| switches.diary_lag_ms = 1_000);
    assert_eq!(numbers(&journal("31/12/2024", "01/01/2025").await.1), [""; 0]);
    crm.sandbox.clock().shift(SignedDuration::from_secs(1));
    assert_eq!(numbers(&journal("31/12/2024", "01/01/2025").await.1), ["1", "2"]);
}

#[tokio::test]
async fn chosen_deals_meet_chosen_faults() {
    let crm = Crm::unlimited().await;
    let rule = |fault, orders: &[&str]| Rule {
        orders: orders.iter().map(|order| (*order).to_owned()).collect(),
        ..Rule::next(Side::Calltouch, fault, "", 1)
    };
    let three = json!(["1", "2", "3"].map(|number| deal(&crm, number, unlinked())));
    crm.sandbox.add_fault(rule(Fault::Error400, &["2"]));
    crm.sandbox.add_fault(Rule { text: Some("нет".into()), ..rule(Fault::ItemError, &["3"]) });
    crm.sandbox.add_fault(Rule { retry_after: Some(7), ..rule(Fault::Error429, &["4"]) });
    assert_eq!(send(&crm, "create", three.clone()).await.0, 400);
    assert_eq!(crm.sandbox.ledger().deals.len(), 0);
    let (_, body) = send(&crm, "create", three.clone()).await;
    assert_eq!(body["data"]["orders"][2]["error"], "нет");
    assert_eq!(crm.sandbox.ledger().deals.len(), 2);
    let (_, body) = send(&crm, "create", three).await;
    assert!(body["data"]["orders"][2]["calltouchOrderId"].is_u64(), "the third time all is well");
    let four = json!({"orders": [deal(&crm, "4", unlinked())]});
    let url = crm.sandbox.calltouch_url() + "/lead-service/v1/api/client-order/create";
    let request = crm.client.post(url).header("Access-Token", crm.sandbox.token());
    let told = request.header("SiteId", "4242").json(&four).send().await.expect("an answer");
    assert_eq!(
        (told.status().as_u16(), &told.headers()["retry-after"]),
        (429, &"7".parse().expect("a value"))
    );
}

#[tokio::test]
async fn a_further_site_has_leads_and_deals_of_its_own() {
    let crm = Crm::unlimited().await;
    let post =
        async |path: &str, body: Value| answer(crm.client.post(crm.url(path)).json(&body)).await;
    let site = json!({"site_id": 4343, "token": "other"});
    assert_eq!(post("/_sandbox/sites", site.clone()).await.0, 200);
    assert_eq!(post("/_sandbox/sites", site).await.0, 400);
    let spec = LeadSpec { site: Some(4343), phone: "79161234567".into(), ..LeadSpec::default() };
    let lead = crm.sandbox.send_lead(spec).await.lead.expect("a lead");
    assert_eq!((lead.site, lead.id), (4343, 910_000_001));
    let url = crm.sandbox.calltouch_url() + "/lead-service/v1/api/client-order/create";
    let body = json!({"orders": [deal(&crm, "1", json!([{"type": "call", "callParams": {"callId": lead.id}}]))]});
    let request = crm.client.post(&url).header("SiteId", "4343");
    assert_eq!(
        answer(request.header("Access-Token", crm.sandbox.token()).json(&body)).await.0,
        403
    );
    let request = crm.client.post(&url).header("SiteId", "4343");
    assert_eq!(answer(request.header("Access-Token", "other").json(&body)).await.0, 200);
    let ledger = crm.sandbox.ledger();
    assert_eq!(ledger.deals[0].site, 4343);
    assert_eq!(ledger.deals[0].matched.as_ref().and_then(|matched| matched.id), Some(lead.id));
}
