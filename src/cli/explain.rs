//! `leadlink explain FLOW EVENT.json`: facts, decision, reasons and the exact requests. Invariant:
//! nothing is written, neither in the far sides nor in the store.

use super::{out, sound, unknown};
use crate::clock::Clock;
use crate::domain::{Event, Raw, Verdict};
use crate::pipeline::Pipeline;
use crate::pipeline::explain::{Explanation, explain};
use crate::store::{self, Store};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the flow
    flow: String,
    /// A normalized event (its fields, or a whole event with `fields`), or what a far side sent:
    /// `{"connection": "…", "body": "…"}`
    event: PathBuf,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let file = arguments.event.display();
    let text = std::fs::read_to_string(&arguments.event)
        .with_context(|| format!("{file} cannot be read"))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))?;
    let clock = Clock::default();
    let scratch = tempfile::tempdir().context("no temporary folder")?;
    let store = match Store::open_beside(&app.store_url).await {
        Err(store::Error::Empty(_)) => {
            // No daemon has run here yet: an empty store knows no links.
            let url = format!("sqlite:{}", scratch.path().join("empty.db").display());
            Store::open(&url, clock.now()).await
        }
        opened => opened,
    };
    let leave = app.shared.limits.leave();
    let store = store.context("the store cannot be opened")?;
    let pipeline = Pipeline::new(store, clock, app.book, app.connectors, leave);
    let events = events(&pipeline, &arguments.flow, value).with_context(|| file.to_string())?;
    for event in events {
        let told = explain(&pipeline, &arguments.flow, event).await.map_err(anyhow::Error::msg)?;
        if arguments.json { print_json(&told) } else { print(&told) }
    }
    Ok(ExitCode::SUCCESS)
}

/// The events of the file: what a far side sent goes through the connection's own parser.
fn events(pipeline: &Pipeline, flow: &str, value: Value) -> anyhow::Result<Vec<Event>> {
    let Some(bound) = pipeline.book.flow(flow) else {
        let known = pipeline.book.flows().iter().map(|bound| bound.name.as_str());
        return Err(unknown("flow", flow, known));
    };
    let Value::Object(table) = value else { bail!("an event is a JSON object") };
    if let (Some(connection), false) = (table.get("connection"), table.contains_key("fields")) {
        let connection = connection.as_str().context("`connection` is a text")?;
        return parsed(pipeline, connection, &table);
    }
    let trigger = &bound.flow.on;
    let given = |name: &str| table.get(name).and_then(Value::as_str).map(str::to_owned);
    let whole = table.contains_key("fields");
    let fields = match table.get("fields") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => bail!("`fields` is a table"),
        None => table.clone(),
    };
    let connection = bound.connection(&trigger.role).unwrap_or_default().to_owned();
    let noun = trigger.event.split('.').next().unwrap_or_default();
    let id = fields.get("id").map(|id| id.to_string().trim_matches('"').to_owned());
    let key = format!("{noun}:{}", id.unwrap_or_else(|| "explain".to_owned()));
    let registered = match given("registered").filter(|_| whole) {
        Some(text) => text.parse().context("`registered` is an RFC 3339 time")?,
        None => pipeline.clock.now(),
    };
    Ok(vec![Event {
        asked: false,
        connection: given("connection").filter(|_| whole).unwrap_or(connection),
        kind: given("kind").filter(|_| whole).unwrap_or_else(|| trigger.event.clone()),
        key: given("key").filter(|_| whole).unwrap_or(key),
        aliases: Vec::new(),
        provisional: false,
        registered,
        fields,
    }])
}

fn parsed(
    pipeline: &Pipeline,
    connection: &str,
    table: &Map<String, Value>,
) -> anyhow::Result<Vec<Event>> {
    let connector = pipeline
        .connector(connection)
        .with_context(|| format!("there is no connection {connection}"))?;
    let form = "application/x-www-form-urlencoded";
    let (kind, body) = match table.get("body") {
        Some(Value::String(text)) if text.trim_start().starts_with(['{', '[']) => {
            ("application/json", text.clone())
        }
        Some(Value::String(text)) => (form, text.clone()),
        Some(other) => ("application/json", other.to_string()),
        None => {
            let mut rest = table.clone();
            rest.remove("connection");
            ("application/json", Value::Object(rest).to_string())
        }
    };
    let kind = table.get("content_type").and_then(Value::as_str).unwrap_or(kind);
    let channel = table.get("channel").and_then(Value::as_str).unwrap_or("hook");
    let raw = Raw {
        id: 0,
        connection: connection.to_owned(),
        channel: channel.to_owned(),
        content_type: kind.to_owned(),
        body: body.into_bytes(),
        dedupe_key: String::new(),
        received: pipeline.clock.now(),
    };
    let events = connector.parse(&raw)?;
    if events.is_empty() {
        bail!("what {connection} sent holds no event to decide about");
    }
    Ok(events)
}

fn print_json(told: &Explanation) {
    let mut value = serde_json::to_value(told).unwrap_or_default();
    let requests = told.requests.iter().map(|(step, request)| {
        json!({ "step": step, "method": request.method, "path": request.path, "fields": request.fields })
    });
    value["requests"] = requests.collect();
    out::say(&value.to_string());
}

fn print(told: &Explanation) {
    out::say(&format!("{} · {} · {}", told.flow, told.event.kind, told.event.key));
    for (name, fact) in &told.facts {
        let query = told.queries.get(name).map(|query| Value::Object(query.input.clone()));
        let asked = query.map_or_else(|| "not asked".to_owned(), |input| format!("asked {input}"));
        out::say(&format!("  fact {name} ({asked}): {}", brief(fact)));
    }
    let verdict = match &told.decision.verdict {
        Verdict::Act(plan) => format!("act: {} steps", plan.steps.len()),
        Verdict::Skip => "skip".to_owned(),
        Verdict::Incomplete => "incomplete: waits for a fuller arrival".to_owned(),
    };
    out::say(&format!("  decision: {verdict}"));
    for reason in &told.decision.reasons {
        out::say(&format!("    {:?} {reason}", reason.why).to_lowercase());
        for (path, value) in &reason.saw {
            out::say(&format!("      saw {path} = {value}"));
        }
    }
    for (step, request) in &told.requests {
        out::say(&format!("  request of step {step}: {} {}", request.method, request.path));
        for (name, value) in &request.fields {
            out::say(&format!("    {name} = {value}"));
        }
    }
}

fn brief(fact: &Value) -> String {
    match fact {
        Value::Null => "none".to_owned(),
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(_, value)| !crate::domain::event::is_empty(value));
            let shown: Map<String, Value> =
                shown.map(|(name, value)| (name.clone(), value.clone())).collect();
            Value::Object(shown).to_string()
        }
        other => other.to_string(),
    }
}
