//! `leadlink check`: every problem of config, flows and cases at once; `--online` asks the far sides
//! too. Invariant: without side effects anywhere.

use super::{out, show};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::connectors::port::Glance;
use crate::desk::overview::report::by_whom;
use crate::diagnosis::{Problem, has_errors, to_json};
use crate::pipeline::drift;
use crate::store::Store;
use clap::Args;
use futures_util::future::join_all;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A database that has not answered by then is not asked.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Also tests addresses, keys and rights over the network, and that the far sides have every store,
    /// status, method, manager and custom field that the flows use
    #[arg(long)]
    online: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let app::Read { app, mut problems, cases } = app::read(config.as_deref(), std::env::vars());
    let mut flows = 0;
    let mut connections = 0;
    if let Some(app) = app {
        flows = app.book.flows().len();
        connections = app.connectors.len();
        problems.extend(switched(&app).await);
        if arguments.online {
            let store = Store::open_beside(&app.store_url).await.ok();
            let asked = app.connectors.keys().map(|name| online(&app, name, store.as_ref()));
            problems.extend(join_all(asked).await.into_iter().flatten());
            if let Some(store) = store {
                store.close().await;
            }
        }
    }
    let failed = has_errors(&problems);
    if arguments.json {
        let list: Vec<_> = problems.iter().map(to_json).collect();
        out::say(&json!({ "ok": !failed, "flows": flows, "connections": connections, "cases": cases, "problems": list }).to_string());
    } else {
        show(&problems);
        let verdict = if failed { "problems found" } else { "sound" };
        let online = if arguments.online { ", asked online" } else { "" };
        out::say(&format!(
            "{verdict}: {connections} connections{online}, {flows} flows, {cases} cases pass"
        ));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Flows that a person started or stopped: what config says does not hold of them. Where there is no
/// database, or none that answers at once, nothing is told.
async fn switched(app: &App) -> Vec<Problem> {
    let looking = async {
        let store = Store::open_beside(&app.store_url).await.ok()?;
        let switches = store.switches().await.ok();
        store.close().await;
        switches
    };
    let found = tokio::time::timeout(PATIENCE, looking).await.ok().flatten().unwrap_or_default();
    let told = app.book.flows().iter().filter_map(|bound| {
        let held = found.get(&bound.name).filter(|held| held.holds(bound.running))?;
        let hand = if held.running { "stop" } else { "start" };
        let note = Problem::note(format!("flow `{}`: {}", bound.name, by_whom(held)));
        Some(note.mend(format!(
            "that holds until `running` of [flows.{0}] changes, or `leadlink flow {hand} {0}`",
            bound.name
        )))
    });
    told.collect()
}

/// What the connection itself says, and what the flows use that it has no longer. What the daemon
/// saw before is read where there is a database; nothing is written.
pub async fn online(app: &App, name: &str, store: Option<&Store>) -> Vec<Problem> {
    let Some(connector) = app.connectors.get(name) else { return Vec::new() };
    let found = connector.check().await;
    let uses = drift::uses(&app.book, name);
    let last = match store {
        Some(store) => store.drift(name).await.ok().flatten(),
        None => None,
    };
    let before = last.as_ref().map(|last| &last.seen);
    let glance = Glance { uses: &uses, before, now: Clock::default().now() };
    // A far side that could not be asked is told by `check` already.
    let drifted = connector.drift(&glance).await.map(|sight| sight.problems).unwrap_or_default();
    let drifted: Vec<Problem> = drifted.into_iter().map(|problem| named(name, problem)).collect();
    let mut all: Vec<Problem> = found.into_iter().map(|problem| named(name, problem)).collect();
    // Of two that say the same the one with a place in a flow is kept.
    all.retain(|problem| !drifted.iter().any(|held| held.title == problem.title));
    all.extend(drifted);
    all
}

fn named(connection: &str, problem: Problem) -> Problem {
    if problem.title.starts_with("connections.") {
        return problem;
    }
    Problem { title: format!("connections.{connection}: {}", problem.title), ..problem }
}
