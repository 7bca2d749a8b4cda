//! What other processes tell this one. Invariant: a hint only saves waiting; whoever misses one
//! finds the work by looking.

use super::Store;
use sqlx::postgres::PgListener;
use std::time::Duration;

/// What happened elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There are new rows in the inbox.
    Arrived,
    /// A connection was given up by its owner.
    Free,
    /// A command was left, or something else that this process does not know.
    Other,
}

/// What a process says when it gives connections up.
pub(super) const FREE: &str = "free";
/// What is said when a command is left.
pub(super) const COMMAND: &str = "command";

const AGAIN: Duration = Duration::from_secs(1);

/// The hints of one process. On SQLite there are none.
pub struct Hints {
    store: Store,
    listener: Option<PgListener>,
}

impl Store {
    /// Begins to listen at the first `next`.
    pub fn hints(&self) -> Hints {
        Hints { store: self.clone(), listener: None }
    }
}

impl Hints {
    /// The next hint; never comes back on SQLite. A connection that breaks is made anew; what was told
    /// meanwhile is missed.
    pub async fn next(&mut self) -> Hint {
        let Some(pool) = self.store.postgres().cloned() else {
            return std::future::pending().await;
        };
        loop {
            if let Some(listener) = &mut self.listener {
                match listener.recv().await {
                    Ok(told) => {
                        return match told.payload() {
                            super::ARRIVED => Hint::Arrived,
                            FREE => Hint::Free,
                            _ => Hint::Other,
                        };
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no hints from the database; it is looked at instead");
                        self.listener = None;
                    }
                }
            }
            match listen(&pool).await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

async fn listen(pool: &sqlx::PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("leadlink").await?;
    Ok(listener)
}
