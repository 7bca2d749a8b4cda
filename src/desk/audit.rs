//! The log of what people did. Invariant: every act leaves a row, refused ones too; a row is never
//! changed.

use super::{Actor, Desk, Error, Right};
use crate::clock::Clock;
use crate::store::{self, ActRow, Acts, NewAct, Store};
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

    /// What became known while it was done stands beside what was asked for.
    #[must_use]
    fn and(mut self, more: Value) -> Self {
        match (&mut self.detail, more) {
            (_, Value::Null) => {}
            (Value::Object(asked), Value::Object(more)) => asked.extend(more),
            (detail, more) => *detail = more,
        }
        self
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

/// Does `work` if the actor may, and writes down how it ended, also where who asked goes away meanwhile.
pub(super) async fn written_down<T: Send + 'static>(
    (store, clock): (Store, Clock),
    actor: Actor,
    right: Right,
    note: Note,
    work: impl Future<Output = Result<(T, Value), Error>> + Send + 'static,
) -> Result<T, Error> {
    let acting = tokio::spawn(async move {
        let done = match actor.must(right) {
            Ok(()) => work.await,
            Err(error) => Err(error),
        };
        let (done, note) = match done {
            Ok((done, more)) => (Ok(done), note.and(more)),
            Err(error) => (Err(error.clone()), note.refused(error)),
        };
        write(&store, &actor, note, clock.now()).await;
        done
    });
    // It broke off: a defect, or the process ends.
    let broken = |_| Error::Store(store::Error::Unavailable("the act broke off".to_owned()));
    acting.await.map_err(broken)?
}

impl Desk {
    /// Does `work` if the actor may, and writes down how it ended; `written` is what is written of it
    /// when it went well. Who asked may go away meanwhile: the act goes on, and its row is written.
    ///
    /// # Errors
    /// The actor may not, or those of the work.
    pub async fn act<T: Send + 'static>(
        &self,
        actor: &Actor,
        right: Right,
        written: Note,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let work = async move { work.await.map(|done| (done, Value::Null)) };
        self.act_and_tell(actor, right, written, work).await
    }

    /// As [`Desk::act`], of work that also answers what else shall be written of it.
    ///
    /// # Errors
    /// As of [`Desk::act`].
    pub async fn act_and_tell<T: Send + 'static>(
        &self,
        actor: &Actor,
        right: Right,
        written: Note,
        work: impl Future<Output = Result<(T, Value), Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let house = (self.pipeline.store.clone(), self.pipeline.clock.clone());
        written_down(house, actor.clone(), right, written, work).await
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
