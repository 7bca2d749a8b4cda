//! What has grown old is deleted. Invariant: nothing goes that is still needed, and nothing that a
//! far side may bring again acts again.
//!
//! - **Needed** is a job that waits, runs or is stuck with its event, and the raw rows, decisions,
//!   steps and attempts of that; a step whose outcome is unknown; a raw row that is not routed; an
//!   event that another event's job covers, as long as that one stays. Cursors, first starts, owners
//!   of connections (their epochs must never go back) and chores are state, not history: they stay.
//!   The newest command stays too: calls are heard by their ids, which must go on growing.
//! - **Brought again**: a raw row may go although its bytes may come again: they are then read anew
//!   as an event that is known, which changes nothing. So what counts is the event's key, and that
//!   holds for ever: deleting an event leaves its keys in `gone_key`. `max_age` would not do, for a
//!   hook that is repeated registers its lead when it arrives.
//! - **Finding**: rows are walked through in the order of their ids, from the oldest on, in windows
//!   that readers read; a walk ends with the first window in which no row is old enough. No table
//!   needs an index by time for it. What was kept is passed over again the next night. Leads alone
//!   are walked through by their time: a backfill brings old ones late.
//! - **Deleting** is the writer's, some rows at a time, and looks again whether each is still free:
//!   between the window and the delete a delivery may have come.

use super::sql::{Connection, Row, Statement, args, list, statements};
use super::{Error, Store, gone};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

