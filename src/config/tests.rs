//! What `load` says of good and bad configurations. Invariant: no problem and no `Debug` shows a
//! secret.

use super::*;
use crate::diagnosis::render;
use secrecy::ExposeSecret;

const GOOD: &str = r#"
[server]
listen = "127.0.0.1:9999"
[roles]
crm = "shop"
calls = ["calltouch-main"]
[connections.shop]
connector = "retailcrm"
name = "Main shop"
url = "https://shop.retailcrm.ru"
api_key = "env:SHOP_API_KEY"
requests_per_second = 10
[connections.calltouch-main]
connector = "calltouch"
token = "a-literal-token-of-a-person"
chat_fields = { phone = "client_phone", lead = ["leadId", "lead_id"] }
[flows.call-to-order]
running = true
delay = "2m"
[flows.call-to-order-b]
use = "call-to-order"
roles = { crm = "shop" }
max_age = "7d"
"#;

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    pairs.into_iter()
}

fn loaded(text: &str, pairs: &[(&str, &str)]) -> (Config, Vec<Problem>) {
    let (config, problems) = load_text("config/leadlink.toml", text, env(pairs));
    let config = config.unwrap_or_else(|| panic!("no TOML: {}", render(&problems, false)));
    (config, problems)
}

/// What a person reads: of `load`, then of every connection, read as its connector would.
fn shown(text: &str, pairs: &[(&str, &str)]) -> String {
    let (config, mut problems) = loaded(text, pairs);
    for connection in config.connections {
        let mut section = connection.section;
        section.required_text("url", "the address of the account");
        section.required_secret("api_key", "the key of the account");
        section.integer("site_id");
        section.duration("poll_every", Duration::from_secs(60));
        section.choice("order_method", &["phone", "callback"], "phone");
        problems.extend(section.finish());
    }
    render(&problems, false)
}

#[test]
fn a_good_file_is_read_whole() {
    let (config, problems) = loaded(GOOD, &[("SHOP_API_KEY", "k"), ("LEADLINK_HOME", "/x")]);
    assert!(problems.is_empty(), "{}", render(&problems, false));
    assert_eq!(config.server.listen, "127.0.0.1:9999");
    assert_eq!(config.store_url, "sqlite:data/leadlink.db");
    assert_eq!(config.roles["calls"], ["calltouch-main"]);
    assert_eq!(config.flows["call-to-order"].delay, Some(Duration::from_secs(120)));
    assert_eq!(config.flows["call-to-order"].running, Some(true));
    let second = &config.flows["call-to-order-b"];
    assert_eq!(second.use_flow.as_deref(), Some("call-to-order"));
    assert_eq!(second.roles["crm"], ["shop"]);
    assert_eq!(second.running, None);
    let [calls, shop] = config.connections.try_into().expect("two connections");
    assert_eq!((calls.name.as_str(), calls.title.as_str()), ("calltouch-main", "calltouch-main"));
    assert_eq!((shop.connector.as_str(), shop.title.as_str()), ("retailcrm", "Main shop"));
    let mut section = shop.section;
    assert_eq!(section.required_secret("api_key", "").expose_secret(), "k");
    assert!((section.number("requests_per_second", 5.0) - 10.0).abs() < f64::EPSILON);
    assert_eq!(section.text("url").as_deref(), Some("https://shop.retailcrm.ru"));
    assert!(section.finish().is_empty());
    let mut section = calls.section;
    section.secret("token");
    assert_eq!(section.table_of_texts("chat_fields")["lead"], ["leadId", "lead_id"]);
    assert!(section.finish().is_empty());
}

#[test]
fn an_empty_file_is_the_defaults() {
    let (config, problems) = loaded("", &[]);
    assert!(problems.is_empty());
    assert_eq!(config.server.listen, "127.0.0.1:8080");
    assert_eq!(config.log, Log { format: LogFormat::Text, level: "info".into() });
    assert!(config.connections.is_empty());
}

#[test]
fn five_mistakes_are_reported_at_once() {
    let text = r#"
[server]
lisen = "127.0.0.1:8080"
[log]
level = "inof"
[roles]
crm = "shpo"
[connections.shop]
connector = "retailcrm"
name = "Shop"
url = 42
api_key = "env:SHOP_API_KEY"
poll_evry = "60s"
[flows.call-to-order]
delay = "1 mn"
"#;
    insta::assert_snapshot!(shown(text, &[]));
}

