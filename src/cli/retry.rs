//! `leadlink retry`: parked jobs are decided anew, steps of unknown outcome get a person's word,
//! unreadable deliveries are read anew. Invariant: beside a running daemon it leaves a row that the
//! daemon performs; with none it takes the lock and does it itself; a name that means several jobs
//! mends none.

use super::beside::{Reach, ask, reach, refused};
use super::user::note;
use super::{out, sound, unknown};
use crate::app::App;
use crate::clock::Clock;
use crate::pipeline::mend::{self, Report, Retry};
use crate::pipeline::{Pipeline, route};
use crate::store::{Brief, JobState, Store};
use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["jobs", "stuck", "unreadable"]))]
pub struct Arguments {
    /// Parked jobs, each by its number (`17`, `job:17`), or as `why` finds it if one job is meant
    jobs: Vec<String>,
    /// All parked jobs
    #[arg(long)]
    stuck: bool,
    /// Deliveries that could not be read are read again
    #[arg(long)]
    unreadable: bool,
    /// Only jobs of this flow
    #[arg(long, conflicts_with_all = ["jobs", "unreadable"])]
    flow: Option<String>,
    /// Only what came from this connection; of jobs, also those whose flow asks or writes there
    #[arg(long, conflicts_with = "jobs")]
    connection: Option<String>,
    /// A step of unknown outcome that has happened: it counts as done
    #[arg(long, value_name = "STEP", conflicts_with_all = ["stuck", "unreadable"])]
    arrived: Vec<String>,
    /// What that step answered, e.g. `{"id": 17}`
    #[arg(long, value_name = "JSON", requires = "arrived")]
    output: Option<String>,
    /// A step of unknown outcome that has not happened: it may be sent again
    #[arg(long, value_name = "STEP", conflicts_with_all = ["stuck", "unreadable"])]
    again: Vec<String>,
    /// Why, for those who read the story later
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    if arguments.unreadable {
        return reread(app, arguments).await;
    }
    if arguments.jobs.len() > 1 && !(arguments.arrived.is_empty() && arguments.again.is_empty()) {
        bail!("--arrived and --again speak about one job");
    }
    if let Some(flow) = arguments.flow.as_ref().filter(|flow| app.book.flow(flow).is_none()) {
        return Err(unknown(
            "flow",
            flow,
            app.book.flows().iter().map(|bound| bound.name.as_str()),
        ));
    }
    known_connection(&app, arguments.connection.as_deref())?;
    let mut jobs = Vec::new();
    if !arguments.jobs.is_empty() {
        let url = &app.store_url;
        let store = Store::open_beside(url).await.context("the store cannot be opened")?;
        for name in &arguments.jobs {
            jobs.push(job_of(&store, name).await?);
        }
        store.close().await;
    }
    let asked = Retry {
        jobs,
        flow: arguments.flow,
        connection: arguments.connection,
        who: None,
        why: arguments.why,
        arrived: arguments.arrived,
        output: arguments.output.as_deref().map(object).transpose()?,
        again: arguments.again,
    };
    let answer = perform(app, "retry", &serde_json::to_value(asked)?).await?;
    let report = report(&answer)?;
    if arguments.json {
        out::say(&answer.to_string());
    } else {
        tell(&report);
    }
    Ok(if report.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn known_connection(app: &App, name: Option<&str>) -> anyhow::Result<()> {
    match name.filter(|name| !app.connectors.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(unknown("connection", name, app.connectors.keys().map(String::as_str))),
    }
}

fn object(text: &str) -> anyhow::Result<Map<String, Value>> {
    match serde_json::from_str(text).context("--output is no JSON")? {
        Value::Object(fields) => Ok(fields),
        _ => bail!("--output is a JSON object, e.g. {{\"id\": 17}}"),
    }
}

/// The parked job that a person means: its number, or whatever `why` finds if one parked job is
/// among it.
async fn job_of(store: &Store, name: &str) -> anyhow::Result<i64> {
    if let Some(number) = name.strip_prefix("job:") {
        return number.parse().with_context(|| format!("{name} is no number of a job"));
    }
    let numbered = match name.parse() {
        Ok(number) => store.job_brief(number).await?,
        Err(_) => None,
    };
    let mut candidates: BTreeMap<i64, Brief> = BTreeMap::new();
    let mut known = false;
    for story in store.story(name).await? {
        known = true;
        for job in story.jobs.iter().filter(|job| job.state == JobState::Stuck) {
            candidates.extend(store.job_brief(job.id).await?.map(|brief| (job.id, brief)));
        }
    }
    let parked = numbered.iter().filter(|brief| brief.state == JobState::Stuck);
    candidates.extend(parked.map(|brief| (brief.job, brief.clone())));
    let mut found = candidates.values();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.job),
        (Some(_), Some(_)) => {
            let lines: Vec<String> = candidates.values().map(line).collect();
            bail!("{name} means several parked jobs; say which:\n{}", lines.join("\n"))
        }
        (None, _) => match numbered {
            Some(brief) => {
                bail!("job {} is not stuck: it is {}", brief.job, brief.state.word())
            }
            None if known => bail!("no job of {name} is stuck"),
            None => bail!("there is no job and no lead {name}"),
        },
    }
}

