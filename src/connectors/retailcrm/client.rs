//! One account's API: requests with the key, answers judged by status *and* body. Invariant: the
//! body's `success` rules, never the status alone; no text that leaves here holds the key.

use super::wire::{self, Envelope, Refusal};
use crate::connectors::http::{self, Body, Method, Request, Response, Sent, Verdict};
use crate::domain::Delay;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// Rows a page; the CRM takes 20, 50 or 100 and answers anything else with 400 (1.7).
pub const PAGE: usize = 100;

/// A client of one account. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: http::Client,
    key: SecretString,
}

/// What an answer means, whatever was asked.
#[derive(Debug, PartialEq)]
pub enum Judged {
    Success(Map<String, Value>),
    /// `Not found`; a merged customer names its survivor.
    NotFound(Refusal),
    /// The request itself is refused, and will be again.
    Refused(Refusal),
    /// Not now. `may_have` says whether a write may have happened all the same.
    Later {
        delay: Delay,
        may_have: Sent,
    },
}

/// Why a reading brought nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    Later(Delay),
    NotFound(Refusal),
    Refused(String),
}

/// A list to be read to its end.
pub struct List<'a> {
    pub template: &'static str,
    /// Key of the rows in the answer.
    pub rows: &'static str,
    pub filter: &'a [(&'static str, String)],
    /// More pages than this are refused rather than cut off.
    pub most_pages: usize,
}

impl Client {
    pub fn limit_group(&self) -> &str {
        self.http.limit_group()
    }

    pub fn new(http: http::Client, key: SecretString) -> Self {
        Self { http, key }
    }

    /// Reads one thing.
    ///
    /// # Errors
    /// [`Stop`]: not now, not there, or refused.
    pub async fn get(
        &self,
        template: &'static str,
        path: String,
        query: Vec<(String, String)>,
    ) -> Result<Map<String, Value>, Stop> {
        let request = Request {
            method: Method::Get,
            template,
            path,
            query,
            headers: vec![("X-API-KEY", self.key.clone())],
            body: Body::Empty,
        };
        let judged = match self.http.send(request).await {
            Ok(response) => judge(&response),
            Err(failure) => return Err(Stop::Later(failure.delay())),
        };
        match judged {
            Judged::Success(fields) => Ok(fields),
            Judged::NotFound(refusal) => Err(Stop::NotFound(refusal)),
            Judged::Refused(refusal) => Err(Stop::Refused(self.clean(&told(&refusal)))),
            Judged::Later { delay, .. } => Err(Stop::Later(self.clean_delay(delay))),
        }
    }

    /// Reads all rows of a list, page by page. Rows may move between pages while they are read, so
    /// one may come twice.
    ///
    /// # Errors
    /// As [`Self::get`]; more rows than `most_pages` hold are refused.
    pub async fn all(&self, list: &List<'_>) -> Result<Vec<Value>, Stop> {
        let mut rows = Vec::new();
        for page in 1..=list.most_pages {
            let mut query: Vec<(String, String)> =
                list.filter.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
            query.push(("limit".into(), PAGE.to_string()));
            query.push(("page".into(), page.to_string()));
            let mut answer = self.get(list.template, list.template.to_owned(), query).await?;
            let pages = answer.get("pagination").and_then(|held| number(held, "totalPageCount"));
            let read = match answer.get_mut(list.rows).map(Value::take) {
                Some(Value::Array(read)) => read,
                Some(Value::Object(read)) => read.into_iter().map(|(_, row)| row).collect(),
                _ => Vec::new(),
            };
            let count = read.len();
            rows.extend(read);
            let last = match pages {
                Some(pages) => usize::try_from(pages).unwrap_or(0) <= page,
                None => count < PAGE,
            };
            if last || count == 0 {
                return Ok(rows);
            }
        }
        Err(Stop::Refused(format!(
            "{} has more than {} rows that match; we do not guess which one is meant",
            list.template,
            list.most_pages * PAGE
        )))
    }

    /// Sends a write and judges its answer.
    pub async fn post(
        &self,
        template: &'static str,
        path: String,
        fields: Vec<(String, String)>,
    ) -> Judged {
        let request = Request {
            method: Method::Post,
            template,
            path,
            query: Vec::new(),
            headers: vec![("X-API-KEY", self.key.clone())],
            body: Body::Form(fields),
        };
        match self.http.send(request).await {
            Ok(response) => match judge(&response) {
                Judged::Later { delay, may_have } => {
                    Judged::Later { delay: self.clean_delay(delay), may_have }
                }
                judged => judged,
            },
            Err(failure) => Judged::Later { delay: failure.delay(), may_have: failure.sent },
        }
    }

    /// The text without the key, should the CRM repeat it.
    pub fn clean(&self, text: &str) -> String {
        text.replace(self.key.expose_secret(), "…")
    }

    fn clean_delay(&self, delay: Delay) -> Delay {
        Delay { why: self.clean(&delay.why), ..delay }
    }
}

