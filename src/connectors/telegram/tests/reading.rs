//! Samples into events.

use super::*;
use crate::connectors::messages;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors/telegram/samples")
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("samples")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder().join(name).is_file())
        .collect();
    names.sort();
    names
}

#[test]
fn samples() {
    let own = offline();
    assert!(names().len() > 35, "{:?}", names());
    insta::with_settings!({
        snapshot_path => folder().join("snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for name in names() {
            let body = std::fs::read(folder().join(&name)).expect("a sample");
            let told = match own.parse(&raw(&body)) {
                Ok(events) => json!({ "events": events }),
                Err(why) => json!({ "unreadable": why.0 }),
            };
            insta::assert_snapshot!(name, serde_json::to_string_pretty(&told).expect("JSON"));
        }
    });
}

#[test]
fn what_is_told_is_on_offer() {
    let own = offline();
    let mut kinds = std::collections::BTreeSet::new();
    for name in names() {
        let body = std::fs::read(folder().join(&name)).expect("a sample");
        for event in own.parse(&raw(&body)).unwrap_or_default() {
            let offer = OFFER.event(&event.kind).expect("an offered event");
            let offered: Vec<&str> = offer.fields.iter().map(|field| field.name).collect();
            for field in event.fields.keys() {
                assert!(offered.contains(&field.as_str()), "{name}: {field}");
            }
            assert!(event.registered <= now(), "{name}");
            kinds.insert(event.kind);
        }
    }
    // Telegram tells no more of a message than that it took it.
    let told = OFFER.events.iter().filter(|event| event.kind != messages::DELIVERY);
    assert_eq!(kinds.len(), told.count(), "{kinds:?}");
}

#[test]
fn samples_cut_short_never_panic() {
    let own = offline();
    for name in names() {
        let body = std::fs::read(folder().join(&name)).expect("a sample");
        for end in (0..body.len()).step_by(5) {
            drop(own.parse(&raw(&body[..end])));
        }
    }
}

/// Any JSON where an update has something of its own.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "id",
        "chat",
        "from",
        "message_id",
        "date",
        "text",
        "photo",
        "document",
        "contact",
        "location",
        "venue",
        "file_id",
        "width",
        "type",
        "data",
        "message",
        "status",
        "sticker",
        "reply_to_message",
        "phone_number",
        "user_id",
        "new_chat_member",
        "edit_date",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_shape_of_an_update_panics(
        number: i64,
        part in prop::sample::select(
            vec!["message", "edited_message", "callback_query", "my_chat_member"]),
        inner in anything(),
    ) {
        static OWN: std::sync::OnceLock<Telegram> = std::sync::OnceLock::new();
        let own = OWN.get_or_init(offline);
        let body = json!({"update_id": number, part: inner}).to_string();
        drop(own.parse(&raw(body.as_bytes())));
        prop_assert_eq!(
            own.dedupe_key("", body.as_bytes(), now()), format!("update:{number}"));
    }
}
