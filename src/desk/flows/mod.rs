//! Flows as people see them, and what they do to them: start, stop, try. Invariant: what is tried
//! writes nothing and reads no file but those of the mappings folder; who started or stopped a flow is
//! kept, and holds until the configured value changes.

mod read;
mod tokens;
mod trial;
mod view;

pub use view::*;

use super::acts::Act;
use super::overview::Look;
use super::overview::report;
use super::story::story_id;
use super::{Actor, Desk, Error, Note, Right};
use crate::diagnosis::Problem;
use crate::mapping::Bound;
use crate::pipeline::switches;
use crate::store::{BriefDecision, Switch};
use read::Reading;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decisions that one page shows.
const DECISIONS: u32 = 30;

impl Desk {
    /// All flows, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn flows(&self) -> Result<Vec<FlowRow>, Error> {
        let look = Arc::new(self.look().await?);
        let readings = readings(&look, None).await?;
        let report = look.report();
        let flows = report.flows.iter().filter_map(|held| {
            let bound = instance(&look, &held.name)?;
            Some(row(&look, held, bound, readings.get(&held.name)))
        });
        Ok(flows.collect())
    }

    /// One flow, whole.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn flow(&self, name: &str) -> Result<FlowPage, Error> {
        let look = Arc::new(self.look().await?);
        let (bound, row, reading) = one(&look, name).await?;
        let decisions = self.pipeline.store.last_decisions(name, DECISIONS).await?;
        let (source, problems, cases, stale) = match reading {
            Some(Ok(reading)) => {
                let stale = reading.bound.flow.hash != bound.flow.hash;
                (reading.lines, reading.problems, reading.cases, stale)
            }
            Some(Err(problem)) => (Vec::new(), vec![read::view(&problem)], Vec::new(), true),
            None => (Vec::new(), Vec::new(), Vec::new(), true),
        };
        Ok(FlowPage {
            row,
            delay_seconds: bound.delay.as_secs(),
            max_age_seconds: bound.max_age.as_secs(),
            settle_seconds: bound.flow.settle.map(|settle| settle.as_secs()),
            settings: settings(bound),
            source,
            stale,
            problems,
            cases,
            decisions: decisions.iter().map(decision).collect(),
        })
    }

    /// Starts or stops a flow, in all processes, until the configured value changes.
    ///
    /// # Errors
    /// The actor may not; there is no such flow, or it is off; the store's.
    pub async fn switch(
        &self,
        actor: &Actor,
        flow: &str,
        running: bool,
        why: Option<&str>,
    ) -> Result<FlowRow, Error> {
        let act = if running { Act::Start } else { Act::Stop };
        let note = Note::done(act.word(), format!("flow:{flow}")).with(json!({ "why": why }));
        let (desk, who) = (self.clone(), actor.name.clone());
        let (name, why) = (flow.to_owned(), why.map(str::to_owned));
        let work = async move { desk.switched((&who, &name), running, why.as_deref()).await };
        self.act(actor, Right::Act, note, work).await?;
        let look = Arc::new(self.look().await?);
        one(&look, flow).await.map(|(_, row, _)| row)
    }

    async fn switched(
        &self,
        (who, flow): (&str, &str),
        running: bool,
        why: Option<&str>,
    ) -> Result<(), Error> {
        let off = |bound: &&Bound| bound.name == flow;
        if let Some(bound) = self.papers.load().off.iter().find(off) {
            let why = format!("no connection is bound to {}", bound.unbound().join(", "));
            return Err(Error::Conflict(why));
        }
        if !self.pipeline.setup().configured.contains_key(flow) {
            return Err(Error::NotFound(format!("flow {flow}")));
        }
        let why = super::acts::word(why)?;
        let done = switches::switch(&self.pipeline, flow, running, (who, why.as_deref())).await;
        done.map(drop).map_err(Error::from)
    }
}

fn instance<'a>(look: &'a Look, name: &str) -> Option<&'a Bound> {
    let off = || look.papers.off.iter().find(|bound| bound.name == name);
    look.setup.book.flow(name).or_else(off)
}

