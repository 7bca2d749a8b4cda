//! `leadlink setup`: creates in the far sides what the flows need. Invariant: repeatable; a second
//! run creates nothing.

use super::reach::patiently;
use super::{out, sound, unknown};
use crate::store::Store;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Only that of this connection; by default of all
    connection: Option<String>,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let wanted = arguments.connection;
    if let Some(name) = wanted.as_ref().filter(|name| !app.connectors.contains_key(*name)) {
        return Err(unknown("connection", name, app.connectors.keys().map(String::as_str)));
    }
    let mut code = ExitCode::SUCCESS;
    let all = app.connectors.iter();
    for (name, connector) in all.filter(|(name, _)| wanted.as_ref().is_none_or(|it| it == *name)) {
        match patiently(async || connector.setup().await).await {
            Ok(lines) => {
                lines.iter().for_each(|line| out::say(&format!("{name}: {line}")));
                written_down(&app.store_url, name).await;
            }
            Err(delay) => {
                out::complain(&format!("{name}: {}", delay.why));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Before the first start there is no database, and nothing to write it down in.
async fn written_down(store_url: &str, name: &str) {
    if let Ok(store) = Store::open_beside(store_url).await {
        super::user::note(&store, "setup", format!("connection:{name}"), None).await;
        store.close().await;
    }
}
