//! Orders by id and by day, against the scripted far side.

use super::double::{Double, Heard};
use super::*;
use jiff::SignedDuration;
use serde_json::json;

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn query(input: Value, since: Option<Timestamp>) -> Query {
    Query {
        job: None,
        connection: "shop".into(),
        name: "order".into(),
        input: input.as_object().unwrap().clone(),
        known: Vec::new(),
        since,
        among: Vec::new(),
    }
}

async fn by_id(account: &Account, id: i64, since: Option<Timestamp>, now: Timestamp) -> Value {
    match account.ask(&query(json!({ "id": id }), since), now).await {
        Answer::Known(fact) => fact,
        other => panic!("{other:?}"),
    }
}

fn order(id: i64) -> Value {
    json!({"id": id, "number": format!("{id}A"), "createdAt": "2026-11-20 12:00:00",
        "statusUpdatedAt": "2026-11-20 12:30:00", "status": "new", "site": "main", "managerId": 24,
        "totalSumm": 1290.55, "currency": "RUB", "firstName": "Анна", "phone": "8 999 000-00-01", "email": "",
        "additionalPhone": "79990000002", "customFields": [], "payments": [],
        "source": {"source": "google", "medium": "cpc"},
        "customer": {"id": 5, "type": "customer", "email": "a@example.test",
            "phones": [{"number": "79990000003"}]}})
}

