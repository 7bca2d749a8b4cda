//! `leadlink reconcile`: compares orders with what became of them. Invariant: it only reads, unless
//! told `--repair`; beside a running daemon the daemon does it.

use super::beside::{Alone, Reach, ask_for, clock, reach};
use super::replay::when;
use super::{columns, out, sound};
use crate::app;
use crate::config::Reconcile;
use crate::pipeline::Pipeline;
use crate::pipeline::backfill::{self, under_way};
use crate::pipeline::reconcile::{
    self, Asked, KIND, PairReport, Report, each_group, read_answer, window,
};
use crate::rules::reconcile::Finding;
use crate::store::Store;
use anyhow::bail;
use clap::Args;
use jiff::civil::Date;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Lists of many days take their time at half of the allowed rate.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when both sides agree, or when the flows mend what differs; else \
    1. A sum that changed since the status did is expected: it is counted, and never repaired."
)]
pub struct Arguments {
    /// The first day: 2026-01-31, 31.01.2026, yesterday, 30d; by default as `[reconcile]` says
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// The last day, by default today
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Corrects what is remembered by what was read, and has the flows decide about what differs
    #[arg(long)]
    repair: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config.clone()) else { return Ok(ExitCode::FAILURE) };
    let (first, last) = days(&arguments, &app.reconcile)?;
    let all = each_group(&app.book, (first, last), arguments.repair);
    if all.is_empty() {
        bail!("no running flow makes deals of orders: there is nothing to compare");
    }
    let Some(second) = app::read(config.as_deref(), std::env::vars()).app else {
        return Ok(ExitCode::FAILURE);
    };
    if !arguments.json {
        out::complain(&format!("comparing {first} to {last} …"));
    }
    let report = match reach(second, clock()).await? {
        Reach::Daemon(store) => {
            if arguments.repair {
                repairs(&store, (first, last)).await;
            }
            let mut whole = Report::default();
            for asked in all {
                let answer = ask_for(&store, KIND, &json!(asked), PATIENCE).await?;
                whole.join(read_answer(answer).map_err(anyhow::Error::msg)?);
            }
            whole
        }
        Reach::Alone(alone) => {
            if arguments.repair {
                repairs(&alone.pipeline.store, (first, last)).await;
            }
            by_ourselves(alone, all, arguments.repair).await?
        }
    };
    if arguments.json {
        out::say(&serde_json::to_string(&report)?);
    } else {
        tell(&report);
    }
    let left = report.count(|one| one.is_trouble() && !(arguments.repair && one.is_mendable()));
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn repairs(store: &Store, (first, last): (Date, Date)) {
    let about = format!("orders of {first} to {last}");
    super::user::note(store, "reconcile.repair", about, None).await;
}

fn days(arguments: &Arguments, settings: &Reconcile) -> anyhow::Result<(Date, Date)> {
    let now = clock().now();
    let (first, last) = window(settings, now);
    let day = |text: &Option<String>, otherwise| match text {
        Some(text) => when::day(text, now, &settings.zone).map_err(anyhow::Error::msg),
        None => Ok(otherwise),
    };
    let (first, last) = (day(&arguments.from, first)?, day(&arguments.to, last)?);
    if first > last {
        bail!("{first} to {last} are no days: --from comes before --to");
    }
    Ok((first, last))
}

async fn by_ourselves(alone: Box<Alone>, all: Vec<Asked>, repair: bool) -> anyhow::Result<Report> {
    let report = compare(&alone.pipeline, &all, repair).await;
    alone.finish().await?;
    Ok(report?)
}

async fn compare(
    pipeline: &Pipeline,
    all: &[Asked],
    repair: bool,
) -> Result<Report, reconcile::Error> {
    let mut whole = Report::default();
    for asked in all {
        whole.join(reconcile::run(pipeline, asked).await?);
    }
    if repair {
        let stop = CancellationToken::new();
        let others = tokio::spawn(backfill::beside(pipeline.clone(), stop.clone()));
        for pair in &whole.pairs {
            while under_way(pipeline, &pair.source).await? > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        stop.cancel();
        drop(others.await);
    }
    Ok(whole)
}

fn tell(report: &Report) {
    for pair in &report.pairs {
        out::say(&format!(
            "{} → {}, {} to {}: {} orders, {} deals",
            pair.source,
            pair.targets.join(", "),
            pair.first,
            pair.last,
            pair.things,
            pair.entities
        ));
        out::say(&columns::columns(&["", "", ""], &rows(pair)));
        if let Some(repaired) = pair.repaired {
            out::say(&format!(
                "  repaired: {} remembered as they are, {} decided anew by the flows",
                repaired.remembered, repaired.asked
            ));
        }
    }
    for leads in &report.leads {
        out::say(&format!(
            "{} {}s: {} came, {} of them by webhook, {} only because they were polled",
            leads.connection, leads.kind, leads.all, leads.hooked, leads.polled_only
        ));
    }
}

fn rows(pair: &PairReport) -> Vec<Vec<String>> {
    let told = Finding::ALL.into_iter().filter_map(|finding| {
        let found = pair.found.get(finding.word()).filter(|found| found.count > 0)?;
        let more = if found.count > found.ids.len() as u64 { ", …" } else { "" };
        let ids = if finding.is_trouble() {
            format!("{}{more}", found.ids.join(", "))
        } else {
            String::new()
        };
        Some(vec![format!("  {}", found.count), finding.about().to_owned(), ids])
    });
    told.collect()
}
