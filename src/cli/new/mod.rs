//! `leadlink new flow NAME`: a flow file to start from. Invariant: what it writes passes `leadlink
//! check` at once, and nothing that is there is overwritten.

mod skeleton;

use super::{out, schema, show};
use crate::config::{self, Config};
use crate::connectors::{self, Shared};
use crate::diagnosis::{Problem, has_errors, nearest, suggest};
use crate::domain::Offer;
use crate::mapping;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use skeleton::Roles;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes mappings/NAME.toml, commented, with a case and a sample; passes `check` at once
    Flow(FlowArguments),
}

#[derive(Debug, Args)]
struct FlowArguments {
    /// Small Latin letters, digits and `-`: call-to-note
    name: String,
    /// Copies this flow in place of a skeleton
    #[arg(long, value_name = "EXISTING", conflicts_with = "on")]
    from: Option<String>,
    /// The kind of event that it listens to (`leadlink offers CONNECTION`)
    #[arg(long, value_name = "EVENT", default_value = "call.finished")]
    on: String,
}

pub fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let What::Flow(arguments) = arguments.what;
    let name = arguments.name.as_str();
    let is_sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(is_sound) {
        let small = name.to_lowercase().replace([' ', '_', '.'], "-");
        out::complain(&format!(
            "error: `{name}` is no name of a flow\nhelp: use small Latin letters, digits and `-`: \
             `{}`",
            if small.chars().all(is_sound) { &small } else { "call-to-note" }
        ));
        return Ok(ExitCode::from(2));
    }
    let path = config.clone().unwrap_or_else(|| PathBuf::from(config::DEFAULT_FILE));
    let (read, problems) = config::load(Some(&path), std::env::vars());
    let Some(read) = read else {
        show(&problems);
        return Ok(ExitCode::FAILURE);
    };
    let dir = read.mappings_dir.clone();
    let file = dir.join(format!("{name}.toml"));
    if taken(&dir, &file, name) {
        return Ok(ExitCode::FAILURE);
    }
    let (text, sample) = match &arguments.from {
        Some(other) => (copied(&dir, other, name)?, None),
        None => {
            let made = made(read, &arguments)?;
            (made.0, Some(made.1))
        }
    };
    let reference = schema::place(&path).ok();
    let reference = reference.map(|held| schema::reference(&dir, &held, schema::Files::Flow));
    let text = reference.map_or_else(|| text.clone(), |line| schema::referring(&text, &line));
    if let Some(sample) = sample {
        fresh(&dir.join("samples").join(format!("{name}.json")), &sample)?;
    }
    fresh(&file, &text)?;
    out::say(&format!("Written: {}", file.display()));
    Ok(tell(&dir, name, config.as_deref()))
}

/// Is there such a file, or such a flow in another one? Told, if so.
fn taken(dir: &Path, file: &Path, name: &str) -> bool {
    let loaded = mapping::load_all(dir);
    let mut flows = loaded.flows.iter().chain(&loaded.broken);
    let other = flows.find(|flow| flow.name == name).map(|flow| flow.source.name.to_string());
    let sample = dir.join("samples").join(format!("{name}.json"));
    let held = [file, sample.as_path()].into_iter().find(|path| path.exists());
    let Some(held) = other.or_else(|| held.map(|path| path.display().to_string())) else {
        return false;
    };
    let problem = Problem::error(format!("the flow `{name}` is there already: {held}"));
    show(&[problem.mend("choose another name, or change that file")]);
    true
}

/// The other flow's file under the new name; its comments and cases stay.
fn copied(dir: &Path, other: &str, name: &str) -> anyhow::Result<String> {
    let loaded = mapping::load_all(dir);
    let Some(flow) = loaded.flows.iter().find(|flow| flow.name == other) else {
        if loaded.broken.iter().any(|flow| flow.name == other) {
            bail!("{other} has errors itself: see `leadlink check`");
        }
        let known: Vec<&str> = loaded.flows.iter().map(|flow| flow.name.as_str()).collect();
        bail!("there is no flow `{other}`; {}", suggest(other, &known));
    };
    let place = flow.places.value("flow.name");
    let text = &flow.source.text;
    let (Some(before), Some(after)) = (text.get(..place.start), text.get(place.end..)) else {
        bail!("the name of {other} cannot be found in its file");
    };
    Ok(format!("{before}\"{name}\"{after}"))
}

/// Flow and sample for the event that is wanted.
fn made(config: Config, arguments: &FlowArguments) -> anyhow::Result<(String, String)> {
    let bound = config.roles.clone();
    let built = connectors::build(config.connections, &Shared::default());
    let offers: Vec<(String, &'static Offer)> = bound
        .iter()
        .filter_map(|(role, held)| {
            let connector = built.connectors.get(held.first()?)?;
            Some((role.clone(), connector.offer()))
        })
        .collect();
    let kind = &arguments.on;
    let Some((from, event)) =
        offers.iter().find_map(|(role, offer)| Some((role, offer.event(kind)?)))
    else {
        let kinds = offers.iter().flat_map(|(_, offer)| offer.events).map(|event| event.kind);
        let kinds: Vec<&str> = kinds.collect();
        if kinds.is_empty() {
            bail!(
                "no role of the config is bound to a connection that reports events: see [roles]"
            );
        }
        let near = nearest(kind, kinds.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        bail!("no role reports `{kind}`; there are {}{near}", kinds.join(", "));
    };
    let writes = |offer: &Offer| {
        offer.query("customer").is_some()
            && offer.query("order").is_some()
            && offer.operation("order.edit").is_some()
    };
    let Some((crm, _)) = offers.iter().find(|(_, offer)| writes(offer)) else {
        bail!("no role of the config is bound to a CRM with customers and orders: see [roles]");
    };
    let roles = Roles { from, crm };
    skeleton::of(&arguments.name, event, &roles).with_context(|| {
        format!("a skeleton is made for events with a phone; copy a flow that listens to `{kind}`: --from EXISTING")
    })
}

fn fresh(path: &Path, text: &str) -> anyhow::Result<()> {
    let place = || format!("{} cannot be written", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(place)?;
    }
    let mut file = std::fs::File::create_new(path).with_context(place)?;
    file.write_all(text.as_bytes()).with_context(place)
}

/// Checks the house with the new flow and says how it is made to run.
fn tell(dir: &Path, name: &str, config: Option<&Path>) -> ExitCode {
    let read = crate::app::read(config, std::env::vars());
    let file = format!("{name}.toml");
    let own = |problem: &&Problem| {
        let place = problem.place.as_ref();
        place.is_some_and(|place| Path::new(&*place.source.name).ends_with(&file))
    };
    let problems: Vec<Problem> = read.problems.iter().filter(own).cloned().collect();
    show(&problems);
    let flow = mapping::load_all(dir).flows.into_iter().find(|flow| flow.name == name);
    let cases = flow.map_or(0, |flow| flow.cases.len());
    let sound = !has_errors(&problems);
    if sound {
        let noun = if cases == 1 { "case passes" } else { "cases pass" };
        out::say(&format!("Checked: {cases} {noun}"));
    }
    let path = config.unwrap_or(Path::new(config::DEFAULT_FILE)).display();
    out::say(&format!("\nTo have it run, write into {path}:\n\n[flows.{name}]\nrunning = true"));
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