#[test]
fn a_variable_wins_and_is_named() {
    let (config, problems) = loaded(
        GOOD,
        &[
            ("LEADLINK_SERVER__LISTEN", "0.0.0.0:80"),
            ("LEADLINK_CONNECTIONS__CALLTOUCH_MAIN__TOKEN", "1234567890123456"),
            ("LEADLINK_CONNECTIONS__CALLTOUCH_MAIN__SITE_ID", "4242"),
            ("LEADLINK_FLOWS__CALL_TO_ORDER__RUNNING", "false"),
            ("LEADLINK_FLOWS__DEAL_UPDATE__RUNNING", "true"),
            ("LEADLINK_ROLES__CHAT", "[\"shop\", \"calltouch-main\"]"),
            ("LEADLINK_HOME", "not ours"),
        ],
    );
    assert!(problems.is_empty(), "{}", render(&problems, false));
    assert_eq!(config.server.listen, "0.0.0.0:80");
    assert_eq!(config.flows["call-to-order"].running, Some(false));
    assert_eq!(config.flows["deal-update"].running, Some(true));
    assert_eq!(config.roles["chat"], ["shop", "calltouch-main"]);
    let mut calls = config.connections.into_iter().next().expect("calltouch-main").section;
    assert_eq!(calls.required_secret("token", "").expose_secret(), "1234567890123456");
    assert_eq!(calls.integer("site_id"), Some(4242));
    let bad = [
        ("LEADLINK_CONNECTIONS__SHOP__SITE_ID", "abc"),
        ("LEADLINK_CONNECTIONS__SHOP__API_KEY", "env:NOWHERE"),
        ("LEADLINK_CONNECTIONS__SHOPP__SITE_ID", "1"),
        ("LEADLINK_FLOWS__CALL_TO_ORDER__RUNING", "true"),
        ("LEADLINK_SERVRE__LISTEN", "0.0.0.0:80"),
        ("LEADLINK_ROLES__CALLS", "calltuch-main"),
    ];
    let text = GOOD.replace("connector = \"calltouch\"", "connector = \"calltouch\"\nurl = \"u\"");
    let text = text.lines().filter(|line| !line.starts_with("token")).collect::<Vec<_>>();
    let text = text.join("\n").replace("chat_fields", "site_id = 1 #").replace("requests_", "#");
    insta::assert_snapshot!(shown(&text, &bad));
}

#[test]
fn a_whole_table_can_be_a_variable() {
    let value = "{ connector = \"x\", token = 123, name = \"Brought by env\" }";
    let env = [("LEADLINK_CONNECTIONS__NEW_ONE", value), ("LEADLINK_LOG__LEVEL", "2026-01-01")];
    let (config, problems) = loaded("", &env);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].title,
        "log.level: `2026-01-01` is no level (set by LEADLINK_LOG__LEVEL)"
    );
    let mut new = config.connections.into_iter().next().expect("the connection");
    assert_eq!((new.name.as_str(), new.title.as_str()), ("new-one", "Brought by env"));
    assert!(new.section.secret("token").is_none(), "a number within a table is no text");
    assert_eq!(
        new.section.finish()[0].title,
        "connections.new-one.token: must be a text, not a number (set by \
         LEADLINK_CONNECTIONS__NEW_ONE)"
    );
}

#[test]
fn secrets_are_in_no_problem_and_no_debug() {
    let text = r#"
[store]
url = "postgres://leadlink:hunter2secret@db/leadlink"
urll = "postgres://leadlink:hunter2secret@db/leadlink"
[connections.shop]
connector = "x"
name = 7
api_key = ["hunter2secret"]
api_kye = "hunter2secret"
tokn = "hunter2secret"
hook_secret = "hunter2secret"
inline = { password = "hunter2secret", url = 4 }
"#;
    let env = [("LEADLINK_CONNECTIONS__SHOP__TOKEN", "hunter2secret"), ("X", "hunter2secret")];
    let (config, problems) = loaded(text, &env);
    let debug = format!("{config:?} {:?}", problems);
    assert!(debug.contains("postgres://leadlink:***@db/leadlink"), "{debug}");
    assert!(!debug.contains("hunter2"), "{debug}");
    let shown = shown(text, &env);
    assert!(shown.contains("api_kye") && shown.contains("connections.shop.token"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let (nothing, problems) =
        load_text("c.toml", "[connections.shop]\napi_key = \"hunter2secret\nname = 1\n", env_of());
    assert!(nothing.is_none());
    assert!(!render(&problems, false).contains("hunter2"));
    assert!(!format!("{problems:?}").contains("hunter2"));
}

fn env_of() -> impl Iterator<Item = (String, String)> {
    std::iter::empty()
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "s3cret \r\n").expect("written");
    let text = format!("token = 'file:{}'\nabsent = 'file:/nowhere/at/all'", file.path().display());
    let mut section = Section::from_toml("shop", &text);
    assert_eq!(section.secret("token").expect("a secret").expose_secret(), "s3cret ");
    assert!(section.secret("absent").is_none());
    let problems = section.finish();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].title.starts_with("connections.shop.absent: the secret cannot be read"));
}

