//! The newest of what was decided and tried. Invariant: reads only, and never walks the whole: it
//! looks back over a bounded number of rows.

use super::sql::{Row, args, statements};
use super::{Error, Store, recorded};
use crate::domain::{Decision, Recorded};
use jiff::Timestamp;

statements! {
    // Back over the last decisions of all flows.
    OF_FLOW = "decision", "select d.id, d.job_id, d.created, d.event as fields, d.facts, \
            d.asked as questions, d.flow_hash, d.decision, j.flow, j.first_tried, \
            e.connection, e.kind, e.key, e.aliases, e.provisional, e.registered, e.asked, \
            (select count(*) from decision p where p.job_id = d.job_id and p.id < d.id) as earlier, \
            (select count(*) from decision n where n.job_id = d.job_id and n.id > d.id) as later \
        from (select * from decision order by created desc, id desc limit 20000) d \
        join job j on j.id = d.job_id join event e on e.id = j.event_id \
        where j.flow = $1 and not exists (select 1 from decision n where n.job_id = d.job_id and n.id > d.id) \
        order by d.created desc, d.id desc limit $2";
    OF_JOB = "decision", "select d.id, d.job_id, d.created, d.event as fields, d.facts, \
            d.asked as questions, d.flow_hash, d.decision, j.flow, j.first_tried, \
            e.connection, e.kind, e.key, e.aliases, e.provisional, e.registered, e.asked, \
            (select count(*) from decision p where p.job_id = d.job_id and p.id < d.id) as earlier, \
            0 as later \
        from decision d join job j on j.id = d.job_id join event e on e.id = j.event_id \
        where d.job_id = $1 order by d.id desc limit 1";
    BRIEF = "decision", "select d.job_id, d.created, d.decision, e.connection, e.key \
        from (select * from decision order by created desc, id desc limit 20000) d \
        join job j on j.id = d.job_id join event e on e.id = j.event_id \
        where j.flow = $1 order by d.created desc, d.id desc limit $2";
    FAILED = "attempt", "select a.started, a.result, a.why, s.name, s.operation, s.connection as side, \
            j.id as job, j.flow, e.connection, e.key \
        from (select * from attempt order by id desc limit 5000) a \
        join step s on s.id = a.step_id join job j on j.id = s.job_id join event e on e.id = j.event_id \
        where a.started >= $1 and a.result in ('later', 'refused', 'unknown') order by a.id desc";
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
    /// What the last jobs of a flow came to, the newest first, among the last 20 000 decisions.
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

    /// The last decisions of a flow, short, the newest first.
    pub async fn last_decisions(&self, flow: &str, most: u32) -> Result<Vec<BriefDecision>, Error> {
        let rows = self.reader().await?.fetch(BRIEF, args![flow, most]).await?;
        rows.iter().map(brief).collect()
    }

    /// Attempts that failed since then, of the last 5000, the newest first.
    pub async fn failed_since(&self, since: Timestamp) -> Result<Vec<Failed>, Error> {
        let rows = self.reader().await?.fetch(FAILED, args![since]).await?;
        rows.iter().map(failed).collect()
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
