//! `leadlink migrate`: brings the database to this version. Invariant: only with no daemon running
//! on it, which the store's lock sees to.

use super::{out, sound};
use crate::clock::Clock;
use crate::store::Store;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Rewrites the file without its free space; from then on it shrinks by itself
    #[arg(long)]
    compact: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let store = Store::open(&app.store_url, Clock::default().now()).await;
    store.context("the database was not migrated")?.close().await;
    out::say("the database is of this version");
    if arguments.compact {
        let done = Store::compact(&app.store_url).await;
        let (before, after) = done.context("the database was not compacted")?;
        out::say(&format!("{} before, {} now", megabytes(before.bytes), megabytes(after.bytes)));
    }
    Ok(ExitCode::SUCCESS)
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / 1_000_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
