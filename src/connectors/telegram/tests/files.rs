//! Files in and out, as streams.

use super::double::{Double, refused};
use super::*;
use crate::connectors::files::FileRef;
use futures_util::StreamExt;
use std::collections::BTreeMap;

fn file(id: &str, kind: &str, mime: &str) -> FileRef {
    FileRef {
        connection: "bot-main".into(),
        id: id.into(),
        name: String::new(),
        mime: mime.into(),
        size: Some(20),
        kind: kind.into(),
    }
}

fn told(method: &str, body: &Value) -> Value {
    match method {
        "getFile" if body["file_id"] == "photo" => {
            json!({"file_id": "photo", "file_size": 20, "file_path": "photos/file_1.jpg"})
        }
        "getFile" if body["file_id"] == "gone" => json!({"file_path": "photos/file_2.jpg"}),
        "getFile" if body["file_id"] == "local" => json!({"file_path": "/var/lib/bot/file_2.jpg"}),
        "getFile" if body["file_id"] == "huge" => {
            json!({"file_size": 30_000_000, "file_path": "a/b"})
        }
        "getFile" => refused(400, "Bad Request: file is too big"),
        _ => json!({"message_id": 12, "chat": {"id": 5}}),
    }
}

/// Two connections of one process: what one names the other sends.
fn both(url: &str) -> (Arc<dyn Connector>, Files) {
    let (limits, files) = (http::Limits::default(), Files::default());
    let mut section = Section::from_toml("bot-main", &toml(url));
    let own = build("bot-main", &mut section, &limits, &files).expect("a connection");
    files.tell(&BTreeMap::from([("bot-main".to_owned(), Arc::clone(&own))]));
    (own, files)
}

fn effect(file: &FileRef) -> Effect {
    let input = json!({"chat": "5", "file": file, "caption": "Вот", "reply_to": "5:4"});
    Effect {
        connection: "bot-main".to_owned(),
        operation: "file.send".to_owned(),
        input: input.as_object().cloned().expect("a table"),
        key: "mg:1".to_owned(),
    }
}

#[tokio::test]
async fn a_file_is_opened_by_the_connection_that_named_it() {
    let (_double, url) = Double::start(|heard| told(&heard.method, &heard.body)).await;
    let own = connection(&url);
    let mut stream = own.open(&file("photo", "image", "image/jpeg")).await.expect("a file");
    assert_eq!(
        (stream.name.as_str(), stream.mime.as_str()),
        ("file_1.jpg", "text/plain; charset=utf-8")
    );
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.chunks.next().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    assert_eq!(bytes, b"the bytes of a photo");
    for id in ["gone", "local", "huge", "other"] {
        let none = own.open(&file(id, "image", "")).await;
        assert!(matches!(&none, Err(NoFile::Never(why)) if !why.contains(TOKEN)), "{id}: {none:?}");
    }
    let later = offline().open(&file("photo", "image", "")).await;
    assert!(matches!(later, Err(NoFile::Later(_))));
}

#[tokio::test]
async fn a_file_is_sent_as_a_form() {
    let (double, url) = Double::start(|heard| told(&heard.method, &heard.body)).await;
    let (own, _files) = both(&url);
    let outcome = own.perform(&effect(&file("photo", "file", "")), now()).await;
    let output = json!({"id": "5:12", "chat": "5", "state": "sent"});
    assert_eq!(outcome, Outcome::Done(output));
    let heard = double.heard();
    let form = heard.last().expect("a call");
    assert_eq!(form.method, "sendDocument");
    let text = form.body.as_str().expect("a form");
    for part in [
        "name=\"chat_id\"\r\n\r\n5\r\n",
        "name=\"caption\"\r\n\r\nВот\r\n",
        "\"message_id\":4",
        "name=\"document\"; filename=\"file_1.jpg\"",
        "the bytes of a photo",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_refused_and_nothing_is_sent() {
    let (double, url) = Double::start(|heard| told(&heard.method, &heard.body)).await;
    let (own, _files) = both(&url);
    let outcome = own.perform(&effect(&file("gone", "image", "image/jpeg")), now()).await;
    assert!(
        matches!(&outcome, Outcome::Refused(why) if why.starts_with("general: ")),
        "{outcome:?}"
    );
    assert_eq!(double.methods(), ["getFile"]);
}
