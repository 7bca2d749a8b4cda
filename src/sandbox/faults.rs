//! Faults on demand: what goes wrong, on which far side, how often. Invariant: the same rules and
//! seed strike the same requests in the same order, and every strike is counted.

use crate::sandbox::answer::{Answer, Refusal, violation};
use crate::sandbox::telegram::Refused;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Which of the far sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Retailcrm,
    Calltouch,
    /// The CRM's Message Gateway.
    Chats,
    Chatapi,
    Telegram,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Self::Retailcrm => "retailcrm",
            Self::Calltouch => "calltouch",
            Self::Chats => "chats",
            Self::Chatapi => "chatapi",
            Self::Telegram => "telegram",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 503 with a JSON body, nothing done.
    #[serde(rename = "error_503")]
    Error503,
    /// 500 with a JSON body, nothing done.
    #[serde(rename = "error_500")]
    Error500,
    /// 502 with an HTML page.
    #[serde(rename = "html_502")]
    Html502,
    /// 500 without a body.
    #[serde(rename = "empty_500")]
    Empty500,
    /// The answer comes after `ms`; the work is done at once.
    Slow,
    /// The work is done, then the connection closes without an answer.
    LostAnswer,
    /// The connection is reset before anything is done.
    ResetBefore,
    /// The work is done, the answer breaks off in the middle of its JSON.
    Garbage,
    /// Every connection is reset.
    Down,
    /// 403, nothing done.
    Denied,
    /// 429 with `Retry-After` (`retry_after`), nothing done.
    #[serde(rename = "error_429")]
    Error429,
    /// 400 of the whole body, nothing done.
    #[serde(rename = "error_400")]
    Error400,
    /// One deal of a body is refused (`text`); the others are written. Strikes deals, not requests.
    ItemError,
}

/// One rule: strikes the next `next` matching requests, else each with `probability`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub side: Side,
    pub fault: Fault,
    /// Exactly so many strikes; wins over `probability`.
    #[serde(default)]
    pub next: Option<u32>,
    /// 0.0–1.0; without `next` and `probability` the rule always strikes.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Only requests whose path contains this text.
    #[serde(default)]
    pub path: Option<String>,
    /// Only requests of this method.
    #[serde(default)]
    pub method: Option<String>,
    /// How long `slow` waits, in milliseconds of real time.
    #[serde(default)]
    pub ms: u64,
    /// The work is done before the error is answered (`error_*`, `html_502`, `empty_500`).
    #[serde(default)]
    pub after_commit: bool,
    /// Only deals with one of these `orderNumber`s, and requests that carry one of them.
    #[serde(default)]
    pub orders: Vec<String>,
    /// What `item_error` says.
    #[serde(default)]
    pub text: Option<String>,
    /// Seconds that `error_429` asks for.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

impl Rule {
    /// A rule that strikes the next `count` requests whose path contains `path`.
    pub fn next(side: Side, fault: Fault, path: &str, count: u32) -> Self {
        let path = (!path.is_empty()).then(|| path.to_owned());
        let (probability, method) = (None, None);
        Self {
            side,
            fault,
            next: Some(count),
            probability,
            path,
            method,
            ms: 0,
            after_commit: false,
            orders: Vec::new(),
            text: None,
            retry_after: None,
        }
    }

    /// A rule that strikes each request with this probability.
    pub fn sometimes(side: Side, fault: Fault, probability: f64) -> Self {
        Self {
            probability: Some(probability),
            next: None,
            path: None,
            ..Self::next(side, fault, "", 0)
        }
    }
}

/// The rules in force, asked in order; several may strike one request (slow and then an error).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// What struck one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strike {
    pub slow_ms: u64,
    pub fault: Option<Fault>,
    pub after_commit: bool,
    pub retry_after: Option<u64>,
}

/// What a request is, as far as rules ask.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub side: Side,
    pub method: &'a str,
    pub path: &'a str,
    /// `orderNumber`s that the body carries.
    pub orders: &'a [String],
}

/// The rules with their dice and counters.
#[derive(Debug, Clone)]
pub struct Engine {
    rules: Vec<Rule>,
    dice: u64,
    struck: BTreeMap<String, u64>,
}

impl Engine {
    pub fn new(faults: Faults) -> Self {
        let dice = faults.seed ^ 0x9e37_79b9_7f4a_7c15;
        Self { rules: faults.rules, dice, struck: BTreeMap::new() }
    }

    /// Replaces the rules; the counters stay.
    pub fn set(&mut self, faults: Faults) {
        let struck = std::mem::take(&mut self.struck);
        *self = Self { struck, ..Self::new(faults) };
    }

    pub fn add(&mut self, rules: Vec<Rule>) {
        self.rules.extend(rules);
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How often each fault struck, by `side fault`.
    pub fn struck(&self) -> &BTreeMap<String, u64> {
        &self.struck
    }

    /// Throws the dice for one request. `early` faults (down, reset) strike before the rate limit.
    pub fn strike(&mut self, target: Target, early: bool) -> Strike {
        let Target { side, method, path, orders } = target;
        let mut strike = Strike::default();
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            let is_early = matches!(rule.fault, Fault::Down | Fault::ResetBefore);
            let fits = rule.side == side
                && rule.fault != Fault::ItemError
                && is_early == early
                && rule.path.as_deref().is_none_or(|text| path.contains(text))
                && (rule.orders.is_empty()
                    || orders.iter().any(|order| rule.orders.contains(order)))
                && rule.method.as_deref().is_none_or(|text| text.eq_ignore_ascii_case(method));
            if !fits || !self.hits(index) {
                continue;
            }
            let rule = &self.rules[index];
            count(&mut self.struck, rule);
            if rule.fault == Fault::Slow {
                strike.slow_ms += rule.ms;
                continue;
            }
            strike.fault = Some(rule.fault);
            strike.after_commit = rule.after_commit;
            strike.retry_after = rule.retry_after;
            break;
        }
        strike
    }

