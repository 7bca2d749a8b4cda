//! Routing: what rows were read as becomes events and jobs. Invariant: a row is routed once; however
//! often and in however many forms a fact arrives, it is one event; which jobs follow is the judge's.

use super::events::{self, EventJob};
use super::sql::{Connection, args, list, statements};
use super::{
    Error, JobState, Judge, Judged, Reading, Routed, Store, drafts, entities, gone, journals,
    lanes, messages,
};
use crate::domain::{Event, Lead, Seen};
use jiff::Timestamp;
use std::collections::HashMap;

statements! {
    NEW = "raw", "select id, channel from raw where state = 'new' and id in (select value from json_each($1))";
    ROUTED = "raw", "update raw set state = 'routed', routed = $2 \
        where id in (select value from json_each($1))";
    UNREADABLE = "raw", "update raw set state = 'unreadable', why = $2, routed = $3 where id = $1";
    CARRIED = "raw_event", "insert into raw_event (raw_id, event_id) \
        select r.value, e.value from json_each($1) r join json_each($2) e on e.key = r.key \
        where true on conflict (raw_id, event_id) do nothing",
        postgres: "insert into raw_event (raw_id, event_id) \
        select u.raw, u.event from unnest($1::bigint[], $2::bigint[]) as u (raw, event) \
        on conflict (raw_id, event_id) do nothing";
}

impl Store {
    /// Routes rows: each event meets what is known under any of its keys (filled, or new), then
    /// `judge` says which jobs follow. All in one transaction. Rows that were routed are passed over.
    pub async fn route(
        &self,
        batch: Vec<(i64, Reading)>,
        judge: Judge,
        now: Timestamp,
    ) -> Result<Routed, Error> {
        self.write(move |db| Box::pin(route(db, batch, judge, now))).await
    }
}

async fn route(
    connection: &mut Connection,
    batch: Vec<(i64, Reading)>,
    judge: Judge,
    now: Timestamp,
) -> Result<Routed, Error> {
    let ids: Vec<i64> = batch.iter().map(|(raw, _)| *raw).collect();
    let rows = connection.fetch(NEW, args![list(&ids)]).await?;
    let new = rows.iter().map(|row| Ok((row.int("id")?, seen_by(row.text("channel")?))));
    let mut new: HashMap<i64, Seen> = new.collect::<Result<_, Error>>()?;
    let mut counts = Routed::default();
    let mut leads = Vec::new();
    let mut routed = Vec::with_capacity(batch.len());
    let mut carried = Vec::with_capacity(batch.len());
    for (raw, reading) in batch {
        let Some(seen) = new.remove(&raw) else { continue };
        match reading {
            Reading::Unreadable(why) => {
                connection.execute(UNREADABLE, args![raw, why, now]).await?;
                counts.unreadable += 1;
            }
            Reading::Events(arrivals) => {
                for arrival in &arrivals {
                    let met = meet(connection, arrival, &judge, &mut counts, now).await?;
                    let Some(met) = met else { continue };
                    for loser in met.losers {
                        move_rows(&mut carried, loser, met.event);
                    }
                    leads.extend(met.lead.map(|lead| Lead { seen, ..lead }));
                    carried.push([raw, met.event]);
                }
                routed.push(raw);
            }
        }
    }
    let (raws, events): (Vec<i64>, Vec<i64>) =
        carried.into_iter().map(|[raw, event]| (raw, event)).unzip();
    connection.execute(CARRIED, args![list(&raws), list(&events)]).await?;
    connection.execute(ROUTED, args![list(&routed), now]).await?;
    journals::keep(connection, &leads).await?;
    Ok(counts)
}

/// The event that an arrival is of, and those that turned out to be this one.
struct Met {
    event: i64,
    losers: Vec<i64>,
    lead: Option<Lead>,
}

fn seen_by(channel: &str) -> Seen {
    if channel == "hook" { Seen::HOOK } else { Seen::JOURNAL }
}

/// Rows of this batch that carried the loser carried the winner.
fn move_rows(carried: &mut [[i64; 2]], loser: i64, winner: i64) {
    for [_, event] in carried.iter_mut().filter(|[_, event]| *event == loser) {
        *event = winner;
    }
}

