//! Reconciliation: what one side has compared with what the other should have. Invariant: it reads;
//! only where a repair is asked for it corrects what we remember by what was read back, and has the
//! flows decide about what differs — nothing else writes.

mod gather;
mod repair;

use super::{Pipeline, call, chores};
use crate::config::{Cron, Reconcile};
use crate::domain::Delay;
use crate::rules::Book;
use crate::rules::pairs::{self, Pair};
use crate::rules::reconcile::{Finding, compare};
use crate::store::{self, LeadCounts};
use crate::telemetry;
use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The kind of the command.
pub const KIND: &str = "reconcile";
/// So many ids of each finding are told.
const EXAMPLES: usize = 20;

/// What is to be compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// Whose owner does it; what belongs together with it is compared along.
    pub connection: String,
    pub first: Date,
    pub last: Date,
    #[serde(default)]
    pub repair: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub at: Timestamp,
    pub pairs: Vec<PairReport>,
    pub leads: Vec<LeadReport>,
    pub requests: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairReport {
    pub source: String,
    pub targets: Vec<String>,
    pub first: Date,
    pub last: Date,
    /// How many things there are on either side.
    pub things: u64,
    pub entities: u64,
    /// By finding.
    pub found: BTreeMap<String, Found>,
    /// What a repair did.
    pub repaired: Option<Repaired>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub count: u64,
    /// The first few; of what is well none.
    pub ids: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// Entities of which memory learnt.
    pub remembered: u64,
    /// Things that the flows decide about.
    pub asked: u64,
}

/// By which ways leads came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeadReport {
    pub connection: String,
    pub kind: String,
    pub all: u64,
    pub hooked: u64,
    /// No webhook brought them.
    pub polled_only: u64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{name}: {}", .delay.why)]
    FarSide { name: String, delay: Delay },
    #[error("the store: {0}")]
    Store(#[from] store::Error),
}

impl Report {
    /// Does anything want a person, or a repair?
    pub fn is_well(&self) -> bool {
        self.count(Finding::is_trouble) == 0
    }

    /// How many things were found to be so.
    pub fn count(&self, which: impl Fn(Finding) -> bool) -> u64 {
        let words: Vec<&str> =
            Finding::ALL.into_iter().filter(|one| which(*one)).map(Finding::word).collect();
        let all = self.pairs.iter().flat_map(|pair| &pair.found);
        all.filter(|(word, _)| words.contains(&word.as_str())).map(|(_, found)| found.count).sum()
    }

    /// The reports of several groups are one.
    pub fn join(&mut self, other: Self) {
        self.at = self.at.max(other.at);
        self.pairs.extend(other.pairs);
        self.leads.extend(other.leads);
        self.requests += other.requests;
    }
}

/// Pairs that must be compared together, since they share a side: each group has one owner.
pub fn groups(all: Vec<Pair>) -> Vec<Vec<Pair>> {
    let mut groups: Vec<(BTreeSet<String>, Vec<Pair>)> = Vec::new();
    for pair in all {
        let mut names: BTreeSet<String> = pair.targets.iter().cloned().collect();
        names.insert(pair.source.clone());
        let mut pairs = vec![pair];
        let (met, apart) = groups.into_iter().partition(|(held, _)| !held.is_disjoint(&names));
        groups = apart;
        for (held, others) in met {
            names.extend(held);
            pairs.splice(0..0, others);
        }
        groups.push((names, pairs));
    }
    groups.into_iter().map(|(_, pairs)| pairs).collect()
}

/// Compares, and repairs where that is asked for.
///
/// # Errors
/// A far side's trouble, or the store's.
pub async fn run(pipeline: &Pipeline, asked: &Asked) -> Result<Report, Error> {
    let now = pipeline.clock.now();
    let mut report = Report { at: now, ..Report::default() };
    let group = groups(pairs::all(&pipeline.book))
        .into_iter()
        .find(|group| group.iter().any(|pair| pair.source == asked.connection));
    let Some(group) = group else { return Ok(report) };
    let mut names: Vec<String> = group.iter().map(|pair| pair.source.clone()).collect();
    names.extend(group.iter().flat_map(|pair| pair.targets.iter().cloned()));
    let _work = pipeline.owners.begin(names);
    let mut lists = gather::Lists::default();
    for pair in &group {
        gather::read(pipeline, pair, asked, &mut lists).await?;
    }
    for pair in &group {
        let sides = gather::sides(pipeline, (pair, &group), asked, &lists).await?;
        let found = compare(pair, &sides, now);
        let repaired = match asked.repair {
            true => Some(repair::run(pipeline, pair, (&sides, &found), now).await?),
            false => None,
        };
        report.pairs.push(PairReport {
            source: pair.source.clone(),
            targets: pair.targets.clone(),
            first: asked.first,
            last: asked.last,
            things: sides.things.len() as u64,
            entities: sides.held.len() as u64,
            found: told(&found),
            repaired,
        });
    }
    report.leads = gather::leads(pipeline, &group, asked).await?;
    report.requests = lists.requests;
    show(&report);
    Ok(report)
}

