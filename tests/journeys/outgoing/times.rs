//! The last moment of a message (`send_within`, 10 minutes). Invariant: whatever was in the way, the
//! CRM is told in time that it was not sent, and then it is never sent.

use super::{ANNA, TELEGRAM, Talk, WHATSAPP, acted, fault};
use jiff::SignedDuration;
use serde_json::json;

const MISSED: &str = "it could not be sent until";

/// The clock runs to the last moment and a little beyond.
async fn missed(talk: &mut Talk) {
    for _ in 0..20 {
        talk.pass(30).await;
    }
    talk.pass(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messenger_that_is_logged_out_is_told_of_in_time_and_others_go_on() {
    let mut talk = Talk::start().await;
    talk.house.control("chatapi", json!({ "status": "got qr code" })).await;
    let first = talk.tell_anna("one").await;
    talk.pass(1).await;
    let second = talk.tell_anna("two").await;
    let other = talk.tell_boris("hello").await;
    talk.pass(20).await;
    assert_eq!(talk.boris_got().await, ["hello"], "the other messenger answers");
    assert_eq!(talk.states(other).await, ["sending", "sent"]);
    assert_eq!(talk.states(first).await, ["sending"], "there is time yet");
    missed(&mut talk).await;
    for id in [first, second] {
        let (code, words) = talk.error(id).await;
        assert_eq!(code, "general");
        assert!(words.contains(MISSED), "{words}");
    }
    assert_eq!(talk.jobs().await, acted(3));
    talk.house.control("chatapi", json!({ "status": "authenticated" })).await;
    talk.pass(3600).await;
    assert!(talk.anna_got().await.is_empty(), "what was missed is never sent");
    assert_eq!(talk.house.ask("chatapi").await["queue"], json!([]), "nor handed over");
    // It answers again: what is written now goes out.
    talk.answers(WHATSAPP).await;
    let third = talk.tell_anna("three").await;
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["three"]);
    assert_eq!(talk.states(third).await[..2], ["sending", "sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messenger_that_comes_back_in_time_gets_all_in_order() {
    for (side, trouble) in [("chatapi", "down"), ("chatapi", "denied"), ("telegram", "error_429")] {
        let mut talk = Talk::start().await;
        talk.faults(json!([{ "side": side, "fault": trouble, "retry_after": 20 }])).await;
        for text in ["one", "two", "three"] {
            match side {
                "chatapi" => talk.tell_anna(text).await,
                _ => talk.tell_boris(text).await,
            };
            talk.pass(1).await;
        }
        for _ in 0..4 {
            talk.pass(60).await;
        }
        talk.faults(json!([])).await;
        talk.answers(if side == "chatapi" { WHATSAPP } else { TELEGRAM }).await;
        talk.house.ended().await;
        let got = if side == "chatapi" { talk.anna_got().await } else { talk.boris_got().await };
        assert_eq!(got, ["one", "two", "three"], "{trouble}");
        assert_eq!(talk.jobs().await, acted(3), "{trouble}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tried_again_is_told_of_at_its_last_moment() {
    let mut talk = Talk::start().await;
    // It asks to wait longer than there is time, the second time.
    let rule = json!([{ "side": "chatapi", "fault": "error_429", "retry_after": 400, "path": "/sendMessage" }]);
    talk.faults(rule).await;
    let id = talk.tell_anna("hello").await;
    missed(&mut talk).await;
    assert!(talk.error(id).await.1.contains(MISSED), "{:?}", talk.error(id).await);
    talk.faults(json!([])).await;
    talk.pass(600).await;
    assert!(talk.anna_got().await.is_empty());
    assert_eq!(talk.jobs().await, acted(1));
    let struck = talk.house.ask("ledger?parts=faults").await;
    assert!(struck["faults"]["chatapi error_429"].as_u64() < Some(4), "{struck}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_down_over_the_whole_time_tells_it_when_it_starts() {
    let mut talk = Talk::start().await;
    talk.faults(json!([{ "side": "telegram", "fault": "error_429" }])).await;
    let id = talk.tell_boris("hello").await;
    talk.pass(1).await;
    talk.house.kill();
    talk.faults(json!([])).await;
    talk.house.advance(SignedDuration::from_mins(11)).await;
    talk.house.run().await;
    talk.house.ended().await;
    assert!(talk.error(id).await.1.contains(MISSED), "{:?}", talk.error(id).await);
    assert!(talk.boris_got().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_its_turn_is_sent_in_time_or_not_at_all() {
    // One message in ten seconds: the sixth of them would go after the last moment.
    let mut talk = Talk::with("[flows.crm-to-message.settings]\nsend_within = \"4s\"").await;
    let config = std::fs::read_to_string(talk.house.config()).expect("the config");
    let slow = config
        .replace("requests_per_second = 2000\n[flows.crm", "requests_per_second = 0.7\n[flows.crm");
    assert_ne!(slow, config);
    std::fs::write(talk.house.config(), slow).expect("written");
    talk.house.stop();
    talk.house.run().await;
    let mut ids = Vec::new();
    for person in 1..=5 {
        let phone = format!("7999000000{person}");
        let chat = format!("{phone}@c.us");
        ids.push(
            talk.write(json!({ "channel": "whatsapp-main", "chat": chat, "text": "hi" })).await,
        );
    }
    let told = "told";
    talk.house.until(told, |counts| counts.waiting + counts.deciding + counts.unrouted == 0).await;
    let mut sent = 0;
    for (id, person) in ids.into_iter().zip(1..) {
        let got = talk.on_whatsapp(&format!("7999000000{person}")).await.len();
        let (_, words) = talk.error(id).await;
        assert_eq!(got == 0, words.contains(MISSED), "{person}: {got} and {words}");
        sent += got;
    }
    assert!((1..5).contains(&sent), "{sent} of 5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_message_is_not_sent_by_a_late_word_of_a_person() {
    let mut talk = Talk::start().await;
    talk.faults(fault("telegram", "error_500", 1)).await;
    let id = talk.tell_boris("hello").await;
    talk.house.ended().await;
    let stuck = talk.stuck().await;
    assert_eq!(stuck.len(), 1, "{}", talk.house.log());
    talk.pass(601).await;
    talk.say(&["retry", &stuck[0], "--again", "send.1"]);
    talk.house.ended().await;
    assert!(talk.boris_got().await.is_empty());
    assert!(talk.error(id).await.1.contains(MISSED), "{:?}", talk.error(id).await);
    assert_eq!(talk.house.counts().await.stuck, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_message_that_is_looked_for_others_are_told_of_in_time() {
    let mut talk = Talk::start().await;
    // The answer is lost, then the gateway does not answer at all.
    let rules = json!([
        { "side": "chatapi", "fault": "lost_answer", "next": 1, "path": "/sendMessage" },
        { "side": "chatapi", "fault": "html_502", "path": "/messages" },
        { "side": "chatapi", "fault": "html_502", "path": "/status" },
    ]);
    // That it was fine is believed for a while.
    let zero = talk.tell_anna("zero").await;
    talk.house.ended().await;
    talk.faults(rules).await;
    let first = talk.tell_anna("one").await;
    talk.pass(1).await;
    let second = talk.tell_anna("two").await;
    missed(&mut talk).await;
    assert_eq!(talk.anna_got().await, ["zero", "one"]);
    assert_eq!(talk.states(first).await, ["sending"], "nobody knows yet");
    assert!(talk.error(second).await.1.contains(MISSED), "{:?}", talk.error(second).await);
    talk.faults(json!([])).await;
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["zero", "one"]);
    assert_eq!(talk.states(first).await[..2], ["sending", "sent"], "it was found");
    assert_eq!(talk.states(zero).await[..2], ["sending", "sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crm_that_is_down_is_told_when_it_answers_again_and_the_message_is_not_late() {
    let mut talk = Talk::start().await;
    let words =
        json!([{ "side": "chats", "fault": "down" }, { "side": "retailcrm", "fault": "down" }]);
    talk.faults(words).await;
    let id = talk.tell_boris("hello").await;
    talk.pass(1).await;
    assert_eq!(talk.boris_got().await, ["hello"], "the messenger is not down");
    for _ in 0..20 {
        talk.pass(60).await;
    }
    talk.faults(json!([])).await;
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["hello"]);
    assert_eq!(talk.states(id).await[..], ["sending", "sent"]);
    assert_eq!(talk.jobs().await, acted(1));
    assert!(talk.on_whatsapp(ANNA).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_writes_does_not_wait_behind_what_is_to_be_sent_to_them() {
    let mut talk = Talk::start().await;
    let busy = json!([{ "side": "chatapi", "fault": "error_429", "next": 1, "retry_after": 60, "path": "/sendMessage" }]);
    talk.faults(busy).await;
    talk.tell_anna("one").await;
    talk.pass(5).await;
    let said = json!({ "from": ANNA, "name": "Анна", "text": "hello?" });
    talk.house.control("chatapi/messages", said).await;
    talk.pass(1).await;
    let line = |from: &str, text: &str| (from.to_owned(), text.to_owned());
    let chat = format!("{ANNA}@c.us");
    let both = [line("manager", "one"), line("customer", "hello?")];
    assert_eq!(talk.conversation(WHATSAPP, &chat).await, both);
    assert!(talk.anna_got().await.is_empty(), "it was asked to wait");
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await, ["one"]);
    // What came back of our own is known as such.
    assert_eq!(talk.conversation(WHATSAPP, &chat).await, both);
    assert!(talk.conversation(TELEGRAM, "1").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_for_a_slow_messenger_keep_nobody_else_waiting() {
    let mut talk = Talk::start().await;
    let config = std::fs::read_to_string(talk.house.config()).expect("the config");
    let slow = config
        .replace("requests_per_second = 2000\n[flows.crm", "requests_per_second = 1\n[flows.crm");
    // Few jobs may be under way in the CRM, and WhatsApp takes one message a second.
    let slow = slow.replacen("requests_per_second = 2000", "requests_per_second = 10", 1);
    std::fs::write(talk.house.config(), slow).expect("written");
    talk.house.stop();
    talk.house.run().await;
    for person in 10..40 {
        let chat = format!("799900000{person}@c.us");
        talk.write(json!({ "channel": WHATSAPP, "chat": chat, "text": "hi" })).await;
    }
    let began = std::time::Instant::now();
    talk.house.control("telegram", json!({ "chat": 700_000_009, "text": "hello?" })).await;
    while talk.conversation(TELEGRAM, "700000009").await.is_empty() {
        assert!(began.elapsed().as_secs() < 5, "it waits behind others:\n{}", talk.house.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    println!("from a webhook into the CRM beside 30 that wait: {:?}", began.elapsed());
}
