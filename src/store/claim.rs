//! Claiming: which due jobs may be decided now. Invariant: a claimed job holds all its lanes, and no
//! job that waited before it in one of them was passed over; every claim has a new epoch.
//!
//! Fast with a million waiting jobs: the index `job_ready` holds, by flow and due time, only jobs that
//! may be claimable. A job that a claim finds blocked leaves that index until the lane that blocks it
//! is freed (`lanes`), so that neither a busy lane with ten thousand jobs nor a closed flow is walked
//! through again and again, and the jobs behind them get their turn in the same claim.

use super::sql::{Connection, Row, args, list, statements};
use super::{Claimant, Claimed, Error, StepRow, StepState, Store, events, lanes, owners};
use crate::domain::Effect;
use jiff::Timestamp;
use std::collections::HashMap;

statements! {
    FLOWS = "job", "with recursive flows (flow) as ( \
            select (select flow from job where ready = 1 \
                order by flow, due limit 1) \
            union all \
            select (select flow from job where ready = 1 \
                and flow > flows.flow order by flow, due limit 1) \
            from flows where flows.flow is not null) \
        select flow from flows where flow is not null \
            and flow not in (select value from json_each($1))";
    WINDOW = "job", "select j.id, j.due, j.registered, ( \
            exists (select 1 from job_lane m join lane_hold h on h.lane = m.lane \
                where m.job_id = j.id and h.job_id <> j.id) \
            or exists (select 1 from job_lane m join job_lane e on e.lane = m.lane \
                where m.job_id = j.id and e.job_id <> j.id and e.due is not null \
                and (e.due, e.registered, e.job_id) < (j.due, j.registered, j.id) \
                and not exists (select 1 from lane_hold h \
                    where h.lane = m.lane and h.job_id = j.id)) \
        ) as busy \
        from job j where j.flow = $1 and j.ready = 1 and j.due <= $2 \
        order by j.due, j.registered, j.id limit $3";
    BLOCK = "job", "update job set ready = 0 where id in (select value from json_each($1))";
    TAKE = "job", "update job set state = 'deciding', ready = 0, epoch = epoch + 1, claimed = $2, \
        first_due = coalesce(first_due, due), lease_owner = $3, lease_until = $4, changed = $2 \
        where id in (select value from json_each($1))";
    LEAVE = "job_lane", "update job_lane set due = null \
        where due is not null and job_id in (select value from json_each($1))";
    TAKEN = "job", "select j.id, j.epoch, j.flow, j.registered as job_registered, j.due, j.tries, \
            j.first_tried, e.connection, e.kind, e.key, e.aliases, e.provisional, e.registered, e.asked, e.fields \
        from job j join event e on e.id = j.event_id \
        where j.id in (select value from json_each($1)) order by j.due, j.registered, j.id";
    STEPS = "step", "select id, job_id, name, connection, operation, input, key, state, output, \
            started, looks from step \
        where job_id in (select value from json_each($1)) and state in ('done', 'unknown', 'refused') order by id";
    NEXT_DUE = "job", "with recursive flows (flow) as ( \
            select (select flow from job where ready = 1 \
                order by flow, due limit 1) \
            union all \
            select (select flow from job where ready = 1 \
                and flow > flows.flow order by flow, due limit 1) \
            from flows where flows.flow is not null) \
        select min(( \
            select j.due from job j where j.flow = flows.flow and j.ready = 1 \
                and not exists ( \
                    select 1 from job_lane m join lane_hold h on h.lane = m.lane \
                    where m.job_id = j.id and h.job_id <> j.id) \
            order by j.due, j.registered, j.id limit 1)) as due \
        from flows where flows.flow is not null \
            and flows.flow not in (select value from json_each($1))";
}

/// Jobs of a flow that the first look takes beyond those that are asked for; later looks take more.
const SPARE: u32 = 16;
const WIDEST: u32 = 1024;
/// Looks of one claim, so that one transaction does not last; the next claim goes on from there.
const LOOKS: usize = 16;

