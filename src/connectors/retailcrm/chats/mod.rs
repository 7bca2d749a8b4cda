//! The CRM's chats: its Message Gateway, spoken to by the Transport API (retailcrm.md 2.8, 5).
//! Invariant: address and token of the gateway are learnt from the CRM and kept in memory alone; a
//! messenger is known by its offer, never by name; trouble with the gateway is the message's own and
//! closes no gate, since the CRM's orders go on without it.

mod act;
mod bot;
mod cards;
mod channels;
mod check;
mod client;
pub mod config;
mod dialogs;
mod files;
mod module;
pub mod offer;
pub mod offer_dialogs;
mod parse;
mod post;
mod split;

pub use act::{does, preview};
pub use bot::ask;
#[cfg(test)]
pub use channels::settings as settings_for_test;
pub use check::check;
pub use dialogs::{DIALOGS, events as events_of_dialog, poll};
pub use parse::{dedupe_key, is_ours, read, reply, vouched};

use super::client::Client;
use crate::connectors::door;
use crate::connectors::files::Files;
use crate::connectors::http;
use crate::connectors::messengers::Messengers;
use crate::connectors::port::Completion;
use crate::domain::{Delay, Effect, Event, Outcome, Whose};
use channels::Numbers;
use client::Gateway;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The chats of one account.
pub struct Chats {
    pub config: config::Chats,
    connection: String,
    /// Of the CRM; tells two accounts of one configuration apart.
    url: String,
    secret: SecretString,
    crm: Client,
    limits: http::Limits,
    files: Files,
    messengers: Messengers,
    timeout: std::time::Duration,
    link: Mutex<Option<Arc<Link>>>,
    /// One learns at a time; the others wait for what it learnt.
    learning: tokio::sync::Mutex<()>,
    /// Where the files of the gateway lie, by origin.
    stores: Mutex<BTreeMap<String, http::Client>>,
}

/// What a process knows of the gateway while it runs.
struct Link {
    gateway: Gateway,
    numbers: Numbers,
    /// The Bot API, where it was asked for and let us in.
    bot: Option<Gateway>,
}

/// What the chats share with the rest of the process.
pub struct Around<'a> {
    pub connection: &'a str,
    pub url: &'a str,
    pub secret: SecretString,
    pub crm: Client,
    pub limits: &'a http::Limits,
    pub files: Files,
    pub messengers: Messengers,
    pub timeout: std::time::Duration,
}

impl Chats {
    pub fn new(config: config::Chats, around: Around<'_>) -> Self {
        Self {
            config,
            connection: around.connection.to_owned(),
            url: around.url.to_owned(),
            secret: around.secret,
            crm: around.crm,
            limits: around.limits.clone(),
            files: around.files,
            messengers: around.messengers,
            timeout: around.timeout,
            link: Mutex::default(),
            learning: tokio::sync::Mutex::default(),
            stores: Mutex::default(),
        }
    }

    /// The path of our hook: the CRM and its gateway post there.
    fn hook(&self) -> String {
        let secret = percent_encoding::utf8_percent_encode(
            self.secret.expose_secret(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("/hooks/{}/{secret}", self.connection)
    }

    /// The id that we chose for ourselves in this account: opaque, and the same at each start.
    pub fn client_id(&self) -> String {
        door::digest(format!("leadlink:{}:{}", self.url, self.connection).as_bytes())
    }

    fn held(&self) -> Option<Arc<Link>> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway, asked for from the CRM where it is not known.
    async fn link(&self) -> Result<Arc<Link>, Delay> {
        if let Some(link) = self.held() {
            return Ok(link);
        }
        let _one = self.learning.lock().await;
        if let Some(link) = self.held() {
            return Ok(link);
        }
        check::may_be(self).await?;
        let (gateway, bot) = self.doors(&module::learn(self).await?)?;
        let numbers = channels::read(&gateway).await?;
        Ok(self.keep(Link { gateway, numbers, bot }))
    }

    fn keep(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        *self.locked() = Some(Arc::clone(&link));
        link
    }

    /// What was learnt has proven wrong; a newer one stays.
    fn forget(&self, link: &Arc<Link>) {
        let mut held = self.locked();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, link)) {
            *held = None;
        }
    }

    /// The Transport API and the Bot API; the limit is one of a token, not of the host (5.1).
    fn doors(&self, access: &module::Access) -> Result<(Gateway, Option<Gateway>), Delay> {
        let transport = self.gateway(&access.transport, "X-Transport-Token", "chats")?;
        let bot = access.bot.as_ref().map(|bot| self.gateway(bot, "X-Bot-Token", "dialogs"));
        Ok((transport, bot.transpose()?))
    }

