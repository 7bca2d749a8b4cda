//! Calltouch: calls, requests and chats come by webhook, calls and requests by journal too; deals are
//! written. Invariant: hook and journal of one lead give one key; a deal is linked where it is made.

mod check;
mod client;
mod complete;
mod config;
mod deal;
mod deals;
mod diary;
mod fields;
mod hook;
mod journal;
mod judge;
mod keys;
mod leads;
mod lists;
mod offer;
mod parse;
mod poll;
mod queue;
mod said;
mod sites;
mod tally;
mod wire;

pub use keys::KEYS;
pub use offer::{CONNECTOR, OFFER};
pub use sites::Sites;

use super::http;
use super::port::{
    Completion, Connector, Feed, Glance, LeadPage, ListOffer, ListedPage, Listing, Page, Poll,
    Preview, Sight, Unreadable,
};
use super::{door, settings};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Covered, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use client::Api;
use deals::Deals;
use diary::Diary;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parse::{Names, Noun};
use poll::{Cursor, day_of};
use secrecy::SecretString;
use sites::Site;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;

/// One site of one Calltouch account.
pub struct Calltouch {
    reader: Reader,
    api: Arc<Api>,
    deals: Deals,
    diary: Diary,
    hook_secret: Option<SecretString>,
    poll_every: Duration,
    pace: f64,
    requests_per_day: Option<u64>,
}

/// What reading deliveries and records needs.
struct Reader {
    site: Site,
    sites: Sites,
    names: Names,
}

/// Makes the connection of a table of settings; `None` where the problems, which stand in the
/// section, leave none. The connection's site is entered into `sites`.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
    sites: &Sites,
) -> Option<Arc<dyn Connector>> {
    Some(Arc::new(Calltouch::build(name, section, limits, sites)?))
}

impl Calltouch {
    fn build(
        name: &str,
        section: &mut Section,
        limits: &http::Limits,
        sites: &Sites,
    ) -> Option<Self> {
        let settings = config::Settings::read(name, section)?;
        let pace = settings.options.requests_per_second;
        let client = settings::client(section, settings.options, limits)?;
        if let Err(other) = sites.enter(settings.site.clone()) {
            let title = format!("the site is connected already, as `{other}`");
            let mend = "one site is one connection; bind it to several roles instead";
            section.problem("site_id", Problem::error(title).mend(mend));
            return None;
        }
        let names = Names::new(settings.request_email_fields.as_deref(), &settings.chat_fields);
        let (site_id, token) = (settings.site.id, settings.token);
        let api = Arc::new(Api { client, site_id, token, tally: Tally::default() });
        Some(Self {
            deals: Deals::new(Arc::clone(&api), settings.site.zone.clone(), settings.search_depth),
            api,
            diary: Diary::default(),
            reader: Reader { site: settings.site, sites: sites.clone(), names },
            hook_secret: settings.hook_secret,
            poll_every: settings.poll_every,
            pace,
            requests_per_day: settings.requests_per_day,
        })
    }

    /// It is now this time.
    fn told(&self, now: Timestamp) {
        self.api.tally.on(day_of(now, &self.reader.site.zone));
    }
}

impl Reader {
    /// The site that a delivery or record names: ours, or another connection's.
    fn site_of(&self, id: &str) -> Result<Site, Unreadable> {
        let number = id.parse::<i64>().ok();
        number
            .filter(|number| *number == self.site.id)
            .map(|_| self.site.clone())
            .or_else(|| self.sites.find(number?))
            .ok_or_else(|| {
                let shown: String = id.chars().take(20).collect();
                Unreadable(format!("site {shown} belongs to no connection here"))
            })
    }
}

