//! `leadlink man`: the manual. Invariant: one page for each command, made from the commands
//! themselves.

use super::out;
use anyhow::Context;
use clap::{Args, Command};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Writes one page for each command into this folder; else the main page is printed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(arguments: Arguments, command: Command) -> anyhow::Result<ExitCode> {
    let Some(dir) = arguments.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        out::say(String::from_utf8(page)?.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let place = || format!("the pages cannot be written to {}", dir.display());
    std::fs::create_dir_all(&dir).with_context(place)?;
    clap_mangen::generate_to(command, &dir).with_context(place)?;
    let pages = std::fs::read_dir(&dir).with_context(place)?.count();
    out::say(&format!("{pages} files in {}: `man -l {}/leadlink.1`", dir.display(), dir.display()));
    Ok(ExitCode::SUCCESS)
}
