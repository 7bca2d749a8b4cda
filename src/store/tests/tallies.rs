//! Hourly counts against what the rows themselves say. Invariant: see `store::tallies`.
#![cfg(test)]

use super::listing::{deal, lead};
use super::*;
use std::collections::BTreeMap;

const SOURCES: [&str; 3] = ["yandex", "google", "Лид не найден"];
const HOUR: i64 = 3600;

/// What the rows say: hour, name, unit → how many and how much.
type Truth = BTreeMap<(i64, String, String), (i64, i64)>;

async fn truth(db: &Db, sql: &'static str) -> Result<Truth, Error> {
    let rows = db.store.reader().await?.fetch(Statement::new("test", sql), args![]).await?;
    let each = rows.iter().map(|row| {
        let key = (row.int("hour")?, row.owned("a")?, row.owned("unit")?);
        Ok((key, (row.int("n")?, row.int("sum")?)))
    });
    each.collect()
}

async fn told(db: &Db, measure: Measure) -> Result<Truth, Error> {
    let (from, until) = (at(-1000 * HOUR), at(1000 * HOUR));
    let mut told = Truth::new();
    for hour in db.store.hourly(&[measure], from, until).await? {
        let key = (hour.at.as_millisecond(), hour.a, hour.unit);
        let held = told.entry(key).or_default();
        *held = (held.0 + hour.n, held.1 + hour.sum);
    }
    Ok(told)
}

/// The counts are what the rows say, by the hour and over spans that begin and end within days.
pub async fn agrees(db: &Db) -> Tested {
    let leads = truth(
        db,
        "select l.at - l.at % 3600000 as hour, j.kind as a, '' as unit, count(*) as n, \
         cast(0 as bigint) as sum from lead l join lead_journal j on j.id = l.journal group by 1, 2",
    );
    assert_eq!(told(db, Measure::Leads).await?, leads.await?);
    let deals = truth(
        db,
        "select at - at % 3600000 as hour, source as a, currency as unit, count(*) as n, \
         cast(sum(minor) as bigint) as sum from deal group by 1, 2, 3",
    )
    .await?;
    assert_eq!(told(db, Measure::Source).await?, deals);
    let linked = truth(
        db,
        "select at - at % 3600000 as hour, case linked when 1 then 'linked' else 'unlinked' end as a, \
         currency as unit, count(*) as n, cast(sum(minor) as bigint) as sum \
         from deal group by 1, 2, 3",
    );
    assert_eq!(told(db, Measure::Deals).await?, linked.await?);
    for (from, until) in [(-900, 900), (-30, 31), (0, 1), (-5, -1), (-24, 24), (7, 100)] {
        let (from, until) = (hour(from), hour(until));
        let mut sums: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
        let inside = |at: &i64| *at >= from.as_millisecond() && *at < until.as_millisecond();
        for ((_, a, unit), (n, sum)) in deals.iter().filter(|((at, ..), _)| inside(at)) {
            let held = sums.entry((a.clone(), unit.clone())).or_default();
            *held = (held.0 + n, held.1 + sum);
        }
        let revenue = db.store.revenue(from, until, By::Source, None).await?;
        let revenue = revenue.into_iter().map(|s| ((s.of, s.currency), (s.deals, s.minor)));
        assert_eq!(revenue.collect::<BTreeMap<_, _>>(), sums, "{from} to {until}");
    }
    Ok(())
}

/// The beginning of an hour, counted from that of the test's day.
fn hour(n: i64) -> Timestamp {
    let second = at(0).as_second();
    Timestamp::from_second(second - second.rem_euclid(HOUR) + n * HOUR).unwrap_or(Timestamp::MAX)
}

/// A number that looks like chance, always the same one.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, of: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % of
    }
}

/// Something happens to leads or deals.
async fn happen(db: &Db, dice: &mut Dice, turn: i64) -> Tested {
    let second = i64::try_from(dice.roll(200))? * HOUR / 2 - 50 * HOUR;
    let id = dice.roll(12).to_string();
    let source = SOURCES[usize::try_from(dice.roll(3))?];
    match dice.roll(8) {
        0..=2 => {
            let source = (dice.roll(2) == 0).then_some(source);
            let leads = vec![lead(&id, second, source), lead(&format!("x{turn}"), second, source)];
            db.store.keep_leads(leads, None).await?;
        }
        3 => {
            let fields = json!({ "source": source, "campaign": source, "revenue": "10.05" });
            db.store.keep_entities(vec![deal(&id, turn, &fields)]).await?;
        }
        4 => {
            let fields = json!({ "call": id, "orderDate": at(second).to_string(), "revenue": 7 });
            db.store.keep_entities(vec![deal(&id, turn, &fields)]).await?;
        }
        5 => {
            let revenue = ["0", "1290.50", "-3", "1e400", "much", "99999999999.99"];
            let revenue = revenue[usize::try_from(dice.roll(6))?];
            let currency = ["rub", "kzt"][usize::try_from(dice.roll(2))?];
            let fields = json!({ "revenue": revenue, "currency": currency });
            db.store.keep_entities(vec![deal(&id, turn, &fields)]).await?;
        }
        6 => while db.store.fold_tallies().await? {},
        _ => agrees(db).await?,
    }
    Ok(())
}

