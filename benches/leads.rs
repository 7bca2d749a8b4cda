//! How many leads the real binary decides and writes: `cargo bench --bench leads`.
//!
//! The release binary against the sandbox without limits, in this process. Three parts: the CRM
//! requests that one lead of each kind costs; a backlog of `LEADLINK_LEADS` (20 000) new callers that
//! all come due at once; a steady stream, for the time from due to written. Figures, not asserts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::{SignedDuration, Timestamp};
use leadlink::sandbox::{Options, Sandbox};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Door, Far, Fleet, at};

const CONNECTIONS: usize = 16;
/// Above this a connection has no limiter.
const UNLIMITED: u32 = 100_000;
const SAMPLE: u64 = 50;

#[tokio::main]
async fn main() -> io::Result<()> {
    cost().await?;
    let leads = std::env::var_os("LEADLINK_LEADS").and_then(|text| text.to_str()?.parse().ok());
    backlog(leads.unwrap_or(20_000)).await?;
    steady(200, Duration::from_secs(15)).await
}

async fn sandbox() -> io::Result<Sandbox> {
    let options = Options {
        crm_rps: None,
        calltouch_rps: None,
        calltouch_fields: true,
        ..Options::default()
    };
    Sandbox::start(options).await
}

/// When the clock of the system, the sandbox's too, shows it.
fn now(sandbox: &Sandbox) -> Timestamp {
    sandbox.clock().now()
}

/// What one lead costs, by what the CRM knows of the caller.
async fn cost() -> io::Result<()> {
    let sandbox = sandbox().await?;
    let daemon = Fleet::start(&Far::of(&sandbox), "0s", Some(UNLIMITED)).await?;
    println!("on {}", daemon.word());
    let mut door = Door::open(daemon.address(0)).await?;
    // The references are read once and kept.
    door.call(1, "79000000000").await?;
    quiet(&sandbox).await;
    let refused = |refusal| io::Error::other(format!("{refusal:?}"));
    for (part, what) in
        ["a new caller", "a known one without orders", "an open order to be marked", "a marked one"]
            .into_iter()
            .enumerate()
    {
        let phone = |n: u64| format!("79{part}{n:08}");
        for n in 0..SAMPLE {
            if part == 0 {
                break;
            }
            let body = json!({"firstName": "x", "phones": [{"number": phone(n)}]});
            let id = sandbox.seed_customer(body.as_object().unwrap_or(&Default::default()));
            let id = id.map_err(refused)?;
            let mark = if part == 3 { "777" } else { "" };
            let body = json!({
                "customer": {"id": id}, "status": "new",
                "customFields": {"calltouch_site_id": mark},
            });
            if part > 1 {
                let order = sandbox.seed_order(body.as_object().unwrap_or(&Default::default()));
                order.map_err(refused)?;
            }
        }
        let before = sandbox.ledger().retailcrm.total;
        for n in 0..SAMPLE {
            door.call(1_000 * (part as u64 + 1) + n, &phone(n)).await?;
        }
        quiet(&sandbox).await;
        let spent = sandbox.ledger().retailcrm.total - before;
        println!("CRM requests for a call of {what}: {:.1}", spent as f64 / SAMPLE as f64);
    }
    Ok(())
}

/// Waits until the CRM has heard nothing for a second.
async fn quiet(sandbox: &Sandbox) {
    let mut heard = sandbox.ledger().retailcrm.total;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let total = sandbox.ledger().retailcrm.total;
        if total == heard && total > 0 {
            return;
        }
        heard = total;
    }
}

