//! What we ask Calltouch, and what its answers mean. Invariant: the token leaves only in the query
//! of a request, never in a text; an answer that is not the JSON of a journal is a delay that says
//! whose trouble it is.

use super::journal::{self, Records};
use crate::connectors::http::{Body, Client, Method, Request, Response, Verdict};
use crate::domain::Delay;
use jiff::civil::{Date, DateTime};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The largest page that is served (four public clients clamp to it).
pub const LIMIT: usize = 1000;
/// Characters of a far-side message that are worth showing.
const LONGEST_MESSAGE: usize = 200;

/// The journals of one site.
pub struct Journals {
    pub client: Client,
    pub site_id: i64,
    pub token: SecretString,
}

impl Journals {
    /// A page of the calls that began on these days, both included. Dates are `dd/MM/yyyy` here.
    pub async fn calls(
        &self,
        days: (Date, Date),
        page: u32,
        limit: usize,
    ) -> Result<Records, Delay> {
        let date = |day: Date| day.strftime("%d/%m/%Y").to_string();
        let answer = self
            .get(
                "/calls-service/RestAPI/{site}/calls-diary/calls",
                format!("/calls-service/RestAPI/{}/calls-diary/calls", self.site_id),
                vec![
                    ("dateFrom", date(days.0)),
                    ("dateTo", date(days.1)),
                    ("page", page.to_string()),
                    ("limit", limit.to_string()),
                ],
            )
            .await?;
        self.page(answer, page, limit)
    }

    /// The requests that were made on a day. Dates are `MM/dd/yyyy` here, and a day is one answer:
    /// nothing shows that this journal honours `page`.
    pub async fn requests(&self, day: Date) -> Result<Records, Delay> {
        let records = self.requests_with(day, Vec::new()).await?;
        Ok(Records { more: false, ..records })
    }

    /// The requests of the minute before `now` (wall-clock time of the site): the cheapest read.
    pub async fn last_minute(&self, now: DateTime) -> Result<Records, Delay> {
        let since = now.checked_sub(jiff::Span::new().minutes(1)).unwrap_or(now);
        let from = if since.date() == now.date() { since } else { now.start_of_day() };
        let time = |time: DateTime| time.strftime("%H:%M:%S").to_string();
        let span = vec![("timeFrom", time(from)), ("timeTo", time(now))];
        self.requests_with(now.date(), span).await
    }

    async fn requests_with(
        &self,
        day: Date,
        more: Vec<(&'static str, String)>,
    ) -> Result<Records, Delay> {
        let path = "/calls-service/RestAPI/requests";
        let date = day.strftime("%m/%d/%Y").to_string();
        let mut query = vec![
            ("siteId", self.site_id.to_string()),
            ("dateFrom", date.clone()),
            ("dateTo", date),
        ];
        query.extend(more);
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
        let response = self.client.send(request).await.map_err(|failure| failure.delay())?;
        self.read(&response)
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
        let said = message_of(&answer).map(|text| self.shown(text)).unwrap_or_default();
        journal::page(answer, page, limit).map_err(|why| {
            Delay::connection(format!("Calltouch's journal cannot be read: {why}{said}"))
        })
    }

    fn message(&self, response: &Response) -> String {
        let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        message_of(&body).map(|text| self.shown(text)).unwrap_or_default()
    }

    /// A far-side message as the tail of our text: one line, cut, and dropped where it repeats the
    /// token.
    fn shown(&self, text: String) -> String {
        if text.is_empty() || text.contains(self.token.expose_secret()) {
            return String::new();
        }
        let line: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LONGEST_MESSAGE)
            .collect();
        format!(": {}", line.trim())
    }
}

fn is_json(content_type: &str) -> bool {
    let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    mime == "application/json" || mime == "text/json" || mime.ends_with("+json")
}

/// The text of the error envelopes (calltouch.md §1.8): `data.apiErrorData`,
/// `data.validationErrorData`, and `message`/`errorMessage` at the top or in `data`.
fn message_of(body: &Value) -> Option<String> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let data = body.get("data").unwrap_or(&Value::Null);
    if let Some(fault) = data.get("apiErrorData") {
        let code = fault.get("errorCode").and_then(Value::as_i64);
        let said = text(fault, "errorMessage").unwrap_or_default();
        return Some(code.map_or(said.clone(), |code| format!("{code} {said}")));
    }
    if let Some(list) = data.pointer("/validationErrorData/violations").and_then(Value::as_array) {
        let each = list.iter().map(|violation| {
            let field = text(violation, "field").unwrap_or_default();
            let said = text(violation, "message").unwrap_or_default();
            format!("{field} {said}").trim().to_owned()
        });
        return Some(each.collect::<Vec<_>>().join("; "));
    }
    [body, data]
        .into_iter()
        .flat_map(|table| [text(table, "message"), text(table, "errorMessage")])
        .flatten()
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_envelope_of_an_error_gives_its_text() {
        for (body, said) in [
            (
                json!({"data": {"apiErrorData": {"errorCode": 10003, "errorMessage": "no"}}}),
                Some("10003 no"),
            ),
            (
                json!({"data": {"validationErrorData": {"violations": [
                    {"field": "dateFrom", "message": "bad"}, {"message": "worse"}]}}}),
                Some("dateFrom bad; worse"),
            ),
            (json!({"message": "Invalid credentials"}), Some("Invalid credentials")),
            (json!({"data": {"message": "Invalid credentials"}}), Some("Invalid credentials")),
            (json!({"errorCode": 1, "errorMessage": "no site"}), Some("no site")),
            (json!([]), None),
        ] {
            assert_eq!(message_of(&body).as_deref(), said, "{body}");
        }
    }
}
