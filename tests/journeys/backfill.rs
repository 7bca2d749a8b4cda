//! The past, read because a person asks: journals of leads, orders that become deals, and both sides
//! compared. Invariant: what was read is counted by the far sides' own ledgers; commands are killed
//! as a machine would kill them, and the same command goes on.

mod deals;
mod leads;
mod reconcile;

use crate::support::{House, Plan};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use leadlink::sandbox::Crowd;
use leadlink::sandbox::crowd::Made;
use leadlink::sandbox::ledger::Ledger;
use leadlink::store::Backfill;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const FLOWS: &str =
    "[flows.order-to-deal]\nrunning = true\n[flows.deal-update]\nrunning = true\n";
const PATIENCE: Duration = Duration::from_secs(240);
const CALLS: &str = "GET /calls-service/RestAPI/{siteId}/calls-diary/calls";
const REQUESTS: &str = "GET /calls-service/RestAPI/requests";
const ORDERS: &str = "GET /api/v5/orders";
const ORDER: &str = "GET /api/v5/orders/{}";
const CREATE: &str = "POST /lead-service/v1/api/client-order/create";
const UPDATE: &str = "POST /lead-service/v1/api/client-order/update";

/// A house where orders become deals; its journals are polled so seldom that only backfills read them.
pub fn plan() -> Plan {
    Plan { more: FLOWS.to_owned(), poll_every: "1h", ..Plan::default() }
}

/// The zone of both accounts.
pub fn zone() -> TimeZone {
    TimeZone::get("Europe/Moscow").expect("a zone")
}

/// The day so many days before the real one: that of commands without a daemon.
#[expect(clippy::disallowed_methods, reason = "the commands take the real day")]
pub fn ago(days: i64) -> Date {
    let today = Timestamp::now().to_zoned(zone()).date();
    today.checked_sub(days.days()).expect("a day")
}

/// When a day begins.
pub fn begin(day: Date) -> Timestamp {
    day.to_zoned(zone()).expect("a day").timestamp()
}

/// So many people, as many on each of these days, each with an order and a lead ten minutes before.
pub fn crowd(house: &House, people: u64, (first, last): (Date, Date)) -> Made {
    let to = begin(last.tomorrow().expect("a day")) + SignedDuration::from_mins(11);
    let from = begin(first) + SignedDuration::from_mins(11);
    let crowd = Crowd { people, orders: true, leads: true, from, to, each: 1, ahead_s: 600 };
    house.sandbox.seed_crowd(&crowd).expect("a crowd")
}

pub fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[track_caller]
pub fn as_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// Requests of both journals of leads.
pub fn journals(ledger: &Ledger) -> u64 {
    asked(ledger, CALLS) + asked(ledger, REQUESTS)
}

/// Requests on a line of either far side.
pub fn asked(ledger: &Ledger, line: &str) -> u64 {
    let counts = [&ledger.retailcrm.by_path, &ledger.calltouch.by_path];
    counts.iter().filter_map(|counts| counts.get(line)).sum()
}

/// The newest backfill.
pub async fn newest(house: &House) -> Option<Backfill> {
    let rows = house.store().await.backfills(false).await.expect("the store answers");
    rows.into_iter().max_by_key(|row| row.id)
}

/// Waits for something that comes without the clock.
pub async fn wait(house: &House, what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "not {what}:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A command that runs beside the test.
pub struct Running {
    child: Child,
    told: PathBuf,
}

impl Running {
    pub fn start(house: &House, name: &str, arguments: &[&str]) -> Self {
        let told = house.dir.path().join(format!("{name}.out"));
        let file = File::create(&told).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(arguments)
            .arg("--config")
            .arg(house.config())
            // It asks for the rest of the day, as the daemon beside it does.
            .env("LEADLINK_CONTROL_SHIFT", house.shifted().to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the same file"))
            .stderr(file)
            .spawn();
        Self { child: child.expect("the command starts"), told }
    }

    pub fn told(&self) -> String {
        std::fs::read_to_string(&self.told).unwrap_or_default()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Ctrl-C; the exit code.
    pub async fn interrupt(self) -> i32 {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill");
        assert!(sent.success());
        self.end().await
    }

    /// The exit code, when it has ended by itself.
    pub async fn end(mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}", self.told());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
