//! ChatAPI's stand-in (messengers.md §1.9). Invariant: `sent: true` is the queue's word; what people
//! get is told by acks, in whatever order a test asks for.

use crate::{Crm, answer};
use leadlink::sandbox::chatapi::manner::{Acks, Refuse};
use leadlink::sandbox::{FileSpec, MessageSpec, Writing};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

impl Crm {
    fn gateway(&self, method: &str) -> String {
        let (url, instance) = (self.sandbox.chatapi_url(), self.sandbox.chatapi_instance());
        format!("{url}/instance{instance}/{method}?token={}", self.sandbox.chatapi_token())
    }

    async fn said(&self, method: &str) -> Value {
        let (status, body) = answer(self.client.get(self.gateway(method))).await;
        assert_eq!(status, 200, "{method}");
        body
    }

    async fn told(&self, method: &str, body: Value) -> Value {
        let (status, body) = answer(self.client.post(self.gateway(method)).json(&body)).await;
        assert_eq!(status, 200, "{method}");
        body
    }
}

/// A door that keeps what comes, and refuses the first `refused` times.
async fn door(refused: usize) -> (String, Arc<Mutex<Vec<Value>>>) {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    let held = Arc::clone(&kept);
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(refused));
    let take = async move |axum::Json(body): axum::Json<Value>| {
        use std::sync::atomic::Ordering::SeqCst;
        if left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return axum::http::StatusCode::BAD_GATEWAY;
        }
        held.lock().expect("a lock").push(body);
        axum::http::StatusCode::OK
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, kept)
}

/// Waits until so many webhooks came.
async fn hooks(kept: &Mutex<Vec<Value>>, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        let held = kept.lock().expect("a lock").clone();
        if held.len() >= count {
            return held;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} webhooks: {:?}", kept.lock())
}

fn written(from: &str, text: &str) -> MessageSpec {
    MessageSpec {
        from: from.into(),
        text: text.into(),
        name: "Анна".into(),
        ..MessageSpec::default()
    }
}

#[tokio::test]
async fn tokens_addresses_and_fields_are_checked() {
    let crm = Crm::unlimited().await;
    let wrong = crm.gateway("status").replace("token=", "token=x");
    let (status, body) = answer(crm.client.get(wrong)).await;
    assert_eq!((status, body["error"].is_string()), (401, true));
    assert_eq!(crm.said("status").await["accountStatus"], "authenticated");
    for body in [
        json!({ "body": "x" }),
        json!({ "body": "x", "phone": 79990000001_u64, "chatId": "79990000001@c.us" }),
        json!({ "body": "x", "phone": "+7 999" }),
        json!({ "phone": "79990000001" }),
    ] {
        assert_eq!(crm.told("sendMessage", body.clone()).await["sent"], false, "{body}");
    }
    let sent = crm.told("sendMessage", json!({ "body": "x", "phone": 79990000001_u64 })).await;
    assert!(sent["id"].as_str().expect("an id").starts_with("true_79990000001@c.us_"), "{sent}");
}

