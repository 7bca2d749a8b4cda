//! The CRM is away while people write. Invariant: nothing is lost or doubled, nothing is parked, and each
//! conversation has its messages in the order in which they were written.

use super::{ANNA, BOT, CHAT, Desk, WHATSAPP, heard, telegram, whatsapp, words};
use crate::support::House;
use jiff::SignedDuration;
use serde_json::{Value, json};

const RECEIVED: &str = "message.received";

async fn round(house: &House, number: usize) {
    let text = format!("message {number}");
    let phones = [ANNA, "79990000002"];
    let from = |phone: &str| json!({ "from": phone, "name": "Анна", "text": text });
    let both: Vec<Value> = phones.into_iter().map(from).collect();
    whatsapp(house, json!({ "messages": both, "apart": true })).await;
    for chat in [CHAT, CHAT + 1] {
        telegram(house, json!({ "chat": chat, "text": text })).await;
    }
    heard(house, RECEIVED, 4 * number).await;
}

async fn assert_whole(house: &House, rounds: usize) {
    let expected: Vec<String> = (1..=rounds).map(|at| format!("message {at}")).collect();
    for (channel, chat) in [
        (WHATSAPP, format!("{ANNA}@c.us")),
        (WHATSAPP, "79990000002@c.us".to_owned()),
        (BOT, CHAT.to_string()),
        (BOT, (CHAT + 1).to_string()),
    ] {
        assert_eq!(words(house, channel, &chat).await, expected, "{channel} {chat}");
    }
    let ledger = house.ledger().await;
    assert_eq!(ledger.0["duplicates"], json!([]));
    assert_eq!(ledger.made_customers().len(), 4, "{:#}", ledger.0["customers"]);
}

/// Everything of the CRM, or its chats alone.
#[rstest::rstest]
#[case::all(&["retailcrm", "chats"])]
#[case::chats(&["chats"])]
#[case::orders(&["retailcrm"])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_without_the_crm_loses_nothing_and_keeps_the_order(#[case] sides: &[&str]) {
    let mut house = Desk::default().open().await;
    round(&house, 1).await;
    house.ended().await;
    let down: Vec<Value> =
        sides.iter().map(|side| json!({ "side": side, "fault": "down" })).collect();
    house.faults(json!(down)).await;
    for number in 2..=8 {
        round(&house, number).await;
        house.advance(SignedDuration::from_secs(510)).await;
        house.calm().await;
    }
    let counts = house.counts().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    house.faults(json!([])).await;
    round(&house, 9).await;
    let counts = house.ended().await;
    assert_eq!((counts.waiting, counts.stuck), (0, 0), "{counts:?}");
    assert_whole(&house, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_killed_goes_on_where_it_was() {
    let mut house = Desk::default().open().await;
    // The gateway does what it is asked, and nobody hears of it.
    house
        .faults(json!([
            { "side": "chats", "fault": "lost_answer", "probability": 0.4, "path": "/messages" },
            { "side": "chats", "fault": "error_500", "probability": 0.2, "path": "/messages" },
        ]))
        .await;
    for number in 1..=6 {
        round(&house, number).await;
        house.kill();
        house.run().await;
        house.advance(SignedDuration::from_secs(7)).await;
    }
    house.faults(json!([])).await;
    let counts = house.ended().await;
    assert_eq!((counts.waiting, counts.stuck), (0, 0), "{counts:?}");
    assert_whole(&house, 6).await;
}
