//! The one door to a database: statements, values in, rows out. Invariant: every other file of this
//! room speaks to a database only through `Connection`, so that a second database is a second arm
//! of its `match`es. Rows are owned and checked: what does not read back is `Error::Damaged`.

use super::Error;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteRow, SqliteValueRef};
use sqlx::{Column, Row as _, Sqlite, SqliteConnection, TypeInfo, ValueRef};
use std::sync::Arc;

/// A statement and the table that it is about, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement {
    pub table: &'static str,
    pub sql: &'static str,
}

/// Declares the statements of a file and collects them in `ALL`, which a test prepares one by one.
macro_rules! statements {
    ($($name:ident = $table:literal, $sql:expr;)+) => {
        $(const $name: $crate::store::sql::Statement =
            $crate::store::sql::Statement { table: $table, sql: $sql };)+
        /// Every statement of this file, for the test that prepares them.
        #[cfg(test)]
        pub(in crate::store) const ALL: &[$crate::store::sql::Statement] = &[$($name),+];
    };
}
pub(super) use statements;

/// A value in the types that both databases share.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_millisecond())
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        Self::Text(value.to_string())
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Arguments of a statement, each turned into a `Value`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use args;

/// A list of ids or texts as one JSON argument, for `in (select value from json_each($n))`.
pub(super) fn list<T: serde::Serialize>(items: &[T]) -> Value {
    Value::Text(serde_json::json!(items).to_string())
}

/// JSON of a plain value of ours.
pub(super) fn json<T: serde::Serialize>(table: &'static str, value: &T) -> Result<Value, Error> {
    serde_json::to_string(value)
        .map(Value::Text)
        .map_err(|error| Error::Damaged { table, why: error.to_string() })
}

/// A row that was read whole.
#[derive(Debug)]
pub(super) struct Row {
    table: &'static str,
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    pub fn damaged(&self, column: &str, why: impl std::fmt::Display) -> Error {
        Error::Damaged { table: self.table, why: format!("{column}: {why}") }
    }

    fn get(&self, column: &str) -> Result<&Value, Error> {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.values.get(at)).ok_or_else(|| self.damaged(column, "no such column"))
    }

    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, Error> {
        match self.get(column)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            Value::Text(_) | Value::Blob(_) => Err(self.damaged(column, "not a whole number")),
        }
    }

    pub fn int(&self, column: &str) -> Result<i64, Error> {
        self.opt_int(column)?.ok_or_else(|| self.damaged(column, "missing"))
    }

    /// A count or a small number that is never negative.
    pub fn count<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Error> {
        T::try_from(self.int(column)?).map_err(|_| self.damaged(column, "out of range"))
    }

    pub fn flag(&self, column: &str) -> Result<bool, Error> {
        Ok(self.int(column)? != 0)
    }

    pub fn opt_text(&self, column: &str) -> Result<Option<&str>, Error> {
        match self.get(column)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            Value::Int(_) | Value::Blob(_) => Err(self.damaged(column, "not a text")),
        }
    }

    pub fn text(&self, column: &str) -> Result<&str, Error> {
        self.opt_text(column)?.ok_or_else(|| self.damaged(column, "missing"))
    }

    pub fn owned(&self, column: &str) -> Result<String, Error> {
        self.text(column).map(str::to_owned)
    }

    pub fn blob(&self, column: &str) -> Result<Vec<u8>, Error> {
        match self.get(column)? {
            Value::Blob(value) => Ok(value.clone()),
            // An empty blob and an empty text look alike on the way out.
            Value::Null => Ok(Vec::new()),
            Value::Int(_) | Value::Text(_) => Err(self.damaged(column, "not bytes")),
        }
    }

    pub fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        let Some(ms) = self.opt_int(column)? else { return Ok(None) };
        Timestamp::from_millisecond(ms).map(Some).map_err(|error| self.damaged(column, error))
    }

    pub fn time(&self, column: &str) -> Result<Timestamp, Error> {
        self.opt_time(column)?.ok_or_else(|| self.damaged(column, "missing"))
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, Error> {
        serde_json::from_str(self.text(column)?).map_err(|error| self.damaged(column, error))
    }

    pub fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.opt_text(column)? else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| self.damaged(column, error))
    }
}

