//! `leadlink status`: how everything does, and what a person should do next. Invariant: reads only,
//! beside a running daemon or without one; exit 0 only where nothing needs a person.

mod show;

use super::out;
use crate::app::{self, App};
use crate::clock::Clock;
use crate::desk::overview::report::{self, Report, Sheet};
use crate::diagnosis::has_errors;
use crate::store::{self, Store, status};
use anyhow::Context;
use clap::Args;
use console::Term;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How often `--watch` looks anew.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when nothing needs a person; 1 when no daemon runs, a connection \
    is paused or being set up, something has drifted away in a far side, a reload was refused, or a \
    job, a delivery or a step waits for a person."
)]
pub struct Arguments {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Shows it anew every 2 seconds until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let read = app::read(config.as_deref(), std::env::vars());
    // A daemon goes on with what it has read, whatever became of the files since.
    let spoilt = has_errors(&read.problems);
    let Some(app) = read.app else {
        super::show(&read.problems);
        return Ok(ExitCode::FAILURE);
    };
    if spoilt {
        out::complain("config or flows have errors: `leadlink check` tells them");
    }
    loop {
        let report = match look(&app).await? {
            Ok(report) => report,
            Err(why) => return Ok(no_database(&why, arguments.json)),
        };
        if arguments.json {
            out::say(&serde_json::to_string(&report)?);
        } else {
            if arguments.watch {
                Term::stdout().clear_screen().context("the terminal cannot be cleared")?;
            }
            out::say(&show::page(&report));
        }
        if !arguments.watch {
            let code = if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            return Ok(code);
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// `Err`: there is no database yet.
async fn look(app: &App) -> anyhow::Result<Result<Report, String>> {
    let store = match Store::open_beside(&app.store_url).await {
        Ok(store) => store,
        Err(store::Error::Empty(why)) => return Ok(Err(why)),
        Err(error) => return Err(error).context("the store cannot be opened"),
    };
    let flows: Vec<String> = app.book.flows().iter().map(|bound| bound.name.clone()).collect();
    let (house, now) = store.house(&flows, Clock::default().now()).await?;
    store.close().await;
    let owned = status::is_owned(&app.store_url);
    let clock = report::sign_clock(&house, owned.is_none(), now);
    let runs = owned.unwrap_or_else(|| report::shows_life(&house, clock));
    let configured = app.book.flows().iter();
    let configured = configured.map(|bound| (bound.name.clone(), bound.running)).collect();
    let sheet = Sheet {
        book: &app.book,
        off: &app.off,
        connectors: &app.connectors,
        configured: &configured,
    };
    Ok(Ok(Report::new(sheet, house, runs, (now, clock))))
}

fn no_database(why: &str, as_json: bool) -> ExitCode {
    let why = format!("there is no database yet: {why}");
    if as_json {
        out::say(&serde_json::json!({ "ok": false, "running": false, "why": why }).to_string());
    } else {
        out::say(&format!("{why}; `leadlink run` makes it"));
    }
    ExitCode::FAILURE
}
