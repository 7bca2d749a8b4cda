//! `check --online` of the chats, and what the set-up refuses. Invariant: reads only; each problem
//! names its mend.

use super::Chats;
use super::channels::{self, no_messenger};
use super::module::{self, State, WHERE};
use crate::connectors::retailcrm::check::texts;
use crate::connectors::retailcrm::wire;
use crate::diagnosis::Problem;
use crate::domain::Delay;
use serde_json::{Map, Value};

const RIGHTS: [&str; 2] = ["integration_read", "integration_write"];

/// Everything that is wrong with the chats; `rights` is what the CRM says of the key.
pub async fn check(chats: &Chats, rights: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = standing(chats, rights);
    problems.extend(strangers(chats));
    let module = &chats.config.module;
    match module::state(chats).await {
        Err(delay) => problems.push(Problem::error(delay.why)),
        Ok((State::Missing, _)) => {
            let problem = Problem::error(format!("chats: the CRM has no module {module}"));
            problems.push(problem.mend(format!("{WHERE}; then run `leadlink setup`")));
        }
        Ok((State::Off, _)) => {
            let problem = Problem::error(format!("chats: the module {module} is switched off"));
            problems.push(problem.mend("switch it on in the CRM, or run `leadlink setup`"));
        }
        // Without an address nothing more can be read without an effect.
        Ok((State::On, access)) => {
            if let Some(gateway) = access.and_then(|access| chats.doors(&access).ok()) {
                problems.extend(made(chats, channels::read(&gateway.0).await));
            }
        }
    }
    problems
}

fn made(chats: &Chats, read: Result<channels::Numbers, Delay>) -> Option<Problem> {
    let numbers = match read {
        Ok(numbers) => numbers,
        Err(delay) => return Some(Problem::error(delay.why)),
    };
    let missing = numbers.missing(chats.config.channels.keys()).join(", ");
    (!missing.is_empty()).then(|| {
        let problem = Problem::error(format!("chats: the CRM has no channels {missing}"));
        problem.mend("run `leadlink setup`")
    })
}

fn strangers(chats: &Chats) -> Vec<Problem> {
    let unknown = chats.config.channels.keys().filter(|name| chats.messengers.get(name).is_none());
    let problem = |name: &String| {
        let title = format!("channels.{name}: {}", no_messenger(chats));
        Problem::error(title).mend("name the table after the messenger's connection")
    };
    unknown.map(problem).collect()
}

/// What the key must be: of one store (ID-3), that of every channel (RC-2), with the rights.
fn standing(chats: &Chats, rights: &Map<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let seen = rights.get("sitesAvailable").map(wire::listed).unwrap_or_default();
    let seen: Vec<String> = seen.into_iter().filter_map(|site| wire::text(Some(site))).collect();
    if seen.len() > 1 {
        let title = format!("chats: the key sees several stores: {}", seen.join(", "));
        let mend = "make a key with access to selected stores, one alone; several stores are several \
                    connections";
        problems.push(Problem::error(title).mend(mend));
    }
    for (name, channel) in &chats.config.channels {
        if !seen.is_empty() && !seen.contains(&channel.site) {
            let title =
                format!("channels.{name}.site: the key does not see the store `{}`", channel.site);
            problems.push(Problem::error(title).mend(format!("it sees {}", seen.join(", "))));
        }
    }
    let held = texts(rights.get("scopes"));
    let lacking: Vec<&str> =
        RIGHTS.into_iter().filter(|right| !held.iter().any(|held| held == right)).collect();
    if rights.contains_key("scopes") && !lacking.is_empty() {
        let title = format!("chats: the key lacks the rights {}", lacking.join(", "));
        let mend = "grant them to the key: Settings, Integration, API access keys";
        problems.push(Problem::error(title).mend(mend));
    }
    problems
}

/// Refuses to set up, and to run, what could not: the connection then waits and says why.
///
/// # Errors
/// The first reason; or why the CRM does not tell.
pub async fn may_be(chats: &Chats) -> Result<(), Delay> {
    let path = "/api/credentials";
    let rights = chats.crm.get(path, path.to_owned(), Vec::new()).await;
    let rights = rights.map_err(|stop| stop.delay("the CRM"))?;
    let found = standing(chats, &rights).into_iter().chain(strangers(chats)).next();
    match found {
        None => Ok(()),
        Some(problem) => Err(Delay::setup(format!("{}: {}", problem.title, problem.mend))),
    }
}
