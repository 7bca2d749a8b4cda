//! The account's references: statuses and their groups, stores, methods, types, custom fields of
//! orders, time zone. Invariant: read on first need, refreshed every 10 minutes and at once when an
//! unknown code is met; callers that come together share one reading.

use super::client::{Client, Stop};
use super::config::Config;
use super::fields;
use super::wire;
use crate::domain::{Delay, Whose};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

const REFRESH: SignedDuration = SignedDuration::from_mins(10);
/// After a refresh that failed, the old references serve this much longer.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// One reading of the references.
#[derive(Debug, Clone)]
pub struct References {
    pub statuses: BTreeMap<String, Status>,
    /// Code of a status group → its ordering; inactive groups are left out.
    pub groups: BTreeMap<String, i64>,
    /// Stores in the CRM's order, as far as the key sees them.
    pub sites: Vec<String>,
    /// Code of a store → its name.
    pub store_names: BTreeMap<String, String>,
    /// Code → active.
    pub order_methods: BTreeMap<String, bool>,
    pub order_types: BTreeMap<String, bool>,
    pub zone: TimeZone,
    /// Custom fields of orders, code → type; `None` where the key may not read them.
    pub order_fields: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub group: String,
    pub active: bool,
    pub ordering: i64,
    pub name: Option<String>,
}

impl References {
    /// Reads all of them.
    ///
    /// # Errors
    /// Why not now; no part is guessed.
    pub async fn load(client: &Client, config: &Config) -> Result<Self, Delay> {
        let statuses = reference(client, "/api/v5/reference/statuses", "statuses").await?;
        let groups = reference(client, "/api/v5/reference/status-groups", "statusGroups").await?;
        let methods = reference(client, "/api/v5/reference/order-methods", "orderMethods").await?;
        let types = reference(client, "/api/v5/reference/order-types", "orderTypes").await?;
        let (sites, store_names) = sites(client, config).await?;
        Ok(Self {
            statuses: statuses_of(&statuses),
            groups: groups_of(&groups),
            sites,
            store_names,
            order_methods: activity_of(&methods),
            order_types: activity_of(&types),
            zone: zone(client, config).await?,
            order_fields: order_fields(client).await?,
        })
    }

    /// The first status: lowest ordering of its group, then its own, ties by code; active only.
    pub fn first_status(&self) -> Option<&str> {
        let active = self.statuses.iter().filter_map(|(code, status)| {
            let group = self.groups.get(&status.group)?;
            status.active.then_some((group, status.ordering, code.as_str()))
        });
        active.min().map(|(_, _, code)| code)
    }

    /// The group of a status.
    pub fn group_of(&self, status: &str) -> Option<&str> {
        self.statuses.get(status).map(|held| held.group.as_str())
    }

    /// Those of `codes` that are no custom fields of orders.
    pub fn missing<'a>(&self, codes: &[&'a str]) -> Vec<&'a str> {
        let Some(held) = &self.order_fields else { return Vec::new() };
        codes.iter().copied().filter(|code| !held.contains_key(*code)).collect()
    }
}

async fn reference(client: &Client, path: &'static str, key: &'static str) -> Result<Value, Delay> {
    let mut answer =
        client.get(path, path.to_owned(), Vec::new()).await.map_err(|stop| stop.delay(path))?;
    Ok(answer.get_mut(key).map(Value::take).unwrap_or_default())
}

fn statuses_of(value: &Value) -> BTreeMap<String, Status> {
    let read = |held: &Value| Status {
        group: wire::text(held.get("group")).unwrap_or_default(),
        active: active(held),
        ordering: ordering(held),
        name: wire::text(held.get("name")),
    };
    wire::coded(Some(value)).into_iter().map(|(code, held)| (code, read(held))).collect()
}

fn groups_of(value: &Value) -> BTreeMap<String, i64> {
    let groups = wire::coded(Some(value)).into_iter().filter(|(_, held)| active(held));
    groups.map(|(code, held)| (code, ordering(held))).collect()
}

