//! `leadlink backfill`: reads the past, once, because a person asks for it. Invariant: beside a
//! running daemon it leaves a row that the daemon works on and only watches; with none it takes the
//! lock and does it itself; what it will cost is told before anything is read.

mod show;

use super::beside::{Reach, clock, reach};
use super::replay::when;
use super::{columns, out, sound};
use crate::app::{self, App};
use crate::pipeline::Pipeline;
use crate::pipeline::backfill::{self, DEALS, LEADS, estimate};
use crate::rules::pairs;
use crate::store::{Backfill, BackfillState, Store};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(
    after_help = "It takes half of what the far sides allow, so that live work goes on beside \
    it. Killed or stopped anywhere, the same command goes on where it stood; asked for again after \
    its end it does nothing twice."
)]
pub struct Arguments {
    /// What is read: journals of leads, or orders that become deals
    #[arg(required_unless_present = "status")]
    what: Option<What>,
    /// The first day: 2026-01-31, 31.01.2026, yesterday, or so long ago: 365d
    #[arg(long, value_name = "DATE", required_unless_present_any = ["status", "stop"])]
    from: Option<String>,
    /// The last day, by default today
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Of which connection, where there are several
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Shows how far backfills are
    #[arg(long, conflicts_with_all = ["from", "to", "stop"])]
    status: bool,
    /// Stops the one that runs; asked for again it goes on
    #[arg(long, conflicts_with_all = ["from", "to"])]
    stop: bool,
    /// Does not ask whether to begin
    #[arg(long)]
    yes: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Calls and requests, for the journal that orders are linked by; the last day first
    Leads,
    /// Orders, decided as if they had changed just now; the first day first
    Deals,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Leads => LEADS,
            Self::Deals => DEALS,
        }
    }
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config.clone()) else { return Ok(ExitCode::FAILURE) };
    if arguments.status {
        return status(&app, &arguments).await;
    }
    let what = arguments.what.context("say what: leads or deals")?;
    let name = connection(&app, what, arguments.connection.as_deref())?;
    if arguments.stop {
        return stop(&app, what, &name).await;
    }
    let zone = app.connectors.get(&name).map_or(TimeZone::UTC, |connector| connector.zone());
    let days = days(&arguments, &zone)?;
    // The daemon's work is its own; what we ask beforehand, we ask ourselves.
    let Some(second) = app::read(config.as_deref(), std::env::vars()).app else {
        return Ok(ExitCode::FAILURE);
    };
    match reach(second, clock()).await? {
        Reach::Daemon(store) => {
            let leave = app.shared.limits.leave();
            let eyes = Pipeline::new(store, clock(), app.book, app.connectors, leave);
            let Some(row) = begun(&eyes, &arguments, (what, &name), days).await? else {
                return Ok(ExitCode::FAILURE);
            };
            tokio::select! {
                ended = show::watch(&eyes.store, row, arguments.json, true) => ended,
                _ = tokio::signal::ctrl_c() => {
                    out::complain("the daemon goes on with it: --status shows it, --stop stops it");
                    Ok(ExitCode::SUCCESS)
                }
            }
        }
        Reach::Alone(alone) => {
            let ended = match begun(&alone.pipeline, &arguments, (what, &name), days).await {
                Ok(Some(row)) => by_ourselves(&alone.pipeline, row, arguments.json).await,
                Ok(None) => Ok(ExitCode::FAILURE),
                Err(error) => Err(error),
            };
            alone.finish().await?;
            ended
        }
    }
}