statements! {
    ROUTED = "raw", "select id, received as at from raw where id > $1 order by id limit $2";
    UNREADABLE = "raw", "select id, received as at from raw \
        where state = 'unreadable' and id > $1 order by id limit $2";
    EVENTS = "event", "select id, first_seen as at from event where id > $1 order by id limit $2";
    LINKS = "link", "select id, 0 as at from link where id > $1 order by id limit $2";
    COMMANDS = "command", "select id, created as at from command where id > $1 order by id limit $2";
    LEADS = "lead", "select id, at from lead where at > $1 and at < $3 order by at limit $2";
    ENTITIES = "entity", "select id, 0 as at from entity where id > $1 order by id limit $2";
    MESSAGE_ROWS = "message", "select id, at from message where id > $1 order by id limit $2";
    ACTS = "audit", "select id, at from audit where id > $1 order by id limit $2";
    BACKFILLS = "backfill", "select id, created as at from backfill where id > $1 \
        order by id limit $2";
    FREE_RAWS = "raw", "select r.id from raw r \
        where r.id in (select value from json_each($1)) and r.received < $2 and r.state = $3 \
        and not exists (select 1 from raw_event c join job j on j.event_id = c.event_id \
            where c.raw_id = r.id and j.state in ('waiting', 'deciding', 'stuck')) \
        and not exists (select 1 from raw_event c join job_event m on m.event_id = c.event_id \
            join job j on j.id = m.job_id \
            where c.raw_id = r.id and j.state in ('waiting', 'deciding', 'stuck'))";
    FREE_EVENTS = "event", "select e.id from event e \
        where e.id in (select value from json_each($1)) and e.same_as is null and e.changed < $2 \
        and not exists (select 1 from job j where j.event_id = e.id \
            and (j.state in ('waiting', 'deciding', 'stuck') or j.changed >= $2)) \
        and not exists (select 1 from job_event m join job j on j.id = m.job_id \
            where m.event_id = e.id \
            and (j.state in ('waiting', 'deciding', 'stuck') or j.changed >= $2)) \
        and not exists (select 1 from job j join job_event m on m.job_id = j.id \
            where j.event_id = e.id and m.event_id <> e.id) \
        and not exists (select 1 from job j join step s on s.job_id = j.id \
            where j.event_id = e.id and s.state in ('running', 'unknown')) \
        and not exists (select 1 from job j join lane_hold h on h.job_id = j.id \
            where j.event_id = e.id)";
    FREE_LINKS = "link", "select id from link \
        where id in (select value from json_each($1)) and made < $2";
    FREE_COMMANDS = "command", "select id from command \
        where id in (select value from json_each($1)) and taken < $2 \
        and id < (select max(id) from command)";
    FREE_LEADS = "lead", "select id from lead \
        where id in (select value from json_each($1)) and at < $2";
    FREE_ENTITIES = "entity", "select id from entity \
        where id in (select value from json_each($1)) and changed < $2 \
        and kind not in ('message', 'conversation', 'mark')";
    FREE_MESSAGES = "entity", "select id from entity \
        where id in (select value from json_each($1)) and changed < $2 \
        and kind in ('message', 'conversation', 'mark')";
    FREE_MESSAGE_ROWS = "message", "select id from message \
        where id in (select value from json_each($1)) and at < $2";
    FREE_ACTS = "audit", "select id from audit \
        where id in (select value from json_each($1)) and at < $2";
    FREE_BACKFILLS = "backfill", "select id from backfill \
        where id in (select value from json_each($1)) and changed < $2 and state <> 'running'";
    JOBS = "job", "select id from job where event_id in (select value from json_each($1))";
    STEPS = "step", "select id from step where job_id in (select value from json_each($1))";
    DROP_CARRIED = "raw_event", "delete from raw_event \
        where raw_id in (select value from json_each($1))";
    DROP_RAWS = "raw", "delete from raw where id in (select value from json_each($1))";
    DROP_ATTEMPTS = "attempt", "delete from attempt \
        where step_id in (select value from json_each($1))";
    UNTIE_LINKS = "link", "update link set step_id = null \
        where step_id in (select value from json_each($1))";
    UNTIE_MESSAGES = "message", "update message set step = null \
        where step in (select value from json_each($1))";
    DROP_STEPS = "step", "delete from step where id in (select value from json_each($1))";
    DROP_DECISIONS = "decision", "delete from decision \
        where job_id in (select value from json_each($1))";
    DROP_LANES = "job_lane", "delete from job_lane \
        where job_id in (select value from json_each($1))";
    DROP_MERGED = "job_event", "delete from job_event \
        where job_id in (select value from json_each($1))";
    DROP_JOBS = "job", "delete from job where id in (select value from json_each($1))";
    DROP_COVERED = "job_event", "delete from job_event \
        where event_id in (select value from json_each($1))";
    DROP_DELIVERIES = "raw_event", "delete from raw_event \
        where event_id in (select value from json_each($1))";
    DROP_KEYS = "event_key", "delete from event_key \
        where event_id in (select value from json_each($1))";
    DROP_SAME = "event", "delete from event where same_as in (select value from json_each($1))";
    DROP_EVENTS = "event", "delete from event where id in (select value from json_each($1))";
    DROP_LINKS = "link", "delete from link where id in (select value from json_each($1))";
    DROP_COMMANDS = "command", "delete from command where id in (select value from json_each($1))";
    // What is covered is in: the stretch begins where leads are kept from.
    UNCOVER = "lead_journal", "update lead_journal set since = case when until > $1 then $1 end, \
        until = case when until > $1 then until end where since < $1";
    DROP_CONTACTS = "lead_contact", "delete from lead_contact \
        where lead in (select value from json_each($1))";
    DROP_LEADS = "lead", "delete from lead where id in (select value from json_each($1))";
    DROP_ENTITIES = "entity", "delete from entity where id in (select value from json_each($1))";
    DROP_MESSAGE_ROWS = "message", "delete from message \
        where id in (select value from json_each($1))";
    DROP_ACTS = "audit", "delete from audit where id in (select value from json_each($1))";
    DROP_BACKFILLS = "backfill", "delete from backfill \
        where id in (select value from json_each($1))";
    DROP_REPLICAS = "replica", "delete from replica where seen < $1";
    DROP_STATES = "connection_state", "delete from connection_state where seen < $1";
    COUNT_REPLICAS = "replica", "select count(*) as n from replica where seen < $1";
    COUNT_STATES = "connection_state", "select count(*) as n from connection_state where seen < $1";
}

/// What is deleted by its age. In the order in which a run goes: with the raw rows gone, events have
/// fewer rows to take along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    Raw,
    Unreadable,
    Events,
    Links,
    Commands,
    Leads,
    Entities,
    /// Conversations, their messages, and what was sent for which reason.
    Messages,
    /// The messages that the journal shows.
    MessageRows,
    Backfills,
    /// What people did.
    Acts,
}

/// Rows of a walk, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Window {
    pub ids: Vec<i64>,
    /// From where the next window goes on; `None`: nothing beyond is old enough.
    pub next: Option<i64>,
}