#[tokio::test]
async fn what_people_write_is_a_hook_and_a_list_by_number() {
    let crm = Crm::unlimited().await;
    let (url, kept) = door(0).await;
    let settings = json!({ "webhookUrl": url, "ackNotificationsOn": true, "nonsense": 1 });
    let set = crm.told("settings", settings).await;
    assert!(set["update"]["webhookUrl"].is_string() && set["update"]["nonsense"].is_null());
    let group = Some("79990000009-1500000000@g.us".to_owned());
    let file = FileSpec {
        name: "a.jpg".into(),
        mime: "image/jpeg".into(),
        text: "bytes".into(),
        size: None,
    };
    let ids = crm
        .sandbox
        .whatsapp(&Writing {
            messages: vec![
                MessageSpec { own: true, ..written("79990000001", "ours") },
                written("79990000001", "theirs"),
                MessageSpec { group, ..written("79990000002", "all") },
                MessageSpec { file: Some(file), ..written("100000000000001@lid", "look") },
            ],
            deliveries: 2,
            drop: false,
            apart: false,
        })
        .await;
    let held = hooks(&kept, 2).await;
    assert_eq!(held[0], held[1]);
    let messages = held[0]["messages"].as_array().expect("messages");
    let told: Vec<&str> = messages.iter().map(|one| one["id"].as_str().expect("an id")).collect();
    assert_eq!(told, ids);
    assert_eq!(messages[0]["fromMe"], true);
    assert_eq!(messages[2]["author"], "79990000002@c.us");
    assert_eq!((&messages[3]["type"], &messages[3]["caption"]), (&json!("image"), &json!("look")));

    let link = messages[3]["body"].as_str().expect("a link");
    let bytes = crm.client.get(link).send().await.expect("an answer").bytes().await.expect("bytes");
    assert_eq!(bytes, "bytes");
    crm.sandbox.set_gateway(|gateway| gateway.manner.files_gone = true);
    assert_eq!(crm.client.get(link).send().await.expect("an answer").status().as_u16(), 404);

    let list = crm.said("messages").await;
    assert_eq!(list["lastMessageNumber"], 4);
    let url = format!("{}&lastMessageNumber=2&limit=1", crm.gateway("messages"));
    let (_, page) = answer(crm.client.get(url)).await;
    assert_eq!(
        (&page["messages"][0]["messageNumber"], &page["lastMessageNumber"]),
        (&json!(3), &json!(3))
    );
}

#[tokio::test]
async fn ours_come_back_and_their_acks_as_asked() {
    let crm = Crm::unlimited().await;
    let (url, kept) = door(1).await;
    crm.sandbox.set_gateway(|gateway| {
        gateway.settings.insert("webhookUrl".into(), url.into());
        gateway.settings.insert("ackNotificationsOn".into(), true.into());
        gateway.settings.insert("guaranteedHooks".into(), true.into());
        gateway.manner.hook_pause_ms = 1;
        gateway.manner.acks = Acks::Swapped;
        gateway.manner.banned.insert("79990000002".into());
    });
    let send = |phone: &str| crm.told("sendMessage", json!({ "phone": phone, "body": "x" }));
    let sent = send("79990000001").await;
    let held = hooks(&kept, 3).await;
    assert_eq!(held[0]["messages"][0]["id"], sent["id"]);
    assert_eq!(
        (&held[1]["ack"][0]["status"], &held[2]["ack"][0]["status"]),
        (&json!("viewed"), &json!("delivered"))
    );
    assert_eq!(held[1]["ack"][0]["id"], sent["id"]);
    // A banned phone gets no ack, and nobody is told.
    send("79990000002").await;
    hooks(&kept, 4).await;
    let ledger = crm.sandbox.ledger();
    let acks: Vec<usize> = ledger.whatsapp_sent().map(|one| one.acks.len()).collect();
    assert_eq!(acks, [2, 0]);
}

#[tokio::test]
async fn a_logged_out_account_takes_messages_and_holds_them() {
    let crm = Crm::unlimited().await;
    crm.sandbox.set_gateway(|gateway| gateway.manner.status = "got qr code".into());
    let sent = crm.told("sendMessage", json!({ "phone": "79990000001", "body": "x" })).await;
    assert_eq!(sent["sent"], true);
    assert_eq!(crm.said("showMessagesQueue").await["totalMessages"], 1);
    assert_eq!(crm.said("messages").await["messages"], json!([]));
    let control = crm.url("/_sandbox/chatapi");
    answer(crm.client.post(&control).json(&json!({ "status": "authenticated" }))).await;
    assert_eq!(crm.said("messages").await["messages"][0]["id"], sent["id"]);
    let refuse = Refuse { text: "phone does not exist".into(), next: Some(1) };
    crm.sandbox.set_gateway(|gateway| gateway.manner.refuse = Some(refuse));
    let said = crm.told("sendMessage", json!({ "phone": "79990000001", "body": "y" })).await;
    assert_eq!((&said["sent"], &said["message"]), (&json!(false), &json!("phone does not exist")));
    let (status, _) = answer(crm.client.post(&control).json(&json!({ "acks": "loud" }))).await;
    assert_eq!(status, 400);
    let spec = json!({ "from": "79990000003", "text": "hi" });
    let (_, body) = answer(crm.client.post(format!("{control}/messages")).json(&spec)).await;
    assert_eq!(body["ids"].as_array().map(Vec::len), Some(1));
    let shown = answer(crm.client.get(&control)).await.1;
    assert_eq!(shown["manner"]["status"], "authenticated");
}

