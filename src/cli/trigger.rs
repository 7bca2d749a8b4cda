//! `leadlink trigger CONNECTION`: what to enter at a far side so that it calls our door, and
//! whether the first call arrived. Invariant: it only looks; a daemon takes the call as any other.

use super::init::paste;
use super::{out, sound, unknown};
use crate::app::App;
use crate::cli::demo::span;
use crate::connectors::port::{Connector, Trigger, YOUR_HOST};
use crate::domain::Raw;
use crate::store::{self, Store, status};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the inbox is looked into.
const AGAIN: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 when a call arrived and could be read, or with --wait 0; 1 when \
    none arrived in that time."
)]
pub struct Arguments {
    /// Name of the connection, as in the config
    connection: String,
    /// How long to wait for the first call: `30s`, `10m`, or seconds; 0 only prints
    #[arg(long, default_value = "10m", value_parser = span, value_name = "SPAN")]
    wait: Duration,
    /// Where the CRM reaches this machine, if not as the config says: `https://leads.example.com`
    #[arg(long, value_name = "URL")]
    public: Option<String>,
    /// Prints JSON: what to enter, then each call, a line each
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Option<PathBuf>, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Some(app) = sound(config) else { return Ok(ExitCode::FAILURE) };
    let name = &arguments.connection;
    let Some(connector) = app.connectors.get(name).cloned() else {
        return Err(unknown("connection", name, app.connectors.keys().map(String::as_str)));
    };
    let public = arguments.public.as_deref().map(paste::public).transpose();
    let public = public.map_err(|why| anyhow::anyhow!("--public: {why}"))?;
    let public = public.or_else(|| app.console.public.clone());
    let trigger = match connector.trigger(public.as_deref()) {
        Ok(trigger) => trigger,
        Err(why) => bail!("{name}: {why}"),
    };
    // Whatever arrives from here on may be the first call.
    let before = match open(&app).await? {
        Some(store) => {
            let last = store.last_arrival().await;
            store.close().await;
            last?
        }
        None => 0,
    };
    show(&trigger, arguments.json)?;
    let Some(event) = trigger.event.filter(|_| !arguments.wait.is_zero()) else {
        if trigger.event.is_none() && !arguments.json {
            out::say(&format!("\nTo see it work: {}.", trigger.try_it));
        }
        return Ok(ExitCode::SUCCESS);
    };
    if !arguments.json {
        let running = status::is_owned(&app.store_url) != Some(false);
        let daemon =
            if running { "" } else { "\nNo daemon runs yet: start `leadlink run` beside." };
        out::say(&format!("\nNow {}. Waiting for the call; Ctrl-C ends.{daemon}", trigger.try_it));
    }
    let wait = Wait { connection: name, connector, event, json: arguments.json };
    tokio::select! {
        arrived = wait.first(&app, before, Instant::now() + arguments.wait) => {
            Ok(if arrived? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        stopped = tokio::signal::ctrl_c() => {
            stopped.context("Ctrl-C cannot be heard")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(trigger: &Trigger, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        out::say(&serde_json::to_string(trigger)?);
        return Ok(());
    }
    out::say(&format!("In {}: {}\n", trigger.side, trigger.place));
    let widest = trigger.entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &trigger.entries {
        let gap = " ".repeat(widest - name.chars().count());
        out::say(&format!("  {name}{gap}  {value}"));
    }
    out::say(&format!("\n{}", trigger.secret));
    if trigger.entries.iter().any(|(_, value)| value.contains(YOUR_HOST)) {
        let side = trigger.side;
        out::say(&format!(
            "YOUR-HOST is the name by which {side} reaches this machine, through TLS."
        ));
    }
    Ok(())
}

/// What is waited for.
struct Wait<'a> {
    connection: &'a str,
    connector: Arc<dyn Connector>,
    event: &'static str,
    json: bool,
}

impl Wait<'_> {
    /// Tells of each call until one could be read; `false` when there was none in time.
    async fn first(&self, app: &App, mut seen: i64, end: Instant) -> anyhow::Result<bool> {
        while Instant::now() < end {
            if let Some(store) = open(app).await? {
                let rows = store.arrived(self.connection, seen).await;
                store.close().await;
                let rows = rows?;
                seen = rows.last().map_or(seen, |raw| raw.id);
                let mut read = false;
                for raw in &rows {
                    read |= self.tell(raw);
                }
                if read {
                    return Ok(true);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
        if self.json {
            out::say(&json!({ "received": null }).to_string());
        } else {
            out::complain("nothing has arrived; is the trigger active, and the address reachable?");
        }
        Ok(false)
    }

    /// Says what a delivery at the door was; `true` for a call that could be read.
    fn tell(&self, raw: &Raw) -> bool {
        let received = match self.connector.parse(raw) {
            Ok(events) => {
                // Other things come in at the same door.
                let Some(event) = events.iter().find(|event| event.kind == self.event) else {
                    return false;
                };
                let field = |name: &str| event.fields.get(name).cloned().unwrap_or(Value::Null);
                json!({
                    "at": raw.received,
                    "order": field("id"),
                    "status": field("status"),
                    "new": field("created"),
                })
            }
            Err(why) => json!({ "at": raw.received, "unreadable": why.to_string() }),
        };
        let unreadable = received.get("unreadable").and_then(Value::as_str);
        if self.json {
            out::say(&json!({ "received": received }).to_string());
        } else if let Some(why) = unreadable {
            out::complain(&format!("received at {}, but cannot be read: {why}", raw.received));
        } else {
            out::say(&told(&received, raw));
        }
        unreadable.is_none()
    }
}

fn told(received: &Value, raw: &Raw) -> String {
    let text = |name: &str| received.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let what = if received.get("new") == Some(&Value::Bool(true)) { "new order" } else { "order" };
    let status = text("status").map_or("no status".to_owned(), |code| format!("status `{code}`"));
    format!("received at {}: {what} {}, {status}", raw.received, text("order").unwrap_or("?"))
}

/// `None`: nothing has made the database yet.
async fn open(app: &App) -> anyhow::Result<Option<Store>> {
    match Store::open_beside(&app.store_url).await {
        Ok(store) => Ok(Some(store)),
        Err(store::Error::Empty(_)) => Ok(None),
        Err(error) => Err(error).context("the store cannot be opened"),
    }
}
