//! Telegram: what people do in a bot's chats. Invariant: each thing stands in the CRM as it was done,
//! and whoever writes without a phone is somebody all the same.

use super::{BOT, CHAT, Desk, conversation, heard, line, said, telegram, words};
use serde_json::{Value, json};

const RECEIVED: &str = "message.received";

/// What they share in the CRM's chats, by their number at the bot.
fn chat() -> String {
    CHAT.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_files_albums_places_and_shared_phones() {
    let mut house = Desk::default().open().await;
    let photo = |size: usize| json!({ "kind": "photo", "size": size });
    let paper = json!({
        "kind": "document", "name": "bill.pdf", "mime": "application/pdf", "size": 900_000,
    });
    for does in [
        json!({ "text": "/start", "username": "anna" }),
        json!({ "text": "both", "files": [photo(2000), photo(3000)] }),
        json!({ "text": "the bill", "files": [paper], "deliveries": 2 }),
        json!({ "sticker": "👍" }),
        json!({ "location": [55.75, 37.61] }),
        json!({ "contact": "+79990000001" }),
        json!({ "text": "again", "reply_to": 101 }),
    ] {
        telegram(&house, does).await;
    }
    heard(&house, RECEIVED, 8).await;
    house.ended().await;
    let expected = [
        line("customer", "text", "/start", 0),
        line("customer", "image", "both", 1),
        line("customer", "image", "", 1),
        line("customer", "file", "the bill", 1),
        line("customer", "text", "👍", 0),
        line("customer", "text", "55.75, 37.61", 0),
        line("customer", "text", "Анна, +79990000001", 0),
        line("customer", "text", "again", 0),
    ];
    assert_eq!(said(&house, BOT, &chat()).await, expected);
    let messages = conversation(&house, BOT, &chat()).await;
    assert_eq!(messages[0]["person"], chat().as_str());
    assert_eq!(messages[7]["quote"], format!("{CHAT}:101").as_str());
    assert!(messages.iter().all(|one| one["posts"] == 1), "{messages:#?}");
    let counts = house.counts().await;
    assert_eq!(counts.stuck, 0, "{counts:?}");
    // One person, whose phone came later.
    let ledger = house.ledger().await;
    let made = ledger.made_customers();
    assert_eq!(made.len(), 1, "{made:#?}");
    assert_eq!(made[0]["phones"], json!(["+79990000001"]), "{:#}", made[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_a_file_are_those_that_were_sent() {
    let mut house = Desk::default().open().await;
    // More than a pipe holds, and not a multiple of anything.
    let size = 5_000_011;
    let video = json!({ "kind": "video", "mime": "video/mp4", "size": size });
    telegram(&house, json!({ "files": [video] })).await;
    heard(&house, RECEIVED, 1).await;
    house.ended().await;
    let messages = conversation(&house, BOT, &chat()).await;
    let id = messages[0]["files"][0].as_str().expect("a file").to_owned();
    let url = format!("{}/mg-files/{id}", house.sandbox.crm_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let bytes = client.get(url).send().await.expect("the file").bytes().await.expect("bytes");
    let expected: Vec<u8> =
        (0..size).map(|at: usize| u8::try_from(at % 251).unwrap_or_default()).collect();
    assert!(bytes == expected, "{} bytes", bytes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_changes_in_the_crm() {
    let mut house = Desk::default().open().await;
    let told = telegram(&house, json!({ "text": "tomorow" })).await;
    let number = told["messages"][0].clone();
    heard(&house, RECEIVED, 1).await;
    // The change overtakes the work on the message itself.
    telegram(&house, json!({ "text": "tomorrow", "edit": number })).await;
    heard(&house, "message.edited", 1).await;
    house.ended().await;
    let messages = conversation(&house, BOT, &chat()).await;
    let seen: Vec<(&Value, &Value)> =
        messages.iter().map(|one| (&one["text"], &one["edits"])).collect();
    assert_eq!(seen, [(&json!("tomorrow"), &json!(1))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_left_out_unless_they_are_wanted() {
    let more = "[flows.message-to-crm-telegram-main.settings]\ngroups = true\n".to_owned();
    for (wanted, more) in [(false, String::new()), (true, more)] {
        let mut house = Desk { more, ..Desk::default() }.open().await;
        let group = -1_001_500_000_000_i64;
        let says = |from: i64, text: &str| json!({ "chat": group, "group": true, "from": from, "name": "Пётр", "text": text });
        telegram(&house, says(700_000_002, "hello")).await;
        telegram(&house, says(700_000_003, "hello you")).await;
        telegram(&house, json!({ "text": "alone" })).await;
        heard(&house, RECEIVED, 3).await;
        house.ended().await;
        let seen = words(&house, BOT, &group.to_string()).await;
        let expected: &[&str] = if wanted { &["hello", "hello you"] } else { &[] };
        assert_eq!(seen, expected);
        assert_eq!(words(&house, BOT, &chat()).await, ["alone"]);
        let counts = house.counts().await;
        assert_eq!(counts.stuck, 0, "{counts:?}");
    }
}
