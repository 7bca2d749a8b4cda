//! Space that deleted rows leave. Invariant: it is given back in steps so small that nobody waits for
//! them; a whole file is rewritten only when a person asks and no daemon runs.
//!
//! SQLite: a file that we made keeps its pages so that free ones can be cut off its end
//! (`auto_vacuum = incremental`). An older file needs one `leadlink migrate --compact`: a `vacuum`
//! of a file of gigabytes takes minutes in which nobody could write, so the chore never does it.
//! The log is cut by `journal_size_limit` when it starts anew.
//!
//! PostgreSQL: `vacuum (analyze)` of the tables that lost rows makes their space usable again, beside
//! everything else that goes on; the server's own vacuum would do so later.

use super::sql::{Connection, args, statements};
use super::{Error, Rows, Store, open, postgres};
use serde::Serialize;

statements! {
    SIZE = "the file", "select (select page_count from pragma_page_count) as pages, \
        (select freelist_count from pragma_freelist_count) as free, \
        (select page_size from pragma_page_size) as size, \
        (select auto_vacuum from pragma_auto_vacuum) as vacuum",
        postgres: "select pg_database_size(current_database()) as pages, 0 as free, 1 as size, \
        0 as vacuum";
    CUT = "the file", "pragma incremental_vacuum(64)", postgres: "select 1";
    INCREMENTAL = "the file", "pragma auto_vacuum = incremental", postgres: "select 1";
    VACUUM = "the file", "vacuum", postgres: "select 1";
    EMPTY_LOG = "the file", "pragma wal_checkpoint(truncate)", postgres: "select 1";
}

/// Rows of the log that one step of `shrink` counts as.
const STEP: usize = 64;

/// What retention deletes from, and how PostgreSQL is told to make use of the space.
const TABLES: [(&str, &str); 18] = [
    ("raw", "vacuum (analyze) raw"),
    ("raw_event", "vacuum (analyze) raw_event"),
    ("event", "vacuum (analyze) event"),
    ("event_key", "vacuum (analyze) event_key"),
    ("job", "vacuum (analyze) job"),
    ("job_event", "vacuum (analyze) job_event"),
    ("job_lane", "vacuum (analyze) job_lane"),
    ("decision", "vacuum (analyze) decision"),
    ("step", "vacuum (analyze) step"),
    ("attempt", "vacuum (analyze) attempt"),
    ("link", "vacuum (analyze) link"),
    ("command", "vacuum (analyze) command"),
    ("replica", "vacuum (analyze) replica"),
    ("connection_state", "vacuum (analyze) connection_state"),
    ("lead", "vacuum (analyze) lead"),
    ("lead_contact", "vacuum (analyze) lead_contact"),
    ("entity", "vacuum (analyze) entity"),
    ("backfill", "vacuum (analyze) backfill"),
];

/// What the database takes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Space {
    pub bytes: u64,
    /// Of these: not used. PostgreSQL does not tell.
    pub free: u64,
    /// Can free space be given back to the disk while the daemon runs?
    pub can_shrink: bool,
}

impl Store {
    pub async fn space(&self) -> Result<Space, Error> {
        space(&mut self.reader().await?).await
    }

    /// Gives one step of free space back to the disk; answers what is left.
    pub async fn shrink(&self) -> Result<Space, Error> {
        self.write_weighing(STEP, move |db| {
            Box::pin(async move {
                db.fetch(CUT, args![]).await?;
                space(db).await
            })
        })
        .await
    }

    /// Has PostgreSQL make use of the space of rows that were deleted. Nothing to do on SQLite.
    pub async fn vacuum(&self, deleted: &Rows) -> Result<(), Error> {
        let Some(pool) = self.postgres() else { return Ok(()) };
        let touched = TABLES.iter().filter(|(table, _)| deleted.contains_key(table));
        let words: Vec<_> = touched.map(|(table, words)| (*table, *words)).collect();
        if words.is_empty() {
            return Ok(());
        }
        // A connection of its own: this takes as long as it takes, and no transaction may be open.
        let connection = postgres::connect(&pool.connect_options()).await?;
        let mut connection = Connection::Postgres(Box::new(connection));
        connection.run("the database", "set statement_timeout = 0").await?;
        for (table, words) in words {
            connection.run(table, words).await?;
        }
        connection.close().await
    }

    /// Rewrites the whole file without its free space, so that from now on it can shrink by itself.
    /// Takes the lock, as much room on the disk again, and minutes where there are gigabytes.
    /// PostgreSQL has no file of ours: it is told to make use of what is free.
    pub async fn compact(url: &str) -> Result<(Space, Space), Error> {
        if postgres::options(url)?.is_some() {
            let store = Self::open_beside(url).await?;
            let before = store.space().await?;
            store.vacuum(&TABLES.iter().map(|(table, _)| (*table, 0)).collect()).await?;
            let after = store.space().await?;
            store.close().await;
            return Ok((before, after));
        }
        let (mut connection, lock) = open::alone(url).await?;
        let before = space(&mut connection).await?;
        for statement in [INCREMENTAL, VACUUM, EMPTY_LOG] {
            connection.fetch(statement, args![]).await?;
        }
        let after = space(&mut connection).await?;
        connection.close().await?;
        drop(lock);
        Ok((before, after))
    }
}

async fn space(connection: &mut Connection) -> Result<Space, Error> {
    let row = connection.fetch_row(SIZE, args![]).await?;
    let (pages, free, size): (u64, u64, u64) =
        (row.count("pages")?, row.count("free")?, row.count("size")?);
    // 2: incremental.
    Ok(Space { bytes: pages * size, free: free * size, can_shrink: row.int("vacuum")? == 2 })
}
