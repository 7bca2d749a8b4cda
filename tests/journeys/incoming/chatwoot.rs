//! Any chat that posts JSON, proven with Chatwoot: the settings are those of the README of the
//! `webhook` connector, word for word. Invariant: only what is signed is believed, and what our side
//! wrote is not told back to it.

use super::{append, conversation, heard, line, running, said};
use crate::support::{HOOK_SECRET, House, Plan, free_port};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RECEIVED: &str = "message.received";
const CHATWOOT: &str = "chatwoot";
const SIGNS: &str = "chatwoot-signs-with-this-0123";
const KEY: &str = "chatwoot-key-0123456789";
/// The conversation of one person; there is no other.
const CHAT: &str = "31";

/// The settings that the README shows.
fn example() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/connectors/webhook/README.md");
    let text = std::fs::read_to_string(path).expect("the README");
    let (_, rest) = text.split_once("```toml\n").expect("an example");
    rest.split_once("```").expect("its end").0.to_owned()
}

/// Chatwoot as far as we know it: takes messages of agents, and tells of each that there is.
#[derive(Clone)]
struct Chatwoot {
    door: String,
    posted: Arc<Mutex<Vec<(String, Value)>>>,
    http: reqwest::Client,
}

impl Chatwoot {
    /// Opens it; its address. It delivers to this door.
    async fn open(door: String) -> (Self, String) {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let own = Self { door, posted: Arc::default(), http };
        let routes = Router::new()
            .route("/api/v1/accounts/1/conversations/{chat}/messages", axum::routing::post(take))
            .with_state(own.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (own, url)
    }

    fn posted(&self) -> Vec<(String, Value)> {
        self.posted.lock().expect("no panic").clone()
    }

    /// Delivers as Chatwoot does; the status.
    async fn deliver(&self, event: &Value) -> u16 {
        let body = event.to_string();
        let (time, sign) = ("1763640000", signature("1763640000", &body));
        self.post(&body, &[("x-chatwoot-timestamp", time), ("x-chatwoot-signature", &sign)]).await
    }

    async fn post(&self, body: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = self.http.post(&self.door).body(body.to_owned());
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the door answers").status().as_u16()
    }
}

fn signature(time: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SIGNS.as_bytes()).expect("a key");
    mac.update(format!("{time}.{body}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// An agent's message. Chatwoot tells of it before it answers.
async fn take(
    State(own): State<Chatwoot>,
    Path(chat): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    if headers.get("api_access_token").is_none_or(|key| key != KEY) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "Invalid Access Token" })));
    }
    if chat != CHAT {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": "Resource could not be found" })));
    }
    let id = {
        let mut posted = own.posted.lock().expect("no panic");
        posted.push((chat, body.clone()));
        900 + posted.len()
    };
    let event = message(id, "outgoing", body["content"].as_str().unwrap_or_default());
    assert_eq!(own.deliver(&event).await, 200);
    (StatusCode::OK, Json(json!({ "id": id, "content": body["content"], "message_type": 1 })))
}

/// What Chatwoot tells of a message.
fn message(id: usize, kind: &str, text: &str) -> Value {
    let anna = json!({ "id": 7, "name": "Анна Тестова", "phone_number": "+79990000001" });
    let sender = match kind {
        "incoming" => anna.clone(),
        _ => json!({ "id": 2, "name": "Агент", "type": "user" }),
    };
    json!({
        "event": "message_created", "id": id, "content": text, "content_type": "text",
        "created_at": "2035-11-20T12:00:00.000Z", "message_type": kind, "private": false,
        "sender": sender, "inbox": { "id": 1, "name": "Site" }, "account": { "id": 1, "name": "Shop" },
        "conversation": { "id": 31, "status": "open", "meta": { "sender": anna } },
    })
}

