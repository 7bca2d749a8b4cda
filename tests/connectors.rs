//! The connector standard, held over THE LIST. Invariant: a connector that is added is held to it
//! without a word here but its smallest settings.
#![cfg(test)]

use leadlink::config::{Connection, Section};
use leadlink::connectors::{Built, Connector, LIST, Shared, build};
use leadlink::diagnosis::has_errors;
use leadlink::domain::{Effect, Field, Input, Raw};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const SECRET: &str = "a-secret-of-the-standard-0123";
const KEY: &str = "a-key-of-the-standard-4567";
/// Whom the others lean on.
const SHOP: &str = "a-shop";

/// The smallest settings with which a connector works.
fn settings(connector: &str) -> String {
    let own = match connector {
        "retailcrm" => format!("url = \"http://127.0.0.1:9\"\napi_key = \"{KEY}\""),
        "calltouch" => format!("url = \"http://127.0.0.1:9\"\nsite_id = 4242\ntoken = \"{KEY}\""),
        "chatapi" => {
            format!("url = \"http://127.0.0.1:9\"\ninstance = \"4242\"\ntoken = \"{KEY}\"")
        }
        "usedesk" => return format!("crm = \"{SHOP}\"\nsecret = \"{SECRET}\"\n"),
        "telegram" => format!("url = \"http://127.0.0.1:9\"\ntoken = \"{KEY}\""),
        "webhook" => {
            "url = \"http://127.0.0.1:9\"\nfields = { id = \"id\", chat = \"chat\" }".to_owned()
        }
        other => panic!("write here the smallest settings of {other}"),
    };
    format!("{own}\nhook_secret = \"{SECRET}\"\n")
}

fn made(connector: &str, text: &str) -> Built {
    let connection = |name: &str, connector: &str, text: &str| Connection {
        name: name.to_owned(),
        title: format!("Main one, {name}"),
        connector: connector.to_owned(),
        section: Section::from_toml(name, text),
    };
    let shop = text.contains(SHOP).then(|| connection(SHOP, "retailcrm", &settings("retailcrm")));
    let one = connection("main-one", connector, text);
    build(shop.into_iter().chain([one]).collect(), &Shared::default())
}

fn sound(connector: &str) -> Arc<dyn Connector> {
    let built = made(connector, &settings(connector));
    assert!(!has_errors(&built.problems), "{connector}: {:?}", built.problems);
    Arc::clone(&built.connectors["main-one"])
}

fn every() -> impl Iterator<Item = &'static str> {
    LIST.iter().map(|(name, ..)| *name)
}

#[test]
fn the_list_is_sorted_and_each_folder_has_a_readme_and_samples() {
    let names: Vec<&str> = every().collect();
    assert!(names.is_sorted());
    for name in names {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/connectors").join(name);
        assert!(folder.join("README.md").is_file(), "{name} has no README.md");
        let samples = std::fs::read_dir(folder.join("samples")).expect("samples/").count();
        assert!(samples > 0, "{name} has no samples");
    }
}

#[test]
fn offers_are_named_by_the_rules() {
    for name in every() {
        let offer = sound(name).offer();
        assert_eq!(offer.connector, name);
        let dotted =
            |text: &str| text.split('.').count() == 2 && !text.contains(char::is_uppercase);
        for event in offer.events {
            assert!(dotted(event.kind), "{name}: event {}", event.kind);
            unique(event.fields.iter().map(|field| field.name));
            told(event.fields);
        }
        for query in offer.queries {
            unique(query.input.iter().map(|field| field.name));
            told(query.output);
            asked(query.input);
        }
        for operation in offer.operations {
            assert!(dotted(operation.name), "{name}: operation {}", operation.name);
            unique(operation.input.iter().map(|field| field.name));
            told(operation.output);
            asked(operation.input);
            assert!(!operation.makes || operation.entity.is_some(), "{}", operation.name);
        }
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "{name} is offered twice");
    }
}

fn told(fields: &[Field]) {
    assert!(fields.iter().all(|field| !field.about.is_empty()), "a field says nothing of itself");
}

fn asked(fields: &[Input]) {
    assert!(fields.iter().all(|field| !field.about.is_empty()), "an input says nothing of itself");
}

#[test]
fn settings_are_read_to_the_last_key_and_problems_hide_secrets() {
    for name in every() {
        let built = made(name, &format!("{}timeot = \"5s\"\n", settings(name)));
        let found = built.problems.iter().find(|p| p.title.contains("timeot"));
        let problem = found.unwrap_or_else(|| panic!("{name}: {:?}", built.problems));
        assert!(problem.mend.contains("timeout"), "{problem:?}");
        let shown = format!("{:?}", built.problems);
        assert!(!shown.contains(SECRET) && !shown.contains(KEY), "{name}: {shown}");
    }
}

