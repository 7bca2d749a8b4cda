//! Schema and readers, held together: same keys, same verdicts.

use super::*;
use crate::config::keys::{CONNECTION, FLOW, Shape, TABLES};
use crate::config::{self, Config};
use crate::connectors::{self, LIST, Shared};
use crate::diagnosis::{Problem, Source, asked, duration_of, has_errors};
use crate::mapping::grammar::{self, Shelf};
use std::collections::BTreeSet;
use std::path::Path;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:8080"
[roles]
crm = "shop"
calls = ["calls"]
[connections.shop]
connector = "retailcrm"
name = "Main shop"
url = "https://shop.retailcrm.ru"
api_key = "0123456789abcdef0123456789abcdef"
poll_every = "1m"
requests_per_second = 9.5
external_ids = true
phone_spellings = ["{national}"]
hook_secret = "0123456789abcdef-hook"
chats = true
public = "https://leadlink.example.com"
[connections.shop.channels.bot-1]
site = "main"
name = "Our bot"
type = "telegram"
order_method = "messenger"
[connections.calls]
connector = "calltouch"
site_id = 4242
token = "0123456789abcdef"
chat_fields = { id = "chat", phone = ["a", "b"] }
[connections.whatsapp]
connector = "chatapi"
url = "https://eu1.chat-api.com"
instance = "4242"
token = "0123456789abcdef"
profile = "1msg"
[connections.bot]
connector = "telegram"
name = "Our bot"
token = "123456:abc"
mode = "webhook"
hook_secret = "0123456789abcdef"
public = "https://hooks.example.com"
[connections.helpdesk]
connector = "usedesk"
name = "Help desk"
crm = "shop"
secret = "0123456789abcdef"
enabled = true
subdomain = "shop"
orders = 5
timeout = "2s"
language = "en"
[connections.chat]
connector = "webhook"
name = "Chat of the site"
url = "https://chat.example.com"
send_path = "/chats/{chat}"
when = { event = "message_created", kind = ["a", "b"] }
fields = { id = "id", chat = ["chat.id", "chat"] }
[flows.f]
use = "call-to-order"
running = true
delay = "1m"
roles = { crm = "shop" }
settings = { link = "marker", months = 12, strict = true, nouns = ["call"] }
"#;

const FLOW_FILE: &str = r#"
[flow]
name = "f"
title = "F"
on = { from = "calls", event = "call.finished" }
delay = "1m"
lane = "{{ event.phone }}"
[settings]
link = "document"
nouns = ["call"]
[facts]
customer = { ask = "crm.customer", of = "{{ event.site_id }}", phone = "{{ event.phone }}", pick = "newest" }
[let]
known = "facts.customer.id"
[[step]]
name = "create"
do = "crm.order.create"
when = "known"
needs = []
with = { customer = "{{ known }}", customFields = { x = 5, y = ["{{ event.id }}", true] } }
[[case]]
name = "a case"
event = { phone = "1" }
set = { phone = "2" }
facts = { customer = { id = 1 } }
settings = { link = "marker" }
expect = { steps = ["create"], until = "2025-05-14T09:10:00Z", because = [], with = { create = { customer = 1 } }, without = { create = ["phone"] } }
"#;

fn schema(files: Files) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&files.text()).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema), "the schema itself is no schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

fn verdict(files: Files, text: &str) -> Vec<String> {
    let value = as_json(text);
    let errors = schema(files);
    errors.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn config_problems(text: &str) -> Vec<Problem> {
    let (config, mut problems) = config::load_text("my.toml", text, std::iter::empty());
    let Config { connections, .. } = config.expect("a config");
    problems.extend(connectors::build(connections, &Shared::default()).problems);
    problems
}

fn flow_problems(text: &str) -> Vec<Problem> {
    grammar::read(&Source::new("f.toml", text), &Shelf::default()).1
}

/// Every key of a schema, by path; `*` stands for a free name, `[]` for an item.
fn keys_of(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let pointer = target.trim_start_matches('#');
        let inner = root.pointer(pointer).expect("a definition");
        if !inner["properties"].is_null() {
            keys_of(root, inner, path, found);
        }
        return;
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        found.insert(path.clone());
        keys_of(root, inner, &path, found);
    }
    if schema["additionalProperties"].is_object() {
        keys_of(root, &schema["additionalProperties"], &format!("{path}.*"), found);
    }
    if schema["items"].is_object() {
        keys_of(root, &schema["items"], &format!("{path}[]"), found);
    }
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        keys_of(root, one, path, found);
    }
}