/// An arrival meets what is known of its fact; `None` where all of that is deleted already.
async fn meet(
    connection: &mut Connection,
    arrival: &Event,
    judge: &Judge,
    counts: &mut Routed,
    now: Timestamp,
) -> Result<Option<Met>, Error> {
    let known = events::find(connection, arrival).await?;
    let Some(first) = known.first().copied() else {
        if gone::known(connection, arrival).await? {
            counts.repeats += 1;
            return Ok(None);
        }
        let id = events::insert(connection, arrival, now).await?;
        counts.events += 1;
        messages::heard(connection, arrival).await?;
        let lead = follow(connection, id, judge(arrival, &[]), counts, now).await?;
        return Ok(Some(Met { event: id, losers: Vec::new(), lead }));
    };
    let id = if known.len() > 1 { one_of(connection, &known, now).await? } else { first };
    let losers = known.into_iter().filter(|other| *other != id).collect();
    let mut merged = events::load(connection, id).await?;
    if merged.fill_from(arrival) {
        events::save(connection, id, &merged, now).await?;
    }
    counts.repeats += 1;
    let jobs = events::jobs(connection, id).await?;
    let states: Vec<(String, JobState)> =
        jobs.into_iter().map(|job| (job.flow, job.state)).collect();
    let mut judged = judge(&merged, &states);
    if judged.jobs.is_empty() && states.is_empty() && arrival.registered > merged.registered {
        // A journal brought it as older than the first start; the hook that comes now registers it.
        let late = judge(&Event { registered: arrival.registered, ..merged }, &states);
        judged.jobs = late.jobs;
    }
    let lead = follow(connection, id, judged, counts, now).await?;
    Ok(Some(Met { event: id, losers, lead }))
}

/// What follows from an event is done, but for its lead: leads are kept together.
async fn follow(
    connection: &mut Connection,
    event: i64,
    judged: Judged,
    counts: &mut Routed,
    now: Timestamp,
) -> Result<Option<Lead>, Error> {
    counts.jobs += drafts::apply(connection, event, &judged.jobs, now).await?;
    for kept in &judged.kept {
        entities::keep_later(connection, kept).await?;
    }
    if let Some(fate) = &judged.fate {
        entities::end(connection, fate).await?;
    }
    Ok(judged.lead)
}

/// Stored events that turn out to be one: the one whose job has gone furthest stays, of equals the
/// older. Answers its id.
async fn one_of(connection: &mut Connection, known: &[i64], now: Timestamp) -> Result<i64, Error> {
    let mut all = Vec::with_capacity(known.len());
    for id in known {
        all.push((*id, events::jobs(connection, *id).await?));
    }
    let rank = |jobs: &[EventJob]| jobs.iter().map(EventJob::rank).max().unwrap_or(0);
    let furthest = all.iter().map(|(_, jobs)| rank(jobs)).max().unwrap_or(0);
    let at = all.iter().position(|(_, jobs)| rank(jobs) == furthest).unwrap_or(0);
    let (winner, winner_jobs) = all.remove(at);
    let mut merged = events::load(connection, winner).await?;
    for (loser, loser_jobs) in &all {
        merged.fill_from(&events::load(connection, *loser).await?);
        let why = format!("the same lead as {}", merged.key);
        for job in twins(&winner_jobs, loser_jobs) {
            lanes::end(connection, job.id, JobState::Skipped, Some(&why), now).await?;
        }
        events::unite(connection, winner, *loser, now).await?;
    }
    events::save(connection, winner, &merged, now).await?;
    Ok(winner)
}

/// Waiting jobs of the other event whose flow has a job of this one. A flow that has none here keeps
/// the job that it has there.
fn twins<'a>(winner: &'a [EventJob], loser: &'a [EventJob]) -> impl Iterator<Item = &'a EventJob> {
    loser.iter().filter(|job| {
        job.state == JobState::Waiting && winner.iter().any(|twin| twin.flow == job.flow)
    })
}
