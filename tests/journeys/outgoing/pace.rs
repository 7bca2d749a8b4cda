//! The pace of a bot: about one message a second in one chat. Invariant: a chat that gets many keeps
//! nobody else waiting.

use super::{BORIS, TELEGRAM, Talk};
use jiff::Timestamp;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_chat_keeps_its_distance_and_others_do_not_wait() {
    let mut talk = Talk::start().await;
    let config = std::fs::read_to_string(talk.house.config()).expect("the config");
    let paced = config.replace("chat_pause = \"0s\"", "chat_pause = \"300ms\"");
    assert_ne!(paced, config);
    std::fs::write(talk.house.config(), paced).expect("written");
    talk.house.stop();
    talk.house.run().await;
    // A text and an album: each of them is a message of its own.
    let file = |name: &str| json!({ "name": name, "mime": "application/pdf", "size": 10 });
    let files = json!([file("a.pdf"), file("b.pdf"), file("c.pdf")]);
    let album =
        json!({ "channel": TELEGRAM, "chat": BORIS.to_string(), "text": "Three", "files": files });
    talk.write(album).await;
    let other = json!({ "channel": TELEGRAM, "chat": (BORIS + 1).to_string(), "text": "you" });
    talk.write(other).await;
    talk.house.ended().await;
    let at = |held: &Value| held["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let times: Vec<Timestamp> = talk.on_telegram(BORIS).await.iter().filter_map(at).collect();
    assert_eq!(times.len(), 4);
    // What is on its way for a while may come closer to the next one.
    let whole = times[3].duration_since(times[0]).as_millis();
    assert!(whole > 700, "four messages in {whole} ms");
    let other = talk.on_telegram(BORIS + 1).await;
    assert!(at(&other[0]).is_some_and(|at| at < times[3]), "{other:?} {times:?}");
}
