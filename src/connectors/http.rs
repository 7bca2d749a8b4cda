//! The one outgoing HTTP client. Invariant: every request of every connector passes here, with a
//! time-out, a size cap, no redirects, its host's rate limit and no secret in any text; what came
//! of it is a value.

use axum::body::Bytes;
use std::time::Duration;

/// A client for one connection. Cheap to clone; clients of one far-side host share its limiter.
#[derive(Clone)]
pub struct Client;

/// What makes a client: read from the connection's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the connection, for spans and metrics.
    pub connection: String,
    /// Root of all paths, without a trailing slash.
    pub base: String,
    pub requests_per_second: f64,
    /// Clients of one group share one bucket; by default the host of `base`.
    pub limit_group: Option<String>,
    pub timeout: Duration,
}

/// One request. `path` is what is sent, `template` what is shown and counted.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Without secrets and ids, e.g. `/api/v5/orders/{id}`.
    pub template: &'static str,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(&'static str, secrecy::SecretString)>,
    pub body: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

#[derive(Debug, Clone)]
pub enum Body {
    Empty,
    Form(Vec<(String, String)>),
    Json(serde_json::Value),
}

/// An answer of the far side, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    /// `Retry-After`, seconds or date, cut to at most 10 minutes.
    pub retry_after: Option<Duration>,
}

/// No usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub sent: Sent,
    /// For a person: what failed, without the URL.
    pub why: String,
}

/// Can the far side have acted on a request that failed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Surely not: it never left (name, connection, TLS).
    No,
    /// It may have: time-out, reset, cut or oversized answer.
    Maybe,
}

impl Client {
    /// Waits for its turn, sends, reads the whole answer (at most 16 MiB).
    ///
    /// # Errors
    /// [`Failure`] where no whole answer came.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let _ = request;
        unimplemented!()
    }
}
