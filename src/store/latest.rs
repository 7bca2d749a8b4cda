//! The newest of what was decided and tried. Invariant: reads only, and never walks the whole: each is
//! found by an index that holds nothing else, and of a bounded number of rows.

use super::sql::{Row, args, statements};
use super::{Error, Store, recorded};
use crate::domain::{Decision, Recorded};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What the newest jobs of a flow came to: those that are through and were decided, by an index that
/// holds no other.
macro_rules! last {
    ($columns:literal) => {
        concat!(
            "select d.id, d.job_id, d.created, d.decision, e.connection, e.key",
            $columns,
            " from (select b.id from job b where b.flow = $1 \
                and b.state in ('acted', 'skipped', 'incomplete', 'stuck') \
                and exists (select 1 from decision x where x.job_id = b.id) \
                order by b.id desc limit $2) as held \
            join decision d on d.id = (select max(n.id) from decision n where n.job_id = held.id) \
            join job j on j.id = held.id join event e on e.id = j.event_id \
            order by d.created desc, d.id desc"
        )
    };
}

statements! {
    OF_FLOW = "decision", last!(", d.event as fields, d.facts, \
            d.asked as questions, d.flow_hash, j.flow, j.first_tried, \
            e.kind, e.aliases, e.provisional, e.registered, e.asked, \
            (select count(*) from decision p where p.job_id = d.job_id and p.id < d.id) as earlier, \
            0 as later");
    OF_JOB = "decision", "select d.id, d.job_id, d.created, d.event as fields, d.facts, \
            d.asked as questions, d.flow_hash, d.decision, j.flow, j.first_tried, \
            e.connection, e.kind, e.key, e.aliases, e.provisional, e.registered, e.asked, \
            (select count(*) from decision p where p.job_id = d.job_id and p.id < d.id) as earlier, \
            0 as later \
        from decision d join job j on j.id = d.job_id join event e on e.id = j.event_id \
        where d.job_id = $1 order by d.id desc limit 1";
    BRIEF = "decision", last!("");
    FAILED = "attempt", "select a.started, a.result, a.why, s.name, s.operation, s.connection as side, \
            j.id as job, j.flow, e.connection, e.key \
        from (select id, started, result, why, step_id from attempt \
            where started >= $1 and result in ('later', 'refused', 'unknown') \
            order by started desc limit 1000) as a \
        join step s on s.id = a.step_id join job j on j.id = s.job_id \
        join event e on e.id = j.event_id order by a.started desc, a.id desc";
    FAILURES = "attempt", "select s.connection as side, count(*) as n \
        from attempt a join step s on s.id = a.step_id \
        where a.started >= $1 and a.result in ('later', 'refused', 'unknown') group by s.connection";
}

/// A decision, short.
#[derive(Debug, Clone)]
pub struct BriefDecision {
    pub at: Timestamp,
    pub job: i64,
    /// The event's key, and where it came from.
    pub event: String,
    pub connection: String,
    pub decision: Decision,
}

/// An attempt that failed.
#[derive(Debug, Clone)]
pub struct Failed {
    pub at: Timestamp,
    /// The far side.
    pub side: String,
    pub job: i64,
    pub flow: String,
    pub step: String,
    pub operation: String,
    pub result: String,
    pub why: Option<String>,
    /// The event's key, and where it came from.
    pub event: String,
    pub connection: String,
}

impl Store {
    /// What the newest jobs of a flow came to that are through, what was decided last first.
    pub async fn recorded_last(&self, flow: &str, most: u32) -> Result<Vec<Recorded>, Error> {
        let mut db = self.snapshot().await?;
        let rows = db.fetch(OF_FLOW, args![flow, most]).await?;
        recorded::read(&mut db, &rows).await
    }

    /// The last decision of a job.
    pub async fn recorded_job(&self, job: i64) -> Result<Option<Recorded>, Error> {
        let mut db = self.snapshot().await?;
        let rows = db.fetch(OF_JOB, args![job]).await?;
        Ok(recorded::read(&mut db, &rows).await?.pop())
    }

    /// The same, short.
    pub async fn last_decisions(&self, flow: &str, most: u32) -> Result<Vec<BriefDecision>, Error> {
        let rows = self.reader().await?.fetch(BRIEF, args![flow, most]).await?;
        rows.iter().map(brief).collect()
    }

    /// The last 1000 attempts that failed since then, the newest first.
    pub async fn failed_since(&self, since: Timestamp) -> Result<Vec<Failed>, Error> {
        let rows = self.reader().await?.fetch(FAILED, args![since]).await?;
        rows.iter().map(failed).collect()
    }

    /// How many attempts have failed since then, by the far side.
    pub async fn failures_since(&self, since: Timestamp) -> Result<BTreeMap<String, u64>, Error> {
        let rows = self.reader().await?.fetch(FAILURES, args![since]).await?;
        rows.iter().map(|row| Ok((row.owned("side")?, row.count("n")?))).collect()
    }
}

fn brief(row: &Row) -> Result<BriefDecision, Error> {
    Ok(BriefDecision {
        at: row.time("created")?,
        job: row.int("job_id")?,
        event: row.owned("key")?,
        connection: row.owned("connection")?,
        decision: row.json("decision")?,
    })
}

fn failed(row: &Row) -> Result<Failed, Error> {
    Ok(Failed {
        at: row.time("started")?,
        side: row.owned("side")?,
        job: row.int("job")?,
        flow: row.owned("flow")?,
        step: row.owned("name")?,
        operation: row.owned("operation")?,
        result: row.owned("result")?,
        why: row.opt_text("why")?.map(str::to_owned),
        event: row.owned("key")?,
        connection: row.owned("connection")?,
    })
}
