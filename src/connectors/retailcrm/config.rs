//! `[connections.NAME]` with `connector = "retailcrm"`. Invariant: what is not confirmed about the
//! CRM is a setting here; the secrets are in no `Debug`.

use super::chats;
use crate::config::Section;
use crate::connectors::http;
use crate::connectors::settings;
use crate::diagnosis::Problem;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Documented limit of one key for ordinary routes (retailcrm.md 1.6).
const DOCUMENTED_RATE: f64 = 10.0;
const POLL_EVERY: Duration = Duration::from_secs(60);
/// Characters below which a secret is guessed too easily.
const SHORT_SECRET: usize = 16;
/// How the search of customers is asked for one number; the CRM keeps what was typed.
const SPELLINGS: [&str; 4] = ["{national}", "{digits}", "+{digits}", "8{national}"];

/// The settings of one account.
#[derive(Debug)]
pub struct Config {
    pub name: String,
    /// Without a trailing slash.
    pub url: String,
    pub api_key: SecretString,
    /// Store of new customers and orders; else the CRM's first.
    pub site: Option<String>,
    /// Status of new orders; else the CRM's first.
    pub status: Option<String>,
    pub order_method: Option<String>,
    pub order_type: Option<String>,
    pub hook_secret: Option<SecretString>,
    pub requests_per_second: f64,
    pub limit_group: Option<String>,
    /// Do orders that we create carry `externalId`?
    pub external_ids: bool,
    /// Patterns with `{national}` and `{digits}`.
    pub phone_spellings: Vec<String>,
    pub timeout: Duration,
    /// How often the history of orders is read.
    pub poll_every: Duration,
    /// Zone of the account; `None`: the CRM's settings say it.
    pub timezone: Option<TimeZone>,
    /// Where our hooks are reached from outside.
    pub public: Option<String>,
    /// `None`: no messenger is attached.
    pub chats: Option<chats::config::Chats>,
}

impl Config {
    /// Reads the table; problems stay in the section. `None`: they leave nothing to work with.
    pub fn read(name: &str, section: &mut Section) -> Option<Self> {
        let url = url(section);
        let api_key =
            section.required_secret("api_key", "the key of Settings, Integration, API access keys");
        warn_short(section, "api_key", &api_key);
        let hook_secret = section.secret("hook_secret");
        if let Some(secret) = &hook_secret {
            warn_short(section, "hook_secret", secret);
        }
        let rate = rate(section);
        let chats = chats::config::read(name, section, hook_secret.as_ref());
        let config = Self {
            name: name.to_owned(),
            url: url.clone().unwrap_or_default(),
            site: section.text("site"),
            status: section.text("status"),
            order_method: section.text("order_method"),
            order_type: section.text("order_type"),
            limit_group: section.text("limit_group"),
            external_ids: section.flag("external_ids", true),
            phone_spellings: spellings(section),
            timeout: timeout(section),
            poll_every: poll_every(section),
            timezone: timezone(section),
            requests_per_second: rate.unwrap_or(DOCUMENTED_RATE),
            public: section.text("public").map(|url| url.trim_end_matches('/').to_owned()),
            hook_secret,
            api_key,
            chats,
        };
        let sound = url.is_some() && rate.is_some() && !config.api_key.expose_secret().is_empty();
        sound.then_some(config)
    }

    /// What the client of this account is made of.
    pub fn options(&self) -> http::Options {
        http::Options {
            connection: self.name.clone(),
            base: self.url.clone(),
            requests_per_second: self.requests_per_second,
            limit_group: self.limit_group.clone(),
            timeout: self.timeout,
        }
    }
}

fn url(section: &mut Section) -> Option<String> {
    let text = section.required_text("url", "the address of the account");
    if text.is_empty() {
        return None;
    }
    match http::base_url(&text) {
        Ok(url) if url.ends_with("/api/v5") || url.ends_with("/api") => {
            let problem = Problem::error("holds a path of the API");
            section.problem("url", problem.mend("write it without `/api/v5`"));
            None
        }
        Ok(url) => Some(url),
        Err(why) => {
            let mend = "write it like `https://shop.retailcrm.ru`";
            section.problem("url", Problem::error(why).mend(mend));
            None
        }
    }
}

