//! Texts, files, changes on their way out. Invariant: each arrives once, whole and in its order, or the
//! CRM says why not.

use super::{ANNA, BORIS, TELEGRAM, Talk, WHATSAPP, acted, texts};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// 20 MiB, the most that the CRM's chats pass on.
const MOST: usize = 20 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_manager_writes_arrives_once_in_each_messenger() {
    let mut talk = Talk::start().await;
    let (telegram, whatsapp) =
        (talk.tell_boris("Здравствуйте!").await, talk.tell_anna("Добрый день").await);
    let bot = json!({ "channel": TELEGRAM, "chat": BORIS.to_string(), "text": "бот", "bot": true });
    let bot = talk.write(bot).await;
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["Здравствуйте!", "бот"]);
    assert_eq!(talk.anna_got().await, ["Добрый день"]);
    for id in [telegram, bot] {
        assert_eq!(talk.states(id).await, ["sending", "sent"]);
    }
    assert_eq!(talk.states(whatsapp).await[..2], ["sending", "sent"]);
    // The CRM knows it by the messenger's id.
    let sent = talk.on_whatsapp(ANNA).await;
    assert_eq!(talk.message(whatsapp).await["external_id"], sent[0]["id"]);
    // A manager writes first, to a phone.
    let body = json!({ "channel": WHATSAPP, "person": "79990000002", "text": "Вы просили" });
    talk.write(body).await;
    talk.house.ended().await;
    assert_eq!(texts(&talk.on_whatsapp("79990000002").await, "body"), ["Вы просили"]);
    assert_eq!(talk.jobs().await, acted(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_of_the_crm_that_comes_again_is_one_message() {
    let mut talk = Talk::start().await;
    talk.house.control("switches", json!({ "chat_repeats": 2 })).await;
    let ids =
        [talk.tell_boris("one").await, talk.tell_boris("two").await, talk.tell_anna("three").await];
    talk.house.ended().await;
    talk.pass(60).await;
    assert_eq!(talk.boris_got().await, ["one", "two"]);
    assert_eq!(talk.anna_got().await, ["three"]);
    for id in ids {
        assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_beyond_the_limit_goes_out_in_parts_in_their_order() {
    let mut talk = Talk::start().await;
    // Telegram counts UTF-16: 1900 emoji with spaces are 3800 characters, and 5700 units.
    let text = vec!["😀"; 1900].join(" ");
    let id = talk.tell_boris(&text).await;
    let after = talk.tell_boris("after").await;
    talk.house.ended().await;
    let got = talk.boris_got().await;
    assert!(got.len() > 2, "{} parts", got.len());
    let (last, parts) = got.split_last().expect("parts");
    assert_eq!(last, "after");
    assert!(parts.iter().all(|part| part.encode_utf16().count() <= 4096));
    assert_eq!(parts.join(" "), text, "at the bounds of words, and nothing is lost");
    for id in [id, after] {
        assert_eq!(talk.states(id).await, ["sending", "sent"]);
    }
    talk.tell_anna(&text).await;
    talk.house.ended().await;
    assert_eq!(talk.anna_got().await.join(" "), text);
}

fn files(names: &[(&str, &str, usize)]) -> Value {
    names
        .iter()
        .map(|(name, mime, size)| json!({ "name": name, "mime": mime, "size": size }))
        .collect()
}

/// The bytes that the CRM's stand-in makes.
fn digest(size: usize) -> String {
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_album_arrives_file_by_file_behind_its_text() {
    let mut talk = Talk::start().await;
    let album =
        [("a.png", "image/png", 1000), ("b.png", "image/png", 2000), ("c.png", "image/png", 3000)];
    let body = |channel: &str, chat: String| json!({ "channel": channel, "chat": chat, "text": "Три вида", "files": files(&album) });
    let first = talk.write(body(TELEGRAM, BORIS.to_string())).await;
    let second = talk.write(body(WHATSAPP, format!("{ANNA}@c.us"))).await;
    talk.house.ended().await;
    let got = talk.on_telegram(BORIS).await;
    let shown: Vec<(String, u64)> = got
        .iter()
        .map(|held| {
            let size = held["file"]["size"].as_u64().unwrap_or_default();
            (held["kind"].as_str().expect("a kind").to_owned(), size)
        })
        .collect();
    let expected = [("text", 0), ("photo", 1000), ("photo", 2000), ("photo", 3000)];
    assert_eq!(shown, expected.map(|(kind, size)| (kind.to_owned(), size)));
    assert_eq!(got[0]["text"], "Три вида");
    for (held, (name, _, size)) in got[1..].iter().zip(album) {
        assert_eq!(held["file"]["sha256"], digest(size), "{name}");
        assert_eq!(held["file"]["name"], name);
    }
    let got = talk.on_whatsapp(ANNA).await;
    assert_eq!(texts(&got, "body"), ["Три вида", "a.png", "b.png", "c.png"]);
    for id in [first, second] {
        assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_pass_through_and_one_byte_more_does_not() {
    let mut talk = Talk::start().await;
    let file = |size: usize| {
        let file = files(&[("catalogue.pdf", "application/pdf", size)]);
        json!({ "channel": TELEGRAM, "chat": BORIS.to_string(), "text": "", "files": file })
    };
    // Once, so that what is made at the first file is there.
    talk.write(file(1000)).await;
    talk.house.ended().await;
    let before = talk.house.memory();
    talk.house.forget_peak();
    let whole = talk.write(file(MOST)).await;
    talk.house.ended().await;
    let grown = talk.house.peak().saturating_sub(before);
    let got = talk.on_telegram(BORIS).await;
    assert_eq!(got.len(), 2, "{}", talk.house.log());
    assert_eq!(got[1]["file"]["sha256"], digest(MOST));
    assert_eq!(talk.states(whole).await, ["sending", "sent"]);
    println!("a file of 20 MiB: {grown} KiB more at the peak");
    assert!(grown < 8 * 1024, "{grown} KiB of memory for one file");

    let more = talk.write(file(MOST + 1)).await;
    talk.house.ended().await;
    assert_eq!(talk.on_telegram(BORIS).await.len(), 2);
    let (code, words) = talk.error(more).await;
    assert_eq!(code, "general");
    assert!(words.contains("larger than 20 M"), "{words}");
    assert_eq!(talk.jobs().await, acted(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_manager_changes_or_takes_back_changes_over_there() {
    let mut talk = Talk::start().await;
    let (first, second) = (talk.tell_boris("Завтра в 10").await, talk.tell_boris("Ой").await);
    let third = talk.tell_anna("Ой").await;
    talk.house.ended().await;
    talk.act(first, json!({ "act": "edit", "text": "Завтра в 11" })).await;
    talk.act(second, json!({ "act": "delete" })).await;
    talk.act(third, json!({ "act": "delete" })).await;
    talk.house.ended().await;
    let got = talk.on_telegram(BORIS).await;
    assert_eq!(got[0]["text"], "Завтра в 11", "{}", talk.house.log());
    assert_eq!((&got[0]["edits"], &got[0]["deleted"]), (&json!(1), &json!(false)));
    assert_eq!(got[1]["deleted"], true);
    assert_eq!(talk.on_whatsapp(ANNA).await[0]["deleted"], true);
    assert_eq!(talk.house.counts().await.stuck, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_are_waited_for_and_nothing_is_sent_twice() {
    let mut talk = Talk::start().await;
    let rule = |side: &str| json!({ "side": side, "fault": "error_429", "next": 3, "path": "sendMessage", "retry_after": 1 });
    talk.faults(json!([rule("telegram"), rule("chatapi")])).await;
    let ids =
        [talk.tell_boris("one").await, talk.tell_boris("two").await, talk.tell_anna("three").await];
    talk.house.ended().await;
    assert_eq!(talk.boris_got().await, ["one", "two"]);
    assert_eq!(talk.anna_got().await, ["three"]);
    for id in ids {
        assert_eq!(talk.states(id).await[..2], ["sending", "sent"]);
    }
    let faults = talk.house.ask("ledger?parts=faults").await;
    assert_eq!(faults["faults"]["telegram error_429"], 3, "{faults}");
}
