//! What looks for drift found. Invariant: one row a connection, replaced whole by each look.

use super::sql::{args, statements};
use super::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

statements! {
    KEEP = "drift", "insert into drift (connection, looked, problems, seen) values ($1, $2, $3, $4) \
        on conflict (connection) do update set looked = excluded.looked, \
            problems = excluded.problems, seen = excluded.seen";
    LAST = "drift", "select connection, looked, problems, seen from drift where connection = $1";
}

/// The last look at a connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftRow {
    pub connection: String,
    pub looked: Timestamp,
    /// As `check --json` has them.
    pub problems: Vec<Value>,
    /// What the next look compares with.
    #[serde(skip)]
    pub seen: Value,
}

impl Store {
    /// The last look at this connection; `None` before the first.
    pub async fn drift(&self, connection: &str) -> Result<Option<DriftRow>, Error> {
        let found = self.reader().await?.fetch_one(LAST, args![connection]).await?;
        found.map(|row| read(&row)).transpose()
    }

    /// Keeps what a look found.
    pub async fn keep_drift(&self, row: &DriftRow) -> Result<(), Error> {
        let problems = Value::from(row.problems.clone());
        let args = args![&row.connection, row.looked, &problems, &row.seen];
        self.write(move |db| Box::pin(async move { db.execute(KEEP, args).await.map(drop) })).await
    }
}

pub(super) fn read(row: &super::sql::Row) -> Result<DriftRow, Error> {
    Ok(DriftRow {
        connection: row.owned("connection")?,
        looked: row.time("looked")?,
        problems: row.json("problems")?,
        seen: row.json("seen")?,
    })
}
