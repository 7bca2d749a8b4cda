//! What the flows use against what the account has: rights, stores, codes, custom fields. Invariant:
//! reads only, about eight requests; a code that a running flow writes and the CRM does not know is
//! an error, all else a warning — a condition that never holds again fails no write.

use super::Account;
use super::check::{codes, named, stores, texts};
use super::fields;
use super::references::{References, sites_seen};
use crate::connectors::port::{Glance, Sight};
use crate::diagnosis::{Problem, Severity, suggest};
use crate::domain::{Delay, Use, Way, What, Whose};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One look at the account.
///
/// # Errors
/// The CRM could not be asked.
pub async fn look(account: &Account, glance: &Glance<'_>) -> Result<Sight, Delay> {
    let path = "/api/credentials";
    let rights = account.client.get(path, path.to_owned(), Vec::new()).await;
    let rights = rights.map_err(|stop| stop.delay("the CRM"))?;
    let before = Seen::read(account, glance);
    let mut problems = lacking(&rights, &glance.uses.list);
    problems.extend(stores(account, &rights));
    let seen = match account.cache.renew(&account.client, &account.config, glance.now).await {
        Ok(references) => {
            let now = Seen::now(glance, &rights, &references);
            problems.extend(now.stores_changed(&before, account));
            problems.extend(now.types_changed(&before, glance));
            problems.extend(configured(account, &references, glance));
            problems.extend(gone(account, &references, glance).await?);
            now.merged(before, account)
        }
        // What it may not read is told; what was seen stays.
        Err(delay) if matches!(delay.whose, Whose::Access | Whose::Setup) => {
            problems.push(Problem::error(delay.why).mend("compare the key's rights in the CRM"));
            before
        }
        Err(delay) => return Err(delay),
    };
    problems.retain(|problem| problem.severity > Severity::Note);
    let problems = problems.into_iter().map(|problem| named(account, problem)).collect();
    Ok(Sight { problems, seen: seen.write(account, &glance.uses.of) })
}

/// The rights that a query or an operation needs (retailcrm.md 1.2).
fn needed(what: &What) -> &'static [&'static str] {
    match what {
        What::Query(name) if name == "customer" => &["customer_read"],
        What::Query(name) if name == "order" => &["order_read", "reference_read"],
        What::Operation(name) if name == "customer.create" => &["customer_write", "customer_read"],
        What::Operation(name) if name.starts_with("order.") => {
            &["order_write", "order_read", "reference_read"]
        }
        _ => &[],
    }
}

fn lacking(rights: &Map<String, Value>, uses: &[Use]) -> Vec<Problem> {
    if !rights.contains_key("scopes") {
        return Vec::new();
    }
    let held = texts(rights.get("scopes"));
    let mut lacks: BTreeMap<&str, Vec<&Use>> = BTreeMap::new();
    for found in uses {
        for right in needed(&found.what) {
            if !held.iter().any(|held| held == right) {
                lacks.entry(right).or_default().push(found);
            }
        }
    }
    let told = lacks.into_iter().map(|(right, users)| {
        let problem = at(&users, true, &format!("the key lacks the right {right}"));
        problem.mend("grant it to the key: Settings, Integration, API access keys")
    });
    told.collect()
}

/// A problem at the first of its uses, the running ones before the others.
fn at(users: &[&Use], fails: bool, what: &str) -> Problem {
    let first = users.iter().find(|found| found.running).or(users.first());
    let Some(first) = first else { return Problem::warning(what) };
    let more = match users.len() - 1 {
        0 => String::new(),
        1 => " (and one place more)".to_owned(),
        many => format!(" (and {many} places more)"),
    };
    let title = format!("{}{more}: {what}", first.named());
    let problem =
        if fails && first.running { Problem::error(title) } else { Problem::warning(title) };
    problem.at(&first.place.source, first.place.span.clone())
}

/// What the connection's own settings name. It matters where a flow writes.
fn configured(account: &Account, references: &References, glance: &Glance<'_>) -> Vec<Problem> {
    let writes = |found: &Use| found.running && matches!(found.what, What::Operation(_));
    let fails = glance.uses.list.iter().any(writes);
    let mut problems = codes(account, references);
    for problem in problems.iter_mut().filter(|_| !fails) {
        problem.severity = problem.severity.min(Severity::Warning);
    }
    problems
}

/// One list of the CRM: what it is called, its codes, and which of them are active.
struct Listed {
    noun: &'static str,
    codes: BTreeMap<String, bool>,
    mend: &'static str,
}