fn activity_of(value: &Value) -> BTreeMap<String, bool> {
    wire::coded(Some(value)).into_iter().map(|(code, held)| (code, active(held))).collect()
}

fn sites_of(value: &Value) -> Vec<String> {
    let coded = wire::coded(Some(value));
    let mut sites: Vec<_> = coded.into_iter().map(|(code, held)| (ordering(held), code)).collect();
    sites.sort();
    sites.into_iter().map(|(_, code)| code).collect()
}

fn active(held: &Value) -> bool {
    held.get("active").is_none_or(|active| active != false)
}

/// What has no place of its own comes last.
fn ordering(held: &Value) -> i64 {
    wire::number(held.get("ordering")).unwrap_or(i64::MAX)
}

/// The list holds all stores of the account; one that the key may not see is of no use.
async fn sites(
    client: &Client,
    config: &Config,
) -> Result<(Vec<String>, BTreeMap<String, String>), Delay> {
    let path = "/api/v5/reference/sites";
    let all = reference(client, path, "sites").await?;
    let mut sites = sites_of(&all);
    if config.site.is_none() && sites.len() > 1 {
        let path = "/api/credentials";
        let rights =
            client.get(path, path.to_owned(), Vec::new()).await.map_err(|stop| stop.delay(path))?;
        if let Some(seen) = sites_seen(&rights) {
            sites.retain(|site| seen.contains(site));
        }
    }
    Ok((sites, names_of(&all)))
}

fn names_of(value: &Value) -> BTreeMap<String, String> {
    let coded = wire::coded(Some(value)).into_iter();
    coded.filter_map(|(code, held)| Some((code, wire::text(held.get("name"))?))).collect()
}

/// The stores that a key is limited to; `None`: it sees all.
pub fn sites_seen(rights: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let limited = wire::text(rights.get("siteAccess")).is_some_and(|held| held != "access_full");
    let seen = rights.get("sitesAvailable").map(wire::listed).unwrap_or_default();
    limited.then(|| seen.into_iter().filter_map(|site| wire::text(Some(site))).collect())
}

async fn zone(client: &Client, config: &Config) -> Result<TimeZone, Delay> {
    if let Some(zone) = &config.timezone {
        return Ok(zone.clone());
    }
    let path = "/api/v5/settings";
    let asked = client.get(path, path.to_owned(), Vec::new()).await;
    let answer = asked.map_err(|stop| match stop.delay(path) {
        delay if delay.whose == Whose::Access => Delay {
            why: format!("{} (reading the account's time zone; or set `timezone`)", delay.why),
            ..delay
        },
        delay => delay,
    })?;
    zone_of(&answer)
}

fn zone_of(answer: &Map<String, Value>) -> Result<TimeZone, Delay> {
    let settings = answer.get("settings").and_then(|held| held.get("timezone"));
    let name = settings.and_then(|held| wire::text(held.get("value").or(Some(held))));
    let name = name.ok_or_else(|| {
        Delay::setup("the CRM's settings name no time zone; set `timezone` of the connection")
    })?;
    TimeZone::get(&name).map_err(|_| {
        Delay::setup(format!("`{name}`, the CRM's time zone, is unknown; set `timezone`"))
    })
}

/// A key without the scope of custom fields is legal: then the CRM alone knows what is missing.
async fn order_fields(client: &Client) -> Result<Option<BTreeMap<String, String>>, Delay> {
    match fields::read(client).await {
        Ok(held) => Ok(Some(held)),
        Err(Stop::Later(delay)) if delay.whose == Whose::Access => {
            tracing::warn!("the key may not read custom fields: missing ones will not be noticed");
            Ok(None)
        }
        Err(stop) => Err(stop.delay("the custom fields")),
    }
}

/// The references as last read.
pub struct Cache {
    held: Mutex<Option<Held>>,
    /// Held while reading.
    loading: tokio::sync::Mutex<()>,
    /// Codes of statuses that a refresh did not make known.
    unknown: Mutex<BTreeSet<String>>,
}

