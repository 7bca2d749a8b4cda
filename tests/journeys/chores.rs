//! Chores over nights. Invariant: each night runs them once, whatever is started, stopped or killed
//! in it, and what they delete does not act again when it is delivered again.

use crate::support::database::server;
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use leadlink::domain::Raw;
use leadlink::store::{ChoreRow, Judge, Reading, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";
const PATIENCE: Duration = Duration::from_secs(60);

fn plan() -> Plan {
    let more = "[retention]\nat = \"17 3 * * *\"\ntimezone = \"Europe/Moscow\"\nraw = \"3d\"\n\
                unreadable = \"4d\"\nevents = \"5d\"\n";
    Plan { more: more.to_owned(), ..Plan::default() }
}

async fn chore(house: &House) -> Option<ChoreRow> {
    house.store().await.chore("retention").await.expect("the store answers")
}

/// Waits until the chore is as wanted.
async fn until(house: &House, what: &str, wanted: impl Fn(&ChoreRow) -> bool) -> ChoreRow {
    let began = Instant::now();
    let store = house.store().await;
    loop {
        let row = store.chore("retention").await.expect("the store answers");
        match row {
            Some(row) if wanted(&row) => return row,
            row => assert!(began.elapsed() < PATIENCE, "not {what}: {row:?}\n{}", house.log()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs of retention that the log tells of.
fn runs(house: &House) -> usize {
    house.whole_log().lines().filter(|line| is_run(line)).count()
}

fn is_run(line: &str) -> bool {
    line.contains("a chore is done") && line.contains("retention")
}

/// The clock goes on until shortly after the next 3:17 in Moscow; the time at which it was due.
async fn night(house: &mut House) -> Timestamp {
    const DAY: i64 = 24 * 3600;
    let now = house.now().as_second();
    let due = (now - 17 * 60).div_euclid(DAY) * DAY + DAY + 17 * 60;
    house.advance(SignedDuration::from_secs(due - now + 30)).await;
    Timestamp::from_second(due).expect("a time")
}

async fn next_run(house: &mut House) -> ChoreRow {
    let due = night(house).await;
    until(house, "run", |row| row.last_run == due && row.owner.is_none()).await
}

fn rows(row: &ChoreRow, table: &str) -> u64 {
    let report = row.report.as_ref().expect("a report");
    report["rows"][table].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_night_runs_once_and_what_is_deleted_acts_no_more() {
    let mut house = House::start(plan()).await;
    let known = until(&house, "known", |_| true).await;
    assert!(known.report.is_none() && runs(&house) == 0, "a first start runs nothing");
    let hook = [
        ("id", "900000001"),
        ("callphase", "calldisconnected"),
        ("callerphone", PHONE),
        ("timestamp", "1780000000"),
        ("duration", "30"),
        ("siteId", "4242"),
    ];
    let site = house.sandbox.site_id().to_string();
    let hook: Vec<_> = hook
        .iter()
        .map(|(key, value)| (*key, if *key == "siteId" { &site } else { *value }))
        .collect();
    assert_eq!(house.post(&hook).await, 200);
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 1, "{}", house.log());

    let first = next_run(&mut house).await;
    assert_eq!((rows(&first, "raw"), runs(&house)), (0, 1), "{first:?}");
    // Neither minutes nor a new start make a second run of the same night.
    house.advance(SignedDuration::from_mins(7)).await;
    assert_eq!(house.stop(), Some(0));
    house.run().await;
    house.advance(SignedDuration::from_mins(7)).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        assert_eq!(chore(&house).await.map(|row| row.last_run), Some(first.last_run));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = next_run(&mut house).await;
    assert_eq!(second.last_run.duration_since(first.last_run), SignedDuration::from_hours(24));
    assert_eq!(runs(&house), 2);

    // Three nights without a daemon are one run, and the hook's bytes are old by then.
    house.stop();
    house.advance(SignedDuration::from_hours(60)).await;
    house.run().await;
    let third = until(&house, "made up", |row| row.last_run > second.last_run).await;
    assert!(rows(&third, "raw") > 0 && runs(&house) == 3, "{third:?}");
    let why = house.command(&["why", "call:900000001", "--json"]);
    let stories: Value = serde_json::from_slice(&why.stdout).expect("JSON");
    assert_eq!(stories[0]["deliveries"], json!([]), "{stories}");
    assert_eq!(stories[0]["jobs"][0]["state"], "acted");
    let (_, metrics) = house.get("/metrics").await;
    assert!(
        metrics.contains("leadlink_chore_last_run_age_seconds{chore=\"retention\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("leadlink_chore_rows_total{chore=\"retention\",table=\"raw\"}"));

    house.advance(SignedDuration::from_hours(48)).await;
    let fourth = until(&house, "run", |row| row.last_run > third.last_run).await;
    // The call, and what the CRM's histories told of its customer and order.
    assert_eq!((rows(&fourth, "event"), rows(&fourth, "job")), (3, 1), "{fourth:?}");
    assert!(house.story("call:900000001").await.is_empty());
    // The same delivery comes again, registered now: it is no new lead.
    assert_eq!(house.post(&hook).await, 200);
    house.routed().await;
    house.advance(SignedDuration::from_mins(5)).await;
    house.calm().await;
    assert_eq!(house.ledger().await.made_orders().len(), 1, "{}", house.log());
}

/// Rows that came five days ago and that no parser could read.
async fn unreadable(house: &House, rows: usize) {
    let old = house.now() - SignedDuration::from_hours(24 * 5);
    let store = Store::open(&house.store_url(), house.now()).await.expect("nobody owns it");
    let none: Judge = Arc::new(|_, _| Vec::new().into());
    for part in 0..rows.div_ceil(1000) {
        let raws = (0..1000).map(|n| Raw {
            id: 0,
            connection: "calltouch-main".to_owned(),
            channel: "hook".to_owned(),
            content_type: "text/plain".to_owned(),
            body: vec![b'x'; 500],
            dedupe_key: format!("old:{part}:{n}"),
            received: old,
        });
        store.accept(raws.collect(), None).await.expect("they are kept");
        let waiting = store.unrouted(1000, None).await.expect("rows");
        let batch =
            waiting.iter().map(|raw| (raw.id, Reading::Unreadable("no form".to_owned()))).collect();
        store.route(batch, Arc::clone(&none), old).await.expect("they are routed");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_in_the_middle_goes_on() {
    let mut house = House::start(plan()).await;
    until(&house, "known", |_| true).await;
    house.stop();
    unreadable(&house, 30_000).await;
    let file = house.dir.path().join("leadlink.db");
    let size = || std::fs::metadata(&file).map_or(0, |file| file.len());
    let full = size();
    house.run().await;
    let due = night(&mut house).await;
    let left = || async {
        let count = "select cast(count(*) as text) from raw where state = 'unreadable'";
        house.sql(count).await[0].parse::<u64>().expect("a number")
    };
    let began = Instant::now();
    while left().await == 30_000 {
        assert!(began.elapsed() < PATIENCE, "it does not begin\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    house.kill();
    let after = house.counts().await.unreadable;
    assert!((1..30_000).contains(&after), "{after} are left: it was killed in the middle");
    let held = chore(&house).await.expect("it is known");
    assert!(held.owner.is_some() && held.last_run < due, "{held:?}");

    house.run().await;
    // The lease of who died runs out: by the database's own clock where several share it.
    let row = loop {
        house.advance(SignedDuration::from_secs(61)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let row = chore(&house).await.expect("it is known");
        if row.last_run == due {
            break row;
        }
        assert!(began.elapsed() < PATIENCE, "nobody goes on: {row:?}\n{}", house.log());
    };
    assert_eq!(rows(&row, "raw"), after, "the rest");
    assert_eq!((house.counts().await.unreadable, runs(&house)), (0, 1));
    let given_back = row.report.as_ref().expect("a report")["bytes_given_back"].as_u64();
    house.stop();
    if server().is_none() {
        assert!(given_back > Some(5_000_000), "{row:?}");
        assert!(size() < full / 2, "{} of {full}", size());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_breaks_it_off_and_the_next_start_goes_on_at_once() {
    let mut house = House::start(plan()).await;
    until(&house, "known", |_| true).await;
    house.stop();
    unreadable(&house, 20_000).await;
    house.run().await;
    let due = night(&mut house).await;
    until(&house, "begun", |row| row.owner.is_some()).await;
    let stopping = Instant::now();
    assert_eq!(house.stop(), Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(5), "it does not wait for the end of the run");
    let row = chore(&house).await.expect("it is known");
    assert!(row.owner.is_none() && row.last_run < due, "{row:?}");
    house.run().await;
    until(&house, "done", |row| row.last_run == due).await;
    assert_eq!(house.counts().await.unreadable, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_tells_what_would_go_and_asks_the_daemon_for_it() {
    let mut house = House::build(plan()).await;
    house.run().await;
    until(&house, "known", |_| true).await;
    house.stop();
    unreadable(&house, 1000).await;
    house.run().await;
    let told = house.command(&["retention", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(told["would_delete"]["unreadable"], 1000, "{told}");
    assert!(told["next"].is_string() && told["last"]["report"].is_null(), "{told}");
    assert_eq!(house.counts().await.unreadable, 1000, "it only looks");
    let asked = house.command(&["retention", "--now"]);
    assert!(asked.status.success(), "{asked:?}");
    if server().is_none() {
        // The file is the daemon's; a database that is shared may be written to by anybody.
        assert!(String::from_utf8_lossy(&asked.stdout).contains("daemon"), "{asked:?}");
        house.advance(SignedDuration::from_secs(61)).await;
        until(&house, "done", |row| row.report.is_some()).await;
    }
    assert_eq!(house.counts().await.unreadable, 0);
    house.stop();
    unreadable(&house, 1000).await;
    // Its rows came by the house's clock, which was moved by a minute only.
    let done = house.command(&["retention", "--now", "--json"]);
    let done: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(done["rows"]["raw"], 1000, "{done}");
    let compacted = house.command(&["migrate", "--compact"]);
    assert!(compacted.status.success(), "{compacted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_time_is_a_problem_of_check() {
    let more = "[retention]\nat = \"every night\"\nleads = \"90d\"\n".to_owned();
    let house = House::build(Plan { more, ..Plan::default() }).await;
    let output = house.command(&["check"]);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("retention.at") && said.contains("every night at 3:17"), "{said}");
    assert!(said.contains("retention.leads") && said.contains("400d"), "{said}");
}
