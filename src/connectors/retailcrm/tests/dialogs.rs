//! Dialogs of the chats: recorded answers as events, and the account against the stand-in of the Bot
//! API (RC-4 … RC-8).

use super::conversations::{House, done, effect, post, unlimited};
use super::*;
use crate::sandbox::Sandbox;
use crate::sandbox::mg::dialogs::Act;
use crate::sandbox::mg::people::Writing;
use jiff::SignedDuration;
use serde_json::json;

/// As the vendor's client has it recorded (60 is closed, and says that it is active).
const RECORDED: &str = r#"{"id": 60, "chat_id": 30, "begin_message_id": 3540,
    "created_at": "2019-06-11T12:49:26.955306Z", "closed_at": "2019-06-14T14:40:28.684683Z",
    "is_assigned": true, "is_active": true, "responsible": {"type": "user", "id": 12,
    "external_id": "5", "assigned_at": "2019-06-11T12:49:34.716716Z"}}"#;

fn raw(dialog: &Value) -> Raw {
    Raw {
        id: 1,
        connection: "shop".into(),
        channel: "dialogs".into(),
        content_type: String::new(),
        body: json!({ "dialog": dialog }).to_string().into_bytes(),
        dedupe_key: String::new(),
        received: "2026-11-20T10:00:00Z".parse().unwrap(),
    }
}

#[test]
fn a_dialog_was_opened_assigned_and_closed() {
    let account = account("");
    let dialog: Value = serde_json::from_str(RECORDED).unwrap();
    let events = account.parse(&raw(&dialog)).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.key.as_str(), event.registered.to_string()))
        .collect();
    let at = |text: &str| text.to_owned();
    assert_eq!(
        told,
        [
            ("dialog.opened", "dialog:60:opened", at("2019-06-11T12:49:26.955306Z")),
            (
                "dialog.assigned",
                "dialog:60:assigned:5:1560257374",
                at("2019-06-11T12:49:34.716716Z")
            ),
            ("dialog.closed", "dialog:60:closed", at("2019-06-14T14:40:28.684683Z")),
        ]
    );
    let fields = &events[1].fields;
    assert_eq!((&fields["responsible"], &fields["chat_id"]), (&json!("5"), &json!("30")));
    let open = json!({"id": 61, "chat_id": 31, "created_at": "2019-06-11T12:49:26Z",
        "closed_at": null, "responsible": null});
    assert_eq!(account.parse(&raw(&open)).unwrap().len(), 1);
    assert!(account.parse(&raw(&json!({}))).is_err());
}

/// Polls once; the keys of the events that came.
async fn poll(house: &House, crm: &Sandbox, cursor: &mut Option<Value>) -> Vec<String> {
    let now = now(crm);
    let first_start = now - SignedDuration::from_hours(1);
    let asked = Poll { feed: "dialogs", cursor: cursor.as_ref(), first_start, now };
    let page = house.shop.poll(&asked).await.unwrap();
    *cursor = page.cursor.or(cursor.take());
    let parse = |row: &Raw| house.shop.parse(row).unwrap();
    page.rows.iter().flat_map(parse).map(|event| event.key).collect()
}

fn now(crm: &Sandbox) -> Timestamp {
    crm.clock().now()
}

fn act(act: &str) -> Act {
    Act {
        channel: "telegram-main".into(),
        chat: "4711".into(),
        act: act.into(),
        user: 1,
        ..Act::default()
    }
}

