//! The journal of messages as people page through it. Invariant: one row is one message, however
//! often we heard of it.

use super::{Found, Listed, Slice, told, walk};
use crate::domain::contact::contact_key;
use crate::store::sql::{Row, Value, args, statements};
use crate::store::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;

/// A page of messages by what leads to them, newest first. From $6 on: what else they are filtered by.
macro_rules! messages {
    ($from:literal) => {
        concat!(
            "select m.id, m.connection, m.at, m.direction, m.chat, m.person, m.name, m.contact, m.text, \
                m.files, m.state, m.why, m.event from message m where ",
            $from,
            " m.at >= $1 and m.at < $2 and (m.at, m.id) < ($3, $4) \
            and (cast($6 as text) is null or m.connection = $6) \
            and (cast($7 as text) is null or m.direction = $7) \
            and (cast($8 as text) is null or m.state = $8) \
            order by m.at desc, m.id desc limit $5"
        )
    };
}

statements! {
    ALL_MESSAGES = "message", messages!("");
    OF_CONNECTION = "message", messages!("m.connection = $9 and ");
    OF_DIRECTION = "message", messages!("m.direction = $9 and ");
    OF_STATE = "message", messages!("m.state = $9 and ");
    OF_CONTACT = "message", messages!("m.contact = $9 and m.contact <> '' and ");
    OF_CHAT = "message", messages!("m.chat = $9 and ");
    OF_PERSON = "message", messages!("m.person = $9 and m.person <> '' and ");
    OF_ID = "message", messages!("m.message_id = $9 and ");
}

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
        filter: &MessageFilter,
        slice: &Slice,
    ) -> Result<Listed<MessageRow>, Error> {
        let mut db = self.snapshot().await?;
        let mut found = Found::new();
        let args = |whole, more: Option<&str>| {
            let MessageFilter { connection, direction, state, .. } = filter;
            let mut args: Vec<Value> = slice.args(whole);
            args.extend(args![connection.as_ref(), direction.as_ref(), state.as_ref()]);
            args.extend(more.map(Value::from));
            args
        };
        if let Some(typed) = filter.search.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            let bare = typed.split_once(':').filter(|(kind, _)| ["phone", "email"].contains(kind));
            if let Some(contact) = contact_key(bare.map_or(typed, |(_, bare)| bare)) {
                found.add(db.fetch(OF_CONTACT, args(true, Some(&contact))).await?)?;
            }
            let id = typed.strip_prefix("message:").unwrap_or(typed);
            for statement in [OF_CHAT, OF_PERSON, OF_ID] {
                found.add(db.fetch(statement, args(true, Some(id))).await?)?;
            }
        } else {
            let one = [
                (OF_STATE, &filter.state),
                (OF_CONNECTION, &filter.connection),
                (OF_DIRECTION, &filter.direction),
            ];
            let chosen = one.into_iter().find_map(|(sql, value)| Some((sql, value.as_deref()?)));
            let (statement, more) = chosen.map_or((ALL_MESSAGES, None), |(s, v)| (s, Some(v)));
            found.add(walk(&mut db, statement, args(false, more)).await?)?;
        }
        let (rows, next) = found.cut(slice)?;
        Ok(Listed { rows: rows.iter().map(message).collect::<Result<_, _>>()?, next })
    }
}

fn message(row: &Row) -> Result<MessageRow, Error> {
    let person = told(row, "name")?.or(told(row, "person")?);
    Ok(MessageRow {
        row: row.int("id")?,
        connection: row.owned("connection")?,
        at: row.time("at")?,
        direction: row.owned("direction")?,
        person: person.or(told(row, "chat")?),
        contact: told(row, "contact")?,
        text: told(row, "text")?,
        files: row.count("files")?,
        state: row.owned("state")?,
        why: told(row, "why")?,
        event: told(row, "event")?,
    })
}
