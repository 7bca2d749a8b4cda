//! Effects into calls, and answers into outcomes.

use super::double::{Double, Heard, refused};
use super::*;
use crate::domain::Whose;

fn effect(operation: &str, input: Value) -> Effect {
    Effect {
        connection: "bot-main".to_owned(),
        operation: operation.to_owned(),
        input: input.as_object().cloned().expect("a table"),
        key: "mg:1".to_owned(),
    }
}

fn made(heard: &Heard) -> Value {
    match heard.method.as_str() {
        "deleteMessage" => json!(true),
        _ => json!({"message_id": 12, "chat": {"id": 700_000_001, "type": "private"}}),
    }
}

async fn performed(operation: &str, input: Value) -> (Outcome, Vec<Heard>) {
    let (double, url) = Double::start(made).await;
    let outcome = connection(&url).perform(&effect(operation, input), now()).await;
    (outcome, double.heard())
}

/// What becomes of a message where Telegram says this.
async fn refusal(said: Value) -> Outcome {
    let (_double, url) = Double::start(move |_| said.clone()).await;
    let effect = effect("message.send", json!({"chat": "5", "text": "x"}));
    connection(&url).perform(&effect, now()).await
}

#[tokio::test]
async fn a_message_is_sent_with_its_buttons_and_named() {
    let input = json!({
        "chat": "700000001", "text": "Подтвердите", "reply_to": "700000001:11", "mark": "m",
        "origin": "77", "buttons": [{"text": "Да", "data": "f|1|yes"}, {"text": "Нет", "data": "f|1|no"}],
    });
    let (outcome, heard) = performed("message.send", input).await;
    let output = json!({"id": "700000001:12", "chat": "700000001", "state": "sent"});
    assert_eq!(outcome, Outcome::Done(output));
    let body = json!({
        "chat_id": "700000001", "text": "Подтвердите",
        "reply_parameters": {"message_id": 11, "allow_sending_without_reply": true},
        "reply_markup": {"inline_keyboard": [
            [{"text": "Да", "callback_data": "f|1|yes"}], [{"text": "Нет", "callback_data": "f|1|no"}],
        ]},
    });
    assert_eq!((heard[0].method.as_str(), &heard[0].body), ("sendMessage", &body));
}

#[rstest]
#[case(json!({"phone": "+79990000001", "text": "x"}), "customer_not_exists: ")]
#[case(json!({"chat": "5", "text": "x", "buttons": [{"text": "a", "data": "я".repeat(33)}]}), "general: ")]
#[case(json!({"chat": "5", "text": "x", "buttons": [{"text": "a"}]}), "general: ")]
#[case(json!({"chat": {"$step": "a", "path": []}, "text": "x"}), "an input still waits")]
#[tokio::test]
async fn what_cannot_be_sent_is_refused_unasked(#[case] input: Value, #[case] begins: &str) {
    let (outcome, heard) = performed("message.send", input).await;
    assert!(matches!(&outcome, Outcome::Refused(why) if why.starts_with(begins)), "{outcome:?}");
    assert!(heard.is_empty());
}

#[tokio::test]
async fn an_answer_is_a_wait_a_refusal_or_a_doubt() {
    let mut slow = refused(429, "Too Many Requests: retry after 3");
    slow["parameters"] = json!({"retry_after": 3});
    let Outcome::Later(delay) = refusal(slow).await else { panic!("no wait") };
    assert_eq!((delay.whose, delay.after), (Whose::Item, Some(Duration::from_secs(3))));

    let blocked = refusal(refused(403, "Forbidden: bot was blocked by the user")).await;
    let why = "customer_not_exists: bot was blocked by the user";
    assert_eq!(blocked, Outcome::Refused(why.to_owned()));

    let long = refusal(refused(400, "Bad Request: message is too long")).await;
    assert_eq!(long, Outcome::Refused("general: message is too long".to_owned()));

    for code in [401, 404] {
        let Outcome::Later(delay) = refusal(refused(code, "Unauthorized")).await else {
            panic!("no wait")
        };
        assert_eq!(delay.whose, Whose::Access);
        assert!(!delay.why.contains(TOKEN));
    }
    let broken = refusal(refused(500, "Internal Server Error")).await;
    assert!(matches!(broken, Outcome::Unknown(_)), "{broken:?}");
    assert!(matches!(refusal(json!({"no": "message"})).await, Outcome::Unknown(_)));
    let effect = effect("message.send", json!({"chat": "5", "text": "x"}));
    let nobody = offline().perform(&effect, now()).await;
    assert!(matches!(nobody, Outcome::Later(_)), "it never left");
}

#[tokio::test]
async fn a_change_that_is_so_already_is_done() {
    let input = json!({"id": "-100:7", "text": "new"});
    let (outcome, heard) = performed("message.edit", input.clone()).await;
    assert_eq!(outcome, Outcome::Done(json!({"id": "-100:7"})));
    let body = json!({"chat_id": "-100", "message_id": 7, "text": "new"});
    assert_eq!((heard[0].method.as_str(), &heard[0].body), ("editMessageText", &body));
    for (operation, said, is_done) in [
        ("message.edit", "Bad Request: message is not modified: …", true),
        ("message.edit", "Bad Request: message to edit not found", false),
        ("message.delete", "Bad Request: message to delete not found", true),
        ("message.delete", "Bad Request: message can't be deleted", false),
    ] {
        let (_double, url) = Double::start(move |_| refused(400, said)).await;
        let outcome = connection(&url).perform(&effect(operation, input.clone()), now()).await;
        assert_eq!(matches!(outcome, Outcome::Done(_)), is_done, "{said}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_caption_is_changed_where_there_is_no_text() {
    let (double, url) = Double::start(|heard| match heard.method.as_str() {
        "editMessageText" => refused(400, "Bad Request: there is no text in the message to edit"),
        _ => json!(true),
    })
    .await;
    let effect = effect("message.edit", json!({"id": "5:7", "text": "new"}));
    let outcome = connection(&url).perform(&effect, now()).await;
    assert_eq!(outcome, Outcome::Done(json!({"id": "5:7"})));
    assert_eq!(double.methods(), ["editMessageText", "editMessageCaption"]);
    assert_eq!(double.heard()[1].body["caption"], "new");
}

#[tokio::test]
async fn what_is_no_message_is_refused_unasked() {
    for operation in ["message.edit", "message.delete"] {
        for id in ["", "7", "a:b", "5:"] {
            let (outcome, heard) = performed(operation, json!({"id": id, "text": "x"})).await;
            assert!(matches!(outcome, Outcome::Refused(_)) && heard.is_empty(), "{id}");
        }
    }
    let (outcome, heard) = performed("message.delete", json!({"id": "5:7"})).await;
    assert_eq!(outcome, Outcome::Done(json!({"id": "5:7"})));
    assert_eq!(heard[0].body, json!({"chat_id": "5", "message_id": 7}));
}
