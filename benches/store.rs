//! How fast the store keeps what it is given, with fsync on: accepts of 64 callers at once, jobs from
//! claim to end, and a claim among a million waiting jobs. Run: `cargo bench --bench store`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use leadlink::domain::{Decision, Effect, Event, Plan, Raw, Step, Verdict};
use leadlink::store::{
    Begun, Claimant, Claimed, Fenced, Finished, JobChange, JobDraft, JobState, Judge, NewDecision,
    Next, Reading, StepState, Store,
};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const CALLERS: u64 = 64;
const ME: Claimant<'_> = Claimant { owner: "bench", needs: &[], lease: Duration::from_secs(15) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap_or(Timestamp::MAX)
}

fn raw(n: u64) -> Raw {
    Raw {
        id: 0,
        connection: "calltouch-main".to_owned(),
        channel: "hook".to_owned(),
        content_type: "application/x-www-form-urlencoded".to_owned(),
        body: format!("id={n}&phone=79990000001&{}", "utm_source=yandex&".repeat(40)).into_bytes(),
        dedupe_key: format!("hook:{n}"),
        received: at(0),
    }
}

fn event(n: u64) -> Event {
    Event {
        asked: false,
        connection: "calltouch-main".to_owned(),
        kind: "call.finished".to_owned(),
        key: format!("call:{n}"),
        aliases: Vec::new(),
        provisional: false,
        registered: at(0),
        fields: Map::from_iter([("phone".to_owned(), json!("79990000001"))]),
    }
}

/// Sixty-four callers, one row a call, until `total` rows are in; answers each call's time.
async fn accept(store: &Store, next: &Arc<AtomicU64>, total: u64) -> Done<Vec<Duration>> {
    let last = next.load(Ordering::Relaxed) + total;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (store, next) = (store.clone(), Arc::clone(next));
            tokio::spawn(async move {
                let mut took = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= last {
                        return Ok::<_, leadlink::store::Error>(took);
                    }
                    let begun = Instant::now();
                    store.accept(vec![raw(n)], None).await?;
                    took.push(begun.elapsed());
                }
            })
        })
        .collect();
    let mut took = Vec::new();
    for caller in callers {
        took.append(&mut caller.await??);
    }
    Ok(took)
}

/// Routes `count` events of one row, each with a job in a lane that `lane` names.
async fn fill(store: &Store, from: u64, count: u64, lane: fn(u64) -> String) -> Done {
    let judge: Judge = Arc::new(move |event, _| {
        let n = event.key.strip_prefix("call:").and_then(|n| n.parse().ok()).unwrap_or_default();
        vec![JobChange::New(JobDraft {
            flow: "call-to-order".to_owned(),
            merge_key: event.key.clone(),
            due: at(0),
            registered: at(0),
            lanes: vec![lane(n)],
            settle: None,
        })]
        .into()
    });
    let mut n = from;
    while n < from + count {
        let until = (n + 1000).min(from + count);
        store.accept(vec![raw(1_000_000_000 + n)], None).await?;
        let events = (n..until).map(event).collect();
        let rows = store.unrouted(u32::MAX, None).await?;
        let id = rows.last().ok_or("no row")?.id;
        store.route(vec![(id, Reading::Events(events))], Arc::clone(&judge), at(0)).await?;
        n = until;
    }
    Ok(())
}

async fn perform(store: &Store, claimed: Claimed) -> Done {
    let effect = Effect {
        connection: "shop".to_owned(),
        operation: "order.create".to_owned(),
        input: Map::from_iter([("firstName".to_owned(), json!("caller"))]),
        key: claimed.event.key.clone(),
    };
    let step = Step::new("create", effect);
    let decision = NewDecision {
        decision: Decision { verdict: Verdict::Act(Plan { steps: vec![step] }), reasons: vec![] },
        at: at(1),
        event: claimed.event.fields.clone(),
        asked: BTreeMap::new(),
        facts: json!({}),
        flow_hash: "abc".to_owned(),
        lanes: Vec::new(),
        mark: None,
    };
    let begun = store.begin(claimed.fence, decision, at(1)).await?;
    let Fenced::Yes(Begun::Started(steps)) = begun else { return Err("not started".into()) };
    let finished = Finished {
        step: *steps.first().ok_or("no step")?,
        state: StepState::Done,
        output: Some(json!({ "id": 1 })),
        why: None,
        links: Vec::new(),
        kept: None,
        mark: None,
    };
    let end = Next::End { state: JobState::Acted, why: None };
    store.finish(claimed.fence, finished, end, at(2)).await?;
    Ok(())
}

