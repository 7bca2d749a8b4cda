//! `leadlink retention`: what has grown old and would be deleted now, and what the last run did.
//! Invariant: only looks, unless told `--now`; beside a daemon it is the daemon that deletes.

use super::{out, sound};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Retention;
use crate::pipeline::retention;
use crate::store::{self, Store};
use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Deletes it now and not at night; a running daemon does so within a minute
    #[arg(long)]
    now: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

const CHORE: &str = "retention";

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let now = Clock::default().now();
    let answer = if arguments.now { delete(&app, now).await? } else { look(&app, now).await? };
    if arguments.json {
        out::say(&answer.to_string());
    } else {
        tell(&answer, arguments.now);
    }
    Ok(ExitCode::SUCCESS)
}

async fn look(app: &App, now: Timestamp) -> anyhow::Result<Value> {
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    let free = retention::preview(&store, &app.retention, now).await?;
    let last = store.chore(CHORE).await?;
    let next = app.retention.at.as_ref().and_then(|at| at.next(now));
    Ok(json!({ "would_delete": free, "space": store.space().await?, "next": next, "last": last }))
}

async fn delete(app: &App, now: Timestamp) -> anyhow::Result<Value> {
    match Store::open(&app.store_url, now).await {
        Ok(store) => {
            super::user::note(&store, "retention", "all".to_owned(), None).await;
            let done = retention::run(&store, &app.retention, now).await;
            store.close().await;
            let done = done?;
            Ok(json!({ "rows": done.rows, "more": done.more }))
        }
        Err(store::Error::Owned(_)) => ask_daemon(&app.store_url, &app.retention, now).await,
        Err(error) => Err(error).context("the store cannot be opened"),
    }
}

async fn ask_daemon(url: &str, settings: &Retention, now: Timestamp) -> anyhow::Result<Value> {
    let Some(due) = settings.at.as_ref().and_then(|at| at.last(now)) else {
        bail!("the daemon never deletes (retention.at): stop it, or set a time");
    };
    let store = Store::open_beside(url).await.context("the store cannot be opened")?;
    super::user::note(&store, "retention", "all".to_owned(), None).await;
    store.ask_for_chore(CHORE, due).await?;
    Ok(json!({ "asked": true }))
}

fn tell(answer: &Value, deleting: bool) {
    let counts = |name: &str| {
        let table = answer.get(name).and_then(Value::as_object);
        for (kind, count) in table.into_iter().flatten() {
            out::say(&format!("  {kind}: {count}"));
        }
    };
    if answer.get("asked").is_some() {
        out::say("the daemon does it within a minute; `leadlink retention` shows what it did");
    } else if deleting {
        out::say("deleted, by table:");
        counts("rows");
    } else {
        out::say("old enough to be deleted now:");
        counts("would_delete");
        told_of("last run", answer.pointer("/last/report/ended"));
        told_of("next run", answer.get("next"));
    }
}

fn told_of(what: &str, at: Option<&Value>) {
    let at = at.and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    let at = at.map_or_else(
        || "none".to_owned(),
        |at| at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
    );
    out::say(&format!("{what}: {at}"));
}