fn number(held: &Value, key: &str) -> Option<i64> {
    wire::number(held.get(key))
}

/// Judges an answer. Where the CRM's own texts are matched on, they are English and documented in
/// retailcrm.md 1.5.
pub fn judge(response: &Response) -> Judged {
    match wire::envelope(&response.body) {
        Envelope::Success(fields) if response.status < 500 => Judged::Success(fields),
        Envelope::Refusal(refusal) => judge_refusal(response, refusal),
        Envelope::Success(_) | Envelope::Garbled => judge_foreign(response),
    }
}

/// The CRM itself said no.
fn judge_refusal(response: &Response, refusal: Refusal) -> Judged {
    let said = refusal.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let status = response.status;
    let surely = |delay: Delay| later(delay.after(response.retry_after), Sent::No);
    let quoted = masked(&refusal.message);
    if status == 429 || status == 503 || says(&["rate limit"]) {
        // Its own envelope: the application answered, so nothing was done.
        return surely(Delay::item(format!("the CRM asks for fewer requests (HTTP {status})")));
    }
    if matches!(status, 401..=403) || says(&["apikey", "access denied"]) {
        return surely(Delay::access(format!("the CRM refuses the key: {quoted}")));
    }
    if says(&["account does not exist", "method not found"]) || status == 405 {
        return surely(Delay::access(format!("the address is not of this CRM: {quoted}")));
    }
    if status >= 500 || says(&["internal server error"]) {
        let delay = Delay::connection(format!("the CRM is in trouble (HTTP {status}): {quoted}"));
        return later(delay.after(response.retry_after), Sent::Maybe);
    }
    if status == 404 || said.starts_with("not found") {
        return Judged::NotFound(refusal);
    }
    Judged::Refused(refusal)
}

/// Somebody else answered, or the CRM broke off.
fn judge_foreign(response: &Response) -> Judged {
    let status = response.status;
    let html = response.is_html();
    let (delay, may_have) = match (response.verdict(), status) {
        (Verdict::Access, _) | (_, 402) => {
            (Delay::access(format!("the CRM refuses the key (HTTP {status})")), Sent::No)
        }
        // A limiter in front says when to come back; a gateway that lost its application does not.
        (_, 429) => (slow_down(status), Sent::No),
        (_, 503) if response.retry_after.is_some() => (slow_down(status), Sent::No),
        // For an unknown account the front answers 404, and a POST with 405 (seen by the official
        // PHP client); a redirect leads to a login page or another account.
        (_, 404 | 405) if html => (
            Delay::access(format!("nobody knows this account (HTTP {status}): is `url` right?")),
            Sent::No,
        ),
        (_, 300..=399) => (
            Delay::access(format!("the address leads elsewhere (HTTP {status}): is `url` right?")),
            Sent::No,
        ),
        (_, 400..=499) => {
            (Delay::connection(format!("no answer of the CRM (HTTP {status})")), Sent::No)
        }
        _ if html => {
            let why = format!("the CRM answered with a page of HTML (HTTP {status})");
            (Delay::connection(why), Sent::Maybe)
        }
        _ => {
            let why = format!("the CRM's answer cannot be read (HTTP {status})");
            (Delay::connection(why), Sent::Maybe)
        }
    };
    later(delay.after(response.retry_after), may_have)
}

fn slow_down(status: u16) -> Delay {
    Delay::item(format!("the CRM asks for fewer requests (HTTP {status})"))
}

fn later(delay: Delay, may_have: Sent) -> Judged {
    Judged::Later { delay, may_have }
}

/// What a refusal says, for a person: short, and without contacts that the CRM may repeat.
pub fn told(refusal: &Refusal) -> String {
    let mut said = masked(&refusal.message);
    if said.is_empty() {
        said.push_str("refused without a reason");
    }
    for (field, text) in refusal.fields.iter().take(8) {
        let (field, text) = (masked(field), masked(text));
        said.push_str(if field.is_empty() { "; " } else { "; `" });
        said.push_str(&field);
        said.push_str(if field.is_empty() { "" } else { "`: " });
        said.push_str(&text);
    }
    said
}

/// Cut to 120 characters, with long numbers and e-mails blotted out.
pub(super) fn masked(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits < 6 && !word.contains('@') {
            return word.to_owned();
        }
        let end = word.len() - word.trim_end().len();
        format!("…{}", &word[word.len() - end..])
    });
    let whole: String = words.collect();
    let mut short: String = whole.chars().take(120).collect();
    if short.len() < whole.len() {
        short.push('…');
    }
    short
}

impl Stop {
    /// The same where only "not now" can be said; `what` names what was asked for.
    pub fn delay(self, what: &str) -> Delay {
        match self {
            Stop::Later(delay) => delay,
            Stop::NotFound(_) => Delay::access(format!("{what}: the CRM knows no such path")),
            Stop::Refused(why) => Delay::setup(format!("{what}: {why}")),
        }
    }
}