type Read = Result<Reading, Box<Problem>>;

/// A flow, with its file as it is on disk.
async fn one<'a>(
    look: &'a Arc<Look>,
    name: &str,
) -> Result<(&'a Bound, FlowRow, Option<Read>), Error> {
    let missing = || Error::NotFound(format!("flow {name}"));
    let bound = instance(look, name).ok_or_else(missing)?;
    let report = look.report();
    let held = report.flows.iter().find(|held| held.name == name).ok_or_else(missing)?;
    let reading = readings(look, Some(name)).await?.remove(name);
    Ok((bound, row(look, held, bound, reading.as_ref()), reading))
}

/// Every flow, or the one of this name, read and its cases played.
async fn readings(look: &Arc<Look>, only: Option<&str>) -> Result<BTreeMap<String, Read>, Error> {
    let (look, only) = (Arc::clone(look), only.map(str::to_owned));
    #[expect(clippy::disallowed_methods, reason = "a few small files, one look at a time")]
    let reading = tokio::task::spawn_blocking(move || {
        let (papers, book) = (&look.papers, &look.setup.book);
        let wanted = |bound: &&Bound| only.as_ref().is_none_or(|only| *only == bound.name);
        let wanted = book.flows().iter().chain(&papers.off).filter(wanted);
        read::all(&papers.mappings, book, wanted, &papers.flows)
    });
    reading.await.map_err(|error| Error::Conflict(error.to_string()))
}

fn row(look: &Look, held: &report::Flow, bound: &Bound, reading: Option<&Read>) -> FlowRow {
    let reading = reading.and_then(|reading| reading.as_ref().ok());
    let cases = reading.map(|reading| reading.cases.as_slice()).unwrap_or_default();
    let failed = |case: &&CaseView| !case.passed && held.state != "off";
    let acts = match held.state {
        "running" => vec![Act::Stop],
        "stopped" => vec![Act::Start],
        _ => Vec::new(),
    };
    let configured = look.setup.configured.get(&held.name).copied();
    let switch = look.house.switches.get(&held.name);
    FlowRow {
        name: held.name.clone(),
        title: bound.flow.title.clone(),
        state: held.state.to_owned(),
        why: held.why.clone(),
        from: bound.flow.on.role.clone(),
        event: bound.flow.on.event.clone(),
        file: bound.flow.source.name.to_string(),
        roles: used(bound),
        switch: switch.filter(|held| Some(held.configured) == configured).map(switched),
        counts: FlowTally {
            waiting: held.counts.waiting,
            due: held.counts.due,
            deciding: held.counts.deciding,
            stuck: held.counts.stuck,
        },
        problems: reading.map_or(1, |reading| reading.problems.len()),
        cases_passed: cases.iter().filter(|case| case.passed).count(),
        cases_failed: cases.iter().filter(failed).count(),
        acts,
    }
}

/// The roles that it uses, each with its connections.
fn used(bound: &Bound) -> BTreeMap<String, Vec<String>> {
    let roles = bound.flow.roles().into_iter();
    roles.map(|role| (role.to_owned(), bound.connections(role).to_vec())).collect()
}

fn switched(held: &Switch) -> Switched {
    Switched {
        running: held.running,
        configured: held.configured,
        who: held.who.clone(),
        why: held.why.clone(),
        at: held.at,
    }
}

fn settings(bound: &Bound) -> Vec<FlowSetting> {
    let own = bound.flow.constants();
    let setting = |(name, own): (String, serde_json::Value)| {
        let value = bound.settings.get(&name).cloned().unwrap_or_else(|| own.clone());
        FlowSetting { own: (value != own).then_some(own), name, value }
    };
    own.map(setting).collect()
}

fn decision(held: &BriefDecision) -> DecisionRow {
    DecisionRow {
        at: held.at,
        job: held.job,
        story: story_id(&held.connection, &held.event),
        event: held.event.clone(),
        verdict: super::story::word(&held.decision.verdict).to_owned(),
        reasons: held.decision.reasons.iter().map(ToString::to_string).collect(),
    }
}
