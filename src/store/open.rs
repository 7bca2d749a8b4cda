//! Opening a database: whose it is, its version, what a process that died left behind. Invariant:
//! of a SQLite file one process is the owner (the lock), and nobody else migrates it or takes leases
//! back; a PostgreSQL database has no owner, and what a process left there is found by its leases.

use super::home::Home;
use super::sql::{Connection, Statement, args, statements};
use super::writer::{self, Writer};
use super::{Error, Readers, Store, jobs, postgres};
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlSafeStr};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

statements! {
    BEGIN = "the file", "begin immediate", postgres: "begin";
    COMMIT = "the file", "commit";
    APPLIED = "_sqlx_migrations",
        "select coalesce(max(version), 0) as version from _sqlx_migrations where success";
}

/// How long a statement waits for a lock that another process holds (a backup, a command).
const BUSY: Duration = Duration::from_secs(2);
/// So long does a command beside the daemon, for whom nobody waits at a hook: a daemon that has much
/// to write on a slow disk lets others in between two of its transactions, and not at each.
const BESIDE: Duration = Duration::from_secs(20);
/// Requests that may wait for the writer before senders wait too.
pub(super) const QUEUE: usize = 4096;
/// Connections for reading. Few: a reader is a thread, and pages are cached by the system.
const READERS: u32 = 3;
/// Every statement stays prepared.
pub(super) const STATEMENTS: usize = 256;

/// Number, name, words for SQLite, words for PostgreSQL.
const MIGRATIONS: [(i64, &str, &str, &str); 10] = [
    (
        1,
        "memory",
        include_str!("../../migrations/sqlite/0001_memory.sql"),
        include_str!("../../migrations/postgres/0001_memory.sql"),
    ),
    (
        2,
        "counts",
        include_str!("../../migrations/sqlite/0002_counts.sql"),
        include_str!("../../migrations/postgres/0002_counts.sql"),
    ),
    (
        3,
        "house",
        include_str!("../../migrations/sqlite/0003_house.sql"),
        include_str!("../../migrations/postgres/0003_house.sql"),
    ),
    (
        4,
        "retention",
        include_str!("../../migrations/sqlite/0004_retention.sql"),
        include_str!("../../migrations/postgres/0004_retention.sql"),
    ),
    (
        5,
        "drift",
        include_str!("../../migrations/sqlite/0005_drift.sql"),
        include_str!("../../migrations/postgres/0005_drift.sql"),
    ),
    (
        6,
        "mend",
        include_str!("../../migrations/sqlite/0006_mend.sql"),
        include_str!("../../migrations/postgres/0006_mend.sql"),
    ),
    (
        7,
        "deals",
        include_str!("../../migrations/sqlite/0007_deals.sql"),
        include_str!("../../migrations/postgres/0007_deals.sql"),
    ),
    (
        8,
        "desk",
        include_str!("../../migrations/sqlite/0008_desk.sql"),
        include_str!("../../migrations/postgres/0008_desk.sql"),
    ),
    (
        9,
        "journals",
        include_str!("../../migrations/sqlite/0009_journals.sql"),
        include_str!("../../migrations/postgres/0009_journals.sql"),
    ),
    (
        10,
        "acts",
        include_str!("../../migrations/sqlite/0010_acts.sql"),
        include_str!("../../migrations/postgres/0010_acts.sql"),
    ),
];

impl Store {
    /// Opens and migrates. A SQLite file as its one owner: takes the lock and every lease back
    /// (running steps become unknown, deciding jobs wait again).
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, Error> {
        Self::open_waiting(url, now, BUSY).await
    }

    /// `open` with a wait of its own for locks, so that a test need not sit it out.
    pub(super) async fn open_waiting(
        url: &str,
        now: Timestamp,
        busy: Duration,
    ) -> Result<Self, Error> {
        if let Some(options) = postgres::options(url)? {
            return postgres::open(options).await;
        }
        let path = path_of(url)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| not_opened(&path, error))?;
        }
        let lock = lock(&path)?;
        // Free pages of a file that is made now can be cut off its end (`space`).
        let incremental = SqliteAutoVacuum::Incremental;
        let options = options(&path, busy).create_if_missing(true).auto_vacuum(incremental);
        let mut sqlite = options.connect().await.map_err(|error| not_opened(&path, error))?;
        let migrator = migrator(|(_, _, sqlite, _)| sqlite);
        migrator.run_direct(None, &mut sqlite, false).await.map_err(not_migrated)?;
        let mut connection = Connection::Sqlite(sqlite);
        connection.execute(BEGIN, args![]).await?;
        jobs::take_back_all(&mut connection, now).await?;
        connection.execute(COMMIT, args![]).await?;
        Ok(start(connection, Some(lock), &path, busy))
    }

    /// Opens beside a running daemon: for `why`, `status` and for leaving commands. No migration.
    pub async fn open_beside(url: &str) -> Result<Self, Error> {
        if let Some(options) = postgres::options(url)? {
            return postgres::open_beside(options).await;
        }
        let path = path_of(url)?;
        if !path.is_file() {
            return Err(Error::Empty(format!("there is no file {}", path.display())));
        }
        let options = options(&path, BESIDE);
        let sqlite = options.connect().await.map_err(|error| not_opened(&path, error))?;
        let mut connection = Connection::Sqlite(sqlite);
        same_version(&mut connection).await?;
        Ok(start(connection, None, &path, BESIDE))
    }
}