/// A connection of whatever database is behind the URL. PostgreSQL joins here.
pub(super) enum Connection {
    /// The writer's own.
    Sqlite(SqliteConnection),
    /// A reader's, inside a read transaction that ends when it is dropped.
    SqliteReader(sqlx::Transaction<'static, Sqlite>),
    /// A reader's without a transaction: for one statement.
    SqlitePooled(PoolConnection<Sqlite>),
}

impl Connection {
    fn sqlite(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Sqlite(connection) => connection,
            Self::SqliteReader(transaction) => transaction,
            Self::SqlitePooled(connection) => connection,
        }
    }

    /// Runs a statement; answers how many rows it changed.
    pub async fn execute(&mut self, statement: Statement, args: Vec<Value>) -> Result<u64, Error> {
        let done = bound(statement, args).execute(self.sqlite()).await;
        done.map(|done| done.rows_affected()).map_err(|error| failed(statement.table, &error))
    }

    /// Runs a statement and reads all its rows.
    pub async fn fetch(
        &mut self,
        statement: Statement,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, Error> {
        let rows = bound(statement, args).fetch_all(self.sqlite()).await;
        let rows = rows.map_err(|error| failed(statement.table, &error))?;
        let columns: Arc<[String]> = rows.first().map_or_else(
            || Vec::new().into(),
            |row| row.columns().iter().map(|column| column.name().to_owned()).collect(),
        );
        rows.iter().map(|row| read(statement.table, &columns, row)).collect()
    }

    /// The first row, if there is any.
    pub async fn fetch_one(
        &mut self,
        statement: Statement,
        args: Vec<Value>,
    ) -> Result<Option<Row>, Error> {
        Ok(self.fetch(statement, args).await?.into_iter().next())
    }

    /// The first row of a statement that always has one.
    pub async fn fetch_row(
        &mut self,
        statement: Statement,
        args: Vec<Value>,
    ) -> Result<Row, Error> {
        self.fetch_one(statement, args).await?.ok_or_else(|| Error::Damaged {
            table: statement.table,
            why: "a row that must be there is not".to_owned(),
        })
    }

    /// Closes the writer's connection; readers go back to their pool by being dropped.
    pub async fn close(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => sqlx::Connection::close(connection)
                .await
                .map_err(|error| failed("the file", &error)),
            Self::SqliteReader(_) | Self::SqlitePooled(_) => Ok(()),
        }
    }
}

type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound(statement: Statement, args: Vec<Value>) -> Query {
    args.into_iter().fold(sqlx::query(statement.sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
    })
}

fn read(table: &'static str, columns: &Arc<[String]>, row: &SqliteRow) -> Result<Row, Error> {
    let values = (0..columns.len())
        .map(|at| {
            let value = row.try_get_raw(at).and_then(|raw| value_of(row, at, &raw));
            value.map_err(|error| Error::Damaged { table, why: error.to_string() })
        })
        .collect::<Result<_, _>>()?;
    Ok(Row { table, columns: Arc::clone(columns), values })
}

fn value_of(row: &SqliteRow, at: usize, raw: &SqliteValueRef<'_>) -> Result<Value, sqlx::Error> {
    if raw.is_null() {
        return Ok(Value::Null);
    }
    match raw.type_info().name() {
        "INTEGER" => row.try_get_unchecked(at).map(Value::Int),
        "BLOB" => row.try_get_unchecked(at).map(Value::Blob),
        _ => row.try_get_unchecked(at).map(Value::Text),
    }
}

/// What a failure means to a caller: trouble of the moment, or a defect that no repeat mends.
pub(super) fn failed(table: &'static str, error: &sqlx::Error) -> Error {
    let sqlx::Error::Database(told) = error else {
        return Error::Unavailable(error.to_string());
    };
    let code = told.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default() & 0xff;
    match code {
        // SQLITE_ERROR, CORRUPT, TOOBIG, CONSTRAINT, MISMATCH, RANGE, NOTADB
        1 | 11 | 18 | 19 | 20 | 25 | 26 => Error::Damaged { table, why: told.message().to_owned() },
        _ => Error::Unavailable(told.message().to_owned()),
    }
}
