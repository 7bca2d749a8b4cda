//! Where a writer's database lives: how a transaction begins there, what is done between two, and how
//! a connection that broke is made anew. Invariant: on PostgreSQL all transactions that touch jobs
//! follow one another, whichever process they are of, as they do on SQLite; accepts wait for nobody.
//!
//! The writers of jobs of all processes take one advisory lock for the length of a transaction, so
//! that claims, lanes and plans are seen by one hand at a time and need no thought about what another
//! may have read meanwhile. A process that stands still inside a transaction is cut off by the
//! database (`idle_in_transaction_session_timeout`), which frees the lock.

use super::Error;
use super::sql::{Connection, args, statements};
use backon::{ConstantBuilder, Retryable};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use std::fs::File;
use std::time::Duration;

statements! {
    BEGIN = "the file", "begin immediate", postgres: "begin";
    CHECKPOINT = "the file", "pragma wal_checkpoint(passive)", postgres: "select 1";
    EMPTY_LOG = "the file", "pragma wal_checkpoint(truncate)", postgres: "select 1";
}

/// How a transaction of a writer of jobs begins. The number is the word `leadlink` in ASCII.
/// The level is told, whatever the server's default is: each statement must see what was committed
/// before the lock was had.
pub(super) const IN_TURN: &str = "begin isolation level read committed; \
    select pg_advisory_xact_lock(7810756212687466091)";

/// How long a writer tries to reach a database that went away before its callers hear of it. A
/// restart of PostgreSQL takes less.
const REACH: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(100);
/// A group of writes that takes longer than this on PostgreSQL has lost its connection.
const LONGEST: Duration = Duration::from_secs(40);
/// On SQLite nothing gets lost between us and the file.
const NO_END: Duration = Duration::from_secs(24 * 3600);

/// The home of one writer.
pub(super) enum Home {
    /// With the lock of the file's owner, held for as long as the writer lives; `None` beside it.
    Sqlite(Option<File>),
    Postgres {
        options: Box<PgConnectOptions>,
        /// Of jobs, which follow one another; not of accepts.
        in_turn: bool,
    },
}

impl Home {
    /// Begins a transaction; a connection that broke is made anew.
    pub async fn begin(&self, connection: &mut Connection, broken: bool) -> Result<(), Error> {
        let Self::Postgres { options, .. } = self else {
            return connection.execute(BEGIN, args![]).await.map(drop);
        };
        if !broken {
            let begun = tokio::time::timeout(LONGEST, self.begin_shared(connection)).await;
            if matches!(begun, Ok(Ok(()))) {
                return Ok(());
            }
        }
        let steps = usize::try_from(REACH.as_millis() / STEP.as_millis()).unwrap_or_default();
        let reach = ConstantBuilder::default().with_delay(STEP).with_max_times(steps);
        let anew = || async {
            let reached = options.connect().await;
            let reached = reached.map_err(|error| super::sql::failed("the database", &error));
            reached.map(|reached| Connection::Postgres(Box::new(reached)))
        };
        let reached = anew.retry(reach).sleep(tokio::time::sleep);
        let silent = |_| Error::Unavailable("the database does not answer".to_owned());
        *connection = tokio::time::timeout(REACH, reached).await.map_err(silent)??;
        tracing::info!("the database was reached anew");
        self.begin_shared(connection).await
    }

    async fn begin_shared(&self, connection: &mut Connection) -> Result<(), Error> {
        let words = match self {
            Self::Postgres { in_turn: true, .. } => IN_TURN,
            Self::Postgres { .. } | Self::Sqlite(_) => "begin",
        };
        connection.run("the database", words).await
    }

    /// How long a group of writes may take before its connection is given up.
    pub fn longest(&self) -> Duration {
        match self {
            Self::Sqlite(_) => NO_END,
            Self::Postgres { .. } => LONGEST,
        }
    }

    /// Moves SQLite's log into the file as far as readers allow. The owner's chore.
    pub async fn checkpoint(&self, connection: &mut Connection) {
        if let Self::Sqlite(Some(_)) = self {
            // What cannot be moved now is moved next time.
            let _later = connection.fetch(CHECKPOINT, args![]).await;
        }
    }

    /// Before the end: the log is left empty.
    pub async fn leave(self, mut connection: Connection) {
        if let Self::Sqlite(Some(_)) = self {
            // Failing leaves the log to the next opening, which reads it; nothing is lost.
            let _left = connection.fetch(EMPTY_LOG, args![]).await;
        }
        let _left = connection.close().await;
    }
}
