//! The connector's tests: what they share, and its door and settings.

mod asking;
mod batches;
mod deals;
mod diary;
mod leads;
mod reading;

use super::*;
use rstest::rstest;
use serde_json::{Value, json};

const TOKEN: &str = "to/ken.secret";
const NOW: &str = "2025-05-14T09:05:00Z";

fn toml(url: &str) -> String {
    format!(
        r#"
        url = "{url}"
        site_id = 4242
        token = "{TOKEN}"
        hook_secret = "0123456789abcdef"
        requests_per_second = 1000
        chat_fields.name = ["visitor.title", "fio"]
        chat_fields.email = ["visitor[mail]", "email"]
        "#
    )
}

fn connection(url: &str) -> Calltouch {
    connection_of(&toml(url), &http::Limits::default())
}

fn connection_of(text: &str, limits: &http::Limits) -> Calltouch {
    let sites = Sites::default();
    let zone = jiff::tz::TimeZone::get("Europe/Moscow").expect("a zone");
    let other = Site { id: 4343, connection: "calltouch-other".into(), zone };
    sites.enter(other).expect("a free site");
    let mut section = Section::from_toml("calltouch-main", text);
    Calltouch::build("calltouch-main", &mut section, limits, &sites).expect("a connection")
}

fn offline() -> Calltouch {
    connection("http://127.0.0.1:9")
}

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn hook(content_type: &str, body: &[u8]) -> Raw {
    Raw {
        id: 0,
        connection: "calltouch-main".into(),
        channel: "hook".into(),
        content_type: content_type.into(),
        body: body.to_vec(),
        dedupe_key: String::new(),
        received: now(),
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

fn call_record(id: i64, phone: &str, start: i64) -> Value {
    json!({"callId": id, "callphase": "calldisconnected", "timestamp": start, "callerNumber": phone,
        "duration": 42, "waitingConnect": 7, "siteId": 4242})
}

fn row_of(own: &Calltouch, record: &Value, channel: &str) -> Raw {
    journal::row(record, channel, &own.reader.site, now()).expect("ours")
}

#[test]
fn a_repeat_of_a_delivery_has_its_dedupe_key_whatever_carried_it() {
    let own = offline();
    let first = form(&[("id", "1"), ("callerphone", "79990000001"), ("sendingTimestamp", "5")]);
    let key = own.dedupe_key(FORM, &first, Timestamp::MIN);
    let repeat = form(&[("sendingTimestamp", "9"), ("callerphone", "79990000001"), ("id", "1")]);
    assert_eq!(own.dedupe_key(FORM, &repeat, Timestamp::MIN), key);
    let relayed = br#"{"id": 1, "callerphone": "79990000001", "city": ""}"#;
    assert_eq!(own.dedupe_key("application/json", relayed, Timestamp::MIN), key);
    for other in [
        &[("id", "1"), ("callerphone", "79990000002")],
        &[("id", "17"), ("callerphone", "9990000001")],
    ] {
        assert_ne!(own.dedupe_key(FORM, &form(other), Timestamp::MIN), key);
    }
    assert_ne!(
        own.dedupe_key("application/json", b"{", Timestamp::MIN),
        own.dedupe_key("application/json", b"[", Timestamp::MIN)
    );
}

#[rstest]
#[case("0123456789abcdef", true)]
#[case("0123456789abcdeF", false)]
#[case("0123456789abcde", false)]
#[case("", false)]
fn the_door_opens_to_its_secret_alone(#[case] secret: &str, #[case] admitted: bool) {
    assert_eq!(offline().admits(secret), admitted);
}

#[test]
fn without_a_secret_there_is_no_door() {
    let mut section = Section::from_toml("calltouch-main", "site_id = 1\ntoken = \"t\"");
    let own = build("calltouch-main", &mut section, &http::Limits::default(), &Sites::default())
        .expect("a connection");
    assert!(!own.admits("") && section.finish().is_empty());
    assert_eq!(own.feeds().iter().map(|feed| feed.name).collect::<Vec<_>>(), ["calls", "requests"]);
    assert!((own.pace() - 5.0).abs() < f64::EPSILON);
}

#[test]
fn all_problems_of_the_settings_are_reported_at_once() {
    let text = r#"
        url = "http://api.calltouch.ru"
        site_id = 0
        hook_secret = "short"
        timezone = "Europe/Moskva"
        poll_every = "5s"
        requests_per_second = 6
        tokn = "x"
        chat_fields.fone = "phone"
        "#;
    let mut section = Section::from_toml("calltouch-main", text);
    let limits = http::Limits::default();
    assert!(build("calltouch-main", &mut section, &limits, &Sites::default()).is_none());
    let titles: Vec<String> = section.finish().into_iter().map(|p| p.title).collect();
    for field in [
        "url",
        "site_id",
        "hook_secret",
        "timezone",
        "poll_every",
        "requests_per_second",
        "tokn",
        "token",
        "chat_fields",
    ] {
        let named = format!(".{field}");
        assert!(titles.iter().any(|title| title.contains(&named)), "{field}: {titles:#?}");
    }
    assert_eq!(titles.len(), 9, "{titles:#?}");
}

#[test]
fn a_site_has_one_connection() {
    let (sites, limits) = (Sites::default(), http::Limits::default());
    let text = "site_id = 1\ntoken = \"t\"";
    let mut section = Section::from_toml("one", text);
    assert!(build("one", &mut section, &limits, &sites).is_some());
    let mut section = Section::from_toml("two", text);
    assert!(build("two", &mut section, &limits, &sites).is_none());
    assert!(section.finish()[0].title.contains("`one`"));
}
