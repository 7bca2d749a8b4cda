//! What a person lets rest: a job that is skipped, a delivery that is dismissed, each with a word; and
//! deliveries that are read again one by one. Invariant: a job that is being decided is not touched;
//! one that is skipped lets its lanes go, and none of its steps asks for a person any more.

use super::lanes;
use super::sql::{Connection, Row, args, list, statements};
use super::status::UnreadableRow;
use super::{Error, Hand, JobState, Mended, Store, mend};
use jiff::Timestamp;

statements! {
    STATE = "job", "select state from job where id = $1";
    // Whoever claims it at the same time waits here, and finds it ended.
    HOLD = "job", "update job set changed = $2 where id = $1 and state in ('waiting', 'stuck')";
    DOUBTFUL = "step", "select id from step where job_id = $1 and state = 'unknown' order by id";
    CLOSE = "step", "update step set state = 'skipped' where job_id = $1 and state in ('waiting', 'unknown')";
    TELL = "attempt", "insert into attempt (step_id, started, ended, result, why) \
        values ($1, $2, $2, 'a person: it is left as it is', $3)";
    DISMISS = "raw", "update raw set state = 'routed', routed = $2, why = $3 \
        where state = 'unreadable' and id in (select value from json_each($1))";
    REREAD = "raw", "update raw set state = 'new', why = null, routed = null \
        where state = 'unreadable' and id in (select value from json_each($1))";
    UNREADABLE = "raw", "select id, connection, channel, received, why from raw \
        where state = 'unreadable' and id in (select value from json_each($1)) order by id";
}

impl Store {
    /// Ends a parked or waiting job with a person's word.
    pub async fn skip_job(
        &self,
        job: i64,
        (who, why): (Option<&str>, &str),
        now: Timestamp,
    ) -> Result<Mended, Error> {
        let hand = Hand { who: who.map(str::to_owned), why: Some(why.to_owned()) };
        self.write(move |db| Box::pin(async move { skip(db, job, &hand, now).await })).await
    }

    /// Of these deliveries those that are unreadable.
    pub async fn unreadable_of(&self, ids: &[i64]) -> Result<Vec<UnreadableRow>, Error> {
        let rows = self.reader().await?.fetch(UNREADABLE, args![list(ids)]).await?;
        rows.iter().map(unreadable).collect()
    }

    /// Unreadable deliveries rest, with a person's word; how many.
    pub async fn dismiss(&self, ids: &[i64], why: &str, now: Timestamp) -> Result<u64, Error> {
        let (ids, why) = (ids.to_vec(), format!("dismissed by a person at {now:.0}: {why}"));
        self.write(move |db| {
            Box::pin(async move { db.execute(DISMISS, args![list(&ids), now, &why]).await })
        })
        .await
    }

    /// Unreadable deliveries are read again; how many.
    pub async fn reread_these(&self, ids: &[i64]) -> Result<u64, Error> {
        let ids = ids.to_vec();
        self.write(move |db| Box::pin(async move { db.execute(REREAD, args![list(&ids)]).await }))
            .await
    }
}

async fn skip(db: &mut Connection, job: i64, hand: &Hand, now: Timestamp) -> Result<Mended, Error> {
    let why = hand.why.as_deref().unwrap_or_default();
    if db.execute(HOLD, args![job, now]).await? == 0 {
        let found = db.fetch_one(STATE, args![job]).await?;
        return found.map_or(Ok(Mended::NoJob), |row| Ok(Mended::Is(row.job_state("state")?)));
    }
    for row in db.fetch(DOUBTFUL, args![job]).await? {
        db.execute(TELL, args![row.int("id")?, now, why]).await?;
    }
    db.execute(CLOSE, args![job]).await?;
    mend::keep(db, job, ("skipped", None), hand, now).await?;
    let told = format!("skipped by a person at {now:.0}: {why}");
    lanes::end(db, job, JobState::Skipped, Some(&told), now).await?;
    Ok(Mended::Ended(job))
}

pub(super) fn unreadable(row: &Row) -> Result<UnreadableRow, Error> {
    Ok(UnreadableRow {
        id: row.int("id")?,
        connection: row.owned("connection")?,
        channel: row.owned("channel")?,
        received: row.time("received")?,
        why: row.opt_text("why")?.map(str::to_owned),
    })
}
