//! `leadlink flow start|stop NAME`: a person's hand on a flow. Invariant: it holds in every process until
//! the value in the configuration changes; beside a running daemon the daemon does it, with none it is
//! kept for the next one.

use super::beside::{Reach, ask, reach, refused};
use super::user::{note, whoever};
use super::{out, sound, unknown};
use crate::clock::Clock;
use crate::pipeline::switches::{self, SWITCH};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    hand: Hand,
}

#[derive(Debug, Subcommand)]
enum Hand {
    /// Starts a flow: from now on its jobs are decided
    Start(Which),
    /// Stops a flow: events make no more jobs of it, and those that wait are skipped when they are due
    Stop(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The flow, as `leadlink status` names it
    name: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (which, running) = match arguments.hand {
        Hand::Start(which) => (which, true),
        Hand::Stop(which) => (which, false),
    };
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let name = &which.name;
    if let Some(off) = app.off.iter().find(|bound| bound.name == *name) {
        bail!("{name} is off: no connection is bound to {}", off.unbound().join(", "));
    }
    if app.book.flow(name).is_none() {
        let known = app.book.flows().iter().map(|bound| bound.name.as_str());
        return Err(unknown("flow", name, known));
    }
    let who = whoever().name;
    let (act, about) = (if running { "flow.start" } else { "flow.stop" }, format!("flow:{name}"));
    let body = json!({ "flow": name, "running": running, "who": who, "why": which.why });
    let answer = match reach(app, Clock::default()).await? {
        Reach::Daemon(store) => {
            let answer = ask(&store, SWITCH, &body).await?;
            note(&store, act, about, refused(&answer)).await;
            answer
        }
        Reach::Alone(alone) => {
            let answer = switches::obey(&alone.pipeline, &body).await;
            note(&alone.pipeline.store, act, about, refused(&answer)).await;
            alone.finish().await?;
            answer
        }
    };
    if let Some(why) = refused(&answer) {
        bail!("{why}");
    }
    let held = answer.get("switch").context("an answer without what was done")?;
    if which.json {
        out::say(&held.to_string());
    } else {
        let word = if running { "started" } else { "stopped" };
        out::say(&format!("{name} is {word}, until what config says of it changes"));
    }
    Ok(ExitCode::SUCCESS)
}