/// Rows that were deleted, by table.
pub type Rows = BTreeMap<&'static str, u64>;

/// What one small transaction did.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    pub rows: Rows,
    /// How long the writer was busy with it.
    pub took: Duration,
}

impl Kept {
    fn window(self) -> Statement {
        match self {
            Self::Raw => ROUTED,
            Self::Unreadable => UNREADABLE,
            Self::Events => EVENTS,
            Self::Links => LINKS,
            Self::Commands => COMMANDS,
            Self::Leads => LEADS,
            Self::Entities | Self::Messages => ENTITIES,
            Self::MessageRows => MESSAGE_ROWS,
            Self::Backfills => BACKFILLS,
            Self::Acts => ACTS,
        }
    }
}

impl Store {
    /// The next rows behind `after` that may have grown old before `before`.
    pub async fn old(
        &self,
        kept: Kept,
        after: i64,
        before: Timestamp,
        limit: u32,
    ) -> Result<Window, Error> {
        let mut args = args![after, limit];
        if kept == Kept::Leads {
            args.push(before.into());
            return by_time(&self.reader().await?.fetch(LEADS, args).await?, limit);
        }
        let rows = self.reader().await?.fetch(kept.window(), args).await?;
        let ids = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
        let mut old = false;
        for row in &rows {
            old |= row.time("at")? < before;
        }
        let next = ids.last().copied().filter(|_| old);
        Ok(Window { ids: if old { ids } else { Vec::new() }, next })
    }

    /// Those of these rows that `delete` would delete now.
    pub async fn free(
        &self,
        kept: Kept,
        ids: &[i64],
        before: Timestamp,
    ) -> Result<Vec<i64>, Error> {
        free(&mut self.reader().await?, kept, ids, before).await
    }

    /// Deletes those of these rows that are older than `before` and that nothing needs, with what
    /// hangs on them, in one short transaction.
    pub async fn delete(
        &self,
        kept: Kept,
        ids: Vec<i64>,
        before: Timestamp,
    ) -> Result<Deleted, Error> {
        // Pages of the log, roughly: each row with its indexes.
        let weight = ids.len().saturating_mul(8);
        self.write_weighing(weight, move |db| {
            Box::pin(async move {
                let begun = Instant::now();
                let free = free(db, kept, &ids, before).await?;
                let mut rows = Rows::new();
                if !free.is_empty() {
                    if kept == Kept::Leads {
                        db.execute(UNCOVER, args![before]).await?;
                    }
                    delete(db, kept, &free, &mut rows).await?;
                }
                Ok(Deleted { rows, took: begun.elapsed() })
            })
        })
        .await
    }

    /// Deletes processes and states of connections that were not seen since `before`.
    pub async fn delete_unseen(&self, before: Timestamp) -> Result<Deleted, Error> {
        self.write(move |db| {
            Box::pin(async move {
                let begun = Instant::now();
                let mut rows = Rows::new();
                for statement in [DROP_REPLICAS, DROP_STATES] {
                    let done = db.execute(statement, args![before]).await?;
                    count(&mut rows, statement, done);
                }
                Ok(Deleted { rows, took: begun.elapsed() })
            })
        })
        .await
    }

    /// How many rows `delete_unseen` would delete now.
    pub async fn unseen(&self, before: Timestamp) -> Result<u64, Error> {
        let mut db = self.snapshot().await?;
        let replicas: u64 = db.fetch_row(COUNT_REPLICAS, args![before]).await?.count("n")?;
        let states: u64 = db.fetch_row(COUNT_STATES, args![before]).await?.count("n")?;
        Ok(replicas + states)
    }
}

/// A window of a walk by time. The rows of its last moment belong to the next one, unless there is no
/// other moment in it: then the rest of that moment waits for the next night.
fn by_time(rows: &[Row], limit: u32) -> Result<Window, Error> {
    let times = rows.iter().map(|row| row.int("at")).collect::<Result<Vec<_>, _>>()?;
    let mut ids = ids_of(rows)?;
    let full = u32::try_from(ids.len()).is_ok_and(|count| count >= limit);
    let (Some(first), Some(last), true) = (times.first(), times.last(), full) else {
        return Ok(Window { ids, next: None });
    };
    if first == last {
        return Ok(Window { ids, next: Some(*last) });
    }
    ids.truncate(times.partition_point(|at| at < last));
    Ok(Window { ids, next: Some(last - 1) })
}

