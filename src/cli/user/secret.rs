//! Where a password comes from. Invariant: it is never an argument, which every process of the machine
//! could read, and it is not echoed.

use anyhow::{Context, bail};
use console::Term;
use std::io::{BufRead, IsTerminal};

/// `file:PATH`, `env:NAME`, `stdin`; else asked for twice on the terminal.
pub fn password(place: Option<&str>) -> anyhow::Result<String> {
    let found = match place {
        None if std::io::stdin().is_terminal() => return asked(),
        None | Some("stdin") => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("the standard input failed")?;
            line
        }
        Some(place) => {
            match place.split_once(':') {
                Some(("file", path)) => std::fs::read_to_string(path)
                    .with_context(|| format!("{path} cannot be read"))?,
                Some(("env", name)) => std::env::var(name)
                    .with_context(|| format!("the variable {name} is not set"))?,
                _ => bail!("--password says where it is: file:PATH, env:NAME or stdin"),
            }
        }
    };
    Ok(found.trim_end_matches(['\r', '\n']).to_owned())
}

fn asked() -> anyhow::Result<String> {
    let term = Term::stderr();
    term.write_str("Password (12 characters at least): ")?;
    let first = term.read_secure_line().context("the terminal failed")?;
    term.write_str("Once more: ")?;
    let second = term.read_secure_line().context("the terminal failed")?;
    if first != second {
        bail!("the two are not the same");
    }
    Ok(first)
}
