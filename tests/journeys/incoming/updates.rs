//! How a bot's updates come: by webhook with its secret, or by polls of one poller. Invariant: what is
//! not Telegram's is nobody's; a conflict is told with its mend, and loses and doubles nothing.

use super::{BOT, CHAT, Desk, append, begin, heard, telegram, words};
use crate::support::fleet::{Fleet, possible};
use crate::support::{HOOK_SECRET, House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RECEIVED: &str = "message.received";

/// Calls a method of the bot as somebody else who has its token.
async fn call(house: &House, method: &str, body: Value) -> (u16, Value) {
    let (url, token) = (house.sandbox.telegram_url(), house.sandbox.telegram_token());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.post(format!("{url}/bot{token}/{method}")).json(&body).send().await;
    let answer = answer.expect("the bot answers");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// How the connection is.
async fn state(house: &House) -> String {
    let (_, text) = house.get("/readyz").await;
    let ready: Value = serde_json::from_str(&text).expect("JSON");
    ready["connections"][BOT]["state"].as_str().unwrap_or_default().to_owned()
}

/// Waits until the connection is in this state.
async fn becomes(house: &mut House, wanted: &str) {
    for _ in 0..600 {
        if state(house).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        house.advance(SignedDuration::from_millis(500)).await;
    }
    panic!("never {wanted}: {}\n{}", state(house).await, house.log());
}

/// How often the bot answered with this status.
async fn answered(house: &House, status: u16) -> u64 {
    let told = house.ledger().await.0["telegram"]["by_status"][status.to_string()].as_u64();
    told.unwrap_or_default()
}

async fn polls_begun(house: &House) -> u64 {
    house.ask("telegram").await["bots"][0]["poller"].as_u64().expect("a number")
}

/// How often Telegram tried to deliver.
async fn tried(house: &House) -> usize {
    let ledger = house.ask("ledger?parts=updates").await;
    ledger["updates"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_without_the_secret_is_refused_and_comes_again() {
    let mut house = Desk::default().open().await;
    let door = format!("http://127.0.0.1:{}/hooks/{BOT}/{HOOK_SECRET}", house.port);
    for secret in ["", "not-the-secret"] {
        let hook = json!({ "url": door, "secret_token": secret });
        assert_eq!(call(&house, "setWebhook", hook).await.0, 200);
        let before = tried(&house).await;
        telegram(&house, json!({ "text": format!("with {secret:?}") })).await;
        house.advance(SignedDuration::from_secs(130)).await;
        let began = Instant::now();
        while tried(&house).await == before {
            assert!(began.elapsed() < Duration::from_secs(30), "no delivery");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let tries = house.ask("ledger?parts=updates").await["updates"].clone();
    assert!(tries.as_array().expect("tries").iter().all(|one| one["status"] == 404), "{tries}");
    assert_eq!(house.sql("select cast(count(*) as text) from raw").await, ["0"]);
    // The right one with a wrong address is refused too.
    assert_eq!(house.post_to(&format!("{door}x"), &[("a", "b")]).await, 404);
    let done = house.command(&["setup", BOT]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for _ in 0..4 {
        house.advance(SignedDuration::from_secs(130)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    heard(&house, RECEIVED, 2).await;
    house.ended().await;
    let expected = ["with \"\"", "with \"not-the-secret\""];
    assert_eq!(words(&house, BOT, &CHAT.to_string()).await, expected);
    assert!(!house.whole_log().contains(house.sandbox.telegram_token()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_bring_what_is_written_and_confirm_what_is_kept() {
    let mut house = Desk { mode: "poll", ..Desk::default() }.open().await;
    telegram(&house, json!({ "text": "one", "deliveries": 2 })).await;
    heard(&house, RECEIVED, 1).await;
    house.kill();
    telegram(&house, json!({ "text": "two" })).await;
    // More than an answer holds.
    let many: Vec<Value> = (0..120)
        .map(|at| json!({ "chat": CHAT + 1 + at % 3, "text": format!("many {at}") }))
        .collect();
    telegram(&house, json!(many)).await;
    house.advance(SignedDuration::from_hours(2)).await;
    house.run().await;
    heard(&house, RECEIVED, 122).await;
    house.ended().await;
    assert_eq!(words(&house, BOT, &CHAT.to_string()).await, ["one", "two"]);
    for turn in 0..3 {
        let expected: Vec<String> =
            (0..120).skip(turn).step_by(3).map(|at| format!("many {at}")).collect();
        let chat = (CHAT + 1 + i64::try_from(turn).expect("few")).to_string();
        assert_eq!(words(&house, BOT, &chat).await, expected);
    }
    assert_eq!(answered(&house, 409).await, 0, "one poller");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_somebody_sets_is_told_and_removed_by_the_set_up() {
    let mut house = Desk { mode: "poll", ..Desk::default() }.open().await;
    telegram(&house, json!({ "text": "one" })).await;
    heard(&house, RECEIVED, 1).await;
    let hook = json!({ "url": "http://127.0.0.1:9/somewhere", "secret_token": "s" });
    assert_eq!(call(&house, "setWebhook", hook).await.0, 200);
    telegram(&house, json!({ "text": "two" })).await;
    becomes(&mut house, "paused").await;
    let began = Instant::now();
    loop {
        let status = house.command(&["status"]);
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        // The lines are broken anywhere.
        let words: Vec<&str> = told.split_whitespace().collect();
        if words.join(" ").contains("run `leadlink setup`, which removes it") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let checked = house.command(&["check", "--online"]);
    let told = String::from_utf8_lossy(&checked.stderr).into_owned()
        + String::from_utf8_lossy(&checked.stdout).as_ref();
    assert!(told.contains("a webhook at http://127.0.0.1:9 is set"), "{told}");
    assert!(!told.contains("somewhere"), "{told}");
    let done = house.command(&["setup", BOT]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    becomes(&mut house, "ready").await;
    heard(&house, RECEIVED, 2).await;
    house.ended().await;
    assert_eq!(words(&house, BOT, &CHAT.to_string()).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_poller_is_told_of_and_heals_when_it_stops() {
    let mut house = Desk { mode: "poll", ..Desk::default() }.open().await;
    telegram(&house, json!({ "text": "one" })).await;
    heard(&house, RECEIVED, 1).await;
    house.ended().await;
    // It comes between, twice: each of its polls ends ours.
    for _ in 0..2 {
        let polls = polls_begun(&house).await;
        while polls_begun(&house).await == polls {
            house.advance(SignedDuration::from_millis(500)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let before = answered(&house, 409).await;
        let other = call(&house, "getUpdates", json!({ "timeout": 1 }));
        let (status, _) = other.await;
        assert!(status == 200 || status == 409, "{status}");
        assert!(answered(&house, 409).await > before, "somebody was cut off");
    }
    let told = house.whole_log();
    assert!(told.contains("another program fetches the updates"), "{}", house.log());
    becomes(&mut house, "ready").await;
    telegram(&house, json!({ "text": "two" })).await;
    let began = Instant::now();
    while house.sql("select key from event where kind = 'message.received'").await.len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", house.log());
        house.advance(SignedDuration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    house.ended().await;
    assert_eq!(words(&house, BOT, &CHAT.to_string()).await, ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_mode_loses_and_doubles_nothing() {
    let mut house = Desk { mode: "poll", ..Desk::default() }.open().await;
    telegram(&house, json!({ "text": "one" })).await;
    heard(&house, RECEIVED, 1).await;
    house.stop();
    telegram(&house, json!({ "text": "two" })).await;
    let text = std::fs::read_to_string(house.config()).expect("the config");
    std::fs::write(house.config(), text.replace("mode = \"poll\"", "mode = \"webhook\""))
        .expect("written");
    begin(&mut house).await;
    telegram(&house, json!({ "text": "three" })).await;
    for _ in 0..4 {
        house.advance(SignedDuration::from_secs(130)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    heard(&house, RECEIVED, 3).await;
    house.ended().await;
    assert_eq!(words(&house, BOT, &CHAT.to_string()).await, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_polls() {
    if !possible("one poller of many processes") {
        return;
    }
    let lease = Duration::from_millis(3000);
    let plan = Plan { leads: false, poll_every: "20d", ..Plan::default() };
    let mut fleet = Fleet::build(plan, 3, lease, None).await;
    let (url, token) =
        (fleet.house.sandbox.telegram_url(), fleet.house.sandbox.telegram_token().to_owned());
    let connection = format!(
        "[connections.{BOT}]\nconnector = \"telegram\"\nname = \"Telegram, main bot\"\n\
         url = \"{url}\"\ntoken = \"{token}\"\nmode = \"poll\"\n"
    );
    append(&fleet.house, &connection);
    for number in 0..3 {
        fleet.run(number).await;
    }
    let owner = fleet.owned(BOT).await;
    fleet.advance(SignedDuration::from_secs(2)).await;
    telegram(&fleet.house, json!({ "text": "one" })).await;
    heard(&fleet.house, RECEIVED, 1).await;
    // Who is asked to go lets the next one poll; who is killed, when its lease is over.
    fleet.terminate(owner);
    telegram(&fleet.house, json!({ "text": "two" })).await;
    heard(&fleet.house, RECEIVED, 2).await;
    assert_eq!(fleet.gone(owner).await, Some(0), "{}", fleet.log(owner));
    let next = fleet.owned(BOT).await;
    assert_ne!(next, owner);
    fleet.kill(next);
    telegram(&fleet.house, json!({ "text": "three" })).await;
    heard(&fleet.house, RECEIVED, 3).await;
    assert_eq!(answered(&fleet.house, 409).await, 0, "two polled at once:\n{}", fleet.logs());
}
