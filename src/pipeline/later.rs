//! Jobs that are put off: until when, and why. Invariant: a job whose step has a last moment comes up
//! again no later than that, so that it is said in time that it was missed.

use super::decide::{Stop, fenced};
use super::gate::Place;
use super::{Pipeline, run};
use crate::clock::plus;
use crate::domain::{Delay, Step};
use crate::rules::retry;
use crate::store::Claimed;
use jiff::Timestamp;
use std::time::Duration;

/// Puts the job off because a far side is in trouble.
pub async fn put_off(
    pipeline: &Pipeline,
    claimed: &Claimed,
    connection: &str,
    delay: &Delay,
) -> Result<(), Stop> {
    let due = due_after(pipeline, claimed, connection, delay);
    wait(pipeline, claimed, due, &format!("{connection}: {}", delay.why)).await
}

/// When to try again after trouble with a connection; tells its gate.
pub fn due_after(
    pipeline: &Pipeline,
    claimed: &Claimed,
    connection: &str,
    delay: &Delay,
) -> Timestamp {
    let now = pipeline.clock.now();
    pipeline.gates.failure(connection, delay, now);
    due(pipeline, claimed, connection, delay.after)
}

fn due(
    pipeline: &Pipeline,
    claimed: &Claimed,
    connection: &str,
    asked: Option<Duration>,
) -> Timestamp {
    let now = pipeline.clock.now();
    let seed =
        claimed.fence.job.unsigned_abs().wrapping_mul(31).wrapping_add(u64::from(claimed.tries));
    let due = plus(now, retry::after(claimed.tries, seed, asked));
    pipeline.gates.shut_until(connection, now).map_or(due, |shut| due.max(shut))
}

/// The due time of a job that must come up again when this moment is over.
pub fn in_time(due: Timestamp, until: Option<Timestamp>) -> Timestamp {
    until.map_or(due, |until| due.min(plus(until, Duration::from_millis(1))))
}

/// Is this moment over?
pub fn is_over(pipeline: &Pipeline, until: Option<Timestamp>) -> bool {
    until.is_some_and(|until| until < pipeline.clock.now())
}

/// Why nothing is sent to a connection now: it is in trouble, or it asked us to wait. Where no job of
/// the flow is begun while it is, those that were begun before go on.
pub fn shut(pipeline: &Pipeline, claimed: &Claimed, connection: &str) -> Option<String> {
    let until = pipeline.gates.shut_until(connection, pipeline.clock.now())?;
    let bound = pipeline.book.flow(&claimed.flow)?;
    if pipeline.book.waits_for(bound).any(|name| name == connection) {
        return None;
    }
    let closed = pipeline.gates.closed(connection);
    Some(closed.map_or_else(|| format!("nothing is sent until {until}"), |closed| closed.why))
}

/// Puts the job off while one of these connections gets no requests, until the moment is over at the
/// latest. The connection is probed; a job is no probe.
///
/// # Errors
/// The job was put off, or the store's.
pub async fn while_shut<'a>(
    pipeline: &Pipeline,
    claimed: &Claimed,
    needed: impl Iterator<Item = &'a str>,
    until: Option<Timestamp>,
) -> Result<(), Stop> {
    if is_over(pipeline, until) {
        return Ok(());
    }
    for connection in needed {
        if let Some(why) = shut(pipeline, claimed, connection) {
            let due = in_time(due(pipeline, claimed, connection, None), until);
            wait(pipeline, claimed, due, &format!("{connection}: {why}")).await?;
            return Err(Stop::Written);
        }
    }
    Ok(())
}

/// Puts the job off where its plan cannot begin yet: the connection of the first step gets no requests,
/// or so many wait already for their turn on the connection that it will write to. A job waits for a
/// slow messenger here, and not in the room of those that write elsewhere.
///
/// # Errors
/// The job was put off, or the store's.
pub async fn until_it_may_begin(
    pipeline: &Pipeline,
    claimed: &Claimed,
    first: Option<&Step>,
    place: &mut Place,
) -> Result<(), Stop> {
    let Some(first) = first else { return Ok(()) };
    let connection = first.effect.connection.as_str();
    while_shut(pipeline, claimed, std::iter::once(connection), first.until).await?;
    let most = usize::try_from(run::most(pipeline, connection)).unwrap_or(usize::MAX);
    if is_over(pipeline, first.until) || place.go_to(connection, most) {
        pipeline.wake.decide.notify_one();
        return Ok(());
    }
    let due = in_time(due(pipeline, claimed, connection, None), first.until);
    wait(pipeline, claimed, due, &format!("{connection}: others wait for their turn there"))
        .await?;
    Err(Stop::Written)
}

/// Puts off to look for a step of unknown outcome; who is patient lets others of its lanes go first,
/// whose time would run out.
pub async fn look(
    pipeline: &Pipeline,
    claimed: &Claimed,
    (connection, delay): (&str, &Delay),
    patient: bool,
) -> Result<(), Stop> {
    if !patient {
        return put_off(pipeline, claimed, connection, delay).await;
    }
    let now = pipeline.clock.now();
    let due = due_after(pipeline, claimed, connection, delay);
    let why = format!("{connection}: {}", delay.why);
    tell(claimed, due, &why);
    fenced(pipeline.store.put_aside(claimed.fence, due, &why, now).await?)
}

/// Puts the job off; it keeps its lanes.
pub async fn wait(
    pipeline: &Pipeline,
    claimed: &Claimed,
    due: Timestamp,
    why: &str,
) -> Result<(), Stop> {
    tell(claimed, due, why);
    let now = pipeline.clock.now();
    fenced(pipeline.store.put_off(claimed.fence, due, why, true, now).await?)
}

/// Puts the job off because the facts know of a later change than the events did. That is no trouble:
/// its lanes are let go.
pub async fn settle(
    pipeline: &Pipeline,
    claimed: &Claimed,
    due: Timestamp,
    why: &str,
) -> Result<(), Stop> {
    tell(claimed, due, why);
    let now = pipeline.clock.now();
    fenced(pipeline.store.put_off(claimed.fence, due, why, false, now).await?)
}

fn tell(claimed: &Claimed, due: Timestamp, why: &str) {
    tracing::info!(job = claimed.fence.job, flow = %claimed.flow, %due, why, "put off");
}
