//! PostgreSQL's side of the door. Invariant: whole numbers are `bigint`, texts `text`, bytes `bytea`,
//! lists arrays of them; a truth that a statement answers is 0 or 1, as on SQLite.

use super::{Row, Statement, Type, Value, plain};
use crate::store::Error;
use sqlx::postgres::{PgArguments, PgRow, PgValueRef};
use sqlx::{Column, Postgres, Row as _, TypeInfo, ValueRef};
use std::sync::Arc;

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

pub(super) fn bound(statement: Statement, args: Vec<Value>) -> Query {
    args.into_iter().fold(sqlx::query(statement.postgres()), |query, value| match value {
        Value::Null(Type::Int) => query.bind(None::<i64>),
        Value::Null(Type::Text) => query.bind(None::<String>),
        Value::Null(Type::Blob) => query.bind(None::<Vec<u8>>),
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(text(value)),
        Value::Blob(value) => query.bind(value),
        Value::Ints(items) => query.bind(items),
        Value::Texts(items) => query.bind(items.into_iter().map(text).collect::<Vec<_>>()),
    })
}

/// A text cannot hold the character zero there. JSON never does: it writes `\u0000`.
fn text(value: String) -> String {
    if value.contains('\0') { plain(&value) } else { value }
}

pub(super) fn rows(table: &'static str, rows: &[PgRow]) -> Result<Vec<Row>, Error> {
    let columns: Arc<[String]> = rows.first().map_or_else(
        || Vec::new().into(),
        |row| row.columns().iter().map(|column| column.name().to_owned()).collect(),
    );
    rows.iter().map(|row| read(table, &columns, row)).collect()
}

fn read(table: &'static str, columns: &Arc<[String]>, row: &PgRow) -> Result<Row, Error> {
    let values = (0..columns.len())
        .map(|at| {
            let value = row.try_get_raw(at).and_then(|raw| value_of(row, at, &raw));
            value.map_err(|error| Error::Damaged { table, why: error.to_string() })
        })
        .collect::<Result<_, _>>()?;
    Ok(Row { table, columns: Arc::clone(columns), values })
}

fn value_of(row: &PgRow, at: usize, raw: &PgValueRef<'_>) -> Result<Value, sqlx::Error> {
    if raw.is_null() {
        return Ok(Value::Null(Type::Text));
    }
    match raw.type_info().name() {
        "INT8" => row.try_get::<i64, _>(at).map(Value::Int),
        "INT4" => row.try_get::<i32, _>(at).map(|value| Value::Int(i64::from(value))),
        "BOOL" => row.try_get::<bool, _>(at).map(|value| Value::Int(i64::from(value))),
        "BYTEA" => row.try_get(at).map(Value::Blob),
        // What is none of ours says so here.
        _ => row.try_get::<String, _>(at).map(Value::Text),
    }
}

/// Does this SQLSTATE speak of a defect or of damage, which no repeat mends? All else — connections,
/// resources, operators, locks, conflicts — passes.
pub(super) fn is_defect(state: &str) -> bool {
    const DEFECTS: [&str; 9] = ["0A", "21", "22", "23", "26", "34", "42", "44", "XX"];
    DEFECTS.iter().any(|class| state.starts_with(class))
}