/// Orders 1 to 250; 7 is not in the list yet, 8 was deleted, 9 was merged.
fn shop(heard: &Heard) -> Option<(u16, Value)> {
    let no = |more: Value| {
        let mut body = json!({"success": false, "errorMsg": "Not found"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some((404, body))
    };
    match heard.path.as_str() {
        "/api/v5/orders" if heard.fields.contains_key("filter[createdAtFrom]") => {
            assert_eq!(heard.field("filter[createdAtTo]"), heard.field("filter[createdAtFrom]"));
            assert_eq!(heard.field("limit"), "100");
            let page: i64 = heard.field("page").parse().unwrap();
            let ids = (page * 100 - 99)..=(page * 100).min(250);
            let pages = json!({"totalCount": 250, "currentPage": page, "totalPageCount": 3});
            let rows: Vec<Value> = ids.map(order).collect();
            Some((200, json!({"success": true, "orders": rows, "pagination": pages})))
        }
        "/api/v5/orders" => {
            assert_eq!(heard.field("limit"), "100");
            let shown = heard.ids.iter().filter(|id| !(7..=9).contains(*id) && **id <= 250);
            let rows: Vec<Value> = shown.map(|id| order(*id)).collect();
            Some((200, json!({"success": true, "orders": rows})))
        }
        "/api/v5/orders/7" => {
            assert_eq!(heard.field("by"), "id");
            Some((200, json!({"success": true, "order": order(7)})))
        }
        "/api/v5/orders/8" => no(json!({})),
        "/api/v5/orders/9" => no(json!({"combinedTo": {"id": 1}})),
        "/api/v5/users" => {
            let users =
                json!([{"id": 24, "firstName": "Анна", "lastName": "Иванова", "active": false}]);
            Some((200, json!({"success": true, "users": users})))
        }
        _ => None,
    }
}

#[tokio::test]
async fn an_order_by_id_has_the_shape_of_the_offer() {
    let (crm, url) = Double::start(shop).await;
    let account = account_at(&url, "");
    let fact = by_id(&account, 1, None, now()).await;
    let wanted = json!({"id": 1, "number": "1A", "externalId": null,
        "createdAt": "2026-11-20T09:00:00Z", "status": "new", "status_group": "new",
        "statusUpdatedAt": "2026-11-20T09:30:00Z", "site": "main", "orderMethod": null,
        "orderType": null, "managerId": 24, "manager": "Иванова Анна", "totalSumm": "1290.55",
        "currency": "RUB", "firstName": "Анна", "lastName": null, "phone": "8 999 000-00-01", "additionalPhone": "79990000002",
        "email": null, "customer": {"id": 5, "phones": ["79990000003"], "email": "a@example.test"},
        "source": {"source": "google", "medium": "cpc"}, "customFields": {}, "count": null});
    assert_eq!(fact, wanted);
    assert_eq!(crm.heard("/users").len(), 1);
    // Who is not active, may be again: but not every second.
    by_id(&account, 2, None, now()).await;
    assert_eq!(crm.heard("/users").len(), 1);
}

#[tokio::test]
async fn those_that_the_list_does_not_show_are_read_alone() {
    let (crm, url) = Double::start(shop).await;
    let account = account_at(&url, "");
    for (id, found) in [(7, true), (8, false), (9, false)] {
        assert_eq!(by_id(&account, id, None, now()).await.is_null(), !found, "{id}");
    }
    assert_eq!(crm.heard("/orders/7").len(), 1);
    for input in [json!({"id": "x"}), json!({"customer": "x"}), json!({})] {
        let answer = account.ask(&query(input, None), now()).await;
        assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    }
}

#[tokio::test]
async fn questions_that_come_together_are_one_request() {
    let (crm, url) = Double::start(shop).await;
    let account = account_at(&url, "timezone = \"Europe/Moscow\"");
    by_id(&account, 1, None, now()).await;
    let asked = (10..40).map(|id| by_id(&account, id, None, now()));
    let facts = futures_util::future::join_all(asked).await;
    let right = |(id, fact): (i64, &Value)| fact["id"] == id;
    assert!((10..40).zip(&facts).all(right));
    let heard = crm.heard("/orders");
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[1].ids, (10..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_day_is_listed_page_by_page_and_answers_what_is_not_newer() {
    let (crm, url) = Double::start(shop).await;
    let account = account_at(&url, "");
    let day = "2026-11-20".parse().unwrap();
    let mut all = Vec::new();
    for page in 1.. {
        let read = account.listed("order", day, page, now()).await.unwrap();
        assert_eq!(read.total, Some(250));
        all.extend(read.rows);
        if !read.more {
            assert_eq!(page, 3);
            break;
        }
    }
    assert_eq!((all.len(), all[0].id.as_str()), (250, "1"));
    assert_eq!(all[0].made.to_string(), "2026-11-20T09:00:00Z");
    assert_eq!(all[0].fields["manager"], "Иванова Анна");
    assert_eq!(crm.heard("/orders")[0].field("filter[createdAtFrom]"), "2026-11-20");

    let lists = crm.heard("/orders").len();
    let soon = now() + SignedDuration::from_secs(30);
    assert_eq!(by_id(&account, 200, Some(now()), soon).await, all[199].fields);
    assert_eq!(crm.heard("/orders").len(), lists);
    // Newer than the list, of no age, or written by us since.
    by_id(&account, 200, Some(soon), soon).await;
    by_id(&account, 200, None, soon).await;
    account.pages.forget(200);
    by_id(&account, 200, Some(now()), soon).await;
    assert_eq!(crm.heard("/orders").len(), lists + 3);
    // What was read by id answers as well.
    by_id(&account, 200, Some(soon), soon).await;
    assert_eq!(crm.heard("/orders").len(), lists + 3);

    let error = account.listed("deal", day, 1, now()).await.unwrap_err();
    assert!(error.why.contains("`deal`"));
}

#[tokio::test]
async fn a_key_that_may_not_read_users_leaves_managers_without_a_name() {
    let (_crm, url) = Double::start(|heard| match heard.path.as_str() {
        "/api/v5/users" => Some((403, json!({"success": false, "errorMsg": "Access denied."}))),
        _ => shop(heard),
    })
    .await;
    let account = account_at(&url, "");
    assert_eq!(by_id(&account, 1, None, now()).await["manager"], Value::Null);
}

#[tokio::test]
async fn the_zone_is_the_settings_or_the_accounts() {
    let (_crm, url) = Double::start(shop).await;
    let name = |zone: TimeZone| zone.iana_name().map(str::to_owned);
    let account = account_at(&url, "");
    assert_eq!(name(account.zone()).as_deref(), Some("UTC"));
    by_id(&account, 1, None, now()).await;
    assert_eq!(name(account.zone()).as_deref(), Some("Europe/Moscow"));
    let account = account_at(&url, "timezone = \"Asia/Omsk\"");
    assert_eq!(name(account.zone()).as_deref(), Some("Asia/Omsk"));
}
