//! RetailCRM (retailcrm.ru, simla.com): finds and makes customers and orders, and tells of their
//! changes. Invariant: success is
//! said by the body, and whatever may have happened is looked up before it is repeated. Called
//! through `connectors::port::Connector` by the pipeline and the commands.

mod act;
mod ask;
mod buyers;
mod change;
mod chats;
mod check;
mod client;
mod config;
mod contacts;
mod drift;
mod fields;
mod history;
mod history_customers;
mod keys;
mod lists;
mod look;
mod offer;
mod orders;
mod pages;
mod references;
mod request;
mod trigger;
mod users;
mod wire;

pub use keys::KEYS;

use super::coalesce::Coalescer;
use super::door;
use super::files::{FileRef, Files, NoFile};
use super::http;
use super::messengers::Messengers;
use super::port::{
    Completion, Connector, Feed, Glance, ListOffer, ListedPage, Listing, Page, Poll, Preview,
    Sight, Trigger, Unreadable,
};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use chats::Chats;
use client::{Client, Stop};
use config::Config;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use references::{Cache, References};
use request::Defaults;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Reads `[connections.NAME]` and makes the connector; problems stay in the section. `None`: they
/// leave nothing to work with.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
    files: &Files,
    messengers: &Messengers,
) -> Option<Arc<dyn Connector>> {
    let config = Config::read(name, section)?;
    match Account::new(config, limits, files, messengers) {
        Ok(account) => Some(Arc::new(account)),
        Err(why) => {
            section.problem("url", Problem::error(why));
            None
        }
    }
}

/// How long the first question after an order waits for others.
const MOMENT: Duration = Duration::from_millis(3);

/// Questions after orders by id, that go out together.
type Joined = Coalescer<i64, wire::Order, Stop>;

/// One account.
struct Account {
    config: Config,
    client: Client,
    cache: Cache,
    proven: ask::Proven,
    users: users::Users,
    ahead: history::Ahead,
    pages: pages::Pages,
    joined: Joined,
    joined_behind: Joined,
    chats: Option<Chats>,
}

impl Account {
    fn new(
        mut config: Config,
        limits: &http::Limits,
        files: &Files,
        messengers: &Messengers,
    ) -> Result<Self, String> {
        let http = http::Client::new(config.options(), limits)?;
        let client = Client::new(http, config.api_key.clone());
        let chats = config.chats.take().map(|settings| {
            let around = chats::Around {
                connection: &config.name,
                url: &config.url,
                secret: config.hook_secret.clone().unwrap_or_default(),
                crm: client.clone(),
                limits,
                files: files.clone(),
                messengers: messengers.clone(),
                timeout: config.timeout,
            };
            Chats::new(settings, around)
        });
        Ok(Self {
            chats,
            config,
            client,
            cache: Cache::new(),
            proven: ask::Proven::default(),
            users: users::Users::default(),
            ahead: history::Ahead::default(),
            pages: pages::Pages::default(),
            joined: Coalescer::new(MOMENT, client::PAGE),
            joined_behind: Coalescer::new(MOMENT, client::PAGE),
        })
    }

    async fn references(&self, now: Timestamp) -> Result<Arc<References>, Delay> {
        self.cache.get(&self.client, &self.config, now).await
    }

    /// The zone of the account's times.
    async fn zone_at(&self, now: Timestamp) -> Result<TimeZone, Delay> {
        match &self.config.timezone {
            Some(zone) => Ok(zone.clone()),
            None => Ok(self.references(now).await?.zone.clone()),
        }
    }

    /// Where questions meet: nobody in the fore waits for a reading in the background.
    fn joined(&self) -> &Joined {
        if http::is_background() { &self.joined_behind } else { &self.joined }
    }

    async fn reread(
        &self,
        seen: &Arc<References>,
        now: Timestamp,
    ) -> Result<Arc<References>, Delay> {
        self.cache.refresh(&self.client, &self.config, seen, now).await
    }

    async fn group_of(&self, status: &str, now: Timestamp) -> Result<Option<String>, Delay> {
        self.cache.group_of(&self.client, &self.config, status, now).await
    }