#[tokio::test]
async fn the_queue_goes_out_one_by_one_and_may_be_cleared() {
    let crm = Crm::unlimited().await;
    crm.sandbox.set_gateway(|gateway| gateway.manner.send_delay_ms = 40);
    let send = |text: &'static str| {
        crm.told("sendMessage", json!({ "phone": "79990000001", "body": text }))
    };
    for text in ["one", "two", "three"] {
        assert_eq!(send(text).await["sent"], true);
    }
    assert_eq!(crm.said("showMessagesQueue").await["totalMessages"], 3);
    for _ in 0..500 {
        if crm.said("showMessagesQueue").await["totalMessages"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let list = crm.said("messages").await;
    let told: Vec<(&Value, &Value)> = list["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|one| (&one["body"], &one["messageNumber"]))
        .collect();
    assert_eq!(
        told,
        [(&json!("one"), &json!(1)), (&json!("two"), &json!(2)), (&json!("three"), &json!(3))]
    );
    crm.sandbox.set_gateway(|gateway| gateway.manner.status = "not_paid".into());
    send("by mistake").await;
    let cleared = crm.told("clearMessagesQueue", json!({})).await;
    assert_eq!(cleared["messageTextsExample"], json!(["by mistake"]));
    assert_eq!(crm.said("showMessagesQueue").await["totalMessages"], 0);
}

#[tokio::test]
async fn a_hook_is_tried_once_or_twenty_times() {
    for (guaranteed, tries) in [(false, 1), (true, 20)] {
        let crm = Crm::unlimited().await;
        let (url, kept) = door(usize::MAX).await;
        crm.sandbox.set_gateway(|gateway| {
            gateway.settings.insert("webhookUrl".into(), url.into());
            gateway.settings.insert("guaranteedHooks".into(), guaranteed.into());
            gateway.manner.hook_pause_ms = 1;
        });
        crm.sandbox.whatsapp(&Writing::of(written("79990000001", "hi"))).await;
        let shown = answer(crm.client.get(crm.url("/_sandbox/chatapi"))).await.1;
        let expected = json!([{ "of": "messages", "status": 502, "tries": tries }]);
        assert_eq!(shown["hooked"], expected);
        assert!(kept.lock().expect("a lock").is_empty());
    }
}

#[tokio::test]
async fn acks_may_come_twice_or_tell_of_a_failure() {
    for (acks, expected) in [
        (Acks::Doubled, &["delivered", "delivered", "viewed", "viewed"][..]),
        (Acks::Delivered, &["delivered"]),
        (Acks::Failed, &["failed"]),
        (Acks::None, &[]),
    ] {
        let crm = Crm::unlimited().await;
        let (url, kept) = door(0).await;
        crm.sandbox.set_gateway(|gateway| {
            gateway.settings.insert("webhookUrl".into(), url.into());
            gateway.settings.insert("ackNotificationsOn".into(), true.into());
            gateway.manner.echo = false;
            gateway.manner.acks = acks;
        });
        crm.told("sendMessage", json!({ "phone": "79990000001", "body": "x" })).await;
        let held = hooks(&kept, expected.len()).await;
        let told: Vec<&str> =
            held.iter().map(|hook| hook["ack"][0]["status"].as_str().expect("a word")).collect();
        assert_eq!(told, expected);
    }
}
