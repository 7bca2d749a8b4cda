//! `leadlink reload`: every running process reads config and flow files anew. Invariant: what is
//! wrong with them is said here first, and a bad set changes nothing anywhere.

use super::{out, sound};
use crate::clock::Clock;
use crate::pipeline::call::{self, Heard};
use crate::pipeline::obey::RELOAD;
use crate::store::Store;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A process looks for calls twice a second and shows itself at once when it has heard one.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let clock = Clock::default();
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    if call::running(&store, &clock).await?.is_empty() {
        bail!("no daemon runs on this store; `leadlink run` reads the files when it starts");
    }
    super::user::note(&store, "reload", "all".to_owned(), None).await;
    let heard = match call::all(&store, RELOAD, &clock, PATIENCE).await? {
        Heard::All(heard) => heard,
        Heard::Not(silent) => {
            bail!("not heard by {} in {} s", silent.join(", "), PATIENCE.as_secs())
        }
    };
    let refused = heard.iter().any(|replica| replica.trouble.is_some());
    if arguments.json {
        out::say(&json!({ "ok": !refused, "processes": heard }).to_string());
    } else {
        for replica in &heard {
            match &replica.trouble {
                None => out::say(&format!("{}: reloaded", replica.owner)),
                Some(why) => {
                    out::complain(&format!(
                        "{}: refused, runs on as it did:\n{why}",
                        replica.owner
                    ));
                }
            }
        }
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
