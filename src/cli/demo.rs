//! `leadlink demo` (follows).

#[derive(Debug, clap::Args)]
pub struct Arguments {}

pub async fn run(_: Arguments) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("follows")
}
