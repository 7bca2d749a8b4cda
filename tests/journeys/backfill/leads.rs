//! `leadlink backfill leads`: the journals of the past, day by day.

use super::{
    CALLS, PATIENCE, REQUESTS, Running, ago, as_json, asked, begin, code, crowd, journals, newest,
    plan, said, wait,
};
use crate::support::{House, Plan};
use jiff::{SignedDuration, Timestamp};
use leadlink::pipeline::backfill::share;
use leadlink::sandbox::LeadSpec;
use leadlink::store::{Backfill, BackfillState};
use std::time::{Duration, Instant};

const SITE: &str = "calltouch-main";

/// Of which time the journals of calls and requests are known.
async fn covered(house: &House) -> Vec<Option<(Timestamp, Timestamp)>> {
    let store = house.store().await;
    let mut all = Vec::new();
    for noun in ["call", "request"] {
        all.push(store.covered(SITE, noun).await.expect("the store answers"));
    }
    all
}

async fn leads(house: &House) -> u64 {
    house.sql("select cast(count(*) as text) from lead").await[0].parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cost_is_told_and_nothing_is_read_without_a_yes() {
    let house = House::build(plan()).await;
    let (first, last) = (ago(10), ago(1));
    crowd(&house, 40, (first, last));
    let from = first.to_string();
    let output = house.command(&["backfill", "leads", "--from", &from]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    for word in ["11 days", "calltouch-main: about 22 requests", "nothing was begun; --yes"] {
        assert!(said(&output).contains(word), "{word}\n{}", said(&output));
    }
    assert_eq!(journals(&house.sandbox.ledger()), 0);
    assert!(newest(&house).await.is_none());

    let output = house.command(&["backfill", "leads", "--from", &from, "--yes"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("done: "), "{}", said(&output));
    let ledger = house.sandbox.ledger();
    assert_eq!((asked(&ledger, CALLS), asked(&ledger, REQUESTS)), (11, 11));
    assert_eq!(leads(&house).await, 40);
    let now = house.now();
    for known in covered(&house).await {
        let (since, until) = known.expect("known");
        assert_eq!(since, begin(first));
        assert!(now.duration_since(until) < SignedDuration::from_secs(60), "{until}");
    }

    // What is known is not read again; of today only what came since is new.
    let output = house.command(&["backfill", "leads", "--from", &from, "--to", &last.to_string()]);
    assert!(said(&output).contains("about 0 requests"), "{}", said(&output));
    let yesterday = last.to_string();
    let again = ["backfill", "leads", "--from", &from, "--to", &yesterday, "--yes", "--json"];
    let output = house.command(&again);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(as_json(&output)["requests"], 0);
    assert_eq!(journals(&house.sandbox.ledger()), 22);
    let told = as_json(&house.command(&["backfill", "--status", "--json"]));
    let rows = told["backfills"].as_array().expect("a list");
    assert!(rows.len() == 2 && rows.iter().all(|row| row["state"] == "done"), "{told}");

    for wrong in [&["--from", "soon"][..], &["--from", "today", "--to", "yesterday"], &[]] {
        let output = house.command(&[&["backfill", "leads", "--yes"], wrong].concat());
        assert_ne!(code(&output), 0, "{}", said(&output));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_broken_off_it_goes_on_and_reads_no_day_twice() {
    // Half of this rate: 120 requests take six seconds.
    let house = House::build(Plan { pace: 40, ..plan() }).await;
    let (first, last) = (ago(60), ago(1));
    crowd(&house, 600, (first, last));
    let (from, to) = (first.to_string(), last.to_string());
    let command = ["backfill", "leads", "--from", &from, "--to", &to, "--yes"];
    let read = || journals(&house.sandbox.ledger());

    let first_life = Running::start(&house, "first", &command);
    wait(&house, "a third", || read() >= 40).await;
    first_life.kill();
    let row = newest(&house).await.expect("a row");
    assert_eq!(row.state, BackfillState::Running);
    assert!((0.2..0.5).contains(&share(&row)), "{row:?}");

    let second_life = Running::start(&house, "second", &command);
    wait(&house, "two thirds", || read() >= 80).await;
    assert!(second_life.told().contains("it runs already"), "{}", second_life.told());
    let told = second_life.told();
    assert_eq!(second_life.interrupt().await, 1, "{told}");

    // As the last word of all: told how much there was.
    let third_life = Running::start(&house, "third", &command);
    wait(&house, "the end", || read() >= 110).await;
    assert_eq!(third_life.end().await, 0);
    // What was on its way when it was broken off: four pages ahead, and the one in hand.
    assert!((120..=130).contains(&read()), "{} requests", read());
    assert_eq!(leads(&house).await, 600);
    for known in covered(&house).await {
        assert_eq!(known, Some((begin(first), begin(ago(0)))));
    }
    let row = newest(&house).await.expect("a row");
    assert_eq!((row.id, row.state, row.done), (1, BackfillState::Done, 600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_one_goes_on_where_it_stood_and_so_does_a_killed_daemon() {
    let mut house = House::start(Plan { pace: 40, ..plan() }).await;
    house.polled().await;
    let (first, last) = (ago(40), ago(3));
    let specs: Vec<LeadSpec> = (0..38)
        .map(|day| LeadSpec {
            phone: format!("7900{day:07}"),
            at: Some(begin(first) + SignedDuration::from_hours(24 * day + 12)),
            ..LeadSpec::default()
        })
        .collect();
    house.sandbox.seed_leads(&specs).expect("leads");
    let (from, to) = (first.to_string(), last.to_string());
    let command = ["backfill", "leads", "--from", &from, "--to", &to, "--yes"];
    let before = journals(&house.sandbox.ledger());
    let watching = Running::start(&house, "watching", &command);
    let read = |house: &House| journals(&house.sandbox.ledger()) - before;
    wait(&house, "a third", || read(&house) >= 25).await;
    // Whoever only watches may go.
    assert_eq!(watching.interrupt().await, 0);
    let seen = read(&house);
    wait(&house, "more", || read(&house) > seen + 4).await;
    let output = house.command(&["backfill", "leads", "--stop"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    let row = newest(&house).await.expect("a row");
    assert_eq!(row.state, BackfillState::Stopped);
    let output = house.command(&["backfill", "leads", "--stop"]);
    assert_eq!(code(&output), 1, "{}", said(&output));

    let watching = Running::start(&house, "again", &command);
    let seen = read(&house);
    wait(&house, "more", || read(&house) > seen + 4).await;
    assert!(watching.told().contains("% of it was read before"), "{}", watching.told());
    house.kill();
    house.run().await;
    assert_eq!(watching.end().await, 0);
    assert_eq!(leads(&house).await, 38);
    // Stopped once, killed once; and both daemons polled their four days.
    let read = read(&house);
    assert!((76..=76 + 2 * 5 + 8).contains(&read), "{read} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_half_of_the_real_limit_and_never_more() {
    let house = House::build(Plan { pace: 5, limit: Some(5), ..plan() }).await;
    let first = ago(8).to_string();
    let last = ago(1).to_string();
    let output = house.command(&["backfill", "leads", "--from", &first, "--to", &last, "--yes"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("about 6 s at half of the allowed rate"), "{}", said(&output));
    let calltouch = house.sandbox.ledger().calltouch;
    assert_eq!((calltouch.total, calltouch.refused), (16, 0));
    assert!(calltouch.most_in_a_second <= 3, "{calltouch:?}");
    let log = house.ask("requests").await;
    let times: Vec<Timestamp> = log["log"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["at"].as_str()?.parse().ok())
        .collect();
    let took = times[15].duration_since(times[0]).as_secs_f64();
    let rate = 15.0 / took;
    assert!((2.3..2.5).contains(&rate), "{rate} a second, of 2.5");
}

/// It waits for the next day, or has ended.
fn rests(row: &Backfill, now: Timestamp) -> bool {
    let until = row.position.get("rests_until").and_then(|until| until.as_str()?.parse().ok());
    row.state != BackfillState::Running || until.is_some_and(|until: Timestamp| until > now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_a_day_are_kept_to_over_restarts_and_it_goes_on_the_next_day() {
    const BUDGET: u64 = 40;
    let calls = format!("requests_per_day = {BUDGET}");
    let mut house = House::start(Plan { calls, ..plan() }).await;
    // Shortly after midnight: the whole day lies ahead.
    let midnight = |now: Timestamp| begin(now.to_zoned(super::zone()).date().tomorrow().unwrap());
    let to_morning = |house: &House| {
        midnight(house.now()).duration_since(house.now()) + SignedDuration::from_mins(10)
    };
    let mut evening = house.sandbox.ledger().calltouch.total;
    house.advance(to_morning(&house)).await;
    house.polled().await;
    let (from, to) = (ago(32).to_string(), ago(5).to_string());
    let command = ["backfill", "leads", "--from", &from, "--to", &to, "--yes"];
    let sent = |house: &House| house.sandbox.ledger().calltouch.total;
    // How much that is depends on the hour: the first polls read a day anew, or two.
    let mut polled = sent(&house) - evening;
    let mut read = 0;
    let watching = Running::start(&house, "watching", &command);
    let mut days = 0;
    loop {
        let began = Instant::now();
        let row = loop {
            let row = newest(&house).await;
            if let Some(row) = row.filter(|row| rests(row, house.now())) {
                break row;
            }
            assert!(began.elapsed() < PATIENCE, "no rest:\n{}", house.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        if row.state == BackfillState::Done {
            break;
        }
        days += 1;
        assert!(days < 9, "{row:?}");
        // Half of the day's requests is what live work may need; four were on their way.
        let (spent, own) = (sent(&house) - evening, row.requests - read);
        assert!((BUDGET / 2..=BUDGET).contains(&spent), "day {days}: {spent} requests\n{row:?}");
        let share = (BUDGET / 2).saturating_sub(polled) + 6;
        assert!(own <= share, "day {days}: {own} of {share} requests\n{row:?}");
        (polled, read) = (0, row.requests);
        if days == 2 {
            // A process that begins knows what the one before has sent.
            let begun = |house: &House| house.whole_log().matches("goes on backfill=1").count();
            let lives = begun(&house);
            house.kill();
            house.run().await;
            wait(&house, "taken up", || begun(&house) > lives).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            let again = newest(&house).await.expect("a row");
            assert_eq!(again.requests, row.requests, "{again:?}");
        }
        evening = sent(&house);
        house.advance(to_morning(&house)).await;
    }
    assert!(days >= 2, "56 requests are more than two days' share");
    let told = watching.told();
    assert!(told.contains("the requests of a day do not suffice: it takes"), "{told}");
    assert_eq!(watching.end().await, 0);
}
