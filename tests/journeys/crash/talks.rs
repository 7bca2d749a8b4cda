//! People write, managers answer, and the daemon is killed while messages go both ways under faults.
//! Invariant: in the end nobody got a message twice; whoever may or may not have got one is on a
//! person's list; what people wrote stands in the CRM once.

use super::dice::Dice;
use super::fate::{Fate, LIFE};
use crate::incoming::{BOT, Desk, WHATSAPP};
use crate::support::House;
use jiff::SignedDuration;
use leadlink::sandbox::ledger::Ledger;
use leadlink::sandbox::mg::messages::{From, Message};
use leadlink::sandbox::{Faults, Side};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a life sees, on average.
const ACTS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(180);
/// The CRM's stand-in gives a word up after so long, in real time.
const WORD: Duration = Duration::from_secs(3);
/// People of each messenger.
const PEOPLE: u64 = 5;
const FIRST: i64 = 700_000_001;

struct Talks {
    house: House,
    dice: Dice,
    /// What was written to the person, by the CRM's id: messenger, chat, text.
    sent: BTreeMap<u64, (&'static str, String, String)>,
    /// What people wrote, in the order of each conversation.
    written: BTreeMap<(&'static str, String), Vec<String>>,
    texts: u64,
    writing: JoinSet<()>,
}

/// Lives, each ended by a kill.
pub async fn run(kills: u64, dice: Dice) {
    let began = Instant::now();
    let mut talks = Talks::new(dice).await;
    for life in 0..kills {
        talks.live(life).await;
        talks.house.kill();
    }
    talks.drain().await;
    let ledger = talks.house.sandbox.ledger();
    let listed = talks.listed().await;
    println!(
        "{kills} kills, {} messages to people, {} from them, {} on a person's list in {:?}; faults {:?}",
        talks.sent.len(),
        talks.written.values().map(Vec::len).sum::<usize>(),
        listed.len(),
        began.elapsed(),
        ledger.faults
    );
    talks.judge(&ledger, &listed).await;
}

impl Talks {
    async fn new(dice: Dice) -> Self {
        let mut house = Desk::default().build().await;
        // Pauses would make the lives longer, and nothing else.
        let config = std::fs::read_to_string(house.config()).expect("the config");
        let quick = config.replace("mode = \"webhook\"", "mode = \"webhook\"\nchat_pause = \"0s\"");
        std::fs::write(
            house.config(),
            quick.replace("poll_every = \"5m\"", "poll_every = \"20s\""),
        )
        .expect("written");
        crate::incoming::begin(&mut house).await;
        let (sent, written) = (BTreeMap::new(), BTreeMap::new());
        let mut talks = Self { house, dice, sent, written, texts: 0, writing: JoinSet::new() };
        for person in 0..PEOPLE {
            talks.person_writes(BOT, person).await;
            talks.person_writes(WHATSAPP, person).await;
        }
        talks.house.ended().await;
        talks.house.kill();
        talks
    }

    async fn live(&mut self, life: u64) {
        let side = *self.dice.pick(&[Side::Telegram, Side::Chatapi, Side::Chats]);
        let faults = self.dice.faults(side);
        self.house.sandbox.set_faults(faults);
        let mut fate = Fate::draw(&self.house, &mut self.dice, life, LIFE);
        self.house.set_env(fate.env());
        self.house.spawn();
        self.house.healthy().await;
        fate.begin();
        while fate.turn(&mut self.house, &mut self.dice).await {
            if LIFE.acts(&mut self.dice, ACTS) {
                self.act().await;
            }
        }
    }

    async fn act(&mut self) {
        let person = self.dice.below(PEOPLE);
        let messenger = *self.dice.pick(&[BOT, WHATSAPP]);
        if self.dice.percent(40) {
            return self.person_writes(messenger, person).await;
        }
        self.texts += 1;
        let text = format!("m{}", self.texts);
        let chat = chat(messenger, person);
        let who = chat.trim_end_matches("@c.us").to_owned();
        let body = json!({ "channel": messenger, "chat": chat, "person": who, "text": text });
        let made = self.house.control("chats", body).await;
        let id = made["ids"][0].as_u64().expect("an id");
        self.sent.insert(id, (messenger, chat, text));
    }

    async fn person_writes(&mut self, messenger: &'static str, person: u64) {
        self.texts += 1;
        let (text, chat) = (format!("p{}", self.texts), chat(messenger, person));
        let deliveries = *self.dice.pick(&[1, 1, 2]);
        let (route, body) = if messenger == BOT {
            let chat: i64 = chat.parse().expect("a number");
            ("telegram", json!({ "chat": chat, "text": text, "deliveries": deliveries }))
        } else {
            let message = json!({ "from": chat, "name": "Анна", "text": text });
            ("chatapi/messages", json!({ "messages": [message], "deliveries": deliveries }))
        };
        // Who tells of a message on WhatsApp waits for the daemon's answer.
        let url = format!("{}/_sandbox/{route}", self.house.sandbox.crm_url());
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let writes = client.post(url).json(&body).send();
        if messenger == BOT {
            writes.await.expect("the sandbox answers");
        } else {
            self.writing.spawn(async move { drop(writes.await) });
        }
        self.written.entry((messenger, chat)).or_default().push(text);
    }

    /// The faults are gone; the clock runs until every job has ended or waits for a person.
    async fn drain(&mut self) {
        self.house.sandbox.set_faults(Faults::default());
        self.house.set_env(Vec::new());
        self.house.run().await;
        let began = Instant::now();
        while let Some(wrote) = self.writing.join_next().await {
            wrote.expect("a writer ends");
        }
        self.house.polled_of(WHATSAPP).await;
        let store = self.house.store().await;
        let mut calm = 0;
        while calm < 40 {
            self.house.advance(SignedDuration::from_secs(1)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let counts = store.counts(self.house.now()).await.expect("the store answers");
            let waiting = self.house.ask("telegram").await["bots"][0]["waiting"].clone();
            let still = counts.unrouted + counts.waiting + counts.deciding;
            let over = waiting == 0 && still == 0 && began.elapsed() > WORD;
            calm = if over { calm + 1 } else { 0 };
            let (seed, log) = (self.dice.seed, self.house.log());
            assert!(began.elapsed() < PATIENCE, "seed {seed}: no end: {counts:?}\n{log}");
        }
    }

    /// The CRM's messages about which a person must say something.
    async fn listed(&self) -> BTreeSet<u64> {
        let keys = "select e.key from job j join event e on e.id = j.event_id \
            where j.state = 'stuck' and j.why like '%a person must say'";
        let keys = self.house.sql(keys).await;
        keys.iter().filter_map(|key| key.strip_prefix("mg:")?.parse().ok()).collect()
    }

    async fn judge(&self, ledger: &Ledger, listed: &BTreeSet<u64>) {
        let mut complaints = Vec::new();
        let held = ledger.conversations.iter().flat_map(|held| &held.messages);
        let held: BTreeMap<u64, &Message> = held.map(|message| (message.id, message)).collect();
        for (id, (messenger, chat, text)) in &self.sent {
            let got = times(ledger, messenger, chat, text);
            let message = held[id];
            if let Some(what) = wrong(got, message, listed.contains(id)) {
                let error = &message.error;
                complaints.push(format!("mg:{id} {text}: {what}, {}, {error:?}", message.state));
            }
        }
        for ((messenger, chat), texts) in &self.written {
            let there = ledger.conversation(messenger, chat);
            let there = there.map(|there| there.messages.as_slice()).unwrap_or_default();
            let mut there: Vec<&str> = there
                .iter()
                .filter(|message| message.from == From::Customer)
                .map(|message| message.text.as_str())
                .collect();
            // A webhook of WhatsApp that is lost comes late, by the poll.
            if *messenger == WHATSAPP {
                there.sort_by_key(|text| texts.iter().position(|held| held == text));
            }
            if there != *texts {
                complaints.push(format!("{messenger} {chat}: {there:?} instead of {texts:?}"));
            }
        }
        let counts = self.house.counts().await;
        if counts.stuck != listed.len() as u64 || counts.unreadable > 0 {
            let whys = "select e.key || ': ' || coalesce(j.why, '') from job j \
                join event e on e.id = j.event_id where j.state = 'stuck'";
            complaints.push(format!("left over: {:?}", self.house.sql(whys).await));
        }
        for complaint in complaints.iter().filter(|one| one.starts_with("mg:")).take(3) {
            let key = complaint.split(' ').next().unwrap_or_default();
            let why = self.house.command(&["why", key]);
            println!("{}", String::from_utf8_lossy(&why.stdout));
        }
        let (seed, log) = (self.dice.seed, self.house.log());
        assert!(complaints.is_empty(), "seed {seed}: {complaints:#?}\n{log}");
    }
}

fn chat(messenger: &str, person: u64) -> String {
    if messenger == BOT {
        return (FIRST + i64::try_from(person).unwrap_or_default()).to_string();
    }
    format!("7999000000{person}@c.us")
}

/// How often the person got it.
fn times(ledger: &Ledger, messenger: &str, chat: &str, text: &str) -> usize {
    if messenger == BOT {
        let is_it = |held: &&leadlink::sandbox::telegram::sending::Message| {
            held.chat.to_string() == chat && held.text == text
        };
        return ledger.messages.iter().filter(is_it).count();
    }
    ledger.whatsapp_sent().filter(|held| held.chat == chat && held.body == text).count()
}

/// What is wrong with a message that the person got so often.
fn wrong(got: usize, message: &Message, listed: bool) -> Option<&'static str> {
    match (got, message.state, listed) {
        (2.., ..) => Some("doubled"),
        (_, _, true) => None,
        (1, "sent" | "seen", false) | (0, "failed", false) => None,
        (1, ..) => Some("sent, and the CRM does not say so"),
        _ => Some("lost"),
    }
}
