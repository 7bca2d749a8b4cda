//! `leadlink init`: from nothing to a daemon that can be started. Invariant: what it asks for can be
//! given as a flag; it overwrites nothing unless told to; keys are tried before they are written.

mod ask;
pub mod paste;
mod sides;
mod text;
mod write;

use super::reach::patiently;
use super::{check, out, show};
use crate::app;
use crate::connectors::port::YOUR_HOST;
use crate::diagnosis::has_errors;
use anyhow::Context;
use ask::{Asker, Unanswered};
use clap::Args;
use sides::{Calltouch, Crm, WrongFlag};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use write::Places;

/// Limits are counted by the second.
const BREATH: Duration = Duration::from_millis(1100);

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder to write config/, mappings/ and data/ into; by default where you are
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The RetailCRM account: its name, its host, or any address of it
    #[arg(long, value_name = "URL")]
    crm: Option<String>,
    /// Its API key, or `env:NAME` or `file:PATH` of it
    #[arg(long, value_name = "KEY")]
    crm_key: Option<String>,
    /// Code of the store that new orders go to; needed where the key sees several
    #[arg(long, value_name = "CODE")]
    crm_site: Option<String>,
    /// There is no CRM yet
    #[arg(long, conflicts_with_all = ["crm", "crm_key", "crm_site"])]
    no_crm: bool,
    /// Id of the Calltouch site (ID личного кабинета)
    #[arg(long, value_name = "ID")]
    calltouch_site: Option<String>,
    /// The API token of Calltouch, or `env:NAME` or `file:PATH` of it
    #[arg(long, value_name = "TOKEN")]
    calltouch_token: Option<String>,
    /// Address of Calltouch's API, where it is another one (a sandbox)
    #[arg(long, value_name = "URL")]
    calltouch_url: Option<String>,
    /// There is no Calltouch yet
    #[arg(long, conflicts_with_all = ["calltouch_site", "calltouch_token", "calltouch_url"])]
    no_calltouch: bool,
    /// The address by which Calltouch reaches this machine, like `https://leads.example.com`
    #[arg(long, value_name = "URL")]
    public: Option<String>,
    /// Where the doors listen
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Puts the secrets into files of their own beside the config, readable for you alone
    #[arg(long)]
    secret_files: bool,
    /// Does not create the order fields in the CRM
    #[arg(long)]
    no_setup: bool,
    /// Replaces a config that is there
    #[arg(long)]
    force: bool,
}

