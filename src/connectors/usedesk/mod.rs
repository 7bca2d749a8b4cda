//! Usedesk: a dynamic block in a ticket that shows the customer and their orders. Invariant: nothing of a
//! request is kept; every value of the CRM is escaped; what cannot be shown is said in a short notice.

mod config;
mod keys;
mod request;
mod template;
mod view;
mod words;

pub use keys::KEYS;

use super::block::{Block, Search, Seen, Wish};
use super::door;
use super::port::{Connector, Preview, Trigger, Unreadable, YOUR_HOST};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use config::Settings;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub static OFFER: Offer =
    Offer { connector: SIDE, events: &[], queries: &[], operations: &[], messenger: None };

/// What is never asked here, said to who asks it all the same.
/// The word in addresses of blocks.
const SIDE: &str = "usedesk";
const NOTHING: &str = "a block in tickets does nothing by itself";

/// One block.
struct Usedesk {
    name: String,
    settings: Settings,
}

/// Makes the connection of a table of settings; `None` where the problems, which stand in the
/// section, leave none.
pub fn build(name: &str, section: &mut Section) -> Option<Arc<dyn Connector>> {
    let settings = Settings::read(section)?;
    Some(Arc::new(Usedesk { name: name.to_owned(), settings }))
}

impl Usedesk {
    /// The secret of the block, or with `accept_api_key` the key of the CRM.
    fn is_known(&self, given: &str, source: &dyn Connector) -> bool {
        let own = self.admits(given);
        own || (self.settings.accept_api_key && source.is_key(given))
    }

    /// UD-4: the account that the block is set up for says its name.
    fn is_of(&self, subdomain: &str, source: &dyn Connector) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let name = self.settings.subdomain.as_deref().or_else(|| account(source.home()?));
        !subdomain.is_empty() && subdomain.chars().all(plain) && name == Some(subdomain)
    }

    fn found(&self, asked: &request::Asked) -> Wish {
        let (phones, emails) = asked.contacts();
        if phones.is_empty() && emails.is_empty() {
            return Wish::Told(if asked.sound { Seen::NoContacts } else { Seen::Unreadable });
        }
        Wish::Search(Search { phones, emails, orders: self.settings.orders })
    }
}

/// The name of an account: `company` of `https://company.retailcrm.ru`.
fn account(home: &str) -> Option<&str> {
    home.split("://").nth(1)?.split(['.', ':', '/']).next()
}

impl Block for Usedesk {
    fn side(&self) -> &'static str {
        SIDE
    }

    fn source(&self) -> &str {
        &self.settings.crm
    }

    fn patience(&self) -> Duration {
        self.settings.timeout
    }

    fn read(&self, _content_type: &str, body: &[u8], source: &dyn Connector) -> Wish {
        let Some(asked) = request::read(body) else { return Wish::Stranger };
        if !asked.secret.as_deref().is_some_and(|given| self.is_known(given, source)) {
            return Wish::Stranger;
        }
        if !self.settings.enabled {
            return Wish::Told(Seen::Off);
        }
        if !asked.subdomain.as_deref().is_some_and(|name| self.is_of(name, source)) {
            return Wish::Told(Seen::Elsewhere);
        }
        self.found(&asked)
    }

    fn show(&self, seen: &Seen, source: &dyn Connector) -> Value {
        let view = view::of(seen, &self.settings, &source.zone());
        let html = match (seen, self.settings.template.render(&view)) {
            (Seen::Off, _) => String::new(),
            (_, Ok(html)) => html,
            (_, Err(error)) => {
                let why = template::told(&error);
                tracing::error!(connection = self.name, why, "the block's template failed");
                template::plain(self.settings.words.failed)
            }
        };
        json!({ "html": html })
    }
}

#[async_trait]
impl Connector for Usedesk {
    fn offer(&self) -> &'static Offer {
        &OFFER
    }

    fn block(&self) -> Option<&dyn Block> {
        Some(self)
    }

    fn admits(&self, secret: &str) -> bool {
        door::is_same(&self.settings.secret, secret)
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], _received: Timestamp) -> String {
        format!("block:{}", door::digest(body))
    }

    fn parse(&self, _raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        Err(Unreadable("what a ticket asks for its block is answered, never kept".to_owned()))
    }

    fn trigger(&self, public: Option<&str>) -> Result<Trigger, String> {
        Ok(entered(self, public))
    }

    async fn ask(&self, _query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(NOTHING.to_owned())
    }

    async fn perform(&self, _effect: &Effect, _now: Timestamp) -> Outcome {
        Outcome::Refused(NOTHING.to_owned())
    }

    async fn look(&self, _effect: &Effect, _since: Timestamp, _now: Timestamp) -> Look {
        Look::Absent
    }

    fn preview(&self, _effect: &Effect) -> Preview {
        let fields = vec![("not sent".to_owned(), NOTHING.to_owned())];
        Preview { method: "POST", path: String::new(), fields }
    }

    /// We ask it nothing: the settings are all there is, and they were checked when they were read.
    async fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    async fn probe(&self) -> Result<(), Delay> {
        Ok(())
    }

    fn limit_group(&self) -> &str {
        &self.name
    }

    fn pace(&self) -> f64 {
        1.0
    }
}

/// What is entered in the help desk, in the words of its page.
fn entered(block: &Usedesk, public: Option<&str>) -> Trigger {
    let (name, secret) = (&block.name, &block.settings.secret);
    let public = public.unwrap_or(YOUR_HOST);
    let title = block.settings.title.clone().unwrap_or_else(|| "RetailCRM".to_owned());
    let subdomain = block.settings.subdomain.as_deref();
    let subdomain = subdomain.unwrap_or("the account's name: `company` of company.retailcrm.ru");
    Trigger {
        side: "Usedesk",
        secret: "The secret key opens the block: who knows it can ask whose phone is whose.",
        place: "Settings, Blocks, Add a dynamic block (Настройки → Блоки → Добавить динамический \
                блок; Configurações → Blocos)",
        entries: vec![
            ("Name (Название)", name.clone()),
            ("Title (Заголовок)", title),
            ("URL", format!("{public}/blocks/{SIDE}/{name}")),
            ("Secret key (Секретный ключ)", secret.expose_secret().to_owned()),
            ("Parameters (POST), key", "subdomain".to_owned()),
            ("Parameters (POST), value", subdomain.to_owned()),
            ("Parameters (POST), encode", "no".to_owned()),
            ("Enabled (Включён)", "yes".to_owned()),
        ],
        event: None,
        try_it: "open a ticket of somebody who has an order; the block stands on its right",
    }
}

#[cfg(test)]
mod tests;
