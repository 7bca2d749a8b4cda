//! Numbers for metrics and readiness. Invariant: reading changes nothing; `ping` writes one row that
//! means nothing else.

use super::sql::{args, statements};
use super::{Counts, Error, JobState, Store};
use jiff::Timestamp;

statements! {
    UNROUTED = "raw", "select count(*) as n from raw where state = 'new'";
    UNREADABLE = "raw", "select count(*) as n from raw where state = 'unreadable'";
    STATES = "job_count", "select state, jobs as n from job_count";
    UNKNOWN = "step", "select count(*) as n from step where state = 'unknown'";
    OLDEST = "job", "select min(due) as due from ( \
        select min(due) as due from job where state = 'waiting' and due <= $1 \
        union all select min(due) from job where state = 'deciding') as oldest";
    CURSORS = "cursor", "select connection, feed, moved from cursor order by connection, feed";
    PING = "probe", "insert into probe (id, at) values (1, $1) \
        on conflict (id) do update set at = excluded.at";
}

impl Store {
    /// For metrics and readiness.
    pub async fn counts(&self, now: Timestamp) -> Result<Counts, Error> {
        let mut db = self.snapshot().await?;
        let mut counts = Counts {
            unrouted: db.fetch_row(UNROUTED, args![]).await?.count("n")?,
            unreadable: db.fetch_row(UNREADABLE, args![]).await?.count("n")?,
            unknown_steps: db.fetch_row(UNKNOWN, args![]).await?.count("n")?,
            oldest_due: db.fetch_row(OLDEST, args![now]).await?.opt_time("due")?,
            ..Counts::default()
        };
        for row in db.fetch(STATES, args![]).await? {
            let jobs: u64 = row.count("n")?;
            match row.job_state("state")? {
                JobState::Waiting => counts.waiting += jobs,
                JobState::Deciding => counts.deciding += jobs,
                JobState::Acted => counts.acted += jobs,
                JobState::Skipped | JobState::Incomplete => counts.skipped += jobs,
                JobState::Stuck => counts.stuck += jobs,
            }
        }
        for row in db.fetch(CURSORS, args![]).await? {
            counts.cursors.push((row.owned("connection")?, row.owned("feed")?, row.time("moved")?));
        }
        Ok(counts)
    }

    /// Can it be written to right now?
    pub async fn ping(&self, now: Timestamp) -> Result<(), Error> {
        if self.is_shared() {
            // What arrives waits for no turn among the writers of jobs; neither does this.
            return self.accept(Vec::new(), None).await.map(drop);
        }
        self.write(move |db| Box::pin(async move { db.execute(PING, args![now]).await.map(drop) }))
            .await
    }
}
