//! `leadlink demo`: the daemon against the sandbox on a temporary database, with a stream of
//! believable leads; shows live what became of each and why. Invariant: it is the real daemon —
//! webhooks over HTTP, the shipped flows, the shipped connectors — only the far sides are stand-ins.

mod crowd;
mod show;

use super::out;
use super::shipped::FLOWS;
use crate::app::{self, serve};
use crate::clock::Clock;
use crate::config;
use crate::connectors::Shared;
use crate::diagnosis::has_errors;
use crate::diagnosis::table::duration_of;
use crate::sandbox::{Fault, Faults, Ledger, Options, Rule, Sandbox, Side};
use crate::store::{JobState, Store};
use crate::telemetry::{self, Format};
use anyhow::{Context, bail};
use clap::Args;
use crowd::Crowd;
use show::Screen;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = include_str!("../../../config/demo.toml");
const HOOK_SECRET: &str = "sandbox-hook-secret-0123456789";
/// What is under way when the stream ends has so long to come to its end; a customer whose answer
/// was lost is looked for after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(120);

#[derive(Debug, Args)]
pub struct Arguments {
    /// How long leads arrive: `30s`, `2m`, or seconds
    #[arg(long, default_value = "20s", value_parser = span)]
    duration: Duration,
    /// The same seed makes the same leads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lost answers, 503, resets and HTML pages among the answers of the CRM
    #[arg(long)]
    faults: bool,
}

fn span(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.or_else(|| duration_of(text)).ok_or_else(|| "write `30s`, `2m` or seconds".to_owned())
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    drop(telemetry::init(Format::Text, "off")?);
    let dir = tempfile::tempdir().context("no temporary folder")?;
    let clock = Clock::default();
    let options = Options {
        seed: arguments.seed,
        clock: clock.clone(),
        calltouch_fields: true,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.context("the sandbox cannot start")?;
    let crowd = Crowd::new(arguments.seed);
    crowd.furnish(&sandbox, clock.now());

    let stop = CancellationToken::new();
    serve::stop_on_signal(stop.clone())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let address = listener.local_addr().context("no address")?;
    let app = read(&dir, &sandbox)?;
    let store_url = app.store_url.clone();
    let metrics = Arc::new(String::new);
    let daemon = tokio::spawn(serve::serve_on(listener, app, clock.clone(), metrics, stop.clone()));
    let store = opened(&store_url).await?;
    if arguments.faults {
        sandbox.set_faults(faults(arguments.seed));
    }

    let screen = Screen::new(clock.clone());
    screen.title(&sandbox, &address.to_string(), arguments.faults);
    let hook = format!("http://{address}/hooks/calltouch-main/{HOOK_SECRET}");
    let mut stream = Stream { crowd, sandbox: &sandbox, store, screen, pending: Vec::new(), hook };
    stream.run(arguments.duration, &stop).await?;
    sandbox.set_faults(Faults::default());
    stream.drain(&stop).await?;
    let left = stream.pending.len();

    let ledger = sandbox.ledger();
    stream.screen.summary(&ledger, left);
    stop.cancel();
    daemon.await.context("the daemon failed")??;
    sandbox.shutdown().await;
    Ok(verdict(&ledger, left))
}

/// Config and flows of the demo, with the sandbox's addresses and keys laid over by the environment.
fn read(dir: &TempDir, sandbox: &Sandbox) -> anyhow::Result<app::App> {
    let mappings = dir.path().join("mappings");
    for (name, text) in FLOWS {
        write(&mappings.join(name), text)?;
    }
    let set = |key: &str, value: String| (format!("LEADLINK_{key}"), value);
    let env = [
        set("STORE__URL", format!("sqlite:{}", dir.path().join("demo.db").display())),
        set("MAPPINGS__DIR", mappings.display().to_string()),
        set("CONNECTIONS__SHOP__URL", sandbox.crm_url()),
        set("CONNECTIONS__SHOP__API_KEY", sandbox.api_key().to_owned()),
        set("CONNECTIONS__CALLTOUCH_MAIN__URL", sandbox.calltouch_url()),
        set("CONNECTIONS__CALLTOUCH_MAIN__TOKEN", sandbox.token().to_owned()),
        set("CONNECTIONS__CALLTOUCH_MAIN__SITE_ID", sandbox.site_id().to_string()),
        set("CONNECTIONS__CALLTOUCH_MAIN__HOOK_SECRET", HOOK_SECRET.to_owned()),
    ];
    let (config, mut problems) = config::load_text("config/demo.toml", CONFIG, env.into_iter());
    let shared = Shared::default();
    let read = config.map(|config| app::assemble(config, &shared));
    shared.limits.adopt();
    let app = read.and_then(|read| {
        problems.extend(read.problems);
        read.app
    });
    match app {
        Some(app) if !has_errors(&problems) => Ok(app),
        _ => {
            super::show(&problems);
            bail!("the demo's own config or flows have errors")
        }
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).context("no temporary folder")?;
    }
    std::fs::write(path, text).context("no temporary file")
}

