//! Chores by the clock. Invariant: a chore is run by one process at a time, the one whose lease it
//! is; `last_run` moves when a run has ended, to the time at which it was due, so that two processes
//! or two starts in one night make one run.

use super::sql::{Row, args, statements};
use super::{Error, Store, jobs};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

statements! {
    REGISTER = "chore", "insert into chore (name, last_run) values ($1, $2) \
        on conflict (name) do update set last_run = coalesce(chore.last_run, excluded.last_run)";
    ONE = "chore", "select name, last_run, owner, until, report from chore where name = $1";
    ALL_OF_THEM = "chore", "select name, last_run, owner, until, report from chore order by name";
    CLAIM = "chore", "update chore set owner = $2, until = $5 \
        where name = $1 and last_run < $3 and (owner is null or until < $4)";
    RENEW = "chore", "update chore set until = $3 where name = $1 and owner = $2";
    FINISH = "chore", "update chore set last_run = $3, report = $4, owner = null, until = null \
        where name = $1 and owner = $2";
    AGAIN = "chore", "update chore set last_run = $2 where name = $1 and last_run > $2";
    RELEASE = "chore", "update chore set owner = null, until = null where name = $1 and owner = $2";
}

/// A chore as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct ChoreRow {
    pub name: String,
    /// When the last run that ended was due; before the first one, when it was first known.
    pub last_run: Timestamp,
    /// Who runs it now, and until when it is theirs.
    pub owner: Option<String>,
    pub until: Option<Timestamp>,
    /// What the last run did.
    pub report: Option<Value>,
}

impl Store {
    /// Makes a chore known. A new one counts as run: its first run is the next one that comes due.
    pub async fn register_chore(&self, name: &'static str, now: Timestamp) -> Result<(), Error> {
        if self.chore(name).await?.is_some() {
            return Ok(());
        }
        self.write(move |db| {
            Box::pin(async move { db.execute(REGISTER, args![name, now]).await.map(drop) })
        })
        .await
    }

    pub async fn chore(&self, name: &str) -> Result<Option<ChoreRow>, Error> {
        let found = self.reader().await?.fetch_one(ONE, args![name]).await?;
        found.as_ref().map(chore).transpose()
    }

    /// All chores, for `status`.
    pub async fn chores(&self) -> Result<Vec<ChoreRow>, Error> {
        let rows = self.reader().await?.fetch(ALL_OF_THEM, args![]).await?;
        rows.iter().map(chore).collect()
    }

    /// Takes the chore for the run that is due at `due`; false where that was run already, or where
    /// another process is at it.
    pub async fn claim_chore(
        &self,
        name: &'static str,
        owner: &str,
        due: Timestamp,
        (lease, now): (Duration, Timestamp),
    ) -> Result<bool, Error> {
        let owner = owner.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let clock = db.lease_clock(now).await?;
                let args = args![name, owner, due, clock, jobs::lease_end(clock, lease)];
                Ok(db.execute(CLAIM, args).await? > 0)
            })
        })
        .await
    }

    /// Lengthens our lease; false where the chore is not ours any more.
    pub async fn renew_chore(
        &self,
        name: &'static str,
        owner: &str,
        lease: Duration,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let owner = owner.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let until = jobs::lease_end(db.lease_clock(now).await?, lease);
                Ok(db.execute(RENEW, args![name, owner, until]).await? > 0)
            })
        })
        .await
    }

    /// The run that was due at `due` has ended; false where the chore was not ours any more.
    pub async fn finish_chore(
        &self,
        name: &'static str,
        owner: &str,
        due: Timestamp,
        report: &Value,
    ) -> Result<bool, Error> {
        let args = args![name, owner, due, report];
        self.write(move |db| Box::pin(async move { Ok(db.execute(FINISH, args).await? > 0) })).await
    }

    /// Makes a chore overdue: its last run counts as one before `due`. Whoever looks next runs it.
    pub async fn ask_for_chore(&self, name: &'static str, due: Timestamp) -> Result<(), Error> {
        let before = Timestamp::from_millisecond(due.as_millisecond() - 1).unwrap_or(due);
        let args = args![name, before];
        self.write(move |db| Box::pin(async move { db.execute(AGAIN, args).await.map(drop) })).await
    }

    /// Lets go of a run that broke off: whoever looks next takes it up.
    pub async fn release_chore(&self, name: &'static str, owner: &str) -> Result<(), Error> {
        let args = args![name, owner];
        self.write(move |db| Box::pin(async move { db.execute(RELEASE, args).await.map(drop) }))
            .await
    }
}

fn chore(row: &Row) -> Result<ChoreRow, Error> {
    Ok(ChoreRow {
        name: row.owned("name")?,
        last_run: row.time("last_run")?,
        owner: row.opt_text("owner")?.map(str::to_owned),
        until: row.opt_time("until")?,
        report: row.opt_json("report")?,
    })
}
