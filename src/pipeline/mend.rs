//! What a person asks for about jobs and rows: parked jobs wait again, recorded events are decided
//! anew, unreadable rows are read again. Invariant: a job whose flow cannot decide it stays as it is,
//! with the reason in the answer; what only a person can know is never assumed.

use super::Pipeline;
use super::remember::{kept, links};
use crate::domain::{Repeat, offer::OperationOffer};
use crate::rules::{self, Book, Knowledge, replay};
use crate::store::{Brief, Doubtful, Error, Hand, JobState, LanesOf, Mended, Word};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Jobs that are read at a time.
const PAGE: u32 = 200;

/// `retry`: which jobs, and the person's words. The body of the command.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Retry {
    /// These jobs; none: every parked one that `flow` and `connection` leave.
    pub jobs: Vec<i64>,
    pub flow: Option<String>,
    pub connection: Option<String>,
    #[serde(default)]
    pub who: Option<String>,
    pub why: Option<String>,
    /// Steps that had happened.
    pub arrived: Vec<String>,
    /// What the one of `arrived` answered.
    pub output: Option<Map<String, Value>>,
    /// Steps that had not.
    pub again: Vec<String>,
}

/// `anew`: events that are decided anew as new jobs of their flows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Anew {
    /// The jobs that decided about them.
    pub jobs: Vec<i64>,
    /// Flow → its fingerprint: the daemon must run these very flows.
    pub flows: BTreeMap<String, String>,
    #[serde(default)]
    pub who: Option<String>,
    pub why: Option<String>,
}

/// What was done; the answer to the command.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Jobs that wait now.
    pub waiting: Vec<i64>,
    /// Jobs that were ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<i64>,
    /// Jobs that were left as they are.
    pub left: Vec<Left>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Left {
    pub job: i64,
    pub why: String,
}

/// Why it was not done, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// It cannot be as things stand.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Store(#[from] Error),
}

/// The commands of this file.
pub const KINDS: [&str; 3] = ["retry", "anew", "reread"];

/// Performs a command of this file.
pub async fn obey(pipeline: &Pipeline, kind: &str, body: &Value) -> Value {
    let done = match kind {
        "retry" => read(body, async |asked| retry(pipeline, &asked).await).await,
        "anew" => read(body, async |asked| anew(pipeline, &asked).await).await,
        "reread" => {
            let connection = body.get("connection").and_then(Value::as_str);
            reread(pipeline, connection).await.map(|rows| json!({ "rows": rows }))
        }
        other => Err(Obstacle::Refused(format!("there is no command {other}"))),
    };
    done.unwrap_or_else(|why| json!({ "error": why.to_string() }))
}

async fn read<T: serde::de::DeserializeOwned>(
    body: &Value,
    perform: impl AsyncFnOnce(T) -> Result<Report, Obstacle>,
) -> Result<Value, Obstacle> {
    let strange = |error: serde_json::Error| Obstacle::Refused(format!("the command: {error}"));
    let report = perform(T::deserialize(body).map_err(strange)?).await?;
    serde_json::to_value(report).map_err(strange)
}

/// Parked jobs wait again.
///
/// # Errors
/// The store's; what was done until then stays done.
pub async fn retry(pipeline: &Pipeline, asked: &Retry) -> Result<Report, Obstacle> {
    let mut report = Report::default();
    for job in &asked.jobs {
        match pipeline.store.job_brief(*job).await? {
            Some(brief) => one(pipeline, asked, &brief, &mut report).await?,
            None => report.leave(*job, "there is no such job"),
        }
    }
    if asked.jobs.is_empty() {
        all(pipeline, asked, &mut report).await?;
    }
    pipeline.wake.decide.notify_one();
    Ok(report)
}

/// Every parked job that flow and connection leave, in order.
async fn all(pipeline: &Pipeline, asked: &Retry, report: &mut Report) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let page = pipeline.store.parked(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.job;
        for brief in page.iter().filter(|brief| concerns(&pipeline.book, asked, brief)) {
            one(pipeline, asked, brief, report).await?;
        }
    }
}

