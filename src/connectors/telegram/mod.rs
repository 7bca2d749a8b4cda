//! Telegram: what people write to a bot comes in by webhook or long poll, what is written to them goes
//! out. Invariant: hook and poll of one update give one key; the token is in no text that leaves.

mod act;
mod client;
mod config;
mod content;
mod judge;
mod keys;
mod offer;
mod pace;
mod poll;
mod setup;
mod update;
mod upload;

pub use keys::KEYS;
pub use offer::{CONNECTOR, OFFER};

use super::files::{FileRef, Files, NoFile};
use super::http::{self, FileStream};
use super::port::{Connector, Feed, Page, Poll, Preview, Unreadable};
use super::{door, settings};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use client::Api;
use config::Mode;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The header by which a delivery is known to be Telegram's.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// One bot.
pub struct Telegram {
    name: String,
    api: Api,
    /// The bot's own id.
    bot: String,
    mode: Mode,
    hook_secret: Option<SecretString>,
    secret_token: SecretString,
    public: Option<String>,
    poll_every: Duration,
    poll_wait: u64,
    /// Held while a poll is under way.
    polling: tokio::sync::Mutex<()>,
    pace: f64,
    chats: pace::Chats,
    files: Files,
}

/// Makes the connection of a table of settings; `None` where the problems, which stand in the
/// section, leave none.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
    files: &Files,
) -> Option<Arc<dyn Connector>> {
    Some(Arc::new(Telegram::build(name, section, limits, files)?))
}

impl Telegram {
    fn build(
        name: &str,
        section: &mut Section,
        limits: &http::Limits,
        files: &Files,
    ) -> Option<Self> {
        let settings = config::Settings::read(name, section)?;
        let pace = settings.options.requests_per_second;
        let client = settings::client(section, settings.options, limits)?;
        Some(Self {
            name: name.to_owned(),
            api: Api { client, token: settings.token },
            bot: settings.bot,
            mode: settings.mode,
            hook_secret: settings.hook_secret,
            secret_token: settings.secret_token,
            public: settings.public,
            poll_every: settings.poll_every,
            poll_wait: settings.poll_wait,
            polling: tokio::sync::Mutex::new(()),
            pace,
            chats: pace::Chats::new(settings.chat_pause),
            files: files.clone(),
        })
    }
}

#[async_trait]
impl Connector for Telegram {
    fn offer(&self) -> &'static Offer {
        &OFFER
    }

    fn admits(&self, secret: &str) -> bool {
        // Where updates are polled, what is still delivered is fetched too.
        let held = self.hook_secret.as_ref().filter(|_| self.mode == Mode::Webhook);
        held.is_some_and(|held| door::is_same(held, secret))
    }

    fn vouched(&self, headers: &[(String, String)], _body: &[u8]) -> bool {
        let given = headers.iter().find(|(name, _)| name == SECRET_HEADER);
        given.is_some_and(|(_, given)| door::is_same(&self.secret_token, given))
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], _received: Timestamp) -> String {
        update::dedupe_key(body)
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        update::read(&update::Reader { connection: &self.name, bot: &self.bot }, raw)
    }

    /// A press is answered in the answer to its delivery: the button stops blinking, at no cost.
    fn reply(&self, _content_type: &str, body: &[u8]) -> Option<Value> {
        let update: Value = serde_json::from_slice(body).ok()?;
        let mut reply = poll::answered(update::press(&update)?);
        reply["method"] = "answerCallbackQuery".into();
        Some(reply)
    }

    async fn open(&self, file: &FileRef) -> Result<FileStream, NoFile> {
        upload::open(self, file).await
    }

    fn feeds(&self) -> Vec<Feed> {
        match self.mode {
            Mode::Webhook => Vec::new(),
            Mode::Poll => vec![Feed { name: poll::UPDATES, every: self.poll_every }],
        }
    }

    fn waits(&self, _feed: &str) -> bool {
        true
    }

    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        if poll.feed != poll::UPDATES {
            return Err(Delay::setup(format!("telegram has no feed `{}`", poll.feed)));
        }
        poll::page(self, poll).await
    }

    fn account(&self) -> Option<String> {
        Some(self.bot.clone()).filter(|bot| !bot.is_empty())
    }

    async fn ask(&self, query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(format!("telegram answers no question `{}`", query.name))
    }

    async fn perform(&self, effect: &Effect, _now: Timestamp) -> Outcome {
        act::perform(self, effect).await
    }

    /// A bot cannot see what it wrote.
    async fn look(&self, _effect: &Effect, _since: Timestamp, _now: Timestamp) -> Look {
        Look::Absent
    }

    fn preview(&self, effect: &Effect) -> Preview {
        act::preview(effect)
    }

    async fn check(&self) -> Vec<Problem> {
        setup::check(self).await
    }

    async fn probe(&self) -> Result<(), Delay> {
        setup::probe(self).await
    }

    async fn setup(&self) -> Result<Vec<String>, Delay> {
        setup::setup(self).await
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
