//! `leadlink migrate`: brings the database to this version. Invariant: only with no daemon running
//! on it, which the store's lock sees to.

use super::{out, sound};
use crate::clock::Clock;
use crate::store::Store;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

pub async fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let store = Store::open(&app.store_url, Clock::default().now()).await;
    store.context("the database was not migrated")?.close().await;
    out::say("the database is of this version");
    Ok(ExitCode::SUCCESS)
}
