//! Any chat that posts JSON and takes JSON: where things stand, and what is sent, the settings say.
//! Invariant: nothing of any one far side is known here; what is signed is believed, nothing else.

mod config;
mod keys;
mod offer;
mod reading;
mod send;
mod sign;
mod template;

pub use keys::KEYS;
pub use offer::{CONNECTOR, OFFER};

use super::http;
use super::port::{Connector, Preview, Unreadable};
use super::{door, settings};
use crate::config::Section;
use crate::diagnosis::Problem;
use crate::domain::{Answer, Delay, Effect, Event, Look, Offer, Outcome, Query, Raw};
use async_trait::async_trait;
use config::{Sending, Signature};
use http::{Body, Method, Request, Verdict};
use jiff::Timestamp;
use reading::Shape;
use secrecy::SecretString;
use std::sync::Arc;

/// One chat.
pub struct Webhook {
    client: http::Client,
    hook_secret: Option<SecretString>,
    signature: Option<Signature>,
    sign_sends: bool,
    shape: Shape,
    send: Option<Sending>,
    pace: f64,
}

/// Makes the connection of a table of settings; `None` where the problems, which stand in the
/// section, leave none.
pub fn build(
    name: &str,
    section: &mut Section,
    limits: &http::Limits,
) -> Option<Arc<dyn Connector>> {
    let settings = config::Settings::read(name, section)?;
    let pace = settings.options.requests_per_second;
    let client = settings::client(section, settings.options, limits)?;
    Some(Arc::new(Webhook {
        client,
        hook_secret: settings.hook_secret,
        signature: settings.signature,
        sign_sends: settings.sign_sends,
        shape: settings.shape,
        send: settings.send,
        pace,
    }))
}

#[async_trait]
impl Connector for Webhook {
    fn offer(&self) -> &'static Offer {
        &OFFER
    }

    fn admits(&self, secret: &str) -> bool {
        self.hook_secret.as_ref().is_some_and(|held| door::is_same(held, secret))
    }

    fn vouched(&self, headers: &[(String, String)], body: &[u8]) -> bool {
        self.signature.as_ref().is_none_or(|signature| signature.vouches(headers, body))
    }

    fn dedupe_key(&self, _content_type: &str, body: &[u8], _received: Timestamp) -> String {
        format!("hook:{}", door::digest(body))
    }

    fn parse(&self, raw: &Raw) -> Result<Vec<Event>, Unreadable> {
        reading::read(&self.shape, raw)
    }

    async fn ask(&self, query: &Query, _now: Timestamp) -> Answer {
        Answer::Refused(format!("webhook answers no question `{}`", query.name))
    }

    async fn perform(&self, effect: &Effect, now: Timestamp) -> Outcome {
        send::perform(self, effect, now).await
    }

    async fn look(&self, _effect: &Effect, _since: Timestamp, _now: Timestamp) -> Look {
        Look::Absent
    }

    fn preview(&self, effect: &Effect) -> Preview {
        send::preview(self, &effect.input)
    }

    /// Whether the key is right only a message would show.
    async fn check(&self) -> Vec<Problem> {
        match self.probe().await {
            Ok(()) => vec![],
            Err(delay) => {
                let problem =
                    Problem::error(format!("the far side does not answer: {}", delay.why));
                vec![problem.mend("is `url` right, and can this machine reach it?")]
            }
        }
    }

    /// Any answer of the root that is no trouble: a far side of which nothing is known has no other
    /// question.
    async fn probe(&self) -> Result<(), Delay> {
        let request = Request {
            method: Method::Get,
            template: "/",
            path: "/".to_owned(),
            query: vec![],
            headers: vec![],
            body: Body::Empty,
        };
        let answer = self.client.send(request).await.map_err(|failure| failure.delay())?;
        match answer.verdict() {
            Verdict::Trouble if answer.status >= 500 => {
                Err(Delay::connection(format!("it is in trouble (HTTP {})", answer.status)))
            }
            Verdict::Busy => {
                Err(Delay::item("it asks for fewer requests").after(answer.retry_after))
            }
            Verdict::Trouble | Verdict::Access | Verdict::Readable => Ok(()),
        }
    }

    fn limit_group(&self) -> &str {
        self.client.limit_group()
    }

    fn pace(&self) -> f64 {
        self.pace
    }
}

#[cfg(test)]
mod tests;
