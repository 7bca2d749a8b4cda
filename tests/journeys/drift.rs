//! A far side drifts away from what the flows use. Invariant: it is told by metric, `status` and
//! `check --online` before a write fails, and no longer when it is mended.

use crate::commands::copy;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

const HOUR: SignedDuration = SignedDuration::from_secs(3605);
const PATIENCE: Duration = Duration::from_secs(30);

fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// The page, its lines joined again.
fn joined(output: &Output) -> String {
    said(output).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn as_json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// A house whose calls become orders of the status `new`, written in the flow; and the line of it.
async fn start() -> (House, u64) {
    let mut house = House::build(Plan::default()).await;
    let folder = house.dir.path().join("flows");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &folder);
    let file = folder.join("call-to-order.toml");
    let text = std::fs::read_to_string(&file).expect("the flow");
    let customer = "customer  = \"{{ facts.customer.id or steps.customer.id }}\"\n";
    let text = text.replacen(customer, &format!("{customer}status    = \"new\"\n"), 1);
    let line = text.lines().position(|line| line == "status    = \"new\"").expect("the line") + 1;
    std::fs::write(&file, text).expect("written");
    house.set_env(vec![("LEADLINK_MAPPINGS__DIR".to_owned(), folder.display().to_string())]);
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    (house, line as u64)
}

/// Waits until the metric of the shop is this.
async fn drifted(house: &House, count: u32) {
    let wanted = format!("leadlink_drift{{connection=\"shop\"}} {count}\n");
    let began = Instant::now();
    loop {
        let (_, metrics) = house.get("/metrics").await;
        if metrics.contains(&wanted) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no {wanted}:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_vanished_is_told_before_a_write_fails() {
    let (mut house, line) = start().await;
    drifted(&house, 0).await;
    let output = house.command(&["check", "--online"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    house.control("lists", json!({ "list": "statuses", "code": "new", "state": "gone" })).await;
    house.advance(HOUR).await;
    drifted(&house, 1).await;
    let words = "step create, status: the CRM has no status `new`";
    let log = house.whole_log();
    assert_eq!(log.matches(words).count(), 1, "told once:\n{}", house.log());

    let output = house.command(&["status", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = as_json(&output);
    let shop = told["connections"].as_array().into_iter().flatten().find(|c| c["name"] == "shop");
    let problem = &shop.expect("the shop")["drift"][0];
    assert_eq!(
        (&problem["severity"], &problem["line"]),
        (&json!("error"), &json!(line)),
        "{told:#}"
    );
    assert!(problem["title"].as_str().is_some_and(|title| title.contains(words)), "{problem}");
    let page = house.command(&["status"]);
    assert!(joined(&page).contains("drift, a write will fail"), "{}", said(&page));
    assert!(joined(&page).contains(&format!("call-to-order.toml:{line}")), "{}", said(&page));

    let output = house.command(&["check", "--online"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&format!("call-to-order.toml:{line}:")), "{}", said(&output));
    // All that before anything was refused.
    let counts = house.counts().await;
    assert_eq!((counts.stuck, counts.acted), (0, 0), "{counts:?}");

    // Another hour tells nothing new; then it is put back.
    house.advance(HOUR).await;
    house.control("lists", json!({ "list": "statuses", "code": "new" })).await;
    house.advance(HOUR).await;
    drifted(&house, 0).await;
    let log = house.whole_log();
    assert_eq!(log.matches("drift: connections.").count(), 1, "{}", house.log());
    assert_eq!(log.matches("mended: connections.").count(), 1, "{}", house.log());
    for arguments in [["check", "--online"].as_slice(), ["status"].as_slice()] {
        let output = house.command(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    house.lead(json!({ "type": "call", "phone": "79990000001" })).await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_was_deleted_and_a_second_store_are_told_with_their_mends() {
    let (mut house, _) = start().await;
    drifted(&house, 0).await;
    house.control("lists", json!({ "list": "fields", "code": "utm_term", "state": "gone" })).await;
    let two = json!([{ "code": "main", "name": "Main shop", "ordering": 10 },
        { "code": "second", "name": "Second shop", "ordering": 5 }]);
    house.control("stores", two).await;
    house.advance(HOUR).await;
    drifted(&house, 2).await;
    let page = joined(&house.command(&["status"]));
    assert!(page.contains("orders lack the custom fields utm_term"), "{page}");
    assert!(page.contains("run `leadlink setup`"), "{page}");
    assert!(page.contains("the key sees the stores second, main now"), "{page}");
    assert!(page.contains("new orders go to `second`"), "{page}");
    // `check` knows what the daemon saw first.
    let online = joined(&house.command(&["check", "--online"]));
    assert!(online.contains("the key sees the stores second, main now"), "{online}");

    let setup = house.command(&["setup"]);
    assert!(setup.status.success(), "{}", said(&setup));
    let one = json!([{ "code": "main", "name": "Main shop", "ordering": 10 }]);
    house.control("stores", one).await;
    house.advance(HOUR).await;
    drifted(&house, 0).await;
    assert_eq!(house.command(&["status"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_was_lost_is_told_at_the_next_start_too() {
    let (mut house, _) = start().await;
    drifted(&house, 0).await;
    let scopes = [
        "order_read",
        "customer_read",
        "customer_write",
        "reference_read",
        "user_read",
        "custom_fields_read",
        "custom_fields_write",
    ];
    house.stop();
    house.control("rights", json!({ "scopes": scopes, "sites": null })).await;
    house.run().await;
    drifted(&house, 1).await;
    let page = joined(&house.command(&["status"]));
    assert!(page.contains("the key lacks the right order_write"), "{page}");
    assert!(page.contains("API access keys"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_connection_is_not_asked() {
    let (mut house, _) = start().await;
    drifted(&house, 0).await;
    house.faults(json!([{ "side": "retailcrm", "fault": "denied", "probability": 1.0 }])).await;
    house.lead(json!({ "type": "call", "phone": "79990000001" })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let began = Instant::now();
    while !house.log().contains("the connection is paused") {
        assert!(began.elapsed() < PATIENCE, "not paused:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let looks = |ledger: &crate::support::ledger::Ledger| {
        ledger.received("retailcrm", "GET /api/v5/reference/statuses")
    };
    let ledger = house.ledger().await;
    let (before, probes) = (looks(&ledger), ledger.received("retailcrm", "GET /api/credentials"));
    house.advance(HOUR).await;
    // A probe is answered with the fault; the lists are not asked for.
    let began = Instant::now();
    while house.ledger().await.received("retailcrm", "GET /api/credentials") == probes {
        assert!(began.elapsed() < PATIENCE, "no probe:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(looks(&house.ledger().await), before);
    house.faults(json!([])).await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.ended().await;
    let began = Instant::now();
    while looks(&house.ledger().await) == before {
        assert!(began.elapsed() < PATIENCE, "no look after the pause:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
