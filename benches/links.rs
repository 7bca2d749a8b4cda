//! Whose lead an order is, among millions: `cargo bench --bench links`.
//!
//! Keeps `LEADLINK_LEADS` (10 000 000) leads of 14 months through the store's own door, as backfills
//! and webhooks do, then asks for the leads of random orders as the pipeline does when it decides one:
//! its calls by phone, then its requests by phone and e-mail, each within 12 months. Prints how long
//! that took, the size of the database and the memory. Figures, not asserts; but with
//! `LEADLINK_MOST_MS` a search whose p99 is above it ends the bench with an error.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::{SignedDuration, Timestamp};
use leadlink::app;
use leadlink::clock::Clock;
use leadlink::connectors::Connector;
use leadlink::domain::contact::contact_key;
use leadlink::domain::{Answer, Covered, Lead, Query, Seen};
use leadlink::pipeline::{Pipeline, leads};
use leadlink::store::Store;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor, PgConnection};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Daemon, Database, Far, at, rss};

const NOUNS: [&str; 3] = ["call", "request", "chat"];
const SITES: [&str; 3] = ["calltouch-main", "calltouch-second", "calltouch-third"];
const MONTHS_14_MS: i64 = 425 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Leads of one call to the store: as many as a page of a journal.
const PAGE: u64 = 1000;
/// Calls under way at once; their pages share a commit.
const CALLS: usize = 4;
/// One lead in so many is one of the phones that call all the time …
const HEAVY: u64 = 100;
/// … each of them so often.
const OFTEN: u64 = 2000;
const ORDERS: u64 = 10_000;

#[tokio::main]
async fn main() -> io::Result<()> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let leads = number("LEADLINK_LEADS").map_or(10_000_000, |leads: f64| leads as u64);
    let people = People::of(leads);
    let database = Database::make().await?;
    println!("on {}", database.word());
    load(&database, &people).await?;
    let slowest = search(&database, &people).await?;
    let daemon = Daemon::start_on(&database.url, &Far::nobody(), "1m", None)?;
    let start = daemon.first_200().await?.as_secs_f64() * 1e3;
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("the daemon on it: first 200 after {start:.0} ms, RSS {:.1} MB", daemon.rss()?);
    match number("LEADLINK_MOST_MS") {
        Some(most) if slowest > most => {
            Err(io::Error::other(format!("p99 of a search is {slowest:.2} ms, above {most} ms")))
        }
        _ => Ok(()),
    }
}

/// Who calls. Most have one lead to five, some thousands.
struct People {
    leads: u64,
    heavy: u64,
    others: u64,
    now: Timestamp,
}

impl People {
    fn of(leads: u64) -> Self {
        let now = Clock::default().now();
        Self { leads, heavy: (leads / HEAVY / OFTEN).max(1), others: (leads * 2 / 5).max(1), now }
    }

    /// In the order of their time.
    fn lead(&self, n: u64) -> Lead {
        let dice = mix(n);
        let who = mix(dice);
        let person = if dice.is_multiple_of(HEAVY) {
            who % self.heavy
        } else {
            self.heavy + who % self.others
        };
        let noun = match dice / HEAVY % 20 {
            0..=10 => 0,
            11..=16 => 1,
            _ => 2,
        };
        let (phone, email) = (contact("phone", &phone(person)), contact("email", &email(person)));
        let contacts = match (noun, dice / 10_000 % 4) {
            (0, _) | (_, 0) => vec![phone],
            (_, 1) => vec![email],
            _ => vec![phone, email],
        };
        let age = MONTHS_14_MS
            - (i128::from(MONTHS_14_MS) * i128::from(n) / i128::from(self.leads.max(1))) as i64;
        let mark = |words: [&str; 3]| Some(words[(dice >> 40) as usize % 3].to_owned());
        Lead {
            connection: site(person).to_owned(),
            kind: NOUNS[noun].to_owned(),
            id: (100_000_000 + n).to_string(),
            at: self.now - SignedDuration::from_millis(age),
            contacts,
            source: mark(["yandex", "google", "(direct)"]),
            medium: mark(["cpc", "organic", "(none)"]),
            campaign: mark(["spring sale, search", "brand", "retargeting of last month"]),
            seen: if n.is_multiple_of(3) { Seen::BACKFILL } else { Seen::HOOK },
        }
    }

