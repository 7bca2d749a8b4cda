//! Questions on the terminal. Invariant: a key is never echoed; nothing waits for ever where nobody
//! sits, and what is missing is named by its flag.

use super::super::out;
use console::Term;
use std::io::{BufRead, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long the next line of a pipe may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wrong answers to one question before it is given up.
const TRIES: usize = 5;

/// One thing to be known.
pub struct Question<'a> {
    pub text: &'a str,
    /// `--crm-key`
    pub flag: &'a str,
    pub is_secret: bool,
}

/// Where answers come from.
pub enum Asker {
    Terminal(Term),
    /// Lines of a pipe or a file.
    Lines(Receiver<String>),
    /// A terminal to read from whose questions nobody would see.
    Nobody,
}

/// Why there is no answer; for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

impl Asker {
    pub fn new() -> Self {
        let term = Term::stderr();
        match (std::io::stdin().is_terminal(), term.is_term()) {
            (true, true) => Self::Terminal(term),
            (true, false) => Self::Nobody,
            (false, _) => Self::Lines(lines()),
        }
    }

    /// Asks until `read` takes the answer.
    pub fn ask<T>(
        &self,
        question: &Question<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Unanswered> {
        for _ in 0..TRIES {
            match read(&self.line(question)?) {
                Ok(answer) => return Ok(answer),
                Err(why) => out::complain(&format!("  {why}")),
            }
        }
        Err(Unanswered(format!(
            "{TRIES} answers could not be read; give {} instead",
            question.flag
        )))
    }

    fn line(&self, question: &Question<'_>) -> Result<String, Unanswered> {
        let missing = |why: &str| Unanswered(format!("{} is missing: {why}", question.flag));
        match self {
            Self::Terminal(term) => {
                let read = || {
                    term.write_str(&format!("{}: ", question.text))?;
                    if question.is_secret { term.read_secure_line() } else { term.read_line() }
                };
                read().map_err(|error| missing(&format!("the terminal failed: {error}")))
            }
            Self::Lines(lines) => match lines.recv_timeout(PATIENCE) {
                Ok(line) => Ok(line),
                Err(RecvTimeoutError::Timeout) => {
                    Err(missing("nothing came on the standard input"))
                }
                Err(RecvTimeoutError::Disconnected) => Err(missing("the standard input has ended")),
            },
            Self::Nobody => Err(missing("there is no terminal to ask on")),
        }
    }
}

/// A thread of its own reads, for a read cannot be given up; it ends with the process.
fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