fn schema_keys(files: Files) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&files.text()).expect("JSON");
    let mut found = BTreeSet::new();
    keys_of(&schema, &schema, "", &mut found);
    found
}

/// What the readers asked for, with the free names of the examples as `*`.
fn normalized(names: &[(&str, &str)]) -> BTreeSet<String> {
    let stars =
        |path: String| names.iter().fold(path, |path, (name, star)| path.replacen(name, star, 1));
    asked::take().into_iter().map(stars).filter(|path| !path.ends_with('*')).collect()
}

#[test]
fn the_committed_files_are_what_the_command_prints() {
    for files in [Files::Config, Files::Flow, Files::Table] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema").join(files.file_name());
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        let word = format!("{files:?}").to_lowercase();
        let name = files.file_name();
        assert!(held == files.text(), "run `leadlink schema {word} > config/schema/{name}`");
    }
}

#[test]
fn every_shipped_file_is_valid_and_names_its_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut flows = 0;
    for (files, folder) in [(Files::Config, "config"), (Files::Flow, "mappings")] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            assert_eq!(verdict(files, &text), [""; 0], "{}", path.display());
            let first = text.lines().next().unwrap_or_default();
            let named = first.strip_prefix("#:schema ").expect("its schema in the first line");
            let target = path.with_file_name("").join(named);
            assert!(target.is_file(), "{}: {named}", path.display());
            assert!(named.ends_with(files.file_name()), "{}: {named}", path.display());
            flows += 1;
        }
    }
    assert!(flows >= 5, "{flows} files are too few to be all");
}

#[test]
fn the_config_has_the_keys_that_its_readers_ask_for() {
    assert!(!has_errors(&config_problems(CONFIG)), "{:?}", config_problems(CONFIG));
    asked::take();
    config_problems(CONFIG);
    let mut read = normalized(&[
        ("connections.shop", "connections.*"),
        ("channels.bot-1", "channels.*"),
        ("connections.calls", "connections.*"),
        ("connections.bot", "connections.*"),
        ("connections.chat", "connections.*"),
        ("connections.helpdesk", "connections.*"),
        ("connections.whatsapp", "connections.*"),
        ("flows.f", "flows.*"),
    ]);
    // The names under a table of names are no questions of the reader.
    let tables = ["connections.*.chat_fields.", "connections.*.fields."];
    let names = |path: &String| tables.iter().any(|table| path.starts_with(table));
    let told: BTreeSet<String> =
        schema_keys(Files::Config).into_iter().filter(|path| !names(path)).collect();
    read.retain(|path| !path.is_empty());
    assert_eq!(told, read);
}

/// The union above could hide a key of one connector that only another one reads.
#[test]
fn each_connector_asks_for_its_own_keys() {
    for (name, build, keys) in LIST {
        let mut section = config::Section::from_toml("one", "");
        asked::take();
        let _none = build("one", &mut section, &Shared::default());
        let read: BTreeSet<String> = asked::take()
            .iter()
            .filter_map(|path| path.rsplit('.').next().map(str::to_owned))
            .collect();
        let told: BTreeSet<String> = keys.iter().map(|key| key.name.to_owned()).collect();
        assert_eq!(told, read, "{name}");
        let must: BTreeSet<&str> = keys.iter().filter(|key| key.must).map(|key| key.name).collect();
        let problems = section.finish();
        let missing = problems.iter().filter(|problem| problem.title.contains("is missing"));
        let missing: BTreeSet<&str> = missing
            .filter_map(|problem| problem.title.split(':').next()?.rsplit('.').next())
            .collect();
        assert_eq!(must, missing, "{name}");
    }
}