#[tokio::test]
async fn counts_are_what_the_rows_say_whatever_happens_and_whenever_they_are_folded() -> Tested {
    let db = Db::new().await?;
    let mut dice = Dice(7);
    for turn in 0..400 {
        happen(&db, &mut dice, turn).await?;
    }
    agrees(&db).await?;
    while db.store.fold_tallies().await? {}
    assert_eq!(db.number("select count(*) as n from tally_delta").await?, 0);
    agrees(&db).await?;
    assert!(db.number("select count(*) as n from tally where width = 86400000").await? > 0);
    Ok(())
}

#[tokio::test]
async fn two_processes_count_and_fold_at_once() -> Tested {
    if server().is_none() {
        return Ok(());
    }
    let db = Db::new().await?;
    let other = Store::open(&url(&db.folder), at(0)).await?;
    let work = |store: Store, side: i64| async move {
        for n in 0..60 {
            // Both move the same deals, and leads of their own.
            let fields = json!({ "revenue": (side * 100 + n).to_string(), "source": SOURCES[0] });
            store.keep_entities(vec![deal(&(n % 5).to_string(), side * 100 + n, &fields)]).await?;
            store.keep_leads(vec![lead(&format!("{side}-{n}"), n * 600, None)], None).await?;
            store.fold_tallies().await?;
        }
        Ok::<_, Error>(())
    };
    let (mine, theirs) = tokio::join!(work(db.store.clone(), 1), work(other.clone(), 2));
    mine?;
    theirs?;
    other.close().await;
    assert_eq!(db.number("select count(*) as n from lead").await?, 120);
    agrees(&db).await
}

#[tokio::test]
async fn a_lead_waits_for_its_first_step_and_no_other_counts() -> Tested {
    let db = Db::new().await?;
    db.store.keep_leads(vec![lead("1", 0, None)], None).await?;
    db.job("a", "call:1", &[], 60).await?;
    let (claimed, steps) = db.begun(&["create", "mark"], 61).await?;
    let next = Next::Start { step: steps[1], input: Map::new() };
    db.store.finish(claimed.fence, finished(steps[0], StepState::Done), next, at(62)).await?;
    let done = finished(steps[1], StepState::Done);
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(90)).await?;
    for _ in 0..2 {
        let latency = db.store.latency(at(0), at(100)).await?;
        assert_eq!((latency.count, latency.p50), (1, latency.p99));
        let took = latency.p50.ok_or("nothing was counted")?;
        assert!((62_000..=62_000 + 62_000 / 16).contains(&took), "{took} ms");
        while db.store.fold_tallies().await? {}
    }
    // What a person has decided anew is no matter of speed.
    let lanes: LanesOf = Arc::new(|_, _| Some(Vec::new()));
    let job = claimed.fence.job;
    db.store.decide_anew(job, lanes, Hand::default(), at(95)).await?;
    let (claimed, steps) = db.begun(&["create"], 96).await?;
    let done = finished(steps[0], StepState::Done);
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(97)).await?;
    assert_eq!(db.store.latency(at(0), at(200)).await?.count, 1);
    // An order's job is no lead's.
    let order = Event { kind: "order.changed".to_owned(), ..one("order:7") };
    db.routed(&order, vec![JobChange::New(draft("b", "order:7", &[], 100))]).await?;
    let (claimed, steps) = db.begun(&["create"], 101).await?;
    let done = finished(steps[0], StepState::Done);
    db.store.finish(claimed.fence, done, end(JobState::Acted), at(102)).await?;
    assert_eq!(db.store.latency(at(0), at(200)).await?.count, 1);
    assert_eq!(db.store.latency(hour(5), hour(9)).await?, Latency::default());
    Ok(())
}

#[tokio::test]
async fn what_retention_deletes_stays_counted_by_the_day() -> Tested {
    let db = Db::new().await?;
    db.store.keep_entities(vec![deal("1", 0, &json!({ "revenue": "5", "source": "a" }))]).await?;
    while db.store.fold_tallies().await? {}
    let ids = db.store.old(crate::store::Kept::Entities, 0, at(10), 10).await?.ids;
    db.store.delete(crate::store::Kept::Entities, ids, at(10)).await?;
    assert_eq!(db.number("select count(*) as n from deal").await?, 0);
    assert_eq!(db.store.forget_hours(at(9999)).await?, 3);
    let (from, until) = (at(-48 * HOUR), at(48 * HOUR));
    let sums = db.store.revenue(from, until, By::Source, None).await?;
    assert_eq!(
        sums.iter().map(|sum| (sum.of.as_str(), sum.minor)).collect::<Vec<_>>(),
        [("a", 500)]
    );
    Ok(())
}

#[tokio::test]
async fn an_old_deal_that_changes_leaves_no_debt_where_hours_are_forgotten() -> Tested {
    let db = Db::new().await?;
    db.store.keep_entities(vec![deal("1", 0, &json!({ "revenue": "5", "source": "a" }))]).await?;
    while db.store.fold_tallies().await? {}
    db.store.forget_hours(at(9999)).await?;
    db.store.keep_entities(vec![deal("1", 5, &json!({ "source": "b" }))]).await?;
    for _ in 0..2 {
        let hours = db.store.hourly(&Measure::ALL, at(-9999), at(9999)).await?;
        assert!(hours.iter().all(|hour| hour.n > 0 && hour.sum >= 0), "{hours:?}");
        let sums = db.store.revenue(at(-48 * HOUR), at(48 * HOUR), By::Source, None).await?;
        let sums: Vec<_> = sums.iter().map(|sum| (sum.of.as_str(), sum.minor)).collect();
        assert_eq!(sums, [("b", 500)]);
        while db.store.fold_tallies().await? {}
    }
    Ok(())
}
