//! The RetailCRM account: what it holds and how its stamps are written. Invariant: rows are
//! written by `customer_write` and `order_write` alone, each with its origin.

use crate::sandbox::crm::customer_write::add_phone;
use crate::sandbox::crm::factory::{self, References};
use crate::sandbox::crm::history::{Actor, Book, Change, Step, Subject};
use crate::sandbox::crm::lists::Away;
use crate::sandbox::crm::shelf::{Row, Shelf, exact_key};
use crate::sandbox::crm::triggers::{Called, Firing, Trigger};
use crate::sandbox::mg::Mg;
use crate::sandbox::switches::Switches;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub type Object = Map<String, Value>;

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A request with an API key.
    Api,
    /// A control route.
    Seed,
    /// The CRM itself, because of another write.
    Code,
}

/// A store of the account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub code: String,
    pub name: String,
    #[serde(default)]
    pub ordering: i64,
}

/// An API key. `None` means all.
#[derive(Debug, Clone)]
pub struct Key {
    pub key: String,
    pub scopes: Option<Vec<String>>,
    pub sites: Option<Vec<String>>,
}

/// A custom field as the API shows it.
#[derive(Debug, Clone)]
pub struct Field {
    pub entity: String,
    pub code: String,
    pub body: Object,
}

#[derive(Debug, Clone)]
pub struct Customer {
    pub id: u64,
    pub external_id: Option<String>,
    pub site: String,
    pub created_at: Timestamp,
    /// When it was written, by the sandbox's clock: what `search_lag_ms` counts from.
    pub stored_at: Timestamp,
    pub corporate: bool,
    pub phones: Vec<String>,
    pub email: String,
    pub tags: Vec<String>,
    pub custom: Object,
    /// Everything else that is stored as sent.
    pub fields: Object,
    pub combined_to: Option<u64>,
    pub origin: Origin,
    pub edits: u32,
}

impl Customer {
    /// "last first patronymic" in lower case.
    pub fn full_name(&self) -> String {
        full_name(&self.fields)
    }
}

/// One successful write of an order.
#[derive(Debug, Clone, Serialize)]
pub struct Write {
    /// `create` or `edit`.
    pub kind: &'static str,
    pub at: Timestamp,
    pub origin: Origin,
    /// The `calltouch_*_id` fields that the write carried, with their values.
    pub leads: BTreeMap<String, String>,
    /// False where an edit left everything as it was.
    pub changed: bool,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub id: u64,
    pub number: String,
    pub external_id: Option<String>,
    pub site: String,
    pub status: String,
    pub created_at: Timestamp,
    pub status_at: Timestamp,
    pub stored_at: Timestamp,
    pub customer: Option<u64>,
    /// The person of a corporate order; of others the customer itself.
    pub contact: Option<u64>,
    pub custom: Object,
    pub fields: Object,
    pub items: Vec<Object>,
    pub origin: Origin,
    pub writes: Vec<Write>,
}

pub fn full_name(fields: &Object) -> String {
    let parts = ["lastName", "firstName", "patronymic"];
    let parts: Vec<&str> = parts
        .iter()
        .filter_map(|key| fields.get(*key)?.as_str())
        .filter(|t| !t.is_empty())
        .collect();
    parts.join(" ").to_lowercase()
}

impl Row for Customer {
    fn id(&self) -> u64 {
        self.id
    }
    fn site(&self) -> &str {
        &self.site
    }
    fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn email(&self) -> String {
        self.email.to_lowercase()
    }
    fn searched(&self) -> Vec<String> {
        let mut texts = self.phones.clone();
        texts.push(self.full_name());
        texts
    }
    fn owners(&self) -> Vec<u64> {
        Vec::new()
    }
    fn exact(&self) -> Vec<String> {
        custom_keys(&self.custom)
    }
}

