//! How much of the CRM's limit is used, and whether it is ever exceeded: `cargo bench --bench rate`.
//!
//! The sandbox refuses the eleventh request of any second with 503; the release binary has its
//! default of 10 requests per second and a backlog of 300 leads. Figures, not asserts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::{SignedDuration, Timestamp};
use leadlink::sandbox::{Options, Sandbox};
use serde_json::Value;
use std::io;
use std::time::Duration;
use support::{Daemon, Door, Far, get};

const LEADS: u64 = 300;
const RATE: u32 = 10;
const SECONDS: u32 = 40;

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options { crm_rps: Some(RATE), calltouch_fields: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await?;
    let daemon = Daemon::start(&Far::of(&sandbox), "5s", None)?;
    daemon.first_200().await?;
    let mut door = Door::open(daemon.address).await?;
    for n in 1..=LEADS {
        door.call(n, &format!("7900{n:07}")).await?;
    }
    let due = sandbox.clock().now() + SignedDuration::from_secs(5);
    tokio::time::sleep(Duration::from_secs(u64::from(SECONDS) + 8)).await;
    let from = due + SignedDuration::from_secs(1);
    let until = from + SignedDuration::from_secs(i64::from(SECONDS));
    let requests = asked(&sandbox, from, until).await?;
    let traffic = sandbox.ledger().retailcrm;
    let allowed = f64::from(RATE * SECONDS);
    println!(
        "{requests} requests in {SECONDS} s: {:.1} % of the {RATE} a second that are allowed",
        requests as f64 / allowed * 100.0
    );
    println!("most in a sliding second: {}", traffic.most_in_a_second);
    println!("refused with 503: {}", traffic.refused);
    println!("leads written meanwhile: {}", sandbox.ledger().api_orders().count());
    Ok(())
}

/// Requests that the CRM received in this span.
async fn asked(sandbox: &Sandbox, from: Timestamp, until: Timestamp) -> io::Result<usize> {
    let url = sandbox.crm_url();
    let address = url.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let answer = get(address, "/_sandbox/requests?limit=20000").await?;
    let body = answer.find("\r\n\r\n").map_or("", |end| &answer[end + 4..]);
    let whole: Value = serde_json::from_str(body).map_err(io::Error::other)?;
    let rows = whole["log"].as_array().cloned().unwrap_or_default();
    let inside = |row: &&Value| {
        let at = row["at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        row["side"] == "retailcrm" && at.is_some_and(|at| from <= at && at < until)
    };
    Ok(rows.iter().filter(inside).count())
}
