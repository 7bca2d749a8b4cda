//! The journal of deals (orders-diary). Invariant: who asks is answered from a reading that began after
//! it asked; those who ask for one day at a time share one reading.

use super::client::Api;
use super::deal::{self, Way};
use super::fields;
use super::poll::day_of;
use super::wire::scalar_text;
use crate::connectors::port::{Listed, ListedPage};
use crate::domain::{Delay, Effect, Look};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Readings under way, by day.
#[derive(Default)]
pub struct Diary {
    days: Mutex<HashMap<Date, Arc<Day>>>,
}

#[derive(Default)]
struct Day {
    /// How many readings have begun.
    begun: AtomicU64,
    /// The last one, with its number; held while one is under way.
    last: tokio::sync::Mutex<Option<(u64, Reading)>>,
}

/// The deals of a day by order number.
type Reading = Result<Arc<HashMap<String, Value>>, Delay>;

/// Has this write happened?
pub async fn look(diary: &Diary, api: &Api, zone: &TimeZone, effect: &Effect) -> Look {
    let way = Way::of(&effect.operation);
    let made = deal::text(&effect.input, "orderDate").and_then(|text| text.parse().ok());
    // An update that does not say when its deal was made is just sent again.
    let (Some(way), Some(made), Some(id)) = (way, made, deal::id(&effect.input)) else {
        return Look::Absent;
    };
    let found = match diary.day(api, day_of(made, zone)).await {
        Ok(deals) => deals.get(&id).cloned(),
        Err(delay) => return Look::Later(delay),
    };
    let Some(found) = found else { return Look::Absent };
    let mut output = json!({ "id": id, "calltouch_id": id_of(&found) });
    match way {
        Way::Create => output["existed"] = false.into(),
        Way::Update if !shows(&found, effect, zone) => return Look::Absent,
        Way::Update => {}
    }
    Look::Done(output)
}

/// Is the deal as this update leaves it? A status that went and came back is the same word, so the
/// time of the change that the update carries has to be there too. Where the journal does not tell
/// it, the update is sent again: it says what it said before.
fn shows(found: &Value, effect: &Effect, zone: &TimeZone) -> bool {
    if deal::status(&effect.input) != status_of(found) {
        return false;
    }
    let Some(sent) = deal::text(&effect.input, "updateDate") else { return true };
    let sent = sent.parse().ok().map(Timestamp::as_second);
    let told = text(found, "updatedDate").and_then(|text| fields::time(&text, zone));
    sent.is_some() && sent == told.map(Timestamp::as_second)
}

/// A page of the deals that were made on a day.
///
/// # Errors
/// Why not now.
pub async fn listed(api: &Api, zone: &TimeZone, day: Date, page: u32) -> Result<ListedPage, Delay> {
    let read = api.orders(day, page).await?;
    let all = read.records.len();
    // Whether `dateTo` is of the day is not documented: what is of the next one is its own.
    let rows: Vec<Listed> = read
        .records
        .iter()
        .filter_map(|record| row(record, day, zone))
        .filter(|row| day_of(row.made, zone) == day)
        .collect();
    let total = read.total.filter(|_| rows.len() == all);
    Ok(ListedPage { rows, more: read.more, total })
}

impl Diary {
    /// How many days it keeps.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.lock().len()
    }

    async fn day(&self, api: &Api, day: Date) -> Reading {
        let slot = Arc::clone(self.lock().entry(day).or_default());
        let asked = slot.begun.load(Ordering::Acquire);
        let mut last = slot.last.lock().await;
        let held = last.as_ref().filter(|(number, _)| *number > asked);
        let reading = match held {
            Some((_, reading)) => reading.clone(),
            None => {
                let number = slot.begun.fetch_add(1, Ordering::AcqRel) + 1;
                let reading = read(api, day).await;
                *last = Some((number, reading.clone()));
                reading
            }
        };
        drop(last);
        self.forget(day, &slot);
        reading
    }

    /// A day that nobody else asks for is not kept.
    fn forget(&self, day: Date, slot: &Arc<Day>) {
        let mut days = self.lock();
        // The one in the table, and ours.
        if Arc::strong_count(slot) <= 2 {
            days.remove(&day);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Date, Arc<Day>>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(api: &Api, day: Date) -> Reading {
    let mut deals = HashMap::new();
    for page in 1.. {
        let read = api.orders(day, page).await?;
        for record in read.records {
            if let Some(number) = number_of(&record) {
                deals.entry(number).or_insert(record);
            }
        }
        if !read.more {
            break;
        }
    }
    Ok(Arc::new(deals))
}

/// A record in the shape of the question `deal`; one without a time is of the day that was asked for.
fn row(record: &Value, day: Date, zone: &TimeZone) -> Option<Listed> {
    let id = number_of(record)?;
    let times = ["orderDate", "createdDate"].iter().filter_map(|name| record.get(*name));
    let made = times.filter_map(scalar_text).find_map(|text| fields::time(&text, zone));
    let begin = || day.to_zoned(zone.clone()).ok().map(|begin| begin.timestamp());
    let made: Timestamp = made.or_else(begin)?;
    let mut held = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            held.insert(name.to_owned(), value.into());
        }
    };
    put("id", Some(id.clone()));
    put("status", status_of(record));
    put("revenue", revenue(record));
    put("orderName", text(record, "orderName"));
    put("funnel", text(record, "funnel"));
    put("calltouch_id", id_of(record));
    put("created", Some(made.to_string()));
    Some(Listed { id, made, fields: Value::Object(held) })
}

fn number_of(record: &Value) -> Option<String> {
    text(record, "orderNumber").filter(|number| !fields::is_nothing(number))
}

fn id_of(record: &Value) -> Option<String> {
    ["orderId", "calltouchOrderId"]
        .iter()
        .filter_map(|name| text(record, name))
        .find_map(|text| fields::id(&text).map(str::to_owned))
}

fn status_of(record: &Value) -> Option<String> {
    text(record, "orderStatus").or_else(|| text(record, "status"))
}

/// The sum of a deal that is closed, else the one that is planned.
fn revenue(record: &Value) -> Option<String> {
    let sum = |name: &str| {
        let typed = text(record, name)?.replace(char::is_whitespace, "").replace(',', ".");
        typed.parse::<Decimal>().ok()
    };
    sum("completedAmount")
        .filter(|sum| !sum.is_zero())
        .or_else(|| sum("plannedAmount"))
        .or_else(|| sum("completedAmount"))
        .map(|sum| sum.to_string())
}

fn text(record: &Value, name: &str) -> Option<String> {
    record.get(name).and_then(scalar_text).filter(|text| !text.is_empty())
}
