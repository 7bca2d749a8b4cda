//! The settings of a connection. Invariant: every problem of the table is reported, and secrets
//! stay wrapped.

use crate::config::Section;
use crate::connectors::http;
use crate::connectors::settings;
use crate::diagnosis::Problem;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The gateway paces by itself; bans follow from haste (messengers.md §1.2, §8.7).
const RATE: f64 = 1.0;
const POLL_EVERY: Duration = Duration::from_secs(60);
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// Whose gateway it is: they speak one wire, but not one set of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// chat-api.com and its likes: a phone that the gateway drives.
    ChatApi,
    /// 1msg.io: WhatsApp's business interface behind the same wire.
    OneMsg,
}

/// `[connections.NAME]` with `connector = "chatapi"`.
pub struct Settings {
    pub options: http::Options,
    pub connection: String,
    pub instance: String,
    pub token: SecretString,
    pub hook_secret: Option<SecretString>,
    pub profile: Profile,
    pub poll_every: Duration,
    /// Where our doors are reached from outside, without a trailing slash.
    pub public: Option<String>,
    /// The gateway is on this machine, and so may its files be.
    pub local: bool,
}

impl Settings {
    /// Reads the table; `None` where a problem makes the connection unusable. Every key is asked
    /// for in any case, so that all problems are found.
    pub fn read(name: &str, section: &mut Section) -> Option<Self> {
        let profile = profile(section);
        let url = url(section);
        let instance = instance(section);
        let token = section.required_secret("token", "the token of the instance");
        let hook_secret = settings::hook_secret(section);
        let rate = settings::rate(section, RATE);
        let poll_every = poll_every(section);
        let public = public(section);
        let limit_group = section.text("limit_group");
        let timeout = section.duration("timeout", http::TIMEOUT);
        let (url, instance) = (url?, instance?);
        if token.expose_secret().is_empty() {
            return None;
        }
        let base = base(&url, &instance, profile);
        let options = http::Options {
            connection: name.to_owned(),
            // Every instance has a pace of its own, whatever host serves it.
            limit_group: Some(limit_group.unwrap_or_else(|| base.clone())),
            base,
            requests_per_second: rate?,
            timeout,
        };
        Some(Self {
            local: url.starts_with("http://"),
            options,
            connection: name.to_owned(),
            instance,
            token,
            hook_secret,
            profile,
            poll_every: poll_every?,
            public: public?,
        })
    }
}

/// The root of all methods. The address may be written with the instance, as the account shows it.
fn base(url: &str, instance: &str, profile: Profile) -> String {
    let part = match profile {
        Profile::ChatApi => format!("/instance{instance}"),
        Profile::OneMsg => format!("/{instance}"),
    };
    if url.ends_with(&part) { url.to_owned() } else { format!("{url}{part}") }
}

fn profile(section: &mut Section) -> Profile {
    match section.choice("profile", &["chatapi", "1msg"], "chatapi").as_str() {
        "1msg" => Profile::OneMsg,
        _ => Profile::ChatApi,
    }
}

fn url(section: &mut Section) -> Option<String> {
    let text = section.required_text("url", "the address that the gateway's account shows");
    if text.is_empty() {
        return None;
    }
    http::base_url(&text).map_err(|why| section.problem("url", Problem::error(why))).ok()
}

fn instance(section: &mut Section) -> Option<String> {
    let text = section.required_text("instance", "the id of the instance");
    let plain = text.strip_prefix("instance").unwrap_or(&text).to_owned();
    if plain.is_empty() {
        return None;
    }
    if !plain.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)) {
        let problem = Problem::error("this is no id of an instance");
        section.problem("instance", problem.mend("write it like \"123456\""));
        return None;
    }
    Some(plain)
}

fn poll_every(section: &mut Section) -> Option<Duration> {
    let every = section.duration("poll_every", POLL_EVERY);
    if every < SHORTEST_POLL {
        let problem = Problem::error("polls are 1 s apart at least").mend("write \"60s\"");
        section.problem("poll_every", problem);
        return None;
    }
    Some(every)
}

/// The address where there is one; `None` where it has a wrong one.
fn public(section: &mut Section) -> Option<Option<String>> {
    let Some(text) = section.text("public") else { return Some(None) };
    match http::base_url(&text) {
        Ok(url) => Some(Some(url)),
        Err(why) => {
            section.problem("public", Problem::error(why));
            None
        }
    }
}
