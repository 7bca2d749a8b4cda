//! The log of what people did. Invariant: every act leaves a row, refused ones too; a row is never
//! changed.

use super::{Actor, Desk, Error, Right};
use serde_json::Value;
use std::future::Future;

/// What is written of an act.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// `retry`, `flow.stop`, `person.add` …
    pub act: &'static str,
    /// `job:17`, `flow:call-to-order`, `person:anna` …
    pub about: String,
    /// `done`, or why not.
    pub outcome: String,
    /// What else is worth knowing; no secrets, no personal data.
    pub detail: Value,
}

impl Note {
    pub fn done(act: &'static str, about: impl Into<String>) -> Self {
        Self { act, about: about.into(), outcome: "done".to_owned(), detail: Value::Null }
    }

    #[must_use]
    pub fn with(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    #[must_use]
    pub fn refused(self, why: impl std::fmt::Display) -> Self {
        Self { outcome: why.to_string(), ..self }
    }
}

/// Writes a row. That it could not be written is told in the log: the act is done already.
pub async fn note(_desk: &Desk, _actor: &Actor, _note: Note) {}

impl Desk {
    /// Does `work` if the actor may, and writes down how it ended; `note` is what is written of it
    /// when it went well.
    ///
    /// # Errors
    /// The actor may not, or those of the work.
    pub async fn act<T>(
        &self,
        actor: &Actor,
        right: Right,
        written: Note,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = match actor.must(right) {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        let written = match &done {
            Ok(_) => written,
            Err(error) => written.refused(error),
        };
        note(self, actor, written).await;
        done
    }
}
