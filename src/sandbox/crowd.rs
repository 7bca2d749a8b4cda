//! Many people at once, for tests of a whole year. Invariant: the same crowd is the same people, and
//! nobody is told of it: neither history nor webhooks.

use crate::sandbox::calltouch::lead::{Kind, LeadSpec};
use crate::sandbox::crm::account::{Account, Object};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many, and over which time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowd {
    pub people: u64,
    #[serde(default = "yes")]
    pub orders: bool,
    #[serde(default = "yes")]
    pub leads: bool,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Orders of each person.
    #[serde(default = "one")]
    pub each: u64,
    /// How long before the order its lead was.
    #[serde(default = "ten_minutes")]
    pub ahead_s: i64,
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

fn ten_minutes() -> i64 {
    600
}

/// The first and the last id of what was made.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Made {
    pub customers: Option<(u64, u64)>,
    pub orders: Option<(u64, u64)>,
    pub leads: u64,
}

/// One of the crowd.
pub struct Person {
    phone: String,
    at: Timestamp,
    kind: Kind,
}

const STATUSES: [&str; 4] = ["new", "client-confirmed", "complete", "no-call"];

impl Crowd {
    /// The person of this number; their times are spread evenly.
    pub fn person(&self, number: u64) -> Person {
        let span = self.to.as_second().saturating_sub(self.from.as_second()).max(0);
        let part = i128::from(span) * i128::from(number) / i128::from(self.people.max(1));
        let part = SignedDuration::from_secs(i64::try_from(part).unwrap_or(0));
        let at = self.from.saturating_add(part).unwrap_or(self.to);
        let kind = if number % 3 == 2 { Kind::Request } else { Kind::Call };
        Person { phone: format!("7900{number:07}"), at, kind }
    }

    /// The lead that the person was first.
    pub fn lead(&self, person: &Person) -> LeadSpec {
        let ahead = SignedDuration::from_secs(self.ahead_s);
        LeadSpec {
            kind: person.kind,
            phone: person.phone.clone(),
            utm_source: "yandex".to_owned(),
            utm_medium: "cpc".to_owned(),
            at: person.at.saturating_sub(ahead).ok(),
            duration: 30,
            ..LeadSpec::default()
        }
    }
}

impl Person {
    pub fn customer(&self, account: &Account) -> Object {
        object(json!({
            "firstName": "Гость", "phones": [{ "number": self.phone }],
            "createdAt": account.stamp(self.at), "history": false,
        }))
    }

    /// Their order of this position.
    pub fn order(&self, account: &Account, customer: u64, position: u64) -> Object {
        let stores = &account.stores;
        let number = customer.wrapping_add(position);
        let of = |length: usize| {
            let length = u64::try_from(length.max(1)).unwrap_or(1);
            usize::try_from(number % length).unwrap_or(0)
        };
        let site = stores.get(of(stores.len())).map(|store| store.code.as_str());
        object(json!({
            "customer": { "id": customer }, "phone": self.phone, "site": site,
            "createdAt": account.stamp(self.at), "status": STATUSES[of(STATUSES.len())],
            "totalSumm": 100 + number % 900, "history": false,
        }))
    }
}

fn object(value: Value) -> Object {
    if let Value::Object(object) = value { object } else { Object::new() }
}
