//! Commands that other processes leave for the daemon. Invariant: a command is taken once, whatever
//! happens then: to send a message twice is worse than to ask a person again. A *call* is heard by
//! every process instead, and taken by none.

use super::hints::COMMAND;
use super::sql::{Connection, Row, args, statements};
use super::{Command, Error, Store};
use jiff::Timestamp;
use serde_json::Value;

statements! {
    LEAVE = "command", "insert into command (kind, body, created) values ($1, $2, $3) returning id";
    CALL = "command", "insert into command (kind, body, created, taken) values ($1, $2, $3, $3) \
        returning id";
    LEFT = "command", "select id, kind, body from command where taken is null order by id limit 64";
    TAKE = "command", "update command set taken = $2 where id = $1 and taken is null returning id";
    ANSWER = "command", "update command set answer = $2, answered = $3 where id = $1";
    ANSWERED = "command", "select answer from command where id = $1";
    CALLS = "command", "select id, kind, body from command where id > $1 and kind = $2 order by id";
    LAST = "command", "select coalesce(max(id), 0) as n from command";
}

impl Store {
    /// Leaves a command for the process that it concerns; answers its id.
    pub async fn leave_command(
        &self,
        kind: &str,
        body: &Value,
        now: Timestamp,
    ) -> Result<i64, Error> {
        self.leave(LEAVE, args![kind, body, now]).await
    }

    /// Leaves a call to all processes; answers its id. Each says in its `replica` row that it heard.
    pub async fn call_all(&self, kind: &str, now: Timestamp) -> Result<i64, Error> {
        let kind = kind.to_owned();
        self.write(move |db| Box::pin(async move { call(db, &kind, now).await })).await
    }

    async fn leave(
        &self,
        statement: super::sql::Statement,
        args: Vec<super::sql::Value>,
    ) -> Result<i64, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let id = db.fetch_row(statement, args).await?.int("id")?;
                db.tell(COMMAND).await?;
                Ok(id)
            })
        })
        .await
    }

    /// The id of the last command of any kind: calls after it are new to a process that starts now.
    pub async fn last_command(&self) -> Result<i64, Error> {
        self.reader().await?.fetch_row(LAST, args![]).await?.int("n")
    }

    /// The id of the last call of this kind after `heard`.
    pub async fn last_call(&self, kind: &str, heard: i64) -> Result<Option<i64>, Error> {
        let rows = self.reader().await?.fetch(CALLS, args![heard, kind]).await?;
        rows.last().map(|row| row.int("id")).transpose()
    }

    /// Takes the oldest command that nobody took and that concerns this process. With none there is
    /// no write.
    pub async fn take_command(
        &self,
        concerns: impl Fn(&Command) -> bool + Send,
        now: Timestamp,
    ) -> Result<Option<Command>, Error> {
        let rows = self.reader().await?.fetch(LEFT, args![]).await?;
        let left = rows.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        let Some(command) = left.into_iter().find(concerns) else { return Ok(None) };
        let id = command.id;
        let taken = self.write(move |db| Box::pin(db.fetch_one(TAKE, args![id, now]))).await?;
        Ok(taken.map(|_| command))
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

/// Leaves a call to all processes, within the transaction of what it tells.
pub(super) async fn call(db: &mut Connection, kind: &str, now: Timestamp) -> Result<i64, Error> {
    let id = db.fetch_row(CALL, args![kind, &Value::Null, now]).await?.int("id")?;
    db.tell(COMMAND).await?;
    Ok(id)
}

fn command(row: &Row) -> Result<Command, Error> {
    Ok(Command { id: row.int("id")?, kind: row.owned("kind")?, body: row.json("body")? })
}
