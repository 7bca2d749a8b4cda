//! The one outgoing HTTP client. Invariant: every request of every connector passes here, with a
//! time-out, a size cap, no redirects, its host's rate limit and no secret in any text; what came
//! of it is a value.

mod answer;
mod background;
mod files;
mod in_time;
mod leave;
mod limits;

pub use answer::{Failure, Response, Sent, Verdict};
pub use background::{in_background, is_background};
pub use files::{Broken, FileStream, MOST as LARGEST_FILE, Upload};
pub use in_time::{is_over_by, no_later_than};
pub use leave::{Leave, Pass};
pub use limits::Limits;

use axum::body::Bytes;
use limits::Bucket;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// Largest answer that is read, after decompression.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Time to reach the far side: name, connection and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// A request must have ended before the lease of its step (15 s) can.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(14);
/// Why a request is not sent that waited for its turn until its time was over.
pub const TOO_LATE: &str = "its time was over before its turn came";
/// Why a request is not sent where several processes share the database.
pub const NOT_OURS: &str = "this process does not own the connection now";
/// How long an idle connection is kept; shorter than what far sides keep theirs.
const IDLE: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("leadlink/", env!("CARGO_PKG_VERSION"));

/// A client for one connection. Cheap to clone; clients of one far-side host share its limiter.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    bucket: Arc<Bucket>,
    leave: Arc<Leave>,
    group: Arc<str>,
    connection: Arc<str>,
    base: Arc<str>,
    timeout: Duration,
}

/// The right to send one request now; one that is not used is lost.
#[must_use]
pub struct Turn(Pass);

/// What makes a client: read from the connection's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the connection, for spans and metrics.
    pub connection: String,
    /// Root of all paths, without a trailing slash; see [`base_url`].
    pub base: String,
    pub requests_per_second: f64,
    /// Clients of one group share one bucket; by default the host of `base`.
    pub limit_group: Option<String>,
    /// For the whole exchange, from connecting to the last byte; below the lease of 15 s.
    pub timeout: Duration,
}

/// Time-out of an exchange where the settings name none.
pub const TIMEOUT: Duration = Duration::from_secs(10);

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
    Put,
    Patch,
    Delete,
}

#[derive(Debug, Clone)]
pub enum Body {
    Empty,
    Form(Vec<(String, String)>),
    Json(serde_json::Value),
}

impl Client {
    /// Makes a client whose bucket is shared, through `limits`, with all clients of its group.
    ///
    /// # Errors
    /// For a person: why these options make no client (address, time-out, no root certificates).
    pub fn new(options: Options, limits: &Limits) -> Result<Self, String> {
        let base = base_url(&options.base)?;
        if options.timeout.is_zero() || options.timeout > LONGEST_TIMEOUT {
            return Err("the time-out must be above 0 and at most 14 s (a lease lasts 15 s)".into());
        }
        if options.requests_per_second.is_nan() || options.requests_per_second <= 0.0 {
            return Err("the rate must be above 0 requests per second".into());
        }
        let url = Url::parse(&base).map_err(|_| "the address cannot be read".to_owned())?;
        let group = options.limit_group.unwrap_or_else(|| host_and_port(&url));
        Ok(Self {
            inner: build(url.scheme() == "https", options.timeout)?,
            bucket: limits.bucket(&group, options.requests_per_second),
            leave: limits.leave(),
            group: group.into(),
            connection: options.connection.into(),
            base: base.into(),
            timeout: options.timeout,
        })
    }

    /// The group whose bucket it shares.
    pub fn limit_group(&self) -> &str {
        &self.group
    }