/// A connection under the lock, for what must have the file to itself.
pub(super) async fn alone(url: &str) -> Result<(Connection, File), Error> {
    let path = path_of(url)?;
    if !path.is_file() {
        return Err(not_opened(&path, "there is no such file yet"));
    }
    let lock = lock(&path)?;
    let sqlite = options(&path, BUSY).connect().await.map_err(|error| not_opened(&path, error))?;
    Ok((Connection::Sqlite(sqlite), lock))
}

/// The database is of the version that this program was written for.
pub(super) async fn same_version(connection: &mut Connection) -> Result<(), Error> {
    let applied: Statement = APPLIED;
    let version = match connection.fetch_row(applied, args![]).await {
        Ok(row) => row.int("version")?,
        Err(error @ Error::Unavailable(_)) => return Err(error),
        Err(_) => return Err(Error::Empty("it has no tables of leadlink".to_owned())),
    };
    if version == MIGRATIONS[MIGRATIONS.len() - 1].0 {
        return Ok(());
    }
    Err(Error::Version(format!("it is of version {version}; run `leadlink migrate`")))
}

/// The file that a URL names. The URL itself is not repeated in the error: it may hold a password.
fn path_of(url: &str) -> Result<PathBuf, Error> {
    let scheme = || url.split(':').next().unwrap_or_default().to_owned();
    let path = url.strip_prefix("sqlite:").ok_or_else(|| Error::Url(format!("{}:", scheme())))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') || path.contains(":memory:") {
        return Err(Error::Url(url.to_owned()));
    }
    Ok(PathBuf::from(path))
}

fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: what was answered survives a loss of power, not only of the process.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(busy)
        // The writer checkpoints when it suits it, never inside somebody's commit.
        .pragma("wal_autocheckpoint", "0")
        // A log that grew is cut when it starts anew.
        .pragma("journal_size_limit", "16777216")
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-4000")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

/// The lock beside the database; it ends with the process, however that ends.
fn lock(path: &Path) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| not_opened(&name, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Owned(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(not_opened(&name, error)),
    }
}

pub(super) fn migrator(
    words: impl Fn((i64, &'static str, &'static str, &'static str)) -> &'static str,
) -> Migrator {
    let migrations = MIGRATIONS.into_iter().map(|migration| {
        let (version, name, ..) = migration;
        let sql = words(migration).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn not_opened(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Open(format!("{}: {why}", path.display()))
}

pub(super) fn not_migrated(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => Error::Open(error.to_string()),
        other => Error::Version(other.to_string()),
    }
}

fn start(connection: Connection, lock: Option<File>, path: &Path, busy: Duration) -> Store {
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        // With neither limit set the pool starts no reaper, whose count can run away (sqlx 0.9).
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options(path, busy).read_only(true));
    let (accepts, accepts_in) = mpsc::channel(QUEUE);
    let (tasks, tasks_in) = mpsc::channel(QUEUE);
    let closing = CancellationToken::new();
    let writer = Writer::new(connection, Home::Sqlite(lock), accepts_in, tasks_in, closing.clone());
    let running = run(vec![writer]);
    Store {
        accepts,
        tasks,
        readers: Readers::Sqlite(readers),
        closing,
        running,
        written: watch::Sender::default(),
    }
}

/// Starts writers; answers how many of them still run.
pub(super) fn run(writers: Vec<Writer>) -> watch::Receiver<usize> {
    let (ended, running) = watch::channel(writers.len());
    for writer in writers {
        tokio::spawn(writer::run(writer, ended.clone()));
    }
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_migrations_is_applied() {
        for (folder, of) in [("sqlite", 2_usize), ("postgres", 3)] {
            let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(path).expect("the folder");
            let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
            files.sort();
            let texts = files.iter().map(|file| std::fs::read_to_string(file).expect("a file"));
            let applied = MIGRATIONS.map(|held| if of == 2 { held.2 } else { held.3 });
            assert_eq!(texts.collect::<Vec<_>>(), applied, "{folder}");
        }
    }
}