#[test]
fn a_flow_has_the_keys_that_its_readers_ask_for() {
    assert!(!has_errors(&flow_problems(FLOW_FILE)), "{:?}", flow_problems(FLOW_FILE));
    asked::take();
    flow_problems(FLOW_FILE);
    let mut read = normalized(&[
        ("facts.customer", "facts.*"),
        ("step[1]", "step[]"),
        ("case[1]", "case[]"),
        ("without.create", "without.*"),
    ]);
    read.retain(|path| !path.is_empty());
    assert_eq!(schema_keys(Files::Flow), read);
}

/// The commented file says of every key what the schema says.
#[test]
fn the_commented_file_has_every_key_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/leadlink.toml");
    let text = std::fs::read_to_string(path).expect("the file");
    let plain = |text: &str| text.trim_start_matches("# ").replace(' ', "");
    let lines: Vec<String> = text.lines().map(plain).collect();
    let fixed = TABLES.iter().flat_map(|table| table.keys);
    let own = LIST.iter().flat_map(|(_, _, keys)| *keys);
    for key in fixed.chain(CONNECTION).chain(FLOW).chain(own) {
        let start = format!("{}=", key.name);
        let mut written = lines.iter().filter(|line| line.starts_with(&start));
        assert!(written.clone().next().is_some(), "{} is not there", key.name);
        if key.default.is_empty() || matches!(key.shape, Shape::Flag) {
            continue;
        }
        let written_so = key.default.replace(' ', "");
        let (bare, quoted) = (format!("{start}{written_so}"), format!("{start}\"{written_so}\""));
        let literal = format!("{start}'{written_so}'");
        let is_it = |line: &String| [&bare, &quoted, &literal].contains(&line);
        assert!(written.any(is_it), "{}: the default is not {}", key.name, key.default);
    }
}

#[test]
fn what_the_readers_refuse_of_a_config_the_schema_refuses() {
    assert_eq!(verdict(Files::Config, CONFIG), [""; 0]);
    for (from, to) in [
        ("listen =", "listne ="),
        ("[server]", "[retention]\nraw = \"long\"\n[server]"),
        ("[server]", "[retention]\nraw = 90\n[server]"),
        ("[server]", "[retention]\nkeep = \"90d\"\n[server]"),
        ("[server]", "[servr]"),
        ("\"127.0.0.1:8080\"", "8080"),
        ("\"127.0.0.1:8080\"", "\"localhost\""),
        ("connector = \"retailcrm\"\n", ""),
        ("connector = \"retailcrm\"", "connector = \"retailcmr\""),
        ("url = \"https://shop.retailcrm.ru\"\n", ""),
        ("api_key = ", "apikey = "),
        ("api_key = \"0123456789abcdef0123456789abcdef\"", "api_key = 12"),
        ("poll_every = \"1m\"", "poll_every = \"1 mn\""),
        ("poll_every = \"1m\"", "poll_every = 60"),
        ("requests_per_second = 9.5", "requests_per_second = \"9\""),
        ("requests_per_second = 9.5", "requests_per_second = 0"),
        ("external_ids = true", "external_ids = \"yes\""),
        ("phone_spellings = [\"{national}\"]", "phone_spellings = [1]"),
        ("site = \"main\"\n", ""),
        ("name = \"Our bot\"\n", ""),
        ("type = \"telegram\"", "kind = \"telegram\""),
        ("type = \"telegram\"", "type = \"pigeon\""),
        ("chats = true", "chats = 1"),
        ("site_id = 4242", "site_id = \"4242\""),
        ("site_id = 4242", "site_id = 0"),
        ("site_id = 4242\n", ""),
        ("token = \"0123456789abcdef\"\n", ""),
        ("{ id = \"chat\"", "{ idd = \"chat\""),
        ("calls = [\"calls\"]", "calls = 5"),
        ("running = true", "running = 1"),
        ("running = true", "runing = true"),
        ("delay = \"1m\"", "delay = \"soon\""),
        ("roles = { crm = \"shop\" }", "roles = \"shop\""),
        ("settings = { link = \"marker\"", "settings = { link = { a = 1 }"),
        ("settings = { link = \"marker\"", "settings = { link = [1]"),
        ("[connections.calls]", "[connections.\"my calls\"]"),
    ] {
        let text = CONFIG.replacen(from, to, 1);
        assert_ne!(text, CONFIG, "{from}");
        assert!(has_errors(&config_problems(&text)), "the readers accept {to}");
        assert!(!verdict(Files::Config, &text).is_empty(), "the schema accepts {to}");
    }
}

