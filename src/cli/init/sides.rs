//! The far sides that a person has: address, key, store; site and token. Invariant: what is handed on
//! was tried against the far side, and it answered.

use super::Arguments;
use super::ask::{Asker, Question, Unanswered};
use super::{paste, text};
use crate::cli::out;
use crate::cli::reach::patiently;
use crate::config;
use crate::connectors::{self, Connector, Shared};
use crate::diagnosis::render;
use anyhow::bail;
use serde_json::Value;
use std::sync::Arc;

/// Keys that are tried before the wizard gives up.
const TRIES: usize = 5;

/// A RetailCRM account.
pub struct Crm {
    pub url: String,
    /// As it was given: the key itself, `env:NAME` or `file:PATH`.
    pub key: String,
    /// The store of new orders.
    pub site: String,
}

/// A Calltouch site.
pub struct Calltouch {
    /// Where it is not the usual one.
    pub url: Option<String>,
    pub site: i64,
    pub token: String,
}

/// A value that was given as a flag and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongFlag(pub String);

/// Asks for the CRM until it answers; `None` where there is none.
///
/// # Errors
/// No answer, a wrong flag, or a far side that does not let us in.
pub async fn crm(asker: &Asker, given: &Arguments) -> anyhow::Result<Option<Crm>> {
    if given.no_crm {
        return Ok(None);
    }
    let address = flag("--crm", given.crm.as_deref(), paste::crm_address)?;
    let key = flag("--crm-key", given.crm_key.as_deref(), paste::key)?;
    let mut before: Option<String> = None;
    for _ in 0..TRIES {
        let url = match &address {
            Some(url) => url.clone(),
            None => match ask_address(asker, before.as_deref())? {
                Some(url) => url,
                None => return Ok(None),
            },
        };
        let key = match &key {
            Some(key) => key.clone(),
            None => asker.ask(&CRM_KEY, paste::key)?,
        };
        let mut crm = Crm { url, key, site: String::new() };
        match knock("shop", &text::crm(&crm, None)).await {
            Ok(connector) => {
                out::say(&format!("RetailCRM {}: the key is good", crm.url));
                crm.site = store(asker, given, connector.as_ref()).await?;
                return Ok(Some(crm));
            }
            Err(why) if address.is_some() && given.crm_key.is_some() => {
                bail!("RetailCRM {}: {why}", crm.url)
            }
            Err(why) => {
                out::complain(&format!("  {}: {why}\n  once more: address and key", crm.url));
                before = Some(crm.url);
            }
        }
    }
    bail!("RetailCRM let none of {TRIES} keys in")
}

const CRM_KEY: Question<'static> = Question {
    text: "API key (Settings, Integration, API access keys; it is not shown)",
    flag: "--crm-key",
    is_secret: true,
};

/// `None`: no CRM. After a try that failed, nothing means the same address.
fn ask_address(asker: &Asker, before: Option<&str>) -> Result<Option<String>, Unanswered> {
    let text = match before {
        None => "RetailCRM: the account or any address of it (Enter: leave it out)".to_owned(),
        Some(before) => format!("RetailCRM (Enter: {before})"),
    };
    let question = Question { text: &text, flag: "--crm (or --no-crm)", is_secret: false };
    asker.ask(&question, |line| match (line.trim(), before) {
        ("", Some(before)) => Ok(Some(before.to_owned())),
        ("", None) => Ok(None),
        (line, _) => paste::crm_address(line).map(Some),
    })
}