    /// What a deal is refused with, if it is.
    pub fn item_error(&mut self, number: &str) -> Option<String> {
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            let chosen = rule.orders.is_empty() || rule.orders.iter().any(|own| own == number);
            if rule.fault != Fault::ItemError || !chosen || !self.hits(index) {
                continue;
            }
            let rule = &self.rules[index];
            count(&mut self.struck, rule);
            let text = rule.text.clone();
            return Some(text.unwrap_or_else(|| "Order was not saved".to_owned()));
        }
        None
    }

    fn hits(&mut self, index: usize) -> bool {
        let rule = &mut self.rules[index];
        match (&mut rule.next, rule.probability) {
            (Some(0), _) => false,
            (Some(left), _) => {
                *left -= 1;
                true
            }
            (None, Some(probability)) => self.throw() < probability,
            (None, None) => true,
        }
    }

    /// The next number of [0, 1) of a splitmix64 sequence.
    fn throw(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.dice;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let top = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

fn count(struck: &mut BTreeMap<String, u64>, rule: &Rule) {
    let name = format!("{} {}", rule.side.name(), fault_name(rule.fault));
    *struck.entry(name).or_default() += 1;
}

/// The name of a fault as rules and the ledger write it.
pub fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::Error503 => "error_503",
        Fault::Error500 => "error_500",
        Fault::Html502 => "html_502",
        Fault::Empty500 => "empty_500",
        Fault::Slow => "slow",
        Fault::LostAnswer => "lost_answer",
        Fault::ResetBefore => "reset_before",
        Fault::Garbage => "garbage",
        Fault::Down => "down",
        Fault::Denied => "denied",
        Fault::Error429 => "error_429",
        Fault::Error400 => "error_400",
        Fault::ItemError => "item_error",
    }
}

/// The answer of a fault that has one of its own.
pub fn answer(side: Side, fault: Fault) -> Option<Answer> {
    if side == Side::Telegram {
        return of_telegram(fault);
    }
    let crm = side == Side::Retailcrm;
    let chatapi = side == Side::Chatapi;
    match fault {
        Fault::Error503 if crm => Some(Refusal::new(503, "Service Temporarily Unavailable").into()),
        Fault::Error503 => Some(Answer::html(503, "503 Service Temporarily Unavailable")),
        Fault::Error500 if crm => Some(Refusal::new(500, "Internal Server Error").into()),
        Fault::Error500 => Some(Answer::json(500, &json!({"message": "Internal Server Error"}))),
        Fault::Html502 => Some(Answer::html(502, "502 Bad Gateway")),
        Fault::Empty500 => Some(Answer::empty(500)),
        Fault::Denied if crm => Some(Refusal::denied().into()),
        Fault::Denied if chatapi => Some(Answer::json(401, &json!({"error": "Wrong token"}))),
        Fault::Denied => Some(Answer::json(403, &json!({"message": "Invalid credentials"}))),
        Fault::Error429 => Some(Answer::json(429, &json!({"message": "Too many requests"}))),
        Fault::Error400 if side == Side::Chats => {
            Some(Answer::json(400, &json!({"errors": ["Errors in the request"]})))
        }
        Fault::Error400 if crm => Some(Refusal::new(400, "Errors in the entity format").into()),
        Fault::Error400 if chatapi => {
            Some(Answer::json(400, &json!({"error": "body is required"})))
        }
        Fault::Error400 => Some(violation("orders", "the body is refused")),
        Fault::Slow
        | Fault::LostAnswer
        | Fault::ResetBefore
        | Fault::Garbage
        | Fault::Down
        | Fault::ItemError => None,
    }
}

/// The same in the words of the Bot API.
fn of_telegram(fault: Fault) -> Option<Answer> {
    let refused = match fault {
        Fault::Error503 | Fault::Error500 => Refused::new(500, "Internal Server Error"),
        Fault::Html502 => return Some(Answer::html(502, "502 Bad Gateway")),
        Fault::Empty500 => return Some(Answer::empty(500)),
        Fault::Denied => Refused::new(403, "Forbidden: bot was blocked by the user"),
        Fault::Error429 => Refused::slow(1),
        Fault::Error400 => Refused::bad("message is too long"),
        Fault::Slow
        | Fault::LostAnswer
        | Fault::ResetBefore
        | Fault::Garbage
        | Fault::Down
        | Fault::ItemError => return None,
    };
    Some(refused.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_strikes_exactly_so_often_and_only_its_path() {
        let rule = Rule::next(Side::Retailcrm, Fault::LostAnswer, "orders/create", 2);
        let mut engine = Engine::new(Faults { seed: 1, rules: vec![rule] });
        let mut strikes = 0;
        for path in ["/orders/create", "/orders", "/orders/create", "/orders/create"] {
            let target = Target { side: Side::Retailcrm, method: "POST", path, orders: &[] };
            let strike = engine.strike(target, false);
            strikes += u32::from(strike.fault == Some(Fault::LostAnswer));
        }
        assert_eq!(strikes, 2);
        assert_eq!(engine.struck()["retailcrm lost_answer"], 2);
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let rule = Rule::sometimes(Side::Calltouch, Fault::Error500, 0.3);
        let target = Target { side: Side::Calltouch, method: "GET", path: "/", orders: &[] };
        let run = |seed| {
            let mut engine = Engine::new(Faults { seed, rules: vec![rule.clone()] });
            (0..200).map(|_| engine.strike(target, false).fault.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let share = run(7).into_iter().filter(|hit| *hit).count();
        assert!((30..=90).contains(&share), "{share} of 200");
    }
}
