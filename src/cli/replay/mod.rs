//! `leadlink replay`: what other flows would have decided about what is recorded. Invariant: reads
//! only, unless `--write` says otherwise and a person agreed to the number.

mod show;
pub(super) mod when;

use super::beside::{Reach, ask, reach};
use super::retry::{report, sound_answer};
use super::{out, show as show_problems, sound};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::diagnosis::{Problem, has_errors};
use crate::domain::Recorded;
use crate::pipeline::mend::{self, Anew, Report};
use crate::pipeline::replay::{Summary, replay};
use crate::rules::Book;
use crate::rules::replay::{Kind, Weighed, fingerprint};
use crate::store::{Span, Store};
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use show::Teller;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub struct Arguments {
    /// From when: `7d`, `2h` (so long ago), a date or date and time (`2026-11-20`, `20.11.2026`,
    /// `2026-11-20 14:30`, in the system's zone), `today`, `yesterday`, or RFC 3339
    #[arg(long, value_name = "TIME|SPAN", value_parser = time, allow_hyphen_values = true)]
    since: Timestamp,
    /// Until when (not included), in the same words
    #[arg(long, value_name = "TIME|SPAN", value_parser = time, allow_hyphen_values = true)]
    until: Option<Timestamp>,
    /// Only this flow; may be repeated
    #[arg(long)]
    flow: Vec<String>,
    /// The folder of the other flows; without it the flow files as they are on disk now
    #[arg(long, value_name = "DIR")]
    with: Option<PathBuf>,
    /// Weighs every decision that is kept, not only what each event came to
    #[arg(long)]
    every: bool,
    /// Lists those too that differ only in their reasons
    #[arg(long)]
    reasons: bool,
    /// Events that would now act are decided anew by the daemon, with facts as they are now
    #[arg(long, conflicts_with_all = ["with", "every"])]
    write: bool,
    /// Does not ask before it writes
    #[arg(long, requires = "write")]
    yes: bool,
    /// Why, for those who read the story later
    #[arg(long, value_name = "TEXT", requires = "write")]
    why: Option<String>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Jobs of one command to the daemon.
const CHUNK: usize = 500;

fn time(text: &str) -> Result<Timestamp, String> {
    when::time(text, Clock::default().now(), &TimeZone::system())
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let app = match &arguments.with {
        None if arguments.write => sound(config),
        with => with_flows(config.as_deref(), with.as_deref())?,
    };
    let Some(mut app) = app else { return Ok(ExitCode::FAILURE) };
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    for flow in &arguments.flow {
        if app.book.flow(flow).is_none() && !store.flow_known(flow).await? {
            bail!("there is no flow {flow}, and there was none");
        }
    }
    let span = Span {
        since: arguments.since,
        until: arguments.until.unwrap_or(Timestamp::MAX),
        flows: arguments.flow.clone(),
        every: arguments.every,
    };
    // Flows go where the weighing is; only a daemon of our own would need them in the app again.
    let book = Arc::new(std::mem::replace(&mut app.book, Book::new(Vec::new(), BTreeMap::new())));
    let mut teller = Teller { json: arguments.json, reasons: arguments.reasons, begun: false };
    let mut anew = Candidates::default();
    let bar = progress(&store, &span).await?;
    let summary = replay(&store, &book, &span, |page| {
        bar.suspend(|| teller.page(page));
        bar.inc(page.len() as u64);
        if arguments.write {
            page.iter().for_each(|(recorded, weighed)| anew.take(recorded, weighed));
        }
    })
    .await?;
    bar.finish_and_clear();
    store.close().await;
    let Some(book) = Arc::into_inner(book) else { bail!("the flows are still in use") };
    app.book = book;
    end(app, arguments, &teller, (summary, anew)).await
}

/// Tells the end, and writes before it, where that is asked for and agreed to.
async fn end(
    app: App,
    arguments: Arguments,
    teller: &Teller,
    (summary, anew): (Summary, Candidates),
) -> anyhow::Result<ExitCode> {
    if !arguments.write || anew.jobs.is_empty() {
        teller.end(&summary, arguments.write.then(Report::default).as_ref());
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.yes && !agreed(anew.jobs.len())? {
        teller.end(&summary, None);
        out::complain("nothing was written; say --yes to agree beforehand");
        return Ok(ExitCode::from(2));
    }
    let report = write(app, &anew, arguments.why).await?;
    teller.end(&summary, Some(&report));
    Ok(if report.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Config and flows, those of another folder if one is given. What-if flows need not pass their
/// cases, and may lack a flow that config names: that is told as gone.
fn with_flows(config: Option<&Path>, with: Option<&Path>) -> anyhow::Result<Option<App>> {
    let mut env: BTreeMap<String, String> = std::env::vars().collect();
    if let Some(with) = with {
        let dir = with.canonicalize().with_context(|| with.display().to_string())?;
        env.insert("LEADLINK_MAPPINGS__DIR".to_owned(), dir.display().to_string());
    }
    let read = app::read(config, env.into_iter());
    show_problems(&read.problems);
    let idle = |problem: &Problem| {
        problem.title.starts_with("case \"")
            || (with.is_some()
                && problem.title.starts_with("flows.")
                && problem.title.contains(": there is no flow `"))
    };
    let grave: Vec<Problem> = read.problems.into_iter().filter(|p| !idle(p)).collect();
    Ok(if has_errors(&grave) { None } else { read.app })
}

/// A bar on the terminal; nothing elsewhere.
async fn progress(store: &Store, span: &Span) -> anyhow::Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(store.recorded_count(span).await?);
    let style = "{bar:40} {pos} of at most {len} decisions, {elapsed}, {per_sec}";
    bar.set_style(ProgressStyle::with_template(style)?);
    Ok(bar)
}

/// The jobs whose events would act otherwise now.
#[derive(Debug, Default)]
struct Candidates {
    jobs: Vec<i64>,
    flows: BTreeSet<String>,
}

impl Candidates {
    fn take(&mut self, recorded: &Recorded, weighed: &Weighed) {
        let Weighed::Differs(difference) = weighed else { return };
        if recorded.last && difference.kind != Kind::Reasons && difference.now.acts() {
            self.jobs.push(recorded.job);
            self.flows.insert(recorded.flow.clone());
        }
    }
}

fn agreed(events: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    write!(std::io::stderr(), "{events} events will be decided anew and may act. Go on? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "д" | "да"))
}

async fn write(app: App, anew: &Candidates, why: Option<String>) -> anyhow::Result<Report> {
    let bound = anew.flows.iter().filter_map(|name| app.book.flow(name));
    let flows: BTreeMap<String, String> =
        bound.map(|bound| (bound.name.clone(), fingerprint(bound))).collect();
    let reached = reach(app, Clock::default()).await?;
    let store = match &reached {
        Reach::Daemon(store) => store,
        Reach::Alone(alone) => &alone.pipeline.store,
    };
    let about = format!("{} jobs of {}", anew.jobs.len(), keys(&flows));
    super::user::note(store, "replay", about, None).await;
    let mut whole = Report::default();
    for jobs in anew.jobs.chunks(CHUNK) {
        let asked = Anew { jobs: jobs.to_vec(), flows: flows.clone(), who: None, why: why.clone() };
        let body = serde_json::to_value(asked)?;
        let answer = match &reached {
            Reach::Daemon(store) => ask(store, "anew", &body).await,
            Reach::Alone(alone) => Ok(mend::obey(&alone.pipeline, "anew", &body).await),
        };
        let done = answer.and_then(sound_answer).and_then(|answer| report(&answer));
        let done = done.with_context(|| {
            format!("{} events were given to be decided anew before this", whole.waiting.len())
        })?;
        whole.waiting.extend(done.waiting);
        whole.left.extend(done.left);
    }
    if let Reach::Alone(alone) = reached {
        alone.finish().await?;
    }
    Ok(whole)
}

fn keys(flows: &BTreeMap<String, String>) -> String {
    flows.keys().cloned().collect::<Vec<_>>().join(", ")
}
