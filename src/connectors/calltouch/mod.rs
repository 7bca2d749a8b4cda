//! Calltouch: calls, requests and chats come by webhook, calls and requests by journal too.
//! Invariant: hook and journal of one lead give one key; nothing is ever written over there.

mod check;
mod client;
mod complete;
mod config;
mod deal;
mod fields;
mod hook;
mod journal;
mod keys;
mod lists;
mod offer;
mod parse;
mod poll;
mod sites;
mod wire;

pub use keys::KEYS;
pub use offer::{CONNECTOR, OFFER};
pub use sites::Sites;

use super::http;
use super::port::{
    Completion, Connector, Feed, Glance, ListOffer, Listing, Page, Poll, Preview, Sight, Unreadable,
};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use client::Journals;
use deal::Manner;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parse::Names;
use poll::Cursor;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sites::Site;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// One site of one Calltouch account.
pub struct Calltouch {
    reader: Reader,
    journals: Journals,
    hook_secret: Option<SecretString>,
    poll_every: Duration,
    pace: f64,
    search_depth: u32,
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
        let client = match http::Client::new(settings.options, limits) {
            Ok(client) => client,
            Err(why) => {
                let key = if why.contains("time-out") { "timeout" } else { "url" };
                section.problem(key, Problem::error(why));
                return None;
            }
        };
        if let Err(other) = sites.enter(settings.site.clone()) {
            let title = format!("the site is connected already, as `{other}`");
            let mend = "one site is one connection; bind it to several roles instead";
            section.problem("site_id", Problem::error(title).mend(mend));
            return None;
        }
        let names = Names::new(settings.request_email_fields.as_deref(), &settings.chat_fields);
        Some(Self {
            journals: Journals { client, site_id: settings.site.id, token: settings.token },
            reader: Reader { site: settings.site, sites: sites.clone(), names },
            hook_secret: settings.hook_secret,
            poll_every: settings.poll_every,
            pace,
            search_depth: settings.search_depth,
            requests_per_day: settings.requests_per_day,
        })
    }

    /// What the settings say of deals.
    fn manner(&self) -> Manner {
        Manner { zone: self.reader.site.zone.clone(), depth: self.search_depth }
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
        // Digests have one length, so that comparing takes one time.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        self.hook_secret.as_ref().is_some_and(|held| {
            digest(held.expose_secret()).as_slice().ct_eq(digest(secret).as_slice()).into()
        })
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
        let zone = &self.reader.site.zone;
        let cursor = Cursor::read(poll.cursor, poll.first_start, zone);
        let place = cursor.place(poll.now, zone);
        let read = match poll.feed {
            journal::CALLS => {
                self.journals.calls((place.day, place.day), place.page, client::LIMIT).await?
            }
            journal::REQUESTS => self.journals.requests(place.day).await?,
            other => return Err(Delay::setup(format!("calltouch has no feed `{other}`"))),
        };
        let rows = read
            .records
            .iter()
            .filter_map(|record| journal::row(record, poll.feed, &self.reader.site, poll.now))
            .collect();
        let next = cursor.advanced(place, read.more, poll.now, zone);
        Ok(Page { rows, cursor: Some(next.store()), more: next.under_way(), covered: None })
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

    async fn complete(&self, event: &Event, _now: Timestamp) -> Result<Completion, Delay> {
        complete::complete(self, event).await
    }

    async fn ask(&self, query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(format!("calltouch answers no question `{}`", query.name))
    }

    async fn perform(&self, effect: &Effect, _now: Timestamp) -> Outcome {
        Outcome::Refused(no_operation(effect))
    }

    async fn look(&self, _effect: &Effect, _since: Timestamp, _now: Timestamp) -> Look {
        Look::Absent
    }

    fn preview(&self, effect: &Effect) -> Preview {
        deal::preview(effect, &self.manner())
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
        self.journals.client.limit_group()
    }

    fn pace(&self) -> f64 {
        self.pace
    }
}

fn no_operation(effect: &Effect) -> String {
    format!("calltouch performs no operation `{}`", effect.operation)
}

#[cfg(test)]
mod tests;