/// Other forms than those of the example.
#[test]
fn what_the_readers_accept_the_schema_accepts() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("secret");
    std::fs::write(&file, "postgres://leadlink@db/leadlink").expect("written");
    let file = file.display();
    for (from, to) in [
        ("[server]", &*format!("[store]\nurl = \"file:{file}\"\n[server]")),
        ("[server]", "[store]\nurl = \"postgresql://leadlink@db/leadlink\"\n[server]"),
        ("[server]", "[log]\nformat = \"json\"\nlevel = \"info,leadlink::store=debug\"\n[server]"),
        ("[server]", "[retention]\nat = \"never\"\nraw = \"7d\"\nlinks = \"forever\"\n[server]"),
        ("\"127.0.0.1:8080\"", "\"[::1]:8080\""),
        ("\"0123456789abcdef\"", &*format!("\"file:{file}\"")),
        ("requests_per_second = 9.5", "requests_per_second = 10"),
        ("phone_spellings = [\"{national}\"]", "phone_spellings = \"{national}\""),
        ("poll_every = \"1m\"", "poll_every = \"PT1M\""),
        ("roles = { crm = \"shop\" }", "roles = { crm = [\"shop\", \"shop\"] }"),
        ("[connections.calls]", "[connections.Calls_2]"),
    ] {
        let text = CONFIG.replace(from, to).replace("[\"calls\"]", "[\"shop\"]");
        assert!(!has_errors(&config_problems(&text)), "{to}: {:?}", config_problems(&text));
        assert_eq!(verdict(Files::Config, &text), [""; 0], "{to}");
    }
    for (from, to) in [
        ("lane = \"{{ event.phone }}\"", "lane = [\"{{ event.phone }}\", \"{{ event.id }}\"]"),
        (
            "delay = \"1m\"",
            "delay = \"30m\"\nmerge = \"{{ event.id }}\"\ndelay_from = \"facts.customer.at\"",
        ),
        ("event = \"call.finished\" }", "event = \"call.finished\", when = \"event.id\" }"),
        ("needs = []", "needs = []\nof = \"{{ settings.link }}\""),
        ("needs = []", "needs = []\nunless = \"not known\""),
        ("x = 5", "x = 1.5, d = 2026-01-15, z = { a = [1, [2]], b = false }"),
        ("because = []", "because = \"create: known\", incomplete = false"),
    ] {
        let text = FLOW_FILE.replace(from, to);
        assert_ne!(text, FLOW_FILE, "{from}");
        let problems = flow_problems(&text);
        assert!(!has_errors(&problems), "{to}: {problems:?}");
        assert_eq!(verdict(Files::Flow, &text), [""; 0], "{to}");
    }
}

