//! The sandbox against a real HTTP client: what it must do as the far sides do it
//! (retailcrm.md §8, calltouch.md §8). Invariant: each test starts a sandbox of its own.

use leadlink::sandbox::{
    Duplicate, Fault, Format, Kind, LeadSpec, Options, Phase, Rule, Sandbox, Side,
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

struct Crm {
    sandbox: Sandbox,
    client: Client,
}

impl Crm {
    async fn start(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { sandbox, client }
    }

    async fn unlimited() -> Self {
        let options = Options {
            crm_rps: None,
            calltouch_rps: None,
            calltouch_fields: true,
            ..Options::default()
        };
        Self::start(options).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.crm_url())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        let request = self.client.get(self.url(&format!("/api/v5/{path}")));
        request.header("X-API-KEY", self.sandbox.api_key())
    }

    fn post(&self, path: &str, fields: &[(&str, String)]) -> RequestBuilder {
        let request = self.client.post(self.url(&format!("/api/v5/{path}")));
        request.header("X-API-KEY", self.sandbox.api_key()).form(fields)
    }

    async fn create_order(&self, order: Value) -> (u16, Value) {
        answer(self.post("orders/create", &[("order", order.to_string())])).await
    }

    async fn create_customer(&self, customer: Value) -> (u16, Value) {
        answer(self.post("customers/create", &[("customer", customer.to_string())])).await
    }

    fn seed_customer(&self, body: Value) -> u64 {
        self.sandbox.seed_customer(body.as_object().expect("an object")).expect("a customer")
    }

    fn seed_order(&self, body: Value) -> u64 {
        self.sandbox.seed_order(body.as_object().expect("an object")).expect("an order")
    }

    fn calltouch(&self, path: &str) -> RequestBuilder {
        let url = format!("{}/calls-service/RestAPI/{path}", self.sandbox.calltouch_url());
        self.client.get(url).query(&[("clientApiId", self.sandbox.token())])
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

fn ids(list: &Value) -> Vec<u64> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_u64().expect("an id")).collect()
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = Options { listen: "0.0.0.0:0".into(), ..Options::default() };
    let refused = Sandbox::start(options).await.err().expect("a refusal");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_key_is_read_in_header_query_and_body() {
    let crm = Crm::unlimited().await;
    let key = crm.sandbox.api_key().to_owned();
    let url = crm.url("/api/v5/customers");
    assert_eq!(answer(crm.get("customers")).await.0, 200);
    assert_eq!(answer(crm.client.get(&url).query(&[("apiKey", &key)])).await.0, 200);
    let create = crm.client.post(crm.url("/api/v5/customers/create"));
    let form = [("apiKey", key), ("customer", json!({"firstName": "Анна"}).to_string())];
    assert_eq!(answer(create.form(&form)).await.0, 201);

    let (status, body) = answer(crm.client.get(&url)).await;
    assert_eq!((status, &body["errorMsg"]), (403, &json!("\"apiKey\" is missing.")));
    let (status, body) = answer(crm.client.get(&url).header("X-API-KEY", "other")).await;
    assert_eq!((status, &body["errorMsg"]), (403, &json!("Wrong \"apiKey\" value.")));
    let powerless = crm.sandbox.powerless_key();
    let (status, body) = answer(crm.client.get(&url).header("X-API-KEY", powerless)).await;
    assert_eq!((status, &body["errorMsg"]), (403, &json!("Access denied.")));
}

#[tokio::test]
async fn unknown_paths_and_wrong_verbs_are_named() {
    let crm = Crm::unlimited().await;
    let (status, body) = answer(crm.get("nothing")).await;
    assert_eq!((status, &body["errorMsg"]), (404, &json!("API method not found")));
    let (status, body) = answer(crm.get("orders/create")).await;
    assert_eq!((status, &body["errorMsg"]), (405, &json!("Method Not Allowed")));
    let versions = crm.client.get(crm.url("/api/api-versions"));
    let (_, body) = answer(versions.header("X-API-KEY", crm.sandbox.api_key())).await;
    assert!(body["versions"].as_array().expect("versions").contains(&json!("5.0")));
    let (_, body) = answer(crm.get("settings")).await;
    assert_eq!(body["settings"]["timezone"]["value"], "Europe/Moscow");
}

#[tokio::test]
async fn rows_are_addressed_by_external_id_unless_told_otherwise() {
    let crm = Crm::unlimited().await;
    let (status, made) =
        crm.create_order(json!({"externalId": "shop-1", "phone": "89161234567"})).await;
    assert_eq!(status, 201);
    let id = made["id"].as_u64().expect("an id");
    assert_eq!(answer(crm.get("orders/shop-1")).await.1["order"]["id"], id);
    assert_eq!(answer(crm.get(&format!("orders/{id}"))).await.0, 404);
    let (status, body) = answer(crm.get(&format!("orders/{id}?by=id"))).await;
    assert_eq!((status, &body["order"]["externalId"]), (200, &json!("shop-1")));
}

#[tokio::test]
async fn a_page_is_twenty_fifty_or_a_hundred() {
    let crm = Crm::unlimited().await;
    for limit in ["30", "0", "250", "x"] {
        let (status, body) = answer(crm.get(&format!("orders?limit={limit}"))).await;
        assert_eq!(status, 400, "{limit}");
        assert_eq!(body["errorMsg"], "Errors in the pagination parameters", "{limit}");
    }
    for number in 0..25 {
        crm.seed_customer(json!({"firstName": format!("N{number}")}));
    }
    let (_, first) = answer(crm.get("customers")).await;
    let (_, second) = answer(crm.get("customers?page=2&limit=20")).await;
    let (_, third) = answer(crm.get("customers?page=3")).await;
    let page = json!({"limit": 20, "totalCount": 25, "currentPage": 1, "totalPageCount": 2});
    assert_eq!(first["pagination"], page);
    assert_eq!(ids(&first["customers"])[0], 25, "the newest first");
    assert_eq!((ids(&second["customers"]).len(), ids(&third["customers"]).len()), (5, 0));
    assert_eq!(answer(crm.get("custom-fields?limit=250")).await.0, 200);
}

#[tokio::test]
async fn a_json_body_is_no_body() {
    let crm = Crm::unlimited().await;
    let request = crm.client.post(crm.url("/api/v5/orders/create"));
    let request = request.header("X-API-KEY", crm.sandbox.api_key());
    let (status, body) = answer(request.json(&json!({"order": {"phone": "1"}}))).await;
    assert_eq!((status, &body["errorMsg"]), (400, &json!("Parameter 'order' is missing")));
}

#[tokio::test]
async fn empty_maps_are_lists_as_in_php() {
    let crm = Crm::unlimited().await;
    let (_, body) = crm.create_order(json!({"firstName": "Анна"})).await;
    assert_eq!(body["order"]["customFields"], json!([]));
    assert_eq!(body["order"]["payments"], json!([]));
    let custom = json!({"customFields": {"calltouch_site_id": "4242"}});
    let (_, body) = crm.create_order(custom).await;
    assert_eq!(body["order"]["customFields"], json!({"calltouch_site_id": "4242"}));
}

#[tokio::test]
async fn an_external_id_is_taken_once() {
    let crm = Crm::unlimited().await;
    assert_eq!(crm.create_order(json!({"externalId": "a"})).await.0, 201);
    let (status, body) = crm.create_order(json!({"externalId": "a"})).await;
    assert_eq!((status, &body["errorMsg"]), (400, &json!("Order already exists.")));
    assert_eq!(crm.create_customer(json!({"externalId": "b"})).await.0, 201);
    let (status, body) = crm.create_customer(json!({"externalId": "b"})).await;
    assert_eq!(status, 400);
    assert_eq!(body["errorMsg"], "Customer with externalId=b already exists.");

    let rows = json!([{"externalId": "a"}, {"externalId": "c"}]).to_string();
    let (status, body) = answer(crm.post("orders/upload", &[("orders", rows)])).await;
    assert_eq!((status, &body["success"]), (460, &json!(false)));
    assert_eq!(body["failedOrders"], json!([{"externalId": "a"}]));
    assert_eq!(body["uploadedOrders"][0]["externalId"], "c");
    assert_eq!(body["errors"][0], "Order with externalId=a already exists.");
    assert_eq!(crm.sandbox.ledger().orders.len(), 2);
}

#[tokio::test]
async fn a_new_order_gets_the_first_status_and_store_and_a_number() {
    let crm = Crm::unlimited().await;
    let customer = crm.seed_customer(json!({"phones": ["8 (916) 123-45-67"]}));
    let order = json!({"customer": {"id": customer}, "phone": "79990000001"});
    let (_, body) = crm.create_order(order).await;
    let order = &body["order"];
    assert_eq!((&order["site"], &order["status"]), (&json!("main"), &json!("new")));
    assert_eq!(order["orderMethod"], "shopping-cart");
    assert_eq!(order["number"], format!("{}A", order["id"]));
    let phones = json!([{"number": "8 (916) 123-45-67"}, {"number": "79990000001"}]);
    assert_eq!(order["customer"]["phones"], phones, "the order's phone joins the customer's");

    let (status, body) = crm.create_order(json!({"status": "nope"})).await;
    assert_eq!((status, body["errors"].get("status").is_some()), (400, true));
    let (status, body) = crm.create_order(json!({"customFields": {"nope": "1"}})).await;
    assert_eq!((status, body["errors"].get("customFields.nope").is_some()), (400, true));
    let (status, body) = crm.create_order(json!({"customer": {"externalId": "2106"}})).await;
    assert_eq!((status, &body["errorMsg"]), (400, &json!("Order is not loaded")));
    let text = "Customer with externalId=2106 not found.";
    assert_eq!(body["errors"], json!({"customer.externalId": text}));
}

#[tokio::test]
async fn an_edit_is_partial_and_merges_custom_fields() {
    let crm = Crm::unlimited().await;
    let order = json!({"firstName": "Анна", "customFields": {"calltouch_site_id": "1"}});
    let (_, made) = crm.create_order(order).await;
    let edit = json!({"customFields": {"utm_source": "yandex"}, "status": "delivering"});
    let path = format!("orders/{}/edit", made["id"]);
    let form = [("by", "id".to_owned()), ("order", edit.to_string())];
    let (status, body) = answer(crm.post(&path, &form)).await;
    assert_eq!(status, 200);
    assert_eq!(body["order"]["firstName"], "Анна");
    let custom = json!({"calltouch_site_id": "1", "utm_source": "yandex"});
    assert_eq!(body["order"]["customFields"], custom);
    let (_, body) = answer(crm.get(&format!("orders/statuses?ids[]={}", made["id"]))).await;
    assert_eq!(body["orders"][0]["group"], "delivery");
}

#[tokio::test]
async fn a_phone_is_searched_by_its_digits_through_the_name() {
    let crm = Crm::unlimited().await;
    let old = crm.seed_customer(
        json!({"phones": ["8 (916) 123-45-67"], "createdAt": "2020-01-01 10:00:00"}),
    );
    let new =
        crm.seed_customer(json!({"phones": ["+79161234567"], "createdAt": "2021-01-01 10:00:00"}));
    let named = crm.seed_customer(
        json!({"firstName": "Звонок от 79161234567", "createdAt": "2019-01-01 10:00:00"}),
    );
    let search = async |text: &str| {
        let (status, body) = answer(crm.get("customers").query(&[("filter[name]", text)])).await;
        assert_eq!(status, 200, "{text}");
        ids(&body["customers"])
    };
    assert_eq!(search("9161234567").await, [new, old, named]);
    assert_eq!(search("79161234567").await, [new, named]);
    assert_eq!(search("89161234567").await, [old]);
    assert_eq!(search("+7 (916) 123-45-67").await, [new]);
    assert_eq!(search("звонок").await, [named]);
    assert_eq!(search("79160000000").await, Vec::<u64>::new());
    let (status, body) = answer(crm.get("customers?filter[phone]=79161234567")).await;
    assert_eq!((status, body["errors"].get("children[phone]").is_some()), (400, true));
}

#[tokio::test]
async fn a_merged_customer_names_its_survivor() {
    let crm = Crm::unlimited().await;
    let source = crm.seed_customer(json!({"phones": ["79161234567"]}));
    let result = crm.seed_customer(json!({"phones": ["79161234568"]}));
    let order = crm.seed_order(json!({"customer": {"id": source}}));
    let form = [
        ("customers", json!([{ "id": source }]).to_string()),
        ("resultCustomer", json!({ "id": result }).to_string()),
    ];
    assert_eq!(answer(crm.post("customers/combine", &form)).await.0, 200);
    let (status, body) = answer(crm.get(&format!("customers/{source}?by=id"))).await;
    assert_eq!((status, &body["combinedTo"]["id"]), (404, &json!(result)));
    let (_, body) = answer(crm.get(&format!("orders?filter[customerId]={result}"))).await;
    assert_eq!(ids(&body["orders"]), [order]);
}

#[tokio::test]
async fn a_company_order_has_a_person_as_its_contact() {
    let crm = Crm::unlimited().await;
    let company = crm.seed_customer(json!({"type": "customer_corporate", "nickName": "ООО"}));
    let person = crm.seed_customer(json!({"phones": ["79161234567"]}));
    let order = json!({"customer": {"id": company}, "contact": {"id": person}});
    let id = crm.seed_order(order);
    let (_, body) = answer(crm.get(&format!("orders/{id}?by=id"))).await;
    assert_eq!(body["order"]["customer"]["type"], "customer_corporate");
    assert_eq!(body["order"]["contact"]["id"], person);
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
async fn each_journal_has_its_date_format() {
    let crm = Crm::unlimited().await;
    let status = async |path: &str, from: &str, to: &str| {
        let request = crm.calltouch(path).query(&[("dateFrom", from), ("dateTo", to)]);
        request.send().await.expect("an answer").status().as_u16()
    };
    let calls = "4242/calls-diary/calls";
    assert_eq!(status(calls, "13/05/2025", "13/05/2025").await, 200);
    assert_eq!(status(calls, "05/13/2025", "05/13/2025").await, 400);
    assert_eq!(status(calls, "2025-05-13", "2025-05-13").await, 400);
    assert_eq!(status(calls, "13/05/2025", "14/05/2025").await, 400, "one day without page");
    assert_eq!(status(&format!("{calls}?page=1"), "13/05/2025", "14/05/2025").await, 200);
    assert_eq!(status("requests/", "05/13/2025", "05/13/2025").await, 200);
    assert_eq!(status("requests", "13/05/2025", "13/05/2025").await, 400);
    assert_eq!(status("nothing", "", "").await, 302);
    let url =
        format!("{}/calls-service/RestAPI/requests?clientApiId=x", crm.sandbox.calltouch_url());
    let (status, body) = answer(crm.client.get(url)).await;
    assert_eq!((status, &body["message"]), (403, &json!("Invalid credentials")));
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
async fn a_lead_is_in_the_journal_and_at_the_hook() {
    let crm = Crm::unlimited().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let hook = axum::Router::new().route(
        "/hooks/calls",
        axum::routing::post(async move |body: String| {
            sender.send(body).expect("the test listens");
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks/calls", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, hook).await });

    let spec = LeadSpec {
        kind: Kind::Call,
        phone: "79161234567".into(),
        utm_source: "yandex".into(),
        hook_url: Some(url.clone()),
        deliveries: Some(2),
        phase: Phase::Both,
        reorder: true,
        duration: 40,
        ..LeadSpec::default()
    };
    let sent = crm.sandbox.send_lead(spec).await;
    let phases: Vec<_> = sent.deliveries.iter().map(|sent| (sent.phase, sent.status)).collect();
    let (end, start) = (("calldisconnected", 200), ("callconnected", 200));
    assert_eq!(phases, [end, end, start, start]);
    let body = receiver.recv().await.expect("a hook");
    let fields: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(fields["callerphone"], "79161234567");
    assert_eq!(fields["utm_term"], "<не указано>");

    let lead = sent.lead.expect("a lead");
    let day = lead.at.in_tz("Europe/Moscow").expect("a zone").strftime("%d/%m/%Y").to_string();
    let calls = crm.calltouch("4242/calls-diary/calls");
    let (_, body) = answer(calls.query(&[("dateFrom", &day), ("dateTo", &day)])).await;
    assert_eq!(body[0]["callId"], lead.id);
    assert_eq!(body[0]["callphase"], "calldisconnected");
    assert_eq!(body[0]["timestamp"], lead.at.as_second());

    let chat = LeadSpec {
        kind: Kind::Chat,
        hook_url: Some(url),
        format: Format::Json,
        ..LeadSpec::default()
    };
    assert_eq!(crm.sandbox.send_lead(chat).await.lead.expect("a lead").id, lead.id);
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
