//! `leadlink why ID|PHONE`: the whole story of a lead or an order. Invariant: reads only; shows every
//! decision with its reasons and every answer, in the order in which they came.

mod things;

use super::{out, sound};
use crate::domain::{Effect, Verdict};
use crate::pipeline::resolve;
use crate::rules::Book;
use crate::store::{Attempt, DecisionStory, JobStory, Mend, StepState, Store, Story};
use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A lead (`call:900000001` or its id), an order, deal or customer (`order:17`), an order's number,
    /// a phone or an e-mail
    id: String,
    /// Prints one JSON array
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let store = Store::open_beside(&app.store_url).await.context("the store cannot be opened")?;
    let stories = store.story(&arguments.id).await?;
    if arguments.json {
        out::say(&serde_json::to_string(&stories)?);
    } else {
        things::remembered(&app.book, &stories).iter().for_each(|line| out::say(line));
        let mut told = BTreeSet::new();
        stories.iter().for_each(|story| tell(&app.book, story, &mut told));
        if stories.is_empty() {
            out::complain(&format!("nothing is known of {}", arguments.id));
        }
    }
    Ok(if stories.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is remembered of deals, and how their decisions chose among the leads: for the demo.
pub fn deals(book: &Book, stories: &[Story]) -> Vec<String> {
    let mut lines = things::remembered(book, stories);
    let mut seen = BTreeSet::new();
    for job in stories.iter().flat_map(|story| &story.jobs).filter(|job| seen.insert(job.id)) {
        let told = job.decisions.iter().map(|told| things::leads(book, &job.flow, told));
        lines.extend(told.flatten());
    }
    lines
}

/// A job that several events share is told once.
fn tell(book: &Book, story: &Story, told: &mut BTreeSet<i64>) {
    let event = &story.event;
    out::say(&format!(
        "{} · {} · {} · registered {}",
        event.key,
        event.kind,
        event.connection,
        time(event.registered)
    ));
    for (name, value) in &event.fields {
        if !crate::domain::event::is_empty(value) {
            out::say(&format!("  {name}: {}", plain(value)));
        }
    }
    for delivery in &story.deliveries {
        out::say(&format!(
            "  {}  came by {} ({} bytes, raw {})",
            time(delivery.received),
            delivery.channel,
            delivery.bytes,
            delivery.id
        ));
    }
    if story.jobs.is_empty() {
        out::say("  no flow has made a job of it");
    }
    for shared in &story.jobs {
        if told.insert(shared.id) {
            job(book, shared);
        } else {
            out::say(&format!("  job {} of {}: told above", shared.id, shared.flow));
        }
    }
    for link in &story.links {
        out::say(&format!("  link to {} {} in {}", link.to_kind, link.to_id, link.to_connection));
    }
    out::say("");
}

fn job(book: &Book, job: &JobStory) {
    let state = format!("{:?}", job.state).to_lowercase();
    out::say(&format!(
        "  job {} of {}: {state}, due {}, {} tries",
        job.id,
        job.flow,
        time(job.due),
        job.tries
    ));
    if let Some(why) = &job.why {
        out::say(&format!("    because {why}"));
    }
    if let Some([arrived, again]) = choices(job) {
        out::say(&format!("    if it happened:     {arrived}"));
        out::say(&format!("    if it did not:      {again}"));
    }
    job.decisions.iter().for_each(|told| decision(book, &job.flow, told));
    job.mends.iter().for_each(mend);
}

/// What a person may type about a job that waits for their word on a step.
fn choices(job: &JobStory) -> Option<[String; 2]> {
    let why = job.why.as_ref().filter(|why| why.ends_with(resolve::ASKS))?;
    let steps = job.decisions.iter().flat_map(|decision| &decision.steps);
    let mut unknown = steps.filter(|step| step.state == StepState::Unknown);
    unknown.find(|step| why.contains(&step.name)).map(|step| resolve::words(job.id, &step.name))
}

fn mend(mend: &Mend) {
    let why = mend.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let step = mend.step.as_deref().unwrap_or_default();
    let what = match mend.what.as_str() {
        "arrived" => format!("a person said of step {step}: it had happened"),
        "again" => format!("a person said of step {step}: it had not happened"),
        what => format!("{what} by a person{why}"),
    };
    out::say(&format!("    {}  {what}", time(mend.at)));
}

fn decision(book: &Book, flow: &str, story: &DecisionStory) {
    let verdict = match &story.decision.verdict {
        Verdict::Act(_) => "act",
        Verdict::Skip => "skip",
        Verdict::Incomplete => "incomplete",
    };
    out::say(&format!("    {}  decided: {verdict}", time(story.at)));
    for reason in &story.decision.reasons {
        out::say(&format!("      {} {reason}", format!("{:?}", reason.why).to_lowercase()));
        for (path, value) in &reason.saw {
            out::say(&format!("        saw {path} = {}", plain(value)));
        }
    }
    for line in things::leads(book, flow, story) {
        out::say(&format!("      {line}"));
    }
    for step in &story.steps {
        let state = format!("{:?}", step.state).to_lowercase();
        out::say(&format!("      step {}: {state}  {}", step.name, operation(&step.effect)));
        step.attempts.iter().for_each(attempt);
        if let Some(output) = &step.output {
            out::say(&format!("        answered {output}"));
        }
    }
}

fn attempt(attempt: &Attempt) {
    let ended = attempt.ended.map_or_else(|| "has not ended".to_owned(), time);
    let result = attempt.result.as_deref().unwrap_or("no answer yet");
    let why = attempt.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    out::say(&format!("        {} – {ended}  {result}{why}", time(attempt.started)));
}

fn operation(effect: &Effect) -> String {
    format!("{} {} {}", effect.connection, effect.operation, Value::Object(effect.input.clone()))
}

/// In the zone of whoever reads it.
fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
