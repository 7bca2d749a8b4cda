//! `leadlink demo`: the daemon against the sandbox on a temporary database, with a stream of
//! believable leads, people who write on messengers and people at work in the CRM; shows live what
//! became of each lead, order and message, and why. Invariant: it is the real daemon — webhooks over HTTP, the shipped flows, the shipped
//! connectors — only the far sides are stand-ins.

mod crowd;
mod office;
mod show;
mod talks;

use super::init::random_secret;
use super::out;
use super::shipped::FLOWS;
use crate::app::{self, serve};
use crate::clock::Clock;
use crate::desk::Role;
use crate::desk::people::{NewPerson, Register};
use crate::diagnosis::has_errors;
use crate::diagnosis::table::duration_of;
use crate::sandbox::{Fault, Faults, Ledger, Options, Rule, Sandbox, Side};
use crate::store::{JobState, StepState, Store, Story};
use crate::telemetry::{self, Format};
use anyhow::{Context, bail};
use clap::Args;
use crowd::Crowd;
use office::Office;
use show::Screen;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talks::Talks;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = include_str!("../../../config/demo.toml");
/// Where `config/demo.toml` says that its doors are.
const PUBLIC: &str = "http://127.0.0.1:8080";
const HOOK_SECRET: &str = "sandbox-hook-secret-0123456789";
/// What is under way when the stream ends has so long to come to its end; a customer whose answer
/// was lost is looked for after 30 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// Who comes into its console.
const PERSON: &str = "demo";
const GLANCE: Duration = Duration::from_millis(120);

#[derive(Debug, Args)]
pub struct Arguments {
    /// How long leads arrive: `30s`, `2m`, or seconds
    #[arg(long, default_value = "20s", value_parser = span)]
    duration: Duration,
    /// The same seed makes the same leads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lost answers, 500 and 503, resets and HTML pages among the answers of both far sides
    #[arg(long)]
    faults: bool,
    /// Stays when the stream has ended, to look around in the console, until Ctrl-C
    #[arg(long)]
    stay: bool,
}

/// A span of time as it is written on the command line.
pub fn span(text: &str) -> Result<Duration, String> {
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
    let office = Office::new(crowd.furnish(&sandbox, clock.now()));

    let stop = CancellationToken::new();
    serve::stop_on_signal(stop.clone())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
    let address = listener.local_addr().context("no address")?;
    let file = furnished(&dir, &sandbox, &format!("http://{address}"))?;
    let (app, book) = (read(&file)?, read(&file)?.book);
    set_up(&app).await?;
    let store_url = app.store_url.clone();
    let metrics = Arc::new(String::new);
    let daemon = tokio::spawn(serve::serve_on(listener, app, clock.clone(), metrics, stop.clone()));
    let store = opened(&store_url).await?;
    if arguments.faults {
        sandbox.set_faults(faults(arguments.seed));
    }

    let password = let_in(&store, &clock).await?;
    let screen = Screen::new(clock.clone(), book);
    screen.title(&sandbox, &file, arguments.faults);
    screen.console(&address.to_string(), PERSON, &password);
    let hook = format!("http://{address}/hooks/calltouch-main/{HOOK_SECRET}");
    let pending = Vec::new();
    let talks = Talks::new();
    let mut stream =
        Stream { crowd, office, talks, sandbox: &sandbox, store, screen, pending, hook };
    stream.run(arguments.duration, &stop).await?;
    sandbox.set_faults(Faults::default());
    stream.drain(&stop).await?;
    let left = stream.left();

    let ledger = sandbox.ledger();
    stream.screen.why(&stream.store).await?;
    stream.screen.summary(&ledger, left);
    if arguments.stay && !stop.is_cancelled() {
        stream.screen.console(&address.to_string(), PERSON, &password);
        say("  It stays until Ctrl-C.");
        stop.cancelled().await;
    }
    stop.cancel();
    daemon.await.context("the daemon failed")??;
    sandbox.shutdown().await;
    Ok(verdict(&ledger, left))
}

/// Config and flows of the demo in its folder, with the sandbox's addresses and keys: a second
/// terminal can read them too.
fn furnished(dir: &TempDir, sandbox: &Sandbox, public: &str) -> anyhow::Result<PathBuf> {
    let mappings = dir.path().join("mappings");
    for (name, text) in FLOWS {
        write(&mappings.join(name), text)?;
    }
    let text = with_places(CONFIG, sandbox).replace(PUBLIC, public);
    let text = format!(
        "{text}\n[store]\nurl = \"sqlite:{}\"\n\n[mappings]\ndir = \"{}\"\n",
        dir.path().join("demo.db").display(),
        mappings.display()
    );
    let file = dir.path().join("leadlink.toml");
    write(&file, &text)?;
    Ok(file)
}

/// Somebody who may see and do all in the console; the password.
async fn let_in(store: &Store, clock: &Clock) -> anyhow::Result<String> {
    let password = random_secret()?.chars().take(16).collect::<String>();
    let person =
        NewPerson { name: PERSON.to_owned(), role: Role::Admin, password: password.clone() };
    let (store, clock) = (store.clone(), clock.clone());
    let register = Register { store, actor: super::user::whoever(), clock };
    register.add(&person).await.context("nobody can be let in")?;
    Ok(password)
}

