//! A stand-in of Calltouch (calltouch.md §8, without deals). Invariant: dates are read in the
//! format of their method and in no other; an unknown path leads to a page, as on the far side.

pub mod hook;
pub mod journal;
pub mod lead;

use crate::sandbox::answer::Answer;
use crate::sandbox::params::Params;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lead::Lead;
use serde_json::json;

/// The account of one site: its token and its leads.
#[derive(Debug)]
pub struct Site {
    pub id: u64,
    pub token: String,
    pub zone: TimeZone,
    pub leads: Vec<Lead>,
    last: [u64; 3],
    last_session: u64,
}

/// What came in.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a Params,
    pub body: &'a Params,
    pub now: Timestamp,
}

const HELP: &str = "/support/";

impl Site {
    /// Ids of calls, requests and chats start alike on purpose: they are separate spaces.
    pub fn new(id: u64, token: String, zone: TimeZone) -> Self {
        Self {
            id,
            token,
            zone,
            leads: Vec::new(),
            last: [900_000_000; 3],
            last_session: 555_000_000,
        }
    }

    fn next_id(&mut self, kind: lead::Kind) -> u64 {
        let last = &mut self.last[kind as usize];
        *last += 1;
        *last
    }

    fn next_session(&mut self) -> u64 {
        self.last_session += 1;
        self.last_session
    }
}

/// The path for logs and counters.
pub fn template(site: &Site, path: &str) -> &'static str {
    let id = site.id.to_string();
    match rest(path).as_deref() {
        Some([_, "calls-diary", "calls"]) => "/calls-service/RestAPI/{siteId}/calls-diary/calls",
        Some(["requests"]) => "/calls-service/RestAPI/requests",
        Some(["requests", _, "register"]) => "/calls-service/RestAPI/requests/{siteId}/register",
        Some([number, "getnodeid"]) if *number == id => "/calls-service/RestAPI/{siteId}/getnodeid",
        _ => "(unknown)",
    }
}

fn rest(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix("/calls-service/RestAPI/")?;
    Some(rest.trim_end_matches('/').split('/').collect())
}

/// Answers one request of the API.
pub fn answer(site: &mut Site, incoming: &Incoming) -> Answer {
    if incoming.path == HELP {
        return Answer::html(200, "Calltouch Support");
    }
    let id = site.id.to_string();
    let rest = rest(incoming.path).unwrap_or_default();
    let result = match (incoming.method, rest.as_slice()) {
        ("GET", [asked, "calls-diary", "calls"]) => {
            authorized(site, incoming, asked).and_then(|()| journal::calls(site, incoming))
        }
        ("GET", ["requests"]) => {
            let asked = incoming.query.one("siteId").unwrap_or(&id);
            authorized(site, incoming, asked).and_then(|()| journal::requests(site, incoming))
        }
        ("GET" | "POST", ["requests", asked, "register"]) if *asked == id => {
            lead::register(site, incoming)
        }
        ("GET", [asked, "getnodeid"]) if *asked == id => {
            Ok(Answer::json(200, &json!({"nodeId": 1})))
        }
        _ => Ok(Answer::html(302, "302 Found").with_header("location", HELP)),
    };
    result.unwrap_or_else(|refused| refused)
}

fn authorized(site: &Site, incoming: &Incoming, asked_site: &str) -> Result<(), Answer> {
    let token = incoming.query.one("clientApiId");
    if token == Some(site.token.as_str()) && asked_site == site.id.to_string() {
        return Ok(());
    }
    Err(Answer::json(403, &json!({"message": "Invalid credentials"})))
}

/// A refusal of the journals: status and text.
fn refused(text: &str) -> Answer {
    Answer::json(400, &json!({ "message": text }))
}
