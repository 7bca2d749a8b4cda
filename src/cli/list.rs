//! `leadlink list CONNECTION LIST`: codes and names from the far side, for an author of flows.
//! Invariant: reads only, and always asks the far side itself.

use super::columns::columns;
use super::{out, reach};
use crate::connectors::port::{ListOffer, Listing};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the connection, as in the config
    connection: String,
    /// What to list: statuses, sites, methods, types, fields, users; left out: which lists there are
    list: Option<String>,
    /// Prints one JSON array of objects
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.connection;
    let Some(reached) = reach::connection(config, &name) else { return Ok(ExitCode::FAILURE) };
    let lists = reached.own.lists();
    let Some(list) = arguments.list else {
        tell_lists(&name, lists, arguments.json);
        return Ok(ExitCode::SUCCESS);
    };
    if !lists.iter().any(|known| known.name == list) {
        let connector = reached.own.offer().connector;
        let others = reached
            .all
            .iter()
            .filter(|(_, other)| other.lists().iter().any(|known| known.name == list));
        let others: Vec<String> =
            others.map(|(other, _)| format!("leadlink list {other} {list}")).collect();
        out::complain(&refusal(&name, connector, &list, lists, &others));
        return Ok(ExitCode::from(2));
    }
    match reach::patiently(async || reached.own.list(&list).await).await {
        Ok(listing) => tell(&listing, arguments.json),
        Err(delay) => {
            out::complain(&format!("error: {name}: the {list} cannot be read: {}", delay.why));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn refusal(
    name: &str,
    connector: &str,
    list: &str,
    lists: &[ListOffer],
    others: &[String],
) -> String {
    let has: Vec<&str> = lists.iter().map(|known| known.name).collect();
    let has = if has.is_empty() { "no lists".to_owned() } else { has.join(", ") };
    let mut text = format!("error: {name} ({connector}) has no list `{list}`; it has {has}");
    if !others.is_empty() {
        text.push_str(&format!("\nhelp: `{}` shows them", others.join("` or `")));
    }
    text
}

fn tell_lists(name: &str, lists: &[ListOffer], as_json: bool) {
    if as_json {
        let all: Vec<Value> =
            lists.iter().map(|list| json!({ "name": list.name, "about": list.about })).collect();
        out::say(&Value::Array(all).to_string());
        return;
    }
    if lists.is_empty() {
        out::say(&format!("{name} has no lists"));
        return;
    }
    let rows: Vec<Vec<String>> =
        lists.iter().map(|list| vec![list.name.to_owned(), list.about.to_owned()]).collect();
    out::say(&columns(&["list", "what it shows"], &rows));
}

fn tell(listing: &Listing, as_json: bool) {
    if as_json {
        let objects: Vec<Value> = listing
            .rows
            .iter()
            .map(|row| {
                let keys = listing.columns.iter().map(|key| key.replace(' ', "_"));
                Value::Object(keys.zip(row.iter().cloned()).collect::<Map<_, _>>())
            })
            .collect();
        out::say(&Value::Array(objects).to_string());
        return;
    }
    if listing.rows.is_empty() {
        out::say("there are none");
        return;
    }
    let rows: Vec<Vec<String>> =
        listing.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    out::say(&columns(listing.columns, &rows));
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