/// A shop whose only messenger is Chatwoot.
async fn open() -> (House, Chatwoot) {
    let port = free_port();
    let shop = format!(
        r#"hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
[connections.shop.channels.{CHATWOOT}]
site = "main"
name = "Chat on the site""#
    );
    let plan = Plan { shop, port: Some(port), leads: false, ..Plan::default() };
    let mut house = House::build(plan).await;
    let door = house.url(&format!("/hooks/{CHATWOOT}/{HOOK_SECRET}"));
    let (chatwoot, url) = Chatwoot::open(door).await;
    append(
        &house,
        &(example() + running(&["message-to-crm", "crm-to-message"], CHATWOOT).as_str()),
    );
    let env = [
        ("CHATWOOT_HOOK_SECRET", HOOK_SECRET),
        ("CHATWOOT_SIGN_SECRET", SIGNS),
        ("CHATWOOT_TOKEN", KEY),
        ("LEADLINK_CONNECTIONS__CHATWOOT__URL", url.as_str()),
    ];
    house.set_env(env.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    super::begin(&mut house).await;
    (house, chatwoot)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_is_not_chatwoots() {
    let (house, chatwoot) = open().await;
    let body = message(15, "incoming", "hello").to_string();
    let (time, other) = ("1763640000", "1763640001");
    let sign = signature(time, &body);
    let forged = signature(time, &message(16, "incoming", "hello").to_string());
    let bare = sign.trim_start_matches("sha256=").to_owned();
    let (stamp, name) = ("x-chatwoot-timestamp", "x-chatwoot-signature");
    for headers in [
        vec![],
        vec![(stamp, time)],
        vec![(name, sign.as_str())],
        vec![(stamp, other), (name, sign.as_str())],
        vec![(stamp, time), (name, forged.as_str())],
        vec![(stamp, time), (name, bare.as_str())],
        vec![(stamp, time), (name, "sha256=")],
    ] {
        assert_eq!(chatwoot.post(&body, &headers).await, 404, "{headers:?}");
    }
    let elsewhere = Chatwoot { door: format!("{}x", chatwoot.door), ..chatwoot.clone() };
    assert_eq!(elsewhere.deliver(&message(15, "incoming", "hello")).await, 404);
    assert_eq!(house.sql("select cast(count(*) as text) from raw").await, ["0"]);
    assert_eq!(chatwoot.deliver(&message(15, "incoming", "hello")).await, 200);
    heard(&house, RECEIVED, 1).await;
    for secret in [HOOK_SECRET, SIGNS, KEY] {
        assert!(!house.whole_log().contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_goes_both_ways() {
    let (mut house, chatwoot) = open().await;
    // Told by the account's hook and by the inbox's, and again by both.
    let first = message(15, "incoming", "Where is my order?");
    let mut again = first.clone();
    again["inbox"]["name"] = "Site again".into();
    for event in [&first, &again, &first, &again] {
        assert_eq!(chatwoot.deliver(event).await, 200);
    }
    let mut note = message(16, "outgoing", "she is angry");
    note["private"] = true.into();
    let mut status = json!({ "event": "conversation_status_changed", "id": 31, "status": "open" });
    status["account"] = first["account"].clone();
    let mut photo = message(18, "incoming", "");
    photo["content"] = Value::Null;
    photo["attachments"] = json!([{ "id": 1, "data_url": "https://chat.example.com/a.jpg" }]);
    for event in [&note, &status, &message(17, "outgoing", "An agent looks"), &photo] {
        assert_eq!(chatwoot.deliver(event).await, 200);
    }
    heard(&house, RECEIVED, 3).await;
    house.ended().await;
    let mut expected = vec![
        line("customer", "text", "Where is my order?", 0),
        line("channel", "text", "An agent looks", 0),
        line("customer", "text", "https://chat.example.com/a.jpg", 0),
    ];
    assert_eq!(said(&house, CHATWOOT, CHAT).await, expected);
    let messages = conversation(&house, CHATWOOT, CHAT).await;
    assert!(messages.iter().all(|one| one["person"] == "7"), "{messages:#?}");
    let customer = &messages[0]["customer"];
    assert_eq!(
        (&customer["nickname"], &customer["phone"]),
        (&json!("Анна Тестова"), &json!("+79990000001"))
    );

    let writing =
        json!({ "channel": CHATWOOT, "chat": CHAT, "text": "It is on its \"way\" {chat}" });
    house.control("chats", writing).await;
    // Chatwoot tells of what we posted, before it answers.
    heard(&house, RECEIVED, 4).await;
    house.ended().await;
    let body = json!({
        "content": "It is on its \"way\" {chat}", "message_type": "outgoing", "private": false,
    });
    assert_eq!(chatwoot.posted(), [(CHAT.to_owned(), body)]);
    expected.push(line("manager", "text", "It is on its \"way\" {chat}", 0));
    assert_eq!(said(&house, CHATWOOT, CHAT).await, expected, "our own is not told back");
    let messages = conversation(&house, CHATWOOT, CHAT).await;
    assert_eq!(
        (&messages[3]["state"], &messages[3]["external_id"]),
        (&json!("sent"), &json!("901"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_chatwoot_refuses_shows_in_the_crm() {
    let (mut house, chatwoot) = open().await;
    let writing = json!({ "channel": CHATWOOT, "chat": "99", "person": "8", "text": "hello?" });
    house.control("chats", writing).await;
    let began = Instant::now();
    let failed = loop {
        house.calm().await;
        let messages = conversation(&house, CHATWOOT, "99").await;
        if messages[0]["state"] == "failed" {
            break messages[0].clone();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{messages:#?}\n{}", house.log());
        house.advance(SignedDuration::from_secs(2)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(failed["error"][0], "customer_not_exists", "{failed:#}");
    assert!(chatwoot.posted().is_empty());
}
