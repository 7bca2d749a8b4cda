//! The connector's tests: what they share, and its door and settings.

mod double;
mod files;
mod polling;
mod reading;
mod sandbox;
mod sending;
mod setup;

use super::*;
use rstest::rstest;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const TOKEN: &str = "123456:secret-of_the-bot";
const DOOR: &str = "0123456789abcdef";
const NOW: &str = "2025-11-20T13:00:00Z";

fn toml(url: &str) -> String {
    format!(
        "url = \"{url}\"\ntoken = \"{TOKEN}\"\nhook_secret = \"{DOOR}\"\nrequests_per_second = 1000\nchat_pause = \"0s\"\n"
    )
}

fn connection_of(text: &str) -> Telegram {
    let mut section = Section::from_toml("bot-main", text);
    let (limits, files) = (http::Limits::default(), Files::default());
    Telegram::build("bot-main", &mut section, &limits, &files).expect("a connection")
}

fn connection(url: &str) -> Telegram {
    connection_of(&toml(url))
}

fn polled(url: &str) -> Telegram {
    connection_of(&format!("{}mode = \"poll\"\n", toml(url)))
}

fn offline() -> Telegram {
    connection("http://127.0.0.1:9")
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn raw(body: &[u8]) -> Raw {
    Raw {
        id: 0,
        connection: "bot-main".into(),
        channel: "hook".into(),
        content_type: "application/json".into(),
        body: body.to_vec(),
        dedupe_key: String::new(),
        received: now(),
    }
}

fn headers(secret: &str) -> Vec<(String, String)> {
    vec![("host".into(), "x".into()), (SECRET_HEADER.into(), secret.into())]
}

#[test]
fn a_delivery_is_vouched_by_its_header() {
    let own = offline();
    let derived = own.secret_token.expose_secret().to_owned();
    assert_eq!(derived.len(), 64);
    assert!(own.vouched(&headers(&derived), b"{}"));
    for wrong in ["", "a", DOOR, &derived[1..], &derived.to_uppercase()] {
        assert!(!own.vouched(&headers(wrong), b"{}"), "{wrong}");
    }
    assert!(!own.vouched(&[], b"{}"), "no header at all");
    // It is made of the secrets, so it changes with them and survives a restart.
    assert_eq!(offline().secret_token.expose_secret(), derived);
    let other = connection_of(&toml("http://127.0.0.1:9").replace(DOOR, "fedcba9876543210"));
    assert_ne!(other.secret_token.expose_secret(), derived);
    let set = connection_of(&format!("{}secret_token = \"my-own_1\"", toml("http://127.0.0.1:9")));
    assert!(set.vouched(&headers("my-own_1"), b"{}") && !set.vouched(&headers(&derived), b"{}"));
}

#[test]
fn what_is_polled_has_no_door_and_what_is_delivered_no_feed() {
    let (hooked, polled) = (offline(), polled("http://127.0.0.1:9"));
    assert!(hooked.admits(DOOR) && hooked.feeds().is_empty());
    assert!(!polled.admits(DOOR) && polled.feeds().len() == 1 && polled.waits(poll::UPDATES));
    let bare = connection_of(&format!("token = \"{TOKEN}\""));
    assert_eq!((bare.mode, bare.feeds().len()), (Mode::Poll, 1));
    assert_eq!(bare.limit_group(), "telegram:123456");
    assert_eq!(bare.account().as_deref(), Some("123456"));
}

#[rstest]
#[case("mode = \"webhook\"", "mode")]
#[case("mode = \"socket\"", "mode")]
#[case("public = \"http://shop.example.com\"", "public")]
#[case("public = \"https://shop.example.com:8080\"", "public")]
#[case("secret_token = \"a b\"", "secret_token")]
#[case("poll_every = \"10ms\"", "poll_every")]
#[case("requests_per_second = 0", "requests_per_second")]
#[case("timeout = \"1m\"", "timeout")]
#[case("tokn = \"x\"", "tokn")]
fn a_wrong_setting_is_named(#[case] line: &str, #[case] key: &str) {
    let mut section = Section::from_toml("bot-main", &format!("token = \"{TOKEN}\"\n{line}"));
    drop(build("bot-main", &mut section, &http::Limits::default(), &Files::default()));
    let titles: Vec<String> = section.finish().into_iter().map(|found| found.title).collect();
    assert_eq!(titles.len(), 1, "{titles:#?}");
    assert!(titles[0].contains(&format!(".{key}")), "{titles:#?}");
}

#[test]
fn a_token_that_is_none_is_refused_and_not_shown() {
    let mut section = Section::from_toml("bot-main", "token = \"123456:se/cret\"");
    assert!(build("b", &mut section, &http::Limits::default(), &Files::default()).is_none());
    let shown = format!("{:?}", section.finish());
    assert!(shown.contains(".token") && !shown.contains("se/cret"), "{shown}");
}

#[test]
fn an_update_has_one_key_however_it_comes() {
    let own = offline();
    let key = |body: &str| own.dedupe_key("application/json", body.as_bytes(), now());
    assert_eq!(key(r#"{"update_id": 7, "message": {}}"#), "update:7");
    assert_eq!(key(r#"{"message":{},"update_id":7}"#), "update:7");
    assert_ne!(key("{"), key("["));
}

#[test]
fn a_press_is_answered_in_the_answer_to_its_delivery() {
    let own = offline();
    let press = json!({"update_id": 1, "callback_query": {"id": "55", "data": "a"}}).to_string();
    let reply = own.reply("application/json", press.as_bytes());
    let expected = json!({"method": "answerCallbackQuery", "callback_query_id": "55"});
    assert_eq!(reply, Some(expected));
    assert_eq!(own.reply("application/json", b"{\"update_id\": 1, \"message\": {}}"), None);
    assert_eq!(own.reply("application/json", b"{"), None);
}
