//! The one door to a database: statements, values in, rows out. Invariant: every other file of this
//! room speaks to a database only through `Connection`, whose arms are the databases.

mod postgres;
mod row;
mod sqlite;
mod statement;
mod value;

pub(super) use row::Row;
pub(super) use statement::{Statement, statements};
pub(super) use value::{Type, Value, args, json, list, plain};

use super::Error;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgDatabaseError;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

/// A connection of whatever database is behind the URL.
pub(super) enum Connection {
    /// The writer's own.
    Sqlite(SqliteConnection),
    /// A reader's, inside a read transaction that ends when it is dropped.
    SqliteReader(sqlx::Transaction<'static, Sqlite>),
    /// A reader's without a transaction: for one statement.
    SqlitePooled(PoolConnection<Sqlite>),
    /// A writer's own.
    Postgres(Box<PgConnection>),
    /// A reader's, inside a transaction that sees one state and ends when it is dropped.
    PostgresReader(sqlx::Transaction<'static, Postgres>),
    /// A reader's without a transaction.
    PostgresPooled(PoolConnection<Postgres>),
}

/// A connection as its driver knows it.
enum Driver<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

statements! {
    NOW = "the clock", "select $1 as now",
        postgres: "select (extract(epoch from clock_timestamp()) * 1000)::bigint + 0 * $1::bigint as now";
    TELL = "the listeners", "select $1 as told", postgres: "select pg_notify('leadlink', $1)";
}

impl Connection {
    fn driver(&mut self) -> Driver<'_> {
        match self {
            Self::Sqlite(connection) => Driver::Sqlite(connection),
            Self::SqliteReader(transaction) => Driver::Sqlite(transaction),
            Self::SqlitePooled(connection) => Driver::Sqlite(connection),
            Self::Postgres(connection) => Driver::Postgres(connection),
            Self::PostgresReader(transaction) => Driver::Postgres(transaction),
            Self::PostgresPooled(connection) => Driver::Postgres(connection),
        }
    }

    /// Is the database one that several processes share?
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::PostgresReader(_) | Self::PostgresPooled(_))
    }

    /// Runs a statement; answers how many rows it changed.
    pub async fn execute(&mut self, statement: Statement, args: Vec<Value>) -> Result<u64, Error> {
        let done = match self.driver() {
            Driver::Sqlite(driver) => sqlite::bound(statement, args)
                .execute(driver)
                .await
                .map(|done| done.rows_affected()),
            Driver::Postgres(driver) => postgres::bound(statement, args)
                .execute(driver)
                .await
                .map(|done| done.rows_affected()),
        };
        done.map_err(|error| failed(statement.table, &error))
    }

    /// Runs a statement and reads all its rows.
    pub async fn fetch(
        &mut self,
        statement: Statement,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, Error> {
        let trouble = |error: sqlx::Error| failed(statement.table, &error);
        match self.driver() {
            Driver::Sqlite(driver) => {
                let rows = sqlite::bound(statement, args).fetch_all(driver).await;
                sqlite::rows(statement.table, &rows.map_err(trouble)?)
            }
            Driver::Postgres(driver) => {
                let rows = postgres::bound(statement, args).fetch_all(driver).await;
                postgres::rows(statement.table, &rows.map_err(trouble)?)
            }
        }
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

    /// Statements without arguments, in one message where the database takes it so.
    pub async fn run(&mut self, table: &'static str, sql: &'static str) -> Result<(), Error> {
        let done = match self.driver() {
            Driver::Sqlite(driver) => sqlx::raw_sql(sql).execute(driver).await.map(drop),
            Driver::Postgres(driver) => sqlx::raw_sql(sql).execute(driver).await.map(drop),
        };
        done.map_err(|error| failed(table, &error))
    }

    /// A statement that is made of the schema's own names, and thus not one of the code's; its words
    /// are kept for the life of the process, as a copy of tables needs few of them.
    pub async fn fetch_made(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, Error> {
        self.fetch(Statement::made(sql), args).await
    }

    /// As `fetch_made`; answers how many rows it changed.
    pub async fn execute_made(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, Error> {
        self.execute(Statement::made(sql), args).await
    }

    /// As `run`, of the schema's own names.
    pub async fn run_made(&mut self, sql: &str) -> Result<(), Error> {
        self.run("a table", Statement::made(sql).sql).await
    }

    /// The time by which leases are kept: of one process its own, of several the database's, since
    /// their own may differ, and one that stood still must not believe that no time has passed.
    pub async fn lease_clock(&mut self, now: Timestamp) -> Result<Timestamp, Error> {
        // The tests of this room set the time of both databases.
        if cfg!(test) || !self.is_shared() {
            return Ok(now);
        }
        self.fetch_row(NOW, args![now]).await?.time("now")
    }

    /// Tells every process that listens, once this transaction is committed. A hint only.
    pub async fn tell(&mut self, word: &str) -> Result<(), Error> {
        if !self.is_shared() {
            return Ok(());
        }
        self.execute(TELL, args![word]).await.map(drop)
    }

    /// Closes a writer's connection; readers go back to their pool by being dropped.
    pub async fn close(self) -> Result<(), Error> {
        let closed = match self {
            Self::Sqlite(connection) => sqlx::Connection::close(connection).await,
            Self::Postgres(connection) => sqlx::Connection::close(*connection).await,
            _ => Ok(()),
        };
        closed.map_err(|error| failed("the database", &error))
    }
}

/// What a failure means to a caller: trouble of the moment, or a defect that no repeat mends.
pub(super) fn failed(table: &'static str, error: &sqlx::Error) -> Error {
    let sqlx::Error::Database(told) = error else {
        return match error {
            // A column that does not decode, a list that does not encode: ours or the data's.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
                Error::Damaged { table, why: error.to_string() }
            }
            _ => Error::Unavailable(error.to_string()),
        };
    };
    let code = told.code().unwrap_or_default();
    let defect = match told.try_downcast_ref::<PgDatabaseError>() {
        Some(_) => postgres::is_defect(&code),
        None => sqlite::is_defect(&code),
    };
    if defect {
        Error::Damaged { table, why: told.message().to_owned() }
    } else {
        Error::Unavailable(told.message().to_owned())
    }
}
