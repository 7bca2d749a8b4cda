//! By what it shows that something changed. Invariant: a look costs a few steps into indexes, however
//! much is kept; what was committed before it was asked for shows.

use super::sql::{args, statements};
use super::{Error, Store};
use futures_util::FutureExt;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;
use tokio::sync::watch;

statements! {
    LOOK = "the marks", "select \
        (select coalesce(max(id), 0) from raw) as raws, \
        (select coalesce(max(id), 0) from event) as events, \
        (select coalesce(max(id), 0) from job) as jobs, \
        (select coalesce(max(id), 0) from decision) as decisions, \
        (select coalesce(max(id), 0) from attempt) as attempts, \
        (select coalesce(max(id), 0) from mend) as mends, \
        (select coalesce(max(id), 0) from lead) as leads, \
        (select coalesce(max(id), 0) from entity) as entities, \
        (select count(*) from raw where state = 'unreadable') as unreadable, \
        (select count(*) from step where state = 'unknown') as doubtful, \
        (select cast(coalesce(sum(jobs), 0) as bigint) from job_count \
            where state in ('acted', 'skipped', 'incomplete')) as ended, \
        (select cast(coalesce(sum(jobs), 0) as bigint) from job_count where state = 'stuck') as stuck, \
        (select cast(coalesce(sum(since), 0) as bigint) from connection_state) as states, \
        (select cast(coalesce(sum(at), 0) as bigint) from flow_switch) as switches, \
        (select cast(coalesce(sum(loaded), 0) as bigint) from replica) as loaded, \
        (select count(*) from replica where trouble is not null) as refused, \
        (select cast(coalesce(sum(looked), 0) as bigint) from drift) as looked";
    // Of its own jobs, and of those that decide it together with another event.
    STORY = "job", "with held (id) as ( \
            select j.id from event_key k join job j on j.event_id = k.event_id where k.key = $1 \
            union select m.job_id from event_key k \
                join job_event m on m.event_id = k.event_id where k.key = $1) \
        select count(*) as jobs, cast(coalesce(sum(j.changed), 0) as bigint) as changed, \
            (select coalesce(max(d.id), 0) from held h join decision d on d.job_id = h.id) as decisions, \
            (select coalesce(max(a.id), 0) from held h join step s on s.job_id = h.id \
                join attempt a on a.step_id = s.id) as attempts \
        from held h join job j on j.id = h.id";
    TELL = "the listeners", "select 1 as told", postgres: "select pg_notify('leadlink_live', '')";
}

const AGAIN: Duration = Duration::from_secs(1);

/// What was there at one moment; a number that differs tells that something of its kind changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    pub raws: i64,
    pub events: i64,
    pub jobs: i64,
    pub decisions: i64,
    pub attempts: i64,
    pub mends: i64,
    pub leads: i64,
    pub entities: i64,
    pub unreadable: i64,
    pub doubtful: i64,
    pub ended: i64,
    pub stuck: i64,
    pub states: i64,
    pub switches: i64,
    pub loaded: i64,
    /// Processes that refused what they read.
    pub refused: i64,
    pub looked: i64,
}

/// That others have written. On SQLite there are no others.
pub struct Afar {
    store: Store,
    /// With a connection of its own: the readers' are few.
    listener: Option<PgListener>,
}

impl Store {
    pub async fn marks(&self) -> Result<Marks, Error> {
        let row = self.reader().await?.fetch_row(LOOK, args![]).await?;
        Ok(Marks {
            raws: row.int("raws")?,
            events: row.int("events")?,
            jobs: row.int("jobs")?,
            decisions: row.int("decisions")?,
            attempts: row.int("attempts")?,
            mends: row.int("mends")?,
            leads: row.int("leads")?,
            entities: row.int("entities")?,
            unreadable: row.int("unreadable")?,
            doubtful: row.int("doubtful")?,
            ended: row.int("ended")?,
            stuck: row.int("stuck")?,
            states: row.int("states")?,
            switches: row.int("switches")?,
            loaded: row.int("loaded")?,
            refused: row.int("refused")?,
            looked: row.int("looked")?,
        })
    }

    /// The marks of the jobs of one event.
    pub async fn story_marks(&self, key: &str) -> Result<[i64; 4], Error> {
        let row = self.reader().await?.fetch_row(STORY, args![key]).await?;
        Ok([row.int("jobs")?, row.int("changed")?, row.int("decisions")?, row.int("attempts")?])
    }

    /// Changes with every write of this process that was committed.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// Tells the others who look that something was written. A hint only.
    pub async fn tell_written(&self) -> Result<(), Error> {
        if !self.is_shared() {
            return Ok(());
        }
        self.reader().await?.execute(TELL, args![]).await.map(drop)
    }

    /// Begins to listen at the first `next`.
    pub fn afar(&self) -> Afar {
        Afar { store: self.clone(), listener: None }
    }
}

impl Afar {
    /// Nobody looks: no connection is needed for it.
    pub fn rest(&mut self) {
        self.listener = None;
    }

    /// Others have written, or may have while nobody listened; never comes back on SQLite.
    pub async fn next(&mut self) {
        let Some(pool) = self.store.postgres().cloned() else {
            return std::future::pending().await;
        };
        loop {
            if let Some(listener) = &mut self.listener {
                let mut heard = listener.recv().await.map(drop);
                // All that was said until now is one word.
                while heard.is_ok()
                    && let Some(more) = listener.recv().now_or_never()
                {
                    heard = more.map(drop);
                }
                if heard.is_err() {
                    self.listener = None;
                }
                return;
            }
            match listen((*pool.connect_options()).clone()).await {
                Ok(listener) => self.listener = Some(listener),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

async fn listen(options: PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let own = PgPoolOptions::new().max_connections(1).acquire_timeout(AGAIN * 4);
    let mut listener = PgListener::connect_with(&own.connect_lazy_with(options)).await?;
    listener.listen("leadlink_live").await?;
    Ok(listener)
}
