//! A replay of 100,000 decided calls against a copy of the flows in which one rule was changed, by the
//! release binary. It must list exactly the decisions that differ; prints the time and the peak of
//! memory. Run: `cargo bench --bench replay`; `LEADLINK_BENCH_EVENTS` sets another number.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use jiff::{SignedDuration, Timestamp};
use leadlink::app;
use leadlink::domain::{Asked, Decision, Event};
use leadlink::rules::{self, Book, Knowledge, decide, gather};
use leadlink::store::Store;
use serde_json::{Map, Value, json};
use sqlx::{ConnectOptions, Connection};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FLOW: &str = "call-to-order";

fn config_text(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"
[store]
url = "sqlite:{dir}/leadlink.db"
[mappings]
dir = "{ROOT}/mappings"
[roles]
crm = "shop"
calls = "calltouch-main"
[connections.shop]
connector = "retailcrm"
name = "Bench shop"
url = "http://127.0.0.1:9"
api_key = "bench-word-0123456789"
[connections.calltouch-main]
connector = "calltouch"
name = "Bench calls"
url = "http://127.0.0.1:9"
site_id = 4242
token = "bench-word-0123456789"
hook_secret = "bench-secret-0123456789"
[flows.{FLOW}]
running = true
"#
    )
}

/// A copy of the flows in which a cancelled order counts as open.
fn other_flows(dir: &Path) -> Done<PathBuf> {
    let to = dir.join("flows");
    std::fs::create_dir_all(to.join("samples"))?;
    for folder in ["mappings", "mappings/samples"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder))? {
            let from = entry?.path();
            let within = from.strip_prefix(Path::new(ROOT).join("mappings"))?;
            if from.is_file() {
                std::fs::copy(&from, to.join(within))?;
            }
        }
    }
    let file = to.join(format!("{FLOW}.toml"));
    let text = std::fs::read_to_string(&file)?;
    let changed = text.replace("['complete', 'cancel']", "['complete']");
    if changed == text {
        return Err("the rule that the bench changes is not there".into());
    }
    std::fs::write(file, changed)?;
    Ok(to)
}

struct Call {
    event: Event,
    facts: Map<String, Value>,
    /// Its order was cancelled: the one rule that changes is about it.
    cancelled: bool,
}

fn call(n: u64, registered: Timestamp) -> Done<Call> {
    let sample = include_str!("../mappings/samples/call-finished.json");
    let mut fields: Map<String, Value> = serde_json::from_str(sample)?;
    fields.insert("id".to_owned(), json!((900_000_000 + n).to_string()));
    fields.insert("phone".to_owned(), json!(format!("7999{:07}", n % 10_000_000)));
    fields.insert("utm_campaign".to_owned(), json!(format!("campaign {}", n % 97)));
    let group = ["new", "approval", "complete", "cancel"][usize::try_from(n / 3 % 4)?];
    let marked = if n.is_multiple_of(5) { json!({ "calltouch_site_id": "1" }) } else { json!({}) };
    let order = json!({ "id": n + 7, "status_group": group, "customFields": marked });
    let customer = json!({ "id": n + 1, "phones": [fields["phone"]] });
    let (customer, order) = match n % 3 {
        0 => (Value::Null, Value::Null),
        1 => (customer, Value::Null),
        _ => (customer, order),
    };
    let cancelled = n % 3 == 2 && group == "cancel";
    let facts = Map::from_iter([("customer".to_owned(), customer), ("order".to_owned(), order)]);
    let event = Event {
        asked: false,
        connection: "calltouch-main".to_owned(),
        kind: "call.finished".to_owned(),
        key: format!("call:{}", 900_000_000 + n),
        aliases: Vec::new(),
        provisional: false,
        registered,
        fields,
    };
    Ok(Call { event, facts, cancelled })
}

struct Decided {
    facts: BTreeMap<String, Value>,
    asked: BTreeMap<String, Asked>,
    decision: Decision,
}

/// As the daemon would.
fn decided(book: &Book, call: &Call, now: Timestamp) -> Done<Decided> {
    let bound = book.flow(FLOW).ok_or("no such flow")?;
    let mut knowledge = Knowledge::of(book, &call.event, now);
    let mut asked = BTreeMap::new();
    loop {
        let queries = gather::next(book, bound, &mut knowledge)?;
        if queries.is_empty() {
            break;
        }
        for (fact, query) in queries {
            let offer = book.offer(&query.connection).and_then(|offer| offer.query(&query.name));
            let fact_is = match (&call.facts[&fact], offer) {
                (Value::Object(table), Some(offer)) => rules::shaped(offer.output, table).into(),
                (other, _) => other.clone(),
            };
            knowledge.facts.insert(fact.clone(), fact_is);
            asked.insert(fact, Asked::from(&query));
        }
    }
    let decision = decide::decide(book, bound, &call.event, &knowledge)?;
    Ok(Decided { facts: knowledge.facts, asked, decision })
}

