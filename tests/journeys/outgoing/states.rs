//! What became of a message, as the CRM shows it. Invariant: a state goes forward alone, and what
//! cannot arrive is shown with its reason.

use super::{ANNA, BORIS, Talk, acted, fault};
use rstest::rstest;
use serde_json::{Value, json};

/// Waits until all acks of the gateway are kept and told.
async fn told(talk: &mut Talk, acks: &str) {
    let kept = "select cast(count(*) as text) from event where kind = 'delivery.changed'";
    for _ in 0..500 {
        if talk.house.sql(kept).await == [acks] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(talk.house.sql(kept).await, [acks], "{}", talk.house.log());
    talk.house.ended().await;
}

#[rstest]
#[case("normal", "2", &["sending", "sent", "seen"])]
#[case("swapped", "2", &["sending", "sent", "seen"])]
#[case("doubled", "2", &["sending", "sent", "seen"])]
#[case("delivered", "1", &["sending", "sent"])]
#[case("none", "0", &["sending", "sent"])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_moves_forward_alone(
    #[case] acks: &str,
    #[case] count: &str,
    #[case] expected: &[&str],
) {
    let mut talk = Talk::start().await;
    talk.house.control("chatapi", json!({ "acks": acks })).await;
    let id = talk.tell_anna("hello").await;
    talk.house.ended().await;
    told(&mut talk, count).await;
    assert_eq!(talk.states(id).await, expected, "{acks}");
    let counts = talk.house.counts().await;
    assert_eq!((counts.stuck, counts.unreadable), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_took_and_could_not_deliver_is_shown_as_failed() {
    let mut talk = Talk::start().await;
    talk.house.control("chatapi", json!({ "acks": "failed" })).await;
    let id = talk.tell_anna("hello").await;
    talk.house.ended().await;
    told(&mut talk, "1").await;
    assert_eq!(talk.states(id).await, ["sending", "sent", "failed"]);
    assert_eq!(talk.error(id).await.0, "general");
}

#[rstest]
#[case(json!({ "chat": BORIS, "state": "blocked" }), "customer_not_exists", "blocked by the user")]
#[case(json!({ "chat": BORIS, "state": "deactivated" }), "customer_not_exists", "deactivated")]
#[case(json!({ "chat": BORIS, "state": "gone" }), "customer_not_exists", "chat not found")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_cannot_be_reached_by_telegram_is_told_of(
    #[case] state: Value,
    #[case] code: &str,
    #[case] words: &str,
) {
    let mut talk = Talk::start().await;
    talk.house.control("telegram/chats", state).await;
    let id = talk.tell_boris("hello").await;
    talk.house.ended().await;
    assert_eq!(talk.states(id).await, ["sending", "failed"]);
    let error = talk.error(id).await;
    assert!(error.0 == code && error.1.contains(words), "{error:?}");
    // It is this person's matter: nobody has to mend it, and others go on.
    assert_eq!(talk.jobs().await, acted(1));
    let chat = (BORIS + 1).to_string();
    talk.write(json!({ "channel": "telegram-main", "chat": chat, "text": "you" })).await;
    talk.house.ended().await;
    assert_eq!(talk.on_telegram(BORIS + 1).await.len(), 1);
}

#[rstest]
#[case("phone does not exist on WhatsApp", "customer_not_exists")]
#[case("131047 Re-engagement message", "reply_timed_out")]
#[case("spam rate limit hit", "spam_suspicion")]
#[case("you are banned", "access_restricted")]
#[case("something else", "general")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_whatsapp_is_told_in_the_words_of_the_crm(
    #[case] said: &str,
    #[case] code: &str,
) {
    let mut talk = Talk::start().await;
    talk.house.control("chatapi", json!({ "refuse": { "text": said, "next": 1 } })).await;
    let (first, second) = (talk.tell_anna("one").await, talk.tell_anna("two").await);
    talk.house.ended().await;
    assert_eq!(talk.error(first).await, (code.to_owned(), said.to_owned()));
    assert_eq!(talk.states(second).await[..2], ["sending", "sent"]);
    assert_eq!(talk.anna_got().await, ["two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_part_that_was_refused_no_other_is_sent_whenever_the_crm_is_told() {
    let mut talk = Talk::start().await;
    talk.house.control("chatapi", json!({ "refuse": { "text": "spam", "next": 1 } })).await;
    // The CRM cannot be told at once, so the rest is decided anew.
    talk.faults(json!([{ "side": "chats", "fault": "error_429", "next": 2, "path": "ack" }])).await;
    let files = json!([
        { "name": "a.pdf", "mime": "application/pdf", "size": 10 },
        { "name": "b.pdf", "mime": "application/pdf", "size": 20 },
    ]);
    let chat = format!("{ANNA}@c.us");
    let body = json!({ "channel": "whatsapp-main", "chat": chat, "text": "Two", "files": files });
    let id = talk.write(body).await;
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, Vec::<String>::new());
    assert_eq!(talk.error(id).await.0, "spam_suspicion");
    let faults = talk.house.ask("ledger?parts=faults").await;
    assert_eq!(faults["faults"]["chats error_429"], 2, "{faults}");
    assert_eq!(talk.house.counts().await.stuck, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_pauses_the_bot_and_its_messages_go_out_when_it_is_mended() {
    let mut talk = Talk::start().await;
    talk.faults(fault("telegram", "error_400", 1)).await;
    let refused = talk.tell_boris("too long").await;
    talk.house.ended().await;
    assert_eq!(talk.error(refused).await.0, "general");
    let config = std::fs::read_to_string(talk.house.config()).expect("the config");
    let token = talk.house.sandbox.telegram_token().to_owned();
    let wrong = config.replace(&token, "123456:nobody-knows-this-token");
    std::fs::write(talk.house.config(), wrong).expect("written");
    talk.house.stop();
    talk.house.run().await;
    let (id, other) = (talk.tell_boris("hello").await, talk.tell_anna("hello").await);
    talk.pass(30).await;
    assert_eq!(talk.states(id).await, ["sending"]);
    assert_eq!(talk.states(other).await[..2], ["sending", "sent"], "WhatsApp goes on");
    let why = "select why from job where state = 'waiting' and flow = 'crm-to-message'";
    let why = talk.house.sql(why).await;
    assert!(why[0].contains("knows no bot with this token"), "{why:?}");
    std::fs::write(talk.house.config(), config).expect("written");
    talk.house.stop();
    talk.house.run().await;
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["hello"]);
    assert_eq!(talk.states(id).await, ["sending", "sent"]);
}
