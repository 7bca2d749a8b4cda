//! Bots, their chats and their updates. Invariant: what Telegram refuses it refuses in its own words.

use crate::{Crm, answer};
use axum::http::{HeaderMap, StatusCode};
use leadlink::sandbox::{Does, Fault, Given, Press, Rule, Side};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const SECRET: &str = "x-telegram-bot-api-secret-token";

async fn call(crm: &Crm, method: &str, body: Value) -> (u16, Value) {
    let (url, token) = (crm.sandbox.telegram_url(), crm.sandbox.telegram_token());
    answer(crm.client.post(format!("{url}/bot{token}/{method}")).json(&body)).await
}

fn says(crm: &Crm, text: &str) -> Vec<i64> {
    let does = Does { text: text.to_owned(), ..Does::default() };
    crm.sandbox.telegram(&does).expect("a bot").messages
}

/// A door that answers with these statuses in turn, and then with 200.
async fn door(
    statuses: Vec<u16>,
    reply: Value,
) -> (String, mpsc::UnboundedReceiver<(Option<String>, Value)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let left = std::sync::Mutex::new(statuses);
    let left = std::sync::Arc::new(left);
    let hook = axum::Router::new().fallback(axum::routing::post(
        async move |headers: HeaderMap, axum::Json(body): axum::Json<Value>| {
            let secret = headers.get(SECRET).map(|text| text.to_str().expect("text").to_owned());
            sender.send((secret, body)).expect("the test listens");
            let mut left = left.lock().expect("no panic");
            let status = if left.is_empty() { 200 } else { left.remove(0) };
            (StatusCode::from_u16(status).expect("a status"), axum::Json(reply.clone()))
        },
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks/bot/secret", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, hook).await });
    (url, receiver)
}

#[tokio::test]
async fn a_bot_is_known_by_its_token() {
    let crm = Crm::unlimited().await;
    let (status, me) = call(&crm, "getMe", json!({})).await;
    assert_eq!((status, &me["result"]["id"]), (200, &json!(123_456)));
    for (token, status) in [("123456:wrong", 401), ("wrong", 404)] {
        let url = format!("{}/bot{token}/getMe", crm.sandbox.telegram_url());
        let (said, body) = answer(crm.client.post(url)).await;
        assert_eq!((said, &body["error_code"]), (status, &json!(status)));
    }
    let log = crm.sandbox.ledger().telegram.by_path;
    assert_eq!(log["POST /bot{token}/getMe"], 3, "{log:?}");
}

#[tokio::test]
async fn limits_of_texts_captions_and_buttons_are_telegrams() {
    let crm = Crm::unlimited().await;
    let send = async |body: Value| call(&crm, "sendMessage", body).await;
    let (status, body) = send(json!({"chat_id": 700_000_001, "text": "x"})).await;
    assert_eq!((status, body["description"].as_str()), (400, Some("Bad Request: chat not found")));
    says(&crm, "/start");
    for (text, status) in [("x".repeat(4096), 200), ("x".repeat(4097), 400), (String::new(), 400)] {
        let length = text.len();
        let said = send(json!({"chat_id": "700000001", "text": text})).await;
        assert_eq!(said.0, status, "{length}: {}", said.1);
    }
    let keyboard = json!({"inline_keyboard": [[{"text": "a", "callback_data": "x".repeat(65)}]]});
    let (status, body) =
        send(json!({"chat_id": 700_000_001, "text": "x", "reply_markup": keyboard})).await;
    assert_eq!((status, &body["description"]), (400, &json!("Bad Request: BUTTON_DATA_INVALID")));
    assert_eq!(crm.sandbox.ledger().messages.len(), 1);
}

#[tokio::test]
async fn who_blocked_the_bot_is_not_written_to() {
    let crm = Crm::unlimited().await;
    says(&crm, "/start");
    let blocked = Does { blocked: Some(true), ..Does::default() };
    crm.sandbox.telegram(&blocked).expect("a bot");
    let body = json!({"chat_id": 700_000_001, "text": "x"});
    let (status, said) = call(&crm, "sendMessage", body.clone()).await;
    let why = json!("Forbidden: bot was blocked by the user");
    assert_eq!((status, &said["description"]), (403, &why));
    let url = crm.url("/_sandbox/telegram/chats");
    let change = json!({"chat": 700_000_001, "state": "deactivated"});
    assert_eq!(answer(crm.client.post(url).json(&change)).await.0, 200);
    let (_, said) = call(&crm, "sendMessage", body).await;
    assert_eq!(said["description"], "Forbidden: user is deactivated");
    let (_, updates) = call(&crm, "getUpdates", json!({})).await;
    assert_eq!(updates["result"][1]["my_chat_member"]["new_chat_member"]["status"], "kicked");
}

#[tokio::test]
async fn an_update_is_told_until_it_is_confirmed() {
    let crm = Crm::unlimited().await;
    says(&crm, "one");
    let does = Does { text: "two".into(), deliveries: 2, ..Does::default() };
    crm.sandbox.telegram(&does).expect("a bot");
    let ids = async |body: Value| -> Vec<i64> {
        let (status, said) = call(&crm, "getUpdates", body).await;
        assert_eq!(status, 200, "{said}");
        let list = said["result"].as_array().expect("a list").iter();
        list.map(|update| update["update_id"].as_i64().expect("an id")).collect()
    };
    let first = 50_000_001;
    assert_eq!(ids(json!({})).await, [first, first + 1, first + 1]);
    assert_eq!(ids(json!({"limit": 1})).await, [first]);
    assert_eq!(ids(json!({"offset": first + 1})).await, [first + 1, first + 1]);
    assert!(ids(json!({"offset": first + 2})).await.is_empty());
}

#[tokio::test]
async fn two_who_want_the_updates_are_in_conflict() {
    let crm = Crm::unlimited().await;
    let (url, token) = (crm.sandbox.telegram_url(), crm.sandbox.telegram_token());
    let poll = |seconds: u32| {
        let request = crm.client.post(format!("{url}/bot{token}/getUpdates"));
        answer(request.json(&json!({ "timeout": seconds })))
    };
    let first = tokio::spawn(poll(50));
    // The first one is heard when it is counted as the poller.
    let second = async {
        loop {
            let state = answer(crm.client.get(crm.url("/_sandbox/telegram"))).await.1;
            if state["bots"][0]["poller"] == 1 {
                return poll(0).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (status, said) = second.await;
    assert_eq!((status, &said["result"]), (200, &json!([])));
    let (status, said) = first.await.expect("no panic");
    assert_eq!(status, 409);
    assert!(said["description"].as_str().expect("text").contains("other getUpdates"), "{said}");

    let hook = json!({"url": "http://127.0.0.1:9/x"});
    assert_eq!(call(&crm, "setWebhook", hook).await.0, 200);
    let (status, said) = poll(0).await;
    assert_eq!(status, 409);
    assert!(said["description"].as_str().expect("text").contains("webhook is active"), "{said}");
    assert_eq!(call(&crm, "deleteWebhook", json!({})).await.0, 200);
    assert_eq!(poll(0).await.0, 200);
}

#[tokio::test]
async fn a_long_poll_ends_when_somebody_writes() {
    let crm = Crm::unlimited().await;
    let poll = call(&crm, "getUpdates", json!({"timeout": 50}));
    let write = async {
        tokio::task::yield_now().await;
        says(&crm, "hi")
    };
    let ((status, said), _) = tokio::join!(poll, write);
    assert_eq!((status, &said["result"][0]["message"]["text"]), (200, &json!("hi")));
}

#[tokio::test]
async fn a_webhook_has_its_secret_and_is_tried_again() {
    let crm = Crm::unlimited().await;
    let (url, mut heard) = door(vec![500, 404], json!({"ok": true})).await;
    let hook = json!({"url": url, "secret_token": "my_secret-1"});
    assert_eq!(call(&crm, "setWebhook", hook).await.0, 200);
    says(&crm, "hi");
    for (tried, seconds) in [(1, 1), (2, 2), (3, 0)] {
        let (secret, body) = heard.recv().await.expect("a delivery");
        assert_eq!(secret.as_deref(), Some("my_secret-1"));
        assert_eq!(body["message"]["text"], "hi");
        while crm.sandbox.ledger().updates.len() < tried {
            tokio::task::yield_now().await;
        }
        crm.sandbox.clock().shift(jiff::SignedDuration::from_secs(seconds));
    }
    let tries: Vec<u16> = crm.sandbox.ledger().updates.iter().map(|tried| tried.status).collect();
    assert_eq!(tries, [500, 404, 200]);
    let (_, info) = call(&crm, "getWebhookInfo", json!({})).await;
    assert_eq!(info["result"]["pending_update_count"], 0);
    assert_eq!(info["result"]["last_error_message"], "Wrong response from the webhook: 404");
}

#[tokio::test]
async fn the_answer_to_a_delivery_may_be_a_call() {
    let crm = Crm::unlimited().await;
    let reply = json!({"method": "answerCallbackQuery", "callback_query_id": "77"});
    let (url, mut heard) = door(vec![], reply).await;
    assert_eq!(call(&crm, "setWebhook", json!({ "url": url })).await.0, 200);
    let press = Press { message_id: 5, data: "a|b|c".into() };
    crm.sandbox.telegram(&Does { press: Some(press), ..Does::default() }).expect("a bot");
    let (secret, body) = heard.recv().await.expect("a delivery");
    assert_eq!((secret, &body["callback_query"]["data"]), (None, &json!("a|b|c")));
    while crm.sandbox.ledger().presses.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(crm.sandbox.ledger().presses, ["77"]);
}

#[tokio::test]
async fn an_album_is_several_updates_at_once_and_files_have_their_bytes() {
    let crm = Crm::unlimited().await;
    let photo = |text: &str| Given { kind: "photo".into(), text: text.into(), ..Given::default() };
    let does =
        Does {
            text: "two".into(), files: vec![photo("one"), photo("другой")], ..Does::default()
        };
    let told = crm.sandbox.telegram(&does).expect("a bot");
    assert_eq!((told.updates.len(), told.messages.len()), (2, 2));
    let (_, said) = call(&crm, "getUpdates", json!({})).await;
    let of = |at: usize, name: &str| said["result"][at]["message"][name].clone();
    assert_eq!(of(0, "media_group_id"), of(1, "media_group_id"));
    assert_eq!((of(0, "caption"), of(1, "caption")), (json!("two"), Value::Null));
    let id = of(1, "photo")[1]["file_id"].clone();
    let (_, file) = call(&crm, "getFile", json!({ "file_id": id })).await;
    let path = file["result"]["file_path"].as_str().expect("a path");
    let (url, token) = (crm.sandbox.telegram_url(), crm.sandbox.telegram_token());
    let bytes =
        crm.client.get(format!("{url}/file/bot{token}/{path}")).send().await.expect("bytes");
    assert_eq!(bytes.text().await.expect("a text"), "другой");
}

#[tokio::test]
async fn a_message_is_changed_and_taken_back() {
    let crm = Crm::unlimited().await;
    let written = says(&crm, "where is it?")[0];
    let does = Does { text: "where?".into(), edit: Some(written), ..Does::default() };
    crm.sandbox.telegram(&does).expect("a bot");
    let (_, said) = call(&crm, "getUpdates", json!({})).await;
    assert_eq!(said["result"][1]["edited_message"]["message_id"], written);

    let chat = 700_000_001;
    let (_, sent) = call(&crm, "sendMessage", json!({"chat_id": chat, "text": "here"})).await;
    let id = sent["result"]["message_id"].clone();
    let body = json!({"chat_id": chat, "message_id": id, "text": "there"});
    assert_eq!(call(&crm, "editMessageText", body.clone()).await.0, 200);
    let (status, said) = call(&crm, "editMessageText", body.clone()).await;
    assert!(status == 400 && said["description"].as_str().expect("text").contains("not modified"));
    assert_eq!(call(&crm, "deleteMessage", body.clone()).await.0, 200);
    assert_eq!(call(&crm, "deleteMessage", body).await.0, 400);
    let message = &crm.sandbox.ledger().messages[0];
    assert_eq!((message.text.as_str(), message.edits, message.deleted), ("there", 1, true));
}

#[tokio::test]
async fn too_fast_is_told_with_the_time_to_wait() {
    let crm = Crm::unlimited().await;
    let mut rule = Rule::next(Side::Telegram, Fault::Error429, "sendMessage", 1);
    rule.retry_after = Some(7);
    crm.sandbox.add_fault(rule);
    let (status, said) = call(&crm, "sendMessage", json!({"chat_id": 1, "text": "x"})).await;
    assert_eq!((status, &said["parameters"]["retry_after"]), (429, &json!(7)));
    let limits = json!({"telegram_rps": 2});
    assert_eq!(answer(crm.client.post(crm.url("/_sandbox/limits")).json(&limits)).await.0, 200);
    let mut last = 200;
    for _ in 0..3 {
        last = call(&crm, "getMe", json!({})).await.0;
    }
    assert_eq!(last, 429);
}
