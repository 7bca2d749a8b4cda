//! A PostgreSQL database, which several processes share. Invariant: it has no owner; each process
//! has a connection for accepts, one for all other writes (`home`), a few for reading and, where a
//! daemon runs, one that listens.

use super::home::Home;
use super::open::{QUEUE, STATEMENTS, migrator, not_migrated, run, same_version};
use super::sql::Connection;
use super::writer::Writer;
use super::{Error, Readers, Store};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Connections for reading, of each process.
const READERS: u32 = 4;
/// A connection that was used so lately is taken to be there still.
const FRESH: Duration = Duration::from_millis(500);
/// Opening fails after this, and says why.
const OPENING: Duration = Duration::from_secs(10);
/// A reader waits so long for a connection while the database is away.
const READING: Duration = Duration::from_secs(4);

/// How to connect, if this is a URL of PostgreSQL. The URL is in no error: it may hold a password.
pub(super) fn options(url: &str) -> Result<Option<PgConnectOptions>, Error> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Ok(None);
    }
    let options: PgConnectOptions = url.parse().map_err(|_| {
        Error::Url(
            "the address in [store] url (write postgres://USER:PASSWORD@HOST/DATABASE)".into(),
        )
    })?;
    let options = options
        .application_name("leadlink")
        .options([
            // Who stands still inside a transaction loses it: its locks are needed by others.
            ("idle_in_transaction_session_timeout", standstill().as_str()),
            ("statement_timeout", "30s"),
            // A host that went away without a word is noticed.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
            // Answered is durable, whatever the server's default is.
            ("synchronous_commit", "on"),
        ])
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    Ok(Some(options))
}

pub(super) async fn open(options: PgConnectOptions) -> Result<Store, Error> {
    let mut connection = connect(&options).await?;
    let migrator = migrator(|(.., postgres)| postgres);
    migrator.run_direct(None, &mut connection, false).await.map_err(not_migrated)?;
    start(connection, options).await
}

pub(super) async fn open_beside(options: PgConnectOptions) -> Result<Store, Error> {
    let connection = connect(&options).await?;
    let mut connection = Connection::Postgres(Box::new(connection));
    same_version(&mut connection).await?;
    match connection {
        Connection::Postgres(connection) => start(*connection, options).await,
        _ => Err(Error::Open("this is no PostgreSQL".to_owned())),
    }
}

/// How long a process may stand still inside a transaction, well below a lease. Tests have short ones.
fn standstill() -> String {
    #[cfg(feature = "testing")]
    if let Some(lease) = std::env::var("LEADLINK_LEASE").ok().and_then(|ms| ms.parse::<u64>().ok())
    {
        return format!("{}ms", (lease / 3).clamp(1, 5000));
    }
    "5s".to_owned()
}

/// One connection; the database's reason in the error.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    let place = || {
        let database = options.get_database().unwrap_or_default();
        format!("PostgreSQL {database} at {}:{}", options.get_host(), options.get_port())
    };
    match tokio::time::timeout(OPENING, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Error::Open(format!("{}: {error}", place()))),
        Err(_) => Err(Error::Open(format!("{} does not answer", place()))),
    }
}

async fn start(tasks_by: PgConnection, options: PgConnectOptions) -> Result<Store, Error> {
    let accepts_by = connect(&options).await?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // One that lay idle while the database was restarted is made anew, and nobody hears of it.
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < FRESH {
                    return Ok(true);
                }
                let ping = sqlx::Connection::ping(connection);
                Ok(matches!(tokio::time::timeout(READING, ping).await, Ok(Ok(()))))
            })
        })
        .acquire_timeout(READING)
        .connect_lazy_with(options.clone());
    let (accepts, accepts_in) = mpsc::channel(QUEUE);
    let (tasks, tasks_in) = mpsc::channel(QUEUE);
    let closing = CancellationToken::new();
    let writer = |connection, in_turn, accepts_in, tasks_in| {
        let home = Home::Postgres { options: Box::new(options.clone()), in_turn };
        let connection = Connection::Postgres(Box::new(connection));
        Writer::new(connection, home, accepts_in, tasks_in, closing.clone())
    };
    let writers = vec![
        writer(accepts_by, false, accepts_in, mpsc::channel(1).1),
        writer(tasks_by, true, mpsc::channel(1).1, tasks_in),
    ];
    let running = run(writers);
    Ok(Store {
        accepts,
        tasks,
        readers: Readers::Postgres(readers),
        closing,
        running,
        written: watch::Sender::default(),
    })
}

impl Store {
    /// The pool of readers, for who needs a connection of its own there.
    pub(super) fn postgres(&self) -> Option<&sqlx::PgPool> {
        match &self.readers {
            Readers::Postgres(pool) => Some(pool),
            Readers::Sqlite(_) => None,
        }
    }
}
