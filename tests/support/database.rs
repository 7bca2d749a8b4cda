//! The database of one house. Invariant: no house shares one with another.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub enum Database {
    File { path: PathBuf, url: String },
    Postgres { url: String },
}

/// The server that the journeys run on, if not on files.
pub fn server() -> Option<String> {
    std::env::var("LEADLINK_TEST_POSTGRES").ok()
}

impl Database {
    /// A new one: a file in the folder (which the daemon makes), or an empty database.
    /// On the server of all tests, if no other is named.
    pub async fn make(folder: &Path, other: Option<String>) -> Self {
        let Some(server) = other.or_else(server) else {
            let path = folder.join("leadlink.db");
            return Self::File { url: format!("sqlite:{}", path.display()), path };
        };
        let name = folder.file_name().expect("a name").to_string_lossy().replace('.', "_");
        let mut admin =
            PgConnection::connect(&format!("{server}/postgres")).await.expect("a server");
        let make = AssertSqlSafe(format!("create database \"h{name}\""));
        admin.execute(make).await.expect("a database is made");
        Self::Postgres { url: format!("{server}/h{name}") }
    }

    pub fn url(&self) -> &str {
        match self {
            Self::File { url, .. } | Self::Postgres { url } => url,
        }
    }

    /// The first column of a question.
    pub async fn ask(&self, question: &'static str) -> Vec<String> {
        match self {
            Self::File { path, .. } => {
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
                let mut connection = options.connect().await.expect("the database opens");
                let rows = sqlx::query(question).fetch_all(&mut connection).await.expect("rows");
                let texts = rows.iter().map(|row| row.try_get::<Option<String>, _>(0));
                texts.map(|text| text.expect("a text").unwrap_or_default()).collect()
            }
            Self::Postgres { url } => {
                let mut connection = PgConnection::connect(url).await.expect("the server answers");
                let rows = sqlx::query(question).fetch_all(&mut connection).await.expect("rows");
                let texts = rows.iter().map(|row| row.try_get::<Option<String>, _>(0));
                texts.map(|text| text.expect("a text").unwrap_or_default()).collect()
            }
        }
    }

    /// What no command of ours would do to the rows.
    pub async fn change(&self, changes: &[&'static str]) {
        match self {
            Self::File { path, .. } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.expect("the database opens");
                for change in changes {
                    sqlx::query(*change).execute(&mut connection).await.expect("changed");
                }
            }
            Self::Postgres { url } => {
                let mut connection = PgConnection::connect(url).await.expect("the server answers");
                for change in changes {
                    sqlx::query(*change).execute(&mut connection).await.expect("changed");
                }
            }
        }
    }

    /// As before the first start.
    pub async fn forget(&self) {
        match self {
            Self::File { path, .. } => std::fs::remove_file(path).expect("removed"),
            Self::Postgres { url } => {
                let mut connection = PgConnection::connect(url).await.expect("the server answers");
                let empty = "drop schema public cascade; create schema public";
                connection.execute(empty).await.expect("all tables are dropped");
            }
        }
    }

    /// The only process was killed: as if the time of its leases had passed. (Of a file the next
    /// process is the owner at once.)
    pub fn leases_run_out(&self) {
        let Self::Postgres { url } = self else { return };
        let out = "update connection_owner set lease_until = 0; update replica set seen = 0; \
                   update job set lease_until = 0 where state = 'deciding'";
        let done = Command::new("psql")
            .args(["-q", "-d", url, "-c", out])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // A house that was killed before it made its tables has none.
        drop(done);
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { url } = self else { return };
        let (server, name) = url.rsplit_once('/').unwrap_or_default();
        let drop_it = format!("drop database if exists \"{name}\" with (force)");
        let gone = Command::new("psql")
            .args(["-q", "-d", &format!("{server}/postgres"), "-c", &drop_it])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        drop(gone);
    }
}
