//! Leases and fences of jobs. Invariant: a job that was taken back is written to by nobody who held
//! it before; what ran when its process ended is unknown, not failed.

use super::lanes::{self, Holds};
use super::sql::{Connection, Value, args, list, statements};
use super::{Error, Fence, Fenced, Store};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

statements! {
    HELD = "job", "select id, event_id, flow, registered, due, first_due, claimed, tries, first_tried \
        from job where id = $1 and epoch = $2 and state = 'deciding'";
    RENEW = "job", "update job set lease_until = $2 where state = 'deciding' and lease_owner = $1 \
        and id in (select value from json_each($3))";
    EXPIRED = "job", "select id from job where state = 'deciding' and lease_until < $1";
    DECIDING = "job", "select id from job where state = 'deciding'";
    WAKE_ALL = "job", "update job set ready = 1 where state = 'waiting' and ready = 0";
    LOSE_ATTEMPTS = "attempt", "update attempt set ended = $2, result = 'unknown', why = $3 \
        where ended is null and step_id in (select id from step where state = 'running' \
            and job_id in (select value from json_each($1)))";
    LOSE_STEPS = "step", "update step set state = 'unknown' where state = 'running' \
        and job_id in (select value from json_each($1))";
    DROP_STEPS = "step", "update step set state = 'skipped' where state = 'waiting' \
        and job_id in (select value from json_each($1))";
    WAIT = "job", "update job set state = 'waiting', due = $2, why = $3, changed = $4, ready = 1, \
        lease_owner = null, lease_until = null where id in (select value from json_each($1))";
    STAND = "job_lane", "update job_lane set due = $2 \
        where job_id in (select value from json_each($1))";
    TRIED = "job", "update job set tries = tries + 1, \
        first_tried = coalesce(first_tried, claimed, $2) where id = $1";
}

/// A job whose fence held.
pub(super) struct Held {
    pub id: i64,
    pub event: i64,
    pub flow: String,
    pub registered: Timestamp,
    /// When it was due at its first claim: its place among those that wait.
    pub first_due: Timestamp,
    /// Its facts were read after this.
    pub claimed: Timestamp,
    pub tries: u32,
}

impl Store {
    /// Lengthens the leases of these jobs of the owner: those that it is at work on. A job whose claim
    /// was committed while its answer got lost is not among them, and is taken back in time.
    pub async fn renew(
        &self,
        owner: &str,
        jobs: &[i64],
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (owner, jobs) = (owner.to_owned(), jobs.to_vec());
        self.write(move |db| {
            Box::pin(async move {
                let until = lease_end(db.lease_clock(now).await?, lease);
                renew(db, &owner, &jobs, until).await
            })
        })
        .await
    }

    /// Takes back jobs whose lease ran out; their running steps become unknown.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, Error> {
        let mut reader = self.reader().await?;
        let clock = reader.lease_clock(now).await?;
        if reader.fetch_one(EXPIRED, args![clock]).await?.is_none() {
            return Ok(0);
        }
        drop(reader);
        self.write(move |db| {
            Box::pin(async move {
                let rows = db.fetch(EXPIRED, args![clock]).await?;
                let jobs = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
                take_back(db, &jobs, "the lease ran out", (now, now)).await?;
                Ok(u64::try_from(jobs.len()).unwrap_or(u64::MAX))
            })
        })
        .await
    }

    /// Gives a claimed job back when work on it broke off: as if its lease had run out, so that a
    /// running step becomes unknown and is looked for before anything is repeated.
    pub async fn give_back(
        &self,
        fence: Fence,
        due: Timestamp,
        why: &str,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        let why = why.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = held(db, fence).await? else { return Ok(Fenced::Lost) };
                take_back(db, &[job.id], &why, (due, now)).await.map(Fenced::Yes)
            })
        })
        .await
    }

    /// Puts a claimed job back, to be decided anew at `due`. A job that has been tried keeps its
    /// lanes; `counted`: this was a try.
    pub async fn put_off(
        &self,
        fence: Fence,
        due: Timestamp,
        why: &str,
        counted: bool,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        let why = why.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = held(db, fence).await? else { return Ok(Fenced::Lost) };
                if counted {
                    tried(db, job.id, now).await?;
                }
                let holds = if counted || job.tries > 0 { Holds::Kept } else { Holds::LetGo };
                lanes::put_back(db, job.id, due, holds, (&why, now)).await?;
                Ok(Fenced::Yes(()))
            })
        })
        .await
    }

    /// The same, with all its lanes let go, tried or not: others go first until it is due.
    pub async fn put_aside(
        &self,
        fence: Fence,
        due: Timestamp,
        why: &str,
        now: Timestamp,
    ) -> Result<Fenced, Error> {
        let why = why.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = held(db, fence).await? else { return Ok(Fenced::Lost) };
                tried(db, job.id, now).await?;
                lanes::put_back(db, job.id, due, Holds::LetGo, (&why, now)).await?;
                Ok(Fenced::Yes(()))
            })
        })
        .await
    }
}

pub(super) async fn renew(
    connection: &mut Connection,
    owner: &str,
    jobs: &[i64],
    until: Timestamp,
) -> Result<(), Error> {
    connection.execute(RENEW, args![owner, until, list(jobs)]).await.map(drop)
}

/// The job of this fence, if it is still ours.
pub(super) async fn held(connection: &mut Connection, fence: Fence) -> Result<Option<Held>, Error> {
    let found = connection.fetch_one(HELD, args![fence.job, fence.epoch]).await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Held {
        id: row.int("id")?,
        event: row.int("event_id")?,
        flow: row.owned("flow")?,
        registered: row.time("registered")?,
        first_due: row.opt_time("first_due")?.map_or_else(|| row.time("due"), Ok)?,
        claimed: row.time("claimed")?,
        tries: row.count("tries")?,
    }))
}

/// One more try; the first one began when the job was claimed.
pub(super) async fn tried(
    connection: &mut Connection,
    job: i64,
    now: Timestamp,
) -> Result<(), Error> {
    connection.execute(TRIED, args![job, now]).await.map(drop)
}

/// At start: the process that held leases is gone. Who is not ready is found anew by the next claims.
pub(super) async fn take_back_all(
    connection: &mut Connection,
    now: Timestamp,
) -> Result<(), Error> {
    let rows = connection.fetch(DECIDING, args![]).await?;
    let jobs = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    take_back(connection, &jobs, "the process ended", (now, now)).await?;
    connection.execute(WAKE_ALL, args![]).await.map(drop)
}

/// The jobs wait again until `due`; they keep their lanes, since what they began may have happened.
async fn take_back(
    connection: &mut Connection,
    jobs: &[i64],
    why: &str,
    (due, now): (Timestamp, Timestamp),
) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let jobs: Value = list(jobs);
    connection.execute(LOSE_ATTEMPTS, args![jobs.clone(), now, why]).await?;
    connection.execute(LOSE_STEPS, args![jobs.clone()]).await?;
    connection.execute(DROP_STEPS, args![jobs.clone()]).await?;
    connection.execute(WAIT, args![jobs.clone(), due, why, now]).await?;
    connection.execute(STAND, args![jobs, due]).await.map(drop)
}

/// Steps that this job will not come to are skipped.
pub(super) async fn drop_steps(connection: &mut Connection, job: i64) -> Result<(), Error> {
    connection.execute(DROP_STEPS, args![list(&[job])]).await.map(drop)
}

pub(super) fn lease_end(now: Timestamp, lease: Duration) -> Timestamp {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    now.saturating_add(lease).unwrap_or(Timestamp::MAX)
}
