//! The history of orders, triggers and lists, against the scripted far side; entries of all kinds as
//! a snapshot.

use super::double::{Double, Heard};
use super::*;
use crate::domain::Whose;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn raw(channel: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Raw {
    Raw {
        id: 1,
        connection: "shop".into(),
        channel: channel.into(),
        content_type: content_type.into(),
        body: body.into(),
        dedupe_key: String::new(),
        received: now(),
    }
}

fn one(account: &Account, raw: &Raw) -> Event {
    let mut events = account.parse(raw).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// The history as the CRM keeps it: entries become visible when their time has come.
#[derive(Default)]
struct History {
    entries: Mutex<Vec<Value>>,
    /// The CRM's clock, in seconds after ours.
    ahead: AtomicI64,
}

impl History {
    fn add(&self, id: i64, order: i64, field: &str) {
        let entry = json!({"id": id, "createdAt": "2026-11-20 12:59:00", "source": "user",
            "user": {"id": 19}, "field": field, "oldValue": null, "newValue": {"code": "ready"},
            "order": {"id": order, "site": "main", "status": "ready"}});
        self.entries.lock().unwrap().push(entry);
    }

    fn answer(&self, heard: &Heard) -> Option<(u16, Value)> {
        if heard.path != history::TEMPLATE {
            return None;
        }
        assert_eq!((heard.field("limit"), heard.field("page")), ("100", ""));
        let since: i64 = heard.field("filter[sinceId]").parse().unwrap_or(0);
        let mut entries = self.entries.lock().unwrap().clone();
        entries.retain(|entry| {
            let order = heard.field("filter[orderId]");
            let from = heard.field("filter[startDate]");
            entry["id"].as_i64().is_none_or(|id| id > since)
                && (order.is_empty() || entry["order"]["id"].as_i64() == order.parse().ok())
                && entry["createdAt"].as_str().is_none_or(|made| made >= from)
        });
        entries.sort_by_key(|entry| entry["id"].as_i64());
        let pages = entries.len().div_ceil(100);
        entries.truncate(100);
        let clock = now() + SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        let zone = TimeZone::get("Europe/Moscow").unwrap();
        let generated = zone.to_datetime(clock).strftime("%Y-%m-%d %H:%M:%S").to_string();
        Some((
            200,
            json!({"success": true, "generatedAt": generated, "history": entries,
                "pagination": {"limit": 100, "totalCount": 1, "currentPage": 1,
                    "totalPageCount": pages}}),
        ))
    }
}

/// Polls to the end; the ids of what came, in order.
async fn poll(account: &Account, cursor: &mut Option<Value>) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let asked = Poll {
            feed: "orders",
            cursor: cursor.as_ref(),
            first_start: now() - SignedDuration::from_mins(5),
            now: now(),
        };
        let page = account.poll(&asked).await.unwrap();
        keys.extend(page.rows.iter().map(|row| row.dedupe_key.clone()));
        if let Some(next) = page.cursor {
            *cursor = Some(next);
        }
        if !page.more {
            return keys;
        }
    }
}

async fn crm(history: &Arc<History>) -> (Arc<Double>, Account) {
    let history = Arc::clone(history);
    let (crm, url) = Double::start(move |heard| history.answer(heard)).await;
    let account = account_at(&url, "timezone = \"Europe/Moscow\"");
    (crm, account)
}

#[tokio::test]
async fn the_first_poll_begins_at_the_first_start_and_later_ones_at_the_cursor() {
    let history = Arc::new(History::default());
    let (crm, account) = crm(&history).await;
    let mut cursor = None;
    assert!(poll(&account, &mut cursor).await.is_empty());
    assert_eq!(cursor, None);
    history.add(1000, 1, "status");
    assert_eq!(poll(&account, &mut cursor).await, ["history:1000"]);
    assert_eq!(cursor, Some(json!({"v": 1, "since": 1000})));
    let asked = crm.heard("/history");
    assert!(asked.iter().all(|heard| heard.field("filter[startDate]") == "2026-11-20 12:55:00"));

    // 999 and 850 become visible behind 1000; 700 is older than what is read again.
    for id in [999, 850, 700, 1001] {
        history.add(id, 2, "status");
    }
    let keys = poll(&account, &mut cursor).await;
    assert_eq!(keys, ["history:850", "history:999", "history:1000", "history:1001"]);
    assert_eq!(cursor, Some(json!({"v": 1, "since": 1001})));
    assert_eq!(crm.heard("/history").last().unwrap().field("filter[sinceId]"), "800");
}

#[tokio::test]
async fn pages_follow_each_other_by_id_alone() {
    let history = Arc::new(History::default());
    (1..=250).for_each(|id| history.add(id, id, "status"));
    let (crm, account) = crm(&history).await;
    let mut cursor = None;
    assert_eq!(poll(&account, &mut cursor).await.len(), 250);
    let asked: Vec<String> =
        crm.heard("/history").iter().map(|heard| heard.field("filter[sinceId]").into()).collect();
    assert_eq!(asked, ["", "100", "200"]);
    assert_eq!(cursor, Some(json!({"v": 1, "since": 250})));
    // The last 200 are read again.
    assert_eq!(poll(&account, &mut cursor).await.len(), 200);
    assert_eq!(cursor, Some(json!({"v": 1, "since": 250})));
}

