//! An event that a lookup made fuller while its job is being decided. Invariant: if the fuller event
//! turns out to be one that is known, one job of the flow goes on, not two.

use super::events::{self, EventJob};
use super::jobs::{self, Held};
use super::sql::{Connection, args, statements};
use super::{Error, Fence, Fenced, JobState, Store, gone, lanes};
use crate::domain::Event;
use jiff::Timestamp;

statements! {
    BEGUN = "step", "select count(*) as n from step where job_id = $1 \
        and state in ('done', 'unknown', 'running')";
}

impl Store {
    /// The event of a claimed job became fuller (`complete`). `Fenced::Yes(false)`: another event
    /// has its key already, so the job was ended as skipped.
    pub async fn complete(
        &self,
        fence: Fence,
        event: &Event,
        now: Timestamp,
    ) -> Result<Fenced<bool>, Error> {
        let fuller = event.clone();
        self.write(move |db| {
            Box::pin(async move {
                let Some(job) = jobs::held(db, fence).await? else { return Ok(Fenced::Lost) };
                complete(db, &job, fuller, now).await.map(Fenced::Yes)
            })
        })
        .await
    }
}

async fn complete(
    connection: &mut Connection,
    job: &Held,
    mut fuller: Event,
    now: Timestamp,
) -> Result<bool, Error> {
    let others = events::find(connection, &fuller).await?;
    fuller.fill_from(&events::load(connection, job.event).await?);
    let mut goes_on = true;
    if others.iter().all(|other| *other == job.event) && gone::known(connection, &fuller).await? {
        goes_on = connection.fetch_row(BEGUN, args![job.id]).await?.int("n")? > 0;
        if !goes_on {
            let why = Some("the same lead as one that retention deleted");
            lanes::end(connection, job.id, JobState::Skipped, why, now).await?;
        }
    }
    for other in others.into_iter().filter(|other| *other != job.event) {
        let known = events::load(connection, other).await?;
        let theirs = events::jobs(connection, other).await?;
        goes_on &= one_goes_on(connection, job, &theirs, &known.key, now).await?;
        // The older story stays, with the keys of both.
        let mut merged = known;
        merged.fill_from(&fuller);
        fuller = merged;
        events::unite(connection, job.event, other, now).await?;
    }
    events::save(connection, job.event, &fuller, now).await?;
    Ok(goes_on)
}

/// Of our job and theirs of the same flow one goes on: theirs, unless it has not begun and ours has.
/// An incomplete one is no answer: ours goes on beside it. True when ours goes on.
async fn one_goes_on(
    connection: &mut Connection,
    ours: &Held,
    theirs: &[EventJob],
    their_key: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let rival = theirs.iter().rfind(|job| {
        job.flow == ours.flow && job.id != ours.id && job.state != JobState::Incomplete
    });
    let Some(rival) = rival else { return Ok(true) };
    let begun = connection.fetch_row(BEGUN, args![ours.id]).await?.int("n")? > 0;
    let why = format!("the same lead as {their_key}");
    if begun && rival.state == JobState::Waiting && rival.epoch == 0 {
        lanes::end(connection, rival.id, JobState::Skipped, Some(&why), now).await?;
        return Ok(true);
    }
    lanes::end(connection, ours.id, JobState::Skipped, Some(&why), now).await?;
    Ok(false)
}
