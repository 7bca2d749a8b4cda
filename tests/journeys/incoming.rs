//! What people write on Telegram, on WhatsApp and elsewhere arrives in the CRM's chats, by the shipped
//! flow. Invariant: what a journey asserts is what the CRM's chats hold, or what the daemon wrote down.

mod chatwoot;
mod outage;
mod telegram;
mod updates;
mod whatsapp;

use crate::support::{HOOK_SECRET, House, Plan, free_port};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const WHATSAPP: &str = "whatsapp-main";
pub const BOT: &str = "telegram-main";
pub const ANNA: &str = "79990000001";
/// The chat of a bot in which nobody else is meant.
pub const CHAT: i64 = 700_000_001;

/// How it is set up.
pub struct Desk {
    /// How the bot's updates come.
    pub mode: &'static str,
    /// More of the config, at its end.
    pub more: String,
}

impl Default for Desk {
    fn default() -> Self {
        Self { mode: "webhook", more: String::new() }
    }
}

impl Desk {
    /// A shop with both messengers; nothing runs yet.
    pub async fn build(self) -> House {
        let port = free_port();
        let shop = format!(
            r#"hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
chat_requests_per_second = 100000
[connections.shop.channels.{WHATSAPP}]
site = "main"
name = "WhatsApp"
[connections.shop.channels.{BOT}]
site = "main"
name = "Our bot""#
        );
        let plan = Plan { shop, port: Some(port), leads: false, ..Plan::default() };
        let house = House::build(plan).await;
        house.control("limits", json!({ "chat_rps": null, "telegram_rps": null })).await;
        append(&house, &messengers(&house, self.mode));
        for chat in [WHATSAPP, BOT] {
            append(&house, &running(&FLOWS, chat));
        }
        append(&house, &running(&["delivery-to-crm"], WHATSAPP));
        append(&house, &running(&["edit-to-crm"], BOT));
        append(&house, &self.more);
        house
    }

    /// The same, set up and running.
    pub async fn open(self) -> House {
        let mut house = self.build().await;
        begin(&mut house).await;
        house
    }
}

const FLOWS: [&str; 2] = ["message-to-crm", "crm-to-message"];

/// These flows run for this messenger, each as an instance of its own.
pub fn running(flows: &[&str], chat: &str) -> String {
    let flow = |name: &&str| {
        format!(
            "[flows.{name}-{chat}]\nuse = \"{name}\"\nrunning = true\nroles = {{ chat = \"{chat}\" }}\n"
        )
    };
    flows.iter().map(flow).collect()
}

fn messengers(house: &House, mode: &str) -> String {
    let (port, sandbox) = (house.port, &house.sandbox);
    let (whatsapp, instance) = (sandbox.chatapi_url(), sandbox.chatapi_instance());
    let (key, telegram) = (sandbox.chatapi_token(), sandbox.telegram_url());
    let token = sandbox.telegram_token();
    format!(
        r#"
[connections.{WHATSAPP}]
connector = "chatapi"
name = "WhatsApp, main number"
url = "{whatsapp}"
instance = "{instance}"
token = "{key}"
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
poll_every = "5m"
requests_per_second = 1000
[connections.{BOT}]
connector = "telegram"
name = "Telegram, main bot"
url = "{telegram}"
token = "{token}"
hook_secret = "{HOOK_SECRET}"
public = "http://127.0.0.1:{port}"
mode = "{mode}"
requests_per_second = 1000
"#
    )
}

pub fn append(house: &House, more: &str) {
    let text = std::fs::read_to_string(house.config()).expect("the config");
    std::fs::write(house.config(), text + more).expect("written");
}

/// Sets everything up and starts the daemon.
pub async fn begin(house: &mut House) {
    let done = house.command(&["setup"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    house.run().await;
    // Telegram's times are whole seconds: a message of this very second would be older than the
    // first start.
    house.advance(SignedDuration::from_secs(2)).await;
}

/// Somebody writes on WhatsApp; returns when the hooks are answered.
pub async fn whatsapp(house: &House, body: Value) -> Value {
    house.control("chatapi/messages", body).await
}

/// Somebody does something in a chat of the bot.
pub async fn telegram(house: &House, body: Value) -> Value {
    house.control("telegram", body).await
}

/// Waits until the daemon knows of so many events of this kind.
pub async fn heard(house: &House, kind: &str, count: usize) {
    let began = Instant::now();
    loop {
        let kinds = house.sql("select kind from event").await;
        let known = kinds.iter().filter(|held| *held == kind).count();
        if known >= count {
            assert_eq!(known, count, "{kinds:?}");
            return;
        }
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(30), "{known} of {count} {kind}:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The messages of a conversation in the CRM's chats.
pub async fn conversation(house: &House, channel: &str, chat: &str) -> Vec<Value> {
    let ledger = house.ask("ledger?parts=conversations").await;
    let all = ledger["conversations"].as_array().expect("conversations");
    let is_it = |held: &&Value| held["channel"] == channel && held["chat"] == chat;
    let found = all.iter().find(is_it);
    found.map(|held| held["messages"].as_array().expect("messages").clone()).unwrap_or_default()
}

/// What was written there: by whom, what kind, which words, how many files.
pub async fn said(
    house: &House,
    channel: &str,
    chat: &str,
) -> Vec<(String, String, String, usize)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let files = |value: &Value| value.as_array().map_or(0, Vec::len);
    let messages = conversation(house, channel, chat).await;
    let row = |one: &Value| {
        (text(&one["from"]), text(&one["type"]), text(&one["text"]), files(&one["files"]))
    };
    messages.iter().map(row).collect()
}

/// The same of words alone.
pub async fn words(house: &House, channel: &str, chat: &str) -> Vec<String> {
    said(house, channel, chat).await.into_iter().map(|(_, _, text, _)| text).collect()
}

pub fn line(from: &str, kind: &str, text: &str, files: usize) -> (String, String, String, usize) {
    (from.to_owned(), kind.to_owned(), text.to_owned(), files)
}
