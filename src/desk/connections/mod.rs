//! Connections as people see them. Invariant: no secret is shown, but for the address of a hook to who
//! may act; lists are read from the far side each time.

pub mod offer;
mod view;

pub use view::*;

use super::flows::ProblemView;
use super::overview::Look;
use super::overview::report::{self, Report};
use super::story::story_id;
use super::{Actor, Desk, Error, Right};
use crate::connectors::Connector;
use crate::connectors::http::in_background;
use crate::connectors::port::YOUR_HOST;
use crate::store::{Failed, Store};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Errors that one page shows.
const ERRORS: usize = 50;
/// A far side that answers no list in this time answers none.
const PATIENCE: Duration = Duration::from_secs(15);
/// A feed is late that was not read for so many turns.
const TURNS: i64 = 3;
/// What stands for a secret.
const HIDDEN: &str = "…";

/// The beginning of what "today's errors" are.
pub(super) fn a_day_before(now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Desk {
    /// How all connections do, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn connections(&self) -> Result<Vec<ConnectionRow>, Error> {
        let look = self.look().await?;
        let failed = Failures::since(&self.pipeline.store, a_day_before(look.now)).await?;
        Ok(rows(self, &look, &look.report(), &failed))
    }

    /// One connection, whole.
    ///
    /// # Errors
    /// There is none, or the store's.
    pub async fn connection(&self, actor: &Actor, name: &str) -> Result<ConnectionPage, Error> {
        let look = self.look().await?;
        let missing = || Error::NotFound(format!("connection {name}"));
        let connector = look.setup.connectors.get(name).ok_or_else(missing)?;
        let failed = Failures::since(&self.pipeline.store, a_day_before(look.now)).await?;
        let report = look.report();
        let held = report.connections.iter().find(|held| held.name == name);
        let row = row(self, &look, held.ok_or_else(missing)?, &failed);
        let account = look.papers.connections.get(name);
        let settings = account.into_iter().flat_map(|account| &account.settings);
        let public = self.console.load().public.clone();
        let secret = account.and_then(|account| account.hook_secret.as_ref());
        let secret = secret.map(|secret| secret.expose_secret().to_owned());
        let door = Door { public, secret, may: actor.may(Right::Act) };
        let role = row.roles.first().map_or("ROLE", String::as_str);
        let lists = connector.lists().iter();
        Ok(ConnectionPage {
            settings: settings.map(setting).collect(),
            hook: door.hook(name),
            trigger: door.trigger(connector.as_ref()),
            pace: connector.pace(),
            errors: failed
                .rows
                .iter()
                .filter(|held| held.side == name)
                .take(ERRORS)
                .map(error)
                .collect(),
            flows: users(&look, name).into_iter().map(str::to_owned).collect(),
            lists: lists.map(|list| of_list(list.name, list.about)).collect(),
            offer: offer::shown(connector.offer(), role, connector.lists()),
            row,
        })
    }

    /// The live codes of a connection's list.
    ///
    /// # Errors
    /// There is none; the far side does not answer.
    pub async fn list(&self, connection: &str, list: &str) -> Result<ListPage, Error> {
        let setup = self.pipeline.setup();
        let missing = || Error::NotFound(format!("connection {connection}"));
        let connector = setup.connectors.get(connection).ok_or_else(missing)?;
        let known = connector.lists().iter().find(|known| known.name == list);
        let known = known.ok_or_else(|| Error::NotFound(format!("list {list} of {connection}")))?;
        let asked = tokio::time::timeout(PATIENCE, in_background(connector.list(list))).await;
        let listing = match asked {
            Ok(Ok(listing)) => listing,
            Ok(Err(delay)) => return Err(Error::FarSide(delay.why)),
            Err(_) => return Err(Error::FarSide("it does not answer".to_owned())),
        };
        Ok(ListPage {
            connection: connection.to_owned(),
            name: list.to_owned(),
            about: known.about.to_owned(),
            columns: listing.columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: listing.rows,
            read: self.pipeline.clock.now(),
        })
    }
}

fn of_list(name: &str, about: &str) -> ListView {
    ListView { name: name.to_owned(), about: about.to_owned() }
}

/// Attempts that failed lately: the newest of them, and how many there are of each connection.
pub(super) struct Failures {
    rows: Vec<Failed>,
    counts: BTreeMap<String, u64>,
}

impl Failures {
    pub(super) async fn since(store: &Store, since: Timestamp) -> Result<Self, Error> {
        let (rows, counts) =
            tokio::try_join!(store.failed_since(since), store.failures_since(since))?;
        Ok(Self { rows, counts })
    }
}

/// All connections of one moment.
pub(super) fn rows(
    desk: &Desk,
    look: &Look,
    report: &Report,
    failed: &Failures,
) -> Vec<ConnectionRow> {
    report.connections.iter().map(|held| row(desk, look, held, failed)).collect()
}

