//! SQLite's side of the door. Invariant: a list goes in as JSON.

use super::{Row, Statement, Type, Value};
use crate::store::Error;
use sqlx::sqlite::{SqliteArguments, SqliteRow, SqliteValueRef};
use sqlx::{Column, Row as _, Sqlite, TypeInfo, ValueRef};
use std::sync::Arc;

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

pub(super) fn bound(statement: Statement, args: Vec<Value>) -> Query {
    args.into_iter().fold(sqlx::query(statement.sqlite()), |query, value| match value {
        Value::Null(_) => query.bind(None::<i64>),
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Blob(value) => query.bind(value),
        Value::Ints(items) => query.bind(serde_json::json!(items).to_string()),
        Value::Texts(items) => query.bind(serde_json::json!(items).to_string()),
    })
}

pub(super) fn rows(table: &'static str, rows: &[SqliteRow]) -> Result<Vec<Row>, Error> {
    let columns: Arc<[String]> = rows.first().map_or_else(
        || Vec::new().into(),
        |row| row.columns().iter().map(|column| column.name().to_owned()).collect(),
    );
    rows.iter().map(|row| read(table, &columns, row)).collect()
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
        return Ok(Value::Null(Type::Text));
    }
    match raw.type_info().name() {
        "INTEGER" => row.try_get_unchecked(at).map(Value::Int),
        "BLOB" => row.try_get_unchecked(at).map(Value::Blob),
        _ => row.try_get_unchecked(at).map(Value::Text),
    }
}

/// Does this result code speak of a defect or of damage, which no repeat mends?
pub(super) fn is_defect(code: &str) -> bool {
    let code = code.parse::<i32>().unwrap_or_default() & 0xff;
    // SQLITE_ERROR, CORRUPT, TOOBIG, CONSTRAINT, MISMATCH, RANGE, NOTADB
    matches!(code, 1 | 11 | 18 | 19 | 20 | 25 | 26)
}
