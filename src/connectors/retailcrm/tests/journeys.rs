//! Questions, writes, looks and set-up, against the scripted far side.

use super::double::{Double, Heard};
use super::*;
use crate::domain::KnownId;
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn query(name: &str, input: Value, known: &[&str]) -> Query {
    Query {
        job: None,
        connection: "shop".into(),
        name: name.into(),
        input: input.as_object().unwrap().clone(),
        known: known
            .iter()
            .map(|id| KnownId { id: (*id).to_owned(), made: now(), from: "contact".into() })
            .collect(),
        since: None,
        among: Vec::new(),
    }
}

fn effect(operation: &str, input: Value) -> Effect {
    Effect {
        connection: "shop".into(),
        operation: operation.into(),
        input: input.as_object().unwrap().clone(),
        key: "call:900000001".into(),
    }
}

fn found(key: &str, rows: Value, pages: usize) -> Option<(u16, Value)> {
    Some((200, json!({"success": true, key: rows, "pagination": {"totalPageCount": pages}})))
}

fn no(status: u16, message: &str) -> Option<(u16, Value)> {
    Some((status, json!({"success": false, "errorMsg": message})))
}

fn person(id: i64, created: &str, phone: &str) -> Value {
    json!({"type": "customer", "id": id, "createdAt": created, "phones": [{"number": phone}],
        "customFields": [], "email": ""})
}

#[tokio::test]
async fn the_newest_of_all_spellings_and_pages_is_taken() {
    let (crm, url) = Double::start(|heard: &Heard| {
        if heard.path != "/api/v5/customers" {
            return None;
        }
        assert_eq!(heard.field("limit"), "100");
        match (heard.field("filter[name]"), heard.field("page")) {
            ("9990000001", "1") => found(
                "customers",
                json!([
                    person(5, "2026-01-01 10:00:00", "8 (999) 000-00-01"),
                    person(9, "2026-09-01 10:00:00", "79990000011"),
                    {"type": "customer_corporate", "id": 8, "createdAt": "2026-09-01 10:00:00",
                        "phones": [{"number": "79990000001"}]}
                ]),
                2,
            ),
            ("9990000001", "2") => {
                found("customers", json!([person(3, "2026-02-01 10:00:00", "79990000001")]), 2)
            }
            ("+79990000001", "1") => {
                found("customers", json!([person(4, "2026-02-01 10:00:00", "+79990000001")]), 1)
            }
            _ => found("customers", json!([]), 0),
        }
    })
    .await;
    let account = account_at(&url, "");
    let asked = query("customer", json!({"phone": "89990000001", "pick": "newest"}), &[]);
    let Answer::Known(fact) = account.ask(&asked, now()).await else { panic!("no answer") };
    assert_eq!((&fact["id"], &fact["matches"]), (&json!(4), &json!(3)));
    assert_eq!(fact["createdAt"], "2026-02-01T07:00:00Z");
    // Two pages of the national digits, `+7…`, `8…`; `79990000001` was found already.
    assert_eq!(crm.heard("/customers").len(), 4);

    // The references of the first question serve the second one.
    account.ask(&asked, now()).await;
    assert_eq!(crm.heard("/settings").len(), 1);
    account.ask(&asked, now() + SignedDuration::from_mins(11)).await;
    assert_eq!(crm.heard("/settings").len(), 2);
}

#[tokio::test]
async fn known_customers_are_verified_and_merged_ones_followed() {
    let (crm, url) = Double::start(|heard: &Heard| match heard.path.as_str() {
        "/api/v5/customers/1" => {
            assert_eq!(heard.field("by"), "id");
            Some((404, json!({"success": false, "errorMsg": "Not found", "combinedTo": {"id": 2}})))
        }
        "/api/v5/customers/2" => {
            let survivor = person(2, "2026-02-01 10:00:00", "");
            Some((200, json!({"success": true, "customer": survivor})))
        }
        "/api/v5/customers/6" => {
            let other = person(6, "2026-10-01 10:00:00", "79990000006");
            Some((200, json!({"success": true, "customer": other})))
        }
        "/api/v5/customers/7" => no(404, "Not found"),
        "/api/v5/customers" => found("customers", json!([]), 0),
        _ => None,
    })
    .await;
    let account = account_at(&url, "");
    let asked = query("customer", json!({"phone": "79990000001"}), &["7", "6", "x", "1"]);
    let Answer::Known(fact) = account.ask(&asked, now()).await else { panic!("no answer") };
    assert_eq!((&fact["id"], &fact["matches"]), (&json!(2), &json!(1)));
    assert_eq!(crm.heard("/customers/6").len(), 1);
}

