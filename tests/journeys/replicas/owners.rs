//! Who owns what, and how it changes hands. Invariant: what a test says of a hand-over it has seen in
//! the far sides' ledger or in the database, not only in a log.

use super::{LEASE, plan};
use crate::crash::leads::make_fields;
use crate::support::fleet::{Fleet, possible};
use crate::support::ledger::text;
use crate::support::server::{Manner, Server};
use crate::support::{HOOK_SECRET, Plan};
use jiff::SignedDuration;
use leadlink::sandbox::{Options, Sandbox};
use serde_json::json;
use std::time::{Duration, Instant};

const PHONE: &str = "79990000001";

/// Two replicas that run; the number of the owner, and of the other.
async fn two(plan: Plan, server: Option<&Server>) -> (Fleet, usize, usize) {
    let mut fleet = Fleet::build(plan, 2, LEASE, server).await;
    make_fields(&fleet.house).await;
    both(&mut fleet).await;
    let owner = fleet.owned("shop").await;
    (fleet, owner, 1 - owner)
}

/// Starts both, the first before the second; leads begin after that.
async fn both(fleet: &mut Fleet) {
    fleet.run(0).await;
    fleet.owned("shop").await;
    fleet.run(1).await;
    fleet.advance(SignedDuration::from_secs(2)).await;
}

fn call(fleet: &Fleet, to: usize) -> serde_json::Value {
    json!({
        "type": "call", "phone": PHONE, "duration": 10, "hook_url": fleet.hook_url(to),
        "format": "form", "deliveries": 1, "journal": false, "phase": "end",
    })
}

