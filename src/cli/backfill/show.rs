//! How a backfill is told: a bar on a terminal, lines elsewhere. Invariant: the store's row is shown,
//! whoever works on it.

use crate::cli::out;
use crate::pipeline::backfill::estimate::Estimate;
use crate::pipeline::backfill::{LEADS, day_of, share};
use crate::store::{Backfill, BackfillState, Store};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(300);
/// Lines come this often where there is no terminal.
const LINE: Duration = Duration::from_secs(15);
/// A daemon takes a new backfill up within a second.
const TAKEN_UP: Duration = Duration::from_secs(10);
const WHOLE: u64 = 10_000;

/// Shows the row until it has ended.
pub async fn watch(
    store: &Store,
    row: Backfill,
    json: bool,
    by_daemon: bool,
) -> anyhow::Result<ExitCode> {
    let begun = (Instant::now(), row.done, share(&row));
    let bar = bar(json)?;
    let (mut shown, mut warned, mut row) = (None::<Instant>, !by_daemon, row);
    while row.state == BackfillState::Running {
        let line = line(&row, begun);
        bar.set_position(parts(share(&row)));
        bar.set_message(line.clone());
        if bar.is_hidden() && !json && shown.is_none_or(|at| at.elapsed() >= LINE) {
            out::complain(&line);
            shown = Some(Instant::now());
        }
        if !warned && row.position.is_null() && begun.0.elapsed() > TAKEN_UP {
            warned = true;
            bar.suspend(|| {
                out::complain("no daemon has taken it up yet: does one own this connection?")
            });
        }
        tokio::time::sleep(LOOK).await;
        let again = store.backfill(row.id).await?;
        row = again.context("the backfill is not there any more")?;
    }
    bar.finish_and_clear();
    if json {
        out::say(&serde_json::to_string(&row)?);
    } else {
        out::say(&end(&row, begun.0.elapsed()));
    }
    Ok(if row.state == BackfillState::Done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn bar(json: bool) -> anyhow::Result<ProgressBar> {
    if json || !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(WHOLE);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent}% {msg}")?);
    Ok(bar)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of 10,000"
)]
fn parts(share: f64) -> u64 {
    (share * WHOLE as f64) as u64
}

/// `2026-03-04 · 3400 orders · 210/s · 2 min left · 84 requests`
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn line(row: &Backfill, (begun, done, before): (Instant, u64, f64)) -> String {
    let took = begun.elapsed().as_secs_f64();
    let mut facts: Vec<String> = day_of(row).iter().map(ToString::to_string).collect();
    facts.push(format!("{} {}", row.done, things(&row.what)));
    let rate = row.done.saturating_sub(done) as f64 / took.max(0.001);
    if rate > 0.0 && took > 1.0 {
        facts.push(format!("{rate:.0}/s"));
    }
    let grown = share(row) - before;
    if grown > 0.0 && took > 2.0 {
        let left = (1.0 - share(row)) / grown * took;
        facts.push(format!("{} left", span(Duration::try_from_secs_f64(left).unwrap_or_default())));
    }
    facts.push(format!("{} requests", row.requests));
    if let Some(until) = row.position.get("rests_until").and_then(serde_json::Value::as_str) {
        facts.push(format!("rests until {until}: the requests of the day are spent"));
    }
    facts.join(" · ")
}

fn end(row: &Backfill, took: Duration) -> String {
    let counts = format!(
        "{} to {}: {} {}, {} requests, {}",
        row.first,
        row.last,
        row.done,
        things(&row.what),
        row.requests,
        span(took)
    );
    let why = row.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    match row.state {
        BackfillState::Done => format!("done: {counts}"),
        BackfillState::Stopped => format!("stopped{why}: {counts}"),
        BackfillState::Failed | BackfillState::Running => format!("failed{why}: {counts}"),
    }
}

/// A row of the list.
pub fn row(row: &Backfill) -> Vec<String> {
    let state = match row.state {
        BackfillState::Running => "runs",
        BackfillState::Done => "done",
        BackfillState::Stopped => "stopped",
        BackfillState::Failed => "failed",
    };
    let rests = row.position.get("rests_until").and_then(serde_json::Value::as_str);
    let rests = rests.filter(|_| row.state == BackfillState::Running);
    vec![
        row.what.clone(),
        row.connection.clone(),
        format!("{} to {}", row.first, row.last),
        state.to_owned(),
        format!("{:.0} %", share(row) * 100.0),
        format!("{} {}", row.done, things(&row.what)),
        row.requests.to_string(),
        row.why.clone().or_else(|| rests.map(|at| format!("rests until {at}"))).unwrap_or_default(),
    ]
}

/// What it will cost, on stderr.
pub fn estimate(estimate: &Estimate, what: &str, gone_on: Option<f64>) {
    let about = if estimate.counted { "" } else { "about " };
    let things = estimate.things.map(|count| format!(", {about}{count} {}", self::things(what)));
    out::complain(&format!("{} days{}", estimate.days, things.unwrap_or_default()));
    for (connection, count) in &estimate.requests {
        let more = if what == LEADS { ", more where a day has several pages" } else { "" };
        out::complain(&format!("  {connection}: about {count} requests{more}"));
    }
    let time = span(Duration::from_secs(estimate.seconds));
    let spread = match estimate.spread {
        0 => String::new(),
        1 => "; the requests of today do not suffice: it goes on tomorrow".to_owned(),
        days => format!("; the requests of a day do not suffice: it takes {days} days more"),
    };
    out::complain(&format!("  about {time} at half of the allowed rate{spread}"));
    if let Some(share) = gone_on {
        out::complain(&format!("  {:.0} % of it was read before: it goes on there", share * 100.0));
    }
}

fn things(what: &str) -> &'static str {
    if what == LEADS { "leads" } else { "orders" }
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::civil::date;
    use serde_json::{Value, json};

    fn row(what: &str, position: Value, done: u64) -> Backfill {
        Backfill {
            id: 1,
            what: what.to_owned(),
            connection: "shop".to_owned(),
            first: date(2026, 3, 1),
            last: date(2026, 3, 10),
            position,
            done,
            total: None,
            requests: 84,
            state: BackfillState::Running,
            why: None,
            created: Timestamp::UNIX_EPOCH,
            changed: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_line_tells_the_place_the_rate_what_is_left_and_the_requests() {
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let begun = ago(60).expect("the machine runs for a minute");
        // Half of ten days in a minute, a fifth of which was there before.
        let deals = row("deals", json!({ "day": "2026-03-06", "page": 1, "pages": 4 }), 3600);
        assert_eq!(
            line(&deals, (begun, 600, 0.2)),
            "2026-03-06 · 3600 orders · 50/s · 100 s left · 84 requests"
        );
        let leads = row("leads", json!({ "day": "2026-03-09", "rests_until": "T" }), 70);
        let told = line(&leads, (begun, 0, 0.0));
        assert!(
            told.starts_with("2026-03-09 · 70 leads · 1/s · 9 min left · 84 requests"),
            "{told}"
        );
        assert!(told.ends_with("rests until T: the requests of the day are spent"), "{told}");
        assert_eq!(
            line(&row("leads", Value::Null, 0), (Instant::now(), 0, 0.0)),
            "0 leads · 84 requests"
        );
    }
}