    /// The chats, if this stood at the door and is theirs.
    fn chats_of(&self, body: &[u8]) -> Option<&Chats> {
        self.chats.as_ref().filter(|_| chats::is_ours(body))
    }

    /// The chats, if this effect is theirs.
    fn chats_for(&self, effect: &Effect) -> Result<Option<&Chats>, String> {
        match (chats::does(effect), &self.chats) {
            (false, _) => Ok(None),
            (true, Some(chats)) => Ok(Some(chats)),
            (true, None) => Err(format!(
                "{} has no chats: write [connections.{}.channels.MESSENGER]",
                self.config.name, self.config.name
            )),
        }
    }

    /// Answers a question, of the chats or of the CRM.
    async fn asked(&self, query: &Query, now: Timestamp) -> Result<Value, Stop> {
        let id = wire::text(query.input.get("id")).unwrap_or_default();
        match (&self.chats, query.name.as_str()) {
            (None, "channel" | "dialog") => Ok(Value::Null),
            (Some(chats), "channel") => Ok(chats.channel(&id)),
            (Some(chats), "dialog") => {
                let zone = self.zone_at(now).await.map_err(Stop::Later)?;
                chats::ask(chats, &id, &zone).await
            }
            _ => ask::ask(self, query, now).await,
        }
    }

    /// An outcome whose text does not repeat the key.
    fn cleaned(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Refused(why) => Outcome::Refused(self.client.clean(&why)),
            other => other,
        }
    }
}

