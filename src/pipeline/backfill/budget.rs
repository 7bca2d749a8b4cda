//! The requests of a day. Invariant: a backfill leaves enough of them for the live work of the day, and
//! who goes on with it knows what was sent before.

use crate::connectors::Connector;
use crate::pipeline::Pipeline;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Map, Value, json};

/// Until when a backfill sends nothing more there; `None`: it may send now.
pub fn rests_until(pipeline: &Pipeline, name: &str) -> Option<Timestamp> {
    let connector = pipeline.connector(name)?;
    let (left, tomorrow) = left(connector.as_ref(), pipeline.clock.now())?;
    (left == 0).then_some(tomorrow)
}

/// How many requests a backfill may send today, and when the next day begins; `None`: there is no
/// budget.
pub fn left(connector: &dyn Connector, now: Timestamp) -> Option<(u64, Timestamp)> {
    let budget = connector.requests_per_day()?;
    let here = now.to_zoned(connector.zone());
    let tomorrow = here.tomorrow().and_then(|day| day.start_of_day()).ok()?;
    let spent = connector.requests_today(now).saturating_add(reserve(connector, budget, &here));
    Some((budget.saturating_sub(spent), tomorrow.timestamp()))
}

/// How many requests a backfill may send on a whole day.
pub fn a_day(connector: &dyn Connector, now: Timestamp) -> Option<u64> {
    let budget = connector.requests_per_day()?;
    let morning = now.to_zoned(connector.zone()).start_of_day().ok()?;
    Some(budget.saturating_sub(reserve(connector, budget, &morning)).max(1))
}

/// What was sent today where there is a budget: kept with the place, for the process that goes on.
pub fn spent(pipeline: &Pipeline) -> Option<Value> {
    let now = pipeline.clock.now();
    let budgets = pipeline.connectors.iter().filter(|(_, one)| one.requests_per_day().is_some());
    let spent = budgets.map(|(name, connector)| {
        let day = now.to_zoned(connector.zone()).date();
        (name.clone(), json!({ "day": day, "requests": connector.requests_today(now) }))
    });
    let spent: Map<String, Value> = spent.collect();
    (!spent.is_empty()).then(|| Value::Object(spent))
}

/// Has the connections know what was spent before this process.
pub fn recall(pipeline: &Pipeline, spent: &Value) {
    let now = pipeline.clock.now();
    for (name, connector) in pipeline.connectors.iter() {
        let Some(held) = spent.get(name) else { continue };
        let today = json!(now.to_zoned(connector.zone()).date());
        if held.get("day") == Some(&today)
            && let Some(requests) = held.get("requests").and_then(Value::as_u64)
        {
            connector.recall_requests(requests, now);
        }
    }
}

/// What live work will need until midnight: its polls, and a tenth of the budget for what people and
/// flows ask; together at most half of the budget.
fn reserve(connector: &dyn Connector, budget: u64, now: &Zoned) -> u64 {
    let midnight = now.tomorrow().and_then(|day| day.start_of_day());
    let rest = midnight.map_or(SignedDuration::ZERO, |midnight| midnight.duration_since(now));
    let rest = u64::try_from(rest.as_secs()).unwrap_or_default();
    let polls = connector.feeds().into_iter().map(|feed| rest / feed.every.as_secs().max(1));
    polls.sum::<u64>().saturating_add(budget / 10).min(budget / 2)
}
