//! What is written to the terminal. Invariant: a reader that went away (`| head`) is no error.

use std::io::{IsTerminal, Write};

/// A line for the reader.
pub fn say(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// A line about trouble, beside the answer.
pub fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

pub fn colored_errors() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
