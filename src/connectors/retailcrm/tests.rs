//! Samples (effects → requests, answers → outcomes) as snapshots, and the account against a
//! scripted far side.

mod changes;
mod contacts;
mod conversations;
mod customers;
mod dialogs;
mod double;
mod drift;
mod journeys;
mod orders;
mod sandbox;

use super::act::{self, Written};
use super::client::judge;
use super::*;
use crate::connectors::http::Response;
use crate::domain::Input;
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The samples of a folder, by name.
fn samples(folder: &str) -> Vec<(String, Value)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("src/connectors/retailcrm/samples").join(folder);
    let mut read: Vec<(String, Value)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    read.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!read.is_empty());
    read
}

fn account(extra: &str) -> Account {
    account_at("https://shop.retailcrm.ru", extra)
}

fn account_at(url: &str, extra: &str) -> Account {
    account_with(url, "0123456789abcdef-the-key", &format!("requests_per_second = 1000\n{extra}"))
}

fn account_with(url: &str, key: &str, extra: &str) -> Account {
    let text = format!(
        "url = \"{url}\"\napi_key = \"{key}\"\nhook_secret = \"0123456789abcdef-hook\"\n{extra}"
    );
    let mut section = Section::from_toml("shop", &text);
    let config = Config::read("shop", &mut section).unwrap();
    Account::new(config, &http::Limits::default(), &Files::default(), &Messengers::default())
        .unwrap()
}

#[test]
fn effects_become_requests() {
    let account = account("");
    let mut shown = String::new();
    for (name, effect) in samples("effects") {
        let effect: Effect = serde_json::from_value(effect).unwrap();
        let preview = account.preview(&effect);
        writeln!(shown, "## {name}\n{} {}", preview.method, preview.path).unwrap();
        for (field, text) in preview.fields {
            writeln!(shown, "{field} = {text}").unwrap();
        }
        shown.push('\n');
    }
    insta::assert_snapshot!("effects", shown);
}

#[test]
fn answers_become_outcomes() {
    let mut shown = String::new();
    for (name, sample) in samples("answers") {
        let body = match sample.get("text").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => sample["body"].to_string(),
        };
        let response = Response {
            status: u16::try_from(sample["status"].as_u64().unwrap()).unwrap(),
            content_type: sample["type"].as_str().unwrap_or("application/json").to_owned(),
            body: body.into(),
            retry_after: sample["retry_after"].as_u64().map(Duration::from_secs),
        };
        let effect = Effect {
            connection: "shop".into(),
            operation: sample["operation"].as_str().unwrap().to_owned(),
            input: serde_json::from_str(r#"{"order": 6722, "firstName": "Анна"}"#).unwrap(),
            key: "request:77".into(),
        };
        let ended = match act::outcome(&effect, judge(&response)) {
            Written::Ended(Outcome::Done(output)) => format!("done {output}"),
            Written::Ended(Outcome::Refused(why)) => format!("refused: {why}"),
            Written::Ended(Outcome::Later(delay)) => format!("later {}", line(&delay)),
            Written::Ended(Outcome::Unknown(delay)) => format!("unknown {}", line(&delay)),
            Written::Exists(_) => "exists: to be looked up by externalId".to_owned(),
        };
        writeln!(shown, "{name}\n    {ended}").unwrap();
    }
    for contact in ["anna@", "79990000001", "Анна"] {
        assert!(!shown.contains(contact), "{contact} in {shown}");
    }
    insta::assert_snapshot!("answers", shown);
}

fn line(delay: &Delay) -> String {
    let after = delay.after.map(|after| format!(" after {} s", after.as_secs()));
    format!("({:?}{}): {}", delay.whose, after.unwrap_or_default(), delay.why)
}

#[test]
fn a_preview_shows_the_settings_of_the_connection() {
    let account = account("site = \"main\"\nstatus = \"new\"\nexternal_ids = false");
    let (_, effect) =
        samples("effects").into_iter().find(|(name, _)| name == "order-create-hole").unwrap();
    let effect: Effect = serde_json::from_value(effect).unwrap();
    let preview = account.preview(&effect);
    assert_eq!(preview.fields[0], ("site".to_owned(), "main".to_owned()));
    let order: Value = serde_json::from_str(&preview.fields[1].1).unwrap();
    assert_eq!((&order["site"], &order["status"]), (&"main".into(), &"new".into()));
    assert_eq!(order.get("externalId"), None);
    assert_eq!(order.get("number"), None);
}

