//! RetailCRM as its official clients meet it. Invariant: texts and codes are the far side's.

use crate::{Crm, answer, ids};
use leadlink::sandbox::switches::PhoneMatch;
use leadlink::sandbox::{Options, Store};
use serde_json::json;

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
    crm.sandbox.set_switches(|switches| switches.phone_match = PhoneMatch::Normalized);
    assert_eq!(search("89161234567").await, [new, old]);
    assert_eq!(search("9161234567").await, [new, old, named], "the name is a text still");
    crm.sandbox.set_switches(|switches| switches.phone_match = PhoneMatch::Exact);
    assert_eq!(search("+79161234567").await, [new]);
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
async fn lists_of_ids_and_multipart_bodies_are_read_as_php_sends_them() {
    let crm = Crm::unlimited().await;
    for number in 1..=3 {
        crm.seed_order(json!({"externalId": format!("e{number}")}));
    }
    for query in
        ["filter[ids][]=1&filter[ids][]=3", "filter%5Bids%5D%5B0%5D=1&filter%5Bids%5D%5B1%5D=3"]
    {
        let (_, body) = answer(crm.get(&format!("orders?{query}"))).await;
        assert_eq!(ids(&body["orders"]), [3, 1], "{query}");
    }
    assert_eq!(answer(crm.get("orders?filter[ids]=1")).await.0, 400, "a list is sent as a list");

    let request = crm.client.post(crm.url("/api/v5/orders/create?apiKey=") + crm.sandbox.api_key());
    let body = "--B\r\nContent-Disposition: form-data; name=\"site\"\r\n\r\nmain\r\n--B\r\n\
                Content-Disposition: form-data; name=\"order\"\r\n\r\n{\"externalId\":\"m\"}\r\n--B--\r\n";
    let request = request.header("content-type", "multipart/form-data; boundary=B").body(body);
    assert_eq!(answer(request).await.0, 201);
    assert_eq!(answer(crm.get("orders/m?site=main")).await.0, 200);
}

#[tokio::test]
async fn orders_are_found_by_customer_contact_and_custom_field() {
    let crm = Crm::unlimited().await;
    let customer =
        crm.seed_customer(json!({"phones": ["8 (916) 123-45-67"], "email": "A@shop.test"}));
    let lead = json!({"customer": {"id": customer}, "customFields": {"calltouch_call_id": "7"}});
    let linked = crm.seed_order(lead);
    let own = crm.seed_order(json!({"phone": "79161234567", "createdAt": "2020-01-01 10:00:00"}));
    let search = async |query: &str| {
        let (status, body) = answer(crm.get(&format!("orders?{query}"))).await;
        assert_eq!(status, 200, "{query}: {body}");
        ids(&body["orders"])
    };
    assert_eq!(search(&format!("filter[customerId]={customer}")).await, [linked]);
    assert_eq!(search("filter[customFields][calltouch_call_id]=7").await, [linked]);
    assert_eq!(search("filter[email]=a@shop.test").await, [linked]);
    assert_eq!(search("filter[customer]=9161234567").await, [linked, own]);
    assert_eq!(search("filter[createdAtTo]=2020-01-01").await, [own]);
    assert_eq!(search("filter[createdAtFrom]=2020-01-02").await, [linked]);
    assert_eq!(search("filter[extendedStatus][]=new&filter[numbers][]=1C").await, [linked]);
    assert_eq!(answer(crm.get("orders?filter[phone]=1")).await.0, 400);
    assert_eq!(answer(crm.get("orders?filter[createdAtFrom]=01.02.2020")).await.0, 400);
}

#[tokio::test]
async fn a_key_of_one_store_sees_that_store_alone() {
    let store = |code: &str, ordering| Store { code: code.into(), name: code.into(), ordering };
    let stores = vec![store("second", 20), store("first", 10)];
    let crm = Crm::start(Options { stores, crm_rps: None, ..Options::default() }).await;
    let (_, made) = crm.create_order(json!({"externalId": "x"})).await;
    assert_eq!(made["order"]["site"], "first", "the lowest ordering");
    let other = crm.seed_order(json!({"site": "second", "externalId": "x"}));
    let (status, body) = answer(crm.get("orders/x")).await;
    assert_eq!((status, &body["errorMsg"]), (400, &json!("Parameter 'site' is missing")));
    let (_, body) = answer(crm.get("orders/x?site=second")).await;
    assert_eq!(body["order"]["id"], other);

    let key = crm.sandbox.site_key();
    let limited = |path: &str| crm.client.get(crm.url(path)).header("X-API-KEY", &key);
    let (_, body) = answer(limited("/api/v5/orders/x")).await;
    assert_eq!(body["order"]["site"], "first");
    let (_, body) = answer(limited("/api/v5/orders")).await;
    assert_eq!(body["pagination"]["totalCount"], 1);
    assert_eq!(answer(limited("/api/v5/orders/x?site=second")).await.0, 403);
    let (_, body) = answer(limited("/api/credentials")).await;
    assert_eq!(body["siteAccess"], "access_selective");
    assert_eq!(body["sitesAvailable"], json!(["first"]));
}

#[tokio::test]
async fn an_order_without_a_customer_takes_the_one_with_its_phone() {
    let crm = Crm::unlimited().await;
    let known = crm.seed_customer(json!({"phones": ["8 (916) 123-45-67"]}));
    let (_, body) = crm.create_order(json!({"phone": "+79161234567"})).await;
    assert_eq!(body["order"]["customer"]["id"], known);
    let (_, body) = crm.create_order(json!({"phone": "+79160000000", "firstName": "Пётр"})).await;
    assert_ne!(body["order"]["customer"]["id"], known);
    assert_eq!(body["order"]["customer"]["firstName"], "Пётр");
}

#[tokio::test]
async fn custom_fields_are_made_once() {
    let crm = Crm::start(Options { crm_rps: None, ..Options::default() }).await;
    let field = json!({"code": "calltouch_call_id", "name": "ID звонка", "type": "string"});
    let form = [("customField", field.to_string())];
    let create = async || answer(crm.post("custom-fields/order/create", &form)).await;
    let (status, body) = create().await;
    assert_eq!((status, &body["code"]), (201, &json!("calltouch_call_id")));
    let (status, body) = create().await;
    assert_eq!((status, body["errors"].get("code").is_some()), (400, true));
    let (_, body) = answer(crm.get("custom-fields?filter[entity]=order&limit=100")).await;
    assert_eq!(body["customFields"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["customFields"][0]["type"], "string");
    assert_eq!(answer(crm.get("custom-fields/order/calltouch_call_id")).await.0, 200);
    assert_eq!(answer(crm.get("custom-fields/order/nope")).await.0, 404);
}
