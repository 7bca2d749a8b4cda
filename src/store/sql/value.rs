//! Values that go into statements and come out of rows. Invariant: the same Rust type is bound with
//! the same database type at every call, none included, so that a prepared statement stays fit.

use crate::store::Error;
use jiff::Timestamp;

/// A value in the types that both databases share; a list only goes in.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) enum Value {
    Null(Type),
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// What a none would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Type {
    Int,
    Text,
    Blob,
}

/// A type whose none is told apart.
pub(in crate::store) trait Typed: Into<Value> {
    const TYPE: Type;
}

macro_rules! typed {
    ($($from:ty => $type:ident, |$value:ident| $into:expr;)+) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$type($into)
            }
        }
        impl Typed for $from {
            const TYPE: Type = Type::$type;
        })+
    };
}

typed! {
    i64 => Int, |value| value;
    u32 => Int, |value| i64::from(value);
    bool => Int, |value| i64::from(value);
    Timestamp => Int, |value| value.as_millisecond();
    &str => Text, |value| value.to_owned();
    &String => Text, |value| value.clone();
    String => Text, |value| value;
    &serde_json::Value => Text, |value| value.to_string();
    &[u8] => Blob, |value| value.to_vec();
}

/// JSON made by [`json`].
impl Typed for Value {
    const TYPE: Type = Type::Text;
}

impl<T: Typed> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null(T::TYPE), Into::into)
    }
}

/// Arguments of a statement, each turned into a `Value`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(in crate::store) use args;

/// What a list may hold.
pub(in crate::store) trait Item: Sized {
    fn list(items: &[Self]) -> Value;
}

impl Item for i64 {
    fn list(items: &[Self]) -> Value {
        Value::Ints(items.to_vec())
    }
}
impl Item for String {
    fn list(items: &[Self]) -> Value {
        Value::Texts(items.to_vec())
    }
}
impl Item for &str {
    fn list(items: &[Self]) -> Value {
        Value::Texts(items.iter().map(|item| (*item).to_owned()).collect())
    }
}

/// A list as one argument, for `in (select value from json_each($n))`.
pub(in crate::store) fn list<T: Item>(items: &[T]) -> Value {
    T::list(items)
}

/// JSON of a plain value of ours.
pub(in crate::store) fn json<T: serde::Serialize>(
    table: &'static str,
    value: &T,
) -> Result<Value, Error> {
    serde_json::to_string(value)
        .map(Value::Text)
        .map_err(|error| Error::Damaged { table, why: error.to_string() })
}

/// A text as every database holds it: PostgreSQL has no character zero in texts, and a key or a reason
/// that somebody sent with one keeps a sign of it.
pub(in crate::store) fn plain(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}
