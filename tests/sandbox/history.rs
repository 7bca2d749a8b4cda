//! The history of orders and what people do in the CRM. Invariant: an entry for every change, by id.

use crate::{Crm, answer, ids};
use jiff::SignedDuration;
use leadlink::sandbox::{Options, Store};
use serde_json::{Value, json};

async fn history(crm: &Crm, query: &str) -> Vec<Value> {
    let (status, body) = answer(crm.get(&format!("orders/history?limit=100&{query}"))).await;
    assert_eq!(status, 200, "{body}");
    body["history"].as_array().expect("entries").clone()
}

async fn control(crm: &Crm, path: &str, body: Value) -> Value {
    let url = crm.url(&format!("/_sandbox/{path}"));
    let (status, told) = answer(crm.client.post(url).json(&body)).await;
    assert_eq!(status, 200, "{path}: {told}");
    told
}

fn fields(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| entry["field"].as_str().expect("a field").to_owned()).collect()
}

#[tokio::test]
async fn each_change_is_an_entry_that_names_its_maker() {
    let crm = Crm::unlimited().await;
    let (_, made) = crm.create_order(json!({"externalId": "x", "phone": "79161234567"})).await;
    let id = made["id"].as_u64().expect("an id");
    let entries = history(&crm, "filter[sinceId]=0").await;
    assert_eq!(fields(&entries), ["status", "customer"]);
    assert_eq!((&entries[0]["created"], &entries[0]["source"]), (&json!(true), &json!("api")));
    assert_eq!(entries[0]["apiKey"], json!({"current": true}));
    assert_eq!(entries[0]["newValue"], json!({"code": "new"}));
    assert_eq!(entries[0]["order"]["phone"], "79161234567", "the whole order");
    assert_eq!((&entries[1]["source"], &entries[1]["apiKey"]), (&json!("code"), &Value::Null));

    let change = json!({"status": "complete", "managerId": 2, "totalSumm": 500, "by": "user:2"});
    control(&crm, &format!("orders/{id}"), change).await;
    control(&crm, &format!("orders/{id}"), json!({"phone": "1", "by": "api"})).await;
    let form = [
        ("by", "id".to_owned()),
        ("order", json!({"customFields": {"utm_source": "x"}}).to_string()),
    ];
    answer(crm.post(&format!("orders/{id}/edit"), &form)).await;
    let entries = history(&crm, "filter[sinceId]=2").await;
    assert_eq!(
        fields(&entries),
        ["status", "manager", "order_product.summ", "phone", "custom_utm_source"]
    );
    assert_eq!(entries[0]["user"], json!({"id": 2}));
    assert_eq!(entries[0]["oldValue"], json!({"code": "new"}));
    let order =
        json!({"id": id, "site": "main", "status": "complete", "externalId": "x", "managerId": 2});
    assert_eq!(entries[0]["order"], order);
    assert_eq!(entries[3]["apiKey"], json!({"current": false}));
    assert_eq!(entries[4]["apiKey"], json!({"current": true}));
    let numbers: Vec<u64> = entries.iter().map(|entry| entry["id"].as_u64().expect("id")).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7]);
    assert_eq!(answer(crm.get("orders/x")).await.1["order"]["totalSumm"], 500);
    let (_, body) = answer(crm.get("customers/history")).await;
    assert_eq!(body["history"][0]["customer"]["phones"][0]["number"], "79161234567");
}

#[tokio::test]
async fn history_goes_on_by_id_and_never_by_page() {
    let crm = Crm::unlimited().await;
    for day in 1..=25 {
        crm.seed_order(json!({"createdAt": format!("2025-05-{day:02} 10:00:00")}));
    }
    let (_, first) = answer(crm.get("orders/history")).await;
    let page = json!({"limit": 20, "totalCount": 25, "currentPage": 1, "totalPageCount": 2});
    assert_eq!((&first["pagination"], ids(&first["history"])[0]), (&page, 1));
    let (_, second) = answer(crm.get("orders/history?page=2")).await;
    assert_eq!(ids(&second["history"]), [21, 22, 23, 24, 25]);
    let (_, rest) = answer(crm.get("orders/history?filter[sinceId]=23")).await;
    assert_eq!(
        (ids(&rest["history"]), &rest["pagination"]["totalPageCount"]),
        (vec![24, 25], &json!(1))
    );
    let (_, none) = answer(crm.get("orders/history?filter[sinceId]=25")).await;
    assert_eq!((&none["history"], &none["pagination"]["currentPage"]), (&json!([]), &json!(0)));
    let (status, body) = answer(crm.get("orders/history?filter[sinceId]=23&page=1")).await;
    assert_eq!(status, 400);
    assert!(body["errorMsg"].as_str().is_some_and(|text| text.starts_with("Use the shift")));
    let from = history(&crm, "filter[startDate]=2025-05-24 10:00:00").await;
    assert_eq!(ids(&json!(from)), [24, 25]);
    let between = "filter[startDate]=2025-05-01 10:00:00&filter[endDate]=2025-05-02 10:00:00";
    assert_eq!(ids(&json!(history(&crm, between).await)), [1, 2]);
    assert_eq!(ids(&json!(history(&crm, "filter[orderId]=7").await)), [7]);
    let (status, body) = answer(crm.get("orders/history?filter[startDate]=24.05.2025")).await;
    assert_eq!((status, &body["errors"]["children[startDate]"].is_string()), (400, &true));
}

