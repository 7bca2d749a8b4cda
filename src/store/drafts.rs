//! Jobs that flows ask for, within the routing transaction. Invariant: among jobs that wait and were
//! never started there is one for each flow and merge key; a job that was tried or holds its lanes is
//! not touched.

use super::lanes::{self, Place};
use super::sql::{Connection, args, statements};
use super::{Error, JobChange, JobDraft, JobState, events};
use jiff::Timestamp;

statements! {
    INSERT = "job", "insert into job (flow, event_id, merge_key, registered, due, state, ready, \
            created, changed, asked) values ($1, $2, $3, $4, $5, 'waiting', 1, $6, $6, \
            (select asked from event where id = $2)) \
        on conflict (flow, merge_key) where state = 'waiting' and epoch = 0 do nothing returning id";
    MERGING = "job", "select id, event_id, due, registered from job \
        where flow = $1 and merge_key = $2 and state = 'waiting' and epoch = 0";
    JOIN = "job_event", "insert into job_event (job_id, event_id) values ($1, $2) \
        on conflict (event_id, job_id) do nothing";
    // A person asks for the job whose event one asked for.
    ASK = "job", "update job set asked = 1 where id = $1 and asked = 0 \
        and exists (select 1 from event e where e.id = $2 and e.asked = 1)";
    MOVE = "job", "update job set due = $2, registered = $3, changed = $4, ready = 1 where id = $1";
}

/// Does what the flows asked for; answers how many jobs are new.
pub(super) async fn apply(
    connection: &mut Connection,
    event: i64,
    changes: &[JobChange],
    now: Timestamp,
) -> Result<u64, Error> {
    let mut new = 0;
    for change in changes {
        match change {
            JobChange::New(draft) => new += u64::from(add(connection, event, draft, now).await?),
            JobChange::Update(draft) => update(connection, event, draft, now).await?,
        }
    }
    Ok(new)
}

/// A new job; false where one waits already under its merge key, which then covers this event too,
/// in the lanes of both.
async fn add(
    connection: &mut Connection,
    event: i64,
    draft: &JobDraft,
    now: Timestamp,
) -> Result<bool, Error> {
    let args = args![&draft.flow, event, &draft.merge_key, draft.registered, draft.due, now];
    if let Some(row) = connection.fetch_one(INSERT, args).await? {
        let job = row.int("id")?;
        lanes::add(connection, job, &draft.lanes, Some(draft.due), draft.registered).await?;
        return Ok(true);
    }
    let row = connection.fetch_row(MERGING, args![&draft.flow, &draft.merge_key]).await?;
    let job = row.int("id")?;
    if row.int("event_id")? != event {
        connection.execute(JOIN, args![job, event]).await?;
    }
    connection.execute(ASK, args![job, event]).await?;
    let registered = draft.registered.min(row.time("registered")?);
    let place = Place { due: joined(draft, row.time("due")?, registered), registered };
    let mut lanes = lanes::of_job(connection, job).await?;
    lanes.extend_from_slice(&draft.lanes);
    stand(connection, job, &lanes, place, now).await?;
    Ok(false)
}

/// When a job is due that this draft joins: at the earlier of both times; where it is to settle, at
/// the later one, so long after its first event at most.
fn joined(draft: &JobDraft, due: Timestamp, registered: Timestamp) -> Timestamp {
    let Some(settle) = draft.settle else { return draft.due.min(due) };
    draft.due.max(due).min(registered.saturating_add(settle).unwrap_or(Timestamp::MAX))
}

/// The waiting job of this flow and event gets the times and lanes of the draft. One that was put
/// off or taken back before it was tried keeps its time: there was a reason to wait. Taken back
/// without any lane, it gets those that were learnt since, so that its person's other jobs and it
/// follow each other from now on.
async fn update(
    connection: &mut Connection,
    event: i64,
    draft: &JobDraft,
    now: Timestamp,
) -> Result<(), Error> {
    let jobs = events::jobs(connection, event).await?;
    let waiting = jobs
        .iter()
        .rfind(|job| job.flow == draft.flow && job.state == JobState::Waiting && job.tries == 0);
    let Some(job) = waiting else { return Ok(()) };
    if lanes::holds(connection, job.id).await? {
        return Ok(());
    }
    connection.execute(ASK, args![job.id, event]).await?;
    let place = match draft.settle {
        _ if job.epoch > 0 => Place { due: job.due, registered: draft.registered },
        None => Place { due: draft.due, registered: draft.registered },
        // Other events may have made it wait for longer.
        Some(_) => {
            let registered = draft.registered.min(job.registered);
            Place { due: job.due.max(joined(draft, job.due, registered)), registered }
        }
    };
    stand(connection, job.id, &draft.lanes, place, now).await
}

async fn stand(
    connection: &mut Connection,
    job: i64,
    lanes: &[String],
    place: Place,
    now: Timestamp,
) -> Result<(), Error> {
    connection.execute(MOVE, args![job, place.due, place.registered, now]).await?;
    lanes::replace(connection, job, lanes, place).await
}
