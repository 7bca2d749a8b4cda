//! What changed in the account, entry by entry (retailcrm.md §2.4). Invariant: every write of a row
//! is noted in the same breath, by who made it; ids only grow and are never given twice.

use crate::sandbox::crm::account::{Customer, Object, Order};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A request with this API key.
    Key(String),
    /// A person in the CRM.
    User(i64),
    /// The action of a trigger.
    Rule,
    /// The CRM by itself.
    Code,
    Combine,
    Split,
}

impl Actor {
    pub fn source(&self) -> &'static str {
        match self {
            Self::Key(_) => "api",
            Self::User(_) => "user",
            Self::Rule => "rule",
            Self::Code => "code",
            Self::Combine => "combine",
            Self::Split => "split",
        }
    }

    /// `user`, `user:2`, `rule`, `code`, `combine`, `split`, `api` (some other key), `api:KEY`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            None => match text {
                "" | "user" => Self::User(1),
                "rule" => Self::Rule,
                "code" => Self::Code,
                "combine" => Self::Combine,
                "split" => Self::Split,
                "api" => Self::Key("another integration".to_owned()),
                _ => return None,
            },
            Some(("user", id)) => Self::User(id.parse().ok()?),
            Some(("api", key)) => Self::Key(key.to_owned()),
            Some(_) => return None,
        })
    }
}

/// One change: what it was and what it is.
#[derive(Debug, Clone)]
pub struct Change {
    pub field: String,
    pub old: Value,
    pub new: Value,
    /// The item that an `order_product…` field belongs to.
    pub item: Option<usize>,
}

impl Change {
    pub fn new(field: impl Into<String>, old: Value, new: Value) -> Self {
        Self { field: field.into(), old, new, item: None }
    }
}

/// What a change is to its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Created,
    Changed,
    /// Deleted, and what it was merged into.
    Deleted(Option<u64>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub id: u64,
    pub at: Timestamp,
    /// When it was written down: what the lag counts from.
    pub stored_at: Timestamp,
    /// The order or customer.
    pub row: u64,
    pub site: String,
    pub actor: Actor,
    pub step: Step,
    pub change: Change,
}

/// All entries of orders, or all of customers.
#[derive(Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    held: BTreeSet<u64>,
    hold_next: u32,
}

/// A row as its entries name it.
#[derive(Debug, Clone)]
pub struct Subject {
    pub row: u64,
    pub site: String,
    pub actor: Actor,
    pub at: Timestamp,
    pub stored_at: Timestamp,
}

impl Book {
    pub fn write(&mut self, subject: &Subject, step: Step, change: Change) {
        let id = u64::try_from(self.entries.len()).unwrap_or(u64::MAX).saturating_add(1);
        if self.hold_next > 0 {
            self.hold_next -= 1;
            self.held.insert(id);
        }
        let Subject { row, site, actor, at, stored_at } = subject.clone();
        self.entries.push(Entry { id, at, stored_at, row, site, actor, step, change });
    }

    pub fn write_all(&mut self, subject: &Subject, changes: Vec<Change>) {
        for change in changes {
            self.write(subject, Step::Changed, change);
        }
    }

    /// Entries above this id that can be seen by now, in their order.
    pub fn after(
        &self,
        id: u64,
        now: Timestamp,
        lag_ms: i64,
    ) -> impl Iterator<Item = &Entry> + Clone {
        let lag = SignedDuration::from_millis(lag_ms);
        let first = usize::try_from(id).unwrap_or(usize::MAX).min(self.entries.len());
        self.entries[first..].iter().filter(move |entry| {
            (lag.is_zero() || now.duration_since(entry.stored_at) >= lag)
                && (self.held.is_empty() || !self.held.contains(&entry.id))
        })
    }

    /// The next entries stay unseen until they are released.
    pub fn hold_next(&mut self, count: u32) {
        self.hold_next = count;
    }

    pub fn hold(&mut self, ids: &[u64]) {
        self.held.extend(ids);
    }

    /// Shows these entries; an empty list: all.
    pub fn release(&mut self, ids: &[u64]) {
        self.held.retain(|id| !ids.is_empty() && !ids.contains(id));
    }

    pub fn held(&self) -> &BTreeSet<u64> {
        &self.held
    }

    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.id)
    }
}