#[tokio::test]
async fn a_key_of_one_store_sees_entries_of_that_store() {
    let store = |code: &str| Store { code: code.into(), name: code.into(), ordering: 10 };
    let stores = vec![store("a"), store("b")];
    let crm = Crm::start(Options { crm_rps: None, stores, ..Options::default() }).await;
    for site in ["a", "b", "a"] {
        crm.seed_order(json!({ "site": site }));
    }
    let url = crm.url("/api/v5/orders/history");
    let (_, body) = answer(crm.client.get(url).header("X-API-KEY", crm.sandbox.site_key())).await;
    assert_eq!((ids(&body["history"]), &body["pagination"]["totalCount"]), (vec![1, 3], &json!(2)));
    assert_eq!(history(&crm, "").await.len(), 3);
}

#[tokio::test]
async fn entries_come_late_and_out_of_order_when_told_so() {
    let crm = Crm::unlimited().await;
    control(&crm, "history", json!({"hold_next": 1})).await;
    crm.seed_order(json!({}));
    crm.seed_order(json!({}));
    assert_eq!(ids(&json!(history(&crm, "").await)), [2]);
    assert_eq!(control(&crm, "history", json!({"release": [1]})).await["held"], json!([]));
    assert_eq!(ids(&json!(history(&crm, "").await)), [1, 2]);
    crm.sandbox.set_switches(|switches| switches.history_lag_ms = 60_000);
    assert_eq!(history(&crm, "").await.len(), 0);
    crm.sandbox.clock().shift(SignedDuration::from_mins(1));
    assert_eq!(history(&crm, "").await.len(), 2);
    crm.seed_order(json!({"history": false}));
    crm.sandbox.clock().shift(SignedDuration::from_mins(1));
    assert_eq!(history(&crm, "").await.len(), 2, "it stands there silently");
}

#[tokio::test]
async fn a_status_that_goes_and_comes_back_has_moved_its_date() {
    let crm = Crm::unlimited().await;
    let id = crm.seed_order(json!({"createdAt": "2025-05-14 12:00:00", "currency": "USD"}));
    let show = async || answer(crm.get(&format!("orders/{id}?by=id"))).await.1["order"].clone();
    let before = show().await;
    assert_eq!(
        (&before["statusUpdatedAt"], &before["currency"]),
        (&json!("2025-05-14 12:00:00"), &json!("USD"))
    );
    for status in ["complete", "new"] {
        control(&crm, &format!("orders/{id}"), json!({ "status": status })).await;
    }
    let after = show().await;
    assert_eq!(after["status"], before["status"]);
    assert_ne!(after["statusUpdatedAt"], before["statusUpdatedAt"]);
    let given = json!({"status": "complete", "statusUpdatedAt": "2025-06-01 00:00:00"});
    control(&crm, &format!("orders/{id}"), given).await;
    assert_eq!(show().await["statusUpdatedAt"], "2025-06-01 00:00:00");
    crm.sandbox.set_switches(|switches| switches.clock_skew_ms = 3_600_000);
    let (_, body) = answer(crm.get("orders/history?filter[sinceId]=0")).await;
    let ahead = crm.sandbox.clock().now() + SignedDuration::from_mins(59);
    let ahead = ahead.in_tz("Europe/Moscow").expect("a zone").strftime("%Y-%m-%d %H:%M:%S");
    assert!(body["generatedAt"].as_str().is_some_and(|text| text > ahead.to_string().as_str()));
}

