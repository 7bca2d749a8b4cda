//! How leads arrive: late, twice, in the wrong order, without their id, without contacts. Invariant:
//! one lead is one job, decided on its fullest form and never before its time.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use leadlink::domain::JobState;
use leadlink::store::Counts;
use rstest::rstest;
use serde_json::{Value, json};

const PHONE: &str = "79990000001";
const EMAIL: &str = "client@example.test";

fn minute() -> SignedDuration {
    SignedDuration::from_secs(61)
}

async fn house() -> House {
    House::start(Plan { poll_every: "20s", ..Plan::default() }).await
}

/// When the only write happened, by the CRM's clock.
async fn written_at(house: &House) -> Timestamp {
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let at = text(&ledger.made_orders()[0]["writes"][0]["at"]);
    at.parse().expect("a time")
}

async fn registered(house: &House, id: &str) -> Timestamp {
    let stories = house.story(id).await;
    assert_eq!(stories.len(), 1, "{stories:?}");
    stories[0].event.registered
}

#[rstest]
#[case::call("call")]
#[case::request("request")]
#[case::chat("chat")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_in_the_first_minute(#[case] noun: &str) {
    let mut house = house().await;
    let sent = house.lead(json!({ "type": noun, "phone": PHONE, "deliveries": 1 })).await;
    let id = text(&sent["lead"]["id"]);
    house.routed().await;
    let due = registered(&house, &id).await + SignedDuration::from_mins(1);
    // Three seconds are left for a slow machine.
    let until = due.duration_since(house.now()) - SignedDuration::from_secs(3);
    house.advance(until).await;
    house.settled().await;
    if house.now() < due {
        house.ledger().await.assert_nothing_written();
    }
    house.advance(SignedDuration::from_secs(4)).await;
    house.settled().await;
    let at = written_at(&house).await;
    assert!(at >= due, "written at {at}, due at {due}");
}

