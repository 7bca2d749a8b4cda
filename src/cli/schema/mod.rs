//! `leadlink schema config|flow|table`: JSON Schema of our files, so that editors complete and check
//! them. Invariant: the readers are the judges; a schema knows every key that they know, and refuses
//! nothing that they accept but blank texts and what only a variable gives. `config/schema/` holds
//! what is printed here.

mod config;
mod flow;

use super::out;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
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

/// Writes all schemas into the folder `schema` beside the config; the folder. What is as it should
/// be stays untouched, so that a read-only folder is fine.
///
/// # Errors
/// A file cannot be written.
pub fn place(config: &Path) -> io::Result<PathBuf> {
    let folder = config.parent().unwrap_or(Path::new("")).join("schema");
    std::fs::create_dir_all(&folder)?;
    for files in [Files::Config, Files::Flow, Files::Table] {
        let path = folder.join(files.file_name());
        let text = files.text();
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(&path, text)?;
        }
    }
    Ok(folder)
}

/// The first line of a file in `folder`: where its schema is, seen from there.
pub fn reference(folder: &Path, schemas: &Path, files: Files) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (from, to) = (whole(folder), whole(schemas));
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| PathBuf::from(".."));
    let down = to.components().skip(shared).map(|part| PathBuf::from(part.as_os_str()));
    let way: PathBuf = up.chain(down).collect();
    let dot = if way.starts_with("..") { "" } else { "./" };
    format!("#:schema {dot}{}", way.join(files.file_name()).display())
}

/// A text with this first line in place of its own reference, if it has one.
pub fn referring(text: &str, reference: &str) -> String {
    let own = text.strip_prefix("#:schema").and_then(|rest| rest.split_once('\n'));
    let rest = own.map_or(text, |(_, rest)| rest);
    format!("{reference}\n{rest}")
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

/// A text, a number, a flag or a list of texts.
fn plain() -> Value {
    json!({
        "anyOf": [
            { "type": ["string", "number", "boolean"] },
            { "type": "array", "items": { "type": "string" } },
        ],
    })
}

/// A text or a list of texts.
fn texts() -> Value {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

#[cfg(test)]
mod tests;