pub async fn run(config: Option<PathBuf>, given: Arguments) -> anyhow::Result<ExitCode> {
    match prepare(config, &given).await {
        Ok(code) => Ok(code),
        Err(error) if error.is::<WrongFlag>() || error.is::<Unanswered>() => {
            out::complain(&format!("error: {error:#}"));
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(error),
    }
}

async fn prepare(config: Option<PathBuf>, given: &Arguments) -> anyhow::Result<ExitCode> {
    let places = Places::of(given.dir.as_deref(), config.as_deref())?;
    places.free(given.force)?;
    let public = given.public.as_deref().map(paste::public).transpose();
    let public = public.map_err(|why| WrongFlag(format!("--public: {why}")))?;
    let asker = Asker::new();
    let crm = sides::crm(&asker, given).await?;
    let calltouch = sides::calltouch(&asker, given).await?;
    if crm.is_none() && calltouch.is_none() {
        let why = "there is nothing to connect: give a RetailCRM account or a Calltouch site";
        return Err(WrongFlag(why.to_owned()).into());
    }
    let doors = Doors { calltouch: random_secret()?, crm: random_secret()?, public };
    let has_crm = crm.is_some();
    write_all(&places, given, (crm, calltouch.as_ref()), &doors)?;
    let sound = prove(&places.config, given.no_setup).await;
    let host = doors.public.as_deref().unwrap_or(YOUR_HOST);
    if calltouch.is_some() {
        tell_webhook(host, &doors.calltouch);
    }
    if calltouch.is_some() && doors.public.is_none() {
        out::say("\nYOUR-HOST is the name by which it reaches this machine, through TLS.");
    }
    let own = format!(" --config {}", places.config.display());
    let flag = if places.is_default { "" } else { &own };
    if has_crm {
        tell_trigger(flag);
    }
    if sound {
        out::say(&format!("\nStart it:\n  leadlink run{flag}"));
        out::say(&format!(
            "\nWho may come into the console:\n  leadlink user add NAME --role admin{flag}"
        ));
        if has_crm && calltouch.is_some() {
            out::say(&format!(
                "\nThen, once, so that deals find the leads of the last year:\n  \
                 leadlink backfill leads --from 366d{flag}"
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    out::say(&format!(
        "\nMend what is told above, then:\n  leadlink check --online{flag}\n  leadlink run{flag}"
    ));
    Ok(ExitCode::FAILURE)
}

/// The secrets of both hooks, and where they are reached.
#[derive(Clone)]
struct Doors {
    calltouch: String,
    crm: String,
    public: Option<String>,
}

fn write_all(
    places: &Places,
    given: &Arguments,
    (mut crm, calltouch): (Option<Crm>, Option<&Calltouch>),
    doors: &Doors,
) -> anyhow::Result<()> {
    let mut calltouch = calltouch.map(|own| Calltouch {
        url: own.url.clone(),
        site: own.site,
        token: own.token.clone(),
    });
    let mut in_config = doors.clone();
    if given.secret_files {
        let file = |name: &str, held: &mut String| -> anyhow::Result<()> {
            if !held.starts_with("env:") && !held.starts_with("file:") {
                *held = write::secret(places, name, held, given.force)?;
            }
            Ok(())
        };
        if let Some(crm) = &mut crm {
            file("retailcrm-key", &mut crm.key)?;
            file("retailcrm-hook-secret", &mut in_config.crm)?;
        }
        if let Some(calltouch) = &mut calltouch {
            file("calltouch-token", &mut calltouch.token)?;
            file("calltouch-hook-secret", &mut in_config.calltouch)?;
        }
    }
    let text = text::config(&text::Answers {
        listen: &given.listen,
        store_url: &format!("sqlite:{}", places.database.display()),
        mappings: &places.mappings.display().to_string(),
        crm: crm.as_ref().map(|own| (own, in_config.crm.as_str())),
        calltouch: calltouch.as_ref().map(|own| (own, in_config.calltouch.as_str())),
        public: in_config.public.as_deref(),
        secrets_within: !given.secret_files,
    });
    let flows = write::flows(places)?;
    write::private(&places.config, &text, given.force)?;
    out::say(&format!("\nWritten: {} (readable for you alone)", places.config.display()));
    let mappings = places.mappings.display();
    match flows {
        0 => out::say(&format!("The flows of {mappings} stay as they are")),
        count => out::say(&format!("Written: {mappings}, {count} files of flows and samples")),
    }
    Ok(())
}

/// Checks offline, sets up, checks online; `true` where nothing is wrong.
async fn prove(config: &Path, no_setup: bool) -> bool {
    let read = app::read(Some(config), std::env::vars());
    show(&read.problems);
    let Some(app) = read.app.filter(|_| !has_errors(&read.problems)) else { return false };
    out::say(&format!("Checked: {} flows, {} cases pass", app.book.flows().len(), read.cases));
    let mut sound = true;
    for (name, connector) in &app.connectors {
        if !no_setup {
            match patiently(async || connector.setup().await).await {
                Ok(lines) => lines.iter().for_each(|line| out::say(&format!("  {name}: {line}"))),
                Err(delay) => {
                    out::complain(&format!("error: {name}: the set-up failed: {}", delay.why));
                    sound = false;
                }
            }
        }
        // What was asked when the keys were tried counts over there still.
        tokio::time::sleep(BREATH).await;
        let problems = check::online(&app, name, None).await;
        sound &= !has_errors(&problems);
        show(&problems);
    }
    if sound {
        out::say("Checked online: everything answers");
    }
    sound
}

fn tell_webhook(host: &str, secret: &str) {
    out::say(&format!(
        "\nIn Calltouch, Интеграции → Отправка данных во внешние системы → Вебхуки, paste\n  \
         {host}/hooks/calltouch-main/{secret}\n\
         for the events «звонок завершён», «заявка», «чат». The address is a secret."
    ));
}

/// The command says it all, and waits for the first call.
fn tell_trigger(flag: &str) {
    out::say(&format!(
        "\nRetailCRM shows changes of orders at once, not within a minute, where a trigger calls us.\n\
         What to enter there, and whether it works, is told by\n  leadlink trigger shop{flag}"
    ));
}

/// 24 bytes of the system's own randomness, as hex.
pub fn random_secret() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 24];
    let source = std::fs::File::open("/dev/urandom");
    source.and_then(|mut source| source.read_exact(&mut bytes)).context("no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
