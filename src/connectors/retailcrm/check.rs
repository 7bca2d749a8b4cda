//! `check --online`: address, key, rights, stores, codes, custom fields. Invariant: reads only, and
//! reports all that is wrong at once.

use super::Account;
use super::chats;
use super::client::Stop;
use super::fields;
use super::references::{References, sites_seen};
use super::wire;
use crate::diagnosis::Problem;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Without these no lead becomes an order.
pub(super) const NEEDED: [&str; 5] =
    ["order_read", "order_write", "customer_read", "customer_write", "reference_read"];
/// Without these missing custom fields are neither noticed nor created.
const USEFUL: [&str; 2] = ["custom_fields_read", "custom_fields_write"];

/// Everything that is wrong with the account.
pub async fn check(account: &Account) -> Vec<Problem> {
    let mut problems = Vec::new();
    match read(account, "/api/api-versions").await {
        Ok(answer) => problems.extend(version(&answer)),
        Err(stop) => return vec![named(account, unreachable(stop))],
    }
    let rights = match read(account, "/api/credentials").await {
        Ok(answer) => answer,
        Err(stop) => return vec![named(account, unreachable(stop))],
    };
    problems.extend(scopes(&rights));
    problems.extend(stores(account, &rights));
    if let Some(chats) = &account.chats {
        problems.extend(chats::check(chats, &rights).await);
    }
    match References::load(&account.client, &account.config).await {
        Ok(references) => {
            problems.extend(codes(account, &references));
            problems.extend(custom_fields(&references));
        }
        Err(delay) => problems.push(Problem::error(delay.why)),
    }
    problems.into_iter().map(|problem| named(account, problem)).collect()
}

async fn read(account: &Account, path: &'static str) -> Result<Map<String, Value>, Stop> {
    account.client.get(path, path.to_owned(), Vec::new()).await
}

pub(super) fn named(account: &Account, problem: Problem) -> Problem {
    let title = format!("connections.{}: {}", account.config.name, problem.title);
    Problem { title, ..problem }
}

fn unreachable(stop: Stop) -> Problem {
    let mend = "see `url` and `api_key` of this connection";
    Problem::error(stop.delay("the CRM").why).mend(mend)
}

fn version(answer: &Map<String, Value>) -> Option<Problem> {
    let versions: Vec<String> = texts(answer.get("versions"));
    let known = versions.iter().any(|version| version.starts_with("5."));
    (!known).then(|| {
        let all = versions.join(", ");
        Problem::error(format!("the account speaks no version 5 of the API, only {all}"))
            .mend("ask the CRM's support for version 5")
    })
}

fn scopes(rights: &Map<String, Value>) -> Vec<Problem> {
    if !rights.contains_key("scopes") {
        return vec![Problem::note("the CRM does not say which rights the key has")];
    }
    let held = texts(rights.get("scopes"));
    let lacking = |wanted: &[&str]| -> Vec<String> {
        let lacks = wanted.iter().filter(|scope| !held.iter().any(|held| held == *scope));
        lacks.map(|scope| (*scope).to_owned()).collect()
    };
    let mend = "grant them to the key: Settings, Integration, API access keys";
    let mut problems = Vec::new();
    let needed = lacking(&NEEDED);
    if !needed.is_empty() {
        let title = format!("the key lacks the rights {}", needed.join(", "));
        problems.push(Problem::error(title).mend(mend));
    }
    let useful = lacking(&USEFUL);
    if !useful.is_empty() {
        let title = format!("the key lacks the rights {} of `setup`", useful.join(", "));
        problems.push(Problem::warning(title).mend(mend));
    }
    problems
}

pub(super) fn stores(account: &Account, rights: &Map<String, Value>) -> Vec<Problem> {
    let Some(seen) = sites_seen(rights) else { return Vec::new() };
    let list = seen.iter().cloned().collect::<Vec<_>>().join(", ");
    if seen.is_empty() {
        let problem = Problem::error("the key sees no store");
        return vec![problem.mend("give the key a store in the CRM")];
    }
    let mut problems = vec![Problem::note(format!("the key sees the stores {list}"))];
    if let Some(site) = account.config.site.as_ref().filter(|site| !seen.contains(*site)) {
        let problem = Problem::error(format!("site: the key does not see the store `{site}`"));
        problems.push(problem.mend(format!("it sees {list}")));
    }
    problems
}

pub(super) fn codes(account: &Account, references: &References) -> Vec<Problem> {
    let config = &account.config;
    let mut problems = Vec::new();
    let stores = references.sites.iter().map(|code| (code.clone(), true)).collect();
    let statuses =
        references.statuses.iter().map(|(code, held)| (code.clone(), held.active)).collect();
    problems.extend(code("site", "store", config.site.as_deref(), &stores));
    problems.extend(code("status", "status", config.status.as_deref(), &statuses));
    let methods = &references.order_methods;
    problems.extend(code("order_method", "order method", config.order_method.as_deref(), methods));
    let types = &references.order_types;
    problems.extend(code("order_type", "order type", config.order_type.as_deref(), types));
    match (&config.site, references.sites.as_slice()) {
        (None, []) => problems.push(Problem::error("the CRM has no store that the key sees")),
        (None, [first, _, ..]) => problems.push(
            Problem::note(format!("new orders go to the first store, `{first}`"))
                .mend("write site = \"…\" to choose another"),
        ),
        _ => {}
    }
    if config.status.is_none() && references.first_status().is_none() {
        problems.push(Problem::error("the CRM has no active status for new orders"));
    }
    problems
}

fn code(
    key: &str,
    what: &str,
    configured: Option<&str>,
    known: &BTreeMap<String, bool>,
) -> Option<Problem> {
    let configured = configured?;
    match known.get(configured) {
        Some(true) => None,
        Some(false) => {
            let problem = Problem::warning(format!("{key}: the {what} `{configured}` is inactive"));
            Some(problem.mend("switch it on in the CRM, or choose another"))
        }
        None => {
            let codes: Vec<&str> = known.keys().take(20).map(String::as_str).collect();
            let problem = Problem::error(format!("{key}: the CRM has no {what} `{configured}`"));
            Some(problem.mend(format!("it has {}", codes.join(", "))))
        }
    }
}

fn custom_fields(references: &References) -> Vec<Problem> {
    let Some(held) = &references.order_fields else { return Vec::new() };
    let mut problems = Vec::new();
    let codes: Vec<&str> = fields::FIELDS.iter().map(|(code, _)| *code).collect();
    let missing = references.missing(&codes);
    if !missing.is_empty() {
        let title = format!("orders lack the custom fields {}", missing.join(", "));
        problems.push(Problem::error(title).mend("run `leadlink setup`"));
    }
    for code in codes {
        if let Some(kind) = held.get(code).filter(|kind| *kind != fields::TYPE) {
            let title = format!("the custom field {code} is of the type `{kind}`");
            let mend = format!("it should be `{}`; the CRM may refuse our values", fields::TYPE);
            problems.push(Problem::warning(title).mend(mend));
        }
    }
    problems
}

pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.map(wire::listed).unwrap_or_default();
    items.into_iter().filter_map(|item| wire::text(Some(item))).collect()
}
