//! What managers write in the CRM's chats goes out to people on Telegram and WhatsApp. Invariant:
//! nobody gets a message twice, and the CRM shows of each what became of it.

mod once;
mod orders;
mod pace;
mod sending;
mod states;
mod times;

use crate::support::{HOOK_SECRET, House, Plan};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Somebody who has written to the bot.
pub const BORIS: i64 = 700_000_001;
pub const ANNA: &str = "79990000001";

/// The flows that run.
const FLOWS: [&str; 5] = [
    "crm-to-message",
    "crm-edit-to-message",
    "crm-removal-to-message",
    "message-to-crm",
    "delivery-to-crm",
];

pub const TELEGRAM: &str = "telegram-main";
pub const WHATSAPP: &str = "whatsapp-main";

/// The CRM with a channel for each of the two messengers; people have written to the bot.
pub struct Talk {
    pub house: House,
    /// Words of the CRM until now.
    words: u64,
}

impl Talk {
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// With more lines of the messengers' settings: `[connections.telegram-main]` comes last.
    pub async fn with(telegram: &str) -> Self {
        let mut house = House::build(Plan { leads: false, ..Plan::default() }).await;
        let text = std::fs::read_to_string(house.config()).expect("the config");
        let config = config(&house, &text, telegram);
        std::fs::write(house.config(), config).expect("written");
        house.control("limits", json!({ "chat_rps": null, "telegram_rps": null })).await;
        let done = house.command(&["setup"]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stdout));
        house.run().await;
        house.advance(SignedDuration::from_secs(2)).await;
        let chat = |chat: i64| json!({ "chat": chat, "text": "/start" });
        house.control("telegram", json!([chat(BORIS), chat(BORIS + 1)])).await;
        let heard = "select kind from event where kind = 'message.received'";
        while house.sql(heard).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        house.ended().await;
        Self { house, words: 0 }
    }

    /// A manager writes to Boris by Telegram; the id of the message in the CRM.
    pub async fn tell_boris(&mut self, text: &str) -> u64 {
        self.write(json!({ "channel": TELEGRAM, "chat": BORIS.to_string(), "text": text })).await
    }

    /// A manager writes to Anna by WhatsApp.
    pub async fn tell_anna(&mut self, text: &str) -> u64 {
        let chat = format!("{ANNA}@c.us");
        self.write(json!({ "channel": WHATSAPP, "chat": chat, "text": text })).await
    }

    /// A manager writes, and the daemon has kept it.
    pub async fn write(&mut self, mut body: Value) -> u64 {
        if body.get("person").is_none() {
            let chat = body["chat"].as_str().unwrap_or_default();
            body["person"] = chat.trim_end_matches("@c.us").into();
        }
        let made = self.house.control("chats", body).await;
        self.heard(1).await;
        made["ids"][0].as_u64().unwrap_or_else(|| panic!("no id in {made}"))
    }

    /// A manager changes, takes back or reads a message.
    pub async fn act(&mut self, id: u64, body: Value) {
        self.house.control(&format!("chats/{id}"), body).await;
        self.heard(1).await;
    }

    /// Waits until so many more words of the CRM's chats are kept; what polls find is none.
    pub async fn heard(&mut self, more: u64) {
        self.words += more;
        let kept = "select cast(count(*) as text) from event where connection = 'shop' \
                    and kind like 'message.%'";
        let began = Instant::now();
        loop {
            let held: u64 = self.house.sql(kept).await[0].parse().expect("a number");
            if held >= self.words {
                return;
            }
            let log = || self.house.log();
            assert!(began.elapsed() < Duration::from_secs(30), "{held} words:\n{}", log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn pass(&mut self, seconds: i64) {
        self.house.advance(SignedDuration::from_secs(seconds)).await;
        self.house.calm().await;
    }

    /// Waits until a connection that was in trouble has been probed and answers again.
    pub async fn answers(&mut self, connection: &str) {
        let began = Instant::now();
        loop {
            let (_, ready) = self.house.get("/readyz").await;
            let ready: Value = serde_json::from_str(&ready).expect("JSON");
            if ready["connections"][connection]["state"] == "ready" {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{ready}\n{}", self.house.log());
            // The next probe is due within seconds at first, then within the minute.
            self.house.advance(SignedDuration::from_secs(2)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A message as the CRM holds it.
    pub async fn message(&self, id: u64) -> Value {
        let ledger = self.house.ask("ledger?parts=conversations").await;
        let held = ledger["conversations"].as_array().expect("conversations").iter();
        let mut all = held.flat_map(|held| held["messages"].as_array().expect("messages"));
        all.find(|held| held["id"] == id).expect("the message").clone()
    }

    /// The states that a message went through in the CRM.
    pub async fn states(&self, id: u64) -> Vec<String> {
        let message = self.message(id).await;
        let states = message["states"].as_array().expect("states").iter();
        states.map(|state| state.as_str().expect("a word").to_owned()).collect()
    }

    /// Why a message failed in the CRM: code and words.
    pub async fn error(&self, id: u64) -> (String, String) {
        let error = self.message(id).await["error"].clone();
        let text = |at: usize| error[at].as_str().unwrap_or_default().to_owned();
        (text(0), text(1))
    }

    /// What stands in a conversation of the CRM: by whom, and the words.
    pub async fn conversation(&self, channel: &str, chat: &str) -> Vec<(String, String)> {
        let ledger = self.house.ask("ledger?parts=conversations").await;
        let mut held = ledger["conversations"].as_array().expect("conversations").iter();
        let is_it = |held: &&Value| held["channel"] == channel && held["chat"] == chat;
        let messages = held.find(is_it).map(|held| held["messages"].clone()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = messages.as_array().cloned().unwrap_or_default();
        messages.iter().map(|one| (text(&one["from"]), text(&one["text"]))).collect()
    }

    /// What the bot wrote to a chat, in order.
    pub async fn on_telegram(&self, chat: i64) -> Vec<Value> {
        let ledger = self.house.ask("ledger?parts=messages").await;
        let all = ledger["messages"].as_array().expect("messages").clone();
        all.into_iter().filter(|held| held["chat"] == chat).collect()
    }

    /// What we sent to somebody on WhatsApp, in order.
    pub async fn on_whatsapp(&self, phone: &str) -> Vec<Value> {
        let ledger = self.house.ask("ledger?parts=whatsapp").await;
        let all = ledger["whatsapp"].as_array().expect("messages").clone();
        let to = format!("{phone}@c.us");
        all.into_iter()
            .filter(|held| held["by_api"] == true && held["chat"] == to.as_str())
            .collect()
    }

    pub async fn boris_got(&self) -> Vec<String> {
        texts(&self.on_telegram(BORIS).await, "text")
    }

    pub async fn anna_got(&self) -> Vec<String> {
        texts(&self.on_whatsapp(ANNA).await, "body")
    }

    pub async fn faults(&self, rules: Value) {
        self.house.faults(rules).await;
    }

    /// What a command says; it must succeed.
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.house.command(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{errors}");
        said
    }

    /// How many jobs about what managers do are in each state.
    pub async fn jobs(&self) -> BTreeMap<String, usize> {
        let mut held = BTreeMap::new();
        let states = "select state from job where flow like 'crm-%'";
        for state in self.house.sql(states).await {
            *held.entry(state).or_default() += 1;
        }
        held.remove("skipped");
        held
    }

    /// Numbers of the jobs that wait for a person.
    pub async fn stuck(&self) -> Vec<String> {
        let jobs = "select cast(id as text) from job where state = 'stuck' order by id";
        self.house.sql(jobs).await
    }
}

pub fn texts(messages: &[Value], field: &str) -> Vec<String> {
    let text = |held: &Value| held[field].as_str().unwrap_or_default().to_owned();
    messages.iter().map(text).collect()
}

/// So many jobs acted, and nothing is left.
pub fn acted(jobs: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([("acted".to_owned(), jobs)])
}

/// One fault of a messenger.
pub fn fault(side: &str, fault: &str, next: u32) -> Value {
    let path = if side == "telegram" { "sendMessage" } else { "/sendMessage" };
    json!([{ "side": side, "fault": fault, "next": next, "path": path }])
}

fn config(house: &House, text: &str, telegram: &str) -> String {
    let (head, rest) = text.split_once("[roles]").expect("roles");
    let (_, shop) = rest.split_once("[connections.shop]").expect("the shop");
    let (shop, _) = shop.split_once("[connections.calltouch-main]").expect("calls");
    let (sandbox, port) = (&house.sandbox, house.port);
    let (chatapi, instance) = (sandbox.chatapi_url(), sandbox.chatapi_instance());
    let (bot, token) = (sandbox.telegram_url(), sandbox.telegram_token());
    let key = sandbox.chatapi_token();
    // One role, both messengers.
    let flows = FLOWS.map(|flow| format!("[flows.{flow}]\nrunning = true\n")).concat();
    format!(
        r#"{head}
[roles]
crm = "shop"
chat = ["telegram-main", "whatsapp-main"]
[connections.shop]
{shop}
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
chat_requests_per_second = 2000
[connections.shop.channels.telegram-main]
site = "main"
name = "Our bot"
[connections.shop.channels.whatsapp-main]
site = "main"
name = "Our phone"
[connections.whatsapp-main]
connector = "chatapi"
name = "WhatsApp, main number"
url = "{chatapi}"
instance = "{instance}"
token = "{key}"
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
requests_per_second = 2000
{flows}
[connections.telegram-main]
connector = "telegram"
name = "Telegram, our bot"
url = "{bot}"
token = "{token}"
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
requests_per_second = 2000
chat_pause = "0s"
timeout = "4s"
{telegram}
"#
    )
}