fn rate(section: &mut Section) -> Option<f64> {
    let rate = settings::rate(section, DOCUMENTED_RATE)?;
    if rate > DOCUMENTED_RATE {
        let problem = Problem::warning("is above the CRM's limit of 10 requests per second");
        section.problem(
            "requests_per_second",
            problem.mend("write 10, unless this account has a limit of its own"),
        );
    }
    Some(rate)
}

fn poll_every(section: &mut Section) -> Duration {
    let every = section.duration("poll_every", POLL_EVERY);
    if every >= Duration::from_secs(1) {
        return every;
    }
    let problem = Problem::error("must be 1 s or more").mend("write \"60s\"");
    section.problem("poll_every", problem);
    POLL_EVERY
}

fn timeout(section: &mut Section) -> Duration {
    let timeout = section.duration("timeout", http::TIMEOUT);
    if timeout.is_zero() || timeout > Duration::from_secs(14) {
        let problem = Problem::error("must be above 0 and at most 14 s");
        section.problem("timeout", problem.mend("write \"10s\""));
        return http::TIMEOUT;
    }
    timeout
}

fn spellings(section: &mut Section) -> Vec<String> {
    let Some(patterns) = section.texts("phone_spellings") else {
        return SPELLINGS.iter().map(|pattern| (*pattern).to_owned()).collect();
    };
    for pattern in &patterns {
        if !pattern.contains("{national}") && !pattern.contains("{digits}") {
            let problem = Problem::error(format!("`{pattern}` has no place for the number"));
            section.problem("phone_spellings", problem.mend("write {national} or {digits} in it"));
        }
    }
    if patterns.is_empty() {
        let problem = Problem::error("is empty: no customer would be found by phone");
        section.problem("phone_spellings", problem.mend("leave it out, or write [\"{national}\"]"));
    }
    patterns
}

fn timezone(section: &mut Section) -> Option<TimeZone> {
    let name = section.text("timezone")?;
    let zone = TimeZone::get(&name).ok();
    if zone.is_none() {
        let problem = Problem::error(format!("`{name}` is no time zone"));
        section.problem("timezone", problem.mend("write it like \"Europe/Moscow\""));
    }
    zone
}

fn warn_short(section: &mut Section, key: &str, secret: &SecretString) {
    let length = secret.expose_secret().chars().count();
    if (1..SHORT_SECRET).contains(&length) {
        let problem = Problem::warning(format!("is shorter than {SHORT_SECRET} characters"));
        section.problem(key, problem.mend("use a long random one"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Severity;

    const SOUND: &str = r#"
url = "https://shop.retailcrm.ru/"
api_key = "0123456789abcdef0123456789abcdef"
"#;

    fn read(text: &str) -> (Option<Config>, Vec<Problem>) {
        let mut section = Section::from_toml("shop", text);
        let config = Config::read("shop", &mut section);
        (config, section.finish())
    }

    #[test]
    fn two_keys_are_enough() {
        let (config, problems) = read(SOUND);
        let config = config.unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.url, "https://shop.retailcrm.ru");
        assert!(config.external_ids);
        assert_eq!(config.phone_spellings, SPELLINGS);
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let (config, problems) = read(
            r#"
url = "http://shop.retailcrm.ru"
api_key = "short"
requests_per_second = 20
poll_every = "10ms"
timeout = "20s"
timezone = "Europe/Atlantis"
phone_spellings = ["{nation}"]
sitee = "main"
"#,
        );
        assert!(config.is_none());
        let count = |severity| problems.iter().filter(|found| found.severity == severity).count();
        assert_eq!(count(Severity::Error), 6, "{problems:#?}");
        assert_eq!(count(Severity::Warning), 2, "{problems:#?}");
        assert!(problems.iter().any(|found| found.mend.contains("`site`")), "{problems:#?}");
        assert!(!format!("{problems:?}").contains("\"short\""));
    }

    #[test]
    fn an_account_without_a_key_or_rate_is_no_account() {
        assert!(read("url = \"https://shop.retailcrm.ru\"").0.is_none());
        assert!(read(&format!("{SOUND}requests_per_second = 0")).0.is_none());
        assert!(read(&format!("{SOUND}url2 = 1")).0.is_some());
    }
}
