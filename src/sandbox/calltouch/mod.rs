//! A stand-in of Calltouch (calltouch.md §8). Invariant: dates are read in the format of their
//! method and in no other; an unknown path leads to a page, as on the far side.

pub mod deals;
mod diary;
pub mod hook;
pub mod journal;
pub mod lead;
pub mod leads;
pub mod matching;
pub mod orders;

use crate::sandbox::answer::Answer;
use crate::sandbox::params::Params;
use crate::sandbox::switches::Switches;
use deals::Deals;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use leads::Leads;
use serde_json::json;

/// The account of one site: its token, leads and deals.
#[derive(Debug)]
pub struct Site {
    pub id: u64,
    pub token: String,
    pub zone: TimeZone,
    pub leads: Leads,
    pub deals: Deals,
    last: [u64; 3],
    last_session: u64,
    last_deal: u64,
}

/// What came in.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a Params,
    pub body: &'a Params,
    /// Headers `Access-Token` and `SiteId`.
    pub token: Option<&'a str>,
    pub site: Option<&'a str>,
    pub switches: &'a Switches,
    /// What a deal with this `orderNumber` is refused with, if it is.
    pub item_error: &'a mut dyn FnMut(&str) -> Option<String>,
    pub now: Timestamp,
}

const HELP: &str = "/support/";
const DEALS: &str = "/lead-service/v1/api/client-order/";

impl Site {
    /// Ids of calls, requests and chats start alike on purpose: they are separate spaces. Those of
    /// a further site (`position` from 0) start elsewhere, as no id is given twice.
    pub fn new(id: u64, token: String, zone: TimeZone, position: u64) -> Self {
        let above = position.saturating_mul(10_000_000);
        Self {
            id,
            token,
            zone,
            leads: Leads::default(),
            deals: Deals::default(),
            last: [900_000_000 + above; 3],
            last_session: 555_000_000 + above,
            last_deal: 300_000_000 + above,
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

    fn next_deal(&mut self) -> u64 {
        self.last_deal += 1;
        self.last_deal
    }
}

/// The path for logs and counters.
pub fn template(sites: &[Site], path: &str) -> &'static str {
    let known = |number: &str| sites.iter().any(|site| site.id.to_string() == number);
    match path.strip_prefix(DEALS).map(|rest| rest.trim_end_matches('/')) {
        Some("create") => return "/lead-service/v1/api/client-order/create",
        Some("update") => return "/lead-service/v1/api/client-order/update",
        Some("delete") => return "/lead-service/v1/api/client-order/delete",
        _ => {}
    }
    match rest(path).as_deref() {
        Some([_, "calls-diary", "calls"]) => "/calls-service/RestAPI/{siteId}/calls-diary/calls",
        Some([_, "orders-diary", "orders"]) => {
            "/calls-service/RestAPI/{siteId}/orders-diary/orders"
        }
        Some(["requests"]) => "/calls-service/RestAPI/requests",
        Some(["requests", _, "register"]) => "/calls-service/RestAPI/requests/{siteId}/register",
        Some([number, "getnodeid"]) if known(number) => "/calls-service/RestAPI/{siteId}/getnodeid",
        _ => "(unknown)",
    }
}

fn rest(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix("/calls-service/RestAPI/")?;
    Some(rest.trim_end_matches('/').split('/').collect())
}

/// Answers one request of the API.
pub fn answer(sites: &mut [Site], incoming: &mut Incoming) -> Answer {
    if incoming.path == HELP {
        return Answer::html(200, "Calltouch Support");
    }
    let result = match incoming.path.strip_prefix(DEALS) {
        Some(verb) => write_deals(sites, verb.trim_end_matches('/'), incoming),
        None => read(sites, incoming),
    };
    result.unwrap_or_else(|refused| refused)
}

fn lost() -> Answer {
    Answer::html(302, "302 Found").with_header("location", HELP)
}

fn write_deals(sites: &mut [Site], verb: &str, incoming: &mut Incoming) -> Result<Answer, Answer> {
    if incoming.method != "POST" || !matches!(verb, "create" | "update" | "delete") {
        return Ok(lost());
    }
    let site = authorized(sites, Some(incoming.site.unwrap_or_default()), incoming.token)?;
    match verb {
        "create" => orders::create(site, incoming),
        "update" => orders::update(site, incoming),
        _ => orders::delete(site, incoming),
    }
}

fn read(sites: &mut [Site], incoming: &Incoming) -> Result<Answer, Answer> {
    let rest = rest(incoming.path).unwrap_or_default();
    let token = incoming.query.one("clientApiId");
    let named = |asked: &str| sites.iter().position(|site| site.id.to_string() == asked);
    match (incoming.method, rest.as_slice()) {
        ("GET", [asked, "calls-diary", "calls"]) => {
            journal::calls(authorized(sites, Some(asked), token)?, incoming)
        }
        ("GET", [asked, "orders-diary", "orders"]) => {
            diary::deals(authorized(sites, Some(asked), token)?, incoming)
        }
        ("GET", ["requests"]) => {
            journal::requests(authorized(sites, incoming.query.one("siteId"), token)?, incoming)
        }
        ("GET" | "POST", ["requests", asked, "register"]) => match named(asked) {
            Some(at) => lead::register(&mut sites[at], incoming),
            None => Ok(lost()),
        },
        ("GET", [asked, "getnodeid"]) if named(asked).is_some() => {
            Ok(Answer::json(200, &json!({"nodeId": 1})))
        }
        _ => Ok(lost()),
    }
}

/// The site that is asked for; where none is, the first that the token opens.
fn authorized<'a>(
    sites: &'a mut [Site],
    asked: Option<&str>,
    token: Option<&str>,
) -> Result<&'a mut Site, Answer> {
    let fits = |site: &&mut Site| {
        token == Some(site.token.as_str()) && asked.is_none_or(|id| site.id.to_string() == id)
    };
    let found = sites.iter_mut().find(fits);
    found.ok_or_else(|| Answer::json(403, &json!({"message": "Invalid credentials"})))
}

/// A refusal of the journals: status and text.
fn refused(text: &str) -> Answer {
    Answer::json(400, &json!({ "message": text }))
}
