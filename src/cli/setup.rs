//! `leadlink setup`: creates in the far sides what the flows need. Invariant: repeatable; a second
//! run creates nothing.

use super::reach::patiently;
use super::{out, sound};
use std::path::PathBuf;
use std::process::ExitCode;

pub async fn run(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let mut code = ExitCode::SUCCESS;
    for (name, connector) in &app.connectors {
        match patiently(async || connector.setup().await).await {
            Ok(lines) => lines.iter().for_each(|line| out::say(&format!("{name}: {line}"))),
            Err(delay) => {
                out::complain(&format!("{name}: {}", delay.why));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