#[tokio::test]
async fn orders_end_by_a_merge_or_by_a_person() {
    let crm = Crm::unlimited().await;
    for _ in 0..4 {
        crm.seed_order(json!({"items": [{"initialPrice": 10, "quantity": 2}]}));
    }
    let refer = |id: u64| json!({ "id": id }).to_string();
    let form = |source, result, technique: &str| {
        [
            ("order", refer(source)),
            ("resultOrder", refer(result)),
            ("technique", technique.to_owned()),
        ]
    };
    let (status, body) = answer(crm.post("orders/combine", &form(1, 2, "merge"))).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)));
    assert_eq!(answer(crm.post("orders/combine", &form(2, 2, "merge"))).await.0, 400);
    assert_eq!(answer(crm.post("orders/combine", &form(2, 3, "all"))).await.0, 400);
    control(&crm, "orders/3/delete", json!({})).await;
    control(&crm, "orders/4/delete", json!({"into": 2})).await;
    let entries = history(&crm, "filter[sinceId]=4").await;
    assert_eq!(fields(&entries), ["order_product", "id", "id", "id"]);
    assert_eq!((&entries[1]["deleted"], &entries[1]["source"]), (&json!(true), &json!("combine")));
    assert_eq!(entries[1]["combinedTo"], json!({"id": 2, "site": "main"}));
    assert_eq!((&entries[2]["source"], &entries[2]["combinedTo"]), (&json!("user"), &Value::Null));
    assert_eq!(entries[3]["combinedTo"]["id"], 2);
    assert_eq!(answer(crm.get("orders/3?by=id")).await.0, 404);
    let (_, body) = answer(crm.get("orders?filter[ids][]=1&filter[ids][]=2")).await;
    assert_eq!((ids(&body["orders"]), &body["orders"][0]["totalSumm"]), (vec![2], &json!(40)));
    assert_eq!(crm.seed_order(json!({})), 5, "no id is given again");
    assert_eq!(crm.sandbox.ledger().gone_orders.len(), 3);
}

#[tokio::test]
async fn triggers_call_once_and_lose_or_double_when_told_so() {
    let crm = Crm::unlimited().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let hook = axum::Router::new().route(
        "/hook",
        axum::routing::post(async move |body: String| sender.send(body).expect("the test listens")),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, hook).await });
    control(&crm, "triggers", json!({"url": url, "lose": 1})).await;
    crm.seed_order(json!({}));
    crm.create_order(json!({"phone": "79161234567"})).await;
    let body = receiver.recv().await.expect("a call");
    assert_eq!(body, "event=new&id=2&status=new&type=order");
    let changes = json!([{
        "url": url, "method": "json", "on": ["status"], "params": {"order": "{number}"}, "duplicates": 1,
    }]);
    control(&crm, "triggers", changes).await;
    control(&crm, "orders/1", json!({"phone": "1"})).await;
    control(&crm, "orders/1", json!({"status": "complete"})).await;
    for _ in 0..2 {
        assert_eq!(receiver.recv().await.expect("a call"), r#"{"order":"1C"}"#);
    }
    assert!(receiver.try_recv().is_err(), "neither the phone nor a new order calls");
}

#[tokio::test]
async fn a_crowd_is_made_at_once_and_read_by_pages() {
    let crm = Crm::unlimited().await;
    let start = std::time::Instant::now();
    let crowd =
        json!({"people": 20_000, "from": "2025-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
    let made = control(&crm, "crowd", crowd).await;
    assert_eq!((&made["orders"], &made["leads"]), (&json!([1, 20_000]), &json!(20_000)));
    eprintln!("20,000 people: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let (_, body) = answer(crm.get("orders?limit=100&page=150")).await;
    assert_eq!(body["pagination"]["totalCount"], 20_000);
    let order = &body["orders"][0];
    assert_eq!(order["customer"]["phones"][0]["number"], order["phone"]);
    let range = "orders?filter[createdAtFrom]=2025-03-01&filter[createdAtTo]=2025-03-01&limit=100";
    let (_, body) = answer(crm.get(range)).await;
    assert!((54..=56).contains(&ids(&body["orders"]).len()), "a day of 365");
    eprintln!("two pages: {:?}", start.elapsed());
    assert_eq!(history(&crm, "").await.len(), 0);
    let (_, ledger) = answer(crm.client.get(crm.url("/_sandbox/ledger?parts=deals,faults"))).await;
    assert_eq!(ledger, json!({"deals": [], "faults": {}}));
    let query = [("dateFrom", "01/03/2025"), ("dateTo", "01/03/2025")];
    let (_, calls) = answer(crm.calltouch("4242/calls-diary/calls").query(&query)).await;
    assert!((35..=38).contains(&calls.as_array().expect("calls").len()), "two of three are calls");
    let query = [
        ("dateFrom", "01/03/2025"),
        ("dateTo", "01/03/2025"),
        ("timeFrom", "12:00:00"),
        ("timeTo", "12:59:59"),
    ];
    let (_, calls) = answer(crm.calltouch("4242/calls-diary/calls").query(&query)).await;
    for call in calls.as_array().expect("calls") {
        assert!(
            call["date"].as_str().is_some_and(|text| text.starts_with("01/03/2025 12:")),
            "{call}"
        );
    }
}