#[tokio::test]
async fn a_question_without_a_contact_asks_nobody() {
    let (crm, url) = Double::start(|_| None).await;
    let account = account_at(&url, "");
    for input in [json!({"phone": "anonymous"}), json!({"email": "nobody"}), json!({})] {
        let answer = account.ask(&query("customer", input, &["5"]), now()).await;
        assert_eq!(answer, Answer::Known(Value::Null));
    }
    assert!(crm.heard("").is_empty());
}

#[tokio::test]
async fn too_many_pages_are_refused_not_cut_off() {
    let (_crm, url) = Double::start(|heard: &Heard| {
        let one = json!([person(1, "2026-01-01 10:00:00", "1")]);
        heard.path.ends_with("/customers").then(|| found("customers", one, 99))?
    })
    .await;
    let asked = query("customer", json!({"phone": "79990000001"}), &[]);
    let Answer::Refused(why) = account_at(&url, "").ask(&asked, now()).await else {
        panic!("no refusal")
    };
    assert!(why.contains("more than 1000"), "{why}");
}

fn order(id: i64, created: &str, whose: (i64, i64), status: &str) -> Value {
    json!({"id": id, "number": format!("{id}A"), "createdAt": created, "status": status,
        "totalSumm": 1290.5, "customer": {"id": whose.0}, "contact": {"id": whose.1},
        "customFields": {"calltouch_site_id": 4242}})
}

#[tokio::test]
async fn the_newest_order_of_the_person_is_taken_with_its_group() {
    let (_crm, url) = Double::start(|heard: &Heard| {
        if heard.path != "/api/v5/orders" {
            return None;
        }
        assert_eq!(heard.field("filter[customerId]"), "17");
        let rows = json!([
            order(5, "2026-05-01 10:00:00", (17, 17), "new"),
            // A company's order, whose person is the customer.
            order(6, "2026-06-01 10:00:00", (90, 17), "complete"),
            // A company's order of somebody else, and one that moved between two pages.
            order(7, "2026-07-01 10:00:00", (90, 18), "new"),
            order(5, "2026-05-01 10:00:00", (17, 17), "new"),
        ]);
        found("orders", rows, 1)
    })
    .await;
    let account = account_at(&url, "");
    let answer = account.ask(&query("order", json!({"customer": "17"}), &[]), now()).await;
    let Answer::Known(fact) = answer else { panic!("{answer:?}") };
    assert_eq!((&fact["id"], &fact["count"]), (&json!(6), &json!(2)));
    assert_eq!((&fact["status_group"], &fact["totalSumm"]), (&json!("complete"), &json!("1290.5")));
    assert_eq!(fact["customFields"]["calltouch_site_id"], "4242");
}

#[tokio::test]
async fn an_unknown_status_is_looked_up_once_more_and_only_once() {
    let (crm, url) = Double::start(|heard: &Heard| {
        let rows = json!([order(5, "2026-05-01 10:00:00", (17, 17), "dreaming")]);
        heard.path.ends_with("/orders").then(|| found("orders", rows, 1))?
    })
    .await;
    let account = account_at(&url, "");
    for _ in 0..3 {
        let answer = account.ask(&query("order", json!({"customer": 17}), &[]), now()).await;
        let Answer::Known(fact) = answer else { panic!("{answer:?}") };
        assert_eq!(fact["status_group"], Value::Null);
    }
    assert_eq!(crm.heard("/statuses").len(), 2);
}

#[tokio::test]
async fn callers_that_come_together_share_one_reading() {
    let (crm, url) = Double::start(|heard: &Heard| {
        heard.path.ends_with("/orders").then(|| found("orders", json!([]), 0))?
    })
    .await;
    let account = account_at(&url, "");
    let asked = query("order", json!({"customer": 17}), &[]);
    let all = (0..8).map(|_| account.ask(&asked, now()));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer, Answer::Known(Value::Null));
    }
    assert_eq!(crm.heard("/statuses").len(), 1);
}

