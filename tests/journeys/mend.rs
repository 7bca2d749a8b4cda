//! What persons mend: parked jobs, steps of unknown outcome, unreadable deliveries, and what other
//! rules would have decided. Invariant: whatever is retried or replayed, the far side ends with one
//! of each, and what only looks writes nothing.

use crate::support::ledger::text;
use crate::support::{House, Plan};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;

const PHONE: &str = "79990000001";
const OTHER: &str = "79990000002";
/// Older than any journey: its clock may be far from the real one.
const LONG_AGO: &str = "2000-01-01";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn done(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[track_caller]
fn refused(output: &Output, word: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(word), "no `{word}` in {}", said(output));
}

fn variable(name: &str, value: &str) -> (String, String) {
    (format!("LEADLINK_{name}"), value.to_owned())
}

/// A house whose CRM refuses every order: its config names an order method that is not there.
async fn refusing() -> House {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    house.set_env(vec![variable("CONNECTIONS__SHOP__ORDER_METHOD", "no-such-method")]);
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house
}

#[rstest]
#[case::beside_the_daemon(true)]
#[case::without_a_daemon(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_done_once_when_its_cause_is_mended(#[case] beside: bool) {
    let mut house = refusing().await;
    let sent = house.lead(json!({ "type": "call", "phone": PHONE })).await;
    let lead = text(&sent["lead"]["id"]);
    assert_eq!(house.ended().await.stuck, 1);
    // The cause is still there: it is refused again.
    let told = done(&house.command(&["retry", &lead, "--json"]));
    assert_eq!(told["waiting"], json!([1]), "{told}");
    assert_eq!(house.ended().await.stuck, 1);
    assert_eq!(house.ledger().await.made_orders().len(), 0);

    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    // Long parked is not too old.
    house.advance(SignedDuration::from_hours(10 * 24)).await;
    let arguments = ["retry", "--stuck", "--why", "the method is mended", "--json"];
    if beside {
        house.run().await;
        assert_eq!(done(&house.command(&arguments))["waiting"], json!([1]));
    } else {
        assert_eq!(done(&house.command(&arguments))["waiting"], json!([1]));
        let job = &house.story(&lead).await[0].jobs[0];
        let why = job.why.clone().unwrap_or_default();
        assert!(why.starts_with("retried by a person at 20"), "{why}");
        assert!(why.ends_with(": the method is mended"), "{why}");
        assert_eq!(job.tries, 0);
        house.run().await;
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (1, 0), "{counts:?}\n{}", house.log());
    house.ledger().await.assert_one_of_each();
    // Who did it stays in the story.
    let output = house.command(&["why", &lead]);
    assert!(
        out(&output).contains("retried by a person: the method is mended"),
        "{}",
        said(&output)
    );
    refused(&house.command(&["retry", "job:1"]), "it is not stuck: it is acted");
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_job_stands_in_its_lane_again() {
    let mut house = refusing().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    assert_eq!(house.ended().await.stuck, 1);
    house.lead(json!({ "type": "request", "phone": PHONE })).await;
    assert_eq!(house.ended().await.stuck, 2);
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    house.run().await;
    let told = done(&house.command(&["retry", "--stuck", "--connection", "shop", "--json"]));
    assert_eq!(told["waiting"], json!([1, 2]), "{told}");
    let counts = house.ended().await;
    // Two leads of one person at the same time: the second finds the order of the first.
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (1, 1, 0), "{counts:?}");
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_retried_is_said() {
    let mut house = refusing().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    assert_eq!(house.ended().await.stuck, 2);
    for (arguments, word) in [
        (vec!["retry", "no-such-lead"], "there is no job and no lead no-such-lead"),
        (vec!["retry", "job:77"], "there is no such job"),
        (vec!["retry", "job:1", "--arrived", "create"], "no step create of unknown outcome"),
        (vec!["retry", PHONE], "job:2"),
        (vec!["retry", "--stuck", "--flow", "no-such-flow"], "call-to-order"),
        (vec!["retry", "--unreadable", "--connection", "nobody"], "calltouch-main"),
    ] {
        refused(&house.command(&arguments), word);
    }
    for arguments in [
        vec!["retry"],
        vec!["retry", "1", "--stuck"],
        vec!["retry", "--stuck", "--again", "x"],
        vec!["replay"],
        vec!["replay", "--since", "soon"],
    ] {
        let output = house.command(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
    // A flow that is stopped, and one that is gone.
    assert_eq!(house.stop(), Some(0));
    house.set_env(vec![variable("FLOWS__CALL_TO_ORDER__RUNNING", "false")]);
    refused(&house.command(&["retry", "--stuck"]), "call-to-order is stopped");
    let folder = house.dir.path().join("flows");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &folder);
    std::fs::rename(folder.join("call-to-order.toml"), folder.join("call-to-order.off"))
        .expect("renamed");
    let mut env = vec![variable("MAPPINGS__DIR", &folder.display().to_string())];
    env.push(variable("FLOWS__CALL_TO_ORDER__USE", "chat-to-order"));
    house.set_env(env);
    let config = std::fs::read_to_string(house.config()).expect("the config");
    let without = config.replace("[flows.call-to-order]\nrunning = true\n", "");
    assert_ne!(config, without);
    std::fs::write(house.config(), without).expect("written");
    house.set_env(vec![variable("MAPPINGS__DIR", &folder.display().to_string())]);
    refused(&house.command(&["retry", "--stuck"]), "call-to-order is not there any more");
    assert_eq!(house.counts().await.stuck, 2);
}

/// The order was made, its answer lost; then the operation's class changed (as of a message), so
/// that only a person can say.
async fn doubtful() -> (House, u64) {
    let mut house = House::start(Plan::default()).await;
    house
        .faults(json!([{
            "side": "retailcrm", "fault": "lost_answer", "path": "orders/create", "method": "POST",
            "next": 1,
        }]))
        .await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.until("unknown", |counts| counts.unknown_steps == 1).await;
    house.kill();
    house
        .change(&[
            "update job set state = 'stuck', ready = 0, lease_owner = null, lease_until = null",
            "update job_lane set due = null",
            "delete from lane_hold",
            "update step set operation = 'order.once' where state = 'unknown'",
            // It was killed: for a while it would look alive.
            "delete from replica",
        ])
        .await;
    let order = house.ledger().await.made_orders()[0]["id"].as_u64().expect("an id");
    (house, order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_a_person_saw_arrive_is_done() {
    let (mut house, order) = doubtful().await;
    house.run().await;
    refused(&house.command(&["retry", "job:1"]), "say `--arrived create` if it did");
    let output = json!({ "id": order }).to_string();
    let arguments = ["retry", "job:1", "--arrived", "create", "--output", &output, "--json"];
    assert_eq!(done(&house.command(&arguments))["waiting"], json!([1]));
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck, counts.unknown_steps), (1, 0, 0), "{counts:?}");
    house.ledger().await.assert_one_of_each();
    let told = out(&house.command(&["why", PHONE]));
    for part in ["of step create: it had happened", "a person: it happened"] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    house.assert_replays_the_same();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_did_not_happen_may_be_sent_again() {
    let (mut house, _) = doubtful().await;
    // Without a daemon.
    let arguments = ["retry", "job:1", "--again", "create", "--json"];
    assert_eq!(done(&house.command(&arguments))["waiting"], json!([1]));
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
    // The person was wrong: facts and keys still see to it that there is one.
    house.ledger().await.assert_one_of_each();
    house.assert_replays_the_same();
}

#[rstest]
#[case::beside_the_daemon(true)]
#[case::without_a_daemon(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_deliveries_are_read_again(#[case] beside: bool) {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    // The config names another site than the hooks.
    house.set_env(vec![variable("CONNECTIONS__CALLTOUCH_MAIN__SITE_ID", "777777")]);
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE, "journal": false })).await;
    let counts = house.until("read", |counts| counts.unreadable > 0).await;
    assert_eq!(counts.waiting, 0, "{counts:?}");
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    if beside {
        house.run().await;
    }
    let output = house.command(&["retry", "--unreadable", "--connection", "calltouch-main"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(out(&output).contains("deliveries are read again"), "{}", said(&output));
    if !beside {
        house.run().await;
    }
    house.routed().await;
    let counts = house.ended().await;
    assert_eq!((counts.unreadable, counts.acted), (0, 1), "{counts:?}");
    house.ledger().await.assert_one_of_each();
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

/// A copy of the shipped flows in which the flow of calls was changed.
fn changed(house: &House, folder: &str, from: &str, to: &str) -> PathBuf {
    let folder = house.dir.path().join(folder);
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &folder);
    let file = folder.join("call-to-order.toml");
    let whole = std::fs::read_to_string(&file).expect("the flow");
    let new = whole.replace(from, to);
    assert_ne!(whole, new);
    std::fs::write(file, new).expect("written");
    folder
}

fn replay(house: &House, more: &[&str]) -> Value {
    let arguments = [&["replay", "--since", LONG_AGO, "--json"], more].concat();
    done(&house.command(&arguments))
}

/// A call of one without orders, of one with an open order, of one whose order is marked already.
async fn three_calls() -> (House, [String; 3]) {
    let mut house = House::start(Plan::default()).await;
    let mut leads = Vec::new();
    for (phone, fields) in [
        (PHONE, None),
        (OTHER, Some(json!({}))),
        ("79990000003", Some(json!({ "calltouch_site_id": "1" }))),
    ] {
        if let Some(fields) = fields {
            let customer = house.customer(json!({ "firstName": "Иван", "phones": [phone] })).await;
            let order =
                json!({ "customer": { "id": customer }, "status": "new", "customFields": fields });
            house.order(order).await;
        }
        let sent = house.lead(json!({ "type": "call", "phone": phone })).await;
        leads.push(format!("call:{}", text(&sent["lead"]["id"])));
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (2, 1), "{counts:?}");
    (house, leads.try_into().expect("three"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_lists_exactly_what_another_rule_changes() {
    let (mut house, [made, marked, left]) = three_calls().await;
    house.assert_replays_the_same();
    // Marked orders are marked again.
    let folder = changed(&house, "marks", "unless = \"marked\"\n", "");
    let told = replay(&house, &["--with", &folder.display().to_string()]);
    let listed = told["decisions"].as_array().expect("a list");
    assert_eq!(listed.len(), 1, "{told:#}");
    assert_eq!((&listed[0]["event"], &listed[0]["differs"]), (&json!(left), &json!("skip → act")));
    let changes = listed[0]["changes"].to_string();
    assert!(changes.contains("update: crm.order.edit") && changes.contains("update: marked"));
    // The reasons of the one that was marked saw another thing.
    let kinds = &told["summary"]["differ"];
    assert_eq!(kinds, &json!({ "skip → act": 1, "only other reasons": 1 }), "{told:#}");
    assert_eq!(told["summary"]["same"], 1);

    // Another input, field by field, for a person and for a script, and without a daemon.
    assert_eq!(house.stop(), Some(0));
    let before = house.ask("requests").await;
    let name = "utm_source        = \"{{ event.utm_source | clean | cut(255) }}\"";
    let folder = changed(&house, "source", name, "utm_source = \"calltouch\"");
    let with = folder.display().to_string();
    let told = replay(&house, &["--with", &with, "--flow", "call-to-order"]);
    assert_eq!(told["summary"]["differ"], json!({ "other input": 2 }), "{told:#}");
    let output = house.command(&["replay", "--since", LONG_AGO, "--with", &with]);
    for part in [
        made.as_str(),
        marked.as_str(),
        "other input",
        "customFields.utm_source: ",
        "calltouch",
        "3 decisions, 1 the same",
    ] {
        assert!(out(&output).contains(part), "no `{part}` in\n{}", said(&output));
    }
    assert!(!out(&output).contains(&left), "{}", said(&output));
    // Nobody was asked anything.
    assert_eq!(house.ask("requests").await["log"], before["log"]);
    let counts = house.counts().await;
    assert_eq!((counts.waiting, counts.acted, counts.skipped), (0, 2, 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_kept_is_told_and_not_guessed() {
    let (house, _) = three_calls().await;
    // The oldest order in place of the newest: nobody asked for it then.
    let folder =
        changed(&house, "oldest", "pick = \"newest\" }\n\n[let]", "pick = \"oldest\" }\n\n[let]");
    let told = replay(&house, &["--with", &folder.display().to_string()]);
    let why = "the fact order was asked otherwise then";
    // Of the one without a customer no order was asked, then or now.
    assert_eq!(told["summary"]["untold"], json!({ why: 2 }), "{told:#}");
    assert_eq!(told["decisions"][0]["untold"], why);
    assert_eq!((&told["summary"]["same"], &told["summary"]["differ"]), (&json!(1), &json!({})));

    // A folder with a new flow, and without the old one.
    let flow = std::fs::read_to_string(folder.join("call-to-order.toml")).expect("the flow");
    let own = flow.replace("\"call-to-order\"", "\"call-to-other\"");
    std::fs::write(folder.join("call-to-other.toml"), own).expect("written");
    std::fs::remove_file(folder.join("call-to-order.toml")).expect("removed");
    let told = replay(&house, &["--with", &folder.display().to_string()]);
    assert_eq!(told["summary"]["gone"], json!({ "call-to-order": 3 }), "{told:#}");
    assert_eq!(told["summary"]["unheard"]["call-to-other"], 3, "{told:#}");
    assert_eq!(told["decisions"], json!([]));
}

#[rstest]
#[case::beside_the_daemon(true)]
#[case::without_a_daemon(false)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_may_be_written(#[case] beside: bool) {
    let (mut house, [_, _, left]) = three_calls().await;
    let folder = changed(&house, "marks", "unless = \"marked\"\n", "");
    let flow = folder.join("call-to-order.toml");
    // Its cases are mended with the rule, or the daemon would not take it.
    let text = std::fs::read_to_string(&flow).expect("the flow");
    let (rules, _cases) = text.split_once("# ---- What must happen").expect("rules and cases");
    std::fs::write(&flow, rules).expect("written");
    let env = vec![variable("MAPPINGS__DIR", &folder.display().to_string())];
    // The daemon runs the old flow still.
    house.set_env(env.clone());
    let write = ["replay", "--since", LONG_AGO, "--write"];
    refused(&house.command(&[&write[..], &["--yes"]].concat()), "another version of call-to-order");
    // Nobody agreed.
    let output = house.command(&write);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(house.counts().await.waiting, 0);

    assert_eq!(house.stop(), Some(0));
    // Long ago is not too old for a person who asks for it.
    house.advance(SignedDuration::from_hours(10 * 24)).await;
    if beside {
        house.run().await;
    }
    let told = replay(&house, &["--write", "--yes", "--why", "marks were wrong"]);
    assert_eq!(told["written"]["waiting"].as_array().map(Vec::len), Some(1), "{told:#}");
    if !beside {
        house.run().await;
    }
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped, counts.stuck), (3, 1, 0), "{counts:?}");
    let ledger = house.ledger().await;
    // One made, one marked, one marked anew; nobody else was touched.
    assert_eq!(ledger.writes().len(), 3, "{:#}", ledger.0["orders"]);
    assert_eq!(ledger.made_orders().len(), 1);
    let told = out(&house.command(&["why", &left]));
    assert!(told.contains("replayed by a person: marks were wrong"), "{told}");
    // What it came to now is what these rules decide: a second replay finds nothing.
    let told = replay(&house, &["--write", "--yes"]);
    assert_eq!(told["decisions"], json!([]), "{told:#}");
    assert_eq!(told["written"]["waiting"], json!([]));
}
