//! What people do in a bot's chats, made into updates. Invariant: what somebody does is told at once,
//! in the words of the Bot API.

use super::{Bot, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The person who writes where nothing is said.
const SOMEBODY: i64 = 700_000_001;

/// What somebody does. Without anything else: writes `text`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Does {
    /// Of a bot with this token; else of the first.
    pub bot: Option<String>,
    pub chat: Option<i64>,
    /// Who; by default the person of the chat.
    pub from: Option<i64>,
    pub name: Option<String>,
    pub username: Option<String>,
    pub is_bot: bool,
    pub group: bool,
    pub text: String,
    /// Each one a message of its own, told at once: an album.
    pub files: Vec<Given>,
    /// A phone; the person's own unless `of` says whose.
    pub contact: Option<String>,
    pub contact_of: Option<i64>,
    /// Latitude, longitude.
    pub location: Option<(f64, f64)>,
    /// An emoji.
    pub sticker: Option<String>,
    pub reply_to: Option<i64>,
    pub forwarded: bool,
    /// The number of a message that is changed.
    pub edit: Option<i64>,
    pub press: Option<Press>,
    /// The bot is blocked, or started again.
    pub blocked: Option<bool>,
    /// Laid over the message.
    pub fields: Map<String, Value>,
    /// How often it is told.
    pub deliveries: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Press {
    pub message_id: i64,
    pub data: String,
}

/// A file as somebody sends it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// `photo`, `document`, `audio`, `voice`, `video`.
    pub kind: String,
    pub name: String,
    pub mime: String,
    /// Its bytes; or so many are made.
    pub text: String,
    pub size: usize,
}

/// A file as Telegram keeps it.
#[derive(Debug, Clone)]
pub struct File {
    pub path: String,
    text: String,
    made: usize,
}

impl File {
    pub fn size(&self) -> usize {
        if self.text.is_empty() { self.made } else { self.text.len() }
    }

