//! The commands, as a person or a script runs them. Invariant: exit codes are 0 done, 1 problems
//! found, 2 wrong usage, and a command that only looks writes nothing anywhere.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

const PHONE: &str = "79990000001";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that was said, to whichever stream.
fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn as_json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// A house whose shipped flows were copied, so that a test may spoil them.
async fn with_own_flows() -> (House, std::path::PathBuf) {
    let mut house = House::build(Plan::default()).await;
    let folder = house.dir.path().join("flows");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &folder);
    house.set_env(vec![("LEADLINK_MAPPINGS__DIR".to_owned(), folder.display().to_string())]);
    (house, folder)
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_finds_a_sound_house_sound() {
    let house = House::build(Plan::default()).await;
    let output = house.command(&["check"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(out(&output).contains("sound"), "{}", said(&output));
    let told = as_json(&house.command(&["check", "--json"]));
    assert_eq!(told["ok"], true, "{told}");
    assert_eq!((&told["connections"], &told["flows"]), (&json!(2), &json!(8)));
    assert!(told["cases"].as_u64() >= Some(56), "{told}");
    // Nothing was asked and nothing was made.
    assert_eq!(house.ask("requests").await["log"], json!([]));
    assert!(!house.dir.path().join("leadlink.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_mistakes_of_a_flow_are_told_at_once_with_their_places() {
    let (house, folder) = with_own_flows().await;
    let spoilt = r#"[flow]
name  = "spoilt"
title = "Five mistakes"
on    = { from = "calls", event = "call.finishd" }
dely  = "1m"
lane  = "{{ event.phone }}"

[facts]
customer = { ask = "crm.customer", phone = "{{ event.phone }}" }

[[step]]
name   = "customer"
do     = "crm.customer.create"
unless = "facts.custmer"
with   = { firstName = "Звонок от {{ event.phone }}", phoness = ["{{ event.phone }}"] }

[[step]]
name = "create"
do   = "crm.order.create"
when = "not facts.customer and ("
with = { customer = "{{ facts.customer.id }}" }
"#;
    std::fs::write(folder.join("spoilt.toml"), spoilt).expect("written");
    let output = house.command(&["check"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let told = said(&output);
    // The event is of line 4, and so on; every one with the place and the word to write instead.
    for (line, wrong, mend) in [
        (4, "call.finishd", "call.finished"),
        (5, "dely", "delay"),
        (14, "custmer", "customer"),
        (15, "phoness", "phones"),
        (20, "(", ""),
    ] {
        let place = format!("spoilt.toml:{line}:");
        assert!(told.contains(&place), "no problem at {place}\n{told}");
        assert!(told.contains(wrong) && told.contains(mend), "{wrong} → {mend}\n{told}");
    }
    let told = as_json(&house.command(&["check", "--json"]));
    assert_eq!(told["ok"], false);
    let errors = told["problems"].as_array().into_iter().flatten();
    let errors = errors.filter(|problem| text(&problem["severity"]) == "error").count();
    assert_eq!(errors, 5, "{told:#}");
    // With such a flow the daemon does not start.
    let output = house.command(&["run"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_fails_is_a_problem_at_its_line() {
    let (house, folder) = with_own_flows().await;
    let file = folder.join("call-to-order.toml");
    let whole = std::fs::read_to_string(&file).expect("the flow");
    let changed = whole.replace("'complete', 'cancel'", "'complete'");
    assert_ne!(whole, changed);
    std::fs::write(&file, changed).expect("written");
    let output = house.command(&["check"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("cancelled"), "{told}");
    assert!(told.contains("call-to-order.toml:"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_key_of_the_config_names_the_nearest() {
    let house = House::build(Plan {
        shop: "pol_every = \"60s\"".to_owned(),
        more: "[servr]\nlisten = \"127.0.0.1:1\"".to_owned(),
        ..Plan::default()
    })
    .await;
    let output = house.command(&["check"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let told = said(&output);
    for part in ["pol_every", "poll_every", "servr", "server", "leadlink.toml:"] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!told.contains(house.sandbox.api_key()), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_online_asks_the_far_sides_and_changes_nothing() {
    let mut house = House::build(Plan::default()).await;
    // No custom fields yet: found, with the mend.
    let output = house.command(&["check", "--online"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("leadlink setup"), "{}", said(&output));
    assert!(house.command(&["setup"]).status.success());
    let output = house.command(&["check", "--online"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    house.ledger().await.assert_nothing_written();
    for (name, value, word) in [
        ("SHOP__API_KEY", "not-the-key-0123456789", "shop"),
        ("SHOP__STATUS", "no-such-status", "no-such-status"),
        ("SHOP__SITE", "no-such-store", "no-such-store"),
        ("CALLTOUCH_MAIN__TOKEN", "not-the-token-0123456789", "calltouch-main"),
    ] {
        let variable = format!("LEADLINK_CONNECTIONS__{name}");
        house.set_env(vec![(variable, value.to_owned())]);
        let output = house.command(&["check", "--online"]);
        assert_eq!(code(&output), 1, "{name}: {}", said(&output));
        assert!(said(&output).contains(word), "{name}: {}", said(&output));
        if value.starts_with("not-the") {
            assert!(!said(&output).contains(value), "{name}: {}", said(&output));
        }
    }
    // Without `--online` no far side is asked, and the config is sound in itself.
    assert_eq!(code(&house.command(&["check"])), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_not_set_is_found_and_stops_the_daemon() {
    let mut house = House::build(Plan::default()).await;
    let key = "LEADLINK_CONNECTIONS__SHOP__API_KEY".to_owned();
    house.set_env(vec![(key, "env:NOBODY_SETS_THIS".to_owned())]);
    let output = house.command(&["check"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("NOBODY_SETS_THIS"), "{}", said(&output));
    let output = house.command(&["run"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_setup_creates_nothing() {
    let house = House::build(Plan::default()).await;
    let made = "POST /api/v5/custom-fields/{}/create";
    let first = house.command(&["setup"]);
    assert_eq!(code(&first), 0, "{}", said(&first));
    let ledger = house.ledger().await;
    let fields = ledger.received("retailcrm", made);
    assert_eq!(fields, 9, "{:#}", ledger.0["retailcrm"]);
    let second = house.command(&["setup"]);
    assert_eq!(code(&second), 0, "{}", said(&second));
    assert_eq!(house.ledger().await.received("retailcrm", made), fields);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_shows_the_requests_and_writes_nothing() {
    let mut house = House::start(Plan::default()).await;
    let customer = house.customer(json!({ "firstName": "Иван", "phones": [PHONE] })).await;
    let order = house.order(json!({ "customer": { "id": customer }, "status": "new" })).await;
    let before = house.ledger().await;
    let count =
        "select cast(count(*) as text) from raw where channel not in ('orders', 'customers')";
    let rows = house.sql(count).await;

    let file = house.dir.path().join("event.json");
    let event = json!({ "id": "17", "phone": PHONE, "site_id": "4242", "utm_source": "yandex" });
    std::fs::write(&file, event.to_string()).expect("written");
    let path = file.display().to_string();
    let told = as_json(&house.command(&["explain", "call-to-order", &path, "--json"]));
    assert_eq!(told["facts"]["customer"]["id"], customer);
    assert_eq!(told["facts"]["order"]["id"], order);
    let request = &told["requests"][0];
    assert_eq!(told["requests"].as_array().map(Vec::len), Some(1), "{told:#}");
    assert_eq!(request["step"], "update");
    assert_eq!(request["path"], format!("/api/v5/orders/{order}/edit"));
    assert!(request.to_string().contains("calltouch_call_id"), "{request:#}");

    // What Calltouch itself would send.
    let body = "leadtype=call&callphase=calldisconnected&id=18&callerphone=79990000009&siteId=4242";
    let raw = json!({ "connection": "calltouch-main", "body": body });
    std::fs::write(&file, raw.to_string()).expect("written");
    let output = house.command(&["explain", "call-to-order", &path]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    for part in ["Звонок от 79990000009", "/api/v5/customers/create", "/api/v5/orders/create"]
    {
        assert!(out(&output).contains(part), "{part}\n{}", said(&output));
    }
    assert!(!said(&output).contains(house.sandbox.api_key()));

    let after = house.ledger().await;
    assert_eq!(after.0["customers"], before.0["customers"]);
    assert_eq!(after.0["orders"], before.0["orders"]);
    assert_eq!(house.sql(count).await, rows);
    let others = "select key from event where kind not in ('order.changed', 'customer.changed')";
    assert_eq!(house.sql(others).await.len(), 0);
    // And the same without a daemon, and without a database at all.
    assert_eq!(house.stop(), Some(0));
    assert_eq!(code(&house.command(&["explain", "call-to-order", &path])), 0);
    house.forget().await;
    assert_eq!(code(&house.command(&["explain", "call-to-order", &path])), 0);
    assert!(!house.dir.path().join("leadlink.db").exists());

    std::fs::write(&file, "{}").expect("written");
    let output = house.command(&["explain", "no-such-flow", &path]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("call-to-order"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_tells_a_story_by_any_name_of_it() {
    let mut house = House::start(Plan::default()).await;
    let sent = house
        .lead(json!({ "type": "request", "phone": PHONE, "email": "Client@Example.test" }))
        .await;
    house.polled().await;
    house.ended().await;
    let id = text(&sent["lead"]["id"]);
    let ledger = house.ledger().await;
    let order = text(&ledger.made_orders()[0]["id"]);
    let customer = text(&ledger.made_customers()[0]["id"]);
    let kind = |story: &Value| text(&story["event"]["kind"]);
    for name in [
        id.clone(),
        format!("request:{id}"),
        "+7 (999) 000-00-01".to_owned(),
        "8 999 000 00 01".to_owned(),
        "client@example.test".to_owned(),
        format!("order:{order}"),
        order.clone(),
        format!("customer:{customer}"),
    ] {
        let output = house.command(&["why", &name]);
        assert_eq!(code(&output), 0, "{name}: {}", said(&output));
        let told = out(&output);
        for part in [
            format!("request:{id}"),
            "came by hook".to_owned(),
            "came by requests".to_owned(),
            "decided: act".to_owned(),
            "step create: done".to_owned(),
            format!("link to order {order}"),
        ] {
            assert!(told.contains(&part), "{name}: no `{part}` in\n{told}");
        }
        let stories = as_json(&house.command(&["why", &name, "--json"]));
        // Beside it the way back of the order, where the order is named.
        let mut kinds: Vec<String> = stories.as_array().into_iter().flatten().map(kind).collect();
        kinds.retain(|kind| !["order.changed", "customer.changed"].contains(&kind.as_str()));
        assert_eq!(kinds, ["request.created"], "{name}: {stories:#}");
    }
    let output = house.command(&["why", "79990009999"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("nothing is known"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poll_reads_beside_the_daemon_and_without_it() {
    let mut house = House::start(Plan { poll_every: "1h", ..Plan::default() }).await;
    house.lead(json!({ "type": "call", "phone": PHONE, "drop": true })).await;
    let told = as_json(&house.command(&["poll", "calltouch-main", "--json"]));
    // The daemon's own first reading may have been a moment earlier.
    let calls = &told["calls"];
    assert_eq!(calls["new"].as_u64().zip(calls["known"].as_u64()).map(|(a, b)| a + b), Some(1));
    house.until("a job", |counts| counts.waiting == 1).await;
    let told = as_json(&house.command(&["poll", "calltouch-main", "--json"]));
    assert_eq!((&told["calls"]["new"], &told["calls"]["known"]), (&json!(0), &json!(1)), "{told}");

    assert_eq!(house.stop(), Some(0));
    // Without a clock of ours: the lead must be of the real now.
    house
        .control(
            "leads",
            json!({ "type": "request", "phone": PHONE, "at": jiff_now(), "drop": true }),
        )
        .await;
    let output = house.command(&["poll", "calltouch-main"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(out(&output).contains("requests: 1 new"), "{}", said(&output));
    house.faults(json!([{ "side": "calltouch", "fault": "error_500" }])).await;
    let output = house.command(&["poll", "calltouch-main"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    house.faults(json!([])).await;
    let output = house.command(&["poll", "shop"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(out(&output).contains("orders: 0 new"), "{}", said(&output));
    let output = house.command(&["poll", "nobody"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    house.run().await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
}

#[expect(clippy::disallowed_methods, reason = "what a process without our clock takes for now")]
fn jiff_now() -> String {
    jiff::Timestamp::now().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_owns_the_database() {
    let house = House::start(Plan::default()).await;
    let output = house.command(&["run"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(house.get("/healthz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_makes_and_keeps_a_database() {
    let mut house = House::build(Plan::default()).await;
    for _ in 0..2 {
        let output = house.command(&["migrate"]);
        assert_eq!(code(&output), 0, "{}", said(&output));
    }
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.routed().await;
    assert_eq!(house.stop(), Some(0));
    assert_eq!(code(&house.command(&["migrate"])), 0);
    assert_eq!(house.counts().await.waiting, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_usage_ends_with_2() {
    let house = House::build(Plan::default()).await;
    for arguments in [
        vec!["no-such-command"],
        vec![],
        vec!["check", "--no-such-flag"],
        vec!["explain", "call-to-order"],
        vec!["why"],
        vec!["poll"],
    ] {
        let output = house.command(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", said(&output));
    }
    assert_eq!(code(&house.command(&["--help"])), 0);
    assert_eq!(code(&house.command(&["--version"])), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_is_not_there_is_said() {
    let house = House::build(Plan::default()).await;
    std::fs::remove_file(house.config()).expect("removed");
    for command in ["check", "run", "setup", "migrate"] {
        let output = house.command(&[command]);
        assert_eq!(code(&output), 1, "{command}: {}", said(&output));
        assert!(said(&output).contains("leadlink.toml"), "{command}: {}", said(&output));
    }
}
