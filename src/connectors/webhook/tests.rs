//! Samples into events, effects into requests, answers into outcomes.

use super::*;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use rstest::rstest;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;

fn toml(url: &str) -> String {
    format!(
        r#"
url = "{url}"
hook_secret = "0123456789abcdef"
sign_secret = "sign-secret"
sign_header = "X-Chatwoot-Signature"
sign_time_header = "X-Chatwoot-Timestamp"
sign_sends = true
send_path = "/api/v1/accounts/1/conversations/{{chat}}/messages"
send_body = '{{"content": "{{text}}", "message_type": "outgoing", "private": false}}'
send_header = "api_access_token"
send_secret = "the-key"
requests_per_second = 1000
when = {{ event = "message_created", message_type = ["incoming", "outgoing"] }}
unless = {{ private = "true" }}
own = {{ message_type = "outgoing" }}
[connections.chatwoot.fields]
id = "id"
chat = "conversation.id"
sender = "sender.id"
name = "sender.name"
phone = ["sender.phone_number", "conversation.meta.sender.phone_number"]
text = "content"
sent = "created_at"
"#
    )
}

fn connection(url: &str) -> Arc<dyn Connector> {
    let mut section = Section::from_toml("chatwoot", &toml(url));
    let built = build("chatwoot", &mut section, &http::Limits::default());
    let problems = section.finish();
    assert!(problems.is_empty(), "{problems:?}");
    built.expect("a connection")
}

fn now() -> Timestamp {
    "2025-11-20T13:00:00Z".parse().expect("a time")
}

fn raw(body: &[u8]) -> Raw {
    Raw {
        id: 0,
        connection: "chatwoot".into(),
        channel: "hook".into(),
        content_type: "application/json".into(),
        body: body.to_vec(),
        dedupe_key: String::new(),
        received: now(),
    }
}

#[test]
fn samples() {
    let own = connection("http://127.0.0.1:9");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/webhook/samples");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("samples")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder.join(name).is_file())
        .collect();
    names.sort();
    insta::with_settings!({
        snapshot_path => folder.join("snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for name in names {
            let body = std::fs::read(folder.join(&name)).expect("a sample");
            for end in 0..body.len() {
                drop(own.parse(&raw(&body[..end])));
            }
            let told = match own.parse(&raw(&body)) {
                Ok(events) => json!({ "events": events }),
                Err(why) => json!({ "unreadable": why.0 }),
            };
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&told).expect("JSON"));
        }
    });
}

type Heard = Arc<Mutex<Vec<(String, HeaderMap, Vec<u8>)>>>;

/// A far side that answers so, and what it heard.
async fn far_side(status: u16, answer: &'static str) -> (String, Heard) {
    let heard = Heard::default();
    let ears = Arc::clone(&heard);
    let app = Router::new().fallback(
        async move |headers: HeaderMap, uri: Uri, body: axum::body::Bytes| {
            ears.lock().unwrap().push((uri.path().to_owned(), headers, body.to_vec()));
            (StatusCode::from_u16(status).unwrap(), answer)
        },
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, heard)
}

fn effect(input: Value) -> Effect {
    Effect {
        connection: "chatwoot".to_owned(),
        operation: "message.send".to_owned(),
        input: input.as_object().cloned().expect("a table"),
        key: "mg:1".to_owned(),
    }
}

#[tokio::test]
async fn a_message_is_posted_by_the_template_and_signed() {
    let (url, heard) = far_side(200, r#"{"id": 77}"#).await;
    let own = connection(&url);
    let input = json!({"chat": "31", "text": "В \"пути\" {chat}", "origin": "5"});
    let outcome = own.perform(&effect(input), now()).await;
    assert_eq!(outcome, Outcome::Done(json!({"id": "77", "chat": "31", "state": "sent"})));
    let (path, headers, body) = heard.lock().unwrap().remove(0);
    assert_eq!(path, "/api/v1/accounts/1/conversations/31/messages");
    assert_eq!(headers["api_access_token"], "the-key");
    let sent: Value = serde_json::from_slice(&body).expect("JSON");
    let expected =
        json!({"content": "В \"пути\" {chat}", "message_type": "outgoing", "private": false});
    assert_eq!(sent, expected);
    // What we sign the same connection would take.
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    assert!(own.vouched(&headers, &body) && !own.vouched(&headers, b"{}"));
}

#[rstest]
#[case(200, "{}", "unknown")]
#[case(500, "", "unknown")]
#[case(401, "", "later")]
#[case(429, "", "later")]
#[case(302, "", "later")]
#[case(404, "", "customer_not_exists: HTTP 404")]
#[case(422, "", "general: HTTP 422")]
#[tokio::test]
async fn an_answer_is_judged_by_its_status(
    #[case] status: u16,
    #[case] answer: &'static str,
    #[case] expected: &str,
) {
    let (url, _heard) = far_side(status, answer).await;
    let outcome = connection(&url).perform(&effect(json!({"chat": "1", "text": "x"})), now()).await;
    let word = match &outcome {
        Outcome::Unknown(_) => "unknown",
        Outcome::Later(_) => "later",
        Outcome::Refused(why) => why,
        Outcome::Done(_) => "done",
    };
    assert_eq!(word, expected, "{outcome:?}");
}

#[rstest]
#[case("fields = { id = \"a\" }", ".fields: nothing says where the message's `chat`")]
#[case("fields = { id = \"a\", chat = \"b\", txt = \"c\" }", "`txt` is no field")]
#[case("send_body = \"{\"", ".send_body: this is no JSON")]
#[case("send_path = \"/x/{person}\"", "nothing is called {person}")]
#[case("send_path = \"x\"", "does not begin with /")]
#[case("send_header = \"a b\"", "no name of a header")]
#[case("sign_sends = true", "no `sign_secret`")]
fn a_wrong_setting_is_named(#[case] line: &str, #[case] told: &str) {
    let sound = "url = \"http://127.0.0.1:9\"\nfields = { id = \"a\", chat = \"b\" }\n";
    let rest = if line.starts_with("fields") { "url = \"http://127.0.0.1:9\"" } else { sound };
    let mut section = Section::from_toml("chatwoot", &format!("{rest}\n{line}"));
    drop(build("chatwoot", &mut section, &http::Limits::default()));
    let shown: Vec<String> = section.finish().into_iter().map(|found| found.title).collect();
    assert!(shown.len() == 1 && shown[0].contains(told), "{shown:?}");
}
