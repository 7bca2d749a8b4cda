//! Samples into events.

use super::*;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/chatapi/samples")
}

fn told(own: &ChatApi, name: &str, body: &[u8]) -> Value {
    let channel = name.split('-').next().unwrap_or_default();
    match own.parse(&row(channel, body)) {
        Ok(events) => json!({ "events": events }),
        Err(why) => json!({ "unreadable": why.0 }),
    }
}

#[test]
fn samples() {
    let own = offline();
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("samples")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder().join(name).is_file())
        .collect();
    names.sort();
    assert!(names.len() > 12, "{names:?}");
    insta::with_settings!({
        snapshot_path => folder().join("snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for name in names {
            let body = std::fs::read(folder().join(&name)).expect("a sample");
            let told = told(&own, &name, &body);
            let text = serde_json::to_string_pretty(&told).expect("JSON");
            insta::assert_snapshot!(name, text);
        }
    });
}

#[test]
fn samples_cut_short_never_panic() {
    let own = offline();
    for entry in std::fs::read_dir(folder()).expect("samples").filter_map(Result::ok) {
        let Ok(body) = std::fs::read(entry.path()) else { continue };
        for end in 0..body.len() {
            for channel in ["hook", "messages"] {
                drop(own.parse(&row(channel, &body[..end])));
            }
            drop(own.dedupe_key("application/json", &body[..end], now()));
        }
    }
}

#[test]
fn hook_and_list_tell_one_event() {
    let own = offline();
    let read = |name: &str| {
        let body = std::fs::read(folder().join(name)).expect("a sample");
        let channel = name.split('-').next().unwrap_or_default();
        own.parse(&row(channel, &body)).expect("readable").remove(0)
    };
    let (hooked, polled) = (read("hook-text.json"), read("messages-text.json"));
    assert_eq!(hooked.key, polled.key);
    // Whole seconds are told: the end of that second, and none behind the moment of arrival.
    assert_eq!(hooked.registered, polled.registered);
    assert_eq!(polled.registered.as_millisecond(), 1_747_213_400_999);
    let body = r#"{"messages":[{"id":"false_7@c.us_1","body":"a","time":9999999999}]}"#;
    let ahead = own.parse(&row("hook", body.as_bytes())).expect("readable").remove(0);
    assert_eq!(ahead.registered, now());
}

#[test]
fn events_have_the_fields_of_their_offers_alone() {
    let own = offline();
    for entry in std::fs::read_dir(folder()).expect("samples").filter_map(Result::ok) {
        let Ok(body) = std::fs::read(entry.path()) else { continue };
        for event in own.parse(&row("hook", &body)).into_iter().flatten() {
            let offer = own.offer().event(&event.kind).expect("an offer");
            for name in event.fields.keys() {
                assert!(offer.fields.iter().any(|field| field.name == name), "{name}");
            }
        }
    }
}
