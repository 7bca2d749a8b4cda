//! The log of what people did. Invariant: every act leaves a row, refused ones too; a row is never
//! changed.

use super::{Actor, Desk, Error, Right};
use crate::store::{ActRow, Acts, NewAct, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::future::Future;
use utoipa::ToSchema;

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

/// An act that was written down.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    pub id: i64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// A person, `token:NAME`, or a name of the operating system.
    pub who: String,
    /// `console`, `api` or `command`.
    pub door: String,
    pub act: String,
    pub about: String,
    /// `done`, or why not.
    pub outcome: String,
    pub detail: Value,
    pub address: Option<String>,
}

impl From<ActRow> for Entry {
    fn from(row: ActRow) -> Self {
        let ActRow { id, at, who, door, act, about, outcome, detail, address } = row;
        Self { id, at, who, door, act, about, outcome, detail, address }
    }
}

/// Some of the log, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entries {
    pub rows: Vec<Entry>,
    /// What to ask for with `before` to see those before them.
    pub next: Option<i64>,
}

/// Writes a row. That it could not be written is told in the log: the act is done already.
pub async fn note(desk: &Desk, actor: &Actor, note: Note) {
    write(&desk.pipeline.store, actor, note, desk.pipeline.clock.now()).await;
}

/// As [`note`], for who has no desk.
pub async fn write(store: &Store, actor: &Actor, note: Note, now: Timestamp) {
    let (act, about) = (note.act, note.about.clone());
    let row = NewAct {
        who: actor.name.clone(),
        door: actor.door.word(),
        act: note.act.to_owned(),
        about: note.about,
        outcome: note.outcome,
        detail: note.detail,
        address: actor.address.clone(),
    };
    if let Err(error) = store.note(row, now).await {
        tracing::error!(%error, who = actor.name, act, about, "an act could not be written down");
    }
}

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

    /// The log, newest first.
    ///
    /// # Errors
    /// The actor may not, or the store's.
    pub async fn audit(&self, actor: &Actor, asked: &Acts, most: u32) -> Result<Entries, Error> {
        actor.must(Right::Manage)?;
        let most = most.clamp(1, 500);
        let mut rows = self.pipeline.store.noted(asked, most + 1).await?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| more).map(|row| row.id);
        Ok(Entries { rows: rows.into_iter().map(Entry::from).collect(), next })
    }
}
