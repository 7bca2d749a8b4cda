//! `leadlink completion SHELL`: what the shell needs to complete commands and options. Invariant:
//! made from the commands themselves, so that nothing can be forgotten.

use super::out;
use clap::{Args, Command};
use clap_complete::Shell;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// For bash: `leadlink completion bash > /etc/bash_completion.d/leadlink`
    shell: Shell,
}

pub fn run(arguments: &Arguments, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "leadlink", &mut script);
    out::say(String::from_utf8(script)?.trim_end());
    Ok(ExitCode::SUCCESS)
}
