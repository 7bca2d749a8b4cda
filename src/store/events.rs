//! Events as they stand. Invariant: every key and alias names one event of its connection for ever;
//! when two events turn out to be one, the keys of both name the one that stays.

use super::sql::{Connection, Row, Value, args, json, list, statements};
use super::{Error, JobState};
use crate::domain::Event;
use jiff::Timestamp;

statements! {
    FIND = "event_key", "select distinct k.event_id from event_key k \
        join event e on e.id = k.event_id where k.connection = $1 \
        and k.key in (select value from json_each($2)) \
        and (k.key = $3 or $4 = 1 or e.provisional = 1) order by k.event_id";
    LOAD = "event", "select id, connection, kind, key, aliases, provisional, registered, asked, fields \
        from event where id = $1";
    INSERT = "event", "insert into event (connection, kind, key, aliases, provisional, registered, \
        fields, asked, first_seen, changed) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) returning id";
    SAVE = "event", "update event set connection = $2, kind = $3, key = $4, aliases = $5, \
        provisional = $6, registered = $7, fields = $8, asked = $9, changed = $10 where id = $1";
    NAME = "event_key", "insert into event_key (connection, key, tail, event_id) \
        select $1, k.value, t.value, $4 from json_each($2) k join json_each($3) t on t.key = k.key \
        where true on conflict (connection, key) do nothing",
        postgres: "insert into event_key (connection, key, tail, event_id) \
        select $1, u.key, u.tail, $4 from unnest($2::text[], $3::text[]) as u (key, tail) \
        on conflict (connection, key) do nothing";
    MOVE_KEYS = "event_key", "update event_key set event_id = $1 where event_id = $2";
    COPY_RAWS = "raw_event", "insert into raw_event (raw_id, event_id) \
        select raw_id, $1 from raw_event where event_id = $2 on conflict (raw_id, event_id) do nothing";
    DROP_RAWS = "raw_event", "delete from raw_event where event_id = $1";
    MOVE_JOBS = "job", "update job set event_id = $1 where event_id = $2";
    COPY_MERGED = "job_event", "insert into job_event (event_id, job_id) \
        select $1, job_id from job_event where event_id = $2 on conflict (event_id, job_id) do nothing";
    DROP_MERGED = "job_event", "delete from job_event where event_id = $1";
    SAME = "event", "update event set same_as = $1, changed = $3 where id = $2 or same_as = $2";
    JOBS = "job", "select id, flow, state, registered, due, tries, epoch from job where event_id = $1 or id in ( \
        select job_id from job_event where event_id = $1) order by id";
}

/// A job of an event, as far as routing asks.
#[derive(Debug, Clone)]
pub(super) struct EventJob {
    pub id: i64,
    pub flow: String,
    pub state: JobState,
    pub registered: Timestamp,
    pub due: Timestamp,
    pub tries: u32,
    pub epoch: i64,
}

impl EventJob {
    /// How far it has gone; of two events that are one, the one whose job went further stays.
    pub fn rank(&self) -> u8 {
        match self.state {
            JobState::Acted => 5,
            JobState::Deciding => 4,
            JobState::Waiting if self.tries > 0 => 4,
            JobState::Stuck => 3,
            JobState::Waiting => 2,
            JobState::Skipped | JobState::Incomplete => 1,
        }
    }
}

/// Events that are known under any of these keys, the oldest first. An alias (contact and second)
/// tells only where one side has no id of its own: a form that was sent twice in one second is two
/// requests, for their ids differ.
pub(super) async fn find(connection: &mut Connection, event: &Event) -> Result<Vec<i64>, Error> {
    let keys: Vec<&str> = event.keys().collect();
    let rows = connection
        .fetch(FIND, args![&event.connection, list(&keys), &event.key, event.provisional])
        .await?;
    rows.iter().map(|row| row.int("event_id")).collect()
}

pub(super) async fn load(connection: &mut Connection, id: i64) -> Result<Event, Error> {
    event(&connection.fetch_row(LOAD, args![id]).await?)
}

/// A new event with its keys; answers its id.
pub(super) async fn insert(
    connection: &mut Connection,
    event: &Event,
    now: Timestamp,
) -> Result<i64, Error> {
    let mut args = values(event)?;
    args.push(now.into());
    let id = connection.fetch_row(INSERT, args).await?.int("id")?;
    name(connection, event, id).await?;
    Ok(id)
}

/// An event as it stands now, and the keys that it has learnt.
pub(super) async fn save(
    connection: &mut Connection,
    id: i64,
    event: &Event,
    now: Timestamp,
) -> Result<(), Error> {
    let mut args = args![id];
    args.append(&mut values(event)?);
    args.push(now.into());
    connection.execute(SAVE, args).await?;
    name(connection, event, id).await
}

async fn name(connection: &mut Connection, event: &Event, id: i64) -> Result<(), Error> {
    let tail = |key| str::split_once(key, ':').map_or(key, |(_, tail)| tail);
    let (keys, tails): (Vec<&str>, Vec<&str>) = event.keys().map(|key| (key, tail(key))).unzip();
    let args = args![&event.connection, list(&keys), list(&tails), id];
    connection.execute(NAME, args).await.map(drop)
}

/// Jobs of an event, oldest first, those that it was merged into among them.
pub(super) async fn jobs(connection: &mut Connection, id: i64) -> Result<Vec<EventJob>, Error> {
    let rows = connection.fetch(JOBS, args![id]).await?;
    rows.iter()
        .map(|row| {
            Ok(EventJob {
                id: row.int("id")?,
                flow: row.owned("flow")?,
                state: row.job_state("state")?,
                registered: row.time("registered")?,
                due: row.time("due")?,
                tries: row.count("tries")?,
                epoch: row.int("epoch")?,
            })
        })
        .collect()
}

/// `loser` turned out to be `winner`: its keys, deliveries and jobs are the winner's from now on.
pub(super) async fn unite(
    connection: &mut Connection,
    winner: i64,
    loser: i64,
    now: Timestamp,
) -> Result<(), Error> {
    for statement in [MOVE_KEYS, COPY_RAWS, MOVE_JOBS, COPY_MERGED] {
        connection.execute(statement, args![winner, loser]).await?;
    }
    for statement in [DROP_RAWS, DROP_MERGED] {
        connection.execute(statement, args![loser]).await?;
    }
    connection.execute(SAME, args![winner, loser, now]).await.map(drop)
}

fn values(event: &Event) -> Result<Vec<Value>, Error> {
    Ok(args![
        &event.connection,
        &event.kind,
        &event.key,
        json("event", &event.aliases)?,
        event.provisional,
        event.registered,
        json("event", &event.fields)?,
        event.asked,
    ])
}

pub(super) fn event(row: &Row) -> Result<Event, Error> {
    Ok(Event {
        asked: row.flag("asked")?,
        connection: row.owned("connection")?,
        kind: row.owned("kind")?,
        key: row.owned("key")?,
        aliases: row.json("aliases")?,
        provisional: row.flag("provisional")?,
        registered: row.time("registered")?,
        fields: row.json("fields")?,
    })
}
