//! Commands that other processes leave for the daemon. Invariant: a command is taken once, whatever
//! happens then: to send a message twice is worse than to ask a person again.

use super::sql::{args, statements};
use super::{Command, Error, Store};
use jiff::Timestamp;
use serde_json::Value;

statements! {
    LEAVE = "command", "insert into command (kind, body, created) values ($1, $2, $3) returning id";
    LEFT = "command", "select id from command where taken is null order by id limit 1";
    TAKE = "command", "update command set taken = $1 where id = ( \
        select id from command where taken is null order by id limit 1) returning id, kind, body";
    ANSWER = "command", "update command set answer = $2, answered = $3 where id = $1";
    ANSWERED = "command", "select answer from command where id = $1";
}

impl Store {
    /// Leaves a command for the process that owns the database; answers its id.
    pub async fn leave_command(
        &self,
        kind: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<i64, Error> {
        let args = args![kind, body, now];
        self.write(move |db| Box::pin(async move { db.fetch_row(LEAVE, args).await?.int("id") }))
            .await
    }

    /// Takes the oldest command that nobody took. With none there is no write.
    pub async fn take_command(&self, now: Timestamp) -> Result<Option<Command>, Error> {
        if self.reader().await?.fetch_one(LEFT, args![]).await?.is_none() {
            return Ok(None);
        }
        let taken = self.write(move |db| Box::pin(db.fetch_one(TAKE, args![now]))).await?;
        let Some(row) = taken else { return Ok(None) };
        Ok(Some(Command { id: row.int("id")?, kind: row.owned("kind")?, body: row.json("body")? }))
    }

    pub async fn answer_command(
        &self,
        id: i64,
        answer: &Value,
        now: Timestamp,
    ) -> Result<(), Error> {
        let args = args![id, answer, now];
        self.write(move |db| Box::pin(async move { db.execute(ANSWER, args).await.map(drop) }))
            .await
    }

    /// The answer to a command, once there is one.
    pub async fn command_answer(&self, id: i64) -> Result<Option<Value>, Error> {
        let found = self.reader().await?.fetch_one(ANSWERED, args![id]).await?;
        found.map_or(Ok(None), |row| row.opt_json("answer"))
    }
}
