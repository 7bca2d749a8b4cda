//! How many deliveries the real binary makes durable: `cargo bench --bench accepts`.
//!
//! Starts the release binary on an empty database, measures the time to the first 200 and the idle
//! memory, then posts distinct webhooks over 64 kept-alive connections from the same machine and
//! prints accepts per second and percentiles. Nothing is due and no far side answers, so that all
//! it does is to accept and to route. Figures, not asserts: speed is never a test.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Daemon, Database, Door, Far, Fleet, at};

const CONNECTIONS: usize = 64;
const SECONDS: u64 = 10;
const STARTS: usize = 10;

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let database = Database::make().await?;
        let daemon = Daemon::start_on(&database.url, &Far::nobody(), "1h", None)?;
        starts.push(daemon.first_200().await?);
    }
    starts.sort_unstable();
    println!(
        "start to first 200: p50 {:.0} ms, max of {STARTS} {:.0} ms",
        at(&starts, 0.5),
        at(&starts, 1.0)
    );
    let daemon = Fleet::start(&Far::nobody(), "1h", None).await?;
    println!("on {}", daemon.word());
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("idle RSS: {:.1} MB", daemon.rss()?);

    let before = daemon.cpu()?;
    let numbers = Arc::new(AtomicU64::new(1));
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let mut clients = Vec::new();
    for turn in 0..CONNECTIONS {
        let mut door = Door::open(daemon.address(turn)).await?;
        let numbers = Arc::clone(&numbers);
        clients.push(tokio::spawn(async move {
            let mut waits = Vec::new();
            while Instant::now() < until {
                let n = numbers.fetch_add(1, Ordering::Relaxed);
                waits.push(door.call(n, &format!("7999{:07}", n % 10_000_000)).await?);
            }
            Ok::<_, io::Error>(waits)
        }));
    }
    let mut waits = Vec::new();
    for client in clients {
        waits.extend(client.await.map_err(io::Error::other)??);
    }
    waits.sort_unstable();
    println!(
        "accepts: {:.0}/s over {CONNECTIONS} connections for {SECONDS} s, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        waits.len() as f64 / SECONDS as f64,
        at(&waits, 0.5),
        at(&waits, 0.99),
        at(&waits, 1.0),
    );
    let each = (daemon.cpu()? - before) / waits.len() as f64 * 1e6;
    println!("processor time of the daemon for each, routing included: {each:.0} µs");
    println!("RSS after {} accepts: {:.1} MB", waits.len(), daemon.rss()?);
    Ok(())
}
