//! `leadlink poll CONNECTION`: reads its journals now. Invariant: beside a running daemon it leaves
//! a row that the daemon performs; with none it takes the lock and does it itself.

use super::{out, sound};
use crate::clock::Clock;
use crate::pipeline::{route, run::read};
use crate::store::{self, Store};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the connection, as in the config
    connection: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// A daemon looks for commands twice a second; reading journals takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let name = &arguments.connection;
    let Some(connector) = app.connectors.get(name).cloned() else {
        let known: Vec<&str> = app.connectors.keys().map(String::as_str).collect();
        bail!("there is no connection {name}; there are: {}", known.join(", "));
    };
    if connector.feeds().is_empty() {
        bail!("{name} has nothing to poll");
    }
    let url = app.store_url.clone();
    let answer = match app.pipeline(Clock::default()).await {
        Ok(pipeline) => {
            let first_start = pipeline.store.first_start(name, pipeline.clock.now()).await?;
            let mut answer = Map::new();
            for feed in connector.feeds() {
                let told = read(&pipeline, name, &connector, &feed, first_start).await;
                answer.insert(feed.name.to_owned(), told);
            }
            let first_starts = Arc::new(BTreeMap::from([(name.clone(), first_start)]));
            while route::batch(&pipeline, &first_starts).await? {}
            pipeline.store.close().await;
            Value::Object(answer)
        }
        Err(store::Error::Owned(_)) => ask_daemon(&url, name).await?,
        Err(error) => return Err(error).context("the store cannot be opened"),
    };
    print(&answer, arguments.json);
    let failed = answer.get("error").is_some()
        || answer
            .as_object()
            .is_some_and(|feeds| feeds.values().any(|feed| feed.get("error").is_some()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask_daemon(url: &str, connection: &str) -> anyhow::Result<Value> {
    let clock = Clock::default();
    let store = Store::open_beside(url).await.context("the store cannot be opened")?;
    let body = json!({ "connection": connection });
    let id = store.leave_command("poll", &body, clock.now()).await?;
    let give_up = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < give_up {
        if let Some(answer) = store.command_answer(id).await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the daemon has not answered in {} s; it will still do it", PATIENCE.as_secs())
}

fn print(answer: &Value, as_json: bool) {
    if as_json {
        out::say(&answer.to_string());
        return;
    }
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        out::complain(error);
        return;
    }
    for (feed, told) in answer.as_object().into_iter().flatten() {
        let count = |name| told.get(name).and_then(Value::as_u64).unwrap_or_default();
        match told.get("error").and_then(Value::as_str) {
            Some(error) => out::complain(&format!("{feed}: {error}")),
            None => out::say(&format!("{feed}: {} new, {} known", count("new"), count("known"))),
        }
    }
}
