//! All far sides at one moment. Invariant: whatever one request changes it changes under one
//! lock, before its answer exists; a lost answer is therefore always a done work.

mod copy;
mod seeds;

use crate::sandbox::Options;
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::calltouch::{self, Site, orders};
use crate::sandbox::chatapi::{self, Gateway};
use crate::sandbox::crm::account::{Account, Key};
use crate::sandbox::crm::{self, fields};
use crate::sandbox::faults::{self, Engine, Fault, Faults, Side, Strike, Target};
use crate::sandbox::mg;
use crate::sandbox::params::Params;
use crate::sandbox::switches::TooFast;
use crate::sandbox::telegram::form::Fields;
use crate::sandbox::telegram::{self, Bot, Refused};
use crate::sandbox::traffic::{Received, Traffic};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::Instant;

/// Code and display name of the order fields that Calltouch leads fill (F1).
const ORDER_FIELDS: &[(&str, &str)] = &[
    ("calltouch_site_id", "ID сайта в Calltouch"),
    ("calltouch_call_id", "ID звонка в Calltouch"),
    ("calltouch_request_id", "ID заявки в Calltouch"),
    ("calltouch_chat_id", "ID чата в Calltouch"),
    ("utm_source", "Источник"),
    ("utm_medium", "Канал"),
    ("utm_campaign", "Кампания"),
    ("utm_content", "Объявление"),
    ("utm_term", "Ключевое слово"),
];

pub struct World {
    pub account: Account,
    pub sites: Vec<Site>,
    pub gateway: Gateway,
    pub bots: Vec<Bot>,
    pub faults: Engine,
    pub crm_traffic: Traffic,
    pub calltouch_traffic: Traffic,
    pub chat_traffic: Traffic,
    pub chatapi_traffic: Traffic,
    pub telegram_traffic: Traffic,
    pub hook_url: Option<String>,
}

/// One request, read whole.
pub struct Request {
    pub side: Side,
    pub method: String,
    pub path: String,
    pub query: Params,
    pub body: Params,
    /// The body as it came.
    pub bytes: axum::body::Bytes,
    pub content_type: String,
    /// `X-API-KEY`, `Access-Token` of Calltouch, `X-Transport-Token` of the chats.
    pub header_key: Option<String>,
    /// `SiteId` of Calltouch.
    pub header_site: Option<String>,
    /// What a bot is asked with.
    pub fields: Fields,
    /// A long poll that another one, or a webhook, put an end to: how Telegram says so.
    pub cut: Option<&'static str>,
}

/// How the connection goes on.
pub enum Outcome {
    Answer(Answer),
    /// The connection closes without an answer.
    Close,
    /// The connection is reset.
    Reset,
}

pub fn site_key(options: &Options) -> String {
    format!("{}-site", options.api_key)
}

pub fn powerless_key(options: &Options) -> String {
    format!("{}-powerless", options.api_key)
}

impl World {
    pub fn new(options: &Options, zone: &TimeZone, url: &str) -> Self {
        let mut account = Account::new(
            zone.clone(),
            options.stores.clone(),
            Vec::new(),
            options.switches.clone(),
        );
        let key = |key: String, scopes, sites| Key { key, scopes, sites };
        account.keys = vec![
            key(options.api_key.clone(), None, None),
            key(site_key(options), None, Some(vec![account.first_store()])),
            key(powerless_key(options), Some(Vec::new()), None),
        ];
        account.url = url.to_owned();
        account.seed = options.seed;
        let mut world = Self {
            account,
            sites: vec![Site::new(options.site_id, options.token.clone(), zone.clone(), 0)],
            gateway: Gateway::new(&options.chatapi_instance, &options.chatapi_token),
            bots: vec![Bot::new(&options.telegram_token)],
            telegram_traffic: Traffic::new(options.telegram_rps),
            faults: Engine::new(Faults { seed: options.seed, rules: Vec::new() }),
            crm_traffic: Traffic::new(options.crm_rps),
            calltouch_traffic: Traffic::new(options.calltouch_rps),
            chat_traffic: Traffic::new(options.chat_rps),
            chatapi_traffic: Traffic::new(options.chatapi_rps),
            hook_url: options.hook_url.clone(),
        };
        if options.calltouch_fields {
            world.make_calltouch_fields();
        }
        world
    }

    fn make_calltouch_fields(&mut self) {
        for (code, name) in ORDER_FIELDS {
            let body = json!({"code": code, "name": name, "type": "string"});
            let body = body.as_object().cloned().unwrap_or_default();
            if let Err(refusal) = fields::add(&mut self.account, "order", &body) {
                tracing::warn!(code, refusal = refusal.line(), "sandbox: a field was not made");
            }
        }
    }

    /// Answers one request; the strike tells how slow it is.
    pub fn serve(&mut self, request: &Request, now: Timestamp) -> (Outcome, Strike) {
        let side = request.side;
        let orders = request.body.json().map(orders::numbers).unwrap_or_default();
        let target = Target { side, method: &request.method, path: &request.path, orders: &orders };
        let strike = self.faults.strike(target, true);
        let (outcome, strike) = if strike.fault.is_some() {
            (Outcome::Reset, strike)
        } else if self.traffic(side).admit(Instant::now()) {
            let strike = self.faults.strike(target, false);
            (self.struck(request, strike, now), strike)
        } else {
            (Outcome::Answer(self.too_fast(side)), strike)
        };
        let path = match side {
            Side::Retailcrm => crm::template(&request.method, &request.path),
            Side::Calltouch => calltouch::template(&self.sites, &request.path),
            Side::Chats => mg::template(&request.path),
            Side::Chatapi => chatapi::template(&request.path),
            Side::Telegram => telegram::template(&request.path),
        };
        let status = match &outcome {
            Outcome::Answer(answer) => answer.status,
            Outcome::Close | Outcome::Reset => 0,
        };
        let method = request.method.clone();
        self.traffic(side).note(Received { side: side.name(), at: now, method, path, status });
        (outcome, strike)
    }