#[derive(Clone)]
struct Held {
    references: Arc<References>,
    read: Timestamp,
    fresh_until: Timestamp,
}

impl Cache {
    pub fn new() -> Self {
        Self {
            held: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            unknown: Mutex::default(),
        }
    }

    /// What is held, however old; for showing.
    pub fn held(&self) -> Option<Arc<References>> {
        self.peek().map(|held| held.references)
    }

    /// The references, at most 10 minutes old where the CRM answers.
    ///
    /// # Errors
    /// Why they cannot be read, when none are held.
    pub async fn get(
        &self,
        client: &Client,
        config: &Config,
        now: Timestamp,
    ) -> Result<Arc<References>, Delay> {
        if let Some(held) = self.fresh(now) {
            return Ok(held);
        }
        let _one = self.loading.lock().await;
        if let Some(held) = self.fresh(now) {
            return Ok(held);
        }
        match (References::load(client, config).await, self.peek()) {
            (Ok(read), _) => {
                self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(self.keep(Arc::new(read), now, REFRESH))
            }
            (Err(delay), Some(old)) => {
                tracing::warn!(connection = %config.name, why = %delay.why,
                    "the references stay as they were");
                Ok(self.keep(old.references, now, AGAIN))
            }
            (Err(delay), None) => Err(delay),
        }
    }

    /// The references, not older than `oldest` where the CRM answers.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn recent(
        &self,
        client: &Client,
        config: &Config,
        now: Timestamp,
        oldest: SignedDuration,
    ) -> Result<Arc<References>, Delay> {
        match self.peek().filter(|held| now.duration_since(held.read) < oldest) {
            Some(held) => Ok(held.references),
            None => self.get(client, config, now).await,
        }
    }

    /// Reads anew, unless somebody did since `seen` was handed out.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub async fn refresh(
        &self,
        client: &Client,
        config: &Config,
        seen: &Arc<References>,
        now: Timestamp,
    ) -> Result<Arc<References>, Delay> {
        let _one = self.loading.lock().await;
        if let Some(held) = self.peek().filter(|held| !Arc::ptr_eq(&held.references, seen)) {
            return Ok(held.references);
        }
        let read = Arc::new(References::load(client, config).await?);
        Ok(self.keep(read, now, REFRESH))
    }

    /// Reads anew, however young what is held.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub async fn renew(
        &self,
        client: &Client,
        config: &Config,
        now: Timestamp,
    ) -> Result<Arc<References>, Delay> {
        match self.held() {
            Some(held) => self.refresh(client, config, &held, now).await,
            None => self.get(client, config, now).await,
        }
    }

    /// The group of a status; an unknown one is looked up once more in references read anew.
    ///
    /// # Errors
    /// Why the references cannot be read.
    pub async fn group_of(
        &self,
        client: &Client,
        config: &Config,
        status: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Delay> {
        let references = self.get(client, config, now).await?;
        if let Some(group) = references.group_of(status) {
            return Ok(Some(group.to_owned()));
        }
        if self.unknown.lock().unwrap_or_else(PoisonError::into_inner).contains(status) {
            return Ok(None);
        }
        let references = self.refresh(client, config, &references, now).await?;
        let group = references.group_of(status).map(str::to_owned);
        if group.is_none() {
            tracing::warn!(connection = %config.name, status,
                "the CRM's references do not know this status: its group is empty");
            let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
            unknown.insert(status.to_owned());
        }
        Ok(group)
    }

    fn peek(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<References>> {
        self.peek().filter(|held| now < held.fresh_until).map(|held| held.references)
    }

    fn keep(
        &self,
        references: Arc<References>,
        now: Timestamp,
        span: SignedDuration,
    ) -> Arc<References> {
        let fresh_until = now.saturating_add(span).unwrap_or(Timestamp::MAX);
        let held = Held { references: Arc::clone(&references), read: now, fresh_until };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        references
    }
}