#[rstest]
#[case::call("call")]
#[case::request("request")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_webhook_heals_by_the_journal(#[case] noun: &str) {
    let mut house = house().await;
    let sent = house
        .lead(json!({
            "type": noun, "phone": PHONE, "subject": "Форма", "drop": true, "duration": 30,
            "waiting": 5, "utm_source": "yandex",
        }))
        .await;
    let lead = &sent["lead"];
    // Nobody asks for it: the poll comes by itself, in time.
    let came = |counts: &Counts| counts.waiting + counts.deciding + counts.acted == 1;
    for _ in 0..20 {
        if came(&house.routed().await) {
            break;
        }
        house.advance(SignedDuration::from_secs(7)).await;
    }
    house.until("polled", came).await;
    let at: Timestamp = text(&lead["at"]).parse().expect("a time");
    // The end of a call, the creation of a request.
    let talk = if noun == "call" { 35 } else { 0 };
    let end = at + SignedDuration::from_secs(talk);
    assert_eq!(registered(&house, &text(&lead["id"])).await, end);
    house.ended().await;
    assert!(written_at(&house).await >= end + SignedDuration::from_mins(1));
    let ledger = house.ledger().await;
    let field = format!("calltouch_{noun}_id");
    assert_eq!(ledger.made_orders()[0]["custom_fields"][field], text(&lead["id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_after_the_journal_registers_the_lead_it_finds() {
    let mut house = house().await;
    // The journal alone would be due a minute after the call's end, which is two hours ahead.
    let sent = house.lead(json!({ "type": "request", "drop": true, "email": EMAIL })).await;
    let id = text(&sent["lead"]["id"]);
    house.polled().await;
    let status = house
        .post(&[
            ("leadtype", "request"),
            ("requestId", &id),
            ("callerphone", PHONE),
            ("fio", "Иван"),
            ("subject", "Форма"),
        ])
        .await;
    assert_eq!(status, 200);
    house.routed().await;
    house.advance(minute()).await;
    house.settled().await;
    house.polled().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    // Both arrivals are one lead: the phone of the hook, the e-mail of the journal.
    let customer = ledger.made_customers()[0];
    assert_eq!(customer["phones"], json!([PHONE]));
    assert_eq!(customer["email"], EMAIL);
    assert_eq!(customer["first_name"], format!("Форма от Иван {PHONE}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_after_the_decision_changes_nothing() {
    let mut house = house().await;
    house.lead(json!({ "type": "call", "phone": PHONE, "journal_delay_ms": 150_000 })).await;
    house.advance(minute()).await;
    house.settled().await;
    house.ledger().await.assert_one_of_each();
    house.advance(SignedDuration::from_mins(3)).await;
    house.polled().await;
    house.advance(minute()).await;
    let counts = house.settled().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (1, 0, 0), "{counts:?}");
    house.ledger().await.assert_one_of_each();
    let deliveries = &house.story("call:900000001").await[0].deliveries;
    let channels: Vec<&str> = deliveries.iter().map(|delivery| delivery.channel.as_str()).collect();
    assert_eq!(channels, ["hook", "calls"]);
}

/// A call hook without its id: the journal brings it before the decision, or a while after it.
#[rstest]
#[case::before_the_decision(0)]
#[case::after_the_first_look(90_000)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_without_id_is_the_call_of_the_journal(#[case] journal_delay_ms: u64) {
    let mut house = House::start(Plan { poll_every: "1h", ..Plan::default() }).await;
    let sent = house
        .lead(json!({
            "type": "call", "phone": PHONE, "omit": ["id"], "duration": 20, "waiting": 4,
            "journal_delay_ms": journal_delay_ms,
        }))
        .await;
    let id = text(&sent["lead"]["id"]);
    house.ended().await;
    // The journal's own record comes last and is the same lead.
    house.polled().await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let order = ledger.made_orders()[0];
    assert_eq!(order["custom_fields"]["calltouch_call_id"], id);
    assert_eq!(order["external_id"], format!("leadlink-call-{id}"));
    assert_eq!(house.story(&id).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_contacts_takes_them_from_the_journal() {
    let mut house = House::start(Plan { poll_every: "1h", ..Plan::default() }).await;
    house
        .lead(json!({
            "type": "request", "email": EMAIL, "name": "Иван", "subject": "Форма",
            "omit": ["callerphone", "email"],
        }))
        .await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(ledger.made_customers()[0]["email"], EMAIL);
    assert_eq!(ledger.made_customers()[0]["first_name"], format!("Форма от Иван {EMAIL}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_without_site_is_the_connections_own() {
    let mut house = house().await;
    house
        .lead(json!({
            "type": "call", "phone": PHONE, "omit": ["siteId", "siteName"], "journal": false,
        }))
        .await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(ledger.made_orders()[0]["custom_fields"]["calltouch_site_id"], "4242");
}

/// What is answered with 200, kept, and acted upon by nobody.
#[rstest]
#[case::a_foreign_site(json!({ "fields": { "siteId": "999" } }), "site 999")]
#[case::a_test_delivery(json!({ "test": true }), "a test delivery")]
#[case::an_unknown_lead_type(json!({ "fields": { "leadtype": "fax" } }), "leadtype `fax`")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_lead_of_ours_is_kept_unread(#[case] more: Value, #[case] reason: &str) {
    let mut house = house().await;
    let mut lead = json!({ "type": "call", "phone": PHONE, "journal": false, "deliveries": 1 });
    for (name, value) in more.as_object().into_iter().flatten() {
        lead[name] = value.clone();
    }
    let sent = house.lead(lead).await;
    assert_eq!(sent["deliveries"][0]["status"], 200);
    house.ended().await;
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.unreadable, counts.acted, counts.skipped), (1, 0, 0), "{counts:?}");
    let reasons = house.sql("select why from raw where state = 'unreadable'").await;
    assert!(reasons[0].contains(reason), "{reasons:?}");
    house.ledger().await.assert_nothing_written();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_of_one_person_at_one_moment_make_one_order() {
    let mut house = house().await;
    let at = house.now();
    // Two calls of one second, and a form that is sent during them.
    let lead = |noun: &str| json!({ "type": noun, "phone": PHONE, "at": at, "deliveries": 2, "parallel": true });
    let sent = tokio::join!(
        house.lead(lead("call")),
        house.lead(lead("call")),
        house.lead(lead("request")),
        house.lead(lead("chat")),
    );
    assert_ne!(sent.0["lead"]["id"], sent.1["lead"]["id"]);
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (1, 3, 0), "{counts:?}");
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let reasons = house.sql("select decision from decision").await;
    let marked = reasons.iter().filter(|reason| reason.contains("\"marked\"")).count();
    assert_eq!(marked, 3, "{reasons:?}");
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_and_an_email_of_one_customer_write_once() {
    let mut house = house().await;
    for round in 0..12 {
        let (phone, email) = (format!("79990001{round:03}"), format!("both{round}@example.test"));
        let customer =
            house.customer(json!({ "firstName": "Иван", "phones": [phone], "email": email })).await;
        if round % 2 == 0 {
            house.order(json!({ "customer": { "id": customer }, "status": "new" })).await;
        }
        tokio::join!(
            house.lead(json!({ "type": "call", "phone": phone })),
            house.lead(json!({ "type": "request", "email": email })),
        );
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (12, 12, 0), "{counts:?}");
    let ledger = house.ledger().await;
    assert!(ledger.made_customers().is_empty());
    assert_eq!(ledger.writes().len(), 12, "{:#}", ledger.0["orders"]);
    assert_eq!(ledger.made_orders().len(), 6);
    ledger.assert_no_customer_edited();
}

/// Both are due at one time; the first one makes the customer that the second one must find.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_after_a_phone_and_email_finds_the_customer_of_both() {
    let mut house = house().await;
    for round in 0..8 {
        let (phone, email) = (format!("79990002{round:03}"), format!("new{round}@example.test"));
        house.lead(json!({ "type": "request", "phone": phone, "email": email })).await;
        house.lead(json!({ "type": "chat", "email": email })).await;
    }
    house.advance(minute()).await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (8, 8, 0), "{counts:?}");
    let ledger = house.ledger().await;
    assert_eq!(ledger.made_customers().len(), 8, "{:#}", ledger.0["customers"]);
    assert_eq!(ledger.made_orders().len(), 8);
    assert_eq!(ledger.0["duplicates"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_without_contacts_is_decided_when_a_fuller_arrival_comes() {
    let mut house = house().await;
    let sent = house.lead(json!({ "type": "request", "name": "Иван", "journal": false })).await;
    let id = text(&sent["lead"]["id"]);
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (0, 1), "{counts:?}");
    assert_eq!(house.story(&id).await[0].jobs[0].state, JobState::Incomplete);
    house.ledger().await.assert_nothing_written();
    house.advance(SignedDuration::from_mins(30)).await;
    let fuller =
        [("leadtype", "request"), ("requestId", id.as_str()), ("email", EMAIL), ("fio", "Иван")];
    assert_eq!(house.post(&fuller).await, 200);
    assert_eq!(house.post(&fuller).await, 200);
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    // And once more with a phone: it was decided, so nothing follows.
    let mut again = fuller.to_vec();
    again.push(("callerphone", PHONE));
    assert_eq!(house.post(&again).await, 200);
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_lead_is_decided_on_its_fullest_form() {
    let mut house = house().await;
    let common = [("leadtype", "request"), ("requestId", "700000001"), ("subject", "Форма")];
    let mut first = common.to_vec();
    first.push(("callerphone", PHONE));
    assert_eq!(house.post(&first).await, 200);
    house.routed().await;
    house.advance(SignedDuration::from_secs(20)).await;
    let mut second = common.to_vec();
    second.extend([("fio", "Иван"), ("email", EMAIL), ("utm_source", "yandex")]);
    assert_eq!(house.post(&second).await, 200);
    house.routed().await;
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let customer = ledger.made_customers()[0];
    assert_eq!(customer["first_name"], format!("Форма от Иван {PHONE}"));
    assert_eq!(customer["email"], EMAIL);
    assert_eq!(ledger.made_orders()[0]["custom_fields"]["utm_source"], "yandex");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_of_a_call_is_kept_and_acts_on_nothing() {
    let mut house = house().await;
    house.lead(json!({ "type": "call", "phone": PHONE, "phase": "start", "journal": false })).await;
    let counts = house.ended().await;
    assert_eq!((counts.unreadable, counts.waiting, counts.acted, counts.skipped), (0, 0, 0, 0));
    assert_eq!(house.sql("select kind from event").await, ["call.started"]);
    house.ledger().await.assert_nothing_written();
    // Both phases of one call, the end before the start.
    house
        .lead(json!({
            "type": "call", "phone": PHONE, "phase": "both", "reorder": true, "duration": 9,
        }))
        .await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hidden_number_is_skipped_with_its_reason() {
    let mut house = house().await;
    let sent = house.lead(json!({ "type": "call", "phone": "" })).await;
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (0, 1, 0), "{counts:?}");
    let story = house.story(&text(&sent["lead"]["id"])).await;
    let because = serde_json::to_string(&story[0].jobs[0].decisions).expect("JSON");
    assert!(because.contains("requires phone"), "{because}");
    house.ledger().await.assert_nothing_written();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_before_the_first_start_makes_no_jobs() {
    let mut house = House::build(Plan { poll_every: "20s", ..Plan::default() }).await;
    assert!(house.command(&["setup"]).status.success());
    let before = house.now() - SignedDuration::from_mins(10);
    house.lead(json!({ "type": "call", "phone": PHONE, "at": before, "drop": true })).await;
    house.lead(json!({ "type": "request", "phone": PHONE, "at": before, "drop": true })).await;
    house.run().await;
    house.polled().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": "79990000002", "drop": true })).await;
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (1, 0), "{counts:?}");
    // They are in the journal nevertheless.
    assert_eq!(house.sql("select key from event").await.len(), 3);
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(ledger.made_customers()[0]["phones"], json!(["79990000002"]));
}

/// Journals carry whole seconds, so such a lead looks older than the first start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_of_the_first_second_is_not_lost() {
    let mut house = House::build(Plan { poll_every: "20s", ..Plan::default() }).await;
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.lead(json!({ "type": "call", "phone": PHONE, "drop": true })).await;
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (1, 0), "{counts:?}");
    house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_days_is_made_up_for_up_to_the_age_limit() {
    let mut house = house().await;
    house.polled().await;
    assert_eq!(house.stop(), Some(0));
    house.lead(json!({ "type": "call", "phone": PHONE, "drop": true })).await;
    house.advance(SignedDuration::from_hours(3 * 24)).await;
    house.lead(json!({ "type": "call", "phone": "79990000002", "drop": true })).await;
    house.advance(SignedDuration::from_hours(5 * 24)).await;
    house.run().await;
    house.polled().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (1, 1, 0), "{counts:?}");
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    assert_eq!(ledger.made_customers()[0]["phones"], json!(["79990000002"]));
    let story = house.story(PHONE).await;
    let because = serde_json::to_string(&story[0].jobs[0].decisions).expect("JSON");
    assert!(because.contains("older than max_age"), "{because}");
}
