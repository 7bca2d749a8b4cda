//! How much of what the far sides allow a backfill of orders uses, and what live leads feel of it:
//! `cargo bench --bench backfill`.
//!
//! The sandbox has the real limits (the CRM 10 requests a second, Calltouch 5) and refuses one more;
//! the release binary has its defaults. `LEADLINK_ORDERS` (10 000) orders of the past, a thousand a
//! day, each with a lead in Calltouch's journals: first the journals are read, then the orders become
//! deals, while somebody calls every two seconds. Half of each limit is reserved for live work: the
//! slower side, Calltouch, allows a backfill 2.5 requests a second of 100 deals. Figures, not asserts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use leadlink::sandbox::calltouch::deals::Deal;
use leadlink::sandbox::crowd::Made;
use leadlink::sandbox::{Crowd, Options, Sandbox};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{Daemon, Database, Door, Far, at};
use tokio::process::Command;
use tokio::sync::watch;

const A_DAY: u64 = 1000;
const DELAY: &str = "5s";
const EVERY: Duration = Duration::from_secs(2);
/// What a backfill may use of Calltouch's five requests a second.
const ALLOWED: f64 = 2.5;
const BATCH: f64 = 100.0;
const FLOWS: &str = "[flows.order-to-deal]\nrunning = true\n[flows.deal-update]\nrunning = true\n";

#[tokio::main]
async fn main() -> io::Result<()> {
    let orders = std::env::var_os("LEADLINK_ORDERS").and_then(|text| text.to_str()?.parse().ok());
    let orders: u64 = orders.unwrap_or(10_000);
    let options = Options { calltouch_fields: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await?;
    let (made, first, last) = seed(&sandbox, orders)?;
    let database = Database::make().await?;
    let daemon = Daemon::start_with(&database.url, &Far::of(&sandbox), DELAY, FLOWS)?;
    daemon.first_200().await?;
    println!("{orders} orders of {first} to {last}, on {}", database.word());

    let before = (sandbox.ledger(), Instant::now());
    backfill(&daemon, "leads", first, last).await?;
    let took = before.1.elapsed().as_secs_f64();
    let requests = sandbox.ledger().calltouch.total - before.0.calltouch.total;
    println!("journals: {requests} requests of Calltouch in {took:.0} s");

    let (stop, stopped) = watch::channel(false);
    let calls =
        tokio::spawn(live(sandbox.clock().now(), Door::open(daemon.address).await?, stopped));
    let (begun, cpu) = (Instant::now(), daemon.cpu()?);
    backfill(&daemon, "deals", first, last).await?;
    let (took, cpu) = (begun.elapsed(), daemon.cpu()? - cpu);
    stop.send_replace(true);
    let due = calls.await.map_err(io::Error::other)??;
    let rss = daemon.rss()?;
    deals(&sandbox, &made, took)?;
    println!("processor time {:.0} µs an order; RSS {rss:.1} MB", cpu / orders as f64 * 1e6);
    felt(&sandbox, &due).await
}

/// People with their orders and leads, up to the day before yesterday; the days.
fn seed(sandbox: &Sandbox, orders: u64) -> io::Result<(Made, Date, Date)> {
    let zone = TimeZone::get("Europe/Moscow").map_err(io::Error::other)?;
    let today = sandbox.clock().now().to_zoned(zone.clone()).date();
    let days = i64::try_from(orders.div_ceil(A_DAY)).map_err(io::Error::other)?;
    let day = |ago: i64| today.checked_sub(ago.days()).map_err(io::Error::other);
    let begin = |day: Date| day.to_zoned(zone.clone()).map_err(io::Error::other);
    let (first, last) = (day(days + 1)?, day(2)?);
    let apart = SignedDuration::from_secs(61);
    let (from, to) = (begin(first)?.timestamp() + apart, begin(day(1)?)?.timestamp() + apart);
    let crowd = Crowd { people: orders, orders: true, leads: true, from, to, each: 1, ahead_s: 60 };
    let made = sandbox.seed_crowd(&crowd).map_err(|why| io::Error::other(format!("{why:?}")))?;
    Ok((made, first, last))
}

/// Runs the command beside the daemon, to its end.
async fn backfill(daemon: &Daemon, what: &str, first: Date, last: Date) -> io::Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(["backfill", what, "--yes", "--from", &first.to_string(), "--to", &last.to_string()])
        .arg("--config")
        .arg(daemon.config())
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    println!("backfill {what}: {}", said(&output.stdout));
    if output.status.success() { Ok(()) } else { Err(io::Error::other(said(&output.stderr))) }
}