#[test]
fn the_door_admits_one_secret() {
    let account = account("");
    assert!(account.admits("0123456789abcdef-hook"));
    assert!(!account.admits("0123456789abcdef-hooK"));
    assert!(!account.admits(""));
    let second = |text: &str| text.parse::<Timestamp>().unwrap();
    let (now, repeat) = (second("2026-11-20T10:00:00Z"), second("2026-11-20T10:00:00.9Z"));
    let key = |body: &[u8], at| account.dedupe_key("", body, at);
    assert_eq!(key(b"a", now), account.dedupe_key("x", b"a", repeat));
    assert_ne!(key(b"a", now), key(b"b", now));
    // The status went away and came back: the same words, and they mean something.
    assert_ne!(key(b"a", now), key(b"a", second("2026-11-20T10:00:01Z")));
}

#[test]
fn external_ids_are_plain() {
    for (key, id) in [
        ("call:900000001", "leadlink-call-900000001"),
        ("chat:5f2c:again", "leadlink-chat-5f2c-again"),
        ("call:+7999/\"x\" й", "leadlink-call--7999--x---"),
    ] {
        assert_eq!(request::external_id(key), id);
    }
}

/// A value of this kind that can be found again in a request.
fn marked(kind: &crate::domain::Kind, mark: &str) -> Value {
    use crate::domain::Kind;
    match kind {
        Kind::Number => 4711.into(),
        Kind::List(inner) => vec![marked(inner, mark)].into(),
        Kind::Open(inner) => [(mark.to_owned(), marked(inner, mark))].into_iter().collect(),
        Kind::Record(fields) => fields
            .iter()
            .map(|field| (field.name.to_owned(), marked(&field.kind, mark)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        _ => mark.into(),
    }
}

#[test]
fn every_offered_input_is_sent_and_every_output_given() {
    let account = account("");
    // What chats send is built elsewhere and tested there.
    let of_chats = |name: &str| name.starts_with("message.") || name.starts_with("dialog.");
    let all = offer::OFFER.operations.iter();
    for operation in all.filter(|operation| !of_chats(operation.name)) {
        // Whom we remember is not told to the CRM.
        let told = |input: &&Input| (operation.name, input.name) != ("customer.fill", "person");
        for input in operation.input.iter().filter(told) {
            let mut given: serde_json::Map<String, Value> = operation
                .input
                .iter()
                .filter(|other| other.need == crate::domain::Need::Must)
                .map(|other| (other.name.to_owned(), marked(&other.kind, "must")))
                .collect();
            let value = marked(&input.kind, "mark");
            given.insert(input.name.to_owned(), value.clone());
            let effect = Effect {
                connection: "shop".into(),
                operation: operation.name.to_owned(),
                input: given,
                key: "call:1".into(),
            };
            let preview = account.preview(&effect);
            let sent = format!("{} {:?}", preview.path, preview.fields);
            let found = if value.is_number() { "4711" } else { "mark" };
            assert!(sent.contains(found), "{}.{}: {sent}", operation.name, input.name);
            if let Value::Object(fields) = &value {
                assert_eq!(sent.matches("mark\\\"").count(), 2.max(fields.len()), "{sent}");
            }

            let answer = br#"{"success":true,"id":1,"order":{"number":"1A"}}"#;
            let response = Response {
                status: 201,
                content_type: String::new(),
                body: answer.as_slice().into(),
                retry_after: None,
            };
            let written = act::outcome(&effect, judge(&response));
            let Written::Ended(Outcome::Done(output)) = written else { panic!("not done") };
            let given: Vec<&String> = output.as_object().unwrap().keys().collect();
            let offered: Vec<_> = operation.output.iter().map(|field| field.name).collect();
            assert_eq!(given, offered, "{}", operation.name);
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_panics_the_judge(
        status in 0_u16..1000,
        body in "(\\{\"success\":(true|false),\"(id|errors|errorMsg|order)\":)?.{0,40}\\}?",
        operation in "(customer.create|order.create|order.edit)",
    ) {
        let response = Response {
            status,
            content_type: String::new(),
            body: body.into(),
            retry_after: None,
        };
        let input = serde_json::Map::new();
        let (connection, key) = (String::new(), String::new());
        let effect = Effect { connection, operation, input, key };
        let written = act::outcome(&effect, judge(&response));
        // Success is never read out of a server's error.
        let done = matches!(written, Written::Ended(Outcome::Done(_)));
        proptest::prop_assert!(!(done && status >= 500));
    }
}
