//! Statements as both databases take them. Invariant: a statement is written once, in SQLite's words;
//! where PostgreSQL needs other words than the translation gives, they stand beside it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A statement and the table that it is about, for errors.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Statement {
    pub table: &'static str,
    /// As SQLite takes it.
    pub sql: &'static str,
    /// As PostgreSQL takes it, where the translation of `sql` is not it.
    pub other: Option<&'static str>,
}

/// Declares the statements of a file and collects them in `ALL`, which a test prepares one by one on
/// both databases: `NAME = "table", "sql";` or `NAME = "table", "sql", postgres: "sql";`.
macro_rules! statements {
    ($($name:ident = $table:literal, $sql:expr $(, postgres: $other:expr)?;)+) => {
        $(const $name: $crate::store::sql::Statement =
            $crate::store::sql::Statement::new($table, $sql)$(.on_postgres($other))?;)+
        /// Every statement of this file, for the test that prepares them.
        #[cfg(test)]
        pub(in crate::store) const ALL: &[$crate::store::sql::Statement] = &[$($name),+];
    };
}
pub(in crate::store) use statements;

impl Statement {
    pub const fn new(table: &'static str, sql: &'static str) -> Self {
        Self { table, sql, other: None }
    }

    /// One that is made while the program runs. Equal words are kept once.
    pub fn made(sql: &str) -> Self {
        static KEPT: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(sql).copied() {
            return Self::new("a table", known);
        }
        let words: &'static str = Box::leak(sql.to_owned().into_boxed_str());
        kept.insert(words);
        Self::new("a table", words)
    }

    pub const fn on_postgres(self, sql: &'static str) -> Self {
        Self { other: Some(sql), ..self }
    }

    /// The words for SQLite.
    pub fn sqlite(self) -> &'static str {
        static KEPT: Translations = LazyLock::new(Mutex::default);
        translation(&KEPT, self.sql, limited)
    }

    /// The words for PostgreSQL.
    pub fn postgres(self) -> &'static str {
        static KEPT: Translations = LazyLock::new(Mutex::default);
        self.other.unwrap_or_else(|| translation(&KEPT, self.sql, translated))
    }
}

/// Each translation is made once and kept: there are as many as there are statements in the code.
type Translations = LazyLock<Mutex<HashMap<&'static str, &'static str>>>;

fn translation(
    kept: &Translations,
    sql: &'static str,
    translate: fn(&'static str) -> Cow<'static, str>,
) -> &'static str {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.entry(sql).or_insert_with(|| match translate(sql) {
        Cow::Borrowed(same) => same,
        Cow::Owned(other) => Box::leak(other.into_boxed_str()),
    })
}

const LIMIT: &str = "limit $";

/// A bare number that is bound as a limit would make SQLite plan the statement anew at every call, for
/// it looks at its value; of a sum it does not.
fn limited(sql: &'static str) -> Cow<'static, str> {
    let mut parts = sql.split(LIMIT);
    let mut other = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        other.extend([LIMIT, number, " + 0", rest]);
    }
    if other == sql { Cow::Borrowed(sql) } else { Cow::Owned(other) }
}

const LIST: &str = "in (select value from json_each(";

/// Lists are arrays there: `in (select value from json_each($1))` is `= any($1)`.
fn translated(sql: &'static str) -> Cow<'static, str> {
    let mut other = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once(LIST) {
        let Some((argument, after)) = after.split_once("))") else { break };
        let (before, compare) = match before.strip_suffix("not ") {
            Some(before) => (before, "<> all("),
            None => (before, "= any("),
        };
        other.push_str(before);
        other.push_str(compare);
        other.push_str(argument);
        other.push(')');
        rest = after;
    }
    if other.is_empty() {
        return Cow::Borrowed(sql);
    }
    other.push_str(rest);
    Cow::Owned(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_arrays() {
        let sql = "select id from job where id in (select value from json_each($1)) \
                   and flow not in (select value from json_each($2)) limit $3";
        assert_eq!(
            translated(sql),
            "select id from job where id = any($1) and flow <> all($2) limit $3"
        );
        assert_eq!(translated("select 1"), "select 1");
    }

    #[test]
    fn limits_are_hidden_from_the_planner() {
        let sql = "select (select 1 limit $12) from job order by id limit $1";
        assert_eq!(
            limited(sql),
            "select (select 1 limit $12 + 0) from job order by id limit $1 + 0"
        );
        assert_eq!(limited("select 1 limit 1"), "select 1 limit 1");
    }

    #[test]
    fn a_translation_is_made_once() {
        let statement = Statement::new("job", "select 1 in (select value from json_each($1))");
        assert!(std::ptr::eq(statement.postgres(), statement.postgres()));
    }
}
