//! The settings of a block. Invariant: every problem of the table and of the template is reported, and
//! the secret stays wrapped.

use super::template::{self, Template};
use super::words::{self, Words};
use crate::config::Section;
use crate::diagnosis::{Problem, Source};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Within which time a page is answered, and the longest that may be set (UD-12); the far side itself
/// waits for 60 s.
const TIMEOUT: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(20);
const ORDERS: u32 = 10;
const MOST_ORDERS: i64 = 100;
const SHORT_SECRET: usize = 16;

/// `[connections.NAME]` with `connector = "usedesk"`.
pub struct Settings {
    pub crm: String,
    pub enabled: bool,
    pub secret: SecretString,
    pub accept_api_key: bool,
    pub subdomain: Option<String>,
    pub title: Option<String>,
    pub orders: u32,
    pub timeout: Duration,
    pub words: &'static Words,
    pub template: Template,
}

impl Settings {
    /// Reads the table; `None` where a problem makes the block unusable. Every key is asked for in any
    /// case, so that all problems are found.
    pub fn read(section: &mut Section) -> Option<Self> {
        let crm = section.required_text("crm", "the connection whose customers it shows");
        let accept_api_key = section.flag("accept_api_key", false);
        let secret = secret(section);
        let enabled = section.flag("enabled", true);
        let subdomain = subdomain(section);
        let title = section.text("title");
        let orders = orders(section);
        let timeout = timeout(section);
        let words = words::of(&section.choice("language", words::LANGUAGES, words::LANGUAGES[0]));
        let template = template(section, words);
        let usable = !crm.is_empty() && !secret.expose_secret().is_empty();
        Some(Self {
            crm,
            enabled,
            secret,
            accept_api_key,
            subdomain,
            title,
            orders,
            timeout,
            words,
            template: template.filter(|_| usable)?,
        })
    }
}

fn secret(section: &mut Section) -> SecretString {
    let secret = section.required_secret("secret", "the block's secret key over there");
    let length = secret.expose_secret().chars().count();
    if (1..SHORT_SECRET).contains(&length) {
        let problem =
            Problem::warning("a short secret can be guessed, and it is all that guards the block");
        let mend = format!("write {SHORT_SECRET} random characters or more");
        section.problem("secret", problem.mend(mend));
    }
    secret
}

fn subdomain(section: &mut Section) -> Option<String> {
    let name = section.text("subdomain")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.chars().all(plain) {
        return Some(name);
    }
    let problem = Problem::error(format!("`{name}` is no name of an account"));
    let mend = "write it like `company` of company.retailcrm.ru: a-z, 0-9 and -";
    section.problem("subdomain", problem.mend(mend));
    None
}

fn orders(section: &mut Section) -> u32 {
    let Some(orders) = section.integer("orders") else { return ORDERS };
    match u32::try_from(orders) {
        Ok(count) if (1..=MOST_ORDERS).contains(&orders) => count,
        _ => {
            let problem = Problem::error(format!("must be 1 to {MOST_ORDERS}"));
            section.problem("orders", problem.mend(format!("write {ORDERS}")));
            ORDERS
        }
    }
}

fn timeout(section: &mut Section) -> Duration {
    let timeout = section.duration("timeout", TIMEOUT);
    if !timeout.is_zero() && timeout <= LONGEST {
        return timeout;
    }
    let problem = Problem::error("must be above 0 and at most 20 s: an agent waits for it");
    section.problem("timeout", problem.mend("write \"3s\""));
    TIMEOUT
}

/// The shipped one, or that of the file; `None` where it is broken.
fn template(section: &mut Section, words: &'static Words) -> Option<Template> {
    let Some(path) = section.text("template") else {
        return Template::read(template::SHIPPED).ok();
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let problem = Problem::error(format!("`{path}` cannot be read: {error}"));
            section.problem("template", problem.mend("write the path of the template's file"));
            return None;
        }
    };
    let source = Source::new(&path, &text);
    let checked = Template::read(&text).and_then(|template| match template.fault(words) {
        Some(fault) => Err(fault),
        None => Ok(template),
    });
    checked.map_err(|fault| section.problem("template", template::problem(&source, &fault))).ok()
}
