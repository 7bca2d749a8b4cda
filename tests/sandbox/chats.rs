//! The CRM's chats as the gateway does them (retailcrm.md 8.14, 8.15). Invariant: what the gateway
//! says is checked by what the ledger holds.

use crate::{Crm, answer};
use axum::Json;
use axum::http::StatusCode;
use leadlink::sandbox::mg::people::{Attached, Writing};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A module with one channel, whose door answers as it is told.
struct Gateway {
    crm: Crm,
    token: String,
    channel: u64,
    got: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
}

fn module(url: &str) -> Value {
    json!({
        "code": "leadlink-shop", "integrationCode": "leadlink", "active": true, "name": "leadlink",
        "clientId": "f00", "baseUrl": url, "actions": {"activity": "/activity"},
        "integrations": {"mgTransport": {"webhookUrl": format!("{url}/hook")}},
    })
}

impl Gateway {
    async fn start() -> Self {
        let crm = Crm::unlimited().await;
        let (got, answers) = (Arc::default(), Arc::default());
        let url = door(Arc::clone(&got), Arc::clone(&answers)).await;
        let field = [("integrationModule", module(&url).to_string())];
        let made = answer(crm.post("integration-modules/leadlink-shop/edit", &field)).await;
        assert_eq!(made.0, 200, "{}", made.1);
        let token = made.1["info"]["mgTransport"]["token"].as_str().expect("a token").to_owned();
        let mut gateway = Self { crm, token, channel: 0, got, answers };
        let (status, made) = gateway.ask(Method::POST, "channels", channel()).await;
        assert_eq!(status, 201);
        gateway.channel = made["id"].as_u64().expect("an id");
        gateway
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.crm.url(&format!("/api/transport/v1/{path}"));
        self.crm.client.request(method, url).header("X-Transport-Token", &self.token)
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(method, path).json(&body)).await
    }

    async fn post(&self, id: &str, message: Value) -> (u16, Value) {
        let mut message = message;
        message["external_id"] = id.into();
        let body = json!({
            "channel": self.channel, "external_chat_id": "c1", "message": message,
            "customer": {"external_id": "p1", "nickname": "Anna"},
        });
        self.ask(Method::POST, "messages", body).await
    }

    fn write(&self, text: &str) -> u64 {
        let writing = Writing {
            channel: "bot".into(),
            chat: "c1".into(),
            person: "p1".into(),
            text: text.into(),
            ..Writing::default()
        };
        self.crm.sandbox.write(writing).expect("written")
    }

    /// The door got so many words.
    async fn told(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            if self.got.lock().expect("a lock").len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.got.lock().expect("a lock").clone()
    }

    /// The states of a message, once it has this one.
    async fn states(&self, id: u64, last: &str) -> Vec<&'static str> {
        let mut states = Vec::new();
        for _ in 0..500 {
            let ledger = self.crm.sandbox.ledger();
            let conversation = ledger.conversation("bot", "c1").expect("a conversation").clone();
            let message = conversation.messages.into_iter().find(|message| message.id == id);
            states = message.expect("a message").states;
            if states.last() == Some(&last) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        states
    }
}

fn channel() -> Value {
    json!({
        "type": "telegram", "external_id": "bot", "name": "Our bot",
        "settings": {
            "text": {"creating": "both", "max_chars_count": 4096},
            "image": {"creating": "both"},
        },
    })
}

