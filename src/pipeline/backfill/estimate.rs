//! What a backfill will cost, before it starts. Invariant: asks little, promises nothing: what is not
//! counted is guessed from a few days, and said to be so.

use super::{DEALS, LEADS, backwards, bounds, budget, days, nouns};
use crate::clock::plus;
use crate::connectors::Connector;
use crate::connectors::http::in_background;
use crate::connectors::port::ListedPage;
use crate::domain::{Delay, Whose};
use crate::pipeline::Pipeline;
use crate::rules::{pairs, retry};
use crate::store;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// So many days are looked at; of no more than these all are.
const LOOKS: u64 = 12;
const WEEK: u64 = 7;
/// A page is tried so often before there is no estimate.
const TRIES: u32 = 3;
/// A backfill takes half of what is allowed.
const HALF: f64 = 0.5;

/// What a backfill will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Days that will be read.
    pub days: u64,
    /// How many things there are, where the far side says so.
    pub things: Option<u64>,
    /// By connection.
    pub requests: BTreeMap<String, u64>,
    /// At half of the slowest rate, without rests.
    pub seconds: u64,
    /// Over how many days the requests must be spread, because of a budget.
    pub spread: u64,
    /// False: guessed from some days.
    pub counted: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", .0.why)]
    FarSide(Delay),
    #[error("the store: {0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Nothing(String),
}

/// # Errors
/// The far side's trouble, the store's, or that there is nothing of this sort.
pub async fn estimate(
    pipeline: &Pipeline,
    what: &str,
    name: &str,
    days: (Date, Date),
) -> Result<Estimate, Error> {
    match what {
        LEADS => leads(pipeline, name, days).await,
        DEALS => deals(pipeline, name, days).await,
        other => Err(Error::Nothing(format!("nobody knows a backfill of {other}"))),
    }
}

async fn leads(
    pipeline: &Pipeline,
    name: &str,
    (first, last): (Date, Date),
) -> Result<Estimate, Error> {
    let none = || Error::Nothing(format!("{name} has no journal of leads"));
    let connector = pipeline.connector(name).ok_or_else(none)?;
    let (zone, now) = (connector.zone(), pipeline.clock.now());
    let (mut requests, mut unread) = (0, BTreeSet::new());
    for noun in nouns(connector.offer()) {
        let known = pipeline.store.covered(name, noun).await?;
        for day in backwards(first, last) {
            let Some((begin, end)) = bounds(day, &zone) else { continue };
            if known.is_none_or(|(since, until)| since > begin || until < end.min(now)) {
                unread.insert(day);
                requests += 1;
            }
        }
    }
    let requests = BTreeMap::from([(name.to_owned(), requests)]);
    // A day may have several pages, which nobody knows before.
    Ok(whole(pipeline, unread.len() as u64, None, requests, false))
}

async fn deals(
    pipeline: &Pipeline,
    name: &str,
    (first, last): (Date, Date),
) -> Result<Estimate, Error> {
    let none = || Error::Nothing(format!("no running flow writes what becomes of {name}"));
    let pair = pairs::all(&pipeline.book).into_iter().find(|pair| pair.source == name);
    let pair = pair.ok_or_else(none)?;
    let connector = pipeline.connector(name).ok_or_else(none)?;
    let all = days(first, last);
    let (mut things, mut pages, mut looked) = (0, 0, 0);
    for day in sample(first, last) {
        let page = first_page(pipeline, connector, (pair.thing, day)).await?;
        let rows = page.rows.len() as u64;
        let total = page.total.unwrap_or(rows);
        things += total;
        pages += if rows == 0 { 1 } else { total.div_ceil(rows).max(1) };
        looked += 1;
    }
    let scaled = |count: u64| (count * all).div_ceil(u64::max(looked, 1));
    let things = scaled(things);
    let mut requests = BTreeMap::from([(name.to_owned(), scaled(pages))]);
    let batch = u64::from(pair.batch.max(1));
    for target in &pair.targets {
        requests.insert(target.clone(), things.div_ceil(batch));
    }
    Ok(whole(pipeline, all, Some(things), requests, looked >= all))
}

/// The first page of a day, tried some times: a daemon beside us may take what the far side allows.
async fn first_page(
    pipeline: &Pipeline,
    connector: &Arc<dyn Connector>,
    (kind, day): (&str, Date),
) -> Result<ListedPage, Error> {
    let mut failures = 0;
    loop {
        let now = pipeline.clock.now();
        match in_background(connector.listed(kind, day, 1, now)).await {
            Ok(page) => return Ok(page),
            Err(delay) => {
                failures += 1;
                if failures >= TRIES || matches!(delay.whose, Whose::Access | Whose::Setup) {
                    return Err(Error::FarSide(delay));
                }
                let pause = retry::after(failures, u64::from(failures), delay.after);
                pipeline.clock.sleep_until(plus(now, pause)).await;
            }
        }
    }
}

fn whole(
    pipeline: &Pipeline,
    days: u64,
    things: Option<u64>,
    requests: BTreeMap<String, u64>,
    counted: bool,
) -> Estimate {
    let now = pipeline.clock.now();
    let mut longest = Duration::ZERO;
    let mut spread = 0;
    for (name, count) in &requests {
        let Some(connector) = pipeline.connector(name) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "requests stay far below 2^52")]
        let seconds = *count as f64 / (connector.pace() * HALF).max(0.001);
        longest = longest.max(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        if let Some(((today, _), a_day)) =
            budget::left(connector.as_ref(), now).zip(budget::a_day(connector.as_ref(), now))
        {
            spread = spread.max(count.saturating_sub(today).div_ceil(a_day));
        }
    }
    Estimate { days, things, requests, seconds: longest.as_secs(), spread, counted }
}

/// All days where they are few; else some of them, all weekdays and seasons among them.
fn sample(first: Date, last: Date) -> BTreeSet<Date> {
    let all = days(first, last);
    if all <= LOOKS {
        return backwards(first, last).collect();
    }
    // One of each equal part, the weekdays in turn.
    let day = |look: u64| {
        let (begin, end) = (look * all / LOOKS, (look + 1) * all / LOOKS);
        let begin_day = after(first, begin)?;
        let weekday = u64::from(begin_day.weekday().to_monday_zero_offset().unsigned_abs());
        let ahead = (look % WEEK + WEEK - weekday) % WEEK;
        after(begin_day, ahead.min(end - begin - 1))
    };
    (0..LOOKS).filter_map(day).collect()
}

fn after(day: Date, days: u64) -> Option<Date> {
    day.checked_add(i64::try_from(days).ok()?.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn few_days_are_all_looked_at_and_of_many_some_of_each_weekday() {
        assert_eq!(sample(date(2026, 3, 1), date(2026, 3, 12)).len(), 12);
        for (days, least) in [(13, 5), (20, 5), (84, 7), (91, 7), (365, 7), (3000, 7)] {
            let first = date(2020, 3, 1);
            let some = sample(first, first.checked_add((days - 1).days()).expect("a day"));
            let weekdays: BTreeSet<i8> =
                some.iter().map(|day| day.weekday().to_monday_zero_offset()).collect();
            assert!(some.len() == 12 && weekdays.len() >= least, "{days}: {some:?}");
        }
    }
}
