//! Space that deleted rows leave. Invariant: it is given back in steps so small that nobody waits for
//! them; a whole file is rewritten only when a person asks and no daemon runs.
//!
//! SQLite: a file that we made keeps its pages so that free ones can be cut off its end
//! (`auto_vacuum = incremental`). An older file needs one `leadlink migrate --compact`: a `vacuum`
//! of a file of gigabytes takes minutes in which nobody could write, so the chore never does it.
//! The log is cut by `journal_size_limit` when it starts anew.

use super::open;
use super::sql::{Connection, args, statements};
use super::{Error, Store};
use serde::Serialize;

statements! {
    SIZE = "the file", "select (select page_count from pragma_page_count) as pages, \
        (select freelist_count from pragma_freelist_count) as free, \
        (select page_size from pragma_page_size) as size, \
        (select auto_vacuum from pragma_auto_vacuum) as vacuum";
    CUT = "the file", "pragma incremental_vacuum(64)";
    INCREMENTAL = "the file", "pragma auto_vacuum = incremental";
    VACUUM = "the file", "vacuum";
    EMPTY_LOG = "the file", "pragma wal_checkpoint(truncate)";
}

/// Pages that one step of `shrink` cuts off, at most.
pub const STEP: u64 = 64;

/// What the database takes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Space {
    pub bytes: u64,
    /// Of these: not used.
    pub free: u64,
    /// Can free pages be given back while the daemon runs?
    pub can_shrink: bool,
}

impl Store {
    pub async fn space(&self) -> Result<Space, Error> {
        space(&mut self.reader().await?).await
    }

    /// Gives one step of free space back to the disk; answers what is left.
    pub async fn shrink(&self) -> Result<Space, Error> {
        let weight = usize::try_from(STEP).unwrap_or(usize::MAX);
        self.write_weighing(weight, move |db| {
            Box::pin(async move {
                db.fetch(CUT, args![]).await?;
                space(db).await
            })
        })
        .await
    }

    /// Rewrites the whole file without its free space, so that from now on it can shrink by itself.
    /// Takes the lock, as much room on the disk again, and minutes where there are gigabytes.
    pub async fn compact(url: &str) -> Result<(Space, Space), Error> {
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
