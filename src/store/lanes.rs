//! Lanes: one job at a time for each person or order. Invariant: a lane has one holder at most, a job
//! holds all its lanes or none; whoever leaves a lane or frees it wakes the first job that waits there.
//!
//! There is no deadlock: a holder waits for time only, never for a lane (`plans` lets go of all when
//! one is missing), and those that wait for lanes stand in one total order (due, registered, id).

use super::sql::{Connection, Value, args, list, statements};
use super::{Error, JobState};
use jiff::Timestamp;

statements! {
    INSERT = "job_lane", "insert into job_lane (job_id, lane, contact, due, registered) \
        values ($1, $2, $3, $4, $5) on conflict (job_id, lane) do nothing";
    OF_JOB = "job_lane", "select lane from job_lane where job_id = $1";
    CLEAR = "job_lane", "delete from job_lane where job_id = $1";
    STAND = "job_lane", "update job_lane set due = $2 where job_id = $1";
    LEAVE = "job_lane", "update job_lane set due = null where job_id = $1 and due is not null";
    HOLD = "lane_hold", "insert into lane_hold (lane, job_id) \
        select lane, job_id from job_lane where job_id in (select value from json_each($1)) \
        on conflict (lane) do nothing";
    HOLDERS = "lane_hold", "select lane from lane_hold where job_id <> $1 \
        and lane in (select value from json_each($2))";
    WRITTEN = "attempt", "select 1 as n from job_lane m \
            join step s on s.job_id = m.job_id join attempt a on a.step_id = s.id \
        where m.contact in (select value from json_each($3)) \
            and m.lane in (select value from json_each($2)) \
            and m.job_id <> $1 and a.ended >= $4 \
            and not exists (select 1 from lane_hold h where h.lane = m.lane and h.job_id = $1) \
        limit 1";
    HELD = "lane_hold", "select count(*) as n from lane_hold where job_id = $1";
    RELEASE = "lane_hold", "delete from lane_hold where job_id = $1";
    WAKE = "job", "update job set ready = 1 where ready = 0 and id in ( \
        select (select w.job_id from job_lane w where w.lane = l.value and w.due is not null \
            order by w.due, w.registered, w.job_id limit 1) from json_each($1) l)",
        postgres: "update job set ready = 1 where ready = 0 and id in ( \
        select (select w.job_id from job_lane w where w.lane = l.value and w.due is not null \
            order by w.due, w.registered, w.job_id limit 1) from unnest($1::text[]) as l (value))";
    END = "job", "update job set state = $2, why = $3, changed = $4, ready = 0, \
        lease_owner = null, lease_until = null where id = $1";
    WAIT = "job", "update job set state = 'waiting', due = $2, why = $3, changed = $4, ready = 1, \
        lease_owner = null, lease_until = null where id = $1";
}

/// Where a waiting job stands in its lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub due: Timestamp,
    pub registered: Timestamp,
}

/// What becomes of the lanes of a job that is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Kept,
    LetGo,
}

/// Lanes of a job are added; `place` is `None` while it is being decided.
pub(super) async fn add(
    connection: &mut Connection,
    job: i64,
    lanes: &[String],
    due: Option<Timestamp>,
    registered: Timestamp,
) -> Result<(), Error> {
    for lane in lanes {
        connection.execute(INSERT, args![job, lane, contact(lane), due, registered]).await?;
    }
    Ok(())
}

fn contact(lane: &str) -> &str {
    lane.rsplit_once('|').map_or(lane, |(_, contact)| contact)
}

pub(super) async fn of_job(connection: &mut Connection, job: i64) -> Result<Vec<String>, Error> {
    let rows = connection.fetch(OF_JOB, args![job]).await?;
    rows.iter().map(|row| row.owned("lane")).collect()
}

/// The lanes of a waiting job become these; those that it leaves wake who waits there.
pub(super) async fn replace(
    connection: &mut Connection,
    job: i64,
    lanes: &[String],
    place: Place,
) -> Result<(), Error> {
    let mut touched = of_job(connection, job).await?;
    connection.execute(CLEAR, args![job]).await?;
    add(connection, job, lanes, Some(place.due), place.registered).await?;
    touched.extend_from_slice(lanes);
    wake(connection, &touched).await
}

/// These jobs hold all their lanes; the caller knows that nobody else does.
pub(super) async fn hold(connection: &mut Connection, jobs: &[i64]) -> Result<(), Error> {
    connection.execute(HOLD, args![list(jobs)]).await.map(drop)
}

/// Does another job hold any of these lanes?
pub(super) async fn held_by_others(
    connection: &mut Connection,
    job: i64,
    lanes: &[String],
) -> Result<bool, Error> {
    Ok(!connection.fetch(HOLDERS, args![job, list(lanes)]).await?.is_empty())
}

/// Has another job written in any of these lanes since then, while this one did not hold it? Then
/// what this one knows of it may be older than that.
pub(super) async fn written_by_others(
    connection: &mut Connection,
    job: i64,
    lanes: &[String],
    since: Timestamp,
) -> Result<bool, Error> {
    let contacts: Vec<&str> = lanes.iter().map(|lane| contact(lane)).collect();
    let found = connection.fetch_one(WRITTEN, args![job, list(lanes), list(&contacts), since]);
    Ok(found.await?.is_some())
}

/// Does the job hold its lanes?
pub(super) async fn holds(connection: &mut Connection, job: i64) -> Result<bool, Error> {
    Ok(connection.fetch_row(HELD, args![job]).await?.int("n")? > 0)
}

/// The job has ended: it leaves its lanes, and the next ones may come.
pub(super) async fn end(
    connection: &mut Connection,
    job: i64,
    state: JobState,
    why: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    connection.execute(END, args![job, state.word(), why, now]).await?;
    connection.execute(LEAVE, args![job]).await?;
    let_go(connection, job).await
}

/// The job waits (again) until `due`, with the lanes that it has.
pub(super) async fn put_back(
    connection: &mut Connection,
    job: i64,
    due: Timestamp,
    holds: Holds,
    (why, now): (&str, Timestamp),
) -> Result<(), Error> {
    connection.execute(WAIT, args![job, due, why, now]).await?;
    connection.execute(STAND, args![job, due]).await?;
    match holds {
        Holds::Kept => Ok(()),
        Holds::LetGo => let_go(connection, job).await,
    }
}

async fn let_go(connection: &mut Connection, job: i64) -> Result<(), Error> {
    connection.execute(RELEASE, args![job]).await?;
    let lanes = of_job(connection, job).await?;
    wake(connection, &lanes).await
}

/// The first that waits in each of these lanes is looked at again by the next claim.
async fn wake(connection: &mut Connection, lanes: &[String]) -> Result<(), Error> {
    if lanes.is_empty() {
        return Ok(());
    }
    let lanes: Value = list(lanes);
    connection.execute(WAKE, args![lanes]).await.map(drop)
}
