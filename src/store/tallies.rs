//! Hourly counts. Invariant: what is counted is written in the transaction of what it counts, as rows
//! that are only ever added, and read together with those that are not folded yet: exact at any time.
//!
//! Deals and messages are counted by the database itself (migration 9), leads and latency here. A fold
//! sums the added rows up by hour and by day and takes them away; long spans are read by days with
//! the hours at their ends. Writers of jobs follow one another (`home`), so a fold misses no row that
//! is not committed yet, and two replicas fold nothing twice.

use super::sql::{Connection, Row, Value, args, list, statements};
use super::{Error, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

statements! {
    ADD = "tally_delta", "insert into tally_delta (measure, at, connection, a, b, unit, n, sum) \
        select $1, value->>'t', value->>'c', value->>'a', value->>'b', '', value->>'n', 0 \
        from json_each($2)",
        postgres: "insert into tally_delta (measure, at, connection, a, b, unit, n, sum) \
        select $1, r.t, r.c, r.a, r.b, '', r.n, 0 from json_to_recordset($2::json) \
            as r (t bigint, c text, a text, b text, n bigint)";
    // The first step of a lead's job that is done; what a person asked for, mended or had decided anew
    // is no matter of speed.
    ARRIVED = "tally_delta", "insert into tally_delta (measure, at, connection, a, b, unit, n, sum) \
        select 'latency', $2, e.connection, $3, l.kind, '', 1, 0 \
        from job j join event e on e.id = j.event_id \
        join lead_journal l on l.connection = e.connection and e.kind like l.kind || '.%' \
        where j.id = $1 and j.asked = 0 \
            and not exists (select 1 from mend m where m.job_id = j.id) \
            and (select count(*) from step s where s.job_id = j.id and s.state = 'done') = 1";
    LAST = "tally_delta", "select max(id) as id from ( \
        select id from tally_delta order by id limit $1) as held";
    FOLD = "tally", "insert into tally (measure, width, at, connection, a, b, unit, n, sum) \
        select measure, $1, at - at % $1, connection, a, b, unit, \
            cast(sum(n) as bigint), cast(sum(sum) as bigint) \
        from tally_delta where id <= $2 group by measure, at - at % $1, connection, a, b, unit \
        on conflict (measure, width, at, connection, a, b, unit) \
        do update set n = tally.n + excluded.n, sum = tally.sum + excluded.sum",
        postgres: "insert into tally (measure, width, at, connection, a, b, unit, n, sum) \
        select measure, $1, hour, connection, a, b, unit, \
            cast(sum(n) as bigint), cast(sum(sum) as bigint) \
        from (select *, at - at % $1 as hour from tally_delta where id <= $2) as held \
        group by measure, hour, connection, a, b, unit \
        on conflict (measure, width, at, connection, a, b, unit) \
        do update set n = tally.n + excluded.n, sum = tally.sum + excluded.sum";
    DROP = "tally_delta", "delete from tally_delta where id <= $1";
    // Where hours are forgotten, an old deal that changed takes away what is not there any more.
    HOURS = "tally", "select measure, at, connection, a, b, unit, \
            cast(sum(n) as bigint) as n, cast(sum(sum) as bigint) as sum from ( \
            select measure, at, connection, a, b, unit, n, sum from tally \
                where measure in (select value from json_each($1)) \
                and width = 3600000 and at >= $2 and at < $3 \
            union all select measure, at, connection, a, b, unit, n, sum from tally_delta \
                where measure in (select value from json_each($1)) \
                and at >= $2 and at < $3) as held \
        group by measure, at, connection, a, b, unit \
        having sum(n) > 0 order by at, measure, connection, a, b, unit";
    // The hours before the first whole day, the whole days, the hours behind them, what is not folded.
    SUMS = "tally", "select a, b, unit, cast(sum(n) as bigint) as n, cast(sum(sum) as bigint) as sum \
        from (select connection, a, b, unit, n, sum from tally \
                where measure = $1 and width = 3600000 and at >= $2 and at < $3 \
            union all select connection, a, b, unit, n, sum from tally \
                where measure = $1 and width = 86400000 and at >= $3 and at < $4 \
            union all select connection, a, b, unit, n, sum from tally \
                where measure = $1 and width = 3600000 and at >= $4 and at < $5 \
            union all select connection, a, b, unit, n, sum from tally_delta \
                where measure = $1 and at >= $2 and at < $5) as held \
        where $6 = '' or connection = $6 \
        group by a, b, unit having sum(n) > 0";
    FORGET = "tally", "delete from tally where width = 3600000 and at < $1 \
        and measure in (select value from json_each($2))";
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 86_400_000;
/// Rows of one fold.
const TOGETHER: u32 = 20_000;

/// What is counted by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Leads; `a` is their kind.
    Leads,
    /// Deals; `a` is `linked` or `unlinked`; `sum` what they bring, in hundredths of `unit`.
    Deals,
    /// Deals; `a` is their source; `sum` as of `Deals`.
    Source,
    /// Deals; `a` is their campaign; `sum` as of `Deals`.
    Campaign,
    /// Messages; `a` is `in` or `out`.
    Messages,
    /// Time from a lead's registration to the first step that was done; `a` is a bucket, `b` the kind.
    Latency,
}

/// A count of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hour {
    pub at: Timestamp,
    pub measure: Measure,
    pub connection: String,
    pub a: String,
    pub b: String,
    /// The currency of `sum`; empty: none was told.
    pub unit: String,
    pub n: i64,
    /// Of money: hundredths.
    pub sum: i64,
}

