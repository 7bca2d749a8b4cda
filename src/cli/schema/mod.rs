//! `leadlink schema config|flow|table`: JSON Schema of our files, so that editors complete and check
//! them. Invariant: the readers are the judges; a schema refuses nothing that they accept, and knows
//! every key that they know. `config/schema/` holds what is printed here.

mod config;
mod flow;

use super::out;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Which files it is of
    files: Files,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Files {
    /// The configuration
    Config,
    /// Flows: mappings/*.toml
    Flow,
    /// Lookup tables: mappings/tables/*.toml
    Table,
}

impl Files {
    /// Name of its file in a folder `schema`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Config => "leadlink.schema.json",
            Self::Flow => "flow.schema.json",
            Self::Table => "table.schema.json",
        }
    }

    /// The schema, as it is printed.
    pub fn text(self) -> String {
        let schema = match self {
            Self::Config => config::schema(),
            Self::Flow => flow::schema(),
            Self::Table => table(),
        };
        format!("{schema:#}\n")
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    out::say(arguments.files.text().trim_end());
    ExitCode::SUCCESS
}

/// What every schema begins with.
fn head(title: &str, about: &str) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": about,
        "type": "object",
    })
}

fn table() -> Value {
    let mut schema = head(
        "leadlink lookup table",
        "One line for each word: cpc = \"Реклама\". A flow looks it up with the filter table('NAME')",
    );
    schema["additionalProperties"] = json!({ "type": ["string", "number", "boolean"] });
    schema
}

/// `30s`, `5m`, `1h 30m`, `7d`, and the stricter ISO form `PT5M`.
fn duration() -> Value {
    let units = "weeks?|wks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|milliseconds?|millis|milli|\
                 msecs?|ms|seconds?|secs?|s|microseconds?|micros|micro|usecs?|us|µs|nanoseconds?|\
                 nanos|nano|nsecs?|ns";
    let friendly = format!("\\+?([0-9]+([.,][0-9]+)?\\s*({units})\\s*,?\\s*)+");
    let clock = "([0-9]+\\s*d(ays?)?\\s*,?\\s*)?[0-9]+:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?";
    json!({
        "type": "string",
        "pattern": format!("^\\s*({friendly}|{clock}|\\+?[Pp].+)\\s*$"),
        "description": "A duration: 30s, 5m, 1h 30m, 7d",
        "examples": ["30s", "5m", "1h 30m", "7d"],
    })
}

/// A text or a list of texts.
fn texts() -> Value {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

#[cfg(test)]
mod tests;