/// Claims and performs until `total` jobs have ended, sixteen at a time.
async fn work(store: &Store, total: u64) -> Done {
    let mut done = 0;
    while done < total {
        let claimed = store.claim(&ME, 16, &[], at(1)).await?;
        if claimed.is_empty() {
            return Err("no job is left".into());
        }
        let jobs: Vec<_> = claimed
            .into_iter()
            .map(|claimed| {
                let store = store.clone();
                tokio::spawn(async move { perform(&store, claimed).await })
            })
            .collect();
        for job in jobs {
            job.await??;
            done += 1;
        }
    }
    Ok(())
}

async fn opened(folder: &tempfile::TempDir, name: &str) -> Done<Store> {
    let url = format!("sqlite:{}", folder.path().join(name).display());
    Ok(Store::open(&url, at(0)).await?)
}

fn accepts(c: &mut Criterion, runtime: &Runtime, folder: &tempfile::TempDir) -> Done {
    const ROWS: u64 = 5000;
    let store = runtime.block_on(opened(folder, "accepts.db"))?;
    let next = Arc::new(AtomicU64::new(0));
    let mut took = Vec::new();
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    let mut failed = None;
    group.bench_function("accepts of 64 callers", |bencher| {
        bencher.iter(|| match runtime.block_on(accept(&store, &next, ROWS)) {
            Ok(mut more) => took.append(&mut more),
            Err(error) => failed = Some(error),
        });
    });
    group.finish();
    took.sort_unstable();
    let at = |share: usize| took.get(took.len() * share / 1000).copied().unwrap_or_default();
    eprintln!("store/accepts: p50 {:?}, p99 {:?}, p99.9 {:?}", at(500), at(990), at(999));
    runtime.block_on(store.close());
    failed.map_or(Ok(()), Err)
}

fn jobs(c: &mut Criterion, runtime: &Runtime, folder: &tempfile::TempDir) -> Done {
    const JOBS: u64 = 500;
    let store = runtime.block_on(opened(folder, "jobs.db"))?;
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(JOBS)).sample_size(10);
    let mut failed = None;
    let mut filled = 0;
    group.bench_function("claim, begin, finish", |bencher| {
        bencher.iter_batched(
            || {
                let done = runtime.block_on(fill(&store, filled, JOBS, |n| format!("lane-{n}")));
                filled += JOBS;
                done
            },
            |filled| {
                let done = filled.and_then(|()| runtime.block_on(work(&store, JOBS)));
                if let Err(error) = done {
                    failed = Some(error);
                }
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
    runtime.block_on(store.close());
    failed.map_or(Ok(()), Err)
}

/// A tenth of the jobs wait in one hot lane.
fn crowded(c: &mut Criterion, runtime: &Runtime, folder: &tempfile::TempDir) -> Done {
    let waiting: u64 = std::env::var("LEADLINK_BENCH_WAITING")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let store = runtime.block_on(opened(folder, "crowded.db"))?;
    let lane = |n: u64| if n.is_multiple_of(10) { "hot".to_owned() } else { format!("lane-{n}") };
    runtime.block_on(fill(&store, 0, waiting, lane))?;
    let mut group = c.benchmark_group("store");
    group.throughput(Throughput::Elements(64)).sample_size(10);
    let mut failed = None;
    group.bench_function(format!("claim, begin, finish among {waiting}"), |bencher| {
        bencher.iter(|| {
            if let Err(error) = runtime.block_on(work(&store, 64)) {
                failed = Some(error);
            }
        });
    });
    group.finish();
    runtime.block_on(store.close());
    failed.map_or(Ok(()), Err)
}

fn store(c: &mut Criterion) {
    let mut measured = || -> Done {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let folder = tempfile::tempdir_in(std::env::current_dir()?.join("target"))
            .or_else(|_| tempfile::tempdir())?;
        accepts(c, &runtime, &folder)?;
        jobs(c, &runtime, &folder)?;
        crowded(c, &runtime, &folder)
    };
    assert_eq!(measured().err().map(|error| error.to_string()), None);
}

criterion_group!(benches, store);
criterion_main!(benches);
