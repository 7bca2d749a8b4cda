//! ChatAPI and its successors (chat-api.com, 1msg.io): WhatsApp behind a gateway. Invariant: a message
//! is one event however it came, and one request at most goes out for one of ours.

mod api;
mod check;
mod config;
mod hook;
mod judge;
mod keys;
mod look;
mod media;
mod message;
mod offer;
mod poll;
mod send;
mod standing;
mod wire;

pub use keys::KEYS;

use super::files::{FileRef, Files, NoFile};
use super::http::{self, FileStream};
use super::port::{Connector, Feed, Page, Poll, Preview, Unreadable};
use super::{door, settings};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use api::Api;
use async_trait::async_trait;
use config::{Profile, Settings};
use jiff::Timestamp;
use media::Media;
use secrecy::SecretString;
use standing::{Given, Standing};
use std::sync::Arc;
use std::time::Duration;

/// One instance: one WhatsApp number.
pub struct ChatApi {
    connection: String,
    instance: String,
    profile: Profile,
    api: Api,
    standing: Standing,
    given: Given,
    numbers: poll::Numbers,
    media: Media,
    files: Files,
    hook_secret: Option<SecretString>,
    public: Option<String>,
    poll_every: Duration,
    pace: f64,
}

/// Makes the connection of a table of settings; `None` where the problems, which stand in the
/// section, leave none.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
    files: &Files,
) -> Option<Arc<dyn Connector>> {
    Some(Arc::new(ChatApi::build(name, section, limits, files)?))
}

impl ChatApi {
    fn build(
        name: &str,
        section: &mut Section,
        limits: &http::Limits,
        files: &Files,
    ) -> Option<Self> {
        let settings = Settings::read(name, section)?;
        let pace = settings.options.requests_per_second;
        let client = settings::client(section, settings.options, limits)?;
        Some(Self {
            media: Media::new(name, settings.local, limits),
            connection: settings.connection,
            instance: settings.instance,
            profile: settings.profile,
            api: Api { client, token: settings.token },
            standing: Standing::default(),
            given: Given::default(),
            numbers: poll::Numbers::default(),
            files: files.clone(),
            hook_secret: settings.hook_secret,
            public: settings.public,
            poll_every: settings.poll_every,
            pace,
        })
    }
}

#[async_trait]
impl Connector for ChatApi {
    fn offer(&self) -> &'static Offer {
        offer::of(self.profile)
    }

    fn admits(&self, secret: &str) -> bool {
        self.hook_secret.as_ref().is_some_and(|held| door::is_same(held, secret))
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], _received: Timestamp) -> String {
        hook::dedupe_key(body)
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        hook::read(raw, &self.connection, &self.instance)
    }

    async fn open(&self, file: &FileRef) -> Result<FileStream, NoFile> {
        media::open(self, file).await
    }

    fn feeds(&self) -> Vec<Feed> {
        vec![Feed { name: hook::MESSAGES, every: self.poll_every }]
    }

    async fn poll(&self, poll: &Poll<'_>) -> Result<Page, Delay> {
        poll::poll(self, poll).await
    }

    /// The number of a message is all that tells of a lost hook.
    fn wakes(&self, raw: &Raw) -> Option<&'static str> {
        poll::is_missing_one(&self.numbers, raw).then_some(hook::MESSAGES)
    }

    fn account(&self) -> Option<String> {
        Some(self.instance.clone())
    }

    async fn ask(&self, query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(format!("the gateway answers no question `{}`", query.name))
    }

    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome {
        send::perform(self, effect, now).await
    }

    async fn look(&self, effect: &Effect, since: Timestamp, _now: Timestamp) -> Look {
        look::look(self, effect, since).await
    }

    fn looks(&self, effect: &Effect) -> bool {
        look::looks(effect)
    }

    fn preview(&self, effect: &Effect) -> Preview {
        send::preview(effect)
    }

    async fn check(&self) -> Vec<Problem> {
        check::check(self).await
    }

    async fn probe(&self) -> Result<(), Delay> {
        standing::ask(&self.api, true).await
    }

    async fn setup(&self) -> Result<Vec<String>, Delay> {
        check::set_up(self).await
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