fn line(brief: &Brief) -> String {
    let why = brief.why.as_deref().unwrap_or("no reason was kept");
    format!("  job:{}  {} of {}: {why}", brief.job, brief.flow, brief.event)
}

async fn reread(app: App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    known_connection(&app, arguments.connection.as_deref())?;
    let body = json!({ "connection": arguments.connection });
    let answer = perform(app, "reread", &body).await?;
    let rows = answer.get("rows").and_then(Value::as_u64).context("an answer without a count")?;
    let still = answer.get("unreadable").and_then(Value::as_u64);
    if arguments.json {
        out::say(&answer.to_string());
    } else {
        let still = still.map(|still| format!("; {still} are unreadable still"));
        out::say(&format!("{rows} deliveries are read again{}", still.unwrap_or_default()));
    }
    Ok(if still.unwrap_or_default() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Has the daemon perform a command of `pipeline::mend`, or performs it where none runs. What was
/// answered; an `error` in it is an error here.
async fn perform(app: App, kind: &str, body: &Value) -> anyhow::Result<Value> {
    let act = if kind == "reread" { "reread" } else { "retry" };
    let answer = match reach(app, Clock::default()).await? {
        Reach::Daemon(store) => {
            let answer = ask(&store, kind, body).await?;
            note(&store, act, about(body), refused(&answer)).await;
            answer
        }
        Reach::Alone(alone) => {
            let answer = by_ourselves(&alone.pipeline, kind, body).await;
            if let Ok(answer) = &answer {
                note(&alone.pipeline.store, act, about(body), refused(answer)).await;
            }
            alone.finish().await?;
            answer?
        }
    };
    sound_answer(answer)
}

/// The jobs that were named, else the flow or connection whose were meant, for the audit log.
fn about(body: &Value) -> String {
    let jobs = body.get("jobs").and_then(Value::as_array);
    let jobs: Vec<String> = jobs.into_iter().flatten().map(|job| format!("job:{job}")).collect();
    let named = |key: &str| Some(format!("{key}:{}", body.get(key)?.as_str()?));
    match jobs.is_empty() {
        false => jobs.join(" "),
        true => named("flow").or_else(|| named("connection")).unwrap_or_else(|| "all".to_owned()),
    }
}

/// As `perform`, where the pipeline is ours already.
async fn by_ourselves(pipeline: &Pipeline, kind: &str, body: &Value) -> anyhow::Result<Value> {
    let mut answer = mend::obey(pipeline, kind, body).await;
    if kind == "reread" && answer.get("error").is_none() {
        while route::batch(pipeline).await? {}
        let counts = pipeline.store.counts(pipeline.clock.now()).await?;
        answer["unreadable"] = json!(counts.unreadable);
    }
    Ok(answer)
}

pub(super) fn sound_answer(answer: Value) -> anyhow::Result<Value> {
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => bail!("{error}"),
        None => Ok(answer),
    }
}

pub(super) fn report(answer: &Value) -> anyhow::Result<Report> {
    serde_json::from_value(answer.clone()).context("an answer that cannot be read")
}

fn tell(report: &Report) {
    match report.waiting.as_slice() {
        [] if report.left.is_empty() => out::say("no job is stuck"),
        [] => {}
        jobs => {
            let named = jobs.iter().take(20).map(i64::to_string).collect::<Vec<_>>().join(", ");
            let more = if jobs.len() > 20 { ", …" } else { "" };
            out::say(&format!("{} jobs wait again: {named}{more}", jobs.len()));
        }
    }
    for left in &report.left {
        out::complain(&format!("job {} stays as it is: {}", left.job, left.why));
    }
}
