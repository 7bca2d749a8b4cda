//! What a template sees. Invariant: plain texts, in the language and the zone of the block; a value is
//! short, however long the CRM keeps it.

use super::config::Settings;
use super::words::Words;
use crate::connectors::block::Seen;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Characters of one value.
const LONGEST: usize = 200;
/// Phones of one person.
const MOST_PHONES: usize = 5;
/// Between thousands, and before a currency: never a line's end.
const THIN: char = '\u{a0}';

/// The variables of a template.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    pub title: Option<String>,
    /// What came of it: `people`, `nobody`, `late`, …
    pub state: &'static str,
    /// By what they were found: `phone`, `email`; empty where nobody was.
    pub by: &'static str,
    pub notice: Option<&'static str>,
    /// What to do about it.
    pub hint: Option<&'static str>,
    pub people: Vec<Person>,
    pub words: &'static Words,
}

#[derive(Debug, Clone, Serialize)]
pub struct Person {
    pub id: Option<i64>,
    pub url: String,
    pub name: String,
    pub email: String,
    pub phones: Vec<String>,
    pub store: String,
    pub count: u64,
    /// Orders that are not shown.
    pub more: u64,
    pub orders: Vec<Order>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Order {
    pub id: Option<i64>,
    pub url: String,
    pub number: String,
    pub status: String,
    pub status_code: String,
    pub status_group: String,
    pub date: String,
    pub sum: String,
    pub store: String,
}

pub fn of(seen: &Seen, settings: &Settings, zone: &TimeZone) -> View {
    let (by, people) = match seen {
        Seen::People { by, people } => (*by, people.as_slice()),
        _ => ("", [].as_slice()),
    };
    let people = people.iter().map(|row| person(row, settings.words, zone)).collect();
    View { title: settings.title.clone(), by, people, ..bare(seen, settings.words) }
}

/// Without anybody.
fn bare(seen: &Seen, words: &'static Words) -> View {
    let (notice, hint) = match seen {
        Seen::People { .. } | Seen::Off => (None, None),
        Seen::Nobody => (Some(words.nobody), None),
        Seen::NoContacts => (Some(words.no_contacts), None),
        Seen::Elsewhere => (Some(words.elsewhere), None),
        Seen::Unreadable => (Some(words.unreadable), None),
        Seen::Late => (Some(words.late), Some(words.refresh)),
        Seen::Paused => (Some(words.paused), Some(words.refresh)),
        Seen::Failed => (Some(words.failed), Some(words.refresh)),
    };
    View { title: None, state: seen.word(), by: "", notice, hint, people: Vec::new(), words }
}

fn person(row: &Value, words: &Words, zone: &TimeZone) -> Person {
    let rows = |key: &str| row.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let orders: Vec<Order> = rows("orders").iter().map(|row| order(row, words, zone)).collect();
    let count = row.get("count").and_then(Value::as_u64).unwrap_or_default();
    let names = ["lastName", "firstName", "patronymic"].map(|key| text(row, key));
    let phones = rows("phones").into_iter().take(MOST_PHONES);
    Person {
        id: row.get("id").and_then(Value::as_i64),
        url: text(row, "url"),
        name: names.join(" ").split_whitespace().collect::<Vec<_>>().join(" "),
        email: text(row, "email"),
        phones: phones.filter_map(|phone| Some(short(phone.as_str()?))).collect(),
        store: text(row, "site_name"),
        more: count.saturating_sub(u64::try_from(orders.len()).unwrap_or(u64::MAX)),
        count,
        orders,
    }
}

fn order(row: &Value, words: &Words, zone: &TimeZone) -> Order {
    let or = |first: &str, second: &str| {
        let first = text(row, first);
        if first.is_empty() { text(row, second) } else { first }
    };
    let id = row.get("id").and_then(Value::as_i64);
    let number = text(row, "number");
    let shown = || id.map(|id| id.to_string()).unwrap_or_default();
    Order {
        id,
        url: text(row, "url"),
        number: if number.is_empty() { shown() } else { number },
        status: or("status_name", "status"),
        status_code: text(row, "status"),
        status_group: text(row, "status_group"),
        date: date(&text(row, "createdAt"), words, zone),
        sum: sum(&text(row, "totalSumm"), &text(row, "currency"), words),
        store: or("site_name", "site"),
    }
}

fn text(row: &Value, key: &str) -> String {
    row.get(key).and_then(Value::as_str).map(short).unwrap_or_default()
}

/// Without what controls the line it stands in, and not longer than a page can bear.
fn short(text: &str) -> String {
    let unseen =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().filter(|c| !unseen(*c)).take(LONGEST + 1).collect();
    if plain.chars().count() <= LONGEST {
        return plain;
    }
    plain.chars().take(LONGEST).chain(['…']).collect()
}

fn date(time: &str, words: &Words, zone: &TimeZone) -> String {
    let Ok(time) = time.parse::<Timestamp>() else { return String::new() };
    let form = match words.language {
        "ru" => "%d.%m.%Y",
        "pt" => "%d/%m/%Y",
        _ => "%Y-%m-%d",
    };
    time.to_zoned(zone.clone()).strftime(form).to_string()
}

/// `12900.5` as people write it; what is no decimal stays as it is.
fn sum(decimal: &str, currency: &str, words: &Words) -> String {
    let (group, point) = if words.language == "en" { (',', '.') } else { (THIN, ',') };
    let (whole, cents) = decimal.split_once('.').unwrap_or((decimal, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if decimal.is_empty() || digits.is_empty() || !plain(digits) || !plain(cents) {
        return decimal.to_owned();
    }
    let mut shown = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            shown.push(group);
        }
        shown.push(digit);
    }
    if cents.chars().any(|digit| digit != '0') {
        shown.push(point);
        shown.push_str(&format!("{cents:0<2}"));
    }
    if !currency.is_empty() {
        shown.push(THIN);
        shown.push_str(currency);
    }
    shown
}

/// One view of each kind: what a template must be able to show.
pub fn samples(words: &'static Words) -> Vec<View> {
    let order = json!({ "id": 1, "number": "1A", "url": "https://crm.example/orders/1/edit",
        "status": "new", "status_name": "New", "status_group": "new", "site": "main",
        "site_name": "Main", "totalSumm": "1290.50", "currency": "RUB",
        "createdAt": "2026-11-20T10:00:00Z" });
    let whole = json!({ "id": 1, "url": "https://crm.example/customers/1", "lastName": "A",
        "firstName": "B", "email": "a@example.test", "phones": ["79990000001"], "site": "main",
        "site_name": "Main", "count": 12, "orders": [order, { "id": 2 }] });
    let rows = [json!([whole, { "id": 2, "count": 0 }]), json!([{ "id": 3 }])];
    let found = rows.iter().map(|rows| {
        let people: Vec<Value> = rows.as_array().cloned().unwrap_or_default();
        let shown = people.iter().map(|row| person(row, words, &TimeZone::UTC)).collect();
        let seen = Seen::People { by: "phone", people: Arc::new(people) };
        View { title: Some("A".to_owned()), by: "phone", people: shown, ..bare(&seen, words) }
    });
    let told = [
        Seen::Nobody,
        Seen::NoContacts,
        Seen::Elsewhere,
        Seen::Unreadable,
        Seen::Late,
        Seen::Paused,
        Seen::Failed,
    ];
    found.chain(told.iter().map(|seen| bare(seen, words))).collect()
}