    fn gateway(
        &self,
        door: &module::Door,
        header: &'static str,
        group: &str,
    ) -> Result<Gateway, Delay> {
        let options = http::Options {
            connection: self.connection.clone(),
            base: door.endpoint.clone(),
            requests_per_second: self.config.requests_per_second,
            limit_group: Some(format!("{} {group}", self.connection)),
            timeout: self.timeout,
        };
        let http = http::Client::new(options, &self.limits)
            .map_err(|why| Delay::item(format!("the address of the CRM's chats: {why}")))?;
        Ok(Gateway::new(http, header, door.token.clone()))
    }

    /// Learns the gateway beforehand, so that the first message need not wait for it.
    ///
    /// # Errors
    /// What a person must mend before the connection may run; other trouble is that of the messages.
    pub async fn warm(&self) -> Result<(), Delay> {
        match self.link().await {
            Ok(_) => Ok(()),
            Err(delay) if delay.whose == Whose::Setup => Err(delay),
            Err(delay) => {
                tracing::warn!(connection = %self.connection, why = %delay.why, "no chats yet");
                Ok(())
            }
        }
    }

    /// Activates the module and makes the channels; one line per thing.
    ///
    /// # Errors
    /// Why it could not be done.
    pub async fn set_up(&self) -> Result<Vec<String>, Delay> {
        check::may_be(self).await?;
        let (gateway, bot) = self.doors(&module::activate(self).await?)?;
        let mut lines = vec![format!("chats: module {} activated", self.config.module)];
        let numbers = channels::set_up(self, &gateway, &mut lines).await?;
        self.keep(Link { gateway, numbers, bot });
        Ok(lines)
    }

    /// The messenger of a message whose channel nobody knew when it came in.
    ///
    /// # Errors
    /// Why it cannot be told now.
    pub async fn complete(&self, event: &Event) -> Result<Completion, Delay> {
        let number = event.fields.get("channel_id").and_then(Value::as_i64);
        let Some(number) = number else { return Ok(Completion::Never) };
        let mut link = self.link().await?;
        if link.numbers.name(number).is_none() {
            // It may be younger than what we read.
            self.forget(&link);
            link = self.link().await?;
        }
        let Some(name) = link.numbers.name(number) else { return Ok(Completion::Never) };
        let mut fuller = Event { provisional: false, ..event.clone() };
        if let Some(said) = event.fields.get("text").and_then(Value::as_str) {
            fuller.fields.insert("parts".to_owned(), self.parts(name, said).into());
        }
        fuller.fields.insert("channel".to_owned(), name.into());
        Ok(Completion::Fuller(Box::new(fuller)))
    }

    /// A text in as many as its messenger needs.
    fn parts(&self, channel: &str, said: &str) -> Vec<String> {
        let most = self.messengers.get(channel).map_or(u32::MAX, |offer| offer.text);
        split::in_units(said, usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// The name of a channel, as far as it is known now.
    fn name_of(&self, number: i64) -> Option<String> {
        self.held().and_then(|link| link.numbers.name(number).map(str::to_owned))
    }

    /// What a flow may ask of a channel; it is all in the configuration.
    pub fn channel(&self, name: &str) -> Value {
        let Some(channel) = self.config.channels.get(name) else { return Value::Null };
        json!({
            "id": name,
            "site": channel.site,
            "name": channel.name,
            "type": self.kind(name),
            "order_method": channel.order_method,
            "order_type": channel.order_type,
        })
    }

    /// The kind of a channel: as configured, else what its messenger says.
    fn kind(&self, name: &str) -> Option<String> {
        let configured = self.config.channels.get(name)?.kind.clone();
        configured.or_else(|| Some(self.messengers.get(name)?.kind.to_owned()))
    }

    /// Are the people of this messenger known by their phones?
    fn by_phone(&self, name: &str) -> bool {
        self.messengers.get(name).is_some_and(|offer| offer.by_phone)
    }

    pub async fn perform(&self, effect: &Effect) -> Outcome {
        match effect.operation.starts_with("dialog.") {
            true => bot::perform(self, effect).await,
            false => act::perform(self, effect).await,
        }
    }

    /// The Bot API.
    fn bot<'a>(&self, link: &'a Link) -> Result<&'a Gateway, Delay> {
        link.bot.as_ref().ok_or_else(|| {
            let why = "does not let the module at the dialogs of its chats";
            Delay::item(format!("the CRM {why}: run `leadlink setup`, or write dialogs = false"))
        })
    }

    /// Opens a file of a message.
    ///
    /// # Errors
    /// Why there is none, or none now.
    pub async fn open(
        &self,
        file: &crate::connectors::files::FileRef,
    ) -> Result<http::FileStream, crate::connectors::files::NoFile> {
        files::open(self, file).await
    }

    /// As if these channels had been read from a gateway.
    #[cfg(test)]
    pub fn know_for_test(&self, known: &[(&str, i64)]) {
        let (endpoint, token) = ("https://mg.example.test".to_owned(), "token".into());
        let access = module::Access { transport: module::Door { endpoint, token }, bot: None };
        if let Ok((gateway, bot)) = self.doors(&access) {
            self.keep(Link { gateway, numbers: Numbers::of(known), bot });
        }
    }
}
