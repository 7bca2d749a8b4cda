//! What waits for a person, page by page. Invariant: a page begins after the row where the last one
//! ended, whatever was settled meanwhile; the newest come first.

use super::sql::{Row, args, statements};
use super::status::{StuckJob, UnreadableRow};
use super::{Error, Store, rest};
use jiff::Timestamp;

statements! {
    STUCK = "job", "select j.id, j.flow, j.why, j.due, j.changed, e.key, e.connection, \
            (select s.name from step s where s.job_id = j.id and s.state = 'unknown' \
                order by s.id desc limit 1) as step \
        from job j join event e on e.id = j.event_id where j.state = 'stuck' \
            and (j.due, j.id) < ($1, $2) and ($3 = '' or j.flow = $3) \
        order by j.due desc, j.id desc limit $4";
    UNREADABLE = "raw", "select id, connection, channel, received, why from raw \
        where state = 'unreadable' and id < $1 and ($2 = '' or connection = $2) \
        order by id desc limit $3";
}

/// A parked job, with the place that it has among the others.
#[derive(Debug, Clone)]
pub struct Parked {
    pub job: StuckJob,
    pub due: Timestamp,
    /// Its last step of unknown outcome.
    pub step: Option<String>,
}

impl Store {
    /// Parked jobs before a due time and number, the newest first.
    pub async fn parked_before(
        &self,
        (due, job): (Timestamp, i64),
        flow: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Parked>, Error> {
        let args = args![due, job, flow.unwrap_or_default(), limit];
        self.reader().await?.fetch(STUCK, args).await?.iter().map(parked).collect()
    }

    /// Unreadable deliveries before a number, the newest first.
    pub async fn unreadable_before(
        &self,
        id: i64,
        connection: Option<&str>,
        limit: u32,
    ) -> Result<Vec<UnreadableRow>, Error> {
        let args = args![id, connection.unwrap_or_default(), limit];
        self.reader().await?.fetch(UNREADABLE, args).await?.iter().map(rest::unreadable).collect()
    }
}

fn parked(row: &Row) -> Result<Parked, Error> {
    Ok(Parked {
        job: StuckJob {
            id: row.int("id")?,
            flow: row.owned("flow")?,
            why: row.opt_text("why")?.map(str::to_owned),
            changed: row.time("changed")?,
            event: row.owned("key")?,
            connection: row.owned("connection")?,
        },
        due: row.time("due")?,
        step: row.opt_text("step")?.map(str::to_owned),
    })
}