    /// Whose the order is, and when it was made: most lately, some long ago.
    fn order(&self, n: u64) -> Order {
        let dice = mix(n ^ 0x0DE5);
        let who = mix(dice);
        let (sort, person) = match dice % 10 {
            0 => (Sort::Heavy, who % self.heavy),
            1..=3 => (Sort::Stranger, u64::MAX / 2 + who % self.others),
            _ => (Sort::Known, self.heavy + who % self.others),
        };
        let days = if (dice / 10).is_multiple_of(5) { 425 } else { 30 };
        let age = (who >> 20) as i64 % (days * DAY_MS) + DAY_MS;
        let mut phones = vec![phone(person)];
        if (dice / 100).is_multiple_of(4) {
            phones.push(phone(self.heavy + mix(who) % self.others));
        }
        Order {
            sort,
            site: site(person),
            at: self.now - SignedDuration::from_millis(age),
            phones,
            email: email(person),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Known,
    Heavy,
    Stranger,
}

struct Order {
    sort: Sort,
    site: &'static str,
    at: Timestamp,
    phones: Vec<String>,
    email: String,
}

impl Order {
    /// As the flow `order-to-deal` asks.
    fn query(&self, noun: &str) -> Query {
        let emails = (noun != "call").then(|| vec![&self.email]);
        let input = json!({
            "type": noun, "phones": self.phones, "emails": emails, "at": self.at.to_string(),
        });
        Query {
            job: None,
            connection: self.site.to_owned(),
            name: "lead".to_owned(),
            input: input.as_object().cloned().unwrap_or_default(),
            known: Vec::new(),
            since: None,
            among: Vec::new(),
        }
    }
}

/// A number that looks like chance, always the same one.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

fn site(person: u64) -> &'static str {
    SITES[[0, 0, 0, 0, 0, 0, 0, 1, 1, 2][(mix(person ^ 7) % 10) as usize]]
}

fn phone(person: u64) -> String {
    format!("+79{:09}", mix(person ^ 1) % 1_000_000_000)
}

fn email(person: u64) -> String {
    format!("user{:x}@shop{}.test", mix(person ^ 2) >> 16, person % 50)
}

fn contact(sort: &str, typed: &str) -> String {
    format!("{sort}:{typed}")
}

/// Keeps them page by page, the oldest first.
async fn load(database: &Database, people: &People) -> io::Result<()> {
    for typed in [phone(5), email(5)] {
        let key = contact_key(&typed).unwrap_or_default();
        assert!(key.ends_with(&format!(":{typed}")), "a lead's contact is `{key}`");
    }
    let began = Instant::now();
    let store = Store::open(&database.url, people.now).await.map_err(io::Error::other)?;
    let mut keeping = tokio::task::JoinSet::new();
    for from in (0..people.leads).step_by(PAGE as usize) {
        if keeping.len() == CALLS {
            kept(keeping.join_next().await)?;
        }
        let to = (from + PAGE).min(people.leads);
        let page = (from..to).map(|n| people.lead(n)).collect();
        let store = store.clone();
        keeping.spawn(async move { store.keep_leads(page, None).await });
    }
    while let Some(page) = keeping.join_next().await {
        kept(Some(page))?;
    }
    let from = people.now - SignedDuration::from_millis(MONTHS_14_MS);
    for (connection, kind) in SITES.iter().flat_map(|site| NOUNS.map(|noun| (*site, noun))) {
        let (connection, kind) = (connection.to_owned(), kind.to_owned());
        let covered = Covered { connection, kind, from, until: people.now };
        store.keep_leads(Vec::new(), Some(covered)).await.map_err(io::Error::other)?;
    }
    store.close().await;
    let took = began.elapsed().as_secs_f64();
    println!("{} leads kept in {took:.0} s: {:.0}/s", people.leads, people.leads as f64 / took);
    Ok(())
}

type Page = Result<Result<(), leadlink::store::Error>, tokio::task::JoinError>;

fn kept(page: Option<Page>) -> io::Result<()> {
    page.map_or(Ok(()), |page| page.map_err(io::Error::other)?.map_err(io::Error::other))
}

/// Asks for the leads of orders, one after the other; the p99 of a search, in milliseconds.
async fn search(database: &Database, people: &People) -> io::Result<f64> {
    if database.is_postgres() {
        // The server would do it by itself, some time after so many rows.
        let mut server = PgConnection::connect(&database.url).await.map_err(io::Error::other)?;
        server.execute("vacuum (analyze)").await.map_err(io::Error::other)?;
    }
    let (pipeline, connector) = pipeline(database).await?;
    let (mut looks, mut orders, mut linked) = (Vec::new(), Vec::new(), [0_u64; 3]);
    // The first of them fill the caches.
    for n in 0..ORDERS + ORDERS / 10 {
        let order = people.order(n);
        let mut whole = Duration::ZERO;
        let mut found = false;
        for noun in ["call", "request"] {
            let query = order.query(noun);
            let began = Instant::now();
            let answer = leads::find(&pipeline, &connector, &query).await;
            let took = began.elapsed();
            let Ok(Answer::Known(fact)) = answer else {
                return Err(io::Error::other(format!("{answer:?}")));
            };
            found |= fact.get("id").is_some_and(Value::is_string);
            whole += took;
            if n >= ORDERS / 10 {
                looks.push((order.sort, took));
            }
        }
        if n >= ORDERS / 10 {
            orders.push((order.sort, whole));
            linked[order.sort as usize] += u64::from(found);
        }
    }
    for (sort, word) in [
        (Some(Sort::Known), "people who have leads"),
        (Some(Sort::Heavy), "phones with thousands of leads"),
        (Some(Sort::Stranger), "strangers"),
        (None, "all"),
    ] {
        let look = Spread::of(&looks, sort);
        let whole = Spread::of(&orders, sort);
        println!("orders of {word} ({}): {whole}; each search: {look}", whole.count);
    }
    let shares = [Sort::Known, Sort::Heavy, Sort::Stranger].map(|sort| {
        linked[sort as usize] as f64 / Spread::of(&orders, Some(sort)).count as f64 * 100.0
    });
    println!("linked of these: {:.0} %, {:.0} %, {:.0} %", shares[0], shares[1], shares[2]);
    let space = pipeline.store.space().await.map_err(io::Error::other)?;
    let (mb, own) = (space.bytes as f64 / 1e6, rss(std::process::id())?);
    println!("the database: {mb:.0} MB; RSS of who searched: {own:.1} MB");
    pipeline.store.close().await;
    Ok(Spread::of(&looks, None).p99)
}

/// The hands that ask, as the shipped config makes them.
async fn pipeline(database: &Database) -> io::Result<(Pipeline, Arc<dyn Connector>)> {
    let secrets = ["SHOP_API_KEY", "CALLTOUCH_TOKEN", "CALLTOUCH_HOOK_SECRET", "SHOP_HOOK_SECRET"];
    let env = secrets.map(|name| (name.to_owned(), "0123456789abcdef0123".to_owned()));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/leadlink.toml");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let mappings = ("LEADLINK_MAPPINGS__DIR".to_owned(), folder.display().to_string());
    let app = app::read(Some(&file), env.into_iter().chain([mappings]));
    let app = app.app.ok_or_else(|| io::Error::other("the shipped config is not whole"))?;
    let clock = Clock::default();
    let store = Store::open(&database.url, clock.now()).await.map_err(io::Error::other)?;
    let connector = app.connectors.get(SITES[0]).cloned();
    let connector = connector.ok_or_else(|| io::Error::other("no connection of leads"))?;
    let leave = app.shared.limits.leave();
    Ok((Pipeline::new(store, clock, app.book, app.connectors, leave), connector))
}

struct Spread {
    count: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Spread {
    fn of(took: &[(Sort, Duration)], sort: Option<Sort>) -> Self {
        let of = took.iter().filter(|(held, _)| sort.is_none_or(|sort| sort == *held));
        let mut took: Vec<Duration> = of.map(|(_, took)| *took).collect();
        took.sort_unstable();
        let (p50, p99, max) = (at(&took, 0.5), at(&took, 0.99), at(&took, 1.0));
        Self { count: took.len(), p50, p99, max }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", self.p50, self.p99, self.max)
    }
}