#[async_trait]
impl Connector for Account {
    fn offer(&self) -> &'static Offer {
        &offer::OFFER
    }

    fn admits(&self, secret: &str) -> bool {
        self.config.hook_secret.as_ref().is_some_and(|held| door::is_same(held, secret))
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], received: Timestamp) -> String {
        match self.chats_of(body) {
            Some(_) => chats::dedupe_key(body, received),
            None => trigger::dedupe_key(body, received),
        }
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        if raw.channel == chats::DIALOGS {
            return chats::events_of_dialog(raw);
        }
        match self.chats_of(&raw.body).filter(|_| raw.channel == "hook") {
            Some(chats) => chats::read(chats, raw),
            None => change::read(raw),
        }
    }

    fn vouched(&self, _headers: &[(String, String)], body: &[u8]) -> bool {
        self.chats_of(body).is_none_or(|chats| chats::vouched(chats, body))
    }

    fn reply(&self, _content_type: &str, body: &[u8]) -> Option<Value> {
        self.chats_of(body).and_then(|chats| chats::reply(chats, body))
    }

    async fn open(&self, file: &FileRef) -> Result<http::FileStream, NoFile> {
        match &self.chats {
            Some(chats) => chats.open(file).await,
            None => Err(NoFile::Never("it has no chats".to_owned())),
        }
    }

    fn trigger(&self, public: Option<&str>) -> Result<Trigger, String> {
        trigger::entered(&self.config, public)
    }

    fn home(&self) -> Option<&str> {
        Some(&self.config.url)
    }

    fn is_key(&self, given: &str) -> bool {
        door::is_same(&self.config.api_key, given)
    }

    fn feeds(&self) -> Vec<Feed> {
        let every = self.config.poll_every;
        let watched = self.chats.as_ref().filter(|chats| chats.config.dialogs);
        let dialogs = watched.map(|_| chats::DIALOGS);
        let names = [history::ORDERS, history::CUSTOMERS].into_iter().chain(dialogs);
        names.map(|name| Feed { name, every }).collect()
    }

    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        if let Some(chats) = &self.chats {
            chats.warm().await?;
            if poll.feed == chats::DIALOGS {
                return chats::poll(chats, poll).await;
            }
        }
        history::poll(self, poll).await
    }

    fn wakes(&self, raw: &Raw) -> Option<&'static str> {
        // What managers write is no change of an order.
        self.chats_of(&raw.body).is_none().then_some(history::ORDERS)
    }

    async fn listed(
        &self,
        kind: &str,
        day: Date,
        page: u32,
        now: Timestamp,
    ) -> Result<ListedPage, Delay> {
        match kind {
            "order" => orders::listed(self, day, page, now).await,
            other => Err(Delay::setup(format!("the CRM has no list of `{other}`"))),
        }
    }

    fn zone(&self) -> TimeZone {
        let known = || self.cache.held().map(|held| held.zone.clone());
        self.config.timezone.clone().or_else(known).unwrap_or(TimeZone::UTC)
    }

    async fn complete(&self, event: &Event, now: Timestamp) -> Result<Completion, Delay> {
        match &self.chats {
            Some(chats) if event.kind.starts_with("message.") => chats.complete(event).await,
            _ => trigger::complete(self, event, now).await,
        }
    }

    async fn ask(&self, query: &Query, now: Timestamp) -> Answer {
        match self.asked(query, now).await {
            Ok(fact) => Answer::Known(fact),
            Err(Stop::Later(delay)) => Answer::Later(delay),
            Err(Stop::Refused(why)) => Answer::Refused(why),
            Err(stop @ Stop::NotFound(_)) => Answer::Later(stop.delay(&query.name)),
        }
    }

    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome {
        let outcome = match self.chats_for(effect) {
            Ok(Some(chats)) => return self.cleaned(chats.perform(effect).await),
            Ok(None) => act::perform(self, effect, now).await,
            Err(why) => Outcome::Refused(why),
        };
        if let Some(id) = wire::number(effect.input.get("order")) {
            self.pages.forget(id);
        }
        outcome
    }

    async fn look(&self, effect: &Effect, since: Timestamp, now: Timestamp) -> Look {
        // The gateway itself refuses a second one: the repeat is the look.
        if chats::does(effect) {
            return Look::Absent;
        }
        look::look(self, effect, since, now).await
    }

    fn guarded(&self, effect: &Effect) -> bool {
        match effect.operation.as_str() {
            // A second order with our `externalId` is refused (retailcrm.md 3).
            "order.create" => self.config.external_ids,
            // The same values once more change nothing.
            "order.edit" | contacts::FILL => true,
            // The gateway refuses a second message with our id (5.4).
            _ => chats::does(effect),
        }
    }

    fn preview(&self, effect: &Effect) -> Preview {
        if chats::does(effect) {
            return chats::preview(self.chats.as_ref(), effect);
        }
        let held = self.cache.held();
        let defaults = held.map_or_else(Defaults::unread, |held| Defaults::of(&held));
        match request::build(effect, &self.config, &defaults) {
            Ok(built) => Preview { method: "POST", path: built.path, fields: built.fields },
            Err(why) => {
                let fields = vec![("not sent".to_owned(), why)];
                Preview { method: "POST", path: String::new(), fields }
            }
        }
    }

    async fn check(&self) -> Vec<Problem> {
        check::check(self).await
    }

    async fn drift(&self, glance: &Glance<'_>) -> Result<Sight, Delay> {
        drift::look(self, glance).await
    }

    async fn probe(&self) -> Result<(), Delay> {
        let path = "/api/credentials";
        let asked = self.client.get(path, path.to_owned(), Vec::new()).await;
        asked.map(drop).map_err(|stop| stop.delay("the CRM"))
    }

    async fn setup(&self) -> Result<Vec<String>, Delay> {
        let mut lines = fields::set_up(&self.client).await?;
        if let Some(chats) = &self.chats {
            lines.extend(chats.set_up().await?);
        }
        Ok(lines)
    }

    fn lists(&self) -> &'static [ListOffer] {
        &lists::LISTS
    }

    async fn list(&self, name: &str) -> Result<Listing, Delay> {
        lists::read(&self.client, name).await
    }

    fn limit_group(&self) -> &str {
        self.client.limit_group()
    }

    fn pace(&self) -> f64 {
        let chats = self.chats.as_ref().map_or(0.0, |chats| chats.config.requests_per_second);
        self.config.requests_per_second + chats
    }
}

#[cfg(test)]
mod tests;