/// Of the asked flow, and of the asked connection: it came from there, or its flow asks or writes
/// there.
fn concerns(book: &Book, asked: &Retry, brief: &Brief) -> bool {
    let uses = |name: &String| {
        brief.connection == *name
            || book
                .flow(&brief.flow)
                .is_some_and(|bound| book.needs(bound).any(|held| held == name))
    };
    asked.flow.as_ref().is_none_or(|flow| brief.flow == *flow)
        && asked.connection.as_ref().is_none_or(uses)
}

async fn one(
    pipeline: &Pipeline,
    asked: &Retry,
    brief: &Brief,
    report: &mut Report,
) -> Result<(), Error> {
    let job = brief.job;
    match pipeline.book.flow(&brief.flow) {
        None => {
            let why = format!("its flow {} is not there any more: bring it back first", brief.flow);
            report.leave(job, why);
            return Ok(());
        }
        Some(bound) if !bound.running => {
            report.leave(job, format!("its flow {} is stopped: start it first", brief.flow));
            return Ok(());
        }
        Some(_) => {}
    }
    let words = match words(pipeline, asked, job).await? {
        Ok(words) => words,
        Err(why) => {
            report.leave(job, why);
            return Ok(());
        }
    };
    let now = pipeline.clock.now();
    let hand = Hand { who: asked.who.clone(), why: asked.why.clone() };
    match pipeline.store.retry(job, words, hand, now).await? {
        Mended::Waits(job) => {
            tracing::info!(job, flow = %brief.flow, event = %brief.event, "retried by a person");
            report.waiting.push(job);
        }
        other => report.leave(job, refusal(&other)),
    }
    Ok(())
}

/// The person's words on the doubtful steps of a job, by name; the inner error: what is missing.
async fn words(
    pipeline: &Pipeline,
    asked: &Retry,
    job: i64,
) -> Result<Result<Vec<(String, Word)>, String>, Error> {
    let (event, steps) = pipeline.store.doubtful(job).await?;
    let offer = |step: &Doubtful| {
        let connector = pipeline.connector(&step.effect.connection)?;
        connector.offer().operation(&step.effect.operation)
    };
    let mut words = Vec::new();
    for name in &asked.arrived {
        let Some(step) = steps.iter().rfind(|step| step.name == *name) else {
            return Ok(Err(refusal(&Mended::NoStep(name.clone()))));
        };
        let output = match output(asked, name, offer(step)) {
            Ok(output) => output,
            Err(why) => return Ok(Err(why)),
        };
        let links = links(pipeline, &event, &step.effect, &output);
        let kept = kept(pipeline, &step.effect, &output).map(Box::new);
        words.push((name.clone(), Word::Arrived { output, links, kept }));
    }
    words.extend(asked.again.iter().map(|name| (name.clone(), Word::Again)));
    // Safe and checked operations are looked for by the daemon itself.
    let open = steps.iter().find(|step| {
        let known = words.iter().any(|(name, _)| *name == step.name);
        let repeat = offer(step).map(|offer| offer.repeat);
        !known && !matches!(repeat, Some(Repeat::Safe | Repeat::Check))
    });
    Ok(match open {
        Some(Doubtful { name, .. }) => Err(format!(
            "step {name} may have happened: say `--arrived {name}` if it did, `--again {name}` if not"
        )),
        None => Ok(words),
    })
}

/// What a step that arrived has answered, in the shape of its offer.
fn output(asked: &Retry, name: &str, offer: Option<&OperationOffer>) -> Result<Value, String> {
    let given = asked.output.clone().unwrap_or_default();
    let Some(offer) = offer else { return Ok(Value::Object(given)) };
    if let Some(unknown) = given.keys().find(|key| !offer.output.iter().any(|f| f.name == **key)) {
        let known: Vec<&str> = offer.output.iter().map(|field| field.name).collect();
        return Err(format!(
            "--output: {} answers no `{unknown}`, but {}",
            offer.name,
            known.join(", ")
        ));
    }
    let has_id = given.get("id").is_some_and(|id| id.is_number() || id.is_string());
    // A person sees that a message is there, but not what the messenger calls it.
    if offer.makes && !has_id && offer.repeat != Repeat::Once {
        return Err(format!(
            "step {name} makes something: say what it made, e.g. `--output '{{\"id\": 17}}'`"
        ));
    }
    Ok(Value::Object(rules::shaped(offer.output, &given)))
}

