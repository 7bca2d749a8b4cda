//! The account against the stand-in of the CRM, with its quirks and faults.

use super::*;
use crate::diagnosis::Severity;
use crate::domain::Whose;
use crate::sandbox::switches::{Listing, PhoneMatch, TooFast};
use crate::sandbox::{Fault, Options, Rule, Sandbox, Side, Store};
use serde_json::json;

pub(super) async fn start(rate: Option<u32>) -> Sandbox {
    let stores = [("late", 20), ("main", 10)].map(|(code, ordering)| Store {
        code: code.into(),
        name: code.into(),
        ordering,
    });
    let stores = stores.into();
    Sandbox::start(Options { crm_rps: rate, stores, ..Options::default() }).await.unwrap()
}

pub(super) fn account_of(crm: &Sandbox, extra: &str) -> Account {
    account_with(&crm.crm_url(), crm.api_key(), &format!("requests_per_second = 1000\n{extra}"))
}

pub(super) fn now() -> Timestamp {
    crate::clock::Clock::default().now()
}

pub(super) fn effect(operation: &str, key: &str, input: Value) -> Effect {
    Effect {
        connection: "shop".into(),
        operation: operation.into(),
        input: input.as_object().unwrap().clone(),
        key: key.into(),
    }
}

async fn fact(account: &Account, name: &str, input: Value) -> Value {
    let query = Query {
        job: None,
        connection: "shop".into(),
        name: name.into(),
        input: input.as_object().unwrap().clone(),
        known: Vec::new(),
        since: None,
        among: Vec::new(),
    };
    match account.ask(&query, now()).await {
        Answer::Known(fact) => fact,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn done(account: &Account, effect: &Effect) -> Value {
    match account.perform(effect, now()).await {
        Outcome::Done(output) => output,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lead_becomes_a_customer_and_an_order() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let lines = account.setup().await.unwrap();
    assert!(lines.iter().all(|line| line.contains("created")), "{lines:?}");
    let problems = account.check().await;
    assert!(problems.iter().all(|found| found.severity == Severity::Note), "{problems:#?}");

    assert_eq!(fact(&account, "customer", json!({"phone": "79990000001"})).await, Value::Null);
    let name = json!({"firstName": "Звонок от 79990000001", "phones": ["79990000001"]});
    let customer = done(&account, &effect("customer.create", "call:1", name)).await;
    let found = fact(&account, "customer", json!({"phone": "8 (999) 000-00-01"})).await;
    assert_eq!((&found["id"], &found["matches"]), (&customer["id"], &json!(1)));
    let order = fact(&account, "order", json!({"customer": customer["id"]})).await;
    assert_eq!(order, Value::Null);

    let input = json!({"customer": customer["id"], "phone": "79990000001",
        "customFields": {"calltouch_site_id": 4242, "calltouch_call_id": 1, "utm_source": "yandex"}});
    let create = effect("order.create", "call:1", input);
    let made = done(&account, &create).await;
    let order = fact(&account, "order", json!({"customer": customer["id"]})).await;
    assert_eq!((&order["id"], &order["number"]), (&made["id"], &made["number"]));
    assert_eq!((&order["site"], &order["status"]), (&json!("main"), &json!("new")));
    assert_eq!(order["status_group"], "new");
    assert_eq!(order["externalId"], "leadlink-call-1");
    assert_eq!(order["customFields"]["calltouch_call_id"], "1");

    // The same effect once more is the same order.
    assert_eq!(done(&account, &create).await, made);
    assert_eq!(account.look(&create, now(), now()).await, Look::Done(made.clone()));

    let input = json!({"order": made["id"], "status": "complete",
        "customFields": {"calltouch_request_id": 7}, "source": {"source": "yandex"}});
    let edit = effect("order.edit", "request:7", input);
    assert_eq!(account.look(&edit, now(), now()).await, Look::Absent);
    done(&account, &edit).await;
    assert_eq!(account.look(&edit, now(), now()).await, Look::Done(json!({"id": made["id"]})));
    let order = fact(&account, "order", json!({"customer": customer["id"]})).await;
    assert_eq!(order["status_group"], "complete");
    assert_eq!(crm.ledger().orders.len(), 1);
    assert_eq!(crm.ledger().customers.len(), 1);
}

#[tokio::test]
async fn the_newest_is_found_however_the_crm_searches_and_sorts() {
    let crm = start(None).await;
    let spellings = ["89990000001", "79990000001", "+79990000001"];
    let mut ids = Vec::new();
    // More than one page of others with nearly this number, and one newest of each spelling.
    for number in 0..130 {
        let other = json!({"firstName": "Другой", "phones": [{"number": format!("799900000011{number}")}],
            "createdAt": "2026-10-01 10:00:00"});
        crm.seed_customer(other.as_object().unwrap()).unwrap();
    }
    for (day, phone) in spellings.iter().enumerate() {
        let same = json!({"firstName": "Тот же", "phones": [{"number": phone}],
            "createdAt": format!("2026-09-0{} 10:00:00", day + 1)});
        ids.push(crm.seed_customer(same.as_object().unwrap()).unwrap());
    }
    for listing in [Listing::Newest, Listing::Oldest, Listing::Shuffled] {
        for phone_match in [PhoneMatch::Substring, PhoneMatch::Exact, PhoneMatch::Normalized] {
            crm.set_switches(|switches| {
                switches.listing = listing;
                switches.phone_match = phone_match;
            });
            // What an account has learnt of its CRM's search is true of that CRM alone.
            let account = account_of(&crm, "");
            for _ in 0..2 {
                let found = fact(&account, "customer", json!({"phone": "9990000001"})).await;
                let (id, matches) = (json!(ids[2]), json!(3));
                assert_eq!((&found["id"], &found["matches"]), (&id, &matches), "{phone_match:?}");
            }
        }
    }
    for (number, status) in ["complete", "new"].iter().enumerate() {
        let order = json!({"customer": {"id": ids[0]}, "status": status,
            "createdAt": format!("2026-09-1{number} 10:00:00")});
        crm.seed_order(order.as_object().unwrap()).unwrap();
    }
    let account = account_of(&crm, "");
    let order = fact(&account, "order", json!({"customer": ids[0]})).await;
    assert_eq!((&order["status"], &order["count"]), (&json!("new"), &json!(2)));
}

#[tokio::test]
async fn faults_end_as_what_they_are() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    account.setup().await.unwrap();
    let input = |number: usize| json!({"firstName": format!("Человек {number}"), "phones": [format!("7999000010{number}")]});
    let struck = [
        (Fault::LostAnswer, false, "unknown", true),
        (Fault::Garbage, false, "unknown", true),
        (Fault::Html502, true, "unknown", true),
        (Fault::Html502, false, "unknown", false),
        (Fault::Error500, true, "unknown", true),
        (Fault::Empty500, false, "unknown", false),
        (Fault::ResetBefore, false, "unknown", false),
        (Fault::Error503, false, "later Item", false),
        (Fault::Denied, false, "later Access", false),
    ];
    for (number, (fault, after_commit, ended, happened)) in struck.into_iter().enumerate() {
        let rule = Rule::next(Side::Retailcrm, fault, "/customers/create", 1);
        crm.add_fault(Rule { after_commit, ..rule });
        let since = now();
        let create = effect("customer.create", "call:1", input(number));
        let outcome = match account.perform(&create, now()).await {
            Outcome::Unknown(_) => "unknown".to_owned(),
            Outcome::Later(delay) => format!("later {:?}", delay.whose),
            other => panic!("{fault:?}: {other:?}"),
        };
        assert_eq!(outcome, ended, "{fault:?}");
        let look = account.look(&create, since, now()).await;
        assert_eq!(matches!(look, Look::Done(_)), happened, "{fault:?}: {look:?}");
    }

    let customer = done(&account, &effect("customer.create", "call:2", input(20))).await;
    let order = json!({"customer": customer["id"], "customFields": {"calltouch_call_id": 2}});
    let create = effect("order.create", "call:2", order);
    crm.add_fault(Rule::next(Side::Retailcrm, Fault::LostAnswer, "/orders/create", 1));
    assert!(matches!(account.perform(&create, now()).await, Outcome::Unknown(_)));
    let Look::Done(found) = account.look(&create, now(), now()).await else { panic!("absent") };
    assert_eq!(done(&account, &create).await, found);
    let unmarked = account_of(&crm, "external_ids = false");
    assert_eq!(unmarked.look(&create, now(), now()).await, Look::Done(found));
    assert_eq!(crm.ledger().orders.len(), 1);
}

#[tokio::test]
async fn keys_are_told_apart() {
    let crm = start(None).await;
    account_of(&crm, "").setup().await.unwrap();
    let wrong = account_with(&crm.crm_url(), "no-such-key-00000000", "requests_per_second = 1000");
    assert_eq!(wrong.probe().await.unwrap_err().whose, Whose::Access);
    assert_eq!(wrong.check().await.len(), 1);

    let powerless =
        account_with(&crm.crm_url(), &crm.powerless_key(), "requests_per_second = 1000");
    let problems = powerless.check().await;
    assert!(problems.iter().any(|found| found.title.contains("order_write")), "{problems:#?}");

    let narrow = account_with(
        &crm.crm_url(),
        &crm.site_key(),
        "requests_per_second = 1000\nsite = \"elsewhere\"",
    );
    let problems = narrow.check().await;
    assert!(
        problems.iter().any(|found| found.title.contains("does not see the store `elsewhere`")),
        "{problems:#?}"
    );
}

#[tokio::test]
async fn no_request_is_too_fast() {
    let crm = start(Some(50)).await;
    crm.set_switches(|switches| switches.too_fast = TooFast::Html503);
    let account = account_with(&crm.crm_url(), crm.api_key(), "requests_per_second = 50");
    let probes = (0..60).map(|_| account.probe());
    let begun = std::time::Instant::now();
    for probe in futures_util::future::join_all(probes).await {
        probe.unwrap();
    }
    // 59 spaces at 50 a second; a busy machine may take its time.
    let took = begun.elapsed().as_secs_f64();
    assert!((59.0 / 50.0..59.0 / 50.0 * 2.0).contains(&took), "{took}");
}

#[tokio::test]
async fn a_manager_is_an_active_user_or_the_effect_is_refused() {
    let crm = start(None).await;
    let account = account_of(&crm, "");
    let customer = |manager: i64| {
        let input = json!({"firstName": "Аня", "phones": ["79990000001"], "managerId": manager});
        effect("customer.create", "call:1", input)
    };
    let refused = account.perform(&customer(77), now()).await;
    assert!(matches!(&refused, Outcome::Refused(why) if why.contains("77")), "{refused:?}");
    assert!(crm.ledger().customers.is_empty());
    done(&account, &customer(2)).await;
    done(&account, &customer(1)).await;
    let asked = crm.ledger().retailcrm.by_path.get("GET /api/v5/users").copied();
    assert_eq!(
        asked.or_else(|| crm.ledger().retailcrm.by_path.get("/api/v5/users").copied()),
        Some(1)
    );
}