impl Row for Order {
    fn id(&self) -> u64 {
        self.id
    }
    fn site(&self) -> &str {
        &self.site
    }
    fn external_id(&self) -> Option<&str> {
        self.external_id.as_deref()
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn email(&self) -> String {
        text_of(&self.fields, "email").to_lowercase()
    }
    fn searched(&self) -> Vec<String> {
        let phone = text_of(&self.fields, "phone").to_owned();
        let second = text_of(&self.fields, "additionalPhone").to_owned();
        vec![phone, second, full_name(&self.fields)]
    }
    fn owners(&self) -> Vec<u64> {
        self.customer.into_iter().chain(self.contact).collect()
    }
    fn exact(&self) -> Vec<String> {
        let mut keys = custom_keys(&self.custom);
        keys.push(exact_key("number", &self.number));
        keys
    }
}

/// Custom fields that hold a text or a number; others are compared row by row.
fn custom_keys(custom: &Object) -> Vec<String> {
    let key = |(code, value): (&String, &Value)| {
        let code = format!("customFields.{code}");
        match value {
            Value::String(text) => Some(exact_key(&code, text)),
            Value::Number(number) => Some(exact_key(&code, &number.to_string())),
            _ => None,
        }
    };
    custom.iter().filter_map(key).collect()
}

pub fn text_of<'a>(fields: &'a Object, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Sources that will be merged into one customer.
#[derive(Debug, Clone)]
pub struct Merge {
    pub due: Timestamp,
    pub sources: Vec<u64>,
    pub result: u64,
}

/// Everything that the account holds.
#[derive(Debug)]
pub struct Account {
    pub zone: TimeZone,
    pub stores: Vec<Store>,
    pub keys: Vec<Key>,
    pub references: References,
    pub fields: Vec<Field>,
    /// Entries of lists that a person took away.
    pub away: Vec<Away>,
    pub customers: Shelf<Customer>,
    pub orders: Shelf<Order>,
    pub notes: Vec<Object>,
    pub merges: Vec<Merge>,
    pub history: Book,
    pub customer_history: Book,
    /// Orders that were deleted or merged.
    pub gone: BTreeMap<u64, Order>,
    pub triggers: Vec<Trigger>,
    /// What triggers have not told yet.
    pub fired: Vec<Firing>,
    pub called: Vec<Called>,
    /// Its chats.
    pub mg: Mg,
    pub switches: Switches,
    pub url: String,
    pub seed: u64,
}

impl Account {
    pub fn new(zone: TimeZone, stores: Vec<Store>, keys: Vec<Key>, switches: Switches) -> Self {
        Self {
            zone,
            stores,
            keys,
            references: factory::references(),
            fields: Vec::new(),
            away: Vec::new(),
            customers: Shelf::default(),
            orders: Shelf::default(),
            notes: Vec::new(),
            merges: Vec::new(),
            history: Book::default(),
            customer_history: Book::default(),
            gone: BTreeMap::new(),
            triggers: Vec::new(),
            fired: Vec::new(),
            called: Vec::new(),
            mg: Mg::default(),
            switches,
            url: String::new(),
            seed: 0,
        }
    }

    /// `Y-m-d H:i:s` in the account's zone.
    pub fn stamp(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// Reads `Y-m-d H:i:s` of the account's zone; nothing else is a stamp.
    pub fn parse_stamp(&self, text: &str) -> Option<Timestamp> {
        let at = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        Some(at.to_zoned(self.zone.clone()).ok()?.timestamp())
    }

    /// The first or the last moment that a filter value (`Y-m-d`, or with a time) means.
    pub fn parse_bound(&self, text: &str, last: bool) -> Option<Timestamp> {
        if let Some(at) = self.parse_stamp(text) {
            return Some(at);
        }
        let day = Date::strptime("%Y-%m-%d", text).ok()?;
        let day = if last { day.tomorrow().ok()? } else { day };
        let start = day.to_zoned(self.zone.clone()).ok()?.timestamp();
        if last { start.checked_sub(SignedDuration::from_nanos(1)).ok() } else { Some(start) }
    }

    pub fn has_store(&self, code: &str) -> bool {
        self.stores.iter().any(|store| store.code == code)
    }

    /// The store with the lowest ordering, ties by code.
    pub fn first_store(&self) -> String {
        let first = self.stores.iter().min_by_key(|store| (store.ordering, store.code.clone()));
        first.map(|store| store.code.clone()).unwrap_or_default()
    }

    /// Carries out the merges that are due.
    pub fn settle(&mut self, now: Timestamp) {
        let (due, later): (Vec<Merge>, Vec<Merge>) =
            self.merges.drain(..).partition(|merge| merge.due <= now);
        self.merges = later;
        for merge in due {
            for source in merge.sources {
                self.merge_customer(source, merge.result, now);
            }
        }
    }

    /// The source is gone, its orders are the survivor's.
    fn merge_customer(&mut self, source: u64, result: u64, now: Timestamp) {
        let gone = self.customers.change(source, |customer| {
            customer.combined_to = Some(result);
            customer.clone()
        });
        let Some(gone) = gone else { return };
        let site = gone.site.clone();
        let (actor, at) = (Actor::Combine, whole_second(now));
        let subject = Subject { row: source, site, actor, at, stored_at: now };
        let change = Change::new("id", json!(source), Value::Null);
        self.customer_history.write(&subject, Step::Deleted(Some(result)), change);
        self.inherit(&gone, result, &subject);
        for order in self.orders.with_owner(source) {
            let site = self.orders.change(order, |order| {
                for owner in [&mut order.customer, &mut order.contact] {
                    if *owner == Some(source) {
                        *owner = Some(result);
                    }
                }
                order.site.clone()
            });
            let subject = Subject { row: order, site: site.unwrap_or_default(), ..subject.clone() };
            let change = Change::new("customer", json!({ "id": source }), json!({ "id": result }));
            self.history.write(&subject, Step::Changed, change);
        }
    }

    /// The survivor has the phones of both, and the e-mail that it lacked.
    fn inherit(&mut self, gone: &Customer, result: u64, subject: &Subject) {
        let Some(before) = self.customers.get(result).cloned() else { return };
        self.customers.change(result, |survivor| {
            gone.phones.iter().for_each(|phone| add_phone(survivor, phone));
            if survivor.email.is_empty() {
                survivor.email.clone_from(&gone.email);
            }
        });
        let Some(after) = self.customers.get(result) else { return };
        let subject = Subject { row: result, site: after.site.clone(), ..subject.clone() };
        let changes = super::history::customer_changes(&before, after);
        self.customer_history.write_all(&subject, changes);
    }
}

/// The clock to the second, as the account keeps it.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
