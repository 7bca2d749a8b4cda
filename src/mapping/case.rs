//! The `[[case]]` tables of a flow file. Invariant: a case is data — the event that its sample and
//! `set` make, the facts, and what must be decided; who runs it is `rules`.

use super::flow::{Case, Expect, Flow};
use super::grammar::Shelf;
use super::settings;
use crate::diagnosis::{Item, Problem, Source, Spanned, Table, suggest};
use crate::domain::plan::is_of;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// Reads one case; names that the flow does not have are problems.
pub fn read(mut table: Table, flow: &Flow, shelf: &Shelf, problems: &mut Vec<Problem>) -> Case {
    let source = table.source().clone();
    table.require("name", "one sentence: what this case shows");
    table.require("event", "a sample file (`samples/call-finished.json`) or a table of fields");
    table.require("expect", "what must be decided, e.g. `{ steps = [\"create\"] }`");
    let name = table.text("name").map(|name| name.value).unwrap_or_default();
    if let Some(earlier) = flow.cases.iter().find(|case| !name.is_empty() && case.name == name) {
        let problem = Problem::error(format!("case.name: a second case `{}`", earlier.name))
            .mend("give every case a name of its own");
        table.problem_at("name", problem);
    }
    let mut event = table.any("event").map(|item| sample(&source, item, shelf, problems));
    let set = object(&mut table, "set");
    event.get_or_insert_default().extend(set);
    let facts: Vec<&str> = flow.facts.iter().map(|fact| fact.name.as_str()).collect();
    let steps: Vec<&str> = flow.steps.iter().map(|step| step.name.as_str()).collect();
    known_keys(&mut table, "facts", "fact", &facts);
    known_keys(&mut table, "done", "step", &steps);
    let settings = settings::over(&mut table, "settings", flow);
    let (given, done) = (object(&mut table, "facts"), object(&mut table, "done"));
    let mut expect = Expect::default();
    if let Some(mut wanted) = table.table("expect") {
        known_keys(&mut wanted, "with", "step", &steps);
        known_keys(&mut wanted, "without", "step", &steps);
        known_keys(&mut wanted, "asks", "fact", &facts);
        known_keys(&mut wanted, "asks_without", "fact", &facts);
        expect = expectation(&mut wanted, &steps);
        table.absorb(wanted);
    }
    let span = table.key_span("name");
    problems.extend(table.finish());
    Case { name, span, event: event.unwrap_or_default(), facts: given, settings, done, expect }
}

fn expectation(table: &mut Table, steps: &[&str]) -> Expect {
    let wanted = table.texts("steps");
    for step in wanted.iter().flat_map(|wanted| &wanted.value) {
        if !steps.iter().any(|rule| is_of(&step.value, rule)) {
            let problem =
                Problem::error(format!("expect.steps: there is no step `{}`", step.value))
                    .at(table.source(), step.span.clone())
                    .mend(suggest(&step.value, steps));
            table.problem(problem);
        }
    }
    let values = |texts: Spanned<Vec<Spanned<String>>>| {
        texts.value.into_iter().map(|text| text.value).collect::<Vec<_>>()
    };
    let because = table.texts("because").map(values).unwrap_or_default();
    let incomplete = table.flag("incomplete").is_some_and(|flag| flag.value);
    let until = time(table, "until");
    let mut with = object(table, "with");
    absent(table, "without", &mut with);
    let mut asks = object(table, "asks");
    absent(table, "asks_without", &mut asks);
    Expect { steps: wanted.map(values), because, incomplete, until, with, asks }
}

fn time(table: &mut Table, key: &str) -> Option<Timestamp> {
    let text = table.text(key)?;
    let time = text.value.parse().ok();
    if time.is_none() {
        let problem = Problem::error(format!("expect.{key}: `{}` is no time", text.value))
            .mend("write RFC 3339, in UTC: `2025-05-14T10:00:00Z`");
        table.problem_at(key, problem);
    }
    time
}

/// `without = { create = ["phone", "customFields.utm_term"] }`: TOML has no null of its own.
fn absent(table: &mut Table, key: &str, wanted: &mut Map<String, Value>) {
    let Some(mut absent) = table.table(key) else { return };
    for (name, _) in absent.rest() {
        let paths = absent.texts(&name.value).map(|paths| paths.value).unwrap_or_default();
        let inputs = wanted.entry(name.value).or_insert_with(|| Value::Object(Map::new()));
        for path in paths {
            put_null(inputs, &path.value.split('.').collect::<Vec<_>>());
        }
    }
    table.absorb(absent);
}

/// Null at a path means that nothing may be there.
fn put_null(inputs: &mut Value, path: &[&str]) {
    let [name, rest @ ..] = path else { return };
    let Value::Object(fields) = inputs else { return };
    if rest.is_empty() {
        fields.insert((*name).to_owned(), Value::Null);
    } else {
        let inner = fields.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
        put_null(inner, rest);
    }
}

/// The event of a case: a file beside the flow, or fields written out.
fn sample(
    source: &Source,
    item: Spanned<Item>,
    shelf: &Shelf,
    problems: &mut Vec<Problem>,
) -> Map<String, Value> {
    let problem = match &item.value {
        Item::Table(_) => match item.value.to_json() {
            Value::Object(fields) => return fields,
            _ => return Map::new(),
        },
        Item::Text(path) => {
            if let Some(fields) = shelf.samples.get(path) {
                return fields.clone();
            }
            let known: Vec<&str> = shelf.samples.keys().map(String::as_str).collect();
            Problem::error(format!("case.event: there is no sample `{path}`"))
                .mend(suggest(path, &known))
        }
        other => Problem::error(format!("case.event: found {}", other.kind()))
            .mend("write `samples/NAME.json`, or a table of event fields"),
    };
    problems.push(problem.at(source, item.span));
    Map::new()
}

/// A free table as JSON; empty where it is not there.
fn object(table: &mut Table, key: &str) -> Map<String, Value> {
    let Some(mut nested) = table.table(key) else { return Map::new() };
    nested.rest().into_iter().map(|(key, item)| (key.value, item.value.to_json())).collect()
}

/// Every key of the free table `key` must be one of `known`.
fn known_keys(table: &mut Table, key: &str, noun: &str, known: &[&str]) {
    let Some(Item::Table(entries)) = table.any(key).map(|item| item.value) else { return };
    for (name, _) in entries {
        let is_it = |held: &&str| match noun {
            "step" => is_of(&name.value, held),
            _ => name.value == *held,
        };
        if !known.iter().any(is_it) {
            let problem = Problem::error(format!("{key}: there is no {noun} `{}`", name.value))
                .at(table.source(), name.span)
                .mend(suggest(&name.value, known));
            table.problem(problem);
        }
    }
}