async fn by_ourselves(pipeline: &Pipeline, row: Backfill, json: bool) -> anyhow::Result<ExitCode> {
    let (id, store) = (row.id, pipeline.store.clone());
    let watched = async {
        let (done, shown) =
            tokio::join!(backfill::alone(pipeline, id), show::watch(&store, row, json, false));
        done?;
        shown
    };
    tokio::select! {
        ended = watched => ended,
        _ = tokio::signal::ctrl_c() => {
            out::complain("broken off; the same command, or the daemon, goes on from here");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The connection that is meant: the only one that has such things, or the one that was named.
fn connection(app: &App, what: What, named: Option<&str>) -> anyhow::Result<String> {
    let fitting: Vec<String> = match what {
        What::Leads => {
            let has = |name: &&String| {
                let held = app.connectors.get(*name);
                held.is_some_and(|connector| !backfill::nouns(connector.offer()).is_empty())
            };
            app.connectors.keys().filter(has).cloned().collect()
        }
        What::Deals => pairs::all(&app.book).into_iter().map(|pair| pair.source).collect(),
    };
    let listed = fitting.join(", ");
    match (named, fitting.as_slice()) {
        (_, []) if what == What::Deals => bail!(
            "no running flow makes deals of orders: set `running = true` in [flows.order-to-deal]"
        ),
        (_, []) => bail!("no connection has a journal of leads"),
        (Some(named), _) if fitting.iter().any(|name| name == named) => Ok(named.to_owned()),
        (Some(named), _) => bail!("{named} has no {}; there are: {listed}", what.word()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            bail!("several connections have {}: say --connection, one of {listed}", what.word())
        }
    }
}

fn days(arguments: &Arguments, zone: &TimeZone) -> anyhow::Result<(Date, Date)> {
    let now = clock().now();
    let today = now.to_zoned(zone.clone()).date();
    let (from, to) = (arguments.from.as_deref(), arguments.to.as_deref());
    let first = match from {
        Some(text) => when::day(text, now, zone).map_err(anyhow::Error::msg)?,
        None => bail!("say from which day: --from 2026-01-31"),
    };
    let last = match to {
        Some(text) => when::day(text, now, zone).map_err(anyhow::Error::msg)?,
        None => today,
    };
    if first > last || last > today {
        bail!("{first} to {last} are no days of the past");
    }
    Ok((first, last))
}

/// The row to be watched: one that runs already, one that goes on, or a new one. `None`: it was not
/// agreed to.
async fn begun(
    pipeline: &Pipeline,
    arguments: &Arguments,
    (what, name): (What, &str),
    days: (Date, Date),
) -> anyhow::Result<Option<Backfill>> {
    let store = &pipeline.store;
    let mut rows = store.backfills(false).await?;
    rows.retain(|row| row.what == what.word() && row.connection == name);
    if let Some(running) = rows.iter().find(|row| row.state == BackfillState::Running) {
        if (running.first, running.last) != days {
            let (first, last) = (running.first, running.last);
            bail!("one of {first} to {last} runs: wait for its end, or stop it with --stop");
        }
        out::complain("it runs already");
        return Ok(Some(running.clone()));
    }
    let estimate = estimate::estimate(pipeline, what.word(), name, days).await?;
    let before = rows.into_iter().find(|row| (row.first, row.last) == days);
    let before = before.filter(|row| row.state != BackfillState::Done);
    let gone_on = before.as_ref().map(backfill::share);
    show::estimate(&estimate, what.word(), gone_on);
    if !arguments.yes && !agreed()? {
        out::complain("nothing was begun; --yes begins without a question");
        return Ok(None);
    }
    let now = pipeline.clock.now();
    let row = match before {
        Some(before) => store.resume_backfill(before.id, now).await?,
        None => store.begin_backfill(what.word(), name, days, now).await?,
    };
    let about = format!("{} of {name}, {} to {}", what.word(), days.0, days.1);
    super::user::note(store, "backfill.start", about, None).await;
    Ok(Some(row))
}

fn agreed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "Go on? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да"))
}

async fn stop(app: &App, what: What, name: &str) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    let rows = store.backfills(true).await?;
    let row = rows.into_iter().find(|row| row.what == what.word() && row.connection == name);
    let stopped = match row {
        Some(row) => store.stop_backfill(row.id, "by a person", clock().now()).await?,
        None => false,
    };
    if stopped {
        let about = format!("{} of {name}", what.word());
        super::user::note(&store, "backfill.stop", about, None).await;
    }
    store.close().await;
    if stopped {
        out::say("stopped; the same command as before goes on from there");
        Ok(ExitCode::SUCCESS)
    } else {
        out::say(&format!("no backfill of {} runs for {name}", what.word()));
        Ok(ExitCode::FAILURE)
    }
}

async fn status(app: &App, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    let mut rows = store.backfills(false).await?;
    store.close().await;
    rows.retain(|row| {
        arguments.what.is_none_or(|what| what.word() == row.what)
            && arguments.connection.as_ref().is_none_or(|name| *name == row.connection)
    });
    if arguments.json {
        out::say(&serde_json::json!({ "backfills": rows }).to_string());
    } else if rows.is_empty() {
        out::say("there was no backfill yet");
    } else {
        let header = ["", "connection", "days", "state", "read", "done", "requests", ""];
        let rows: Vec<Vec<String>> = rows.iter().map(show::row).collect();
        out::say(&columns::columns(&header, &rows));
    }
    Ok(ExitCode::SUCCESS)
}
