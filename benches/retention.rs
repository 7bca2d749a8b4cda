//! A night of retention: how long it takes to delete the rows of old leads, how long accepts wait
//! meanwhile, and what becomes of the file. Run: `cargo bench --bench retention`;
//! `LEADLINK_LEADS` (125,000, which are 1,125,000 rows) sets how many leads are old.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use jiff::Timestamp;
use leadlink::config::Retention;
use leadlink::domain::Raw;
use leadlink::pipeline::retention;
use leadlink::store::Store;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::error::Error;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Nine rows for each lead, each written as the store writes it.
const ROWS: [&str; 9] = [
    "insert into raw (connection, channel, content_type, body, dedupe_key, received, state, routed) \
        select 'calls', 'hook', 'text/plain', zeroblob(800), 'hook:' || n, 0, 'routed', 0 from leads",
    "insert into event (connection, kind, key, aliases, provisional, registered, fields, first_seen, \
        changed) select 'calls', 'call.finished', 'call:' || n, '[]', 0, 0, \
        '{\"phone\":\"79990000001\",\"source\":\"yandex\",\"medium\":\"cpc\"}', 0, 0 from leads",
    "insert into event_key (connection, key, tail, event_id) \
        select 'calls', 'call:' || n, n, n from leads",
    "insert into raw_event (raw_id, event_id) select n, n from leads",
    "insert into job (flow, event_id, merge_key, registered, due, state, ready, epoch, created, changed) \
        select 'call-to-order', n, 'call:' || n, 0, 0, 'acted', 0, 1, 0, 0 from leads",
    "insert into job_lane (job_id, lane, contact, registered) \
        select n, 'shop|7999' || n, '7999' || n, 0 from leads",
    "insert into decision (job_id, epoch, event, facts, flow_hash, decision, created) \
        select n, 1, hex(zeroblob(200)), hex(zeroblob(300)), 'abc', hex(zeroblob(300)), 0 from leads",
    "insert into step (decision_id, job_id, position, name, connection, operation, input, key, state, \
        output, created) select n, n, 0, 'create', 'shop', 'order.create', hex(zeroblob(200)), \
        'call:' || n, 'done', '{\"id\":17}', 0 from leads",
    "insert into attempt (step_id, started, ended, result) select n, 0, 0, 'done' from leads",
];

fn now() -> Timestamp {
    Timestamp::from_second(1_780_000_000).unwrap_or(Timestamp::MAX)
}

async fn fill(path: &std::path::Path, leads: u64) -> Done {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await?;
    for rows in ROWS {
        let (insert, select) = rows.split_once(" select ").ok_or("an insert")?;
        let sql = format!(
            "{insert} with recursive leads (n) as ( \
                select 1 union all select n + 1 from leads where n < {leads}) select {select}"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// One delivery after the other, every five milliseconds; the time of each.
async fn accept(store: Store, stop: CancellationToken) -> Done<Vec<Duration>> {
    let mut took = Vec::new();
    while !stop.is_cancelled() {
        let row = Raw {
            id: 0,
            connection: "calls".to_owned(),
            channel: "hook".to_owned(),
            content_type: "text/plain".to_owned(),
            body: vec![b'x'; 800],
            dedupe_key: format!("new:{}", took.len()),
            received: now(),
        };
        let begun = Instant::now();
        store.accept(vec![row], None).await?;
        took.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took.sort_unstable();
    Ok(took)
}

fn told(name: &str, took: &[Duration]) {
    let at = |share: usize| {
        took.get((took.len() * share / 1000).min(took.len().saturating_sub(1))).copied()
    };
    println!(
        "{name}: {} accepts, p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        took.len(),
        at(500).unwrap_or_default(),
        at(990).unwrap_or_default(),
        took.last().copied().unwrap_or_default()
    );
}

async fn night() -> Done {
    let leads: u64 =
        std::env::var("LEADLINK_LEADS").ok().and_then(|text| text.parse().ok()).unwrap_or(125_000);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("leadlink.db");
    let url = format!("sqlite:{}", path.display());
    Store::open(&url, now()).await?.close().await;
    fill(&path, leads).await?;
    let store = Store::open(&url, now()).await?;
    let full = store.space().await?;

    let stop = CancellationToken::new();
    let calm = tokio::spawn(accept(store.clone(), stop.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.cancel();
    told("alone", &calm.await??);

    let stop = CancellationToken::new();
    let meanwhile = tokio::spawn(accept(store.clone(), stop.clone()));
    let begun = Instant::now();
    let report = retention::run(&store, &Retention::default(), now()).await?;
    let took = begun.elapsed();
    stop.cancel();
    told("meanwhile", &meanwhile.await??);
    let rows: u64 = report.rows.values().sum();
    let log = std::fs::metadata(folder.path().join("leadlink.db-wal")).map_or(0, |file| file.len());
    let left = store.space().await?;
    println!("{rows} rows of {leads} leads deleted in {took:.1?}");
    println!(
        "file {} MB before, {} MB after, log {} MB",
        full.bytes >> 20,
        left.bytes >> 20,
        log >> 20
    );
    store.close().await;
    Ok(())
}

fn main() -> Done {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(night())
}