/// Which of the stores that the key sees gets the new orders.
async fn store(
    asker: &Asker,
    given: &Arguments,
    connector: &dyn Connector,
) -> anyhow::Result<String> {
    let listing = match patiently(async || connector.list("sites").await).await {
        Ok(listing) => listing,
        Err(delay) => bail!("the stores cannot be read: {}", delay.why),
    };
    let cell = |row: &[Value], place| {
        row.get(place).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let stores: Vec<(String, String)> =
        listing.rows.iter().map(|row| (cell(row, 0), cell(row, 1))).collect();
    let codes = stores.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(site) = &given.crm_site {
        if stores.iter().any(|(code, _)| code == site) {
            return Ok(site.clone());
        }
        let why = format!("--crm-site: the key sees no store `{site}`; it sees {codes}");
        return Err(WrongFlag(why).into());
    }
    match stores.as_slice() {
        [] => bail!("the key sees no store: give it one in the CRM, Settings, API access keys"),
        [(code, name)] => {
            out::say(&format!("New orders go to the store {code} ({name}), the only one"));
            return Ok(code.clone());
        }
        _ => {}
    }
    out::say("The key sees these stores:");
    for (place, (code, name)) in stores.iter().enumerate() {
        out::say(&format!("  {}. {code}  {name}", place + 1));
    }
    let question = Question {
        text: "New orders go to (number or code)",
        flag: &format!("--crm-site (one of {codes})"),
        is_secret: false,
    };
    Ok(asker.ask(&question, |line| {
        let line = line.trim();
        let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let by_code = stores.iter().find(|(code, _)| code == line);
        let found = by_code.or_else(|| stores.get(number?));
        let mend = || format!("there is no store `{line}`: write one of {codes}, or its number");
        found.map(|(code, _)| code.clone()).ok_or_else(mend)
    })?)
}

/// Asks for Calltouch until it answers; `None` where there is none.
///
/// # Errors
/// As of [`crm`].
pub async fn calltouch(asker: &Asker, given: &Arguments) -> anyhow::Result<Option<Calltouch>> {
    if given.no_calltouch {
        return Ok(None);
    }
    let id = flag("--calltouch-site", given.calltouch_site.as_deref(), paste::site)?;
    let token = flag("--calltouch-token", given.calltouch_token.as_deref(), paste::key)?;
    let mut before: Option<i64> = None;
    for _ in 0..TRIES {
        let site = match id {
            Some(site) => site,
            None => match ask_site(asker, before)? {
                Some(site) => site,
                None => return Ok(None),
            },
        };
        let token = match &token {
            Some(token) => token.clone(),
            None => asker.ask(&TOKEN, paste::key)?,
        };
        let calls = Calltouch { url: given.calltouch_url.clone(), site, token };
        match knock("calltouch-main", &text::calltouch(&calls, None)).await {
            Ok(_) => {
                out::say(&format!("Calltouch, site {site}: the token is good"));
                return Ok(Some(calls));
            }
            Err(why) if id.is_some() && given.calltouch_token.is_some() => {
                bail!("Calltouch, site {site}: {why}")
            }
            Err(why) => {
                out::complain(&format!(
                    "  Calltouch, site {site}: {why}\n  once more: site and token"
                ));
                before = Some(site);
            }
        }
    }
    bail!("Calltouch let none of {TRIES} tokens in")
}

const TOKEN: Question<'static> = Question {
    text: "API token (Интеграции, Отправка данных во внешние системы, API; it is not shown)",
    flag: "--calltouch-token",
    is_secret: true,
};

fn ask_site(asker: &Asker, before: Option<i64>) -> Result<Option<i64>, Unanswered> {
    let text = match before {
        None => "Calltouch: the site's id, ID личного кабинета (Enter: leave it out)".to_owned(),
        Some(before) => format!("Calltouch (Enter: {before})"),
    };
    let flag = "--calltouch-site (or --no-calltouch)";
    let question = Question { text: &text, flag, is_secret: false };
    asker.ask(&question, |line| match (line.trim(), before) {
        ("", before) => Ok(before),
        (line, _) => paste::site(line).map(Some),
    })
}

fn flag<T>(
    name: &str,
    given: Option<&str>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, WrongFlag> {
    let read = |text| read(text).map_err(|why| WrongFlag(format!("{name}: {why}")));
    given.map(read).transpose()
}

/// Makes the connection and has it answer once.
async fn knock(name: &str, table: &str) -> Result<Arc<dyn Connector>, String> {
    // Variables that override the config are for later; those that hold secrets count.
    let env = std::env::vars().filter(|(name, _)| !name.starts_with("LEADLINK_"));
    let (config, mut problems) = config::load_text("the answers", table, env);
    let connections = config.map(|config| config.connections).unwrap_or_default();
    let mut built = connectors::build(connections, &Shared::default());
    problems.append(&mut built.problems);
    let Some(connector) = built.connectors.remove(name) else {
        return Err(render(&problems, false).trim_end().to_owned());
    };
    patiently(async || connector.probe().await).await.map_err(|delay| delay.why)?;
    Ok(connector)
}
