//! The gateway's APIs: requests with the token, answers judged. Invariant: success is a
//! status below 300; what a broken answer may have done is said; no text holds the token.

use crate::connectors::http::{self, Body, Method, Request, Response, Sent, Verdict};
use crate::connectors::retailcrm::client::masked;
use crate::domain::Delay;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub const CHANNELS: &str = "/api/transport/v1/channels";
pub const CHANNEL: &str = "/api/transport/v1/channels/{id}";
pub const MESSAGES: &str = "/api/transport/v1/messages";
pub const ACK: &str = "/api/transport/v1/messages/ack";
pub const READ: &str = "/api/transport/v1/messages/read";
pub const UPLOAD: &str = "/api/transport/v1/files/upload";
pub const FILE: &str = "/api/transport/v1/files/{id}";

/// A client of the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    http: http::Client,
    header: &'static str,
    token: SecretString,
}

/// What an answer means, whatever was asked.
#[derive(Debug, PartialEq)]
pub enum Judged {
    Success(Value),
    /// The gateway does not know us any more: the token changed, or the module was switched off.
    Stranger(u16),
    /// The request itself is refused, and will be again: status and words.
    Refused(u16, String),
    Later {
        delay: Delay,
        may_have: Sent,
    },
}

impl Gateway {
    pub fn new(http: http::Client, header: &'static str, token: SecretString) -> Self {
        Self { http, header, token }
    }

    pub fn request(&self, method: Method, template: &'static str, path: String) -> Request {
        Request {
            method,
            template,
            path,
            query: Vec::new(),
            headers: vec![(self.header, self.token.clone())],
            body: Body::Empty,
        }
    }

    /// Sends a request without parameters in its path.
    pub async fn send(&self, method: Method, path: &'static str, body: Value) -> Judged {
        self.send_to(method, path, path.to_owned(), body).await
    }

    pub async fn send_to(
        &self,
        method: Method,
        template: &'static str,
        path: String,
        body: Value,
    ) -> Judged {
        let request = self.request(method, template, path);
        self.asked(Request { body: Body::Json(body), ..request }).await
    }

    pub async fn asked(&self, request: Request) -> Judged {
        self.judged(self.http.send(request).await)
    }

    pub async fn uploaded(&self, file: http::FileStream) -> Judged {
        let request = self.request(Method::Post, UPLOAD, UPLOAD.to_owned());
        self.judged(self.http.upload(request, http::Upload::Raw, file).await)
    }

    fn judged(&self, answer: Result<Response, http::Failure>) -> Judged {
        let judged = match answer {
            Ok(response) => judge(&response),
            Err(failure) => {
                let why = format!("the CRM's chats: {}", failure.why);
                Judged::Later { delay: Delay::item(why), may_have: failure.sent }
            }
        };
        match judged {
            Judged::Refused(status, said) => {
                Judged::Refused(status, said.replace(self.token.expose_secret(), "…"))
            }
            other => other,
        }
    }
}

/// Judges an answer. Refusals are `{"errors": ["…"]}`; only the first is of use (5.1).
pub fn judge(response: &Response) -> Judged {
    let status = response.status;
    let later = |why: String, may_have| Judged::Later {
        delay: Delay::item(why).after(response.retry_after),
        may_have,
    };
    match (response.verdict(), status) {
        (Verdict::Access, _) => Judged::Stranger(status),
        (Verdict::Busy, 429) => later("the CRM's chats ask for fewer requests".into(), Sent::No),
        (Verdict::Busy | Verdict::Trouble, _) => {
            later(format!("the CRM's chats are in trouble (HTTP {status})"), Sent::Maybe)
        }
        (Verdict::Readable, 200..=299) => match serde_json::from_slice(&response.body) {
            Ok(body) => Judged::Success(body),
            Err(_) if response.body.trim_ascii().is_empty() => Judged::Success(Value::Null),
            Err(_) => later("the answer of the CRM's chats cannot be read".into(), Sent::Maybe),
        },
        // A refusal that broke off may have been "already exists".
        (Verdict::Readable, 400..=499) if is_broken(&response.body) => {
            later("a refusal of the CRM's chats cannot be read".into(), Sent::Maybe)
        }
        (Verdict::Readable, 400..=499) => Judged::Refused(status, said(&response.body)),
        (Verdict::Readable, _) => {
            later(format!("the CRM's chats answer from elsewhere (HTTP {status})"), Sent::No)
        }
    }
}

fn is_broken(body: &[u8]) -> bool {
    body.trim_ascii().starts_with(b"{") && serde_json::from_slice::<Value>(body).is_err()
}

fn said(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let first = body.get("errors").and_then(|held| held.get(0)).and_then(Value::as_str);
    let said = masked(first.unwrap_or_default());
    if said.is_empty() { "refused without a reason".to_owned() } else { said }
}

impl Judged {
    /// The same where only "not now" can be said.
    pub fn done(self, what: &str) -> Result<Value, Delay> {
        match self {
            Judged::Success(body) => Ok(body),
            Judged::Later { delay, .. } => Err(delay),
            Judged::Stranger(status) => Err(Delay::item(format!(
                "{what}: the CRM's chats refuse the module's token (HTTP {status}): run `leadlink setup`"
            ))),
            Judged::Refused(_, said) => Err(Delay::item(format!("{what}: {said}"))),
        }
    }
}