    fn struck(&mut self, request: &Request, strike: Strike, now: Timestamp) -> Outcome {
        let Some(fault) = strike.fault else { return Outcome::Answer(self.handle(request, now)) };
        match fault {
            Fault::LostAnswer => {
                self.handle(request, now);
                Outcome::Close
            }
            Fault::Garbage => Outcome::Answer(self.handle(request, now).torn()),
            Fault::Down | Fault::ResetBefore => Outcome::Reset,
            other => {
                let own = faults::answer(request.side, other);
                let done = if strike.after_commit || own.is_none() {
                    Some(self.handle(request, now))
                } else {
                    None
                };
                let answer = own.or(done).unwrap_or_else(|| Answer::empty(500));
                let wait = strike.retry_after.filter(|_| fault == Fault::Error429);
                Outcome::Answer(match wait {
                    Some(seconds) if request.side == Side::Telegram => {
                        Refused::slow(seconds).into()
                    }
                    Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
                    None => answer,
                })
            }
        }
    }

    fn handle(&mut self, request: &Request, now: Timestamp) -> Answer {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let (query, body) = (&request.query, &request.body);
        match request.side {
            Side::Retailcrm => {
                let header_key = request.header_key.as_deref();
                let now = self.crm_time(now);
                let incoming = crm::Incoming { method, path, query, body, header_key, now };
                crm::answer(&mut self.account, &incoming)
            }
            Side::Chats => self.handle_chats(request, now),
            Side::Calltouch => {
                let faults = &mut self.faults;
                let mut incoming = calltouch::Incoming {
                    method,
                    path,
                    query,
                    body,
                    token: request.header_key.as_deref(),
                    site: request.header_site.as_deref(),
                    switches: &self.account.switches,
                    item_error: &mut |number| faults.item_error(number),
                    now,
                };
                calltouch::answer(&mut self.sites, &mut incoming)
            }
            Side::Chatapi => {
                let incoming = chatapi::Incoming { method, path, query, body, now };
                chatapi::answer(&mut self.gateway, &incoming)
            }
            Side::Telegram => match request.cut {
                Some(why) => Refused::new(409, why).into(),
                None => {
                    let incoming = telegram::Incoming { path, fields: &request.fields, now };
                    telegram::answer(&mut self.bots, &incoming)
                }
            },
        }
    }

    fn handle_chats(&mut self, request: &Request, now: Timestamp) -> Answer {
        let url = self.account.url.clone();
        let incoming = mg::Incoming {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            json: request.body.json(),
            bytes: &request.bytes,
            content_type: &request.content_type,
            token: request.header_key.as_deref(),
            now: self.crm_time(now),
            users: &self.account.references.users,
            url: &url,
        };
        mg::answer(&mut self.account.mg, &incoming)
    }

    fn too_fast(&self, side: Side) -> Answer {
        let switches = &self.account.switches;
        let limit = |status| Refusal::new(status, "Rate limit exceeded").into();
        match (side, switches.too_fast) {
            (Side::Retailcrm, TooFast::Json503) => limit(503),
            (Side::Retailcrm, TooFast::Json429) => limit(429),
            (Side::Retailcrm, TooFast::Html503) => {
                Answer::html(503, "503 Service Temporarily Unavailable")
            }
            (Side::Chats, _) => Answer::json(429, &json!({"errors": ["Too many requests"]})),
            (Side::Chatapi, _) => Answer::json(429, &json!({"error": "Too many requests"})),
            (Side::Telegram, _) => Refused::slow(1).into(),
            (Side::Calltouch, _) => {
                let answer = Answer::json(429, &json!({"message": "Too many requests"}));
                match switches.calltouch_retry_after {
                    Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
                    None => answer,
                }
            }
        }
    }

    fn traffic(&mut self, side: Side) -> &mut Traffic {
        match side {
            Side::Retailcrm => &mut self.crm_traffic,
            Side::Calltouch => &mut self.calltouch_traffic,
            Side::Chats => &mut self.chat_traffic,
            Side::Chatapi => &mut self.chatapi_traffic,
            Side::Telegram => &mut self.telegram_traffic,
        }
    }

    /// The CRM's own clock.
    fn crm_time(&self, now: Timestamp) -> Timestamp {
        let skew = SignedDuration::from_millis(self.account.switches.clock_skew_ms);
        now.saturating_add(skew).unwrap_or(now)
    }

    /// The site that is asked for, else the first.
    pub fn site(&mut self, id: Option<u64>) -> Option<&mut Site> {
        self.sites.iter_mut().find(|site| id.is_none_or(|id| site.id == id))
    }

    /// The bot with this token, else the first.
    pub fn bot(&mut self, token: Option<&str>) -> Option<&mut Bot> {
        self.bots.iter_mut().find(|bot| token.is_none_or(|token| bot.token == token))
    }

    /// Adds a Calltouch site; false when there is one with this id.
    pub fn add_site(&mut self, id: u64, token: &str) -> bool {
        if self.sites.iter().any(|site| site.id == id) {
            return false;
        }
        let position = u64::try_from(self.sites.len()).unwrap_or(u64::MAX);
        let zone = self.account.zone.clone();
        self.sites.push(Site::new(id, token.to_owned(), zone, position));
        true
    }
}
