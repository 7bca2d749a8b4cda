//! What came of a request. Invariant: a failure says whether the far side can have acted on it,
//! and no text here holds an address, a header or a body.

use crate::clock::Clock;
use crate::domain::Delay;
use axum::body::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::error::Error;
use std::time::Duration;

/// The longest `Retry-After` that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Characters of a cause that are worth showing.
const LONGEST_CAUSE: usize = 200;

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

/// What the status and the kind of body say before a connector reads the answer. What the answer
/// means for an effect stays with the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The far side asks us to slow down (429, or 503 that is no page of HTML).
    Busy,
    /// It is in trouble or somebody else answers for it (5xx, HTML).
    Trouble,
    /// Credentials or rights (401, 403).
    Access,
    /// An answer to be read.
    Readable,
}

impl Response {
    pub(super) fn new(status: u16, headers: &HeaderMap, body: Bytes) -> Self {
        let content_type = text_of(headers, &CONTENT_TYPE).unwrap_or_default().to_owned();
        Self { status, content_type, body, retry_after: retry_after(headers) }
    }

    /// A page for people: nginx's, a proxy's, a login form.
    pub fn is_html(&self) -> bool {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        first == Some(&b'<') || self.content_type.starts_with("text/html")
    }

    pub fn verdict(&self) -> Verdict {
        match self.status {
            429 => Verdict::Busy,
            401 | 403 => Verdict::Access,
            _ if self.is_html() => Verdict::Trouble,
            503 => Verdict::Busy,
            500.. => Verdict::Trouble,
            _ => Verdict::Readable,
        }
    }

    /// The delay that the verdict asks for; `None` where the answer is to be read. `what` names
    /// the far side for a person: `the CRM`.
    pub fn delay(&self, what: &str) -> Option<Delay> {
        let status = self.status;
        let delay = match self.verdict() {
            Verdict::Busy => Delay::item(format!("{what} asks for fewer requests (HTTP {status})")),
            Verdict::Trouble if self.is_html() => {
                Delay::connection(format!("{what} answered with a page of HTML (HTTP {status})"))
            }
            Verdict::Trouble => Delay::connection(format!("{what} is in trouble (HTTP {status})")),
            Verdict::Access => Delay::access(format!("{what} refused our key (HTTP {status})")),
            Verdict::Readable => return None,
        };
        Some(delay.after(self.retry_after))
    }
}

impl Failure {
    pub(super) fn unsent(why: impl Into<String>) -> Self {
        Self { sent: Sent::No, why: why.into() }
    }

    pub(super) fn maybe(why: impl Into<String>) -> Self {
        Self { sent: Sent::Maybe, why: why.into() }
    }

    /// Judges what the library reports. Only what happened before the first byte left is `No`.
    pub(super) fn of(error: reqwest::Error, timeout: Duration) -> Self {
        let error = error.without_url();
        if error.is_dns() {
            return Self::unsent("the host's name cannot be resolved");
        }
        if error.is_connect() {
            let why = if error.is_timeout() {
                "no connection in time".to_owned()
            } else {
                format!("cannot connect: {}", root_cause(&error))
            };
            return Self::unsent(why);
        }
        if error.is_builder() {
            return Self::unsent(format!("the request cannot be built: {}", root_cause(&error)));
        }
        if error.is_timeout() {
            return Self::maybe(format!("no whole answer within {} ms", timeout.as_millis()));
        }
        Self::maybe(format!("the exchange broke: {}", root_cause(&error)))
    }

    /// The same as a delay of the connection; what waited for its turn for too long is its own matter.
    pub fn delay(&self) -> Delay {
        if self.why == super::TOO_LATE {
            return Delay::item(self.why.clone());
        }
        Delay::connection(self.why.clone())
    }
}

impl Sent {
    /// How metrics name a request without an answer.
    pub(super) fn word(self) -> &'static str {
        match self {
            Sent::No => "unsent",
            Sent::Maybe => "lost",
        }
    }
}

/// The text of the innermost cause, cut.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(LONGEST_CAUSE).collect()
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// `Retry-After` in either form. A date is measured from the answer's own `Date`, so that two
/// clocks that differ do no harm.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = text_of(headers, &RETRY_AFTER)?;
    let wait = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let until = http_date(text)?;
            let said = text_of(headers, &DATE).and_then(http_date);
            let from = said.unwrap_or_else(|| Clock::default().now());
            Duration::try_from(until.duration_since(from)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn headers(retry: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (RETRY_AFTER, HeaderValue::from_static(retry)),
            (DATE, HeaderValue::from_static("Fri, 20 Nov 2026 10:00:00 GMT")),
        ])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_within_bounds() {
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("86400", Some(600)),
            ("Fri, 20 Nov 2026 10:00:30 GMT", Some(30)),
            ("Fri, 20 Nov 2026 09:00:00 GMT", Some(0)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", Some(600)),
            ("soon", None),
            ("-5", None),
            ("NaN", None),
        ] {
            let wait = retry_after(&headers(text));
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_verdict_is_read_from_status_and_kind_of_body() {
        for (status, body, verdict) in [
            (200, "{}", Verdict::Readable),
            (200, " <html>", Verdict::Trouble),
            (400, "{}", Verdict::Readable),
            (460, "{}", Verdict::Readable),
            (401, "{}", Verdict::Access),
            (403, "<html>", Verdict::Access),
            (429, "", Verdict::Busy),
            (503, "{}", Verdict::Busy),
            (503, "<html>", Verdict::Trouble),
            (502, "", Verdict::Trouble),
        ] {
            let response = Response::new(status, &HeaderMap::new(), Bytes::from(body));
            assert_eq!(response.verdict(), verdict, "{status} {body}");
            assert_eq!(response.delay("the CRM").is_none(), verdict == Verdict::Readable);
        }
    }
}