async fn told(house: &House, id: u64) -> Value {
    let query = Query {
        connection: "shop".into(),
        name: "dialog".into(),
        input: json!({ "id": id.to_string() }).as_object().unwrap().clone(),
        known: Vec::new(),
        since: None,
        among: Vec::new(),
        job: None,
    };
    match house.shop.ask(&query, Timestamp::UNIX_EPOCH).await {
        Answer::Known(value) => value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn dialogs_are_watched_assigned_and_closed() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    House::of(&crm).shop.setup().await.unwrap();
    // A process that learns what the CRM does not repeat: the address of the gateway.
    let house = House::of(&crm);
    let mut cursor = None;
    assert!(poll(&house, &crm, &mut cursor).await.is_empty());
    done(&house, &post("m1", json!({}))).await;
    assert_eq!(poll(&house, &crm, &mut cursor).await, ["dialog:1:opened"]);
    let dialog = told(&house, 1).await;
    assert_eq!((&dialog["open"], &dialog["channel"]), (&json!(true), &json!("telegram-main")));
    assert!(dialog.get("responsible").is_none() && dialog["distributed"] == json!(false));

    // A manager of the CRM, known by the CRM's id; a dialog has the one whose turn it is.
    let assign = |id: u64, managers: Value| {
        effect("dialog.assign", json!({ "id": id.to_string(), "managers": managers }))
    };
    done(&house, &assign(1, json!(["2", "1"]))).await;
    let dialog = told(&house, 1).await;
    assert_eq!(
        (&dialog["responsible"], &dialog["responsible_kind"]),
        (&json!("1"), &json!("user"))
    );
    let outcome = house.shop.perform(&assign(1, json!(["77"])), now(&crm)).await;
    let Outcome::Refused(why) = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, "the CRM's chats know no manager 77");
    let keys = poll(&house, &crm, &mut cursor).await;
    assert!(keys[1].starts_with("dialog:1:assigned:1:") && keys.len() == 2, "{keys:?}");

    // What a manager writes moves it on, and is no news.
    let writing = Writing {
        channel: "telegram-main".into(),
        chat: "4711".into(),
        text: "Да".into(),
        ..Writing::default()
    };
    crm.write(writing).unwrap();
    assert_eq!(poll(&house, &crm, &mut cursor).await, keys);

    // Closed once, and told; what the person writes then is another dialog (RC-6).
    let close = effect("dialog.close", json!({ "id": "1" }));
    done(&house, &close).await;
    done(&house, &close).await;
    assert_eq!(poll(&house, &crm, &mut cursor).await.last().unwrap(), "dialog:1:closed");
    assert_eq!(told(&house, 1).await["open"], json!(false));
    done(&house, &post("m2", json!({}))).await;
    assert!(poll(&house, &crm, &mut cursor).await.contains(&"dialog:2:opened".to_owned()));
    let outcome = house.shop.perform(&assign(1, json!(["1"])), now(&crm)).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "RC-7: {outcome:?}");

    // Somebody else in the CRM.
    crm.dialog(&act("assign")).unwrap();
    crm.dialog(&Act { distributor: Some(true), ..Act::default() }).unwrap();
    let dialog = told(&house, 2).await;
    assert_eq!((&dialog["responsible"], &dialog["distributed"]), (&json!("1"), &json!(true)));
    crm.dialog(&act("close")).unwrap();
    assert!(poll(&house, &crm, &mut cursor).await.contains(&"dialog:2:closed".to_owned()));
    let dialogs = crm.ledger().dialogs;
    let counts: Vec<_> = dialogs.iter().map(|held| (held.assigns, held.closes)).collect();
    assert_eq!(counts, [(1, 1), (0, 0)]);
    assert_eq!(told(&house, 9).await, Value::Null);
}

#[tokio::test]
async fn who_wants_no_dialogs_asks_for_none() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::at(&crm.crm_url(), crm.api_key(), "dialogs = false\n");
    house.shop.setup().await.unwrap();
    let feeds: Vec<_> = house.shop.feeds().iter().map(|feed| feed.name).collect();
    assert_eq!(feeds, ["orders", "customers"]);
    let close = effect("dialog.close", json!({ "id": "1" }));
    let outcome = house.shop.perform(&close, now(&crm)).await;
    let Outcome::Later(delay) = outcome else { panic!("{outcome:?}") };
    assert!(delay.why.contains("does not let the module at the dialogs"), "{}", delay.why);
    let watching = House::of(&crm);
    assert_eq!(watching.shop.feeds().len(), 3);
    assert_eq!(account("").feeds().len(), 2);
    let preview = house.shop.preview(&close);
    assert_eq!((preview.method, preview.path.as_str()), ("DELETE", "/api/bot/v1/dialogs/1/close"));
}
