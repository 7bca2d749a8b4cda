//! `leadlink offers CONNECTION`: what a flow may use of it. Invariant: shows the connector's offer
//! whole, as the checks of flows see it; asks nobody.

use super::columns::prose;
use super::{out, reach};
use crate::desk::connections::offer::{kind, repeat};
use crate::domain::{Field, Input, Kind, Need, Offer};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the connection, as in the config
    connection: String,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.connection;
    let Some(reached) = reach::connection(config, &name) else { return Ok(ExitCode::FAILURE) };
    let offer = reached.own.offer();
    let lists: Vec<&str> = reached.own.lists().iter().map(|list| list.name).collect();
    if arguments.json {
        out::say(&as_json(&name, offer).to_string());
    } else {
        out::say(Page { role: &reached.role, lists: &lists }.text(&name, offer).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the lines refer to.
struct Page<'a> {
    role: &'a str,
    lists: &'a [&'a str],
}

impl Page<'_> {
    fn text(&self, name: &str, offer: &Offer) -> String {
        let role = self.role;
        let mut text = format!("{name} ({}) offers flows:\n", offer.connector);
        if !self.lists.is_empty() {
            text.push_str(&format!("(list X): `leadlink list {name} X` shows the codes\n"));
        }
        for event in offer.events {
            text.push_str(&format!(
                "\nevent {}: {}\n  on = {{ from = \"{role}\", event = \"{}\" }}\n",
                event.kind, event.about, event.kind
            ));
            text.push_str(&table(&self.fields("event.", event.fields)));
        }
        for query in offer.queries {
            text.push_str(&format!(
                "\nquery {}: {}\n  NAME = {{ ask = \"{role}.{}\", … }} with these inputs:\n",
                query.name, query.about, query.name
            ));
            text.push_str(&table(&self.inputs(query.input)));
            text.push_str("  and then:\n");
            text.push_str(&table(&self.fields("facts.NAME.", query.output)));
        }
        for operation in offer.operations {
            text.push_str(&format!(
                "\noperation {}: {}\n  {}\n  do = \"{role}.{}\" with these inputs:\n",
                operation.name,
                operation.about,
                repeat(operation.repeat).1,
                operation.name
            ));
            text.push_str(&table(&self.inputs(operation.input)));
            text.push_str("  and then:\n");
            text.push_str(&table(&self.fields("steps.NAME.", operation.output)));
        }
        for (what, none) in [
            ("events", offer.events.is_empty()),
            ("queries", offer.queries.is_empty()),
            ("operations", offer.operations.is_empty()),
        ] {
            if none {
                text.push_str(&format!("\nno {what}\n"));
            }
        }
        text
    }

    fn fields(&self, prefix: &str, fields: &[Field]) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for field in fields {
            let path = format!("{prefix}{}", field.name);
            rows.push(vec![path.clone(), kind(&field.kind), self.about(field.about, field.codes)]);
            if let Kind::Record(inner) = field.kind {
                rows.extend(self.fields(&format!("{path}."), inner));
            }
        }
        rows
    }

    fn inputs(&self, inputs: &[Input]) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for input in inputs {
            let needed = match input.need {
                Need::Must => "needed",
                Need::OneOf => "one of them",
                Need::May => "",
            };
            rows.push(vec![
                input.name.to_owned(),
                kind(&input.kind),
                needed.to_owned(),
                self.about(input.about, input.codes),
            ]);
            if let Kind::Record(inner) = input.kind {
                let inner = self.fields(&format!("{}.", input.name), inner).into_iter();
                rows.extend(inner.map(|mut row| {
                    row.insert(2, String::new());
                    row
                }));
            }
        }
        rows
    }

    /// With the list that shows the codes. A list of ours may hold several of the far side's:
    /// `customer fields` are among the `fields`.
    fn about(&self, about: &str, codes: Option<&str>) -> String {
        let named =
            |list: &&&str| codes.is_some_and(|codes| codes.split(' ').next_back() == Some(**list));
        match self.lists.iter().find(named) {
            Some(list) => format!("{about} (list {list})"),
            None => about.to_owned(),
        }
    }
}

/// Indented by four, wrapped at 100 columns.
fn table(rows: &[Vec<String>]) -> String {
    let lines = prose(&[], rows);
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

fn as_json(name: &str, offer: &Offer) -> Value {
    let events = offer.events.iter().map(|event| {
        json!({ "event": event.kind, "about": event.about, "fields": fields_json(event.fields) })
    });
    let queries = offer.queries.iter().map(|query| {
        json!({
            "query": query.name, "about": query.about,
            "input": inputs_json(query.input), "output": fields_json(query.output),
        })
    });
    let operations = offer.operations.iter().map(|operation| {
        json!({
            "operation": operation.name, "about": operation.about,
            "repeat": repeat(operation.repeat).0,
            "input": inputs_json(operation.input), "output": fields_json(operation.output),
        })
    });
    json!({
        "connection": name,
        "connector": offer.connector,
        "events": events.collect::<Vec<_>>(),
        "queries": queries.collect::<Vec<_>>(),
        "operations": operations.collect::<Vec<_>>(),
    })
}

fn fields_json(fields: &[Field]) -> Vec<Value> {
    let field = |field: &Field| {
        let mut told = json!({ "name": field.name, "kind": kind(&field.kind), "about": field.about, "codes": field.codes });
        if let Kind::Record(inner) = field.kind {
            told["fields"] = fields_json(inner).into();
        }
        told
    };
    fields.iter().map(field).collect()
}

fn inputs_json(inputs: &[Input]) -> Vec<Value> {
    let input = |input: &Input| {
        let need = match input.need {
            Need::Must => "must",
            Need::OneOf => "one of",
            Need::May => "may",
        };
        let mut told = json!({
            "name": input.name, "kind": kind(&input.kind), "need": need, "about": input.about,
            "codes": input.codes,
        });
        if let Kind::Record(inner) = input.kind {
            told["fields"] = fields_json(inner).into();
        }
        told
    };
    inputs.iter().map(input).collect()
}