async fn door(got: Arc<Mutex<Vec<Value>>>, answers: Arc<Mutex<VecDeque<(u16, Value)>>>) -> String {
    let keep = move |body: String| {
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        got.lock().expect("a lock").push(body);
        let next = answers.lock().expect("a lock").pop_front();
        let (status, body) = next.unwrap_or((200, json!({"async": true})));
        async move { (StatusCode::from_u16(status).expect("a status"), Json(body)) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = axum::Router::new().fallback(keep);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn a_module_is_let_in_by_the_rules() {
    let crm = Crm::unlimited().await;
    let edit = async |code: &str, body: Value| {
        let fields = [("integrationModule", body.to_string())];
        answer(crm.post(&format!("integration-modules/{code}/edit"), &fields)).await
    };
    assert_eq!(answer(crm.get("integration-modules/leadlink-shop")).await.0, 404);
    let (status, body) = edit("other", module("http://127.0.0.1:9")).await;
    assert_eq!(
        (status, &body["errors"]["code"]),
        (400, &json!("Code prefix must match integrationCode"))
    );
    crm.sandbox.set_switches(|switches| switches.chats = false);
    let (status, body) = edit("leadlink-shop", module("http://127.0.0.1:9")).await;
    assert_eq!((status, &body["errorMsg"]), (400, &json!("Failed to activate module")));
    crm.sandbox.set_switches(|switches| switches.chats = true);
    let (_, first) = edit("leadlink-shop", module("http://127.0.0.1:9")).await;
    let (_, again) = edit("leadlink-shop", module("http://127.0.0.1:9")).await;
    assert_eq!(first["info"], again["info"], "an edit turns no token");
    let (_, held) = answer(crm.get("integration-modules/leadlink-shop")).await;
    let transport = &held["integrationModule"]["integrations"]["mgTransport"];
    assert_eq!(transport["token"], first["info"]["mgTransport"]["token"]);
    assert_eq!(transport["endpointUrl"], Value::Null);
}

#[tokio::test]
async fn a_message_is_taken_once_and_a_stranger_not_at_all() {
    let gateway = Gateway::start().await;
    let text = json!({"type": "text", "text": "hello"});
    assert_eq!(gateway.post("m1", text.clone()).await.0, 200);
    let (status, body) = gateway.post("m1", text.clone()).await;
    assert_eq!(
        (status, &body["errors"][0]),
        (400, &json!("Message with passed external_id already exists"))
    );
    assert_eq!(gateway.post("m2", json!({"type": "text"})).await.0, 400);
    let nowhere = json!({"type": "image", "items": [{"id": "no-such"}]});
    assert_eq!(gateway.post("m3", nowhere).await.0, 400);
    let bare = gateway.crm.client.get(gateway.crm.url("/api/transport/v1/channels"));
    assert_eq!(answer(bare.header("X-Transport-Token", "wrong")).await.0, 401);
    let ledger = gateway.crm.sandbox.ledger();
    let messages = &ledger.conversation("bot", "c1").expect("a conversation").messages;
    assert_eq!((messages.len(), messages[0].posts), (1, 2));
}

#[tokio::test]
async fn files_are_twenty_mebibytes_at_most() {
    let gateway = Gateway::start().await;
    let upload = async |size: usize| {
        let request = gateway.request(Method::POST, "files/upload");
        answer(request.header("content-type", "image/png").body(vec![7_u8; size])).await
    };
    let most = 20 * 1024 * 1024;
    let (status, file) = upload(most).await;
    assert_eq!((status, &file["type"], &file["size"]), (200, &json!("image"), &json!(most)));
    assert_eq!(upload(most + 1).await.0, 413);
    let item = json!({"type": "image", "items": [{"id": file["id"]}]});
    assert_eq!(gateway.post("m1", item).await.0, 200);
    let id = file["id"].as_str().expect("an id");
    let told = gateway.ask(Method::GET, &format!("files/{id}"), json!({})).await.1;
    let url = told["url"].as_str().expect("an address");
    let bytes = gateway.crm.client.get(url).send().await.expect("a file").bytes().await;
    assert_eq!(bytes.expect("bytes").len(), most);
}

#[tokio::test]
async fn what_a_manager_writes_is_told_until_it_is_taken() {
    let gateway = Gateway::start().await;
    gateway.answers.lock().expect("a lock").extend([
        (503, json!({})),
        (200, json!({"external_message_id": "x1"})),
        (200, json!({"async": true})),
        (200, json!({"error": {"code": "reply_timed_out", "message": "too late"}})),
        (200, json!({"neither": 1})),
    ]);
    let ids = ["one", "two", "three", "four"].map(|text| gateway.write(text));
    let words = gateway.told(5).await;
    let texts: Vec<&Value> = words.iter().map(|word| &word["data"]["content"]).collect();
    assert_eq!(texts, ["one", "one", "two", "three", "four"], "in order, the first again");
    assert_eq!(gateway.states(ids[0], "sent").await, ["sending", "sent"]);
    assert_eq!(gateway.states(ids[2], "failed").await, ["sending", "failed"]);
    assert_eq!(gateway.states(ids[3], "failed").await, ["sending", "failed"]);
    // The asynchronous one is told of later, and read; nothing goes back.
    let ack =
        json!({"channel": gateway.channel, "message": {"id": ids[1]}, "external_message_id": "x2"});
    assert_eq!(gateway.ask(Method::POST, "messages/ack", ack.clone()).await.0, 200);
    let read = json!({"channel_id": gateway.channel, "message": {"external_id": "x2"}});
    assert_eq!(gateway.ask(Method::POST, "messages/read", read).await.0, 200);
    assert_eq!(gateway.ask(Method::POST, "messages/ack", ack).await.0, 200);
    assert_eq!(gateway.states(ids[1], "seen").await, ["sending", "sent", "seen"]);
}

#[tokio::test]
async fn a_word_that_nobody_took_has_failed_but_not_one_that_was_told_of() {
    let gateway = Gateway::start().await;
    gateway.crm.sandbox.set_switches(|switches| switches.chat_tries = 2);
    let refused = (503, json!({}));
    gateway.answers.lock().expect("a lock").extend(vec![refused; 4]);
    let [first, second] = ["one", "two"].map(|text| gateway.write(text));
    // It was taken, and the answer is lost: the module sends it while the gateway tries again.
    gateway.told(1).await;
    let ack = json!({"channel": gateway.channel, "message": {"id": first}});
    assert_eq!(gateway.ask(Method::POST, "messages/ack", ack).await.0, 200);
    assert_eq!(gateway.states(second, "failed").await, ["sending", "failed"]);
    assert_eq!(gateway.told(4).await.len(), 4);
    assert_eq!(gateway.states(first, "sent").await, ["sending", "sent"]);
}

#[tokio::test]
async fn words_come_twice_where_the_switch_says_so() {
    let gateway = Gateway::start().await;
    gateway.crm.sandbox.set_switches(|switches| switches.chat_repeats = 1);
    let id = gateway.write("one");
    let words = gateway.told(2).await;
    assert_eq!(words[0], words[1]);
    gateway.crm.sandbox.act(id, "edit", Some("uno")).expect("edited");
    let words = gateway.told(4).await;
    assert_eq!(words[2]["type"], "message_updated");
    assert_eq!(words[2]["data"]["content"], "uno");
}

#[tokio::test]
async fn what_a_channel_does_not_take_is_refused_to_the_manager() {
    let gateway = Gateway::start().await;
    let writing = |text: &str, mime: &str| Writing {
        channel: "bot".into(),
        chat: "c1".into(),
        person: "p1".into(),
        text: text.into(),
        files: if mime.is_empty() {
            Vec::new()
        } else {
            vec![Attached { name: "a".into(), mime: mime.into(), size: 10 }]
        },
        ..Writing::default()
    };
    let sandbox = &gateway.crm.sandbox;
    assert!(sandbox.write(writing("", "image/png")).is_ok());
    assert!(sandbox.write(writing("", "application/pdf")).is_err(), "no files there");
    assert!(sandbox.write(writing(&"a".repeat(2001), "")).is_err(), "RC-11");
    assert!(sandbox.write(writing(&"a ".repeat(1999), "")).is_ok(), "spaces do not count");
}

#[tokio::test]
async fn a_module_is_told_that_it_was_switched() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.crm.sandbox.switch_module("leadlink-shop", false).await, Ok(200));
    let told = gateway.told(1).await;
    let form = told[0].as_str().expect("a form");
    assert!(form.contains("clientId=f00") && form.contains("active%22%3Afalse"), "{form}");
    assert_eq!(gateway.ask(Method::GET, "channels", json!({})).await.0, 401);
}
