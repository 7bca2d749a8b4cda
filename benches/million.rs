//! A million waiting jobs: `cargo bench --bench million`.
//!
//! Fills a database with `LEADLINK_JOBS` (1 000 000) waiting jobs that are due in a year and 400 that
//! come due one by one while the release binary runs, and prints the start to the first 200, the
//! resident memory, and how long after their time the due ones were claimed. Figures, not asserts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use leadlink::clock::Clock;
use leadlink::sandbox::{Options, Sandbox};
use leadlink::store::Store;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};
use std::io;
use std::time::{Duration, Instant};
use support::{Daemon, Database, Far, at};

const SOON: i64 = 400;
const APART_MS: i64 = 50;

#[tokio::main]
async fn main() -> io::Result<()> {
    let jobs = std::env::var("LEADLINK_JOBS").ok().and_then(|text| text.parse().ok());
    let jobs: i64 = jobs.unwrap_or(1_000_000);
    let database = Database::make().await?;
    println!("on {}", database.word());
    let began = Instant::now();
    let clock = Clock::default();
    let now = clock.now();
    Store::open(&database.url, now).await.map_err(io::Error::other)?.close().await;
    // Time enough to fill and to start.
    let first = now.as_millisecond() + 1000 * (20 + jobs / 15_000);
    fill(&database, jobs, now.as_millisecond(), first).await?;
    println!("{jobs} jobs were written in {:.0} s", began.elapsed().as_secs_f64());

    // A far side that answers: a connection in trouble would get no jobs.
    let options = Options { calltouch_fields: true, ..Options::default() };
    let sandbox = Sandbox::start(options).await?;
    let daemon = Daemon::start_on(&database.url, &Far::of(&sandbox), "1m", None)?;
    println!("start to first 200: {:.0} ms", daemon.first_200().await?.as_secs_f64() * 1e3);
    let end = first + SOON * APART_MS + 3000;
    let left = u64::try_from(end - clock.now().as_millisecond()).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(left)).await;
    println!("RSS: {:.1} MB", daemon.rss()?);
    let waits =
        "select cast(claimed - first_due as bigint) as n from job where first_due is not null";
    let mut waits: Vec<Duration> = numbers(&database, waits)
        .await?
        .into_iter()
        .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
        .collect();
    waits.sort_unstable();
    println!(
        "{} jobs claimed after their time: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
        waits.len(),
        at(&waits, 0.5),
        at(&waits, 0.99),
        at(&waits, 1.0)
    );
    Ok(())
}

/// Calls of ten days ago: they are decided (as too old) without a far side.
async fn fill(database: &Database, jobs: i64, now: i64, first: i64) -> io::Result<()> {
    let far = now + 365 * 86_400_000;
    let old = now - 10 * 86_400_000;
    let due = format!("case when n <= {SOON} then {first} + n * {APART_MS} else {far} + n end");
    let series = |from: i64, to: i64| {
        if database.is_postgres() {
            format!("from generate_series({from}::bigint, {to}::bigint) as s (n)")
        } else {
            format!(
                "from (with recursive s (n) as (select {from} union all select n + 1 from s \
                 where n < {to}) select n from s) as s"
            )
        }
    };
    if database.is_postgres() {
        // It counts row by row, which is for rows that come one by one.
        database.run("alter table job disable trigger user".to_owned()).await?;
    }
    let step = 50_000;
    for from in (1..=jobs + SOON).step_by(step) {
        let to = (from + step as i64 - 1).min(jobs + SOON);
        let rows = series(from, to);
        let words = [
            format!(
                "insert into event (id, connection, kind, key, aliases, provisional, registered, \
                 fields, first_seen, changed) select n, 'calltouch-main', 'call.finished', \
                 'call:' || n, '[]', 0, {old}, '{{\"id\":\"' || n || '\",\"phone\":\"7' || n || '\"}}', {now}, {now} {rows}"
            ),
            format!(
                "insert into event_key (connection, key, tail, event_id) \
                 select 'calltouch-main', 'call:' || n, cast(n as text), n {rows}"
            ),
            format!(
                "insert into job (id, flow, event_id, merge_key, registered, due, state, ready, \
                 created, changed) select n, 'call-to-order', n, 'call:' || n, {old}, {due}, \
                 'waiting', 1, {now}, {now} {rows}"
            ),
            format!(
                "insert into job_lane (job_id, lane, contact, due, registered) \
                 select n, 'shop|7' || n, '7' || n, {due}, {old} {rows}"
            ),
        ];
        database.run(words.join("; ")).await?;
    }
    if database.is_postgres() {
        for table in ["event", "job"] {
            let set =
                format!("select setval(pg_get_serial_sequence('{table}', 'id'), {})", jobs + SOON);
            database.run(set).await?;
        }
        let counted = "alter table job enable trigger user; update job_count set jobs = \
            (select count(*) from job where job.state = job_count.state)";
        database.run(counted.to_owned()).await?;
        database.run("analyze".to_owned()).await?;
    }
    Ok(())
}

async fn numbers(database: &Database, sql: &'static str) -> io::Result<Vec<i64>> {
    let numbers = if database.is_postgres() {
        let connection = PgConnection::connect(&database.url).await;
        let rows = sqlx::query(sql).fetch_all(&mut connection.map_err(io::Error::other)?).await;
        rows.map(|rows| rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>())
    } else {
        let connection = SqliteConnection::connect(&database.url).await;
        let rows = sqlx::query(sql).fetch_all(&mut connection.map_err(io::Error::other)?).await;
        rows.map(|rows| rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>())
    };
    numbers.map_err(io::Error::other)?.map_err(io::Error::other)
}