/// Codes of the flows that the CRM does not have, or has switched off.
async fn gone(
    account: &Account,
    references: &References,
    glance: &Glance<'_>,
) -> Result<Vec<Problem>, Delay> {
    let mut by_code: BTreeMap<(&str, &str), Vec<&Use>> = BTreeMap::new();
    for found in &glance.uses.list {
        if let What::Code { list, code, .. } = &found.what {
            by_code.entry((list, code)).or_default().push(found);
        }
    }
    let mut problems = Vec::new();
    let mut unmade: Vec<(&str, Vec<&Use>)> = Vec::new();
    let mut customer_fields = None;
    for ((list, code), users) in by_code {
        if list == "users" {
            problems.extend(manager(account, code, &users, glance.now).await?);
            continue;
        }
        if list == "customer fields" && customer_fields.is_none() {
            customer_fields = Some(fields_of_customers(account).await?);
        }
        let listed = listed(list, references, customer_fields.as_ref());
        match listed.as_ref().map(|listed| (listed, listed.codes.get(code))) {
            None | Some((_, Some(true))) => {}
            Some((_, None)) if list == "fields" && fields::is_ours(code) => {
                unmade.push((code, users));
            }
            Some((listed, active)) => problems.push(told(listed, code, active.is_some(), &users)),
        }
    }
    problems.extend(set_up(&unmade));
    Ok(problems)
}

fn listed(
    list: &str,
    references: &References,
    customer_fields: Option<&Option<BTreeMap<String, bool>>>,
) -> Option<Listed> {
    let all = |codes: Vec<String>| codes.into_iter().map(|code| (code, true)).collect();
    let (noun, codes) = match list {
        "statuses" => {
            let held = references.statuses.iter();
            ("status", held.map(|(code, status)| (code.clone(), status.active)).collect())
        }
        "groups" => ("active status group", all(references.groups.keys().cloned().collect())),
        "sites" => ("store that the key sees", all(references.sites.clone())),
        "methods" => ("order method", references.order_methods.clone()),
        "types" => ("order type", references.order_types.clone()),
        "fields" => {
            let held = references.order_fields.as_ref()?;
            ("custom field of orders", all(held.keys().cloned().collect()))
        }
        "customer fields" => ("custom field of customers", customer_fields?.clone()?),
        _ => return None,
    };
    let mend = if noun.starts_with("custom") { "create it there" } else { "" };
    Some(Listed { noun, codes, mend })
}

/// `None`: the key may not read them.
async fn fields_of_customers(account: &Account) -> Result<Option<BTreeMap<String, bool>>, Delay> {
    match fields::read_of(&account.client, "customer").await {
        Ok(held) => Ok(Some(held.into_keys().map(|code| (code, true)).collect())),
        Err(stop) => match stop.delay("the custom fields") {
            delay if delay.whose == Whose::Access => Ok(None),
            delay => Err(delay),
        },
    }
}

fn told(listed: &Listed, code: &str, exists: bool, users: &[&Use]) -> Problem {
    let noun = listed.noun;
    if exists {
        return at(users, false, &format!("the {noun} `{code}` is switched off in the CRM"))
            .label("inactive")
            .mend("switch it on in the CRM, or write another");
    }
    let written = written_first(users);
    let writes = written.first().is_some_and(|found| writes(found));
    let known: Vec<&str> =
        listed.codes.iter().filter(|(_, active)| **active).map(|(code, _)| code.as_str()).collect();
    let near = suggest(code, &known.iter().copied().take(20).collect::<Vec<_>>());
    let parts: Vec<&str> =
        [near.as_str(), listed.mend].into_iter().filter(|p| !p.is_empty()).collect();
    let consequence = if writes { "the CRM would refuse it" } else { "this never holds" };
    at(&written, writes, &format!("the CRM has no {noun} `{code}`"))
        .label(consequence)
        .mend(parts.join("; or "))
}

/// Writes before reads: they fail.
fn written_first<'a>(users: &[&'a Use]) -> Vec<&'a Use> {
    let mut sorted = users.to_vec();
    sorted.sort_by_key(|found| (!writes(found), !found.running));
    sorted
}

fn writes(found: &Use) -> bool {
    matches!(found.what, What::Code { way: Way::Written, .. })
}

/// The fields that `setup` creates, told together.
fn set_up(unmade: &[(&str, Vec<&Use>)]) -> Option<Problem> {
    let (_, first) = unmade.first()?;
    let codes: Vec<&str> = unmade.iter().map(|(code, _)| *code).collect();
    let users: Vec<&Use> = unmade.iter().flat_map(|(_, users)| users.iter().copied()).collect();
    let fails = users.iter().any(|found| writes(found) && found.running);
    let place = &written_first(&users).first().copied().unwrap_or(first.first()?).place;
    let title = format!("orders lack the custom fields {}", codes.join(", "));
    let problem = if fails { Problem::error(title) } else { Problem::warning(title) };
    let flows: BTreeSet<&str> = users.iter().map(|found| found.flow.as_str()).collect();
    let flows: Vec<&str> = flows.into_iter().collect();
    let label = format!("used by {}", flows.join(", "));
    Some(problem.at(&place.source, place.span.clone()).label(label).mend("run `leadlink setup`"))
}

