//! `leadlink status` in good and bad times. Invariant: what needs a person is told with the words to
//! type next, and the exit code says whether anything does.

use crate::commands::copy;
use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";
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

/// What `status --json` tells once it is as wanted, with its exit code.
async fn told(house: &House, wanted: impl Fn(&Value) -> bool) -> (Value, Option<i32>) {
    let began = Instant::now();
    loop {
        let output = house.command(&["status", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
        if wanted(&told) {
            return (told, output.status.code());
        }
        assert!(began.elapsed() < PATIENCE, "{told:#}\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn connection<'a>(told: &'a Value, name: &str) -> &'a Value {
    let all = told["connections"].as_array();
    all.into_iter().flatten().find(|held| held["name"] == name).unwrap_or(&Value::Null)
}

fn flow<'a>(told: &'a Value, name: &str) -> &'a Value {
    let all = told["flows"].as_array();
    all.into_iter().flatten().find(|held| held["name"] == name).unwrap_or(&Value::Null)
}

/// Every connection was written down and compared.
fn settled(told: &Value) -> bool {
    let is = |name| {
        let held = connection(told, name);
        held["state"] == "ready" && !held["looked"].is_null() && !held["answered"].is_null()
    };
    is("shop") && is("calltouch-main")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_house_needs_nobody() {
    let more = "[flows.again]\nuse = \"call-to-order\"\n";
    let mut house = House::build(Plan { more: more.to_owned(), ..Plan::default() }).await;
    let folder = house.dir.path().join("flows");
    let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings"));
    copy(shipped, &folder);
    let flow_of = std::fs::read_to_string(shipped.join("call-to-order.toml")).expect("the flow");
    let elsewhere = flow_of.replacen("\"call-to-order\"", "\"elsewhere\"", 1).replacen(
        "from = \"calls\"",
        "from = \"desk\"",
        1,
    );
    std::fs::write(folder.join("elsewhere.toml"), elsewhere).expect("written");
    house.set_env(vec![("LEADLINK_MAPPINGS__DIR".to_owned(), folder.display().to_string())]);
    assert!(house.command(&["setup"]).status.success());
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    let (sound, code) = told(&house, settled).await;
    assert_eq!((code, &sound["ok"], &sound["running"]), (Some(0), &json!(true), &json!(true)));
    assert_eq!(connection(&sound, "calltouch-main")["feeds"][0]["name"], "calls");
    assert_eq!(flow(&sound, "call-to-order")["state"], "running");
    assert_eq!(flow(&sound, "again")["state"], "stopped");
    let elsewhere = flow(&sound, "elsewhere");
    assert_eq!(elsewhere["state"], "off");
    assert!(text(&elsewhere["why"]).contains("`desk`"), "{elsewhere}");

    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.routed().await;
    let (waits, _) = told(&house, |told| flow(told, "call-to-order")["waiting"] == 1).await;
    assert_eq!(waits["jobs"]["waiting"], json!(1), "{waits:#}");
    house.ended().await;
    let (after, code) = told(&house, |told| flow(told, "call-to-order")["waiting"] == 0).await;
    assert_eq!((code, &after["jobs"]["acted"]), (Some(0), &json!(1)));
    let page = house.command(&["status"]);
    let page = said(&page);
    assert!(page.contains("Nothing waits for a person."), "{page}");
    assert!(!page.contains('\u{1b}'), "colors only on a terminal: {page}");
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }

    house.stop();
    let stopped = house.command(&["status"]);
    assert_eq!(stopped.status.code(), Some(1));
    assert!(said(&stopped).contains("leadlink is not running"), "{}", said(&stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_it_says_so() {
    let house = House::build(Plan::default()).await;
    let output = house.command(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("there is no database yet"), "{}", said(&output));
    let (told, _) = told(&house, |_| true).await;
    assert_eq!(told["running"], false);
    assert!(!house.dir.path().join("leadlink.db").exists(), "it made none");
    let help = said(&house.command(&["status", "--help"]));
    assert!(help.contains("Exit code: 0 when nothing needs a person"), "{help}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_connection_shows_its_reason_and_an_unfinished_one_its_mend() {
    let mut house = House::start(Plan { setup: false, ..Plan::default() }).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let unfinished = |told: &Value| connection(told, "shop")["state"] == "setting up";
    let (seen, code) = told(&house, unfinished).await;
    assert_eq!(code, Some(1));
    let why = text(&connection(&seen, "shop")["why"]);
    assert!(why.contains("run `leadlink setup`"), "{why}");
    assert!(house.command(&["setup"]).status.success());
    house.ended().await;
    told(&house, |told| connection(told, "shop")["state"] == "ready").await;

    house.faults(json!([{ "side": "retailcrm", "fault": "denied", "probability": 1.0 }])).await;
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    let (seen, code) = told(&house, |told| connection(told, "shop")["state"] == "paused").await;
    assert_eq!(code, Some(1));
    let shop = connection(&seen, "shop");
    assert!(text(&shop["why"]).contains("Access denied"), "{shop}");
    let page = joined(&house.command(&["status"]));
    assert!(page.contains("paused since") && page.contains("Access denied"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_job_and_an_unreadable_delivery_come_with_the_next_words() {
    let shop = "order_method = \"no-such-method\"".to_owned();
    let mut house = House::start(Plan { shop, ..Plan::default() }).await;
    let mut leads = Vec::new();
    for phone in [PHONE, "79990000002"] {
        let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
        leads.push(text(&sent["lead"]["id"]));
    }
    house.post(&[("siteId", "777"), ("callphase", "callcompleted"), ("callerphone", "1")]).await;
    house.ended().await;
    let (seen, code) =
        told(&house, |told| told["person"].as_array().is_some_and(|groups| groups.len() == 2))
            .await;
    assert_eq!(code, Some(1));
    let groups = seen["person"].as_array().expect("groups");
    let jobs = &groups[0];
    assert_eq!((&jobs["what"], &jobs["count"]), (&json!("job"), &json!(2)), "{groups:#?}");
    assert!(text(&jobs["why"]).contains("orderMethod"), "{jobs}");
    assert_eq!(groups[1]["what"], "delivery");
    assert_eq!(flow(&seen, "call-to-order")["stuck"], 2);
    let newest = leads.iter().map(|lead| format!("leadlink why call:{lead}"));
    let commands = jobs["commands"].as_array().expect("commands");
    assert!(newest.clone().any(|why| commands[0] == json!(why)), "{jobs}");
    assert_eq!(commands[1], json!(format!("leadlink retry {}", jobs["ids"][0])));
    let page = joined(&house.command(&["status"]));
    assert!(page.contains(&text(&commands[1])), "{page}");
    // What it says to type is understood.
    let words = text(&commands[0]);
    let words: Vec<&str> = words.split(' ').skip(1).collect();
    assert!(house.command(&words).status.success(), "{words:?}");
}
