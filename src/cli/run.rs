//! `leadlink run`: the daemon. Invariant: it does not start on a config or flows with errors.

use super::{out, sound};
use crate::app::serve;
use crate::clock::Clock;
use crate::telemetry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub async fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else {
        out::complain("leadlink does not start: see the problems above, or run `leadlink check`");
        return Ok(ExitCode::FAILURE);
    };
    let telemetry = Arc::new(telemetry::init(&app.log)?);
    let stop = CancellationToken::new();
    serve::stop_on_signal(stop.clone())?;
    let metrics = Arc::new(move || telemetry.render_metrics());
    serve::serve(app, Clock::default(), metrics, stop).await?;
    Ok(ExitCode::SUCCESS)
}
