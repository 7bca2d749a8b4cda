//! The journal of messages as people page through it. Invariant: one row is one message, however
//! often we heard of it.

use super::{Listed, Slice};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// Which messages; none: all. `search` is what a person typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of the messenger.
    pub connection: Option<String>,
    /// `in` from the person, `out` to them.
    pub direction: Option<String>,
    pub state: Option<String>,
    /// A phone in any mask, an e-mail, the id of a person or a message: exact, whatever the span.
    pub search: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageRow {
    pub row: i64,
    /// Of the messenger.
    pub connection: String,
    pub at: Timestamp,
    /// `in`, `out`.
    pub direction: String,
    /// Who it is from or for, as the messenger knows them.
    pub person: Option<String>,
    /// Canonical key, where one is known: `phone:+7…`.
    pub contact: Option<String>,
    /// Cut after some hundred characters.
    pub text: Option<String>,
    /// How many.
    pub files: u32,
    /// received; waiting, queued, sent, delivered, read, error, refused, unknown.
    pub state: String,
    pub why: Option<String>,
    /// Key of its event.
    pub event: Option<String>,
}

impl Store {
    /// Messages, newest first.
    pub async fn listed_messages(
        &self,
        _filter: &MessageFilter,
        _slice: &Slice,
    ) -> Result<Listed<MessageRow>, Error> {
        Ok(Listed::default())
    }
}
