//! What we ask Calltouch, and what its answers mean. Invariant: the token leaves only in the query or
//! a header of a request, never in a text; an answer that is not the JSON of a journal is a delay that says
//! whose trouble it is.

use super::journal::{self, Records};
use super::said::{message_of, tail};
use super::tally::Tally;
use crate::connectors::http::{
    Body, Client, Failure, Method, Request, Response, Sent, Turn, Verdict,
};
use crate::domain::Delay;
use jiff::civil::{Date, DateTime};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The largest page that is served (four public clients clamp to it).
pub const LIMIT: usize = 1000;

/// Further fields of a query.
type Times = Vec<(&'static str, String)>;

/// The API of one site.
pub struct Api {
    pub client: Client,
    pub site_id: i64,
    pub token: SecretString,
    /// Requests of today.
    pub tally: Tally,
}

impl Api {
    /// A page of the calls that began on these days, both included. Dates are `dd/MM/yyyy` here.
    pub async fn calls(
        &self,
        days: (Date, Date),
        page: u32,
        limit: usize,
    ) -> Result<Records, Delay> {
        self.calls_with(days, Vec::new(), page, limit).await
    }

    /// A page of the calls of a day, from this wall-clock time on.
    pub async fn calls_from(
        &self,
        day: Date,
        from: Option<DateTime>,
        page: u32,
    ) -> Result<Records, Delay> {
        self.calls_with((day, day), to_the_end(from), page, LIMIT).await
    }

    async fn calls_with(
        &self,
        days: (Date, Date),
        times: Times,
        page: u32,
        limit: usize,
    ) -> Result<Records, Delay> {
        let mut query = vec![("dateFrom", slashed(days.0)), ("dateTo", slashed(days.1))];
        query.extend(times);
        query.extend([("page", page.to_string()), ("limit", limit.to_string())]);
        let template = "/calls-service/RestAPI/{site}/calls-diary/calls";
        let path = template.replace("{site}", &self.site_id.to_string());
        let answer = self.get(template, path, query).await?;
        self.page(answer, page, limit)
    }

    /// A page of the deals that were made on a day. The days must differ here; the second is the
    /// first that is not wanted, as far as anybody can tell.
    pub async fn orders(&self, day: Date, page: u32) -> Result<Records, Delay> {
        let query = vec![
            ("dateFrom", slashed(day)),
            ("dateTo", slashed(day.tomorrow().unwrap_or(day))),
            ("page", page.to_string()),
            ("limit", LIMIT.to_string()),
        ];
        let template = "/calls-service/RestAPI/{site}/orders-diary/orders";
        let path = template.replace("{site}", &self.site_id.to_string());
        let answer = self.get(template, path, query).await?;
        self.page(answer, page, LIMIT)
    }

    /// The requests that were made on a day, from this wall-clock time on. Dates are `MM/dd/yyyy`
    /// here, and a day is one answer: nothing shows that this journal honours `page`.
    pub async fn requests(&self, day: Date, from: Option<DateTime>) -> Result<Records, Delay> {
        let records = self.requests_with(day, to_the_end(from)).await?;
        Ok(Records { more: false, ..records })
    }

    /// The requests of the minute before `now` (wall-clock time of the site): the cheapest read.
    pub async fn last_minute(&self, now: DateTime) -> Result<Records, Delay> {
        let since = now.checked_sub(jiff::Span::new().minutes(1)).unwrap_or(now);
        let from = if since.date() == now.date() { since } else { now.start_of_day() };
        let times = vec![("timeFrom", clock_text(from)), ("timeTo", clock_text(now))];
        self.requests_with(now.date(), times).await
    }

    async fn requests_with(&self, day: Date, times: Times) -> Result<Records, Delay> {
        let path = "/calls-service/RestAPI/requests";
        let date = day.strftime("%m/%d/%Y").to_string();
        let mut query = vec![
            ("siteId", self.site_id.to_string()),
            ("dateFrom", date.clone()),
            ("dateTo", date),
        ];
        query.extend(times);
        let answer = self.get(path, path.to_owned(), query).await?;
        self.page(answer, 1, usize::MAX)
    }

    async fn get(
        &self,
        template: &'static str,
        path: String,
        query: Vec<(&'static str, String)>,
    ) -> Result<Value, Delay> {
        let token = ("clientApiId".to_owned(), self.token.expose_secret().to_owned());
        let query = std::iter::once(token)
            .chain(query.into_iter().map(|(name, value)| (name.to_owned(), value)))
            .collect();
        let request = Request {
            method: Method::Get,
            template,
            path,
            query,
            headers: vec![],
            body: Body::Empty,
        };
        let answer = self.client.send(request).await;
        self.counted(&answer);
        self.read(&answer.map_err(|failure| failure.delay())?)
    }

    /// Sends a batch of deals, whose turn it is.
    pub async fn post(
        &self,
        turn: Turn,
        path: &'static str,
        body: Value,
    ) -> Result<Response, Failure> {
        let request = Request {
            method: Method::Post,
            template: path,
            path: path.to_owned(),
            query: vec![],
            headers: vec![
                ("Access-Token", self.token.clone()),
                ("SiteId", self.site_id.to_string().into()),
            ],
            body: Body::Json(body),
        };
        let answer = self.client.send_in(turn, request).await;
        self.counted(&answer);
        answer
    }

    fn counted(&self, answer: &Result<Response, Failure>) {
        if answer.as_ref().err().is_none_or(|failure| failure.sent == Sent::Maybe) {
            self.tally.count();
        }
    }

    /// Unknown paths redirect to the help centre and faults come as HTML, so a status of 200 is
    /// not enough: the content type must be JSON.
    fn read(&self, response: &Response) -> Result<Value, Delay> {
        let status = response.status;
        let said = || self.message(response);
        let delay = match response.verdict() {
            Verdict::Access => Delay::access(format!(
                "Calltouch refuses the token or has no site {} for it (HTTP {status}){}",
                self.site_id,
                said()
            )),
            _ if status == 429 => {
                Delay::item("Calltouch asks for fewer requests (HTTP 429)".to_owned())
            }
            Verdict::Busy | Verdict::Trouble => {
                Delay::connection(format!("Calltouch is in trouble (HTTP {status}){}", said()))
            }
            Verdict::Readable if (300..400).contains(&status) => Delay::connection(format!(
                "Calltouch redirects elsewhere (HTTP {status}); is the `url` of this connection right?"
            )),
            Verdict::Readable if status != 200 => Delay::connection(format!(
                "Calltouch refused the request (HTTP {status}){}",
                said()
            )),
            Verdict::Readable if !is_json(&response.content_type) => Delay::connection(
                "Calltouch answered something else than JSON (HTTP 200)".to_owned(),
            ),
            Verdict::Readable => {
                return serde_json::from_slice(&response.body).map_err(|_| {
                    Delay::connection("Calltouch's answer is no whole JSON (HTTP 200)")
                });
            }
        };
        Err(delay.after(response.retry_after))
    }

    /// An envelope of an error may come with HTTP 200 where a journal should be.
    fn page(&self, answer: Value, page: u32, limit: usize) -> Result<Records, Delay> {
        let said = message_of(&answer).map(|text| self.shown(&text)).unwrap_or_default();
        journal::page(answer, page, limit).map_err(|why| {
            Delay::connection(format!("Calltouch's journal cannot be read: {why}{said}"))
        })
    }

    fn message(&self, response: &Response) -> String {
        let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        message_of(&body).map(|text| self.shown(&text)).unwrap_or_default()
    }

    fn shown(&self, text: &str) -> String {
        tail(text, self.token.expose_secret())
    }
}

/// From then until the day ends: Calltouch's clock may be ahead of ours.
fn to_the_end(from: Option<DateTime>) -> Times {
    let from = from.into_iter();
    from.flat_map(|from| [("timeFrom", clock_text(from)), ("timeTo", "23:59:59".to_owned())])
        .collect()
}

fn clock_text(time: DateTime) -> String {
    time.strftime("%H:%M:%S").to_string()
}

fn slashed(day: Date) -> String {
    day.strftime("%d/%m/%Y").to_string()
}

fn is_json(content_type: &str) -> bool {
    let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    mime == "application/json" || mime == "text/json" || mime.ends_with("+json")
}
