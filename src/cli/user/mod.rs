//! `leadlink user`: who may come into the console, and tokens of the API. Invariant: a password is
//! never on the command line nor in the database but as a hash; every change leaves a row in the audit
//! log; it works beside a running daemon, which looks people up at each request.

mod secret;

use super::{out, sound};
use crate::app::App;
use crate::clock::Clock;
use crate::desk::people::{NewPerson, Register};
use crate::desk::tokens::{Token, Wish};
use crate::desk::{Actor, Door, Person, Right, Role};
use crate::diagnosis::table::duration_of;
use crate::store::{self, Store};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Adds a person
    Add {
        /// What is typed at login
        name: String,
        /// marketing reads, operator also acts, admin also manages people
        #[arg(long, value_parser = role)]
        role: Role,
        /// Where the password is: file:PATH, env:NAME or stdin; else it is asked for
        #[arg(long, value_name = "WHERE")]
        password: Option<String>,
    },
    /// Lists people
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Gives a person another role
    Role {
        name: String,
        #[arg(value_parser = role)]
        role: Role,
    },
    /// Gives a person another password; all their sessions end
    Password {
        name: String,
        /// Where the password is: file:PATH, env:NAME or stdin; else it is asked for
        #[arg(long, value_name = "WHERE")]
        password: Option<String>,
    },
    /// Shuts a person out; all their sessions end
    Lock { name: String },
    /// Lets a person in again, also who was slowed down for wrong passwords
    Unlock { name: String },
    /// Makes a token of the API and prints it, for the only time
    Token {
        /// What it is for
        name: String,
        /// What it may: read, act, manage
        #[arg(long, value_delimiter = ',', required = true, value_parser = scope)]
        scope: Vec<Right>,
        /// How long it holds: 90d; else until it is revoked
        #[arg(long, value_parser = span)]
        until: Option<SignedDuration>,
    },
    /// Lists tokens
    Tokens {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token by its number
    Revoke { id: i64 },
}

fn role(word: &str) -> Result<Role, String> {
    Role::of(word).ok_or_else(|| "marketing, operator or admin".to_owned())
}

fn scope(word: &str) -> Result<Right, String> {
    Right::of(word.trim()).ok_or_else(|| "read, act or manage".to_owned())
}

fn span(text: &str) -> Result<SignedDuration, String> {
    let span = duration_of(text).and_then(|span| SignedDuration::try_from(span).ok());
    span.ok_or_else(|| "write 90d or 12h".to_owned())
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let clock = super::beside::clock();
    let store = opened(&app, clock.now()).await?;
    let register = Register { store: store.clone(), actor: whoever(), clock };
    let done = perform(&register, arguments.what).await;
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

/// As its owner where nobody else is, which makes the database; else beside the daemon.
async fn opened(app: &App, now: Timestamp) -> anyhow::Result<Store> {
    let opened = match Store::open(&app.store_url, now).await {
        Err(store::Error::Owned(_)) => Store::open_beside(&app.store_url).await,
        opened => opened,
    };
    opened.context("the store cannot be opened")
}

/// Who types commands: the person behind `sudo`, else the one of this shell.
pub fn whoever() -> Actor {
    let named =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|key| std::env::var(key).ok());
    let name = named.into_iter().find(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| "somebody".to_owned());
    Actor { name, door: Door::Command, rights: Right::ALL.to_vec(), address: None }
}

/// Writes down what a command did.
pub async fn note(store: &Store, act: &'static str, about: String, outcome: Option<&str>) {
    let note = crate::desk::Note::done(act, about);
    let note = match outcome {
        Some(why) => note.refused(why),
        None => note,
    };
    crate::desk::audit::write(store, &whoever(), note, Clock::default().now()).await;
}

async fn perform(register: &Register, what: What) -> anyhow::Result<()> {
    match what {
        What::Add { name, role, password } => {
            let password = secret::password(password.as_deref())?;
            register.add(&NewPerson { name: name.clone(), role, password }).await?;
            out::say(&format!("{name} may come in as {}", role.word()));
        }
        What::List { json } => list(&register.people().await?, json),
        What::Role { name, role } => {
            register.set_role(&name, role).await?;
            out::say(&format!("{name} is {} now", role.word()));
        }
        What::Password { name, password } => {
            let password = secret::password(password.as_deref())?;
            register.set_password(&name, &password).await?;
            out::say(&format!("{name} has a new password; their sessions have ended"));
        }
        What::Lock { name } => {
            register.lock(&name).await?;
            out::say(&format!("{name} may not come in any more; their sessions have ended"));
        }
        What::Unlock { name } => {
            register.unlock(&name).await?;
            out::say(&format!("{name} may come in"));
        }
        What::Token { name, scope, until } => {
            let until = until.map(|span| register.clock.now().checked_add(span)).transpose();
            let Ok(until) = until else { bail!("--until is too far away") };
            let secret = register.make_token(&Wish { name, scopes: scope, until }).await?;
            out::complain("Keep it now: it is not shown again.");
            out::say(&secret);
        }
        What::Tokens { json } => tokens(&register.tokens().await?, json),
        What::Revoke { id } => {
            register.revoke(id).await?;
            out::say(&format!("token {id} is revoked"));
        }
    }
    Ok(())
}

fn list(people: &[Person], as_json: bool) {
    if as_json {
        return out::say(&json!(people).to_string());
    }
    if people.is_empty() {
        out::say("nobody yet; `leadlink user add NAME --role admin` makes the first one");
    }
    for person in people {
        let state = if person.closed.is_some() { "  locked out" } else { "" };
        out::say(&format!("{}  {}{state}", person.name, person.role.word()));
    }
}

fn tokens(tokens: &[Token], as_json: bool) {
    if as_json {
        return out::say(&json!(tokens).to_string());
    }
    if tokens.is_empty() {
        out::say("no tokens yet; `leadlink user token NAME --scope read` makes one");
    }
    for token in tokens {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
        let until = match (token.revoked, token.until) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(until)) => format!("until {until:.0}"),
            (None, None) => "until it is revoked".to_owned(),
        };
        out::say(&format!("{}  {}  {}  {until}", token.id, token.name, scopes.join(",")));
    }
}
