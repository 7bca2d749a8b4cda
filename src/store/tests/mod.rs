//! The store against real databases, one for each test: a SQLite file, or a database of the server
//! that `LEADLINK_TEST_POSTGRES` names. Invariant: no test sleeps for its result or shares a database
//! with another.
#![cfg(test)]

mod backfills;
mod chores;
mod copy;
mod entities;
mod fences;
mod inbox;
mod lanes;
mod leads;
mod listing;
mod mend;
mod model;
mod plans;
mod retention;
mod routing;
mod settle;
mod statements;
mod status;
#[cfg(feature = "testing")]
mod stops;
mod stories;
mod takeover;
mod tallies;
mod trouble;

use super::sql::{Statement, args};
use super::*;
use crate::domain::{Decision, Effect, Plan, Raw, Reason, Step, Verdict, Why};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub type Tested = Result<(), Box<dyn std::error::Error>>;

pub const LEASE: Duration = Duration::from_secs(15);

/// A database of its own in a folder that goes away with it.
pub struct Db {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

impl Db {
    pub async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let url = made(&folder).await?;
        let store = Store::open_waiting(&url, at(0), Duration::from_millis(20)).await?;
        Ok(Self { folder, store })
    }

    /// Ends this process's hold without any farewell to the jobs, and opens again at `now`.
    pub async fn reopened(self, now: Timestamp) -> Result<Self, Box<dyn std::error::Error>> {
        self.store.close().await;
        let store = opened(&url(&self.folder), now).await?;
        Ok(Self { store, ..self })
    }

    /// One whole number that a statement answers.
    pub async fn number(&self, sql: &'static str) -> Result<i64, Error> {
        let mut reader = self.store.reader().await?;
        reader.fetch_row(Statement::new("test", sql), args![]).await?.int("n")
    }

    /// A job of `flow` for a new event, due at second `due`.
    pub async fn job(&self, flow: &str, event: &str, lanes: &[&str], due: i64) -> Tested {
        let draft = draft(flow, event, lanes, due);
        self.routed(&one(event), vec![JobChange::New(draft)]).await?;
        Ok(())
    }

    /// Accepts a row that says `event` and routes it; the judge answers `changes`.
    pub async fn routed(&self, event: &Event, changes: Vec<JobChange>) -> Result<Routed, Error> {
        let judge: Judge = Arc::new(move |_, _| changes.clone().into());
        self.routed_by(event, judge).await
    }

    pub async fn routed_by(&self, event: &Event, judge: Judge) -> Result<Routed, Error> {
        let n = self.number("select count(*) as n from raw").await?;
        self.store.accept(vec![raw(&format!("{}#{n}", event.key))], None).await?;
        let waiting = self.store.unrouted(1000, None).await?;
        let batch =
            waiting.iter().map(|raw| (raw.id, Reading::Events(vec![event.clone()]))).collect();
        self.store.route(batch, judge, at(0)).await
    }

    pub async fn claim(&self, limit: u32, now: i64) -> Result<Vec<Claimed>, Error> {
        self.store.claim(&ME, limit, &[], at(now)).await
    }

    /// Claims the one job that must be claimable.
    pub async fn claim_one(&self, now: i64) -> Result<Claimed, Box<dyn std::error::Error>> {
        let mut claimed = self.claim(10, now).await?;
        assert_eq!(claimed.len(), 1, "exactly one job is claimable");
        claimed.pop().ok_or_else(|| "nothing was claimed".into())
    }

    /// Claims the one job and begins a plan of these steps.
    pub async fn begun(
        &self,
        steps: &[&str],
        now: i64,
    ) -> Result<(Claimed, Vec<i64>), Box<dyn std::error::Error>> {
        let claimed = self.claim_one(now).await?;
        let begun = self.store.begin(claimed.fence, act(steps, &[]), at(now)).await?;
        match begun {
            Fenced::Yes(Begun::Started(ids)) => Ok((claimed, ids)),
            other => Err(format!("not started: {other:?}").into()),
        }
    }

    pub async fn only_story(&self, key: &str) -> Result<Story, Box<dyn std::error::Error>> {
        let mut stories = self.store.story(key).await?;
        assert_eq!(stories.len(), 1, "one story of {key}");
        stories.pop().ok_or_else(|| "no story".into())
    }
}

