//! The connector's tests: what they share, its settings and its door.

mod asking;
mod reading;
mod sending;

use super::*;
use crate::connectors::files::Files;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

const TOKEN: &str = "to/ken.secret";
const NOW: &str = "2025-05-14T09:05:00Z";

fn toml(url: &str) -> String {
    format!(
        r#"
        url = "{url}"
        instance = "4242"
        token = "{TOKEN}"
        hook_secret = "0123456789abcdef"
        public = "https://leadlink.example.test/"
        requests_per_second = 1000
        "#
    )
}

fn connection(url: &str) -> ChatApi {
    connection_of(&toml(url))
}

fn connection_of(text: &str) -> ChatApi {
    let mut section = Section::from_toml("whatsapp-main", text);
    let own =
        ChatApi::build("whatsapp-main", &mut section, &http::Limits::default(), &Files::default());
    own.unwrap_or_else(|| panic!("{:?}", section.finish()))
}

fn offline() -> ChatApi {
    connection("http://127.0.0.1:9")
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn row(channel: &str, body: &[u8]) -> Raw {
    Raw {
        id: 0,
        connection: "whatsapp-main".into(),
        channel: channel.into(),
        content_type: "application/json".into(),
        body: body.to_vec(),
        dedupe_key: String::new(),
        received: now(),
    }
}

fn effect(operation: &str, input: Value) -> Effect {
    Effect {
        connection: "whatsapp-main".to_owned(),
        operation: operation.to_owned(),
        input: input.as_object().expect("a table").clone(),
        key: "mg:1".to_owned(),
    }
}

/// What was asked, as it was heard.
#[derive(Debug, Clone)]
struct Heard {
    path: String,
    query: BTreeMap<String, String>,
    body: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

struct Double {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Double {
    /// A gateway whose account is fine; what else is asked, `answers` says: status and body.
    async fn start(answers: impl Fn(&Heard) -> (u16, String) + Send + Sync + 'static) -> Self {
        use axum::http::{StatusCode, Uri, header};
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let kept = Arc::clone(&heard);
        let answers = Arc::new(answers);
        let answer = async move |uri: Uri, body: axum::body::Bytes| {
            let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
            let one = Heard {
                path: uri.path().to_owned(),
                query: query.into_owned().collect(),
                body: String::from_utf8_lossy(&body).into_owned(),
            };
            kept.lock().expect("a lock").push(one.clone());
            let (status, body) = answers(&one);
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::CONTENT_TYPE, "application/json")], body)
        };
        let router = axum::Router::new().fallback(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, heard }
    }

    /// The requests of this method of the API.
    fn of(&self, method: &str) -> Vec<Heard> {
        let path = format!("/instance4242/{method}");
        let heard = self.heard.lock().expect("a lock");
        heard.iter().filter(|one| one.path == path).cloned().collect()
    }
}

fn fine() -> (u16, String) {
    (200, json!({ "accountStatus": "authenticated" }).to_string())
}

#[test]
fn all_problems_of_the_settings_are_reported_at_once() {
    let text = r#"
        url = "http://api.chat-api.com"
        instance = "12/34"
        hook_secret = "short"
        public = "leadlink"
        poll_every = "0s"
        requests_per_second = 0
        profile = "2msg"
        tokn = "x"
        "#;
    let mut section = Section::from_toml("whatsapp-main", text);
    let files = Files::default();
    let built = build("whatsapp-main", &mut section, &http::Limits::default(), &files);
    assert!(built.is_none());
    let titles: Vec<String> = section.finish().into_iter().map(|p| p.title).collect();
    for field in [
        "url",
        "instance",
        "hook_secret",
        "public",
        "poll_every",
        "requests_per_second",
        "profile",
        "tokn",
        "token",
    ] {
        let named = format!(".{field}");
        assert!(titles.iter().any(|title| title.contains(&named)), "{field}: {titles:#?}");
    }
    assert_eq!(titles.len(), 9, "{titles:#?}");
}

#[test]
fn the_address_may_hold_the_instance_and_profiles_differ_in_it() {
    let group = |text: &str| connection_of(text).limit_group().to_owned();
    let short = "url = \"https://eu1.chat-api.com\"\ninstance = \"4242\"\ntoken = \"t\"";
    assert_eq!(group(short), "https://eu1.chat-api.com/instance4242");
    let long = short.replace(".com", ".com/instance4242/").replace("\"4242", "\"instance4242");
    assert_eq!(group(&long), group(short));
    let other = format!("{short}\nprofile = \"1msg\"");
    assert_eq!(group(&other), "https://eu1.chat-api.com/4242");
    let carries = |text: &str| connection_of(text).offer().messenger.expect("a messenger");
    assert!(carries(short).by_phone && !carries(&other).by_phone);
}

#[test]
fn a_repeat_of_a_message_has_its_key_by_hook_and_by_list() {
    let own = offline();
    let key = |body: Value| own.dedupe_key("application/json", body.to_string().as_bytes(), now());
    let one = json!({ "id": "false_1@c.us_A", "body": "x" });
    let first = key(json!({ "instanceId": "4242", "messages": [one] }));
    assert_eq!(first, "message:false_1@c.us_A");
    assert_eq!(key(json!({ "messages": [one], "instanceId": 4242, "more": 1 })), first);
    let two = json!({ "id": "false_1@c.us_B" });
    let both = key(json!({ "messages": [one, two] }));
    assert_eq!(key(json!({ "messages": [one, two], "x": 1 })), both);
    assert_ne!(key(json!({ "messages": [two] })), both);
    let ack = |status: &str| key(json!({ "ack": [{ "id": "true_1@c.us_C", "status": status }] }));
    assert_eq!(ack("viewed"), ack("viewed"));
    assert_ne!(ack("viewed"), ack("delivered"));
    assert_ne!(key(json!({ "chatUpdate": [1] })), key(json!({ "chatUpdate": [2] })));
}