#[async_trait]
impl Connector for Calltouch {
    fn offer(&self) -> &'static Offer {
        &OFFER
    }

    fn admits(&self, secret: &str) -> bool {
        self.hook_secret.as_ref().is_some_and(|held| door::is_same(held, secret))
    }

    fn dedupe_key(&self, content_type: &str, body: &[u8], _received: Timestamp) -> String {
        format!("hook:{}", wire::digest(content_type, body))
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        match raw.channel.as_str() {
            journal::CALLS | journal::REQUESTS => journal::read(&self.reader, raw),
            _ => hook::read(&self.reader, raw),
        }
    }

    fn feeds(&self) -> Vec<Feed> {
        [journal::CALLS, journal::REQUESTS]
            .map(|name| Feed { name, every: self.poll_every })
            .to_vec()
    }

    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        self.told(poll.now);
        let zone = &self.reader.site.zone;
        let cursor = Cursor::read(poll.cursor, poll.first_start, zone);
        let place = cursor.place(poll.now, zone);
        let (noun, read) = match poll.feed {
            journal::CALLS => {
                let days = (place.day, place.day);
                (Noun::Call, self.api.calls(days, place.page, client::LIMIT).await?)
            }
            journal::REQUESTS => (Noun::Request, self.api.requests(place.day, None).await?),
            other => return Err(Delay::setup(format!("calltouch has no feed `{other}`"))),
        };
        let rows = read
            .records
            .iter()
            .filter_map(|record| journal::row(record, poll.feed, &self.reader.site, poll.now))
            .collect();
        let next = cursor.advanced(place, read.more, poll.now, zone);
        let covered = cursor.covered(poll.now, zone).filter(|_| !next.under_way());
        let covered = covered.map(|(from, until)| Covered {
            connection: self.reader.site.connection.clone(),
            kind: noun.word().to_owned(),
            from,
            until,
        });
        Ok(Page { rows, cursor: Some(next.store()), more: next.under_way(), covered })
    }

    async fn recent(
        &self,
        noun: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Raw>, Delay> {
        self.told(now);
        leads::recent(self, noun, since, now).await
    }

    async fn leads(&self, noun: &str, day: Date, page: u32) -> Result<LeadPage, Delay> {
        leads::page(self, noun, day, page).await
    }

    async fn listed(
        &self,
        kind: &str,
        day: Date,
        page: u32,
        now: Timestamp,
    ) -> Result<ListedPage, Delay> {
        self.told(now);
        if kind != offer::DEAL {
            return Err(Delay::setup(format!("calltouch has no list of `{kind}`")));
        }
        diary::listed(&self.api, &self.reader.site.zone, day, page).await
    }

    fn account(&self) -> Option<String> {
        Some(self.reader.site.id.to_string())
    }

    fn zone(&self) -> TimeZone {
        self.reader.site.zone.clone()
    }

    fn requests_per_day(&self) -> Option<u64> {
        self.requests_per_day
    }

    fn requests_today(&self, now: Timestamp) -> u64 {
        self.told(now);
        self.api.tally.today()
    }

    fn recall_requests(&self, sent: u64, now: Timestamp) {
        self.told(now);
        self.api.tally.recall(sent);
    }

    async fn complete(&self, event: &Event, now: Timestamp) -> Result<Completion, Delay> {
        self.told(now);
        complete::complete(self, event).await
    }

    async fn ask(&self, query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(format!("calltouch answers no question `{}`", query.name))
    }

    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome {
        self.told(now);
        self.deals.perform(effect).await
    }

    async fn look(&self, effect: &Effect, _since: Timestamp, now: Timestamp) -> Look {
        self.told(now);
        diary::look(&self.diary, &self.api, &self.reader.site.zone, effect).await
    }

    fn guarded(&self, effect: &Effect) -> bool {
        effect.operation == offer::DEAL_UPDATE
    }

    fn preview(&self, effect: &Effect) -> Preview {
        self.deals.preview(effect)
    }

    async fn check(&self) -> Vec<Problem> {
        check::check(self).await
    }

    async fn drift(&self, glance: &Glance<'_>) -> Result<Sight, Delay> {
        check::drift(self, glance).await
    }

    async fn probe(&self) -> Result<(), Delay> {
        check::probe(self).await
    }

    fn lists(&self) -> &'static [ListOffer] {
        &lists::LISTS
    }

    async fn list(&self, name: &str) -> Result<Listing, Delay> {
        lists::read(self, name).await
    }

    fn limit_group(&self) -> &str {
        self.api.client.limit_group()
    }

    fn pace(&self) -> f64 {
        self.pace
    }
}

#[cfg(test)]
mod tests;