/// Somebody calls every two seconds; when each is due.
async fn live(
    from: Timestamp,
    mut door: Door,
    stopped: watch::Receiver<bool>,
) -> io::Result<HashMap<u64, Timestamp>> {
    let begun = Instant::now();
    let mut due = HashMap::new();
    while !*stopped.borrow() {
        let n = due.len() as u64 + 1;
        door.call(n, &format!("7955{n:07}")).await?;
        let at = from + SignedDuration::try_from(begun.elapsed()).unwrap_or_default();
        due.insert(n, at + SignedDuration::from_secs(5));
        tokio::time::sleep_until((begun + EVERY * u32::try_from(n).unwrap_or(u32::MAX)).into())
            .await;
    }
    Ok(due)
}

/// The deals that the backfill made, by the moment at which each request came.
fn deals(sandbox: &Sandbox, made: &Made, took: Duration) -> io::Result<()> {
    let ledger = sandbox.ledger();
    let (first, last) = made.orders.unwrap_or_default();
    let past = |deal: &&Deal| deal.number.parse().is_ok_and(|id| (first..=last).contains(&id));
    let mut batches: BTreeMap<Timestamp, u64> = BTreeMap::new();
    let (mut linked, mut wrong) = (0, 0);
    for deal in ledger.deals.iter().filter(past) {
        *batches.entry(deal.made_at).or_default() += 1;
        linked += u64::from(deal.matched.as_ref().is_some_and(|matched| matched.id.is_some()));
        wrong += u64::from((deal.creations, deal.updates, deal.rematchings) != (1, 0, 0));
    }
    let all: u64 = batches.values().sum();
    if wrong > 0 || all != last + 1 - first {
        return Err(io::Error::other(format!("{all} deals, {wrong} of them written again")));
    }
    let (begin, end) = (batches.keys().next(), batches.keys().next_back());
    let span = begin.zip(end).map_or(0.0, |(begin, end)| end.duration_since(*begin).as_secs_f64());
    let after_first = all - batches.values().next().copied().unwrap_or_default();
    let rate = after_first as f64 / span;
    let requests = (batches.len() - 1) as f64 / span;
    println!(
        "{all} deals ({linked} linked) in {} requests and {span:.1} s, the command in {:.1} s",
        batches.len(),
        took.as_secs_f64()
    );
    println!(
        "{rate:.1} deals/s: {:.1} % of the {:.0} that the slower side allows; {requests:.2} requests/s: \
         {:.1} % of {ALLOWED}",
        rate / (ALLOWED * BATCH) * 100.0,
        ALLOWED * BATCH,
        requests / ALLOWED * 100.0
    );
    for (name, side) in [("CRM", &ledger.retailcrm), ("Calltouch", &ledger.calltouch)] {
        println!(
            "{name}: {} requests in all, most in a sliding second {}, refused {}",
            side.total, side.most_in_a_second, side.refused
        );
    }
    Ok(())
}

/// How long live leads waited once they were due.
async fn felt(sandbox: &Sandbox, due: &HashMap<u64, Timestamp>) -> io::Result<()> {
    let begun = Instant::now();
    while sandbox.ledger().api_orders().count() < due.len() {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(io::Error::other("a live lead made no order"));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let ledger = sandbox.ledger();
    let mut waits: Vec<Duration> = Vec::new();
    for order in ledger.api_orders() {
        let lead = order.custom_fields.get("calltouch_call_id").and_then(|id| id.as_str());
        let due = lead.and_then(|id| due.get(&id.parse().ok()?)).copied();
        let written = order.writes.first().map_or(order.created_at, |write| write.at);
        let waited = due.map(|due| written.duration_since(due));
        waits.push(waited.and_then(|waited| waited.try_into().ok()).unwrap_or_default());
    }
    waits.sort_unstable();
    println!(
        "{} live leads meanwhile, one each 2 s: from due to written p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
        waits.len(),
        at(&waits, 0.5),
        at(&waits, 0.99),
        at(&waits, 1.0)
    );
    Ok(())
}
