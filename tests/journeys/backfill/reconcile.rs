//! `leadlink reconcile` and the comparison by the clock: what each side has, what is missing, and what
//! a repair does about it.

use super::{CREATE, UPDATE, ago, as_json, asked, code, plan, said, wait};
use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Some orders with deals, all of them settled.
async fn house(more: &str) -> (House, Vec<u64>) {
    let plan = plan();
    let more = format!("{}{more}", plan.more);
    let plan = Plan { shop: "poll_every = \"5s\"".to_owned(), more, ..plan };
    let mut house = House::start(plan).await;
    house.polled().await;
    let mut orders = Vec::new();
    for number in 0..8 {
        let phone = format!("7999000000{number}");
        let person = house.customer(json!({ "phones": [{ "number": phone }] })).await;
        if number < 2 {
            // Of the first two leads the hook of one is lost.
            let lead = json!({ "type": "call", "phone": phone, "drop": number == 0 });
            house.lead(lead).await;
        }
        let body = json!({ "customer": { "id": person }, "status": "new", "totalSumm": 100 });
        orders.push(house.order(body).await);
    }
    house.polled().await;
    changes(&mut house).await;
    assert_eq!(house.ledger().await.deals().len(), 8);
    (house, orders)
}

/// The feeds are read, and what comes of them is done.
async fn changes(house: &mut House) {
    for _ in 0..3 {
        house.advance(SignedDuration::from_secs(6)).await;
        house.calm().await;
        house.ended().await;
    }
}

fn days() -> [String; 4] {
    ["--from".to_owned(), ago(2).to_string(), "--to".to_owned(), ago(-2).to_string()]
}

fn reconcile(house: &House, more: &[&str]) -> std::process::Output {
    let days = days();
    let mut words = vec!["reconcile"];
    words.extend(days.iter().map(String::as_str));
    words.extend(more);
    house.command(&words)
}

fn found(report: &Value, word: &str) -> (u64, Vec<String>) {
    let found = &report["pairs"][0]["found"][word];
    let ids = found["ids"].as_array().into_iter().flatten();
    (found["count"].as_u64().unwrap_or_default(), ids.map(text).collect())
}

