//! What was decided, for replays. Invariant: read in pages by time and row, so that memory stays flat
//! however much is kept; reading changes nothing.

use super::sql::{Connection, Row, args, list, statements};
use super::{Error, Mark, StepState, Store, events};
use crate::domain::Recorded;
use crate::domain::plan::REFUSED;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

statements! {
    // Of the last job of each flow and event: its last decision, and those before it that did
    // something. With $4 every decision that is kept.
    PAGE = "decision", "select d.id, d.job_id, d.created, d.event as fields, d.facts, d.asked as questions, \
            d.flow_hash, d.decision, j.flow, j.first_tried, \
            e.connection, e.kind, e.key, e.aliases, e.provisional, e.registered, e.asked, \
            (select count(*) from decision p where p.job_id = d.job_id and p.id < d.id) as earlier, \
            (select count(*) from decision n where n.job_id = d.job_id and n.id > d.id) as later \
        from decision d join job j on j.id = d.job_id join event e on e.id = j.event_id \
        where (d.created, d.id) > ($1, $2) and d.created < $3 \
            and ($4 = 1 or ( \
                not exists (select 1 from job k where k.event_id = j.event_id \
                    and k.flow = j.flow and k.id > j.id) \
                and (not exists (select 1 from decision n where n.job_id = d.job_id and n.id > d.id) \
                    or exists (select 1 from step s where s.decision_id = d.id and s.state = 'done')))) \
            and ($5 = 1 or j.flow in (select value from json_each($6))) \
        order by d.created, d.id limit $7";
    COUNT = "decision", "select count(*) as n from decision where created >= $1 and created < $2";
    DONE = "step", "select job_id, decision_id, name, output, state from step \
        where job_id in (select value from json_each($1)) and state in ('done', 'refused') order by id";
    KNOWN = "job", "select count(*) as n from (select 1 as one from job where flow = $1 limit 1) as held";
    UNHEARD = "event", "select count(*) as n from event where kind = $1 and same_as is null \
        and first_seen >= $2 and first_seen < $3 \
        and connection in (select value from json_each($4))";
}

/// Which decisions.
#[derive(Debug, Clone)]
pub struct Span {
    pub since: Timestamp,
    /// Not included.
    pub until: Timestamp,
    /// Names of flow instances; none: all.
    pub flows: Vec<String>,
    /// Every decision that is kept, not only what jobs came to.
    pub every: bool,
}

impl Span {
    /// Before its first decision.
    pub fn start(&self) -> Mark {
        let before = self.since.as_millisecond().saturating_sub(1);
        let at = Timestamp::from_millisecond(before).unwrap_or(Timestamp::MIN);
        Mark { at, id: i64::MAX }
    }
}

impl Store {
    /// At most `limit` decisions after `mark`, the oldest first, and where to go on; an empty page is
    /// the end.
    pub async fn recorded(
        &self,
        span: &Span,
        mark: Mark,
        limit: u32,
    ) -> Result<(Vec<Recorded>, Mark), Error> {
        let args = args![
            mark.at,
            mark.id,
            span.until,
            span.every,
            span.flows.is_empty(),
            list(&span.flows),
            limit,
        ];
        let mut db = self.snapshot().await?;
        let rows = db.fetch(PAGE, args).await?;
        let page = read(&mut db, &rows).await?;
        let mark = page.last().map_or(mark, |last: &Recorded| Mark { at: last.at, id: last.id });
        Ok((page, mark))
    }

    /// How many decisions of all flows a span holds, for the progress that is shown.
    pub async fn recorded_count(&self, span: &Span) -> Result<u64, Error> {
        let args = args![span.since, span.until];
        self.reader().await?.fetch_row(COUNT, args).await?.count("n")
    }

    /// Has a flow ever had a job?
    pub async fn flow_known(&self, flow: &str) -> Result<bool, Error> {
        Ok(self.reader().await?.fetch_row(KNOWN, args![flow]).await?.int("n")? > 0)
    }

    /// How many events of a kind came from these connections.
    pub async fn events_of(
        &self,
        kind: &str,
        connections: &[String],
        span: &Span,
    ) -> Result<u64, Error> {
        let args = args![kind, span.since, span.until, list(connections)];
        self.reader().await?.fetch_row(UNHEARD, args).await?.count("n")
    }
}

/// Rows of a page, with what earlier decisions of their jobs had done.
pub(super) async fn read(db: &mut Connection, rows: &[Row]) -> Result<Vec<Recorded>, Error> {
    let mut done = done_before(db, rows).await?;
    rows.iter().map(|row| recorded(row, &mut done)).collect()
}

/// Steps that are done or refused, of the jobs of which a page holds a later decision: decision, name,
/// output, whether it is done.
type Done = HashMap<i64, Vec<(i64, String, Value, bool)>>;

async fn done_before(db: &mut Connection, rows: &[Row]) -> Result<Done, Error> {
    let mut jobs = Vec::new();
    for row in rows {
        if row.int("earlier")? > 0 {
            jobs.push(row.int("job_id")?);
        }
    }
    let mut done = Done::new();
    if jobs.is_empty() {
        return Ok(done);
    }
    for row in db.fetch(DONE, args![list(&jobs)]).await? {
        let output = row.opt_json("output")?.unwrap_or_default();
        let is_done = row.owned("state")? == StepState::Done.word();
        let step = (row.int("decision_id")?, row.owned("name")?, output, is_done);
        done.entry(row.int("job_id")?).or_default().push(step);
    }
    Ok(done)
}

fn recorded(row: &Row, done: &mut Done) -> Result<Recorded, Error> {
    let (id, job) = (row.int("id")?, row.int("job_id")?);
    let steps = done.get(&job).into_iter().flatten();
    let (mut done, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for (_, name, output, is_done) in steps.filter(|(decision, ..)| *decision < id) {
        if *is_done {
            done.insert(name.clone(), output.clone());
        } else {
            let why = output.get(REFUSED).and_then(Value::as_str).unwrap_or_default();
            refused.insert(name.clone(), why.to_owned());
        }
    }
    Ok(Recorded {
        id,
        job,
        flow: row.owned("flow")?,
        flow_hash: row.owned("flow_hash")?,
        event: events::event(row)?,
        facts: row.json("facts")?,
        asked: row.opt_json("questions")?,
        done,
        refused,
        first_tried: row.opt_time("first_tried")?,
        at: row.time("created")?,
        decision: row.json("decision")?,
        last: row.int("later")? == 0,
    })
}
