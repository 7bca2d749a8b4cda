//! A due job is decided: unknowns first, then guards, the event's missing parts, facts, the plan.
//! Invariant: facts are read when deciding; the decision is stored whole before anything is sent.

use super::gate::Place;
use super::later::{put_off, settle, wait};
use super::resolve::{self, Unknowns};
use super::{Pipeline, later, leads, perform, remember};
use crate::clock::plus;
use crate::connectors::http::in_background;
use crate::connectors::port::Completion;
use crate::domain::{Answer, Asked, Decision, Event, From, Query, Step, Verdict};
use crate::mapping::Bound;
use crate::rules::{self, Fault, Knowledge, gather, guard};
use crate::store::{self, Begun, Claimed, Fenced, NewDecision};
use crate::telemetry;
use backon::{ExponentialBuilder, Retryable};
use futures_util::FutureExt;
use futures_util::future::join_all;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Why work on a job ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// It is put off, parked or ended; all is written.
    #[error("written")]
    Written,
    /// Another process has the job now.
    #[error("the job was taken over")]
    Lost,
    #[error("the store")]
    Store(#[from] store::Error),
}

/// A job that broke off is not tried again at once: the cause may be the job itself.
const CALM: Duration = Duration::from_secs(30);

/// Decides a claimed job and performs its plan. Whatever breaks off under it, the job is given back.
pub async fn job(pipeline: &Pipeline, claimed: Claimed, place: &mut Place) {
    let job = claimed.fence.job;
    let work = AssertUnwindSafe(work(pipeline, &claimed, place)).catch_unwind();
    // What a person asked for leaves half of the rate to what is live.
    let done = match claimed.event.asked {
        true => in_background(work).await,
        false => work.await,
    };
    let why = match done {
        Ok(Ok(()) | Err(Stop::Written)) => return,
        Ok(Err(Stop::Lost)) => {
            tracing::warn!(job, "the job was taken over");
            return;
        }
        Ok(Err(Stop::Store(error))) => format!("the store failed under the job: {error}"),
        Err(_) => "a defect ended the work on the job".to_owned(),
    };
    tracing::error!(job, why, "the job is given back");
    let give_back = || async {
        let now = pipeline.clock.now();
        pipeline.store.give_back(claimed.fence, plus(now, CALM), &why, now).await
    };
    let patient = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times();
    // A damaged row is no matter of patience: that job is taken back at the next start.
    let given = give_back
        .retry(patient)
        .sleep(tokio::time::sleep)
        .when(|error| matches!(error, store::Error::Unavailable(_)))
        .await;
    if let Err(error) = given {
        tracing::error!(job, %error, "the job could not be given back");
    }
}

async fn work(pipeline: &Pipeline, claimed: &Claimed, place: &mut Place) -> Result<(), Stop> {
    let book = &pipeline.book;
    let Some(bound) = book.flow(&claimed.flow) else {
        return end(pipeline, claimed, &claimed.event, guard::gone(&claimed.flow)).await;
    };
    let (done, refused, doubtful) = match resolve::unknowns(pipeline, claimed).await? {
        Unknowns::Clear { done, refused, doubtful } => (done, refused, doubtful),
        Unknowns::Wait { due, why } => return wait(pipeline, claimed, due, &why).await,
        Unknowns::Later { connection, delay, patient } => {
            return later::look(pipeline, claimed, (&connection, &delay), patient).await;
        }
        Unknowns::Stuck(why) => return park(pipeline, claimed, &why).await,
    };
    let now = pipeline.clock.now();
    let mut event = claimed.event.clone();
    let looked_at = claimed.first_tried.unwrap_or(now);
    let mut knowledge = Knowledge { done, refused, ..Knowledge::of(book, &event, looked_at) };
    if event.provisional || incomplete(bound, &knowledge) {
        event = complete(pipeline, claimed, event).await?;
        knowledge.event = book.event_fields(&event);
    }
    match guard::decide(bound, &event, &knowledge) {
        Ok(None) => {}
        Ok(Some(decision)) => return end(pipeline, claimed, &event, decision).await,
        Err(fault) => return park(pipeline, claimed, &fault.to_string()).await,
    }
    knowledge.now = now;
    let asked = gather_facts(pipeline, claimed, bound, &mut knowledge).await?;
    match rules::decide::not_before(bound, claimed.registered, &knowledge) {
        Ok(None) => {}
        Ok(Some((due, why))) => return settle(pipeline, claimed, due, &why).await,
        Err(fault) => return park(pipeline, claimed, &fault.to_string()).await,
    }
    let decided = rules::decide::decide(book, bound, &event, &knowledge);
    let lanes = rules::route::lanes(book, bound, &bound.flow.fact_lane, &knowledge);
    let (decision, lanes) = match both(decided, lanes) {
        Ok(both) => both,
        Err(fault) => return park(pipeline, claimed, &fault.to_string()).await,
    };
    if resolve::settle(pipeline, claimed, &decision, &doubtful).await? {
        return wait(pipeline, claimed, now, "a look found what an answer had lost").await;
    }
    let facts = knowledge.facts.into_iter().collect::<Map<String, Value>>();
    let first = first_step(&decision);
    later::until_it_may_begin(pipeline, claimed, first, place).await?;
    let row = NewDecision {
        mark: first.and_then(|step| remember::mark(pipeline, claimed, &step.effect)),
        decision,
        at: now,
        event: event.fields.clone(),
        asked,
        facts: Value::Object(facts),
        flow_hash: bound.flow.hash.clone(),
        lanes,
    };
    act(pipeline, claimed, &event, knowledge.done, row).await
}