/// One trouble of each sort: missing, differs, sum, deleted, merged, of nothing.
async fn trouble(house: &mut House, orders: &[u64]) -> [u64; 6] {
    let [differs, sum, deleted, merged, into, unseen] = [0, 1, 2, 3, 4, 5].map(|at| orders[at]);
    let person = house.customer(json!({ "phones": [{ "number": "79990000055" }] })).await;
    let body = json!({ "customer": { "id": person }, "status": "new", "history": false });
    let missing = house.order(body).await;
    let silent = json!({ "status": "complete", "history": false });
    house.control(&format!("orders/{differs}"), silent).await;
    house.control(&format!("orders/{sum}"), json!({ "totalSumm": 250 })).await;
    house.control(&format!("orders/{deleted}/delete"), json!({})).await;
    house.control(&format!("orders/{merged}/delete"), json!({ "into": into })).await;
    // Its deletion is never told.
    changes(house).await;
    house.control("history", json!({ "hold_next": 1 })).await;
    house.control(&format!("orders/{unseen}/delete"), json!({})).await;
    changes(house).await;
    [missing, differs, sum, deleted, merged, unseen]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_reported_by_sort_and_a_repair_mends_what_can_be_mended() {
    let (mut house, orders) = house("").await;
    house.advance(SignedDuration::from_hours(3)).await;
    house.polled().await;
    changes(&mut house).await;
    let output = reconcile(&house, &[]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("8 orders, 8 deals"), "{}", said(&output));
    assert!(said(&output).contains("as they should be"), "{}", said(&output));

    let [missing, differs, sum, deleted, merged, unseen] = trouble(&mut house, &orders).await;
    // What is young may be on its way.
    let report = as_json(&reconcile(&house, &["--json"]));
    assert_eq!(found(&report, "not_due").0, 2, "{report:#}");
    house.advance(SignedDuration::from_hours(3)).await;
    changes(&mut house).await;
    let sent = |house: &House| {
        let ledger = house.sandbox.ledger();
        (asked(&ledger, CREATE), asked(&ledger, UPDATE))
    };
    let before = sent(&house);
    let output = reconcile(&house, &["--json"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let report = as_json(&output);
    let one = |id: u64| (1, vec![id.to_string()]);
    assert_eq!(found(&report, "missing"), one(missing), "{report:#}");
    assert_eq!(found(&report, "differs"), one(differs), "{report:#}");
    assert_eq!(found(&report, "sum"), one(sum), "{report:#}");
    let gone = vec![deleted.to_string(), merged.to_string()];
    assert_eq!(found(&report, "gone"), (2, gone), "{report:#}");
    assert_eq!(found(&report, "orphan"), one(unseen), "{report:#}");
    assert_eq!((found(&report, "same").0, found(&report, "not_due").0), (3, 0), "{report:#}");
    // Of two calls the hook of one was lost; the journal told of both.
    let calls = report["leads"].as_array().into_iter().flatten();
    let calls: Vec<&Value> = calls.filter(|one| one["kind"] == "call").collect();
    let counts = ["all", "hooked", "polled_only"].map(|name| calls[0][name].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(1)], "{report:#}");
    let told = said(&reconcile(&house, &[]));
    for word in [
        "never written",
        "status is not what was due",
        "sum changed since the status did (expected)",
        "of something deleted or merged",
        "of nothing that the source knows",
        "calltouch-main calls: 2 came, 1 of them by webhook, 1 only because they were polled",
        &missing.to_string(),
    ] {
        assert!(told.contains(word), "{word}\n{told}");
    }
    assert_eq!(sent(&house), before, "it only looks");

    // What is left wants a person, so the exit code stays 1.
    let output = reconcile(&house, &["--repair"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("2 decided anew by the flows"), "{}", said(&output));
    house.until("decided", |counts| counts.unrouted + counts.waiting + counts.deciding == 0).await;
    let ledger = house.ledger().await;
    ledger.assert_deals_once();
    assert_eq!(ledger.deal(missing)["status"], "new");
    assert_eq!(ledger.deal(differs)["status"], "complete");
    assert_eq!(text(&ledger.deal(sum)["revenue"]), "100", "a sum is never repaired");
    assert_eq!(sent(&house), (before.0 + 1, before.1 + 1));
    let report = as_json(&reconcile(&house, &["--repair", "--json"]));
    assert_eq!(found(&report, "same").0, 5, "{report:#}");
    assert_eq!((found(&report, "sum").0, found(&report, "gone").0), (1, 2), "{report:#}");
    assert_eq!(sent(&house), (before.0 + 1, before.1 + 1), "a second repair has nothing to do");
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_daemon_the_command_compares_and_repairs_by_itself() {
    let mut house = House::build(plan()).await;
    let day = ago(3);
    super::crowd(&house, 5, (day, day));
    let from = day.to_string();
    let all = ["reconcile", "--from", &from];
    let output = house.command(&all);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("5 orders, 0 deals"), "{}", said(&output));
    let output = house.command(&["reconcile", "--from", &from, "--repair"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(house.ledger().await.deals().len(), 5);
    let output = house.command(&all);
    assert_eq!(code(&output), 0, "{}", said(&output));
    // A deal that somebody deleted over there is told, and not made again.
    let number = house.sandbox.ledger().deals[2].number.clone();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let path = "/lead-service/v1/api/client-order/delete";
    let answer = client
        .post(format!("{}{path}", house.sandbox.calltouch_url()))
        .header("Access-Token", house.sandbox.token())
        .header("SiteId", house.sandbox.site_id().to_string())
        .json(&json!({ "orderNumbers": [number] }))
        .send();
    assert!(answer.await.expect("an answer").status().is_success());
    let output = house.command(&["reconcile", "--from", &from, "--repair", "--json"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(found(&as_json(&output), "lost"), (1, vec![number]));
    assert_eq!(house.ledger().await.deals().len(), 4);
    // Far sides that do not answer leave no half report.
    house.faults(json!([{ "side": "calltouch", "fault": "denied" }])).await;
    let output = house.command(&all);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("calltouch-main: "), "{}", said(&output));
    house.faults(json!([])).await;
    house.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_compares_every_night_and_tells() {
    let more = "[reconcile]\nat = \"47 4 * * *\"\ntimezone = \"Europe/Moscow\"\nwindow = \"4d\"\n";
    let (mut house, orders) = house(more).await;
    let [missing, differs, sum, ..] = trouble(&mut house, &orders).await;
    const DAY: i64 = 24 * 3600;
    // 4:47 in Moscow, of the night after this one.
    let (now, at) = (house.now().as_second(), 3600 + 47 * 60);
    let due = (now - at).div_euclid(DAY) * DAY + 2 * DAY + at;
    house.advance(SignedDuration::from_secs(due - now + 30)).await;
    wait(&house, "compared", || {
        let log = house.whole_log();
        log.lines().any(|line| line.contains("a chore is done") && line.contains("reconcile"))
    })
    .await;
    let log = house.whole_log();
    assert!(log.contains("both sides differ"), "{}", house.log());
    let row = house.store().await.chore("reconcile").await.expect("the store answers");
    let report = row.and_then(|row| row.report).expect("a report");
    let report = &report["found"];
    let one = |id: u64| (1, vec![id.to_string()]);
    assert_eq!(found(report, "missing"), one(missing), "{report:#}");
    assert_eq!((found(report, "differs"), found(report, "sum")), (one(differs), one(sum)));
    let (_, metrics) = house.get("/metrics").await;
    for (finding, count) in [("missing", 1), ("differs", 1), ("sum", 1), ("gone", 2), ("orphan", 1)]
    {
        let line = format!(
            "leadlink_reconcile_found{{connection=\"shop\",finding=\"{finding}\"}} {count}"
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    let leads = "leadlink_reconcile_leads{connection=\"calltouch-main\",kind=\"call\",way=";
    for (way, count) in [("any", 2), ("poll_only", 1)] {
        let line = format!("{leads}\"{way}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    // It only looked.
    assert!(house.ledger().await.find_deal(missing).is_none());
}