/// Waits until `to` owns the CRM; how long that took.
async fn followed(fleet: &Fleet, to: usize) -> Duration {
    let began = Instant::now();
    while fleet.owned("shop").await != to {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody followed:\n{}", fleet.logs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_at_work_is_followed_within_the_lease() {
    if !possible("a killed owner") {
        return;
    }
    let (mut fleet, owner, other) = two(plan(), None).await;
    // The customer is made at once, and the answer comes late: the kill falls in between.
    fleet
        .house
        .faults(json!([{ "side": "retailcrm", "fault": "slow", "ms": 8000, "path": "customers/create", "next": 1 }]))
        .await;
    fleet.house.control("leads", call(&fleet, other)).await;
    let began = Instant::now();
    while fleet.house.ledger().await.made_customers().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "no customer:\n{}", fleet.logs());
        fleet.advance(SignedDuration::from_millis(200)).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let name = fleet.owner("shop").await.expect("an owner").0;
    fleet.kill(owner);
    let took = followed(&fleet, other).await;
    println!("followed after {took:?} with a lease of {LEASE:?}");
    assert!(took < LEASE + Duration::from_secs(2), "{took:?}");
    fleet.settled().await;
    fleet.house.ledger().await.assert_one_of_each();
    let why = fleet.house.command(&["why", PHONE]);
    let told = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(told.contains("the lease ran out") && told.contains("look: found"), "{told}");
    assert!(fleet.whole_log(other).contains("leases ran out"), "{}", fleet.log(other));
    assert_ne!(fleet.owner("shop").await.expect("an owner").0, name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_hands_over_at_once() {
    if !possible("a stopped owner") {
        return;
    }
    let (mut fleet, owner, other) = two(plan(), None).await;
    fleet.house.control("leads", call(&fleet, owner)).await;
    fleet.terminate(owner);
    let took = followed(&fleet, other).await;
    assert_eq!(fleet.gone(owner).await, Some(0), "{}", fleet.log(owner));
    println!("handed over in {took:?}");
    // Far less than the lease, which nobody waited for.
    assert!(took < LEASE / 2, "{took:?}");
    fleet.settled().await;
    fleet.house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stood_still_sends_nothing_of_before() {
    if !possible("a paused owner") {
        return;
    }
    const CREATE: &str = "POST /api/v5/customers/create";
    let mut fleet = Fleet::build(Plan { pace: 1, ..plan() }, 2, LEASE, None).await;
    make_fields(&fleet.house).await;
    // The one that follows need not be as slow.
    let fast = fleet.house.dir.path().join("fast.toml");
    let slow = std::fs::read_to_string(fleet.house.config()).expect("the config");
    let faster = slow.replace("requests_per_second = 1", "requests_per_second = 2000");
    std::fs::write(&fast, faster).expect("written");
    fleet.configure(1, fast);
    both(&mut fleet).await;
    let (owner, other) = (0, 1);
    assert_eq!(fleet.owned("shop").await, owner);
    fleet.house.control("leads", call(&fleet, owner)).await;
    // It has decided, and its request waits for the far side's pace: there it stands still.
    let began = Instant::now();
    while !fleet.whole_log(owner).contains("verdict=\"act\"") {
        assert!(began.elapsed() < Duration::from_secs(30), "nothing decided:\n{}", fleet.logs());
        fleet.advance(SignedDuration::from_millis(100)).await;
    }
    fleet.pause(owner);
    assert_eq!(fleet.house.ledger().await.received("retailcrm", CREATE), 0, "too late");
    followed(&fleet, other).await;
    fleet.settled().await;
    fleet.house.ledger().await.assert_one_of_each();
    let before = fleet.house.sandbox.ledger().retailcrm.total;
    fleet.resume(owner);
    tokio::time::sleep(LEASE).await;
    let after = fleet.house.sandbox.ledger();
    assert_eq!(after.retailcrm.total, before, "{:?}\n{}", after.duplicates(), fleet.log(owner));
    assert!(fleet.whole_log(owner).contains("does not own"), "{}", fleet.log(owner));
    assert_eq!(fleet.owned("shop").await, other);
    fleet.house.ledger().await.assert_one_of_each();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keeper_survives_its_database() {
    if !possible("a restarted database") {
        return;
    }
    let server = Server::start();
    let (mut fleet, owner, _) = two(plan(), Some(&server)).await;
    for (manner, away) in [(Manner::Immediate, 0), (Manner::Fast, 500), (Manner::Immediate, 6000)] {
        server.restart(manner, Duration::from_millis(away)).await;
        let began = Instant::now();
        // Both doors take deliveries again, and what they take becomes orders.
        for number in 0..2 {
            while fleet.house.http_status(&fleet.url(number, "/readyz")).await != 200 {
                assert!(began.elapsed() < Duration::from_secs(15), "{}", fleet.log(number));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        println!("ready {:?} after {manner:?} of {away} ms", began.elapsed());
        fleet.owned("shop").await;
    }
    fleet.house.control("leads", call(&fleet, owner)).await;
    fleet.settled().await;
    fleet.house.ledger().await.assert_one_of_each();
    // Hints are heard again: a hand-over takes no lease.
    let owner = fleet.owned("shop").await;
    fleet.terminate(owner);
    let took = followed(&fleet, 1 - owner).await;
    assert!(took < LEASE / 2, "{took:?}");
    assert_eq!(fleet.gone(owner).await, Some(0), "{}", fleet.log(owner));
    // And a process ends, with nobody to sign off at.
    server.down(Manner::Fast);
    let began = Instant::now();
    fleet.terminate(1 - owner);
    fleet.gone(1 - owner).await;
    println!("ended {:?} after it was told, without a database", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    server.up();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_holds_up_nobody() {
    if !possible("pauses at any moment") {
        return;
    }
    let (mut fleet, _, _) = two(plan(), None).await;
    // The one that does not own anything still takes turns among the writers.
    for _ in 0..6 {
        let owner = fleet.owned("shop").await;
        fleet.pause(1 - owner);
        let began = Instant::now();
        while began.elapsed() < LEASE / 2 {
            let (_, left) = fleet.owner("shop").await.expect("the owner keeps its lease");
            assert!(left > 0);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(fleet.owned("shop").await, owner);
        fleet.resume(1 - owner);
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
}

/// Two shops, each with its Calltouch, in one config.
async fn two_shops() -> (Fleet, Sandbox) {
    let listen = "127.0.0.1:0".to_owned();
    let options = Options { listen, site_id: 5252, ..Options::default() };
    let second = Sandbox::start(options).await.expect("a second sandbox");
    let (crm, key) = (second.crm_url(), second.api_key());
    let (calltouch, token, site) = (second.calltouch_url(), second.token(), second.site_id());
    let mut more = format!(
        r#"
[connections.shop-b]
connector = "retailcrm"
name = "Second shop"
url = "{crm}"
api_key = "{key}"
requests_per_second = 2000
[connections.calltouch-b]
connector = "calltouch"
name = "Calltouch, second site"
url = "{calltouch}"
site_id = {site}
token = "{token}"
hook_secret = "{HOOK_SECRET}"
poll_every = "20s"
requests_per_second = 2000
"#
    );
    for flow in ["call-to-order", "request-to-order", "chat-to-order"] {
        more.push_str(&format!(
            "[flows.{flow}-b]\nuse = \"{flow}\"\nrunning = true\ndelay = \"4s\"\n\
             roles = {{ crm = \"shop-b\", calls = \"calltouch-b\" }}\n"
        ));
    }
    let fleet = Fleet::build(Plan { more, ..plan() }, 3, LEASE, None).await;
    make_fields(&fleet.house).await;
    (fleet, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crews_are_shared_and_shared_anew() {
    if !possible("two shops") {
        return;
    }
    let (mut fleet, second) = two_shops().await;
    make_fields_of(&fleet, &second).await;
    fleet.run(0).await;
    let mut calls = Calls { number: 0, sent: 0 };
    assert_eq!(fleet.owned("shop").await, 0);
    assert_eq!(fleet.owned("shop-b").await, 0, "one alone owns all");
    advance(&mut fleet, &second, 2000).await;
    calls.some(&mut fleet, &second, 0).await;
    fleet.run(1).await;
    let shared = apart(&mut fleet, &second, &mut calls, true).await;
    println!("two share after {shared:?}");
    // A third finds nothing to do: there are two crews.
    fleet.run(2).await;
    calls.some(&mut fleet, &second, 2).await;
    let (a, b) = (fleet.owned("shop").await, fleet.owned("shop-b").await);
    assert!(a != b, "the third unsettled the two");
    // One of the two leaves, and the third takes its place.
    fleet.terminate(a);
    let gone = fleet.gone(a).await;
    assert_eq!(gone, Some(0), "{}", fleet.log(a));
    let shared = apart(&mut fleet, &second, &mut calls, true).await;
    println!("shared anew after {shared:?}");
    let (c, d) = (fleet.owned("shop").await, fleet.owned("shop-b").await);
    // Another is killed: the last one has all.
    fleet.kill(c);
    let together = apart(&mut fleet, &second, &mut calls, false).await;
    println!("the last one has all after {together:?}");
    assert_eq!(fleet.owned("shop").await, d);
    calls.settled(&mut fleet, &second).await;
    for sandbox in [&fleet.house.sandbox, &second] {
        let ledger = sandbox.ledger();
        assert!(ledger.duplicates().is_empty(), "{:?}", ledger.duplicates());
        assert_eq!(ledger.api_orders().count(), calls.sent, "{}", json!(ledger.orders));
    }
    let out_of_turn = fleet
        .house
        .sql(
            "select a.id::text from job a join job b on a.flow = b.flow and a.registered < b.registered \
             join job_lane l on l.job_id = a.id join job_lane m on m.job_id = b.id and m.lane = l.lane \
             join decision d on d.job_id = a.id join decision e on e.job_id = b.id \
             where e.created < d.created and a.created < b.claimed",
        )
        .await;
    assert!(out_of_turn.is_empty(), "{out_of_turn:?}");
}

async fn make_fields_of(fleet: &Fleet, second: &Sandbox) {
    let codes = ["site_id", "call_id", "request_id", "chat_id"].map(|id| format!("calltouch_{id}"));
    let utm = ["source", "medium", "campaign", "content", "term"].map(|mark| format!("utm_{mark}"));
    for code in codes.into_iter().chain(utm) {
        let body = json!({"entity": "order", "code": code, "name": code, "type": "string"});
        second_control(fleet, second, "custom-fields", body).await;
    }
}

async fn second_control(fleet: &Fleet, second: &Sandbox, route: &str, body: serde_json::Value) {
    fleet.house.control_at(&second.crm_url(), route, body).await;
}

async fn advance(fleet: &mut Fleet, second: &Sandbox, ms: i64) {
    second_control(fleet, second, "clock", json!({ "shift_ms": ms })).await;
    fleet.advance(SignedDuration::from_millis(ms)).await;
}

/// Calls of ever new people, to both shops at once.
struct Calls {
    number: u64,
    sent: usize,
}

impl Calls {
    async fn some(&mut self, fleet: &mut Fleet, second: &Sandbox, door: usize) {
        self.number += 1;
        self.sent += 1;
        let lead = |url: String| {
            json!({
                "type": "call", "phone": format!("7999{:07}", self.number), "duration": 5,
                "hook_url": url, "format": "form", "deliveries": 1, "journal": true, "phase": "end",
            })
        };
        let url = fleet.url(door, &format!("/hooks/calltouch-b/{HOOK_SECRET}"));
        fleet.house.control("leads", lead(fleet.hook_url(door))).await;
        second_control(fleet, second, "leads", lead(url)).await;
        advance(fleet, second, 200).await;
    }

    async fn settled(&mut self, fleet: &mut Fleet, second: &Sandbox) {
        let began = Instant::now();
        loop {
            let counts = fleet.house.counts().await;
            if counts.unrouted + counts.deciding + counts.waiting == 0 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{counts:?}\n{}", fleet.logs());
            advance(fleet, second, 200).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Sends calls until the two shops have different owners that live, or one.
async fn apart(fleet: &mut Fleet, second: &Sandbox, calls: &mut Calls, wanted: bool) -> Duration {
    let began = Instant::now();
    loop {
        let door = (0..3).find(|number| fleet.lives(*number)).expect("a replica");
        calls.some(fleet, second, door).await;
        let (a, b) = (fleet.owned("shop").await, fleet.owned("shop-b").await);
        if fleet.lives(a) && fleet.lives(b) && (a != b) == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "not shared:\n{}", fleet.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_reaches_all_replicas() {
    if !possible("a reload of all") {
        return;
    }
    let mut fleet_plan = plan();
    fleet_plan.env.clear();
    let (mut fleet, owner, other) = two(fleet_plan, None).await;
    let config = fleet.house.config();
    let before = std::fs::read_to_string(&config).expect("the config");
    // A bad set is refused before anybody hears of it, and where one finds it alone, by that one.
    std::fs::write(&config, before.replace("[flows.call-to-order]", "[flows.call-to-ordr]"))
        .expect("written");
    let told = fleet.house.command(&["reload"]);
    assert_eq!(told.status.code(), Some(1));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(said.contains("call-to-order"), "no mend in:\n{said}");
    std::fs::write(&config, &before).expect("written");
    // A job waits for its minute; then the flow has no delay: the next lead is decided at once by all,
    // and the one that waits when it is due, by the flow as it is then.
    fleet.house.control("leads", call(&fleet, other)).await;
    fleet.house.routed().await;
    let secret = "another-secret-0123456789";
    let after = before
        .replace("[flows.call-to-order]\n", "[flows.call-to-order]\ndelay = \"2s\"\n")
        .replace(HOOK_SECRET, secret);
    std::fs::write(&config, after).expect("written");
    let told = fleet.house.command(&["reload", "--json"]);
    let said: serde_json::Value = serde_json::from_slice(&told.stdout).expect("one JSON object");
    assert_eq!(said["ok"], true, "{said}");
    assert_eq!(said["processes"].as_array().map(Vec::len), Some(2), "{said}");
    for number in [owner, other] {
        let old = fleet.hook_url(number);
        let new = old.replace(HOOK_SECRET, secret);
        let lead = |url: &str, id: u64| {
            let mut lead = call(&fleet, number);
            lead["hook_url"] = json!(url);
            lead["phone"] = json!(format!("7999000001{id}"));
            lead
        };
        let refused = fleet.house.control("leads", lead(&old, number as u64)).await;
        assert_eq!(refused["deliveries"][0]["status"], 404, "{refused}");
        let kept = fleet.house.control("leads", lead(&new, number as u64 + 5)).await;
        assert_eq!(kept["deliveries"][0]["status"], 200, "{kept}");
    }
    fleet.settled().await;
    let stories = fleet.house.story(PHONE).await;
    assert_eq!(text(&json!(stories.len())), "1");
    assert_eq!(fleet.house.ledger().await.made_orders().len(), 3, "{}", fleet.logs());
    // One replica finds other files than the rest, as when a roll-out is half done.
    let own = fleet.house.dir.path().join("own.toml");
    std::fs::write(&own, before.replace("running = true", "runing = true")).expect("written");
    fleet.terminate(other);
    fleet.gone(other).await;
    std::fs::write(&own, &before).expect("written");
    fleet.configure(other, own.clone());
    fleet.run(other).await;
    std::fs::write(&own, before.replace("running = true", "runing = true")).expect("written");
    let told = fleet.house.command(&["reload", "--json"]);
    assert_eq!(told.status.code(), Some(1), "{}", String::from_utf8_lossy(&told.stderr));
    let said: serde_json::Value = serde_json::from_slice(&told.stdout).expect("one JSON object");
    let troubles: Vec<&serde_json::Value> = said["processes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|process| &process["trouble"])
        .collect();
    assert!(troubles.iter().any(|why| text(why).contains("running")), "{said}");
    assert!(troubles.iter().any(|why| why.is_null()), "{said}");
}

/// A roll-out that is half done: one replica has a flow that the other does not know yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_only_another_knows_is_left_to_it() {
    if !possible("a roll-out that is half done") {
        return;
    }
    let mut fleet = Fleet::build(plan(), 2, LEASE, None).await;
    make_fields(&fleet.house).await;
    let newer = fleet.house.dir.path().join("newer.toml");
    let before = std::fs::read_to_string(fleet.house.config()).expect("the config");
    let after = before.replace("[flows.call-to-order]\nrunning = true", "")
        + "[flows.calls-anew]\nuse = \"call-to-order\"\nrunning = true\ndelay = \"4s\"\n";
    std::fs::write(&newer, after).expect("written");
    fleet.configure(0, newer);
    fleet.run(0).await;
    assert_eq!(fleet.owned("shop").await, 0);
    fleet.run(1).await;
    fleet.advance(SignedDuration::from_secs(2)).await;
    fleet.house.control("leads", call(&fleet, 1)).await;
    fleet.house.routed().await;
    fleet.kill(0);
    followed(&fleet, 1).await;
    fleet.advance(SignedDuration::from_secs(60)).await;
    // A look at what is due, and more than one.
    tokio::time::sleep(LEASE).await;
    let counts = fleet.house.counts().await;
    assert_eq!((counts.waiting, counts.skipped), (1, 0), "{}", fleet.log(1));
    fleet.house.ledger().await.assert_nothing_written();
    fleet.run(0).await;
    fleet.terminate(1);
    assert_eq!(fleet.gone(1).await, Some(0));
    followed(&fleet, 0).await;
    fleet.settled().await;
    fleet.house.ledger().await.assert_one_of_each();
}