fn first_step(decision: &Decision) -> Option<&Step> {
    match &decision.verdict {
        Verdict::Act(plan) => plan.steps.first(),
        Verdict::Skip | Verdict::Incomplete => None,
    }
}

fn both(
    decided: Result<Decision, Fault>,
    lanes: Result<Vec<String>, Fault>,
) -> Result<(Decision, Vec<String>), Fault> {
    Ok((decided?, lanes?))
}

fn incomplete(bound: &Bound, knowledge: &Knowledge) -> bool {
    !guard::complete(bound, knowledge).unwrap_or(true)
}

/// Looks up what the delivery left out. The job ends here if the event proves to be another's.
async fn complete(pipeline: &Pipeline, claimed: &Claimed, event: Event) -> Result<Event, Stop> {
    let Some(connector) = pipeline.connector(&event.connection) else { return Ok(event) };
    let now = pipeline.clock.now();
    let found = match connector.complete(&event, now).await {
        Ok(found) => found,
        Err(delay) => {
            put_off(pipeline, claimed, &event.connection, &delay).await?;
            return Err(Stop::Written);
        }
    };
    pipeline.gates.success(&event.connection);
    let fuller = match found {
        Completion::Fuller(fuller) => fuller,
        Completion::NotYet if event.provisional && claimed.tries + 1 < guard::LOOKUPS => {
            let due = plus(now, Duration::from_secs(60));
            wait(pipeline, claimed, due, "its id is not in the journal yet").await?;
            return Err(Stop::Written);
        }
        Completion::NotYet | Completion::Never => return Ok(event),
    };
    let mut merged = event;
    if !merged.fill_from(&fuller) {
        return Ok(merged);
    }
    match fenced(pipeline.store.complete(claimed.fence, &merged, now).await?)? {
        true => Ok(merged),
        false => Err(Stop::Written),
    }
}

/// Asks until every fact of the flow is known; answers what was asked for which.
async fn gather_facts(
    pipeline: &Pipeline,
    claimed: &Claimed,
    bound: &Bound,
    knowledge: &mut Knowledge,
) -> Result<BTreeMap<String, Asked>, Stop> {
    let mut all = BTreeMap::new();
    loop {
        let mut queries = match gather::next(&pipeline.book, bound, knowledge) {
            Ok(queries) => queries,
            Err(fault) => {
                park(pipeline, claimed, &fault.to_string()).await?;
                return Err(Stop::Written);
            }
        };
        if queries.is_empty() {
            return Ok(all);
        }
        // What is in our own memory is asked first: it may tell which far sides the job needs.
        if queries.iter().any(|(_, query)| is_remembered(pipeline, query)) {
            queries.retain(|(_, query)| is_remembered(pipeline, query));
        } else {
            let needed = pipeline.book.chosen_by_now(bound, knowledge);
            later::while_shut(pipeline, claimed, needed, None).await?;
        }
        all.extend(queries.iter().map(|(fact, query)| (fact.clone(), Asked::from(query))));
        // What was read before it was due is no answer.
        for (_, query) in &mut queries {
            query.since = Some(claimed.due);
            query.job = Some(claimed.fence.job);
        }
        let asked = queries.iter().map(|(_, query)| ask(pipeline, query));
        let answers = join_all(asked).await;
        for ((fact, query), answer) in queries.iter().zip(answers) {
            match answer? {
                Answer::Known(value) => {
                    if !is_remembered(pipeline, query) {
                        pipeline.gates.success(&query.connection);
                    }
                    knowledge.facts.insert(fact.clone(), value);
                }
                Answer::Later(delay) => {
                    put_off(pipeline, claimed, &query.connection, &delay).await?;
                    return Err(Stop::Written);
                }
                Answer::Refused(why) => {
                    park(pipeline, claimed, &format!("fact {fact}: {why}")).await?;
                    return Err(Stop::Written);
                }
            }
        }
    }
}

