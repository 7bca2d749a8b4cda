//! What people write, from the webhook to the CRM's chat: `cargo bench --bench messages`.
//!
//! The release binary against the sandbox in this process, with `LEADLINK_CONVERSATIONS` (100 000)
//! conversations of customers that both know already. Twice for `LEADLINK_SECONDS` (60):
//! `LEADLINK_RATE` (150) messages a second where the far sides have no limits, then 80 a second with
//! the real ones and the daemon's defaults. (Who is new costs requests of the CRM's API, which allows
//! 10 a second.) Half of the messages are of few people who write much. Whatever is lost, doubled or
//! out of its order is an error; the rest are figures, not asserts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use jiff::{SignedDuration, Timestamp};
use leadlink::clock::Clock;
use leadlink::domain::Kept;
use leadlink::sandbox::{Crowd, Options, Sandbox};
use leadlink::store::Store;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Daemon, Database, Door, at};

const CONNECTIONS: u64 = 16;
/// Above this a connection has no limiter.
const UNLIMITED: u32 = 100_000;
/// People of each door that write much.
const EAGER: u64 = 10;
/// The first chat.
const FIRST: u64 = 700_000_000;
const BOT: &str = "telegram-main";
const SECRET: &str = "bench-secret-0123456789";
const WAIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> io::Result<()> {
    let knob = |name: &str, or: u64| {
        let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
        given.unwrap_or(or)
    };
    let people = knob("LEADLINK_CONVERSATIONS", 100_000);
    let span = Duration::from_secs(knob("LEADLINK_SECONDS", 60));
    let free = Options { crm_rps: None, chat_rps: None, telegram_rps: None, ..Options::default() };
    round("without limits", free, people, (knob("LEADLINK_RATE", 150), span)).await?;
    round("with the real limits", Options::default(), people, (80, span)).await
}

/// One daemon, one database, one sandbox.
async fn round(
    what: &str,
    options: Options,
    people: u64,
    (rate, span): (u64, Duration),
) -> io::Result<()> {
    let limited = options.chat_rps.is_some();
    let sandbox = Sandbox::start(options).await?;
    let database = Database::make().await?;
    let config = config(&sandbox, &database.url, limited);
    let daemon = Daemon::start_set_up(config).await?;
    println!(
        "{people} conversations on {}, {rate} messages/s {what} for {} s; start to first 200 {:.0} ms",
        database.word(),
        span.as_secs(),
        daemon.first_200().await?.as_secs_f64() * 1e3
    );
    let customers = seed(&sandbox, people)?;
    remember(&database, people, customers).await?;
    let chats: Vec<String> = (0..people).map(|number| (FIRST + number).to_string()).collect();
    if !sandbox.seed_conversations(BOT, &chats) {
        return Err(io::Error::other("the set-up made no channel"));
    }
    let idle = daemon.rss()?;
    let cpu = daemon.cpu()?;
    let sent = post(&sandbox, daemon.address, people, (rate, span)).await?;
    arrived(&sandbox, sent.len() + chats.len()).await?;
    let cpu = (daemon.cpu()? - cpu) / sent.len() as f64 * 1e6;
    let waits = judged(&sandbox, &sent)?;
    println!(
        "{} messages, none lost, none doubled, each conversation in its order; from webhook to CRM \
         p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
        sent.len(),
        at(&waits, 0.5),
        at(&waits, 0.99),
        at(&waits, 1.0)
    );
    let asked = sandbox.ledger_of(&[]);
    println!(
        "processor time {cpu:.0} µs each; RSS before {idle:.1} MB, at most {:.1} MB; requests: {} of chats \
         ({} refused), {} of the CRM ({} refused)",
        daemon.peak()?,
        asked.chats.total,
        asked.chats.refused,
        asked.retailcrm.total,
        asked.retailcrm.refused
    );
    Ok(())
}

fn config(sandbox: &Sandbox, store: &str, limited: bool) -> impl Fn(u16) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let (crm, key) = (sandbox.crm_url(), sandbox.api_key().to_owned());
    let (telegram, token) = (sandbox.telegram_url(), sandbox.telegram_token().to_owned());
    let (rate, chats) = if limited {
        (String::new(), String::new())
    } else {
        let rate = format!("requests_per_second = {UNLIMITED}");
        let chats = format!("chat_requests_per_second = {UNLIMITED}");
        (rate, chats)
    };
    let store = store.to_owned();
    move |port| {
        format!(
            r#"
[server]
listen = "127.0.0.1:{port}"
[store]
url = "{store}"
[mappings]
dir = "{root}/mappings"
[roles]
crm = "shop"
chat = "{BOT}"
[connections.shop]
connector = "retailcrm"
name = "Bench shop"
url = "{crm}"
api_key = "{key}"
hook_secret = "{SECRET}"
public = "http://127.0.0.1:{port}"
{rate}
{chats}
[connections.shop.channels.{BOT}]
site = "main"
name = "Bench bot"
[connections.{BOT}]
connector = "telegram"
name = "Bench bot"
url = "{telegram}"
token = "{token}"
hook_secret = "{SECRET}"
secret_token = "{SECRET}"
public = "http://127.0.0.1:{port}"
[flows.message-to-crm]
running = true
"#
        )
    }
}

/// Makes the people in the CRM; the id of the first.
fn seed(sandbox: &Sandbox, people: u64) -> io::Result<u64> {
    let now = sandbox.clock().now();
    let from = now - SignedDuration::from_hours(24 * 30);
    let crowd = Crowd { people, orders: false, leads: false, from, to: now, each: 0, ahead_s: 0 };
    let made = sandbox.seed_crowd(&crowd).map_err(|why| io::Error::other(format!("{why:?}")))?;
    Ok(made.customers.unwrap_or_default().0)
}