/// What revenue is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Source,
    Campaign,
}

/// What the deals of one source or campaign brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The source or campaign; empty: none.
    pub of: String,
    /// Empty: none was told.
    pub currency: String,
    pub deals: i64,
    /// In hundredths of the currency.
    pub minor: i64,
}

/// How long something took, of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub count: u64,
    /// Milliseconds, a sixteenth too much at most; none: nothing was counted.
    pub p50: Option<u64>,
    pub p99: Option<u64>,
}

impl Measure {
    pub const ALL: [Self; 6] =
        [Self::Leads, Self::Deals, Self::Source, Self::Campaign, Self::Messages, Self::Latency];

    fn word(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Deals => "deals",
            Self::Source => "source",
            Self::Campaign => "campaign",
            Self::Messages => "messages",
            Self::Latency => "latency",
        }
    }
}

impl Store {
    /// Counts by the hour of `from` until `until`, which is not included. Hours without any are missing.
    pub async fn hourly(
        &self,
        measures: &[Measure],
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Hour>, Error> {
        let words: Vec<&str> = measures.iter().map(|measure| measure.word()).collect();
        let args = args![list(&words), down(from, HOUR), up(until, HOUR)];
        let rows = self.reader().await?.fetch(HOURS, args).await?;
        rows.iter().map(hour).collect()
    }

    /// What the deals of a span brought, the most first. The span is widened to whole hours.
    pub async fn revenue(
        &self,
        from: Timestamp,
        until: Timestamp,
        by: By,
        connection: Option<&str>,
    ) -> Result<Vec<Sum>, Error> {
        let measure = match by {
            By::Source => Measure::Source,
            By::Campaign => Measure::Campaign,
        };
        let mut sums = Vec::new();
        for row in self.sums(measure, (from, until), connection).await? {
            sums.push(Sum {
                of: row.owned("a")?,
                currency: row.owned("unit")?,
                deals: row.int("n")?,
                minor: row.int("sum")?,
            });
        }
        sums.sort_by(|x, y| (y.minor, y.deals, &x.of).cmp(&(x.minor, x.deals, &y.of)));
        Ok(sums)
    }

    /// How long leads of a span waited for the first step that was done.
    pub async fn latency(&self, from: Timestamp, until: Timestamp) -> Result<Latency, Error> {
        let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
        for row in self.sums(Measure::Latency, (from, until), None).await? {
            let bucket = row.text("a")?.parse().unwrap_or_default();
            *buckets.entry(bucket).or_default() += row.count::<u64>("n")?;
        }
        let count: u64 = buckets.values().sum();
        let part = |hundredths: u64| {
            let wanted = (count * hundredths).div_ceil(100);
            let mut seen = 0;
            let mut held = buckets.iter();
            let found = held.find(|(_, n)| {
                seen += **n;
                seen >= wanted
            });
            found.map(|(bucket, _)| longest(*bucket))
        };
        Ok(Latency { count, p50: part(50), p99: part(99) })
    }

    /// Folds what was added since the last time; true: there may be more.
    pub async fn fold_tallies(&self) -> Result<bool, Error> {
        if self.reader().await?.fetch_row(LAST, args![1_u32]).await?.opt_int("id")?.is_none() {
            return Ok(false);
        }
        let weight = TOGETHER as usize / 8;
        self.write_weighing(weight, |db| {
            Box::pin(async move {
                // Another replica may have been here meanwhile.
                let last = db.fetch_row(LAST, args![TOGETHER]).await?.opt_int("id")?;
                let Some(last) = last else { return Ok(false) };
                db.execute(FOLD, args![HOUR, last]).await?;
                db.execute(FOLD, args![DAY, last]).await?;
                let folded = db.execute(DROP, args![last]).await?;
                Ok(folded >= u64::from(TOGETHER))
            })
        })
        .await
    }

    /// Deletes the counts by the hour that are older; those by the day stay. Answers how many.
    pub async fn forget_hours(&self, before: Timestamp) -> Result<u64, Error> {
        let measures = list(&Measure::ALL.map(Measure::word));
        self.write(move |db| {
            Box::pin(async move { db.execute(FORGET, args![before, measures]).await })
        })
        .await
    }

    async fn sums(
        &self,
        measure: Measure,
        (from, until): (Timestamp, Timestamp),
        connection: Option<&str>,
    ) -> Result<Vec<Row>, Error> {
        let (from, until) = (down(from, HOUR), up(until, HOUR));
        let (first, last) = (up_to(from, DAY), until - until.rem_euclid(DAY));
        // No whole day within: hours alone.
        let (first, last) = if first < last { (first, last) } else { (until, until) };
        let args = args![measure.word(), from, first, last, until, connection.unwrap_or_default()];
        self.reader().await?.fetch(SUMS, args).await
    }
}

/// Leads that came (`n` above zero) or went: when, of which journal.
#[derive(Debug, Default)]
pub(super) struct Leads(BTreeMap<i64, i64>);

impl Leads {
    pub fn count(&mut self, at: Timestamp, n: i64) {
        *self.0.entry(down(at, HOUR)).or_default() += n;
    }