fn is_remembered(pipeline: &Pipeline, query: &Query) -> bool {
    let offer = pipeline.connector(&query.connection).map(|connector| connector.offer());
    let offer = offer.and_then(|offer| offer.query(&query.name));
    matches!(offer.map(|offer| offer.from), Some(From::Memory(_)))
}

/// Asks one query, with what our own links know for its contacts.
///
/// # Errors
/// The store's.
pub async fn ask(pipeline: &Pipeline, query: &Query) -> Result<Answer, Stop> {
    let Some(connector) = pipeline.connector(&query.connection) else {
        return Ok(Answer::Refused(format!("there is no connection {}", query.connection)));
    };
    let Some(offer) = connector.offer().query(&query.name) else {
        return Ok(Answer::Refused(format!("nobody offers {}", query.name)));
    };
    let mut query = query.clone();
    query.known = remember::known(pipeline, offer, &query).await?;
    let answer = match offer.from {
        From::FarSide => connector.ask(&query, pipeline.clock.now()).await,
        From::Memory(kind) => leads::remembered(pipeline, kind, &query).await?,
        From::Leads => leads::find(pipeline, connector, &query).await?,
    };
    Ok(match answer {
        Answer::Known(Value::Object(table)) => {
            Answer::Known(Value::Object(rules::shaped(offer.output, &table)))
        }
        other => other,
    })
}

async fn act(
    pipeline: &Pipeline,
    claimed: &Claimed,
    event: &Event,
    done: BTreeMap<String, Value>,
    row: NewDecision,
) -> Result<(), Stop> {
    let decision = row.decision.clone();
    let now = pipeline.clock.now();
    let begun = fenced(pipeline.store.begin(claimed.fence, row, now).await?)?;
    report(claimed, &decision, &begun);
    match (begun, decision.verdict) {
        (Begun::Started(ids), Verdict::Act(plan)) => {
            perform::plan(pipeline, claimed, event, perform::Run::new(plan, ids, done)).await
        }
        (Begun::Started(_) | Begun::Ended | Begun::LaneBusy, _) => Ok(()),
    }
}

/// Stores a decision that needs no facts.
async fn end(
    pipeline: &Pipeline,
    claimed: &Claimed,
    event: &Event,
    decision: Decision,
) -> Result<(), Stop> {
    let now = pipeline.clock.now();
    let flow_hash = pipeline.book.flow(&claimed.flow).map(|bound| bound.flow.hash.clone());
    let row = NewDecision {
        decision: decision.clone(),
        at: now,
        event: event.fields.clone(),
        asked: BTreeMap::new(),
        facts: Value::Object(Map::new()),
        flow_hash: flow_hash.unwrap_or_default(),
        lanes: Vec::new(),
        mark: None,
    };
    let begun = fenced(pipeline.store.begin(claimed.fence, row, now).await?)?;
    report(claimed, &decision, &begun);
    Ok(())
}

fn report(claimed: &Claimed, decision: &Decision, begun: &Begun) {
    if *begun == Begun::LaneBusy {
        tracing::debug!(job = claimed.fence.job, "a lane is busy; the job waits for it");
        return;
    }
    let verdict = match &decision.verdict {
        Verdict::Act(_) => "act",
        Verdict::Skip => "skip",
        Verdict::Incomplete => "incomplete",
    };
    let reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
    tracing::info!(
        job = claimed.fence.job, flow = %claimed.flow, event = %claimed.event.key, verdict,
        because = %reasons.join(", "), "decided"
    );
    let last = decision.reasons.last().map(ToString::to_string).unwrap_or_default();
    metrics::counter!(
        telemetry::DECIDED,
        "flow" => claimed.flow.clone(), "verdict" => verdict, "reason" => last
    )
    .increment(1);
}

/// Parks the job for a person.
async fn park(pipeline: &Pipeline, claimed: &Claimed, why: &str) -> Result<(), Stop> {
    tracing::error!(
        job = claimed.fence.job, flow = %claimed.flow, event = %claimed.event.key, why,
        "the job waits for a person"
    );
    let now = pipeline.clock.now();
    fenced(pipeline.store.park(claimed.fence, why, now).await?)
}

/// What the fence lets through.
pub fn fenced<T>(fenced: Fenced<T>) -> Result<T, Stop> {
    match fenced {
        Fenced::Yes(value) => Ok(value),
        Fenced::Lost => Err(Stop::Lost),
    }
}
