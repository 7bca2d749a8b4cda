//! The settings of a connection. Invariant: every problem of the table is reported, and secrets
//! stay wrapped.

use super::parse;
use super::sites::Site;
use crate::config::Section;
use crate::connectors::http;
use crate::connectors::settings;
use crate::diagnosis::Problem;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The main host serves every site today; node hosts are of the past.
const URL: &str = "https://api.calltouch.ru";
/// Where the account says nothing else, Calltouch's wall-clock texts are Moscow's.
const ZONE: &str = "Europe/Moscow";
const POLL_EVERY: Duration = Duration::from_secs(300);
/// Every poll costs points of a daily budget; below this it is unwise.
const UNWISE_POLL: Duration = Duration::from_secs(60);
const SHORTEST_POLL: Duration = Duration::from_secs(1);
/// The documented limit, for one address of ours.
const RATE: f64 = 5.0;
/// 365 days. The unit is inferred, and so is whether Calltouch takes as much (calltouch.md §5.2).
const SEARCH_DEPTH: u32 = 525_600;

/// `[connections.NAME]` with `connector = "calltouch"`.
pub struct Settings {
    pub options: http::Options,
    pub site: Site,
    pub token: SecretString,
    pub hook_secret: Option<SecretString>,
    pub poll_every: Duration,
    /// How far back Calltouch looks for a deal's lead, in minutes.
    pub search_depth: u32,
    /// Requests of one day that it may send, where the account has a budget.
    pub requests_per_day: Option<u64>,
    /// Names of a request's e-mail in the webhook, in place of ours.
    pub request_email_fields: Option<Vec<String>>,
    /// Names in the chat's webhook, by our field, in place of ours.
    pub chat_fields: Vec<(String, Vec<String>)>,
}

impl Settings {
    /// Reads the table; `None` where a problem makes the connection unusable. Every key is asked
    /// for in any case, so that all problems are found.
    pub fn read(name: &str, section: &mut Section) -> Option<Self> {
        let options = options(name, section);
        let site_id = site_id(section);
        let token = section.required_secret("token", "the API token of the account");
        let hook_secret = settings::hook_secret(section);
        let zone = zone(section);
        let poll_every = poll_every(section);
        let search_depth = count(section, "search_depth", "write minutes: 525600 are 365 days");
        let requests_per_day =
            count(section, "requests_per_day", "write how many, or leave it out");
        let request_email_fields = section.texts("request_email_fields");
        let chat_fields = chat_fields(section);
        if token.expose_secret().is_empty() {
            return None;
        }
        let site = Site { id: site_id?, connection: name.to_owned(), zone: zone? };
        Some(Self {
            options: options?,
            site,
            token,
            hook_secret,
            poll_every: poll_every?,
            search_depth: search_depth?.unwrap_or(SEARCH_DEPTH),
            requests_per_day: requests_per_day?.map(u64::from),
            request_email_fields,
            chat_fields,
        })
    }
}

fn options(name: &str, section: &mut Section) -> Option<http::Options> {
    let url = section.text("url").unwrap_or_else(|| URL.to_owned());
    let base = http::base_url(&url).map_err(|why| section.problem("url", Problem::error(why)));
    let rate = settings::rate(section, RATE);
    if rate.is_some_and(|rate| rate > RATE) {
        let problem = Problem::warning("Calltouch documents 5 requests a second for one address")
            .mend("write 5 or less, unless Calltouch raised the limit for you");
        section.problem("requests_per_second", problem);
    }
    let limit_group = section.text("limit_group");
    let timeout = section.duration("timeout", http::TIMEOUT);
    Some(http::Options {
        connection: name.to_owned(),
        base: base.ok()?,
        requests_per_second: rate?,
        limit_group,
        timeout,
    })
}

fn site_id(section: &mut Section) -> Option<i64> {
    let id = section.required_integer("site_id", "the id of the site (ID личного кабинета)")?;
    if id <= 0 {
        section.problem("site_id", Problem::error("a site's id is above 0"));
    }
    Some(id).filter(|id| *id > 0)
}

fn zone(section: &mut Section) -> Option<TimeZone> {
    let name = section.text("timezone").unwrap_or_else(|| ZONE.to_owned());
    match TimeZone::get(&name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let problem = Problem::error(format!("`{name}` is no time zone"))
                .mend("write a name of the tz database: \"Europe/Moscow\", \"Asia/Yekaterinburg\"");
            section.problem("timezone", problem);
            None
        }
    }
}

fn poll_every(section: &mut Section) -> Option<Duration> {
    let every = section.duration("poll_every", POLL_EVERY);
    if every < SHORTEST_POLL {
        let problem = Problem::error("polls are 1 s apart at least").mend("write \"5m\"");
        section.problem("poll_every", problem);
        return None;
    }
    if every < UNWISE_POLL {
        let problem = Problem::warning("every poll costs points of Calltouch's daily budget")
            .mend("write \"1m\" or more; webhooks bring the leads at once");
        section.problem("poll_every", problem);
    }
    Some(every)
}

/// A number above 0, where the table has one; `None` where it has another.
fn count(section: &mut Section, key: &str, mend: &str) -> Option<Option<u32>> {
    let Some(count) = section.integer(key) else { return Some(None) };
    let sound = u32::try_from(count).ok().filter(|count| *count > 0);
    if sound.is_none() {
        section.problem(key, Problem::error("the number must be above 0").mend(mend));
    }
    sound.map(Some)
}

fn chat_fields(section: &mut Section) -> Vec<(String, Vec<String>)> {
    let table = section.table_of_texts("chat_fields");
    for field in table.keys() {
        if !parse::chat_fields().any(|known| known == field) {
            let known: Vec<&str> = parse::chat_fields().collect();
            let problem = Problem::error(format!("`{field}` is no field of a chat"))
                .mend(format!("known: {}", known.join(", ")));
            section.problem("chat_fields", problem);
        }
    }
    table.into_iter().collect()
}