async fn manager(
    account: &Account,
    code: &str,
    users: &[&Use],
    now: Timestamp,
) -> Result<Option<Problem>, Delay> {
    let Ok(id) = code.parse::<i64>() else { return Ok(None) };
    if account.users.knows(&account.client, id, now).await? != Some(false) {
        return Ok(None);
    }
    let written = written_first(users);
    let fails = written.first().is_some_and(|found| writes(found));
    let problem = at(&written, fails, &format!("the CRM has no active user {id}"));
    Ok(Some(
        problem.label("no such manager").mend("write the id of another, or mend the user there"),
    ))
}

/// What the next look compares with.
#[derive(Debug, Default)]
struct Seen {
    /// Stores that the key sees, in the CRM's order; `None`: not known yet.
    stores: Option<Vec<String>>,
    /// Custom fields that the flows use: code → type.
    types: BTreeMap<String, String>,
}

impl Seen {
    /// What the last look saw of this account; types only where the same flow files ran.
    fn read(account: &Account, glance: &Glance<'_>) -> Self {
        let same = |held: &&Value| {
            held.get("account").and_then(Value::as_str) == Some(&account.config.url)
        };
        let Some(held) = glance.before.filter(same) else { return Self::default() };
        let stores = held.get("stores").filter(|stores| stores.is_array());
        let flows = held.get("flows").and_then(Value::as_str) == Some(glance.uses.of.as_str());
        let types = held.get("types").filter(|_| flows).and_then(Value::as_object);
        let types = types.into_iter().flatten();
        Self {
            stores: stores.map(|stores| texts(Some(stores))),
            types: types
                .filter_map(|(code, kind)| Some((code.clone(), kind.as_str()?.to_owned())))
                .collect(),
        }
    }

    fn now(glance: &Glance<'_>, rights: &Map<String, Value>, references: &References) -> Self {
        let limit = sites_seen(rights);
        let sees = |site: &&String| limit.as_ref().is_none_or(|limit| limit.contains(*site));
        let used = |code: &str| {
            let is = |found: &Use| matches!(&found.what, What::Code { list: "fields", code: held, .. } if held == code);
            glance.uses.list.iter().any(is)
        };
        let types = references.order_fields.iter().flatten().filter(|(code, _)| used(code));
        Self {
            stores: Some(references.sites.iter().filter(sees).cloned().collect()),
            types: types.map(|(code, kind)| (code.clone(), kind.clone())).collect(),
        }
    }

    /// Without `site` new orders go to the first store: a change of stores may send them elsewhere.
    fn stores_changed(&self, before: &Self, account: &Account) -> Option<Problem> {
        let (Some(now), Some(then)) = (&self.stores, &before.stores) else { return None };
        if account.config.site.is_some() || now == then || now.is_empty() {
            return None;
        }
        let (now_listed, then_listed) = (now.join(", "), then.join(", "));
        let title = format!(
            "site: the key sees the stores {now_listed} now; when it was first looked at: {then_listed}"
        );
        let goes = format!("new orders go to `{}`", now[0]);
        let mend = format!(
            "{goes}; write site = \"{}\" to choose for good",
            then.first().unwrap_or(&now[0])
        );
        Some(Problem::warning(title).mend(mend))
    }

    fn types_changed(&self, before: &Self, glance: &Glance<'_>) -> Vec<Problem> {
        let changed = self.types.iter().filter_map(|(code, kind)| {
            let then = before.types.get(code).map_or(fields::TYPE, String::as_str);
            let known = before.types.contains_key(code) || fields::is_ours(code);
            let then = if fields::is_ours(code) { fields::TYPE } else { then };
            (known && then != kind).then_some((code, kind, then))
        });
        let told = changed.map(|(code, kind, then)| {
            let is = |found: &&Use| matches!(&found.what, What::Code { list: "fields", code: held, .. } if held == code);
            let users: Vec<&Use> = glance.uses.list.iter().filter(is).collect();
            let what = format!("the custom field {code} is of the type `{kind}`, not `{then}`");
            at(&written_first(&users), false, &what)
                .label("the CRM may refuse our values")
                .mend(format!("make it anew as `{then}`, or mend the flow"))
        });
        told.collect()
    }

    /// What is to be compared with next time: a change is told until it is mended.
    fn merged(self, before: Self, account: &Account) -> Self {
        let told = account.config.site.is_none() && before.stores.is_some();
        let mut types = self.types;
        types.extend(before.types);
        Self { stores: if told { before.stores } else { self.stores }, types }
    }

    fn write(self, account: &Account, flows: &str) -> Value {
        json!({
            "account": account.config.url, "stores": self.stores, "types": self.types,
            "flows": flows,
        })
    }
}