async fn free(
    connection: &mut Connection,
    kept: Kept,
    ids: &[i64],
    before: Timestamp,
) -> Result<Vec<i64>, Error> {
    let rows = match kept {
        Kept::Raw => connection.fetch(FREE_RAWS, args![list(ids), before, "routed"]).await,
        Kept::Unreadable => {
            connection.fetch(FREE_RAWS, args![list(ids), before, "unreadable"]).await
        }
        Kept::Events => connection.fetch(FREE_EVENTS, args![list(ids), before]).await,
        Kept::Links => connection.fetch(FREE_LINKS, args![list(ids), before]).await,
        Kept::Commands => connection.fetch(FREE_COMMANDS, args![list(ids), before]).await,
        Kept::Leads => connection.fetch(FREE_LEADS, args![list(ids), before]).await,
        Kept::Entities => connection.fetch(FREE_ENTITIES, args![list(ids), before]).await,
        Kept::Messages => connection.fetch(FREE_MESSAGES, args![list(ids), before]).await,
        Kept::MessageRows => connection.fetch(FREE_MESSAGE_ROWS, args![list(ids), before]).await,
        Kept::Backfills => connection.fetch(FREE_BACKFILLS, args![list(ids), before]).await,
        Kept::Acts => connection.fetch(FREE_ACTS, args![list(ids), before]).await,
    };
    ids_of(&rows?)
}

async fn delete(
    connection: &mut Connection,
    kept: Kept,
    free: &[i64],
    rows: &mut Rows,
) -> Result<(), Error> {
    match kept {
        Kept::Raw | Kept::Unreadable => {
            each(connection, &[DROP_CARRIED, DROP_RAWS], free, rows).await
        }
        Kept::Events => events(connection, free, rows).await,
        Kept::Links => each(connection, &[DROP_LINKS], free, rows).await,
        Kept::Commands => each(connection, &[DROP_COMMANDS], free, rows).await,
        Kept::Leads => each(connection, &[DROP_CONTACTS, DROP_LEADS], free, rows).await,
        Kept::Entities | Kept::Messages => each(connection, &[DROP_ENTITIES], free, rows).await,
        Kept::MessageRows => each(connection, &[DROP_MESSAGE_ROWS], free, rows).await,
        Kept::Backfills => each(connection, &[DROP_BACKFILLS], free, rows).await,
        Kept::Acts => each(connection, &[DROP_ACTS], free, rows).await,
    }
}

/// Events with all that hangs on them, leaves first; their keys are remembered, their links stay.
async fn events(connection: &mut Connection, free: &[i64], rows: &mut Rows) -> Result<(), Error> {
    gone::remember(connection, free).await?;
    let jobs = ids_of(&connection.fetch(JOBS, args![list(free)]).await?)?;
    let steps = ids_of(&connection.fetch(STEPS, args![list(&jobs)]).await?)?;
    connection.execute(UNTIE_LINKS, args![list(&steps)]).await?;
    connection.execute(UNTIE_MESSAGES, args![list(&steps)]).await?;
    each(connection, &[DROP_ATTEMPTS, DROP_STEPS], &steps, rows).await?;
    let of_jobs = [DROP_DECISIONS, DROP_LANES, DROP_MERGED, DROP_JOBS];
    each(connection, &of_jobs, &jobs, rows).await?;
    let of_events = [DROP_COVERED, DROP_DELIVERIES, DROP_KEYS, DROP_SAME, DROP_EVENTS];
    each(connection, &of_events, free, rows).await
}

async fn each(
    connection: &mut Connection,
    statements: &[Statement],
    ids: &[i64],
    rows: &mut Rows,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    for statement in statements {
        let done = connection.execute(*statement, args![list(ids)]).await?;
        count(rows, *statement, done);
    }
    Ok(())
}

fn count(rows: &mut Rows, statement: Statement, done: u64) {
    if done > 0 {
        *rows.entry(statement.table).or_default() += done;
    }
}

fn ids_of(rows: &[Row]) -> Result<Vec<i64>, Error> {
    rows.iter().map(|row| row.int("id")).collect()
}