pub const ME: Claimant<'_> = Claimant { owner: "me", needs: &[], lease: LEASE };

/// The server that these tests run on, if not on files.
pub fn server() -> Option<String> {
    std::env::var("LEADLINK_TEST_POSTGRES").ok()
}

/// The URL of the database that belongs to a folder.
pub fn url(folder: &tempfile::TempDir) -> String {
    if let Some(server) = server() {
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
        return format!("{server}/t{}", name.replace('.', "_"));
    }
    format!("sqlite:{}", folder.path().join("data/leadlink.db").display())
}

/// The same, of a database that is there.
pub async fn made(folder: &tempfile::TempDir) -> Result<String, Box<dyn std::error::Error>> {
    use sqlx::{AssertSqlSafe, Connection as _, Executor};
    let url = url(folder);
    if let Some(server) = server() {
        let name = url.rsplit('/').next().unwrap_or_default();
        let mut admin = sqlx::PgConnection::connect(&format!("{server}/postgres")).await?;
        admin.execute(AssertSqlSafe(format!("create database \"{name}\""))).await?;
    }
    Ok(url)
}

/// Opens as the process that follows one that died: on PostgreSQL as if its leases had run out.
pub async fn opened(url: &str, now: Timestamp) -> Result<Store, Error> {
    let store = Store::open(url, now).await?;
    if store.is_shared() {
        store
            .write(move |db| Box::pin(async move { super::jobs::take_back_all(db, now).await }))
            .await?;
    }
    Ok(store)
}

/// A second of the test's day.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap_or(Timestamp::MAX)
}

pub fn raw(key: &str) -> Raw {
    Raw {
        id: 0,
        connection: "calls".to_owned(),
        channel: "hook".to_owned(),
        content_type: "application/json".to_owned(),
        body: format!("body of {key}").into_bytes(),
        dedupe_key: key.to_owned(),
        received: at(0),
    }
}

pub fn one(key: &str) -> Event {
    Event {
        asked: false,
        connection: "calls".to_owned(),
        kind: "call.finished".to_owned(),
        key: key.to_owned(),
        aliases: Vec::new(),
        provisional: false,
        registered: at(0),
        fields: Map::from_iter([("phone".to_owned(), json!("79990000001"))]),
    }
}

pub fn draft(flow: &str, merge_key: &str, lanes: &[&str], due: i64) -> JobDraft {
    JobDraft {
        flow: flow.to_owned(),
        merge_key: merge_key.to_owned(),
        due: at(due),
        registered: at(0),
        lanes: lanes.iter().map(|lane| (*lane).to_owned()).collect(),
        settle: None,
    }
}

/// A decision to do these steps, in extra lanes.
pub fn act(steps: &[&str], lanes: &[&str]) -> NewDecision {
    let steps = steps.iter().map(|name| {
        let effect = Effect {
            connection: "shop".to_owned(),
            operation: "order.create".to_owned(),
            input: Map::from_iter([("of".to_owned(), json!(name))]),
            key: "call:1".to_owned(),
        };
        Step::new(*name, effect)
    });
    decided(Verdict::Act(Plan { steps: steps.collect() }), lanes)
}

pub fn decided(verdict: Verdict, lanes: &[&str]) -> NewDecision {
    let reason = Reason {
        about: "update".to_owned(),
        why: Why::Unless,
        word: "marked".to_owned(),
        saw: Vec::new(),
    };
    NewDecision {
        decision: Decision { verdict, reasons: vec![reason] },
        at: at(0),
        event: Map::from_iter([("phone".to_owned(), json!("79990000001"))]),
        asked: BTreeMap::new(),
        facts: json!({ "customer": { "id": 1 } }),
        flow_hash: "abc".to_owned(),
        lanes: lanes.iter().map(|lane| (*lane).to_owned()).collect(),
        mark: None,
    }
}

pub fn finished(step: i64, state: StepState) -> Finished {
    let output = (state == StepState::Done).then(|| json!({ "id": 17 }));
    Finished { step, state, output, why: None, links: Vec::new(), kept: None, mark: None }
}

pub fn end(state: JobState) -> Next {
    Next::End { state, why: None }
}

/// A filled input.
pub fn input(value: &Value) -> Map<String, Value> {
    Map::from_iter([("filled".to_owned(), value.clone())])
}
