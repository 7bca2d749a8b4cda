//! The inbox: what came in, byte for byte, under its dedupe key. Invariant: a row is stored once; its
//! cursor moves in the same transaction; `accept` answers when both are durable.

use super::sql::{Connection, Row, Value, args, list, statements};
use super::writer::Accept;
use super::{Accepted, CursorMove, Error, Store, cursors};
use crate::domain::Raw;
use std::collections::HashSet;
use tokio::sync::oneshot;

statements! {
    INSERT = "raw", "insert into raw (connection, channel, content_type, body, dedupe_key, received, state) \
        values ($1, $2, $3, $4, $5, $6, 'new') \
        on conflict (connection, dedupe_key) do nothing returning connection, dedupe_key";
    INSERT_MANY = "raw", MANY;
    UNROUTED = "raw", "select id, connection, channel, content_type, body, dedupe_key, received \
        from raw where state = 'new' order by id limit $1";
    UNROUTED_OF = "raw", "select id, connection, channel, content_type, body, dedupe_key, received \
        from raw where state = 'new' and connection in (select value from json_each($2)) \
        order by id limit $1";
    LAST = "raw", "select max(id) as id from raw";
    ARRIVED = "raw", "select id, connection, channel, content_type, body, dedupe_key, received \
        from raw where id > $2 and connection = $1 and channel = 'hook' order by id limit 100";
}

/// Rows of `INSERT_MANY`. A statement costs more than a row, so rows of all callers of a group go
/// in together.
const MANY_ROWS: usize = 16;
const MANY: &str = "insert into raw (connection, channel, content_type, body, dedupe_key, received, state) values \
     ($1, $2, $3, $4, $5, $6, 'new'), ($7, $8, $9, $10, $11, $12, 'new'), \
     ($13, $14, $15, $16, $17, $18, 'new'), ($19, $20, $21, $22, $23, $24, 'new'), \
     ($25, $26, $27, $28, $29, $30, 'new'), ($31, $32, $33, $34, $35, $36, 'new'), \
     ($37, $38, $39, $40, $41, $42, 'new'), ($43, $44, $45, $46, $47, $48, 'new'), \
     ($49, $50, $51, $52, $53, $54, 'new'), ($55, $56, $57, $58, $59, $60, 'new'), \
     ($61, $62, $63, $64, $65, $66, 'new'), ($67, $68, $69, $70, $71, $72, 'new'), \
     ($73, $74, $75, $76, $77, $78, 'new'), ($79, $80, $81, $82, $83, $84, 'new'), \
     ($85, $86, $87, $88, $89, $90, 'new'), ($91, $92, $93, $94, $95, $96, 'new') \
     on conflict (connection, dedupe_key) do nothing returning connection, dedupe_key";

impl Store {
    /// Stores rows under their dedupe keys and moves the cursor; returns only when it is durable.
    pub async fn accept(
        &self,
        rows: Vec<Raw>,
        cursor: Option<CursorMove>,
    ) -> Result<Accepted, Error> {
        let (answer, answered) = oneshot::channel();
        let accept = Accept { rows, cursor, answer };
        self.accepts.send(accept).await.map_err(|_| super::closed())?;
        let done = answered.await.map_err(|_| super::dropped())?;
        if done.is_ok() {
            self.written.send_modify(|count| *count += 1);
        }
        done
    }

    /// The oldest rows that are not routed yet: all, or those of these connections.
    pub async fn unrouted(&self, limit: u32, of: Option<&[String]>) -> Result<Vec<Raw>, Error> {
        let mut db = self.reader().await?;
        let rows = match of {
            Some(connections) => db.fetch(UNROUTED_OF, args![limit, list(connections)]).await?,
            None => db.fetch(UNROUTED, args![limit]).await?,
        };
        rows.iter().map(raw).collect()
    }

    /// The number of what came in last; 0 when nothing has.
    pub async fn last_arrival(&self) -> Result<i64, Error> {
        let mut db = self.reader().await?;
        Ok(db.fetch_row(LAST, args![]).await?.opt_int("id")?.unwrap_or_default())
    }

    /// What came in at the door of this connection after that number, oldest first, at most 100.
    pub async fn arrived(&self, connection: &str, after: i64) -> Result<Vec<Raw>, Error> {
        let mut db = self.reader().await?;
        db.fetch(ARRIVED, args![connection, after]).await?.iter().map(raw).collect()
    }
}

/// Stores the rows of all these callers; answers each one's counts. Of two callers that bring the
/// same key the first has the new row.
pub(super) async fn store(
    connection: &mut Connection,
    accepts: &[Accept],
) -> Result<Vec<Accepted>, Error> {
    let rows: Vec<&Raw> = accepts.iter().flat_map(|accept| &accept.rows).collect();
    let mut new = keep(connection, rows).await?;
    for moved in accepts.iter().filter_map(|accept| accept.cursor.as_ref()) {
        cursors::advance(connection, moved).await?;
    }
    Ok(accepts.iter().map(|accept| counted(accept, &mut new)).collect())
}

/// Stores rows; answers the connections and keys of those that are new.
pub(super) async fn keep(
    connection: &mut Connection,
    mut rows: Vec<&Raw>,
) -> Result<HashSet<(String, String)>, Error> {
    if connection.is_shared() {
        // Two processes that keep the same deliveries in one order never wait for each other.
        rows.sort_by_key(|raw| (&raw.connection, &raw.dedupe_key));
    }
    let mut new: HashSet<(String, String)> = HashSet::with_capacity(rows.len());
    let (chunks, rest) = rows.as_chunks::<MANY_ROWS>();
    for chunk in chunks {
        let args = chunk.iter().flat_map(|raw| values(raw)).collect();
        keep_keys(&mut new, &connection.fetch(INSERT_MANY, args).await?)?;
    }
    for raw in rest {
        keep_keys(&mut new, &connection.fetch(INSERT, values(raw).into()).await?)?;
    }
    Ok(new)
}

fn keep_keys(new: &mut HashSet<(String, String)>, rows: &[Row]) -> Result<(), Error> {
    for row in rows {
        new.insert((row.owned("connection")?, row.owned("dedupe_key")?));
    }
    Ok(())
}

/// Takes the new keys of this caller out of those that are new.
fn counted(accept: &Accept, new: &mut HashSet<(String, String)>) -> Accepted {
    let mut counts = Accepted::default();
    for raw in &accept.rows {
        if new.remove(&(raw.connection.clone(), raw.dedupe_key.clone())) {
            counts.new += 1;
        } else {
            counts.duplicate += 1;
        }
    }
    counts
}

fn values(raw: &Raw) -> [Value; 6] {
    [
        Value::from(&raw.connection),
        Value::from(&raw.channel),
        Value::from(&raw.content_type),
        Value::from(raw.body.as_slice()),
        Value::from(&raw.dedupe_key),
        Value::from(raw.received),
    ]
}

fn raw(row: &Row) -> Result<Raw, Error> {
    Ok(Raw {
        id: row.int("id")?,
        connection: row.owned("connection")?,
        channel: row.owned("channel")?,
        content_type: row.owned("content_type")?,
        body: row.blob("body")?,
        dedupe_key: row.owned("dedupe_key")?,
        received: row.time("received")?,
    })
}