fn told(found: &BTreeMap<String, Finding>) -> BTreeMap<String, Found> {
    let mut told: BTreeMap<String, Found> =
        Finding::ALL.into_iter().map(|one| (one.word().to_owned(), Found::default())).collect();
    for (id, finding) in found {
        let held = told.entry(finding.word().to_owned()).or_default();
        held.count += 1;
        if held.ids.len() < EXAMPLES && *finding != Finding::Same {
            held.ids.push(id.clone());
        }
    }
    told
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn show(report: &Report) {
    for pair in &report.pairs {
        for (word, found) in &pair.found {
            metrics::gauge!(
                telemetry::RECONCILE,
                "connection" => pair.source.clone(), "finding" => word.clone()
            )
            .set(found.count as f64);
        }
    }
    for leads in &report.leads {
        for (way, count) in [("any", leads.all), ("poll_only", leads.polled_only)] {
            metrics::gauge!(
                telemetry::RECONCILE_LEADS,
                "connection" => leads.connection.clone(), "kind" => leads.kind.clone(),
                "way" => way
            )
            .set(count as f64);
        }
    }
}

/// Performs the command; whatever comes of it is answered.
pub async fn obey(pipeline: &Pipeline, body: &Value) -> Value {
    let asked: Asked = match serde_json::from_value(body.clone()) {
        Ok(asked) => asked,
        Err(error) => return json!({ "error": format!("the command cannot be read: {error}") }),
    };
    match run(pipeline, &asked).await {
        Ok(report) => json!(report),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// What is asked of each group, one after the other.
pub fn each_group(book: &Book, (first, last): (Date, Date), repair: bool) -> Vec<Asked> {
    let groups = groups(pairs::all(book)).into_iter();
    let first_of = groups.filter_map(|group| Some(group.first()?.source.clone()));
    first_of.map(|connection| Asked { connection, first, last, repair }).collect()
}

/// The comparison by the clock.
pub struct Chore {
    settings: Reconcile,
}

impl Chore {
    pub fn new(settings: Reconcile) -> Self {
        Self { settings }
    }
}

#[async_trait]
impl chores::Chore for Chore {
    fn name(&self) -> &'static str {
        KIND
    }

    fn at(&self) -> Option<&Cron> {
        self.settings.at.as_ref()
    }

    async fn run(&self, pipeline: &Pipeline) -> Result<chores::Report, store::Error> {
        let (first, last) = window(&self.settings, pipeline.clock.now());
        let mut whole = Report { at: pipeline.clock.now(), ..Report::default() };
        let mut troubles = Vec::new();
        for asked in each_group(&pipeline.book, (first, last), false) {
            match by_owner(pipeline, &asked).await? {
                Ok(report) => whole.join(report),
                Err(trouble) => {
                    tracing::warn!(connection = %asked.connection, trouble, "not compared");
                    troubles.push(trouble);
                }
            }
        }
        let found = whole.count(Finding::is_trouble);
        if found > 0 {
            tracing::warn!(found, "both sides differ: `leadlink reconcile` tells in what");
        }
        let mut more = serde_json::Map::new();
        more.insert("found".to_owned(), json!(whole));
        more.insert("troubles".to_owned(), json!(troubles));
        Ok(chores::Report { rows: BTreeMap::new(), more })
    }
}

/// The days of the window, up to today.
pub fn window(settings: &Reconcile, now: Timestamp) -> (Date, Date) {
    let window = SignedDuration::try_from(settings.window).unwrap_or(SignedDuration::ZERO);
    let first = now.checked_sub(window).unwrap_or(Timestamp::MIN);
    let date = |at: Timestamp| at.to_zoned(settings.zone.clone()).date();
    (date(first), date(now))
}

/// Here where the connection is ours, else where it belongs.
async fn by_owner(
    pipeline: &Pipeline,
    asked: &Asked,
) -> Result<Result<Report, String>, store::Error> {
    let answer = if pipeline.owners.works(&asked.connection) {
        obey(pipeline, &json!(asked)).await
    } else {
        call::command(&pipeline.store, KIND, &json!(asked), &pipeline.clock).await?
    };
    Ok(read_answer(answer))
}

/// What the answer to the command says.
///
/// # Errors
/// The error that it tells.
pub fn read_answer(answer: Value) -> Result<Report, String> {
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None => serde_json::from_value(answer).map_err(|error| error.to_string()),
    }
}

impl LeadReport {
    fn new(connection: &str, kind: &str, counts: LeadCounts) -> Self {
        let LeadCounts { all, hooked, polled_only } = counts;
        Self { connection: connection.to_owned(), kind: kind.to_owned(), all, hooked, polled_only }
    }
}
