//! RetailCRM (retailcrm.ru, simla.com): finds and makes customers and orders, and tells of their
//! changes. Invariant: success is
//! said by the body, and whatever may have happened is looked up before it is repeated. Called
//! through `connectors::port::Connector` by the pipeline and the commands.

mod act;
mod ask;
mod change;
mod check;
mod client;
mod config;
mod drift;
mod fields;
mod history;
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
use super::http;
use super::port::{
    Completion, Connector, Feed, Glance, ListOffer, ListedPage, Listing, Page, Poll, Preview,
    Sight, Unreadable,
};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use client::{Client, Stop};
use config::Config;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use references::{Cache, References};
use request::Defaults;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Reads `[connections.NAME]` and makes the connector; problems stay in the section. `None`: they
/// leave nothing to work with.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
) -> Option<Arc<dyn Connector>> {
    let config = Config::read(name, section)?;
    match Account::new(config, limits) {
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
}

impl Account {
    fn new(config: Config, limits: &http::Limits) -> Result<Self, String> {
        let http = http::Client::new(config.options(), limits)?;
        let client = Client::new(http, config.api_key.clone());
        Ok(Self {
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
        // Digests have one length, so that not even the length of the secret can be timed.
        self.config.hook_secret.as_ref().is_some_and(|ours| {
            let ours = Sha256::digest(ours.expose_secret().as_bytes());
            ours.ct_eq(&Sha256::digest(secret.as_bytes())).into()
        })
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], received: Timestamp) -> String {
        trigger::dedupe_key(body, received)
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        change::read(raw)
    }

    fn feeds(&self) -> Vec<Feed> {
        vec![Feed { name: history::ORDERS, every: self.config.poll_every }]
    }

    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        history::poll(self, poll).await
    }

    fn wakes(&self) -> Option<&'static str> {
        Some(history::ORDERS)
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
        trigger::complete(self, event, now).await
    }

    async fn ask(&self, query: &Query, now: Timestamp) -> Answer {
        match ask::ask(self, query, now).await {
            Ok(fact) => Answer::Known(fact),
            Err(Stop::Later(delay)) => Answer::Later(delay),
            Err(Stop::Refused(why)) => Answer::Refused(why),
            Err(stop @ Stop::NotFound(_)) => Answer::Later(stop.delay(&query.name)),
        }
    }

    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome {
        let outcome = act::perform(self, effect, now).await;
        if let Some(id) = wire::number(effect.input.get("order")) {
            self.pages.forget(id);
        }
        outcome
    }

    async fn look(&self, effect: &Effect, since: Timestamp, now: Timestamp) -> Look {
        look::look(self, effect, since, now).await
    }

    fn guarded(&self, effect: &Effect) -> bool {
        match effect.operation.as_str() {
            // A second order with our `externalId` is refused (retailcrm.md 3).
            "order.create" => self.config.external_ids,
            // The same values once more change nothing.
            "order.edit" => true,
            _ => false,
        }
    }

    fn preview(&self, effect: &Effect) -> Preview {
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
        fields::set_up(&self.client).await
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
        self.config.requests_per_second
    }
}

#[cfg(test)]
mod tests;
