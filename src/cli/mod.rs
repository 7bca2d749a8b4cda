//! The commands. Invariant: what a script would read has `--json`; exit codes are 0 done, 1 problems
//! found, 2 wrong usage.

mod backfill;
mod beside;
mod check;
mod columns;
mod completion;
mod demo;
mod explain;
mod flow;
mod init;
mod list;
mod man;
mod migrate;
mod new;
mod offers;
mod out;
mod poll;
mod reach;
mod reconcile;
mod reload;
mod replay;
mod retention;
mod retry;
mod run;
mod sandbox;
mod schema;
mod setup;
mod shipped;
mod status;
mod trigger;
mod user;
mod why;

use crate::app::{self, App};
use crate::diagnosis::{Problem, Severity, has_errors, render};
use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "leadlink", version, about, propagate_version = true)]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Asks for addresses and keys, tries them, writes a config and flows, sets the far sides up
    Init(Box<init::Arguments>),
    /// Runs the daemon until SIGTERM or SIGINT
    Run,
    /// Checks config, flows and their cases; prints every problem with its place and the mend
    Check(check::Arguments),
    /// Creates in the far sides what the flows need (order custom fields); repeatable
    Setup(setup::Arguments),
    /// Tells how everything does: the daemon, connections, flows, and what waits for a person
    Status(status::Arguments),
    /// Shows what a flow would do about an event: facts, decision, reasons, requests; writes nothing
    Explain(explain::Arguments),
    /// Tells the whole story of a lead or an order, from what came in to what was answered
    Why(why::Arguments),
    /// Reads a connection's journals now
    Poll(poll::Arguments),
    /// Reads the past: journals of leads, or orders that become deals
    Backfill(backfill::Arguments),
    /// Compares orders with what became of them, and has the flows mend what differs
    Reconcile(reconcile::Arguments),
    /// Decides recorded events anew with other flows and shows what would differ
    Replay(replay::Arguments),
    /// Lets parked jobs be decided anew, or unreadable deliveries be read anew
    Retry(retry::Arguments),
    /// Starts or stops a flow, until what config says of it changes
    Flow(flow::Arguments),
    /// Has every running process read config and flow files anew; a bad set changes nothing
    Reload(reload::Arguments),
    /// Adds people who may come into the console, and makes tokens of the API
    User(user::Arguments),
    /// Prints what to enter in the CRM so that its triggers call us, and waits for the first call
    Trigger(trigger::Arguments),
    /// Brings the database to this version
    Migrate(migrate::Arguments),
    /// Shows what has grown old and would be deleted now, and what the last run did
    Retention(retention::Arguments),
    /// Lists codes and names from a far side: statuses, stores, methods, types, fields, users
    List(list::Arguments),
    /// Shows what flows may use of a connection: events, queries, operations
    Offers(offers::Arguments),
    /// Writes a new flow to start from
    New(new::Arguments),
    /// Prints the JSON Schema of config, flow or table files, for editors
    Schema(schema::Arguments),
    /// Prints the completion script of a shell
    Completion(completion::Arguments),
    /// Prints the manual, or writes one page for each command
    Man(man::Arguments),
    /// Runs stand-ins of RetailCRM and Calltouch, with faults to switch
    Sandbox(sandbox::Arguments),
    /// Runs the daemon against the sandbox on a temporary database and shows what becomes of leads
    Demo(demo::Arguments),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let Arguments { config, command } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            out::complain(&format!("error: no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let done = match command {
            Command::Init(arguments) => init::run(config, *arguments).await,
            Command::Run => run::run(config).await,
            Command::Check(arguments) => check::run(config, arguments).await,
            Command::Setup(arguments) => setup::run(config, arguments).await,
            Command::Status(arguments) => status::run(config, arguments).await,
            Command::Explain(arguments) => explain::run(config, arguments).await,
            Command::Why(arguments) => why::run(config, arguments).await,
            Command::Poll(arguments) => poll::run(config, arguments).await,
            Command::Backfill(arguments) => backfill::run(config, arguments).await,
            Command::Reconcile(arguments) => reconcile::run(config, arguments).await,
            Command::Replay(arguments) => replay::run(config, arguments).await,
            Command::Retry(arguments) => retry::run(config, arguments).await,
            Command::Flow(arguments) => flow::run(config, arguments).await,
            Command::Reload(arguments) => reload::run(config, arguments).await,
            Command::User(arguments) => user::run(config, arguments).await,
            Command::Trigger(arguments) => trigger::run(config, arguments).await,
            Command::Migrate(arguments) => migrate::run(config, arguments).await,
            Command::Retention(arguments) => retention::run(config, arguments).await,
            Command::List(arguments) => list::run(config, arguments).await,
            Command::Offers(arguments) => offers::run(config, arguments),
            Command::New(arguments) => new::run(config, arguments),
            Command::Schema(arguments) => Ok(schema::run(&arguments)),
            Command::Completion(arguments) => completion::run(&arguments, Arguments::command()),
            Command::Man(arguments) => man::run(arguments, Arguments::command()),
            Command::Sandbox(arguments) => sandbox::run(arguments).await,
            Command::Demo(arguments) => demo::run(arguments).await,
        };
        match done {
            Ok(code) => code,
            Err(error) => {
                out::complain(&format!("error: {error:#}"));
                ExitCode::FAILURE
            }
        }
    })
}

/// Reads everything; prints the problems. `None` where there are errors, for then nothing may run.
fn sound(config: Option<PathBuf>) -> Option<App> {
    let read = app::read(config.as_deref(), std::env::vars());
    // Notes are for `check`.
    let told = read.problems.iter().filter(|problem| problem.severity > Severity::Note);
    show(&told.cloned().collect::<Vec<_>>());
    if has_errors(&read.problems) { None } else { read.app }
}

/// What a person is told who named something that is not there.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> anyhow::Error {
    let known: Vec<&str> = known.collect();
    anyhow::anyhow!("there is no {what} {name}; there are: {}", known.join(", "))
}

fn show(problems: &[Problem]) {
    if !problems.is_empty() {
        out::complain(render(problems, out::colored_errors()).trim_end());
    }
}