#[test]
fn what_the_readers_refuse_of_a_flow_the_schema_refuses() {
    assert_eq!(verdict(Files::Flow, FLOW_FILE), [""; 0]);
    for (from, to) in [
        ("[flow]", "[flwo]"),
        ("name = \"f\"\n", ""),
        ("name = \"f\"", "name = \"F f\""),
        ("title = \"F\"", "titel = \"F\""),
        ("on = { from", "on = { form"),
        ("delay = \"1m\"", "delay = \"1 mn\""),
        ("delay = \"1m\"", "delay = 60"),
        ("delay = \"1m\"", "merge = 5"),
        ("delay = \"1m\"", "delay_from = 5"),
        ("event = \"call.finished\" }", "event = \"call.finished\", when = true }"),
        ("of = \"{{ event.site_id }}\"", "of = 5"),
        ("link = \"document\"", "link = { a = 1 }"),
        ("link = \"document\"", "li-nk = 1"),
        ("nouns = [\"call\"]", "nouns = [1]"),
        ("settings = { link = \"marker\" }", "settings = 5"),
        ("until = \"2025-05-14T09:10:00Z\"", "until = 5"),
        ("lane = \"{{ event.phone }}\"", "lane = 5"),
        ("ask = \"crm.customer\"", "ask = \"customer\""),
        ("ask = \"crm.customer\", ", ""),
        ("known = \"facts.customer.id\"", "known = 5"),
        ("known = \"facts.customer.id\"", "k-n = \"facts.customer.id\""),
        ("name = \"create\"\n", ""),
        ("name = \"create\"", "name = \"my-step\""),
        ("do = \"crm.order.create\"\n", ""),
        ("do = \"crm.order.create\"", "do = \"create\""),
        ("when = ", "wehn = "),
        ("when = \"known\"", "when = true"),
        ("with = { customer", "with = 5 # { customer"),
        ("name = \"a case\"\n", ""),
        ("event = { phone = \"1\" }", "event = 5"),
        ("event = { phone = \"1\" }\n", ""),
        ("set = { phone = \"2\" }", "set = \"2\""),
        ("expect = { steps", "expect = { stpes"),
        ("expect = { steps = [\"create\"]", "expect = { steps = [1]"),
        ("without = { create = [\"phone\"] }", "without = { create = [1] }"),
    ] {
        let text = FLOW_FILE.replacen(from, to, 1);
        assert_ne!(text, FLOW_FILE, "{from}");
        assert!(has_errors(&flow_problems(&text)), "the readers accept {to}");
        assert!(!verdict(Files::Flow, &text).is_empty(), "the schema accepts {to}");
    }
    let without = &FLOW_FILE[..FLOW_FILE.find("[[step]]").expect("steps")];
    assert!(has_errors(&flow_problems(without)));
    assert!(!verdict(Files::Flow, without).is_empty());
}

/// Stricter than the reader the schema must never be.
#[test]
fn a_duration_that_the_reader_takes_is_one_in_the_schema() {
    let validator = jsonschema::validator_for(&duration()).expect("a schema");
    let mut taken = 0;
    for number in ["5", "17", "1.5", "1,5", "90"] {
        for gap in ["", " "] {
            for unit in [
                "s",
                "sec",
                "secs",
                "second",
                "seconds",
                "m",
                "min",
                "mins",
                "minute",
                "minutes",
                "h",
                "hr",
                "hrs",
                "hour",
                "hours",
                "d",
                "day",
                "days",
                "w",
                "wk",
                "wks",
                "week",
                "weeks",
                "ms",
                "msec",
                "millis",
                "milliseconds",
                "us",
                "µs",
                "ns",
                "nanos",
                "y",
                "mo",
                "mn",
            ] {
                let whole = format!("{number}{gap}{unit}");
                for text in [
                    whole.clone(),
                    format!("1d {whole}"),
                    format!("1d, {whole}"),
                    format!("+{whole}"),
                ] {
                    if duration_of(&text).is_some() {
                        taken += 1;
                        assert!(validator.is_valid(&json!(text)), "{text}");
                    }
                }
            }
        }
    }
    for text in [
        "PT5M",
        "P1DT2H",
        "pt5m",
        "P2W",
        "1:30:00",
        "01:30:00",
        "1d 01:30:00",
        "1h30m",
        " 5m",
        "5m ",
    ] {
        taken += u32::from(duration_of(text).is_some());
        assert!(duration_of(text).is_none() || validator.is_valid(&json!(text)), "{text}");
    }
    assert!(taken > 100, "{taken}");
    for text in ["", "5", "soon", "1 mn", "-5m", "5m ago", "1mo", "m"] {
        assert!(duration_of(text).is_none(), "{text}");
        assert!(!validator.is_valid(&json!(text)), "{text}");
    }
}

#[test]
fn a_table_is_a_line_for_each_word() {
    assert_eq!(verdict(Files::Table, "cpc = \"Реклама\"\nfive = 5\n"), [""; 0]);
    assert!(!verdict(Files::Table, "cpc = [\"Реклама\"]").is_empty());
}
