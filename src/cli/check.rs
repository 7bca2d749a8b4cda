//! `leadlink check`: every problem of config, flows and cases at once; `--online` asks the far sides
//! too. Invariant: without side effects anywhere.

use super::{out, show};
use crate::app;
use crate::diagnosis::{Problem, has_errors, to_json};
use clap::Args;
use futures_util::future::join_all;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Also tests addresses, keys, scopes, stores, statuses and custom fields over the network
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
        if arguments.online {
            let asked = app.connectors.iter().map(|(name, connector)| async move {
                let found = connector.check().await;
                found.into_iter().map(move |problem| named(name, problem))
            });
            problems.extend(join_all(asked).await.into_iter().flatten());
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

fn named(connection: &str, problem: Problem) -> Problem {
    if problem.title.starts_with("connections.") {
        return problem;
    }
    Problem { title: format!("connections.{connection}: {}", problem.title), ..problem }
}
