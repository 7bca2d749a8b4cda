//! Config and flows read anew while the daemon runs. Invariant: what was accepted before is decided by
//! the flows as they are when it is due; a bad set changes nothing.

use crate::support::ledger::text;
use crate::support::{HOOK_SECRET, House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";
const OTHER_SECRET: &str = "another-secret-0123456789";

/// A house with flow files of its own.
async fn house() -> (House, PathBuf) {
    let mut house = House::build(Plan::default()).await;
    let flows = house.dir.path().join("flows");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &flows);
    house.set_env(vec![("LEADLINK_MAPPINGS__DIR".to_owned(), flows.display().to_string())]);
    let done = house.command(&["setup"]);
    assert!(done.status.success(), "{}", said(&done));
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    (house, flows)
}

fn copy(from: &Path, to: &Path) {
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

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Changes a text of a file; it must be there.
fn change(file: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(file).expect("the file");
    assert!(before.contains(from), "no `{from}` in {}", file.display());
    std::fs::write(file, before.replace(from, to)).expect("written");
}

fn reload(house: &House) -> Value {
    let told = house.command(&["reload", "--json"]);
    assert_eq!(told.status.code(), Some(0), "{}\n{}", said(&told), house.log());
    serde_json::from_slice(&told.stdout).expect("one JSON object")
}

/// A call of `phone` through the door with this secret; the status.
async fn call(house: &House, phone: &str, secret: &str) -> u64 {
    let url = house.hook_url().replace(HOOK_SECRET, secret);
    let lead = json!({ "type": "call", "phone": phone, "duration": 5, "deliveries": 1,
        "journal": false, "hook_url": url });
    let sent = house.lead(lead).await;
    sent["deliveries"][0]["status"].as_u64().expect("a status")
}

/// Waits for a word in the log.
async fn logged(house: &House, word: &str, times: usize) {
    let began = Instant::now();
    while house.whole_log().matches(word).count() < times {
        assert!(began.elapsed() < Duration::from_secs(20), "no `{word}`:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_job_is_decided_by_the_flow_as_it_is_when_it_is_due() {
    let (mut house, flows) = house().await;
    assert_eq!(call(&house, PHONE, HOOK_SECRET).await, 200);
    house.routed().await;
    change(&flows.join("call-to-order.toml"), "Звонок от", "Позвонил");
    let told = reload(&house);
    assert_eq!(told["ok"], true, "{told}");
    house.ended().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let name = text(&ledger.made_customers()[0]["first_name"]);
    assert!(name.starts_with("Позвонил"), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_delay_holds_for_leads_that_come_then() {
    let (mut house, _) = house().await;
    change(&house.config(), "[flows.call-to-order]\n", "[flows.call-to-order]\ndelay = \"10m\"\n");
    reload(&house);
    assert_eq!(call(&house, PHONE, HOOK_SECRET).await, 200);
    house.routed().await;
    house.advance(SignedDuration::from_mins(9)).await;
    house.calm().await;
    house.ledger().await.assert_nothing_written();
    house.advance(SignedDuration::from_mins(1)).await;
    house.settled().await;
    house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_secret_opens_the_door_at_once_and_the_old_one_no_more() {
    let (mut house, _) = house().await;
    assert_eq!(call(&house, PHONE, OTHER_SECRET).await, 404);
    change(&house.config(), HOOK_SECRET, OTHER_SECRET);
    reload(&house);
    assert_eq!(call(&house, PHONE, OTHER_SECRET).await, 200);
    assert_eq!(call(&house, "79990000002", HOOK_SECRET).await, 404);
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_set_is_refused_whole_and_what_ran_before_runs_on() {
    let (mut house, flows) = house().await;
    let file = flows.join("call-to-order.toml");
    let sound = std::fs::read_to_string(&file).expect("the flow");
    change(&file, "facts.customer", "facts.custmer");
    change(&house.config(), HOOK_SECRET, OTHER_SECRET);
    let told = house.command(&["reload"]);
    assert_eq!(told.status.code(), Some(1), "{}", said(&told));
    assert!(said(&told).contains("custmer"), "{}", said(&told));
    // The command saw it by itself; a signal has the daemon find out.
    house.signal("-HUP");
    logged(&house, "the reload is refused", 1).await;
    assert_eq!(call(&house, PHONE, OTHER_SECRET).await, 404, "half of a bad set was taken");
    assert_eq!(call(&house, PHONE, HOOK_SECRET).await, 200);
    std::fs::write(&file, sound).expect("written");
    house.signal("-HUP");
    logged(&house, "reloaded", 1).await;
    assert_eq!(call(&house, "79990000002", OTHER_SECRET).await, 200);
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_under_way_ends_as_it_began() {
    let (mut house, flows) = house().await;
    house
        .faults(json!([{ "side": "retailcrm", "fault": "slow", "ms": 6000, "path": "customers/create", "next": 1 }]))
        .await;
    assert_eq!(call(&house, PHONE, HOOK_SECRET).await, 200);
    house.routed().await;
    house.advance(SignedDuration::from_secs(61)).await;
    let began = Instant::now();
    while house.ledger().await.made_customers().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "no customer:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The order's request is still to come; it is planned already.
    change(&flows.join("call-to-order.toml"), "Звонок от", "Позвонил");
    reload(&house);
    assert!(house.ledger().await.made_orders().is_empty(), "too late");
    house.settled().await;
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let name = text(&ledger.made_orders()[0]["fields"]["firstName"]);
    assert!(name.starts_with("Звонок от"), "{name}: {:#}", ledger.0["orders"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_comes_and_goes() {
    let (mut house, _) = house().await;
    let before = std::fs::read_to_string(house.config()).expect("the config");
    let (calltouch, token) = (house.sandbox.calltouch_url(), house.sandbox.token().to_owned());
    let more = format!(
        "[connections.calltouch-b]\nconnector = \"calltouch\"\nname = \"Second site\"\n\
         url = \"{calltouch}\"\nsite_id = 5252\ntoken = \"{token}\"\n\
         hook_secret = \"{OTHER_SECRET}\"\npoll_every = \"5m\"\nrequests_per_second = 2000\n\
         [flows.call-to-order-b]\nuse = \"call-to-order\"\nrunning = true\n\
         roles = {{ calls = \"calltouch-b\" }}\n"
    );
    let url = house
        .hook_url()
        .replace("calltouch-main", "calltouch-b")
        .replace(HOOK_SECRET, OTHER_SECRET);
    let form = [
        ("leadtype", "call"),
        ("siteId", "5252"),
        ("id", "77"),
        ("callphase", "calldisconnected"),
        ("callerphone", PHONE),
        ("duration", "10"),
    ];
    assert_eq!(house.post_to(&url, &form).await, 404);
    std::fs::write(house.config(), format!("{before}{more}")).expect("written");
    reload(&house);
    house.advance(SignedDuration::from_secs(2)).await;
    let at = house.now().as_second().to_string();
    let form = [&form[..], &[("timestamp", at.as_str())]].concat();
    assert_eq!(house.post_to(&url, &form).await, 200);
    house.routed().await;
    house.ended().await;
    house.ledger().await.assert_one_of_each();
    // It is gone again: its door is shut, and the other one's is not.
    std::fs::write(house.config(), before).expect("written");
    reload(&house);
    assert_eq!(house.post_to(&url, &form).await, 404);
    assert_eq!(call(&house, "79990000002", HOOK_SECRET).await, 200);
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_there_is_nothing_to_reload() {
    let (mut house, _) = house().await;
    house.stop();
    let told: Output = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(["reload", "--config"])
        .arg(house.config())
        .output()
        .expect("the command runs");
    assert_eq!(told.status.code(), Some(1), "{}", said(&told));
    assert!(said(&told).contains("leadlink run"), "{}", said(&told));
}