#[test]
fn of_nothing_at_all_each_key_that_must_be_is_a_problem_at_once() {
    for (name, _, keys) in LIST {
        let built = made(name, "");
        assert!(built.connectors.is_empty(), "{name} is made of nothing");
        let musts = keys.iter().filter(|key| key.must).count();
        assert!(musts > 0 && built.problems.len() >= musts, "{name}: {:?}", built.problems);
    }
}

#[test]
fn an_unknown_connector_names_the_nearest() {
    let built = made("retailcmr", "url = \"x\"");
    let shown = format!("{:?}", built.problems);
    assert!(built.problems.len() == 1 && shown.contains("`retailcrm`"), "{shown}");
}

#[test]
fn a_door_opens_to_its_secret_alone() {
    for name in every() {
        let connector = sound(name);
        assert!(connector.admits(SECRET), "{name}");
        for wrong in ["", "a", &SECRET[1..], &SECRET.to_uppercase(), KEY] {
            assert!(!connector.admits(wrong), "{name} admits {wrong}");
        }
        let without = settings(name).replace(&format!("hook_secret = \"{SECRET}\"\n"), "");
        if connector.block().is_some() {
            // Its secret is all that it has.
            let without = without.replace(&format!("secret = \"{SECRET}\"\n"), "");
            assert!(!made(name, &without).connectors.contains_key("main-one"), "{name}");
            continue;
        }
        let built = made(name, &without);
        assert!(!built.connectors["main-one"].admits(""), "{name} has a door without a secret");
    }
}

#[test]
fn every_operation_can_be_previewed_and_shows_no_key() {
    for name in every() {
        let connector = sound(name);
        for operation in connector.offer().operations {
            let input: Map<String, Value> = operation
                .input
                .iter()
                .map(|field| (field.name.to_owned(), json!({ "$step": "first", "path": ["id"] })))
                .collect();
            let effect = Effect {
                connection: "main-one".to_owned(),
                operation: operation.name.to_owned(),
                input,
                key: "call:1".to_owned(),
            };
            let shown = format!("{:?}", connector.preview(&effect));
            assert!(shown.contains("steps.first.id"), "{}: {shown}", operation.name);
            assert!(!shown.contains(KEY), "{}: {shown}", operation.name);
        }
    }
}

#[test]
fn a_repeat_of_a_delivery_has_its_key_and_another_has_another() {
    for name in every() {
        let connector = sound(name);
        let form = "application/x-www-form-urlencoded";
        let received = "2026-11-20T12:00:00Z".parse().expect("a time");
        let key = |body: &str| connector.dedupe_key(form, body.as_bytes(), received);
        assert_eq!(key("a=1&b=2"), key("a=1&b=2"), "{name}");
        assert_ne!(key("a=1&b=2"), key("a=1&b=3"), "{name}");
    }
}

#[test]
fn a_rate_is_set_and_polls_are_not_endless() {
    for name in every() {
        let connector = sound(name);
        assert!(connector.pace() > 0.0, "{name}");
        for feed in connector.feeds() {
            assert!(feed.every.as_secs() > 0, "{name}: {}", feed.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_panics_no_parser(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[a-z_]{0,8}=[^&]{0,20}(&[a-z_]{1,8}=.{0,20}){0,4}".prop_map(String::into_bytes),
            r#"\{"[a-zA-Z]{1,8}":("[^"\\]{0,9}"|[0-9]{1,20}|null|\[\]|\{\})\}"#.prop_map(String::into_bytes),
        ],
        content_type in prop_oneof![
            Just("application/x-www-form-urlencoded"), Just("application/json"),
            Just("multipart/form-data; boundary=x"), Just("text/plain; charset=koi8-r"), Just(""),
        ],
        channel in prop_oneof![Just("hook"), Just("calls"), Just("requests"), Just("orders"), Just("listed"), Just("messages"), Just("updates"),
            Just("else")],
    ) {
        for name in every() {
            let connector = sound(name);
            let received = "2026-11-20T12:00:00Z".parse().expect("a time");
            let raw = Raw {
                id: 1,
                connection: "main-one".to_owned(),
                channel: channel.to_owned(),
                content_type: content_type.to_owned(),
                body: body.clone(),
                dedupe_key: connector.dedupe_key(content_type, &body, received),
                received,
            };
            if let Err(error) = connector.parse(&raw) {
                prop_assert!(!error.0.is_empty());
            }
        }
    }
}