/// Posts calls `1..=count` of new callers; when each was acknowledged.
async fn post(
    sandbox: &Sandbox,
    daemon: &Fleet,
    count: u64,
    every: Option<Duration>,
) -> io::Result<HashMap<u64, Timestamp>> {
    let numbers = Arc::new(AtomicU64::new(1));
    let began = Instant::now();
    let mut clients = Vec::new();
    for turn in 0..CONNECTIONS {
        let mut door = Door::open(daemon.address(turn)).await?;
        let (numbers, clock) = (Arc::clone(&numbers), sandbox.clock());
        clients.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                let n = numbers.fetch_add(1, Ordering::Relaxed);
                if n > count {
                    return Ok::<_, io::Error>(acknowledged);
                }
                if let Some(every) = every {
                    let turn = began + every * u32::try_from(n).unwrap_or(u32::MAX);
                    tokio::time::sleep_until(turn.into()).await;
                }
                door.call(n, &format!("7900{n:07}")).await?;
                acknowledged.push((n, clock.now()));
            }
        }));
    }
    let mut all = HashMap::new();
    for client in clients {
        all.extend(client.await.map_err(io::Error::other)??);
    }
    Ok(all)
}

/// Waits until so many orders were made; from due to written of each, sorted, and when the last was.
async fn written(
    sandbox: &Sandbox,
    due: &HashMap<u64, Timestamp>,
) -> io::Result<(Vec<Duration>, Timestamp)> {
    loop {
        let ledger = sandbox.ledger();
        let made = ledger.api_orders().count();
        if made < due.len() {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        }
        let mut waits = Vec::with_capacity(made);
        let mut last = Timestamp::MIN;
        for order in ledger.api_orders() {
            let at = order.writes.first().map_or(order.created_at, |write| write.at);
            let lead = order.custom_fields.get("calltouch_call_id").and_then(|id| id.as_str());
            let due = lead.and_then(|id| due.get(&id.parse().ok()?)).copied().unwrap_or(at);
            waits.push(Duration::try_from(at.duration_since(due)).unwrap_or_default());
            last = last.max(at);
        }
        if made > due.len() || !ledger.duplicates().is_empty() {
            return Err(io::Error::other("something was written twice"));
        }
        waits.sort_unstable();
        return Ok((waits, last));
    }
}

/// Everybody called within seconds; all come due one delay later.
async fn backlog(leads: u64) -> io::Result<()> {
    const DELAY: SignedDuration = SignedDuration::from_secs(30);
    let sandbox = sandbox().await?;
    let daemon = Fleet::start(&Far::of(&sandbox), "30s", Some(UNLIMITED)).await?;
    let mut due = post(&sandbox, &daemon, leads, None).await?;
    due.values_mut().for_each(|time| *time += DELAY);
    let first = due.values().min().copied().unwrap_or_else(|| now(&sandbox));
    if now(&sandbox) > first {
        println!("(posting took longer than the delay: the figure is too low)");
    }
    let before = daemon.cpu()?;
    let (_, last) = written(&sandbox, &due).await?;
    let each = (daemon.cpu()? - before) / leads as f64 * 1e6;
    let took = last.duration_since(first).as_secs_f64();
    let requests = sandbox.ledger().retailcrm.total;
    println!(
        "backlog: {leads} leads decided and written in {took:.1} s: {:.0}/s, {:.0} CRM requests/s; processor time {each:.0} µs each; RSS {:.1} MB",
        leads as f64 / took,
        requests as f64 / took,
        daemon.rss()?,
    );
    Ok(())
}

/// So many leads each second; how long each waits once it is due.
async fn steady(per_second: u32, span: Duration) -> io::Result<()> {
    let sandbox = sandbox().await?;
    let daemon = Fleet::start(&Far::of(&sandbox), "2s", Some(UNLIMITED)).await?;
    let count = u64::from(per_second) * span.as_secs();
    let mut due = post(&sandbox, &daemon, count, Some(Duration::from_secs(1) / per_second)).await?;
    due.values_mut().for_each(|time| *time += SignedDuration::from_secs(2));
    let (waits, _) = written(&sandbox, &due).await?;
    println!(
        "{per_second} leads/s for {} s: from due to written p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
        span.as_secs(),
        at(&waits, 0.5),
        at(&waits, 0.99),
        at(&waits, 1.0),
    );
    Ok(())
}
