//! The requests of a day. Invariant: a backfill leaves enough of them for the live work of the day.

use crate::connectors::Connector;
use crate::pipeline::Pipeline;
use jiff::{SignedDuration, Timestamp, Zoned};

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
    let now = now.to_zoned(connector.zone());
    let tomorrow = now.tomorrow().and_then(|day| day.start_of_day()).ok()?;
    let spent = connector.requests_today().saturating_add(reserve(connector, budget, &now));
    Some((budget.saturating_sub(spent), tomorrow.timestamp()))
}

/// How many requests a backfill may send on a whole day.
pub fn a_day(connector: &dyn Connector, now: Timestamp) -> Option<u64> {
    let budget = connector.requests_per_day()?;
    let morning = now.to_zoned(connector.zone()).start_of_day().ok()?;
    Some(budget.saturating_sub(reserve(connector, budget, &morning)).max(1))
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