    /// Waits for its turn, sends, reads the whole answer (at most 16 MiB).
    ///
    /// # Errors
    /// [`Failure`] where no whole answer came.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        let turn = self.turn().await;
        self.answer(turn, request).await
    }

    /// The same for who has waited for its turn before.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_in(&self, turn: Turn, request: Request) -> Result<Response, Failure> {
        self.answer(Some(turn), request).await
    }

    /// Waits until a request may be sent; `None` where this process may send none, or where the time
    /// of the work is over ([`no_later_than`]). Work that was asked for [`in_background`] waits for
    /// its part of the rate too.
    pub async fn turn(&self) -> Option<Turn> {
        let waited = Instant::now();
        let pass = self.waited().await;
        metrics::histogram!("leadlink_wait_seconds", "connection" => self.connection.to_string())
            .record(waited.elapsed().as_secs_f64());
        pass.map(Turn)
    }

    /// Leave to send what is asked for now, for who collects before it sends; `None` where the
    /// connection is not ours.
    pub fn pass(&self) -> Option<Pass> {
        self.leave.pass(&self.connection)
    }

    /// Is it still good? What is not was surely not sent, and is another's to send.
    pub fn holds(&self, pass: &Pass) -> bool {
        self.leave.holds(&self.connection, pass)
    }

    async fn waited(&self) -> Option<Pass> {
        let pass = self.pass()?;
        if let Some(first) = pass.first() {
            tokio::time::sleep_until(first.into()).await;
        }
        let turn = self.bucket.turn(is_background());
        match in_time::until() {
            Some(until) => tokio::time::timeout_at(until.into(), turn).await.ok()?,
            None => turn.await,
        }
        self.holds(&pass).then_some(pass)
    }

    async fn answer(&self, turn: Option<Turn>, request: Request) -> Result<Response, Failure> {
        let connection = self.connection.to_string();
        let span = tracing::info_span!(
            "request",
            connection = %connection,
            template = request.template,
            status = tracing::field::Empty,
            duration_ms = tracing::field::Empty,
        );
        let template = request.template;
        let begun = Instant::now();
        let answer = match turn {
            Some(Turn(pass)) => self.exchange(request, pass).instrument(span.clone()).await,
            None => Err(no_turn()),
        };
        let took = begun.elapsed();

        let status = match &answer {
            Ok(response) => response.status.to_string(),
            Err(failure) => failure.sent.word().to_owned(),
        };
        span.record("status", status.as_str());
        span.record("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        span.in_scope(|| tracing::debug!("asked the far side"));
        metrics::histogram!("leadlink_request_seconds", "connection" => connection.clone())
            .record(took.as_secs_f64());
        metrics::counter!("leadlink_requests_total",
            "connection" => connection, "path" => template, "status" => status)
        .increment(1);
        answer
    }

    async fn exchange(&self, request: Request, pass: Pass) -> Result<Response, Failure> {
        let prepared = self.prepare(request)?;
        let response = self.begin(prepared, &pass).await?;
        self.read(response).await
    }

    /// Sends, and answers with the head of what came back.
    async fn begin(
        &self,
        prepared: reqwest::Request,
        pass: &Pass,
    ) -> Result<reqwest::Response, Failure> {
        let broken = |error: reqwest::Error| Failure::of(error, self.timeout);
        let mut sent = pin!(self.inner.execute(prepared));
        // To connect may take a while, and so may a process that stands still: it is asked each time
        // before the request comes one step further.
        self.bucket.sent();
        let sent = std::future::poll_fn(|context| {
            if !self.leave.holds(&self.connection, pass) {
                return Poll::Ready(Err(Failure::maybe(NOT_OURS)));
            }
            sent.as_mut().poll(context).map_err(broken)
        });
        sent.await
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Response, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| {
            // The answer had begun: whatever broke it, the request had arrived.
            Failure { sent: Sent::Maybe, ..Failure::of(error, self.timeout) }
        })? {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(Failure::maybe("the answer is larger than 16 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response::new(response.status().as_u16(), response.headers(), Bytes::from(body)))
    }

    fn prepare(&self, request: Request) -> Result<reqwest::Request, Failure> {
        let mut address = format!("{}{}", self.base, request.path);
        if !request.query.is_empty() {
            address.push('?');
            address.push_str(&encoded(&request.query));
        }
        let url = Url::parse(&address).map_err(|_| Failure::unsent("the path is no address"))?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut prepared = reqwest::Request::new(method, url);
        for (name, value) in &request.headers {
            let mut held = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| Failure::unsent(format!("the value of header {name} is unusable")))?;
            held.set_sensitive(true);
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Failure::unsent("a header's name is unusable"))?;
            prepared.headers_mut().insert(name, held);
        }
        let (kind, body) = match request.body {
            Body::Empty => return Ok(prepared),
            Body::Form(fields) => ("application/x-www-form-urlencoded", encoded(&fields)),
            Body::Json(value) => ("application/json", value.to_string()),
        };
        prepared.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *prepared.body_mut() = Some(body.into());
        Ok(prepared)
    }
}

/// Why there was no turn.
fn no_turn() -> Failure {
    let over = in_time::until().is_some_and(|until| until <= Instant::now());
    Failure::unsent(if over { TOO_LATE } else { NOT_OURS })
}

fn encoded(fields: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A base address as connections write it, without the trailing slash. Only `https`, or `http` to
/// this machine: a key must not cross a network in the clear.
///
/// # Errors
/// What is wrong and what to write instead; the address itself is not repeated.
pub fn base_url(text: &str) -> Result<String, String> {
    let text = text.trim();
    let url = Url::parse(text)
        .map_err(|_| "this is no address; write it like `https://shop.example.com`".to_owned())?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the address names no host; write it like `https://shop.example.com`".into());
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err("`http` is accepted for this machine only; write `https://…`".into());
        }
        _ => return Err("only `https://…` addresses are spoken to".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a name or password; keys have settings of their own".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("write the address without `?` and `#`".into());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn host_and_port(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// `https` trusts the system's roots (a company may have its own), so it needs `ca-certificates`;
/// plain `http` must work in an image that has none.
fn build(https: bool, timeout: Duration) -> Result<reqwest::Client, String> {
    provide_crypto();
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT.min(timeout / 2))
        .timeout(timeout)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(Duration::from_secs(30))
        .gzip(true);
    let builder = if https { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| {
        let cause = answer::root_cause(&error.without_url());
        format!("no https client ({cause}); does this machine have `ca-certificates`?")
    })
}

fn provide_crypto() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // An error means that somebody installed a provider before: that one serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

#[cfg(test)]
mod tests;