/// `config/demo.toml` names the ports of `leadlink sandbox`; this one has its own.
fn with_places(text: &str, sandbox: &Sandbox) -> String {
    text.replace("http://127.0.0.1:9090", &sandbox.crm_url())
        .replace("http://127.0.0.1:9091", &sandbox.calltouch_url())
        .replace("http://127.0.0.1:9092", &sandbox.chatapi_url())
        .replace("http://127.0.0.1:9093", &sandbox.telegram_url())
}

/// Hooks and channels, as `leadlink setup` makes them.
async fn set_up(app: &app::App) -> anyhow::Result<()> {
    for (name, connector) in &app.connectors {
        if let Err(delay) = connector.setup().await {
            bail!("{name}: {}", delay.why);
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<app::App> {
    let read = app::read(Some(file), std::iter::empty());
    match read.app {
        Some(app) if !has_errors(&read.problems) => Ok(app),
        _ => {
            super::show(&read.problems);
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

/// About one answer in four of the CRM goes wrong, and of the writes of deals, each in its own way.
fn faults(seed: u64) -> Faults {
    let rule = |fault, probability| Rule {
        path: Some("/api/v5/".to_owned()),
        ..Rule::sometimes(Side::Retailcrm, fault, probability)
    };
    let deals = |fault, probability| Rule {
        path: Some("/client-order/".to_owned()),
        ..Rule::sometimes(Side::Calltouch, fault, probability)
    };
    let rules = vec![
        Rule { method: Some("POST".to_owned()), ..rule(Fault::LostAnswer, 0.15) },
        rule(Fault::Error503, 0.06),
        rule(Fault::ResetBefore, 0.04),
        rule(Fault::Html502, 0.03),
        deals(Fault::LostAnswer, 0.15),
        deals(Fault::Error500, 0.1),
        Rule::sometimes(Side::Chats, Fault::LostAnswer, 0.15),
    ];
    Faults { seed, rules }
}

/// Nothing lost, nothing doubled.
fn verdict(ledger: &Ledger, left: usize) -> ExitCode {
    if left == 0 && ledger.duplicates().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Leads and orders on their way.
struct Stream<'a> {
    crowd: Crowd,
    office: Office,
    talks: Talks,
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
            self.office.act(&mut self.crowd, self.sandbox, &self.screen);
            self.talks.act(self.sandbox, &self.screen).await;
            self.look().await?;
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// What is not decided, or not sent.
    fn left(&self) -> usize {
        self.pending.len() + self.office.pending() + self.talks.pending()
    }

    /// Waits until what came is decided and sent.
    async fn drain(&mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        self.screen.draining(self.left());
        while self.left() > 0 && Instant::now() < until && !stop.is_cancelled() {
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
                Some(story) => {
                    self.screen.became(story);
                    for (id, number) in made(story) {
                        self.office.opens(id, number);
                    }
                }
                None => still.push(key),
            }
        }
        self.pending = still;
        self.talks.look(self.sandbox, &self.screen);
        self.office.look(&self.store, &self.screen).await
    }
}

/// The orders that a lead made.
fn made(story: &Story) -> Vec<(u64, String)> {
    let decisions = story.jobs.iter().flat_map(|job| &job.decisions);
    let done = decisions
        .flat_map(|decision| &decision.steps)
        .filter(|step| step.state == StepState::Done && step.effect.operation == "order.create");
    let order = |output: &serde_json::Value| {
        Some((output.get("id")?.as_u64()?, output.get("number")?.as_str()?.to_owned()))
    };
    done.filter_map(|step| order(step.output.as_ref()?)).collect()
}

/// A line between the leads.
fn rule() -> String {
    "─".repeat(78)
}

fn say(text: &str) {
    out::say(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn its_config_is_sound_and_runs_every_shipped_flow() {
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let dir = tempfile::tempdir().expect("a folder");
        let file = furnished(&dir, &sandbox, "http://127.0.0.1:9").expect("files");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(text.contains(&sandbox.crm_url()) && text.contains(&sandbox.calltouch_url()));
        let app = read(&file).expect("a sound config");
        let own = Options::default();
        assert!(text.contains(&own.api_key) && text.contains(&own.token));
        let running = app.book.flows().iter().filter(|bound| bound.running);
        let running: BTreeSet<&str> = running.map(|bound| bound.flow.name.as_str()).collect();
        // Dialogs are the CRM's own to close.
        let flows = FLOWS.iter().filter_map(|(name, _)| name.strip_suffix(".toml"));
        // And nobody is told of a status: its orders come by the score.
        let left = ["order-status-to-message", "button-to-crm"];
        let left = |name: &&str| name.starts_with("dialog-") || left.contains(name);
        assert_eq!(running, flows.filter(|name| !left(name)).collect());
    }
}