/// `orderMethod` → `order_method`.
fn snake(key: &str) -> String {
    let mut text = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

fn code(value: &str) -> Value {
    if value.is_empty() { Value::Null } else { json!({ "code": value }) }
}

/// The keys that two maps hold differently, with both values.
fn different<'a>(
    before: &'a Object,
    after: &'a Object,
) -> impl Iterator<Item = (&'a str, &'a Value, &'a Value)> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let keys = after.keys().chain(gone);
    let value = |map: &'a Object, key: &str| map.get(key).unwrap_or(&Value::Null);
    let both = move |key: &'a String| (key.as_str(), value(before, key), value(after, key));
    keys.map(both).filter(|(_, old, new)| old != new)
}

/// What an edit changed of an order, in the names of the history.
pub fn order_changes(before: &Order, after: &Order) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.status != after.status {
        changes.push(Change::new("status", code(&before.status), code(&after.status)));
    }
    for (key, old, new) in different(&before.fields, &after.fields) {
        order_field(&mut changes, key, old, new);
    }
    for (key, old, new) in different(&before.custom, &after.custom) {
        changes.push(Change::new(format!("custom_{key}"), old.clone(), new.clone()));
    }
    if before.external_id != after.external_id {
        let (old, new) = (json!(before.external_id), json!(after.external_id));
        changes.push(Change::new("external_id", old, new));
    }
    if before.customer != after.customer {
        let of = |id: Option<u64>| id.map_or(Value::Null, |id| json!({"id": id}));
        changes.push(Change::new("customer", of(before.customer), of(after.customer)));
    }
    item_changes(&mut changes, before, after);
    changes
}

fn order_field(changes: &mut Vec<Change>, key: &str, old: &Value, new: &Value) {
    let wrapped = |value: &Value, inside: &str| match value {
        Value::Null => Value::Null,
        value => json!({ inside: value }),
    };
    match key {
        "orderMethod" | "orderType" | "shipmentStore" | "privilegeType" => {
            let (old, new) = (wrapped(old, "code"), wrapped(new, "code"));
            changes.push(Change::new(snake(key), old, new));
        }
        "managerId" => {
            changes.push(Change::new("manager", wrapped(old, "id"), wrapped(new, "id")));
        }
        // A sum is no field of the history: it is that of the items.
        "totalSumm" | "summ" => {
            changes.push(Change::new("order_product.summ", old.clone(), new.clone()));
        }
        "delivery" => {
            for (inside, name) in [("cost", "delivery_cost"), ("date", "delivery_date")] {
                if old[inside] != new[inside] {
                    changes.push(Change::new(name, old[inside].clone(), new[inside].clone()));
                }
            }
            if old["code"] != new["code"] {
                let (old, new) = (wrapped(&old["code"], "code"), wrapped(&new["code"], "code"));
                changes.push(Change::new("delivery_type", old, new));
            }
            if old["address"] != new["address"] {
                let (old, new) = (old["address"]["text"].clone(), new["address"]["text"].clone());
                changes.push(Change::new("delivery_address.text", old, new));
            }
        }
        key => changes.push(Change::new(snake(key), old.clone(), new.clone())),
    }
}

fn item_changes(changes: &mut Vec<Change>, before: &Order, after: &Order) {
    let names = [
        ("quantity", "order_product.quantity"),
        ("initialPrice", "order_product.initial_price"),
        ("discountTotal", "order_product.discount_total"),
    ];
    for position in 0..before.items.len().max(after.items.len()) {
        let item = Some(position + 1);
        match (before.items.get(position), after.items.get(position)) {
            (Some(old), Some(new)) => {
                for (key, field) in names {
                    let value = |row: &Object| row.get(key).cloned().unwrap_or_default();
                    let (old, new) = (value(old), value(new));
                    if old != new {
                        changes.push(Change { item, ..Change::new(field, old, new) });
                    }
                }
            }
            (old, _) => {
                let id = json!(position + 1);
                let (old, new) = if old.is_some() { (id, Value::Null) } else { (Value::Null, id) };
                changes.push(Change { item, ..Change::new("order_product", old, new) });
            }
        }
    }
}

/// What an edit changed of a customer.
pub fn customer_changes(before: &Customer, after: &Customer) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, old, new) in different(&before.fields, &after.fields) {
        order_field(&mut changes, key, old, new);
    }
    for (key, old, new) in different(&before.custom, &after.custom) {
        changes.push(Change::new(format!("custom_{key}"), old.clone(), new.clone()));
    }
    for phone in after.phones.iter().filter(|phone| !before.phones.contains(phone)) {
        changes.push(Change::new("phones", Value::Null, json!(phone)));
    }
    if before.email != after.email {
        changes.push(Change::new("email", json!(before.email), json!(after.email)));
    }
    if before.external_id != after.external_id {
        let (old, new) = (json!(before.external_id), json!(after.external_id));
        changes.push(Change::new("external_id", old, new));
    }
    changes
}