impl Store {
    /// Takes due jobs whose lanes are free, in due order (equal times in order of registration),
    /// none of the `closed` flows. A due job of a closed flow keeps its turn in its lanes. Nothing is
    /// taken where the claimant does not own all that it needs (of SQLite it owns all, by the lock).
    pub async fn claim(
        &self,
        claimant: &Claimant<'_>,
        limit: u32,
        closed: &[String],
        now: Timestamp,
    ) -> Result<Vec<Claimed>, Error> {
        let Claimant { owner, needs, lease } = *claimant;
        let (owner, needs, closed) = (owner.to_owned(), needs.to_vec(), closed.to_vec());
        self.write(move |db| {
            Box::pin(async move {
                let clock = db.lease_clock(now).await?;
                let mut until = super::jobs::lease_end(clock, lease);
                if db.is_shared() {
                    let owned = owners::owned_until(db, &owner, &needs, clock).await?;
                    let Some(owned) = owned else { return Ok(Vec::new()) };
                    // No longer than the connections: who follows us there finds the jobs free too.
                    if !needs.is_empty() {
                        until = until.min(owned);
                    }
                }
                let free = free(db, limit, &closed, now).await?;
                if free.is_empty() {
                    return Ok(Vec::new());
                }
                let jobs = list(&free);
                db.execute(TAKE, args![jobs.clone(), now, owner, until]).await?;
                db.execute(LEAVE, args![jobs.clone()]).await?;
                lanes::hold(db, &free).await?;
                let mut steps = kept_steps(db, &free).await?;
                let rows = db.fetch(TAKEN, args![jobs]).await?;
                rows.iter().map(|row| claimed(row, &mut steps)).collect()
            })
        })
        .await
    }

    /// When the next waiting job of an open flow is due (jobs whose lane is held do not count).
    pub async fn next_due(&self, closed: &[String]) -> Result<Option<Timestamp>, Error> {
        let row = self.reader().await?.fetch_row(NEXT_DUE, args![list(closed)]).await?;
        row.opt_time("due")
    }
}

/// Ids of jobs that may start now, in due order.
async fn free(
    connection: &mut Connection,
    limit: u32,
    closed: &[String],
    now: Timestamp,
) -> Result<Vec<i64>, Error> {
    let flows = connection.fetch(FLOWS, args![list(closed)]).await?;
    let mut free = Vec::new();
    let mut width = limit.saturating_add(SPARE);
    for _ in 0..LOOKS {
        free.clear();
        let mut busy = Vec::new();
        let mut more = false;
        for flow in &flows {
            let rows = connection.fetch(WINDOW, args![flow.text("flow")?, now, width]).await?;
            let looked = rows.len();
            let before = free.len();
            for row in rows {
                if row.flag("busy")? {
                    busy.push(row.int("id")?);
                } else {
                    free.push((row.int("due")?, row.int("registered")?, row.int("id")?));
                }
            }
            more |= count(looked) >= width && count(free.len() - before) < limit;
        }
        if !busy.is_empty() {
            connection.execute(BLOCK, args![list(&busy)]).await?;
        }
        // With the busy ones out of the index the next look reaches further.
        if !more {
            break;
        }
        width = width.saturating_mul(4).min(WIDEST.max(limit));
    }
    free.sort_unstable();
    free.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(free.into_iter().map(|(_, _, id)| id).collect())
}

fn count(jobs: usize) -> u32 {
    u32::try_from(jobs).unwrap_or(u32::MAX)
}

/// Steps of earlier decisions that are done, unknown or refused, the latest of each name; a done one wins.
async fn kept_steps(
    connection: &mut Connection,
    jobs: &[i64],
) -> Result<HashMap<i64, Vec<StepRow>>, Error> {
    let mut kept: HashMap<i64, Vec<StepRow>> = HashMap::new();
    for row in connection.fetch(STEPS, args![list(jobs)]).await? {
        let step = step(&row)?;
        let steps = kept.entry(row.int("job_id")?).or_default();
        let earlier = steps.iter().position(|held| held.name == step.name);
        match earlier {
            Some(at) if steps[at].state == StepState::Done && step.state != StepState::Done => {}
            Some(at) => steps[at] = step,
            None => steps.push(step),
        }
    }
    Ok(kept)
}

fn claimed(row: &Row, steps: &mut HashMap<i64, Vec<StepRow>>) -> Result<Claimed, Error> {
    let fence = row.fence()?;
    Ok(Claimed {
        fence,
        flow: row.owned("flow")?,
        event: events::event(row)?,
        registered: row.time("job_registered")?,
        due: row.time("due")?,
        tries: row.count("tries")?,
        first_tried: row.opt_time("first_tried")?,
        steps: steps.remove(&fence.job).unwrap_or_default(),
    })
}

fn step(row: &Row) -> Result<StepRow, Error> {
    Ok(StepRow {
        id: row.int("id")?,
        name: row.owned("name")?,
        effect: effect(row)?,
        state: row.step_state("state")?,
        output: row.opt_json("output")?,
        started: row.opt_time("started")?,
        looks: row.count("looks")?,
    })
}

pub(super) fn effect(row: &Row) -> Result<Effect, Error> {
    Ok(Effect {
        connection: row.owned("connection")?,
        operation: row.owned("operation")?,
        input: row.json("input")?,
        key: row.owned("key")?,
    })
}