    /// Made bytes count up, so that what is lost or doubled shows.
    pub fn bytes(&self) -> Vec<u8> {
        if !self.text.is_empty() {
            return self.text.clone().into_bytes();
        }
        (0..self.made).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect()
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// Empty where the bot does not want to know.
    pub updates: Vec<i64>,
    /// Numbers of the messages.
    pub messages: Vec<i64>,
}

/// Somebody does something.
pub fn act(bot: &mut Bot, does: &Does, now: Timestamp) -> Told {
    let chat = does.chat.unwrap_or(SOMEBODY);
    bot.chat(chat, does.group);
    if let Some(blocked) = does.blocked {
        return block(bot, does, blocked, now);
    }
    if let Some(press) = &does.press {
        let id = format!("{chat}{:09}", bot.answered.len() + bot.updates.count() + bot.sent.len());
        let message = json!({
            "message_id": press.message_id, "chat": place(does), "date": now.as_second(),
            "from": bot.person(),
        });
        let inner = json!({
            "id": id, "from": person(does), "message": message, "chat_instance": "1",
            "data": press.data,
        });
        let updates = tell(bot, does, "callback_query", inner, now);
        return Told { updates, messages: Vec::new() };
    }
    write(bot, does, now)
}

/// The bot is blocked, or started again.
fn block(bot: &mut Bot, does: &Does, blocked: bool, now: Timestamp) -> Told {
    let (before, after) = if blocked { ("member", "kicked") } else { ("kicked", "member") };
    let state = if blocked { State::Blocked } else { State::Active };
    bot.chat(does.chat.unwrap_or(SOMEBODY), does.group).state = state;
    let id = bot.id;
    let member = |status: &str| json!({"user": {"id": id, "is_bot": true}, "status": status});
    let inner = json!({
        "chat": place(does), "from": person(does), "date": now.as_second(),
        "old_chat_member": member(before), "new_chat_member": member(after),
    });
    Told { updates: tell(bot, does, "my_chat_member", inner, now), messages: Vec::new() }
}

/// A message, or as many as there are files.
fn write(bot: &mut Bot, does: &Does, now: Timestamp) -> Told {
    let part = if does.edit.is_some() { "edited_message" } else { "message" };
    let chat = does.chat.unwrap_or(SOMEBODY);
    let mut told = Told { updates: Vec::new(), messages: Vec::new() };
    for at in 0..does.files.len().max(1) {
        let number = does.edit.unwrap_or_else(|| {
            let held = bot.chat(chat, does.group);
            held.last += 1;
            held.last
        });
        let mut message = json!({
            "message_id": number, "from": person(does), "chat": place(does),
            "date": now.as_second(),
        });
        if does.edit.is_some() {
            message["edit_date"] = now.as_second().into();
        }
        if does.files.len() > 1 {
            message["media_group_id"] = now.as_millisecond().to_string().into();
        }
        fill(bot, does, (at, number), &mut message);
        told.updates.extend(tell(bot, does, part, message, now));
        told.messages.push(number);
    }
    told
}

fn tell(bot: &mut Bot, does: &Does, part: &str, inner: Value, now: Timestamp) -> Vec<i64> {
    let chat = does.chat.unwrap_or(SOMEBODY);
    bot.updates.tell(chat, (part, inner), does.deliveries, now).into_iter().collect()
}

fn place(does: &Does) -> Value {
    let chat = does.chat.unwrap_or(SOMEBODY);
    if does.group {
        return json!({"id": chat, "type": "supergroup", "title": "Group"});
    }
    json!({"id": chat, "type": "private", "first_name": person(does)["first_name"]})
}

fn person(does: &Does) -> Value {
    let id = does.from.or(does.chat).unwrap_or(SOMEBODY);
    let name = does.name.clone().unwrap_or_else(|| "Анна".to_owned());
    let mut person = json!({"id": id, "is_bot": does.is_bot, "first_name": name});
    if let Some(username) = &does.username {
        person["username"] = username.as_str().into();
    }
    person
}

/// The content of one message; of an album the first carries the text.
fn fill(bot: &mut Bot, does: &Does, (at, number): (usize, i64), message: &mut Value) {
    let text = if at == 0 { does.text.as_str() } else { "" };
    let chat = message["chat"]["id"].as_i64().unwrap_or_default();
    if let Some(given) = does.files.get(at) {
        let id = format!("file-{chat}-{number}");
        let shown = keep(bot, given, &id);
        message[given.kind.as_str()] = shown;
        if !text.is_empty() {
            message["caption"] = text.into();
        }
    } else if let Some(phone) = &does.contact {
        let of = does.contact_of.or_else(|| message["from"]["id"].as_i64());
        message["contact"] = json!({"phone_number": phone, "first_name": message["from"]["first_name"], "user_id": of});
    } else if let Some((latitude, longitude)) = does.location {
        message["location"] = json!({"latitude": latitude, "longitude": longitude});
    } else if let Some(emoji) = &does.sticker {
        message["sticker"] =
            json!({"file_id": "sticker", "emoji": emoji, "width": 512, "height": 512});
    } else {
        message["text"] = text.into();
    }
    if let Some(number) = does.reply_to {
        message["reply_to_message"] = json!({"message_id": number, "chat": message["chat"]});
    }
    if does.forwarded {
        message["forward_origin"] = json!({"type": "hidden_user", "sender_user_name": "Somebody"});
    }
    for (name, value) in &does.fields {
        message[name] = value.clone();
    }
}

/// Keeps a file, and shows it as messages do.
fn keep(bot: &mut Bot, given: &Given, id: &str) -> Value {
    let end = match given.kind.as_str() {
        "photo" => "jpg",
        "voice" => "oga",
        "video" => "mp4",
        _ => given.name.rsplit_once('.').map_or("bin", |(_, end)| end),
    };
    let path = format!("{}s/{id}.{end}", given.kind);
    let file = File { path, text: given.text.clone(), made: given.size };
    let size = file.size();
    bot.files.insert(id.to_owned(), file);
    if given.kind == "photo" {
        return json!([
            {"file_id": "thumb", "file_unique_id": "thumb", "width": 90, "height": 60, "file_size": 900},
            {"file_id": id, "file_unique_id": id, "width": 1280, "height": 853, "file_size": size},
        ]);
    }
    let mut shown = json!({"file_id": id, "file_unique_id": id, "file_size": size});
    for (name, text) in [("file_name", &given.name), ("mime_type", &given.mime)] {
        if !text.is_empty() {
            shown[name] = text.as_str().into();
        }
    }
    shown
}