    pub async fn add(self, db: &mut Connection, journal: (&str, &str)) -> Result<(), Error> {
        let (connection, kind) = journal;
        let changed = self.0.into_iter().filter(|(_, n)| *n != 0);
        let rows: Vec<_> = changed
            .map(|(at, n)| json!({ "t": at, "c": connection, "a": kind, "b": "", "n": n }))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        let rows = Value::Text(serde_json::Value::Array(rows).to_string());
        db.execute(ADD, args![Measure::Leads.word(), rows]).await.map(drop)
    }
}

/// A step of a job is done: if it is the first one of a lead, its time counts.
pub(super) async fn arrived(
    db: &mut Connection,
    job: i64,
    registered: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    let took = now.as_millisecond().saturating_sub(registered.as_millisecond());
    let bucket = bucket(u64::try_from(took).unwrap_or_default()).to_string();
    db.execute(ARRIVED, args![job, down(now, HOUR), bucket]).await.map(drop)
}

/// Buckets are a sixteenth of a doubling wide.
fn bucket(ms: u64) -> u64 {
    if ms < 16 {
        return ms;
    }
    let shift = u64::from(59 - ms.leading_zeros());
    16 * (shift + 1) + ((ms >> shift) & 15)
}

/// The most that falls into a bucket.
fn longest(bucket: u64) -> u64 {
    if bucket < 32 {
        return bucket;
    }
    let shift = (bucket / 16 - 1).min(58);
    ((17 + bucket % 16) << shift) - 1
}

fn down(at: Timestamp, width: i64) -> i64 {
    let ms = at.as_millisecond();
    ms - ms.rem_euclid(width)
}

fn up(at: Timestamp, width: i64) -> i64 {
    up_to(at.as_millisecond(), width)
}

fn up_to(ms: i64, width: i64) -> i64 {
    ms + (width - ms.rem_euclid(width)) % width
}

fn hour(row: &Row) -> Result<Hour, Error> {
    let word = row.text("measure")?;
    let measure = Measure::ALL.into_iter().find(|measure| measure.word() == word);
    Ok(Hour {
        at: row.time("at")?,
        measure: measure.ok_or_else(|| row.damaged("measure", "no such measure"))?,
        connection: row.owned("connection")?,
        a: row.owned("a")?,
        b: row.owned("b")?,
        unit: row.owned("unit")?,
        n: row.int("n")?,
        sum: row.int("sum")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_falls_into_it_and_is_no_wider_than_a_sixteenth() {
        for ms in (0..5000).chain((0..40).map(|n| 1_u64 << n)).chain([u64::MAX / 2]) {
            let (held, most) = (bucket(ms), longest(bucket(ms)));
            assert!(most >= ms && most <= ms + ms / 16, "{ms} is in {held}, up to {most}");
            assert_eq!((bucket(most), bucket(most + 1)), (held, held + 1));
        }
    }
}
