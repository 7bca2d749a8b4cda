//! The connector against the sandbox's Telegram: what one tells the other understands.

use super::*;
use crate::connectors::files::FileRef;
use crate::domain::Whose;
use crate::sandbox::{Does, Fault, Given, Options, Rule, Sandbox, Side};
use std::collections::BTreeMap;

async fn sandbox() -> Sandbox {
    let options = Options { telegram_rps: None, ..Options::default() };
    Sandbox::start(options).await.expect("a sandbox")
}

/// A bot of the sandbox, with its files.
fn bot(sandbox: &Sandbox, more: &str) -> (Arc<dyn Connector>, Files) {
    let text = format!(
        "url = \"{}\"\ntoken = \"{}\"\nrequests_per_second = 1000\nchat_pause = \"0s\"\ntimeout = \"4s\"\n{more}",
        sandbox.telegram_url(),
        sandbox.telegram_token()
    );
    let (limits, files) = (http::Limits::default(), Files::default());
    let mut section = Section::from_toml("bot-main", &text);
    let own = build("bot-main", &mut section, &limits, &files).expect("a connection");
    files.tell(&BTreeMap::from([("bot-main".to_owned(), Arc::clone(&own))]));
    (own, files)
}

async fn events(own: &Arc<dyn Connector>) -> Vec<Event> {
    let poll = Poll { feed: poll::UPDATES, cursor: None, first_start: now(), now: now() };
    let page = own.poll(&poll).await.expect("a page");
    page.rows.iter().flat_map(|row| own.parse(row).expect("readable")).collect()
}

async fn performed(own: &Arc<dyn Connector>, operation: &str, input: Value) -> Outcome {
    let effect = Effect {
        connection: "bot-main".to_owned(),
        operation: operation.to_owned(),
        input: input.as_object().cloned().expect("a table"),
        key: "mg:1".to_owned(),
    };
    own.perform(&effect, now()).await
}

#[tokio::test]
async fn a_person_writes_and_is_answered() {
    let sandbox = sandbox().await;
    let (own, _files) = bot(&sandbox, "");
    assert!(own.check().await.is_empty());
    sandbox.telegram(&Does { text: "Где заказ?".into(), ..Does::default() }).expect("a bot");
    let heard = events(&own).await;
    assert_eq!(heard[0].fields["text"], "Где заказ?");
    let input = json!({"chat": heard[0].fields["chat"], "text": "В пути",
        "reply_to": heard[0].fields["id"], "buttons": [{"text": "Да", "data": "f|1|yes"}]});
    let Outcome::Done(output) = performed(&own, "message.send", input).await else {
        panic!("not sent")
    };
    let id = output["id"].clone();
    let done = Outcome::Done(json!({ "id": id }));
    let edit = json!({"id": id, "text": "Уже у вас"});
    assert_eq!(performed(&own, "message.edit", edit.clone()).await, done);
    assert_eq!(performed(&own, "message.edit", edit).await, done, "as it is already");
    assert_eq!(performed(&own, "message.delete", json!({ "id": id })).await, done);
    assert_eq!(performed(&own, "message.delete", json!({ "id": id })).await, done, "gone already");
    let ledger = sandbox.ledger();
    let sent = &ledger.messages[0];
    assert_eq!((sent.text.as_str(), sent.edits, sent.deleted), ("Уже у вас", 1, true));
    assert_eq!(sent.buttons, [("Да".to_owned(), "f|1|yes".to_owned())]);
    assert_eq!(sent.reply_to, Some(101));
}

#[tokio::test]
async fn a_file_goes_through_byte_by_byte() {
    let sandbox = sandbox().await;
    let (own, _files) = bot(&sandbox, "");
    let photo = Given { kind: "photo".into(), size: 300_000, ..Given::default() };
    let files = vec![photo.clone(), photo];
    let does = Does { text: "Вот".into(), files, ..Does::default() };
    sandbox.telegram(&does).expect("a bot");
    let heard = events(&own).await;
    assert_eq!(heard.len(), 2, "an album is two messages");
    let file = heard[1].fields["files"][0].clone();
    let named: FileRef = serde_json::from_value(file.clone()).expect("a file");
    assert_eq!((named.kind.as_str(), named.size), ("image", Some(300_000)));
    let input = json!({"chat": heard[0].fields["chat"], "file": file, "caption": "Оно?"});
    let outcome = performed(&own, "file.send", input).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let sent = sandbox.ledger().messages.remove(0);
    assert_eq!((sent.kind.as_str(), sent.text.as_str()), ("photo", "Оно?"));
    let bytes: Vec<u8> =
        (0..300_000_u32).map(|at| u8::try_from(at % 251).expect("small")).collect();
    assert_eq!(sent.file.expect("a file").sha256, door::digest(&bytes));
}

#[tokio::test]
async fn what_goes_wrong_is_judged() {
    let sandbox = sandbox().await;
    let (own, _files) = bot(&sandbox, "");
    let send =
        async || performed(&own, "message.send", json!({"chat": "700000001", "text": "x"})).await;
    let refused = |outcome: Outcome, code: &str| match outcome {
        Outcome::Refused(why) => assert!(why.starts_with(code), "{why}"),
        other => panic!("{other:?}"),
    };
    refused(send().await, "customer_not_exists: chat not found");
    sandbox.telegram(&Does { blocked: Some(true), ..Does::default() }).expect("a bot");
    refused(send().await, "customer_not_exists: bot was blocked");
    sandbox.telegram(&Does { blocked: Some(false), ..Does::default() }).expect("a bot");
    let kinds: Vec<String> = events(&own).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["person.blocked", "person.unblocked"]);

    let mut slow = Rule::next(Side::Telegram, Fault::Error429, "sendMessage", 1);
    slow.retry_after = Some(3);
    sandbox.add_fault(slow);
    let Outcome::Later(delay) = send().await else { panic!("no wait") };
    assert_eq!(delay.after, Some(Duration::from_secs(3)));
    for fault in [Fault::LostAnswer, Fault::Error500, Fault::Garbage] {
        sandbox.add_fault(Rule::next(Side::Telegram, fault, "sendMessage", 1));
        let outcome = send().await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{fault:?}: {outcome:?}");
    }
    let long = json!({"chat": "700000001", "text": "x".repeat(4097)});
    refused(performed(&own, "message.send", long).await, "general: message is too long");
}

#[tokio::test]
async fn the_set_up_leads_updates_to_the_door_or_to_the_poll() {
    let sandbox = sandbox().await;
    let door = "hook_secret = \"0123456789abcdef\"\npublic = \"http://127.0.0.1:9\"\n";
    let (hooked, _files) = bot(&sandbox, door);
    let (polled, _files) = bot(&sandbox, "");
    assert_eq!(hooked.check().await.len(), 1, "no webhook yet");
    hooked.setup().await.expect("set up");
    assert!(hooked.check().await.is_empty());
    let poll = Poll { feed: poll::UPDATES, cursor: None, first_start: now(), now: now() };
    let conflict = polled.poll(&poll).await.expect_err("a webhook is set");
    assert_eq!(conflict.whose, Whose::Setup);
    assert_eq!(polled.probe().await.expect_err("a webhook is set").whose, Whose::Setup);
    polled.setup().await.expect("set up");
    assert_eq!(polled.probe().await, Ok(()));
    let lines = polled.setup().await.expect("set up");
    assert_eq!(lines, ["no webhook is set: updates are polled"]);
}