#[test]
fn all_syntax_mistakes_are_told_and_nothing_is_half_read() {
    let (config, problems) = load_text("c.toml", "b = \nc = 1\nc = 2\nd = 1 2\n", env_of());
    assert!(config.is_none());
    assert!(problems.len() >= 3, "{}", render(&problems, false));
    assert!(problems.iter().all(|problem| problem.place.is_some()));
}

#[test]
fn a_missing_file_is_told_with_its_mend() {
    let path = std::path::Path::new("/nowhere/leadlink.toml");
    let (config, problems) = load(Some(path), env_of());
    assert!(config.is_none());
    assert_eq!(problems[0].title, "there is no configuration at `/nowhere/leadlink.toml`");
    assert!(problems[0].mend.contains("--config FILE"));
}

#[test]
fn later_checks_point_at_the_file_or_name_the_variable() {
    let env = [("LEADLINK_FLOWS__B__RUNNING", "true")];
    let (config, _) = loaded("[flows.a]\nrunning = true\n", &env);
    let at_file = config.point(&["flows", "a"], Problem::error("no such flow"));
    assert_eq!(at_file.place.map(|place| place.span), Some(7..8));
    let at_key = config.point(&["flows", "a", "delay"], Problem::error("too short"));
    assert_eq!(at_key.place.map(|place| place.span), Some(7..8));
    let by_env = config.point(&["flows", "b", "running"], Problem::error("no such flow"));
    assert_eq!(by_env.title, "no such flow (set by LEADLINK_FLOWS__B__RUNNING)");
}

/// Only what has a default in code or is an example may stand behind a `#`.
#[test]
fn the_shipped_files_hold_as_they_are_and_with_every_key_taken_in() {
    let shipped = include_str!("../../config/leadlink.toml");
    let key = |line: &str| {
        let word = line.strip_prefix("# ").and_then(|line| line.split_once(" = "));
        word.is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            || line.starts_with("# [")
    };
    let full: String = shipped
        .lines()
        .map(|line| if key(line) { &line[2..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(full.matches('\n').count() > 60 && full.contains("\nphone_spellings = "));
    let full = full.replace("{ crm = \"shop-b\", calls = \"calltouch-b\" }", "{ crm = \"shop\" }");
    for (text, connections) in
        [(shipped, 2), (&full, 6), (include_str!("../../config/demo.toml"), 4)]
    {
        let (config, problems) = loaded(text, &[]);
        assert!(problems.is_empty(), "{}", render(&problems, false));
        assert_eq!(config.connections.len(), connections);
        assert_eq!(config.flows["call-to-order"].running, Some(true));
    }
    let (config, _) = loaded(&full, &[]);
    let defaults = Config::default();
    assert_eq!(config.server, defaults.server);
    assert_eq!(config.store_url, defaults.store_url);
    assert_eq!(config.mappings_dir, defaults.mappings_dir);
    assert_eq!(config.log, defaults.log);
    assert_eq!(config.retention, defaults.retention);
    assert_eq!(config.reconcile, defaults.reconcile);
    let examples = config.console.clone();
    let console = Console { public: examples.public, proxies: 1, ..defaults.console };
    assert_eq!(config.console, console);
}

#[test]
fn the_address_of_the_database_may_come_from_elsewhere() {
    let env = [("LEADS_DB".to_owned(), "postgres://leads:hidden@db/leads".to_owned())];
    let text = "[store]\nurl = \"env:LEADS_DB\"\n";
    let (config, problems) = load_text("leadlink.toml", text, env.into_iter());
    assert!(problems.is_empty(), "{problems:?}");
    let config = config.expect("a config");
    assert_eq!(config.store_url, "postgres://leads:hidden@db/leads");
    assert!(!format!("{config:?}").contains("hidden"));
    let (_, problems) = load_text("leadlink.toml", text, std::iter::empty());
    assert!(problems[0].title.contains("LEADS_DB"), "{problems:?}");
}

#[test]
fn the_doors_and_the_address_of_the_database_are_read() {
    let text = "[server]\nreuse_port = true\ndrain = \"5s\"\n[store]\nurl = \"env:DATABASE\"\n";
    let (config, problems) = loaded(text, &[("DATABASE", "postgres://leadlink:pw@db/leadlink")]);
    assert!(problems.is_empty(), "{}", render(&problems, false));
    assert_eq!(config.store_url, "postgres://leadlink:pw@db/leadlink");
    assert_eq!((config.server.reuse_port, config.server.drain.as_secs()), (true, 5));
    // A file has one owner: the port would be shared with nobody.
    let (_, problems) = loaded(text, &[("DATABASE", "sqlite:data/leadlink.db")]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].title.contains("reuse_port") && !crate::diagnosis::has_errors(&problems));
}
