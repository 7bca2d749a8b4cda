//! How far polls have read, and when connections were first started. Invariant: a cursor moves only
//! together with the rows that were read (`inbox`); a first start never changes.

use super::sql::{Connection, args, statements};
use super::{CursorMove, Error, Store};
use jiff::Timestamp;
use serde_json::Value;

statements! {
    ADVANCE = "cursor", "insert into cursor (connection, feed, position, moved) values ($1, $2, $3, $4) \
        on conflict (connection, feed) do update set position = excluded.position, moved = excluded.moved";
    POSITION = "cursor", "select position from cursor where connection = $1 and feed = $2";
    START = "connection_start", "insert into connection_start (connection, started) values ($1, $2) \
        on conflict (connection) do nothing";
    STARTED = "connection_start", "select started from connection_start where connection = $1";
}

impl Store {
    /// Where this feed was read to; `None` before its first poll.
    pub async fn cursor(&self, connection: &str, feed: &str) -> Result<Option<Value>, Error> {
        let found = self.reader().await?.fetch_one(POSITION, args![connection, feed]).await?;
        found.map(|row| row.json("position")).transpose()
    }

    /// When this connection was first started: the first caller's `now`.
    pub async fn first_start(&self, connection: &str, now: Timestamp) -> Result<Timestamp, Error> {
        let known = self.reader().await?.fetch_one(STARTED, args![connection]).await?;
        if let Some(row) = known {
            return row.time("started");
        }
        let name = connection.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                db.execute(START, args![&name, now]).await?;
                db.fetch_row(STARTED, args![&name]).await?.time("started")
            })
        })
        .await
    }
}

/// Moves a cursor, within the transaction that stores what was read.
pub(super) async fn advance(connection: &mut Connection, moved: &CursorMove) -> Result<(), Error> {
    let args = args![&moved.connection, &moved.feed, &moved.to, moved.at];
    connection.execute(ADVANCE, args).await.map(drop)
}