#[tokio::test]
async fn a_new_order_goes_to_the_first_store_that_the_key_sees() {
    let (crm, url) = Double::start(|heard: &Heard| {
        heard.post.then(|| {
            (201, json!({"success": true, "id": 7146, "order": {"id": 7146, "number": "7146A"}}))
        })
    })
    .await;
    let account = account_at(&url, "");
    let outcome = account
        .perform(
            &effect("order.create", json!({"customer": 17, "customFields": {"utm_term": "x"}})),
            now(),
        )
        .await;
    assert_eq!(outcome, Outcome::Done(json!({"id": 7146, "number": "7146A"})));
    let sent = crm.heard("/orders/create").remove(0);
    assert_eq!(sent.field("site"), "main");
    let sent: Value = serde_json::from_str(sent.field("order")).unwrap();
    let expected = json!({"externalId": "leadlink-call-900000001", "site": "main", "status": "new",
        "customer": {"id": 17}, "customFields": {"utm_term": "x"}});
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn an_effect_with_a_hole_is_not_sent() {
    let (crm, url) = Double::start(|_| None).await;
    let hole = crate::domain::plan::hole("customer", &["id"]);
    let create = effect("order.create", json!({"customer": hole}));
    let outcome = account_at(&url, "").perform(&create, now()).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert!(crm.heard("").is_empty());
}

#[tokio::test]
async fn a_missing_custom_field_waits_for_the_set_up() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let (crm, url) = Double::start(move |heard: &Heard| match heard.path.as_str() {
        "/api/v5/custom-fields" => {
            assert_eq!(heard.field("filter[entity]"), "order");
            let count = counter.load(Ordering::SeqCst);
            let held: Vec<Value> = fields::FIELDS[..count]
                .iter()
                .map(|(code, _)| json!({"code": code, "type": "string", "entity": "order"}))
                .collect();
            found("customFields", json!(held), 1)
        }
        "/api/v5/custom-fields/order/create" => {
            counter.fetch_add(1, Ordering::SeqCst);
            Some((201, json!({"success": true, "code": "x"})))
        }
        "/api/v5/orders/1/edit" => Some((200, json!({"success": true, "id": 1}))),
        _ => None,
    })
    .await;
    let account = account_at(&url, "");
    let edit = effect("order.edit", json!({"order": 1, "customFields": {"utm_term": "x"}}));
    let Outcome::Later(delay) = account.perform(&edit, now()).await else { panic!("not later") };
    assert_eq!(delay.whose, crate::domain::Whose::Setup);
    assert!(delay.why.contains("utm_term") && delay.why.contains("leadlink setup"), "{delay:?}");
    assert!(crm.heard("/edit").is_empty());

    let lines = account.setup().await.unwrap();
    assert_eq!(lines.len(), 9);
    assert!(lines.iter().all(|line| line.contains("created")), "{lines:?}");
    let again = account.setup().await.unwrap();
    assert!(again.iter().all(|line| line.contains("already")), "{again:?}");
    assert_eq!(made.load(Ordering::SeqCst), 9);
    let sent: Value = serde_json::from_str(crm.heard("/create")[0].field("customField")).unwrap();
    assert_eq!(sent["name"], "ID сайта в Calltouch");

    assert_eq!(account.perform(&edit, now()).await, Outcome::Done(json!({"id": 1})));
}

