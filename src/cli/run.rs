//! `leadlink run`: the daemon. Invariant: it does not start on a config or flows with errors.

use super::{out, sound};
use crate::app::serve::{self, Stop};
use crate::clock::Clock;
use crate::config::{Log, LogFormat};
use crate::telemetry::{self, Format, Telemetry};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub async fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else {
        out::complain("leadlink does not start: see the problems above, or run `leadlink check`");
        return Ok(ExitCode::FAILURE);
    };
    let telemetry = observe(&app.log)?;
    let stop = Stop::default();
    serve::stop_on_signal(stop.clone())?;
    let metrics = Arc::new(move || telemetry.render_metrics());
    serve::serve(app, Clock::default(), metrics, stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts log and metrics as the config says.
///
/// # Errors
/// A log filter that cannot be read.
pub fn observe(log: &Log) -> anyhow::Result<Arc<Telemetry>> {
    let format = match log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let telemetry = Arc::new(telemetry::init(format, &log.level)?);
    let folded = Arc::clone(&telemetry);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            folded.fold();
        }
    });
    Ok(telemetry)
}
