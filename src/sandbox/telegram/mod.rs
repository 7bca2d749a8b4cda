//! A stand-in of Telegram's Bot API (messengers.md §3). Invariant: a bot writes only to chats that a
//! person opened; an update is gone when it was confirmed or delivered, and not before.

pub mod form;
pub mod people;
pub mod sending;
pub mod updates;
pub mod waiting;
pub mod webhook;

use crate::sandbox::answer::Answer;
use form::Fields;
use jiff::Timestamp;
use people::File;
use sending::Message;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use updates::Updates;

/// What a bot may be asked, as the logs show it.
const METHODS: [&str; 16] = [
    "/bot{token}/getMe",
    "/bot{token}/getUpdates",
    "/bot{token}/setWebhook",
    "/bot{token}/deleteWebhook",
    "/bot{token}/getWebhookInfo",
    "/bot{token}/getFile",
    "/bot{token}/sendMessage",
    "/bot{token}/sendPhoto",
    "/bot{token}/sendDocument",
    "/bot{token}/sendVideo",
    "/bot{token}/sendAudio",
    "/bot{token}/sendVoice",
    "/bot{token}/editMessageText",
    "/bot{token}/editMessageCaption",
    "/bot{token}/deleteMessage",
    "/bot{token}/answerCallbackQuery",
];

/// One bot with its chats.
#[derive(Debug)]
pub struct Bot {
    pub id: i64,
    pub token: String,
    pub updates: Updates,
    pub chats: BTreeMap<i64, Chat>,
    pub files: BTreeMap<String, File>,
    /// What the bot wrote.
    pub sent: Vec<Message>,
    /// Presses that were answered.
    pub answered: Vec<String>,
}

/// A chat as Telegram knows it.
#[derive(Debug, Clone, Serialize)]
pub struct Chat {
    pub id: i64,
    pub group: bool,
    pub state: State,
    /// The last number of a message in it.
    pub last: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Active,
    /// The person blocked the bot.
    Blocked,
    Deactivated,
    /// There is no such chat any more.
    Gone,
}

/// What came in.
pub struct Incoming<'a> {
    pub path: &'a str,
    pub fields: &'a Fields,
    pub now: Timestamp,
}

impl Bot {
    /// A bot with this token; its id stands before the colon.
    pub fn new(token: &str) -> Self {
        let id = token.split_once(':').and_then(|(id, _)| id.parse().ok()).unwrap_or(1);
        Self {
            id,
            token: token.to_owned(),
            updates: Updates::default(),
            chats: BTreeMap::new(),
            files: BTreeMap::new(),
            sent: Vec::new(),
            answered: Vec::new(),
        }
    }

    pub fn person(&self) -> Value {
        json!({"id": self.id, "is_bot": true, "first_name": "Sandbox", "username": "sandbox_bot"})
    }

    /// The chat with this id, opened by a person.
    pub fn chat(&mut self, id: i64, group: bool) -> &mut Chat {
        let chat = Chat { id, group, state: State::Active, last: 100 };
        self.chats.entry(id).or_insert(chat)
    }

    /// Performs a method.
    pub fn call(&mut self, method: &str, fields: &Fields, now: Timestamp) -> Answer {
        let result = match method.to_ascii_lowercase().as_str() {
            "getme" => Ok(self.person()),
            "getupdates" => self.updates.get(fields),
            "setwebhook" => self.updates.set_webhook(fields),
            "deletewebhook" => self.updates.delete_webhook(fields),
            "getwebhookinfo" => Ok(self.updates.webhook_info()),
            "getfile" => self.file(fields),
            "answercallbackquery" => {
                self.answered.push(fields.text("callback_query_id"));
                Ok(json!(true))
            }
            "editmessagetext" => sending::edit(self, fields, "text"),
            "editmessagecaption" => sending::edit(self, fields, "caption"),
            "deletemessage" => sending::delete(self, fields, now),
            other => match sending::field_of(other) {
                Some(field) => sending::send(self, field, fields, now),
                None => Err(Refused::new(404, "Not Found: method not found")),
            },
        };
        match result {
            Ok(result) => Answer::json(200, &json!({"ok": true, "result": result})),
            Err(refused) => refused.into(),
        }
    }

    fn file(&self, fields: &Fields) -> Result<Value, Refused> {
        let id = fields.text("file_id");
        let found = self.files.get(&id);
        let file = found
            .ok_or_else(|| Refused::bad("wrong file_id or the file is temporarily unavailable"))?;
        if file.size() > 20 * 1024 * 1024 {
            return Err(Refused::bad("file is too big"));
        }
        Ok(
            json!({"file_id": id, "file_unique_id": id, "file_size": file.size(), "file_path": file.path}),
        )
    }
}

/// Answers a request for one of the bots.
pub fn answer(bots: &mut [Bot], incoming: &Incoming) -> Answer {
    if let Some(rest) = incoming.path.strip_prefix("/file/bot") {
        let Some((token, path)) = rest.split_once('/') else { return not_found() };
        let bot = bots.iter().find(|bot| bot.token == token);
        let file = bot.and_then(|bot| bot.files.values().find(|file| file.path == path));
        return file.map_or_else(not_found, |file| Answer {
            status: 200,
            content_type: "application/octet-stream",
            headers: Vec::new(),
            body: file.bytes(),
        });
    }
    let Some((token, method)) = called(incoming.path) else { return not_found() };
    match bots.iter_mut().find(|bot| bot.token == token) {
        Some(bot) => bot.call(method, incoming.fields, incoming.now),
        None if token.contains(':') => Refused::new(401, "Unauthorized").into(),
        None => not_found(),
    }
}

/// Token and method of a path.
pub fn called(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/bot")?.split_once('/')
}

/// The path for logs and counters.
pub fn template(path: &str) -> &'static str {
    if path.starts_with("/file/bot") {
        return "/file/bot{token}/{path}";
    }
    let method = called(path).map_or("", |(_, method)| method);
    let is_it = |known: &&&str| {
        known.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(method))
    };
    METHODS.iter().find(is_it).copied().unwrap_or("(unknown)")
}

fn not_found() -> Answer {
    Refused::new(404, "Not Found").into()
}

/// A refusal of the Bot API.
#[derive(Debug, Clone)]
pub struct Refused {
    code: u16,
    description: String,
    retry_after: Option<u64>,
}

impl Refused {
    pub fn new(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), retry_after: None }
    }

    pub fn bad(why: &str) -> Self {
        Self::new(400, &format!("Bad Request: {why}"))
    }

    /// Too many requests.
    pub fn slow(seconds: u64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self { code: 429, description, retry_after: Some(seconds) }
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let mut body = json!({
            "ok": false, "error_code": refused.code, "description": refused.description,
        });
        let Some(seconds) = refused.retry_after else { return Self::json(refused.code, &body) };
        body["parameters"] = json!({ "retry_after": seconds });
        Self::json(refused.code, &body).with_header("retry-after", seconds.to_string())
    }
}