#[tokio::test]
async fn the_crms_clock_is_made_ours() {
    let history = Arc::new(History::default());
    history.add(1, 1, "status");
    history.ahead.store(3600, Ordering::Relaxed);
    let (crm, account) = crm(&history).await;
    let asked = Poll { feed: "orders", cursor: None, first_start: now(), now: now() };
    assert!(account.poll(&asked).await.unwrap().rows.is_empty());
    // Now it is known that it is 14:00 over there.
    history.entries.lock().unwrap()[0]["createdAt"] = json!("2026-11-20 14:00:00");
    let page = account.poll(&asked).await.unwrap();
    assert_eq!(crm.heard("/history")[1].field("filter[startDate]"), "2026-11-20 14:00:00");
    let event = one(&account, &page.rows[0]);
    let off = event.registered.duration_since(now()).abs();
    assert!(off <= SignedDuration::from_secs(1), "{off}");
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_and_stops_nothing() {
    let history = Arc::new(History::default());
    history.entries.lock().unwrap().extend([
        json!({"id": 7, "field": "status"}),
        json!({"field": "status", "order": {"id": 1}}),
        json!("no entry"),
        json!({"id": 9, "order": [], "field": []}),
    ]);
    history.add(10, 4, "status");
    let (_crm, account) = crm(&history).await;
    let asked = Poll { feed: "orders", cursor: None, first_start: now(), now: now() };
    // Those that have no time of their own are not filtered out.
    history.entries.lock().unwrap()[4]["createdAt"] = json!("2026-11-20 13:00:00");
    let page = account.poll(&asked).await.unwrap();
    assert_eq!((page.rows.len(), page.cursor), (5, Some(json!({"v": 1, "since": 10}))));
    let read = page.rows.iter().filter(|row| account.parse(row).is_ok()).count();
    assert_eq!(read, 1);
    let keys: std::collections::BTreeSet<_> = page.rows.iter().map(|row| &row.dedupe_key).collect();
    assert_eq!(keys.len(), 5);
}

#[tokio::test]
async fn a_refused_history_is_a_delay() {
    let (_crm, url) = Double::start(|heard| {
        let no = json!({"success": false, "errorMsg": "Errors in the input parameters",
            "errors": {"children[startDate]": "This value is not valid."}});
        (heard.path == history::TEMPLATE).then_some((400, no))
    })
    .await;
    let account = account_at(&url, "");
    let asked = Poll { feed: "orders", cursor: None, first_start: now(), now: now() };
    let delay = account.poll(&asked).await.unwrap_err();
    assert_eq!(delay.whose, Whose::Setup);
    assert!(delay.why.contains("children[startDate]"), "{}", delay.why);
}

/// The entry of a sample as its row.
fn row_of(entry: &Value) -> Raw {
    let body = json!({"registered": "2026-11-20T09:59:58Z", "entry": entry});
    raw("orders", "application/json", body.to_string())
}

#[test]
fn entries_become_events() {
    let account = account("");
    let mut shown = String::new();
    for (name, entry) in samples("history") {
        let read = match account.parse(&row_of(&entry)) {
            Ok(events) => serde_json::to_string_pretty(&events).unwrap(),
            Err(why) => format!("unreadable: {why}"),
        };
        writeln!(shown, "## {name}\n{read}\n").unwrap();
    }
    insta::assert_snapshot!("history", shown);
}

#[test]
fn a_listed_order_is_asked_for() {
    let account = account("");
    let body = r#"{"run":"b7","kind":"order","id":"6722","at":"2026-11-20T09:00:00Z"}"#;
    let event = one(&account, &raw("listed", "application/json", body));
    assert!(event.asked && !event.provisional);
    assert_eq!((event.key.as_str(), &event.fields["id"]), ("listed:b7:6722", &json!("6722")));
    assert_eq!(event.registered.to_string(), "2026-11-20T09:00:00Z");
    assert_eq!(event.fields["status_changed"], true);
    for body in ["", "{}", r#"{"run":"b7","kind":"deal","id":"1"}"#, r#"{"kind":"order","id":"1"}"#]
    {
        assert!(account.parse(&raw("listed", "application/json", body)).is_err(), "{body}");
    }
}

#[test]
fn a_trigger_comes_in_every_dress() {
    let account = account("");
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        (form, "type=order&status=client-confirmed&id=6722&event=status"),
        (form, "?event=STATUS&order_id=6722&status=client-confirmed"),
        ("text/plain; charset=utf-8", "type=order&status=client-confirmed&orderId=6722\n"),
        ("", "id=+6722+&status=client%2Dconfirmed&event=status"),
        ("application/json", r#"{"type":"order","id":6722,"status":"client-confirmed"}"#),
        (form, r#" {"order":{"id":"6722","status":"client-confirmed"},"event":"status"}"#),
    ] {
        let event = one(&account, &raw("hook", kind, body));
        assert_eq!(event.key, "trigger:6722:status:client-confirmed:1795168800", "{body}");
        assert!(event.provisional && !event.asked);
        assert_eq!(event.registered, now());
        let wanted = json!({"id": "6722", "status": "client-confirmed", "field": "trigger",
            "source": "trigger", "created": false, "status_changed": true,
            "changed": "2026-11-20T10:00:00Z"});
        assert_eq!(json!(event.fields), wanted, "{body}");
    }
    let event = one(&account, &raw("hook", form, "type=order&status=&id=6722&event=new"));
    assert_eq!(event.key, "trigger:6722:new::1795168800");
    assert_eq!((event.fields.get("status"), &event.fields["created"]), (None, &json!(true)));
}

#[test]
fn an_unusable_trigger_says_why() {
    let account = account("");
    for (body, why) in [
        ("", "names no order"),
        ("status=new", "names no order"),
        ("id={{ order.id }}&status=new", "is no order's id"),
        ("id=6722A", "is no order's id"),
        ("id=-1", "is no order's id"),
        ("type=customer&id=1", "of type `customer`"),
        ("type=order&id=1&event=deleted", "of the event `deleted`"),
        ("{\"id\":", "no JSON"),
        ("[1]", "names no order"),
    ] {
        let error = account.parse(&raw("hook", "", body)).unwrap_err();
        assert!(error.0.contains(why), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_trigger_waits_for_its_entry_and_takes_its_key() {
    let history = Arc::new(History::default());
    let (crm, account) = crm(&history).await;
    let event = one(&account, &raw("hook", "", "id=5&status=ready&event=status"));
    assert_eq!(account.complete(&event, now()).await, Ok(Completion::NotYet));
    history.add(40, 5, "manager_comment");
    history.add(42, 6, "status");
    assert_eq!(account.complete(&event, now()).await, Ok(Completion::NotYet));
    history.add(41, 5, "status");
    history.add(43, 5, "manager");
    let Ok(Completion::Fuller(found)) = account.complete(&event, now()).await else {
        panic!("not found")
    };
    assert_eq!((found.key.as_str(), found.provisional), ("change:41", false));
    let asked = &crm.heard("/history")[0];
    assert_eq!(asked.field("filter[startDate]"), "2026-11-20 12:58:00");
    assert_eq!(asked.field("filter[orderId]"), "5");

    let mut merged = event.clone();
    assert!(merged.fill_from(&found));
    assert_eq!((merged.key.as_str(), merged.provisional), ("change:41", false));
    assert_eq!((&merged.fields["own"], &merged.fields["site"]), (&json!(false), &json!("main")));
    // Whole events have nothing to be completed.
    assert_eq!(account.complete(&merged, now()).await, Ok(Completion::Never));
    // A new order is found by the entry of its creation alone.
    let event = one(&account, &raw("hook", "", "id=5&status=ready&event=new"));
    assert_eq!(account.complete(&event, now()).await, Ok(Completion::NotYet));
    history.entries.lock().unwrap()[2]["created"] = json!(true);
    assert!(matches!(account.complete(&event, now()).await, Ok(Completion::Fuller(_))));
}

/// JSON with the keys of an entry.
fn any_entry() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["status", "id", "api", "new", "2026-11-20 13:30:06"])
            .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "id",
        "order",
        "entry",
        "registered",
        "field",
        "source",
        "apiKey",
        "current",
        "created",
        "deleted",
        "combinedTo",
        "newValue",
        "oldValue",
        "status",
        "code",
        "run",
        "kind",
        "createdAt",
    ]);
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_entry_panics_and_each_event_names_its_order(entry in any_entry(), listed in any::<bool>()) {
        let account = account("timezone = \"Europe/Moscow\"");
        let row = if listed { raw("listed", "", entry.to_string()) } else { row_of(&entry) };
        for event in account.parse(&row).unwrap_or_default() {
            prop_assert!(event.fields["id"].as_str().is_some_and(|id| id.parse::<i64>().is_ok()));
            let offered = offer::OFFER.event(&event.kind).unwrap().fields;
            for name in event.fields.keys() {
                prop_assert!(offered.iter().any(|field| field.name == name), "{}", name);
            }
        }
    }

    #[test]
    fn no_trigger_panics(body in "(\\{?\"?(id|type|event|order_id)(=|\":)[^&]{0,9}&?){0,4}.{0,6}") {
        let account = account("timezone = \"Europe/Moscow\"");
        if let Ok(events) = account.parse(&raw("hook", "", body)) {
            prop_assert!(events[0].provisional);
        }
    }
}