/// Writes down conversations, and which customer each person is.
async fn remember(database: &Database, people: u64, customers: u64) -> io::Result<()> {
    let now = Clock::default().now();
    let store = Store::open_beside(&database.url).await.map_err(io::Error::other)?;
    let kept = |number: u64| {
        let chat = (FIRST + number).to_string();
        let fields = json!({
            "name": "Гость", "sender": chat, "last": format!("{chat}:1"), "last_own": false,
            "last_at": now.to_string(),
        });
        Kept {
            connection: BOT.to_owned(),
            kind: "conversation".to_owned(),
            id: chat,
            fields: fields.as_object().cloned().unwrap_or_default(),
            at: now,
        }
    };
    for from in (0..people).step_by(500) {
        let some = (from..people.min(from + 500)).map(kept).collect();
        store.keep_entities(some).await.map_err(io::Error::other)?;
    }
    store.close().await;
    let rows = if database.is_postgres() {
        format!("from generate_series(0, {people} - 1) as s (n)")
    } else {
        format!(
            "from (with recursive s (n) as (select 0 union all select n + 1 from s \
             where n < {people} - 1) select n from s) as s"
        )
    };
    let made = now.as_millisecond();
    database
        .run(format!(
            "insert into link (to_connection, to_kind, from_kind, from_id, from_connection, to_id, made) \
             select 'shop', 'customer', 'person', '{BOT}:' || ({FIRST} + n), 'shop', \
             cast({customers} + n as text), {made} {rows}"
        ))
        .await
}

/// A message: its chat, and its number there.
type Which = (u64, u64);

/// Posts so many messages a second; when each was posted.
async fn post(
    sandbox: &Sandbox,
    door: SocketAddr,
    people: u64,
    (rate, span): (u64, Duration),
) -> io::Result<HashMap<Which, Timestamp>> {
    let count = rate * span.as_secs();
    let turns = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut clients = Vec::new();
    for client in 0..CONNECTIONS {
        let mut sender = Sender {
            door: Door::open(door).await?,
            clock: sandbox.clock(),
            // A conversation is one client's: what comes after what is known.
            chats: people / CONNECTIONS,
            client,
            last: BTreeMap::new(),
            random: fastrand::Rng::with_seed(client),
        };
        let turns = Arc::clone(&turns);
        clients.push(tokio::spawn(async move {
            let mut sent = Vec::new();
            loop {
                let turn = turns.fetch_add(1, Ordering::Relaxed);
                if turn >= count {
                    return Ok::<_, io::Error>(sent);
                }
                let due = began + Duration::from_secs_f64(turn as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                sent.push(sender.post(turn).await?);
            }
        }));
    }
    let mut all = HashMap::new();
    for client in clients {
        all.extend(client.await.map_err(io::Error::other)??);
    }
    let took = began.elapsed().as_secs_f64();
    println!("posted in {took:.1} s: {:.0}/s", count as f64 / took);
    Ok(all)
}

/// One who delivers, as Telegram does.
struct Sender {
    door: Door,
    clock: Clock,
    chats: u64,
    client: u64,
    last: BTreeMap<u64, u64>,
    random: fastrand::Rng,
}

impl Sender {
    async fn post(&mut self, turn: u64) -> io::Result<(Which, Timestamp)> {
        let among = if self.random.bool() { EAGER } else { self.chats };
        let chat = FIRST + self.random.u64(..among.max(1)) * CONNECTIONS + self.client;
        let last = self.last.entry(chat).or_default();
        *last += 1;
        let number = *last;
        let now = self.clock.now();
        let person = json!({ "id": chat, "is_bot": false, "first_name": "Гость" });
        let update = json!({ "update_id": turn + 1, "message": {
            "message_id": 100 + number, "from": person, "date": now.as_second(),
            "chat": { "id": chat, "type": "private", "first_name": "Гость" },
            "text": format!("message {number}"),
        }});
        let path = format!("/hooks/{BOT}/{SECRET}");
        let secret = ("x-telegram-bot-api-secret-token", SECRET);
        self.door
            .post(&path, &[("content-type", "application/json"), secret], &update.to_string())
            .await?;
        Ok(((chat, number), now))
    }
}

/// Waits until the CRM's chats have so many messages.
async fn arrived(sandbox: &Sandbox, messages: usize) -> io::Result<()> {
    let began = Instant::now();
    while sandbox.messages_in_chats() < messages {
        if began.elapsed() > WAIT {
            let there = sandbox.messages_in_chats();
            return Err(io::Error::other(format!("{there} of {messages} messages are there")));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // One too many would come now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// Each is there once and in its order; how long each was on its way, sorted.
fn judged(sandbox: &Sandbox, sent: &HashMap<Which, Timestamp>) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::with_capacity(sent.len());
    for conversation in sandbox.ledger_of(&["conversations"]).conversations {
        let chat: u64 = conversation.chat.parse().map_err(io::Error::other)?;
        // The first one was there before.
        for (number, message) in (1..).zip(conversation.messages.iter().skip(1)) {
            if message.text != format!("message {number}") {
                let why = format!("in {chat} `{}` is the message {number}", message.text);
                return Err(io::Error::other(why));
            }
            let posted = sent.get(&(chat, number));
            let posted =
                posted.ok_or_else(|| io::Error::other(format!("nobody wrote in {chat}")))?;
            waits.push(Duration::try_from(message.at.duration_since(*posted)).unwrap_or_default());
        }
    }
    if waits.len() != sent.len() {
        return Err(io::Error::other(format!("{} of {} arrived", waits.len(), sent.len())));
    }
    waits.sort_unstable();
    Ok(waits)
}