/// Recorded events get new jobs, which are decided as any other.
///
/// # Errors
/// The daemon runs other flows than the person replayed, or the store's.
pub async fn anew(pipeline: &Pipeline, asked: &Anew) -> Result<Report, Obstacle> {
    let book = Arc::clone(&pipeline.book);
    for (flow, fingerprint) in &asked.flows {
        let missing = || Obstacle::Refused(format!("the daemon has no flow {flow}"));
        let bound = book.flow(flow).ok_or_else(missing)?;
        if replay::fingerprint(bound) != *fingerprint {
            return Err(Obstacle::Refused(format!(
                "the daemon runs another version of {flow}: let it load what is on disk first"
            )));
        }
        if !bound.running {
            return Err(Obstacle::Refused(format!("{flow} is stopped: start it first")));
        }
    }
    let now = pipeline.clock.now();
    let lanes: LanesOf = Arc::new(move |flow, event| {
        let bound = book.flow(flow)?;
        let knowledge = Knowledge::of(&book, event, now);
        Some(rules::route::lanes(&book, bound, &bound.flow.lane, &knowledge).unwrap_or_default())
    });
    let mut report = Report::default();
    for job in &asked.jobs {
        let hand = Hand { who: asked.who.clone(), why: asked.why.clone() };
        match pipeline.store.decide_anew(*job, Arc::clone(&lanes), hand, now).await? {
            Mended::Waits(new) => {
                tracing::info!(job = new, of = job, "replayed by a person");
                report.waiting.push(new);
            }
            Mended::Is(JobState::Stuck) => {
                report.leave(*job, "it is parked: `leadlink retry` decides it anew");
            }
            Mended::Is(state) => report.leave(*job, format!("it is still {}", state.word())),
            other => report.leave(*job, refusal(&other)),
        }
    }
    pipeline.wake.decide.notify_one();
    Ok(report)
}

/// Parked and waiting jobs are ended with a person's word.
///
/// # Errors
/// The store's; what was done until then stays done.
pub async fn skip(
    pipeline: &Pipeline,
    jobs: &[i64],
    (who, why): (Option<&str>, &str),
) -> Result<Report, Error> {
    let mut report = Report::default();
    for job in jobs {
        match pipeline.store.skip_job(*job, (who, why), pipeline.clock.now()).await? {
            Mended::Ended(job) => {
                tracing::info!(job, "skipped by a person");
                report.ended.push(job);
            }
            Mended::Is(state) if !state.ended() => {
                report.leave(*job, format!("it is {}: wait until it is through", state.word()));
            }
            Mended::Is(state) => report.leave(*job, format!("it is {} already", state.word())),
            other => report.leave(*job, refusal(&other)),
        }
    }
    pipeline.wake.decide.notify_one();
    Ok(report)
}

/// Unreadable rows are read again; how many.
///
/// # Errors
/// There is no such connection, or the store's.
pub async fn reread(pipeline: &Pipeline, connection: Option<&str>) -> Result<u64, Obstacle> {
    if let Some(name) = connection.filter(|name| pipeline.connector(name).is_none()) {
        return Err(Obstacle::Refused(format!("there is no connection {name}")));
    }
    let rows = pipeline.store.reread(connection).await?;
    tracing::info!(rows, "unreadable rows are read again");
    pipeline.wake.route.notify_one();
    Ok(rows)
}

impl Report {
    fn leave(&mut self, job: i64, why: impl Into<String>) {
        self.left.push(Left { job, why: why.into() });
    }
}

fn refusal(mended: &Mended) -> String {
    match mended {
        Mended::Waits(_) => "it waits".to_owned(),
        Mended::Ended(_) => "it has ended".to_owned(),
        Mended::NoJob => "there is no such job, or no such flow any more".to_owned(),
        Mended::Is(state) => format!("it is not stuck: it is {}", state.word()),
        Mended::Beside(other, state) => {
            format!("job {other} of the same flow and event is {}", state.word())
        }
        Mended::NoStep(name) => format!("it has no step {name} of unknown outcome"),
    }
}
