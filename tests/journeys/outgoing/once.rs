//! A message whose answer was lost. Invariant: it is not sent a second time by anybody but a person;
//! WhatsApp is asked whether it is there, of Telegram a person is.

use super::{BORIS, Talk, fault};
use rstest::rstest;
use serde_json::json;
use std::time::{Duration, Instant};

#[rstest]
#[case("lost_answer")]
#[case("garbage")]
#[case("slow")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatsapp_is_asked_and_the_message_found(#[case] kind: &str) {
    let mut talk = Talk::start().await;
    let mut rules = fault("chatapi", kind, 1);
    // Beyond the time-out of the connection.
    rules[0]["ms"] = json!(2500);
    talk.faults(rules).await;
    let (first, second) = (talk.tell_anna("one").await, talk.tell_anna("two").await);
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["one", "two"]);
    for id in [first, second] {
        assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    }
    let counts = talk.house.counts().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatsapp_without_a_trace_waits_for_a_person_who_says_again() {
    let mut talk = Talk::start().await;
    talk.faults(fault("chatapi", "error_500", 1)).await;
    let (first, second) = (talk.tell_anna("one").await, talk.tell_anna("two").await);
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["two"], "others need not wait for the person");
    assert_eq!(talk.states(first).await, ["sending"]);
    let stuck = talk.stuck().await;
    let told = talk.house.command(&["status"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("left no trace"), "{told}");
    talk.say(&["retry", &stuck[0], "--again", "send.1", "--why", "Анна её не видела"]);
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["two", "one"]);
    for id in [first, second] {
        assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    }
}

#[rstest]
#[case("lost_answer")]
#[case("slow")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telegram_waits_for_a_person_with_two_choices(#[case] kind: &str) {
    let mut talk = Talk::start().await;
    let mut rules = fault("telegram", kind, 2);
    rules[0]["ms"] = json!(4500);
    talk.faults(rules).await;
    let first = talk.tell_boris("one").await;
    talk.house.ended().await;
    let second = talk.tell_boris("two").await;
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["one", "two"]);
    let stuck = talk.stuck().await;
    assert_eq!(stuck.len(), 2);
    assert_eq!(talk.states(first).await, ["sending"]);
    // Both commands say what may be typed.
    let told = talk.house.command(&["status"]);
    let told =
        String::from_utf8_lossy(&told.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let why = talk.say(&["why", &format!("mg:{second}")]);
    let job = &stuck[1];
    for choice in ["arrived", "again"] {
        let command = format!("leadlink retry {job} --{choice} send.1");
        assert!(why.contains(&command), "{command}\n{why}");
        assert!(told.contains(&format!("--{choice} send.1")), "{choice}\n{told}");
    }
    // Without a word about it nothing happens.
    let refused = talk.house.command(&["retry", job]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--arrived send.1"));
    // The first one arrived, as Boris says; the second did not.
    talk.say(&["retry", &stuck[0], "--arrived", "send.1"]);
    talk.say(&["retry", job, "--again", "send.1"]);
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["one", "two", "two"], "it was the person's word");
    for id in [first, second] {
        assert_eq!(talk.states(id).await, ["sending", "sent"]);
    }
    let counts = talk.house.counts().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
}

/// Waits until a message is at the messenger, while its answer is on its way.
async fn arrives(talk: &Talk, telegram: bool) {
    let began = Instant::now();
    loop {
        let got = if telegram { talk.boris_got().await } else { talk.anna_got().await };
        if !got.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", talk.house.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[rstest]
#[case(true)]
#[case(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_sending_and_the_commit(#[case] telegram: bool) {
    let mut talk = Talk::start().await;
    let mut rules = fault(if telegram { "telegram" } else { "chatapi" }, "slow", 1);
    rules[0]["ms"] = json!(1500);
    talk.faults(rules).await;
    let id = if telegram { talk.tell_boris("one").await } else { talk.tell_anna("one").await };
    arrives(&talk, telegram).await;
    talk.house.kill();
    talk.house.run().await;
    talk.house.ended().await;
    let stuck = talk.stuck().await;
    if telegram {
        assert_eq!(talk.boris_got().await, ["one"]);
        assert_eq!(stuck.len(), 1);
        talk.say(&["retry", &stuck[0], "--arrived", "send.1"]);
        talk.house.ended().await;
    } else {
        assert_eq!(talk.anna_got().await, ["one"]);
        assert!(stuck.is_empty(), "{}", talk.house.log());
    }
    assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    assert_eq!(talk.on_telegram(BORIS).await.len(), usize::from(telegram));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_album_goes_on_behind_a_file_that_was_found() {
    let mut talk = Talk::start().await;
    let rule =
        json!([{ "side": "chatapi", "fault": "lost_answer", "next": 1, "path": "/sendFile" }]);
    talk.faults(rule).await;
    let files = json!([
        { "name": "a.pdf", "mime": "application/pdf", "size": 10 },
        { "name": "b.pdf", "mime": "application/pdf", "size": 20 },
    ]);
    let chat = format!("{}@c.us", super::ANNA);
    let body = json!({ "channel": "whatsapp-main", "chat": chat, "text": "Two", "files": files });
    let id = talk.write(body).await;
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["Two", "a.pdf", "b.pdf"]);
    assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
}