/// The store beside the daemon, as soon as the daemon has made it.
async fn opened(url: &str) -> anyhow::Result<Store> {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        match Store::open_beside(url).await {
            Ok(store) => return Ok(store),
            Err(error) if Instant::now() > give_up => {
                return Err(error).context("the daemon did not start");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// About one answer in four of the CRM goes wrong, each in its own way.
fn faults(seed: u64) -> Faults {
    let rule = |fault, probability| Rule {
        path: Some("/api/v5/".to_owned()),
        ..Rule::sometimes(Side::Retailcrm, fault, probability)
    };
    let rules = vec![
        Rule { method: Some("POST".to_owned()), ..rule(Fault::LostAnswer, 0.15) },
        rule(Fault::Error503, 0.06),
        rule(Fault::ResetBefore, 0.04),
        rule(Fault::Html502, 0.03),
    ];
    Faults { seed, rules }
}

/// Nothing lost, nothing doubled.
fn verdict(ledger: &Ledger, left: usize) -> ExitCode {
    if left == 0 && ledger.duplicates().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Leads on their way.
struct Stream<'a> {
    crowd: Crowd,
    sandbox: &'a Sandbox,
    store: Store,
    screen: Screen,
    /// Event keys that are not decided yet.
    pending: Vec<String>,
    hook: String,
}

impl Stream<'_> {
    /// Sends leads for so long and shows what becomes of them.
    async fn run(&mut self, span: Duration, stop: &CancellationToken) -> anyhow::Result<()> {
        let until = Instant::now() + span;
        let mut next = Instant::now();
        while Instant::now() < until && !stop.is_cancelled() {
            if Instant::now() >= next {
                let (mut spec, pause) = self.crowd.lead();
                spec.hook_url = Some(self.hook.clone());
                let sent = self.sandbox.send_lead(spec.clone()).await;
                if let Some(lead) = &sent.lead {
                    self.pending.push(format!("{}:{}", lead.kind.name(), lead.id));
                    self.screen.came(&spec, lead.id, sent.deliveries.len());
                }
                next = Instant::now() + pause;
            }
            self.look().await?;
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// Waits until what came is decided.
    async fn drain(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        self.screen.draining(self.pending.len());
        while !self.pending.is_empty() && Instant::now() < until && !stop.is_cancelled() {
            self.look().await?;
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let mut still = Vec::new();
        for key in std::mem::take(&mut self.pending) {
            let stories = self.store.story(&key).await?;
            let ended = |state| !matches!(state, JobState::Waiting | JobState::Deciding);
            let story = stories.iter().find(|story| story.event.key == key);
            let done = story.filter(|story| {
                !story.jobs.is_empty() && story.jobs.iter().all(|job| ended(job.state))
            });
            match done {
                Some(story) => self.screen.became(story),
                None => still.push(key),
            }
        }
        self.pending = still;
        Ok(())
    }
}

/// A line between the leads.
fn rule() -> String {
    "─".repeat(78)
}

fn say(text: &str) {
    out::say(text);
}
