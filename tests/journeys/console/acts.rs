//! What people do about jobs, deliveries and flows. Invariant: what an act did is asserted by the far
//! side's ledger and the story; the desk stands in for pages and API, which pass on what it says.

use crate::support::fleet::{Fleet, possible};
use crate::support::ledger::text;
use crate::support::{House, Plan};
use futures_util::FutureExt;
use jiff::SignedDuration;
use leadlink::app;
use leadlink::clock::Clock;
use leadlink::desk::acts::{Act, Bulk, StepWord};
use leadlink::desk::audit::Entry;
use leadlink::desk::needs::{NeedFilter, NeedKind};
use leadlink::desk::people::NewPerson;
use leadlink::desk::{Actor, Desk, Door, Error, Right, Role};
use leadlink::store::Acts;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";

fn anna() -> Actor {
    Actor {
        name: "anna".to_owned(),
        door: Door::Console,
        rights: vec![Right::Read, Right::Act],
        address: None,
    }
}

fn reader() -> Actor {
    Actor { name: "rita".to_owned(), rights: vec![Right::Read], ..anna() }
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn done(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// The desk on the house's database, while no daemon runs.
async fn desk(house: &House) -> Desk {
    desk_with(house, None).await
}

/// The same, with the flows of this folder.
async fn desk_with(house: &House, flows: Option<&Path>) -> Desk {
    let dir = flows.map(|flows| ("LEADLINK_MAPPINGS__DIR".to_owned(), flows.display().to_string()));
    let read = app::read(Some(&house.config()), dir.into_iter());
    let app = read.app.expect("a config");
    let clock = Clock::default();
    clock.shift(SignedDuration::from_millis(house.shifted()));
    let (console, papers) = (app.console.clone(), app.papers.clone());
    let pipeline = app.pipeline(clock).await.expect("the store opens");
    let pipeline = pipeline.started().await.expect("it starts");
    let desk = Desk::new(pipeline, console);
    desk.papers.store(Arc::new(papers));
    desk
}

async fn close(desk: Desk) {
    desk.pipeline.store.close().await;
}

/// A house with flow files of its own.
pub async fn own_flows() -> (House, PathBuf) {
    let mut house = House::build(Plan::default()).await;
    let flows = house.dir.path().join("flows");
    copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings")), &flows);
    house.set_env(vec![("LEADLINK_MAPPINGS__DIR".to_owned(), flows.display().to_string())]);
    assert!(house.command(&["setup"]).status.success());
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

pub fn change(file: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(file).expect("the file");
    assert!(before.contains(from), "no `{from}` in {}", file.display());
    std::fs::write(file, before.replace(from, to)).expect("written");
}

/// A house whose CRM refuses every order.
async fn refusing() -> House {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    let method = ("LEADLINK_CONNECTIONS__SHOP__ORDER_METHOD", "no-such-method");
    house.set_env(vec![(method.0.to_owned(), method.1.to_owned())]);
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_difference_is_seen_before_it_is_decided_anew() {
    let (mut house, flows) = own_flows().await;
    let sent = house.lead(json!({ "type": "call", "phone": PHONE })).await;
    let key = format!("call:{}", text(&sent["lead"]["id"]));
    house.ended().await;
    assert_eq!(house.stop(), Some(0));
    let desk = desk_with(&house, Some(&flows)).await;
    let story = desk.story(&format!("calltouch-main~{key}")).await.expect("a story");
    let job = &story.jobs[0];
    assert_eq!((job.state.as_str(), job.acts.as_slice()), ("acted", [Act::Replay].as_slice()));
    let step = job.decisions[0].steps.iter().find(|step| step.name == "create").expect("a step");
    let request = step.request.as_ref().expect("a request");
    assert!(request.path.contains("orders/create"), "{request:?}");
    let key_of_crm = house.sandbox.api_key();
    let whole = serde_json::to_string(&story).expect("JSON");
    assert!(!whole.contains(key_of_crm), "{whole}");
    assert!(story.deliveries[0].body.contains(PHONE), "{:?}", story.deliveries);
    assert_eq!(desk.replay(&reader(), job.id).await.expect("a preview").outcome, "same");
    let before = desk.replay(&anna(), job.id).await.expect("a preview").fingerprint;
    close(desk).await;

    change(&flows.join("call-to-order.toml"), "Звонок от", "Позвонил");
    let desk = desk_with(&house, Some(&flows)).await;
    let preview = desk.replay(&anna(), job.id).await.expect("a preview");
    assert_eq!(preview.outcome, "differs");
    let changed = preview.changes.iter().find(|change| change.at.ends_with("firstName"));
    let changed = changed.unwrap_or_else(|| panic!("{:?}", preview.changes));
    assert!(changed.was.as_deref().is_some_and(|was| was.starts_with("Звонок от")));
    assert!(changed.now.as_deref().is_some_and(|now| now.starts_with("Позвонил")));
    let refused = desk.decide_anew(&reader(), job.id, None, None).await;
    assert_eq!(refused, Err(Error::Forbidden("rita".to_owned())));
    // Of a flow that was shown otherwise nothing is done.
    let refused = desk.decide_anew(&anna(), job.id, before.as_deref(), None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let print = preview.fingerprint.as_deref();
    let told = desk.decide_anew(&anna(), job.id, print, Some("new words")).await.expect("done");
    assert_eq!(told.waiting.len(), 1, "{told:?}");
    close(desk).await;

    house.run().await;
    house.ended().await;
    let story = &house.story(&key).await[0];
    assert_eq!(story.jobs.len(), 2);
    // The order is there and marked: nothing is made a second time.
    house.ledger().await.assert_one_of_each();
    let noted = house.sql("select act || ' ' || about || ' ' || who from audit order by id").await;
    assert_eq!(noted, ["replay job:1 rita", "replay job:1 anna", "replay job:1 anna"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skipped_job_lets_its_lane_go_and_the_next_one_runs() {
    let mut house = House::start(Plan::default()).await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.routed().await;
    house.lead(json!({ "type": "request", "phone": PHONE })).await;
    house.routed().await;
    assert_eq!(house.stop(), Some(0));
    let desk = desk(&house).await;
    let refused = desk.skip(&anna(), 1, "  ").await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let told = desk.skip(&anna(), 1, "a wrong number").await.expect("done");
    assert_eq!(told.ended, [1]);
    let again = desk.skip(&anna(), 1, "once more").await;
    assert_eq!(again, Err(Error::Conflict("it is skipped already".to_owned())));
    close(desk).await;
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.skipped), (1, 1), "{counts:?}\n{}", house.log());
    let ledger = house.ledger().await;
    ledger.assert_one_of_each();
    let shown = said(&house.command(&["why", PHONE]));
    assert!(shown.contains("skipped by a person: a wrong number"), "{shown}");
    let noted =
        house.sql("select act || ' ' || about || ' ' || outcome from audit order by id").await;
    assert_eq!(noted.len(), 3, "{noted:?}");
    assert_eq!(noted[1], "skip job:1 done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_is_seen_by_reason_and_retried_at_once() {
    let mut house = refusing().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    assert_eq!(house.ended().await.stuck, 2);
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    let desk = desk(&house).await;
    let needs = desk.needs(&NeedFilter::default(), None, 1).await.expect("needs");
    let group = needs.groups.iter().find(|group| group.kind == NeedKind::Job).expect("a group");
    assert_eq!((group.count, group.acts.as_slice()), (2, [Act::Retry, Act::Skip].as_slice()));
    let of_jobs = NeedFilter { kind: Some(NeedKind::Job), ..NeedFilter::default() };
    let first = desk.needs(&of_jobs, None, 1).await.expect("a page");
    let second = desk.needs(&of_jobs, first.next.as_deref(), 1).await.expect("a page");
    assert_eq!((first.rows[0].id, second.rows[0].id), (2, 1));
    let bulk = |act: Act, reason: &str| Bulk {
        act,
        ids: Vec::new(),
        flow: Some("call-to-order".to_owned()),
        connection: None,
        reason: Some(reason.to_owned()),
        why: None,
    };
    let none = desk.bulk(&anna(), &bulk(Act::Retry, "another reason")).await.expect("done");
    assert_eq!(none.waiting, [0_i64; 0]);
    let told = desk.bulk(&anna(), &bulk(Act::Retry, &group.reason)).await.expect("done");
    assert_eq!(told.waiting, [1, 2]);
    let refused = desk.bulk(&anna(), &bulk(Act::Skip, &group.reason)).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "a word is needed: {refused:?}");
    close(desk).await;
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (2, 0), "{counts:?}");
    let noted = house.sql("select act || ' ' || about from audit order by id").await;
    assert_eq!(noted, ["retry many", "retry many", "skip many"]);
    let detail = house.sql("select detail from audit order by id limit 1 offset 1").await;
    let detail: Value = serde_json::from_str(&detail[0]).expect("JSON");
    assert_eq!((&detail["waiting"], &detail["left"]), (&json!([1, 2]), &json!([])));
}

/// An order whose answer was lost, of an operation that only a person may repeat.
async fn doubtful() -> (House, u64) {
    let mut house = House::start(Plan::default()).await;
    let lost = json!([{
        "side": "retailcrm", "fault": "lost_answer", "path": "orders/create", "method": "POST",
        "next": 1,
    }]);
    house.faults(lost).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.advance(SignedDuration::from_secs(61)).await;
    house.until("unknown", |counts| counts.unknown_steps == 1).await;
    house.kill();
    house
        .change(&[
            "update job set state = 'stuck', ready = 0, lease_owner = null, lease_until = null, \
             why = 'step create: a person must say'",
            "update job_lane set due = null",
            "delete from lane_hold",
            "update step set operation = 'order.once' where state = 'unknown'",
            "delete from replica",
        ])
        .await;
    let order = house.ledger().await.made_orders()[0]["id"].as_u64().expect("an id");
    (house, order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_says_that_it_arrived_and_it_is_not_sent_again() {
    let (mut house, order) = doubtful().await;
    let desk = desk(&house).await;
    let needs = desk.needs(&NeedFilter::default(), None, 10).await.expect("needs");
    let need = needs.rows.iter().find(|need| need.kind == NeedKind::Unknown).expect("a row");
    assert_eq!(need.step.as_deref(), Some("create"));
    assert_eq!(need.acts, [Act::Arrived, Act::Again, Act::Skip]);
    let refused = desk.retry(&anna(), 1, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "it must be said first: {refused:?}");
    let output = json!({ "id": order }).as_object().cloned();
    let word = StepWord { step: "create".to_owned(), arrived: true, output, why: None };
    let told = desk.word(&anna(), 1, &word).await.expect("done");
    assert_eq!(told.waiting, [1]);
    close(desk).await;
    house.run().await;
    let counts = house.ended().await;
    assert_eq!((counts.stuck, counts.unknown_steps), (0, 0), "{counts:?}");
    house.ledger().await.assert_one_of_each();
    let noted = house.sql("select act || ' ' || outcome from audit order by id").await;
    assert_eq!((noted.len(), noted[1].as_str()), (2, "arrived done"), "{noted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_on_trial_writes_nothing_and_tells_what_would_differ() {
    let (mut house, flows) = own_flows().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    assert_eq!(house.stop(), Some(0));
    let desk = desk_with(&house, Some(&flows)).await;
    let file = flows.join("call-to-order.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    let same = desk.try_flow(&anna(), "call-to-order", None, 100).await.expect("a trial");
    assert!(same.sound, "{:?}", same.problems);
    assert_eq!((same.decisions, same.same, same.differ), (1, 1, 0), "{same:?}");
    let other = text.replace("Звонок от", "Позвонил");
    let differs =
        desk.try_flow(&anna(), "call-to-order", Some(&other), 100).await.expect("a trial");
    assert_eq!((differs.differ, differs.differences[0].what.as_str()), (1, "other input"));
    let broken = text.replace("delay", "dealy");
    let broken =
        desk.try_flow(&anna(), "call-to-order", Some(&broken), 100).await.expect("a trial");
    let problem = broken.problems.iter().find(|problem| problem.severity == "error");
    let problem = problem.expect("a problem");
    assert!(problem.line.is_some() && problem.length > 0, "{problem:?}");
    assert_eq!((broken.sound, broken.decisions), (false, 0));
    let page = desk.flow("call-to-order").await.expect("a page");
    assert!(
        !page.stale && page.row.cases_failed == 0 && page.row.cases_passed > 0,
        "{:?}",
        page.row
    );
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), text);
    close(desk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_stays_stopped_until_its_configured_value_changes() {
    let mut house = House::start(Plan::default()).await;
    house.advance(SignedDuration::from_secs(2)).await;
    let told =
        done(&house.command(&["flow", "stop", "call-to-order", "--why", "a move", "--json"]));
    assert_eq!(told["running"], false, "{told}");
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    house.ledger().await.assert_nothing_written();
    let running = |house: &House| {
        let told = house.command(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let flows = status["flows"].as_array().cloned().unwrap_or_default();
        let flow =
            flows.into_iter().find(|flow| flow["name"] == "call-to-order").expect("the flow");
        (text(&flow["state"]), text(&flow["why"]))
    };
    let (state, why) = running(&house);
    assert_eq!(state, "stopped");
    assert!(why.ends_with(": a move"), "{why}");
    let (_, metrics) = house.get("/metrics").await;
    assert!(metrics.contains("leadlink_flow_running{flow=\"call-to-order\"} 0"), "{metrics}");
    let noted = house.sql("select act || ' ' || door || ' ' || about from audit order by id").await;
    assert_eq!(noted, ["flow.stop command flow:call-to-order"]);
    // It outlives the process, and a reload of the same configuration.
    assert_eq!(house.stop(), Some(0));
    house.run().await;
    done(&house.command(&["reload", "--json"]));
    assert_eq!(running(&house).0, "stopped");
    // Config says something else, and then what it said before: it is config's again.
    let config = house.config();
    change(
        &config,
        "[flows.call-to-order]\nrunning = true",
        "[flows.call-to-order]\nrunning = false",
    );
    done(&house.command(&["reload", "--json"]));
    change(
        &config,
        "[flows.call-to-order]\nrunning = false",
        "[flows.call-to-order]\nrunning = true",
    );
    done(&house.command(&["reload", "--json"]));
    assert_eq!(running(&house).0, "running");
    house.lead(json!({ "type": "call", "phone": "79990000002" })).await;
    house.ended().await;
    assert_eq!(house.ledger().await.made_orders().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_follows_a_stop() {
    if !possible("a stop that another replica follows") {
        return;
    }
    let mut fleet = Fleet::build(Plan::default(), 2, Duration::from_secs(15), None).await;
    assert!(fleet.house.command(&["setup"]).status.success());
    fleet.run(0).await;
    fleet.run(1).await;
    let word = |state: u8| format!("leadlink_flow_running{{flow=\"call-to-order\"}} {state}");
    for (hand, state) in [("stop", 0_u8), ("start", 1)] {
        done(&fleet.house.command(&["flow", hand, "call-to-order", "--json"]));
        for number in 0..2 {
            let began = Instant::now();
            loop {
                let told = fleet.get(number, "/metrics").await;
                if told.contains(&word(state)) {
                    break;
                }
                assert!(began.elapsed() < Duration::from_secs(20), "{hand} {number}:\n{told}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_goes_on_and_is_written_down_when_who_asked_goes_away() {
    let mut house = refusing().await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    assert_eq!(house.ended().await.stuck, 1);
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    let desk = desk(&house).await;
    // The page is closed while it is being done.
    assert!(desk.skip(&anna(), 1, "no more").now_or_never().is_none());
    let admin = Actor { rights: Right::ALL.to_vec(), ..anna() };
    let row = written(&desk, &admin, "skip").await;
    assert_eq!((row.about.as_str(), row.outcome.as_str()), ("job:1", "done"));
    let brief = desk.pipeline.store.job_brief(1).await.expect("read").expect("a job");
    assert_eq!(brief.state.word(), "skipped");
    let story =
        desk.story(&format!("{}~{}", brief.connection, brief.event)).await.expect("a story");
    let who: Vec<_> = story.jobs[0].mends.iter().map(|mend| mend.who.as_deref()).collect();
    assert_eq!(who, [Some("anna")]);
    // So it is with people.
    let password = "correct horse battery staple".to_owned();
    let new = NewPerson { name: "Boris".to_owned(), role: Role::Operator, password };
    assert!(desk.register(&admin).add(&new).now_or_never().is_none());
    let row = written(&desk, &admin, "person.add").await;
    assert_eq!((row.about.as_str(), row.outcome.as_str()), ("person:boris", "done"));
    let people = desk.register(&admin).people().await.expect("people");
    assert!(people.iter().any(|person| person.name == "boris"), "{people:?}");
    close(desk).await;
}

/// Waits for the row of the act.
async fn written(desk: &Desk, admin: &Actor, act: &str) -> Entry {
    let asked = Acts { act: act.to_owned(), ..Acts::default() };
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let held = desk.audit(admin, &asked, 10).await.expect("the log");
        if let Some(row) = held.rows.into_iter().next() {
            return row;
        }
        assert!(Instant::now() < until, "no row was written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