#[tokio::test]
async fn an_order_that_exists_already_is_done() {
    let (crm, url) = Double::start(|heard: &Heard| match heard.path.as_str() {
        "/api/v5/orders/create" => no(400, "Order already exists."),
        "/api/v5/orders" => {
            let held = json!([{"id": 7, "number": "7A", "externalId": "leadlink-call-900000001"}]);
            found("orders", held, 1)
        }
        _ => None,
    })
    .await;
    let create = effect("order.create", json!({"customer": 17}));
    let outcome = account_at(&url, "").perform(&create, now()).await;
    assert_eq!(outcome, Outcome::Done(json!({"id": 7, "number": "7A"})));
    assert_eq!(crm.heard("/orders")[0].field("filter[externalIds][]"), "leadlink-call-900000001");
    // Without external ids the refusal is not ours to explain away.
    let outcome = account_at(&url, "external_ids = false").perform(&create, now()).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_look_finds_what_was_made() {
    let since = now();
    let (_crm, url) = Double::start(|heard: &Heard| match heard.path.as_str() {
        "/api/v5/customers" => found(
            "customers",
            json!([
                // Moscow is three hours ahead: made a minute before and five minutes before.
                person(3, "2026-11-20 12:59:00", "79990000001"),
                person(2, "2026-11-20 12:55:00", "79990000002")
            ]),
            1,
        ),
        "/api/v5/orders" if heard.fields.contains_key("filter[externalIds][]") => {
            found("orders", json!([]), 0)
        }
        "/api/v5/orders" => {
            found("orders", json!([order(8, "2026-11-20 13:00:01", (17, 17), "new")]), 1)
        }
        "/api/v5/orders/8" => Some((
            200,
            json!({"success": true, "order": {"id": 8, "managerComment": "a",
                "customFields": {"calltouch_site_id": "4242"}, "source": {"source": "yandex"}}}),
        )),
        _ => None,
    })
    .await;
    let account = account_at(&url, "");
    let plain = account_at(&url, "external_ids = false");
    let create = json!({"customer": 17, "customFields": {"calltouch_site_id": 4242}});
    let other = json!({"customer": 17, "customFields": {"calltouch_call_id": 1}});
    let edit = json!({"order": 8, "managerComment": "a", "source": {"source": "yandex"},
        "customFields": {"calltouch_site_id": 4242}});
    let unwritten = json!({"order": 8, "managerComment": "b"});
    for (account, operation, input, found) in [
        (&account, "customer.create", json!({"phones": ["89990000001"]}), Some(json!({"id": 3}))),
        (&account, "customer.create", json!({"phones": ["79990000002"]}), None),
        (&account, "order.create", create.clone(), None),
        (&plain, "order.create", create, Some(json!({"id": 8, "number": "8A"}))),
        (&plain, "order.create", other, None),
        (&account, "order.edit", edit, Some(json!({"id": 8}))),
        (&account, "order.edit", unwritten, None),
        (&account, "order.edit", json!({"order": 99, "managerComment": "b"}), None),
    ] {
        let look = account.look(&effect(operation, input.clone()), since, now()).await;
        match found {
            Some(output) => assert_eq!(look, Look::Done(output), "{operation} {input}"),
            // An unknown path (order 99) is the double's 404 without a CRM's `Not found`.
            None => assert!(!matches!(look, Look::Done(_)), "{operation} {input}: {look:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_key_pauses_and_is_not_repeated_in_the_text() {
    let (_crm, url) =
        Double::start(|_| no(403, "Wrong \"apiKey\" value 0123456789abcdef-the-key.")).await;
    let account = account_at(&url, "");
    let create = effect("customer.create", json!({"firstName": "x"}));
    let Outcome::Later(delay) = account.perform(&create, now()).await else { panic!("not later") };
    let probe = account.probe().await.unwrap_err();
    for delay in [delay, probe] {
        assert_eq!(delay.whose, crate::domain::Whose::Access);
        assert!(!delay.why.contains("the-key"), "{delay:?}");
    }
    let problems = account.check().await;
    assert_eq!(problems.len(), 1);
    assert!(!format!("{problems:?}").contains("the-key"), "{problems:?}");
}

#[tokio::test]
async fn a_sound_account_has_no_problems_and_a_bad_one_has_all() {
    let (_crm, url) = Double::start(|_| None).await;
    let sound = account_at(&url, "site = \"main\"\nstatus = \"new\"\norder_method = \"phone\"");
    let problems = sound.check().await;
    assert!(
        problems.iter().all(|found| found.severity == crate::diagnosis::Severity::Note),
        "{problems:#?}"
    );

    let (_crm, url) = Double::start(|heard: &Heard| match heard.path.as_str() {
        "/api/credentials" => Some((
            200,
            json!({"success": true, "scopes": ["order_read"], "siteAccess": "access_selective",
                "sitesAvailable": ["second"]}),
        )),
        "/api/v5/custom-fields" => found(
            "customFields",
            json!([{"code": "utm_term", "type": "integer", "entity": "order"}]),
            1,
        ),
        _ => None,
    })
    .await;
    let bad = account_at(
        &url,
        "site = \"main\"\nstatus = \"lost\"\norder_method = \"app\"\norder_type = \"none\"",
    );
    let shown: String = bad.check().await.iter().fold(String::new(), |mut shown, found| {
        writeln!(shown, "{:?}: {} | {}", found.severity, found.title, found.mend).unwrap();
        shown
    });
    insta::assert_snapshot!("check", shown);
}

#[tokio::test]
async fn an_outage_says_whose_it_is() {
    let status = Arc::new(Mutex::new((502, json!("<html>"))));
    let script = Arc::clone(&status);
    let (_crm, url) = Double::start(move |heard: &Heard| {
        heard.path.ends_with("/orders").then(|| script.lock().unwrap().clone())
    })
    .await;
    let account = account_at(&url, "");
    for (answer, whose) in [
        ((502, json!("<html>")), crate::domain::Whose::Connection),
        ((503, json!({"success": false, "errorMsg": "x"})), crate::domain::Whose::Item),
        ((200, json!("not json")), crate::domain::Whose::Connection),
        ((405, json!("<html>")), crate::domain::Whose::Access),
    ] {
        *status.lock().unwrap() = answer;
        let answer = account.ask(&query("order", json!({"customer": 1}), &[]), now()).await;
        let Answer::Later(delay) = answer else { panic!("{answer:?}") };
        assert_eq!(delay.whose, whose);
    }
}
