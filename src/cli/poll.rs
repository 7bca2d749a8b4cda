//! `leadlink poll CONNECTION`: reads its journals now. Invariant: beside a running daemon it leaves
//! a row that the daemon performs; with none it takes the lock and does it itself.

use super::beside::{Reach, ask, reach};
use super::user::note;
use super::{out, sound, unknown};
use crate::clock::Clock;
use crate::pipeline::{obey::read, route};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the connection, as in the config
    connection: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let name = &arguments.connection;
    let Some(connector) = app.connectors.get(name).cloned() else {
        return Err(unknown("connection", name, app.connectors.keys().map(String::as_str)));
    };
    if connector.feeds().is_empty() {
        bail!("{name} has nothing to poll");
    }
    let answer = match reach(app, Clock::default()).await? {
        Reach::Daemon(store) => {
            note(&store, "poll", format!("connection:{name}"), None).await;
            ask(&store, "poll", &json!({ "connection": name })).await?
        }
        Reach::Alone(alone) => {
            let pipeline = &alone.pipeline;
            note(&pipeline.store, "poll", format!("connection:{name}"), None).await;
            let first_start = pipeline.first_starts.get(name).copied().context("no first start")?;
            let mut answer = Map::new();
            for feed in connector.feeds() {
                let told = read(pipeline, name, &connector, &feed, first_start).await;
                answer.insert(feed.name.to_owned(), told);
            }
            while route::batch(pipeline).await? {}
            alone.finish().await?;
            Value::Object(answer)
        }
    };
    print(&answer, arguments.json);
    let failed = answer.get("error").is_some()
        || answer
            .as_object()
            .is_some_and(|feeds| feeds.values().any(|feed| feed.get("error").is_some()));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
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
