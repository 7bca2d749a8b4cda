//! Opening a database: whose it is, its version, what a process that died left behind. Invariant:
//! one process owns the file (the lock); nobody else migrates it or takes leases back.

use super::sql::{Connection, Statement, args, statements};
use super::writer::{self, Writer};
use super::{Error, Store, jobs};
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

statements! {
    BEGIN = "the file", "begin immediate";
    COMMIT = "the file", "commit";
    APPLIED = "_sqlx_migrations",
        "select coalesce(max(version), 0) as version from _sqlx_migrations where success";
}

/// How long a statement waits for a lock that another process holds (a backup, a command).
const BUSY: Duration = Duration::from_secs(2);
/// Requests that may wait for the writer before senders wait too.
const QUEUE: usize = 4096;
/// Connections for reading. Few: a reader is a thread, and pages are cached by the system.
const READERS: u32 = 3;
/// Every statement stays prepared.
const STATEMENTS: usize = 256;

const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "memory", include_str!("../../migrations/sqlite/0001_memory.sql")),
    (2, "counts", include_str!("../../migrations/sqlite/0002_counts.sql")),
    (3, "house", include_str!("../../migrations/sqlite/0003_house.sql")),
    (5, "drift", include_str!("../../migrations/sqlite/0005_drift.sql")),
];

impl Store {
    /// Opens as the one owner: takes the lock, migrates, takes back every lease (running steps
    /// become unknown, deciding jobs wait again).
    pub async fn open(url: &str, now: Timestamp) -> Result<Self, Error> {
        Self::open_waiting(url, now, BUSY).await
    }

    /// `open` with a wait of its own for locks, so that a test need not sit it out.
    pub(super) async fn open_waiting(
        url: &str,
        now: Timestamp,
        busy: Duration,
    ) -> Result<Self, Error> {
        let path = path_of(url)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| not_opened(&path, error))?;
        }
        let lock = lock(&path)?;
        let options = options(&path, busy).create_if_missing(true);
        let mut sqlite = options.connect().await.map_err(|error| not_opened(&path, error))?;
        migrator().run_direct(None, &mut sqlite, false).await.map_err(not_migrated)?;
        let mut connection = Connection::Sqlite(sqlite);
        connection.execute(BEGIN, args![]).await?;
        jobs::take_back_all(&mut connection, now).await?;
        connection.execute(COMMIT, args![]).await?;
        Ok(start(connection, Some(lock), &path, busy))
    }

    /// Opens beside a running owner: for `why`, `status` and for leaving commands. No migration.
    pub async fn open_beside(url: &str) -> Result<Self, Error> {
        let path = path_of(url)?;
        if !path.is_file() {
            return Err(not_opened(&path, "there is no such file yet"));
        }
        let options = options(&path, BUSY);
        let sqlite = options.connect().await.map_err(|error| not_opened(&path, error))?;
        let mut connection = Connection::Sqlite(sqlite);
        let applied: Statement = APPLIED;
        let version = match connection.fetch_row(applied, args![]).await {
            Ok(row) => row.int("version")?,
            Err(error) => return Err(Error::Version(error.to_string())),
        };
        if version != MIGRATIONS[MIGRATIONS.len() - 1].0 {
            return Err(Error::Version(format!("the file is of version {version}")));
        }
        Ok(start(connection, None, &path, BUSY))
    }
}

/// The file that a URL names. The URL itself is not repeated in the error: it may hold a password.
fn path_of(url: &str) -> Result<PathBuf, Error> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Err(Error::Url("postgres:// (it comes with PostgreSQL support)".to_owned()));
    }
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

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.into_iter().map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn not_opened(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Open(format!("{}: {why}", path.display()))
}

fn not_migrated(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => Error::Open(error.to_string()),
        other => Error::Version(other.to_string()),
    }
}

fn start(connection: Connection, lock: Option<File>, path: &Path, busy: Duration) -> Store {
    let (accepts, accepts_in) = mpsc::channel(QUEUE);
    let (tasks, tasks_in) = mpsc::channel(QUEUE);
    let (ended_out, ended) = watch::channel(false);
    let closing = CancellationToken::new();
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        // With neither limit set the pool starts no reaper, whose count can run away (sqlx 0.9).
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options(path, busy).read_only(true));
    let writer = Writer::new(connection, lock, accepts_in, tasks_in, closing.clone());
    tokio::spawn(writer::run(writer, ended_out));
    Store { accepts, tasks, readers, closing, ended }
}