/// Fills the store; answers the keys of the calls that the other rule decides otherwise.
async fn fill(dir: &Path, book: &Book, calls: u64) -> Done<BTreeSet<String>> {
    let begun: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let file = dir.join("leadlink.db");
    Store::open(&format!("sqlite:{}", file.display()), begun).await?.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut db = options.connect().await?;
    let mut expected = BTreeSet::new();
    let hash = &book.flow(FLOW).ok_or("no such flow")?.flow.hash;
    let mut all = db.begin().await?;
    for n in 0..calls {
        let registered = begun + SignedDuration::from_secs(i64::try_from(n)? * 30);
        let at = registered + SignedDuration::from_secs(60);
        let call = call(n, registered)?;
        let Decided { facts, asked, decision } = decided(book, &call, at)?;
        let (id, at) = (i64::try_from(n + 1)?, at.as_millisecond());
        let fields = serde_json::to_string(&call.event.fields)?;
        sqlx::query(
            "insert into event (id, connection, kind, key, aliases, provisional, registered, \
             fields, first_seen, changed) values ($1, $2, $3, $4, '[]', 0, $5, $6, $5, $5)",
        )
        .bind(id)
        .bind(&call.event.connection)
        .bind(&call.event.kind)
        .bind(&call.event.key)
        .bind(registered.as_millisecond())
        .bind(&fields)
        .execute(&mut *all)
        .await?;
        sqlx::query(
            "insert into job (id, flow, event_id, merge_key, registered, due, first_due, state, \
             ready, epoch, claimed, created, changed) \
             values ($1, $2, $1, $3, $4, $5, $5, 'acted', 0, 1, $5, $4, $5)",
        )
        .bind(id)
        .bind(FLOW)
        .bind(&call.event.key)
        .bind(registered.as_millisecond())
        .bind(at)
        .execute(&mut *all)
        .await?;
        sqlx::query(
            "insert into decision (job_id, epoch, event, facts, asked, flow_hash, decision, created) \
             values ($1, 1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(&fields)
        .bind(serde_json::to_string(&facts)?)
        .bind(serde_json::to_string(&asked)?)
        .bind(hash)
        .bind(serde_json::to_string(&decision)?)
        .bind(at)
        .execute(&mut *all)
        .await?;
        if call.cancelled {
            expected.insert(call.event.key);
        }
    }
    all.commit().await?;
    db.close().await?;
    Ok(expected)
}

/// Peak resident memory of a process so far, in MB.
fn peak(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kb / 1024.0)
}

/// What a replay of this folder's flows tells, how long it took and how much memory it had.
async fn replayed(dir: &Path, with: &Path) -> Done<(Value, Duration, f64)> {
    let answer = dir.join("answer.json");
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(["replay", "--since", "2025-01-01", "--json", "--with"])
        .arg(with)
        .arg("--config")
        .arg(dir.join("leadlink.toml"))
        .stdout(std::fs::File::create(&answer)?)
        .stderr(Stdio::null())
        .spawn()?;
    let mut most: f64 = 0.0;
    let status = loop {
        most = most.max(peak(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let took = begun.elapsed();
    if !status.success() {
        return Err(format!("the replay ended with {status}").into());
    }
    Ok((serde_json::from_slice(&std::fs::read(answer)?)?, took, most))
}

fn listed(told: &Value) -> BTreeSet<String> {
    let decisions = told["decisions"].as_array().into_iter().flatten();
    decisions.filter_map(|one| one["event"].as_str().map(str::to_owned)).collect()
}

async fn measured() -> Done {
    let calls: u64 =
        std::env::var("LEADLINK_BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir()?;
    let dir = folder.path();
    std::fs::write(dir.join("leadlink.toml"), config_text(dir))?;
    let book = {
        let read = app::read(Some(&dir.join("leadlink.toml")), std::iter::empty());
        read.app.ok_or("the config cannot be read")?.book
    };
    let expected = fill(dir, &book, calls).await?;
    let with = other_flows(dir)?;
    let (told, took, most) = replayed(dir, &with).await?;
    assert_eq!(told["summary"]["decisions"], calls);
    assert_eq!(told["summary"]["untold"], json!({}));
    assert_eq!(listed(&told), expected, "exactly those that differ are listed");
    assert_eq!(told["decisions"].as_array().map(Vec::len), Some(expected.len()));
    println!(
        "replay of {calls} decisions, {} differ: {:.2} s, {:.0} a second, at most {most:.0} MB",
        expected.len(),
        took.as_secs_f64(),
        f64::from(u32::try_from(calls)?) / took.as_secs_f64()
    );
    // With the flows as they were nothing differs.
    let (told, took, most) = replayed(dir, &Path::new(ROOT).join("mappings")).await?;
    assert_eq!(told["summary"]["same"], calls, "{}", told["summary"]);
    println!("the same flows: {:.2} s, at most {most:.0} MB", took.as_secs_f64());
    Ok(())
}

fn main() -> Done {
    // A test run of all targets is no time to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measured())
}
