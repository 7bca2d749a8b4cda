//! A row that was read whole. Invariant: what does not read back as its column's type is
//! `Error::Damaged`, never a default.

use super::{Value, plain};
use crate::store::Error;
use jiff::Timestamp;
use std::sync::Arc;

/// A row that was read whole.
#[derive(Debug)]
pub(in crate::store) struct Row {
    pub(super) table: &'static str,
    pub(super) columns: Arc<[String]>,
    pub(super) values: Vec<Value>,
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
            Value::Null(_) => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            _ => Err(self.damaged(column, "not a whole number")),
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
            Value::Null(_) => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            _ => Err(self.damaged(column, "not a text")),
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
            Value::Null(_) => Ok(Vec::new()),
            _ => Err(self.damaged(column, "not bytes")),
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

    /// The row as an object, in the forms that PostgreSQL reads back: bytes as `\\x…`.
    pub fn to_json(&self) -> serde_json::Value {
        let value = |value: &Value| match value {
            Value::Int(value) => (*value).into(),
            Value::Text(value) => plain(value).into(),
            Value::Blob(bytes) => {
                let hex = bytes.iter().fold(String::from("\\x"), |mut hex, byte| {
                    hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
                    hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
                    hex
                });
                hex.into()
            }
            Value::Null(_) | Value::Ints(_) | Value::Texts(_) => serde_json::Value::Null,
        };
        let fields = self.columns.iter().zip(&self.values);
        fields.map(|(name, held)| (name.clone(), value(held))).collect()
    }

    /// The values of these columns, to go on after this row.
    pub fn values_of(&self, columns: &[String]) -> Result<Vec<Value>, Error> {
        columns.iter().map(|column| self.get(column).cloned()).collect()
    }

    pub fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.opt_text(column)? else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| self.damaged(column, error))
    }
}
