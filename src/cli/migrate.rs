//! `leadlink migrate`: brings the database to this version; `--to` copies it into PostgreSQL.
//! Invariant: a file is touched only with no daemon on it, which the store's lock sees to; a copy is
//! whole or not there, and the file stays as it was.

use super::{out, sound};
use crate::clock::Clock;
use crate::store::{Copied, Store};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Copies everything into the empty PostgreSQL database of this address (`env:NAME` and
    /// `file:PATH` keep a password off the command line); nothing runs on the file meanwhile
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Rewrites the file without its free space; from then on it shrinks by itself
    #[arg(long)]
    compact: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let clock = Clock::default();
    let store = Store::open(&app.store_url, clock.now()).await;
    let store = store.context("the database was not migrated")?;
    out::say("the database is of this version");
    if let Some(to) = &arguments.to {
        if store.is_shared() {
            bail!("the configured store is no SQLite file; PostgreSQL's own tools copy that");
        }
        copy(&store, &address(to)?, &clock).await?;
    }
    store.close().await;
    if arguments.compact {
        let done = Store::compact(&app.store_url).await;
        let (before, after) = done.context("the database was not compacted")?;
        out::say(&format!("{} before, {} now", megabytes(before.bytes), megabytes(after.bytes)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The address itself, or where it is kept.
fn address(given: &str) -> anyhow::Result<String> {
    if let Some(name) = given.strip_prefix("env:") {
        return std::env::var(name).with_context(|| format!("the variable {name} is not set"));
    }
    if let Some(path) = given.strip_prefix("file:") {
        let text = std::fs::read_to_string(path).with_context(|| format!("{path} is not read"))?;
        return Ok(text.trim_end().to_owned());
    }
    Ok(given.to_owned())
}

async fn copy(store: &Store, to: &str, clock: &Clock) -> anyhow::Result<()> {
    // Hidden where no terminal looks on.
    let bar = ProgressBar::new(0);
    let style = "{msg:16} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).context("the style of the progress bar")?);
    let mut table = String::new();
    let progress = |copied: Copied<'_>| {
        if table != copied.table {
            copied.table.clone_into(&mut table);
            bar.reset();
            bar.set_message(table.clone());
        }
        bar.set_length(copied.of);
        bar.set_position(copied.rows);
    };
    let rows = store.copy_to(to, clock.now(), progress).await;
    bar.finish_and_clear();
    let rows = rows.context("nothing was copied")?;
    out::say(&format!(
        "{rows} rows are copied and counted; now write the new address into [store] url and start"
    ));
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / 1_000_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