fn row(desk: &Desk, look: &Look, held: &report::Connection, failed: &Failures) -> ConnectionRow {
    let name = held.name.as_str();
    let connector = look.setup.connectors.get(name);
    let mine = held.owner.as_deref() == Some(&*desk.pipeline.owner);
    let users = users(look, name);
    let waiting = look.house.flows.iter().filter(|(flow, _)| users.contains(flow.as_str()));
    let drift: Vec<ProblemView> =
        held.drift.iter().filter_map(|told| ProblemView::deserialize(told).ok()).collect();
    let ready = held.state.as_deref().is_none_or(|state| state == "ready");
    ConnectionRow {
        name: name.to_owned(),
        title: look.papers.connections.get(name).map_or(name, |held| &held.title).to_owned(),
        connector: held.connector.to_owned(),
        state: held.state.clone(),
        why: held.why.clone(),
        since: held.since,
        answered: held.answered,
        feeds: connector.map(|connector| feeds(connector.as_ref(), held, look)).unwrap_or_default(),
        // Who counts none and has no limit would be said to have sent nothing.
        requests_today: connector.filter(|_| mine).and_then(|own| {
            let sent = own.requests_today(look.now);
            (sent > 0 || own.requests_per_day().is_some()).then_some(sent)
        }),
        requests_limit: connector.and_then(|own| own.requests_per_day()),
        owner: held.owner.clone(),
        roles: roles(look, name),
        waiting: waiting.map(|(_, counts)| counts.waiting).sum(),
        failed: failed.counts.get(name).copied().unwrap_or(0),
        // The newest first.
        error: failed
            .rows
            .iter()
            .filter(|held| held.side == name)
            .find_map(|held| held.why.clone()),
        well: ready && drift.is_empty(),
        drift,
        looked: held.looked,
    }
}

/// Flows that listen to it, ask or write there.
fn users<'a>(look: &'a Look, name: &str) -> BTreeSet<&'a str> {
    let book = &look.setup.book;
    let uses = |bound: &&crate::mapping::Bound| {
        let heard = bound.connections(&bound.flow.on.role).iter().any(|held| held == name);
        heard || book.needs(bound).any(|held| held == name)
    };
    book.flows().iter().filter(uses).map(|bound| bound.name.as_str()).collect()
}

fn roles(look: &Look, name: &str) -> Vec<String> {
    let flows = look.setup.book.flows().iter().chain(&look.papers.off);
    let bound = flows.flat_map(|bound| &bound.roles);
    let bound = bound.filter(|(_, held)| held.iter().any(|held| held == name));
    let roles: BTreeSet<&String> = bound.map(|(role, _)| role).collect();
    roles.into_iter().cloned().collect()
}

fn feeds(connector: &dyn Connector, held: &report::Connection, look: &Look) -> Vec<FeedView> {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let shown = |feed: crate::connectors::port::Feed| {
        let read = held.feeds.iter().find(|read| read.name == feed.name).map(|read| read.read);
        let age = read.map(|read| look.now.duration_since(read).as_secs().max(0));
        let patience = seconds(feed.every).saturating_mul(TURNS).max(60);
        FeedView {
            name: feed.name.to_owned(),
            every_seconds: feed.every.as_secs(),
            read,
            age_seconds: age,
            late: age.is_some_and(|age| age > patience) && !connector.waits(feed.name),
        }
    };
    connector.feeds().into_iter().map(shown).collect()
}

fn setting(shown: &crate::config::Shown) -> ConnectionSetting {
    ConnectionSetting {
        key: shown.key.clone(),
        value: shown.value.clone(),
        secret: shown.secret,
        place: shown.place.clone(),
        about: shown.about.to_owned(),
        default: shown.default,
    }
}

fn error(failed: &Failed) -> ErrorRow {
    ErrorRow {
        at: failed.at,
        job: failed.job,
        flow: failed.flow.clone(),
        step: failed.step.clone(),
        operation: failed.operation.clone(),
        result: failed.result.clone(),
        why: failed.why.clone(),
        story: story_id(&failed.connection, &failed.event),
    }
}

/// What a far side needs to find our door.
struct Door {
    public: Option<String>,
    secret: Option<String>,
    /// The person may see the secret.
    may: bool,
}

impl Door {
    fn hook(&self, name: &str) -> Option<HookView> {
        let secret = self.secret.as_deref()?;
        let host = self.public.as_deref().unwrap_or(YOUR_HOST);
        let secret: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let shown = if self.may { secret.replace('+', "%20") } else { HIDDEN.to_owned() };
        Some(HookView {
            address: format!("{host}/hooks/{name}/{shown}"),
            whole: self.may,
            unknown_host: self.public.is_none(),
        })
    }

    /// What a person enters over there. It holds the secret in whatever spelling the far side wants, so
    /// who may not act is shown none of it.
    fn trigger(&self, connector: &dyn Connector) -> Option<TriggerView> {
        let trigger = connector.trigger(self.public.as_deref()).ok().filter(|_| self.may)?;
        let entries = trigger.entries.into_iter();
        let entries = entries.map(|(name, value)| TriggerEntry { name: name.to_owned(), value });
        Some(TriggerView {
            place: trigger.place.to_owned(),
            entries: entries.collect(),
            try_it: trigger.try_it.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_door_is_shown_to_who_may_act_alone() {
        let secret = "0123456789/+ abcdef";
        let door = |may| Door {
            public: Some("https://leads.example.test".to_owned()),
            secret: Some(secret.to_owned()),
            may,
        };
        let hook = |may| door(may).hook("calls").map(|hook| hook.address);
        assert_eq!(
            hook(true).as_deref(),
            Some("https://leads.example.test/hooks/calls/0123456789%2F%2B%20abcdef")
        );
        assert_eq!(hook(false).as_deref(), Some("https://leads.example.test/hooks/calls/…"));
        assert_eq!(Door { secret: None, ..door(true) }.hook("calls"), None);
    }
}
