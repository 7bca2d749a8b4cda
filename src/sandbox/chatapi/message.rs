//! The messages of one WhatsApp number, and how the gateway writes them. Invariant: an id begins with
//! whose it is, and numbers grow in the order in which messages were seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One message, of a person or of ours.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub id: String,
    /// `messageNumber`; 0 while it stands in the queue.
    pub number: u64,
    pub chat: String,
    pub author: String,
    pub name: String,
    pub chat_name: String,
    /// `type`
    pub kind: String,
    /// The text, or the link of a file.
    pub body: String,
    pub caption: Option<String>,
    pub quoted: Option<String>,
    pub own: bool,
    pub forwarded: bool,
    pub at: Timestamp,
    /// It came through the API.
    pub by_api: bool,
    /// Bytes of a file that came through the API.
    pub size: Option<usize>,
    /// What was told of it, in this order.
    pub acks: Vec<&'static str>,
    pub deleted: bool,
}

impl Message {
    /// As webhooks and lists have it.
    pub fn render(&self) -> Value {
        json!({
            "id": self.id, "body": self.body, "type": self.kind, "senderName": self.name,
            "fromMe": self.own, "self": u8::from(self.own && !self.by_api),
            "isForwarded": u8::from(self.forwarded), "author": self.author,
            "time": self.at.as_second(), "chatId": self.chat, "messageNumber": self.number,
            "chatName": self.chat_name, "caption": self.caption, "quotedMsgBody": null,
            "quotedMsgId": self.quoted,
        })
    }
}

/// A file that somebody sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSpec {
    pub name: String,
    pub mime: String,
    /// So many bytes; else those of `text`.
    pub size: Option<usize>,
    pub text: String,
}

/// What somebody writes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessageSpec {
    /// Digits of a phone, or an address (`100000000000001@lid`).
    pub from: String,
    pub name: String,
    pub text: String,
    /// `chat` by default; with a file `image` or `document` by its MIME type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The group that it is written in (`79990000009-1500000000@g.us`).
    pub group: Option<String>,
    pub file: Option<FileSpec>,
    /// Id of the message that it answers.
    pub quoted: Option<String>,
    pub forwarded: bool,
    /// Somebody writes it on the shop's own phone.
    pub own: bool,
    pub at: Option<Timestamp>,
    /// The same message again.
    pub id: Option<String>,
}

/// Messages and how they are delivered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writing {
    pub messages: Vec<MessageSpec>,
    /// How often the webhook comes.
    #[serde(default = "once")]
    pub deliveries: usize,
    /// The webhook is lost.
    #[serde(default)]
    pub drop: bool,
    /// Each message has a webhook of its own, and all come at once.
    #[serde(default)]
    pub apart: bool,
}

fn once() -> usize {
    1
}

impl Writing {
    /// One message, one webhook.
    pub fn of(message: MessageSpec) -> Self {
        Self { messages: vec![message], deliveries: 1, drop: false, apart: false }
    }
}

/// The address of a person.
pub fn address(from: &str) -> String {
    if from.contains('@') {
        return from.to_owned();
    }
    let digits: String = from.chars().filter(char::is_ascii_digit).collect();
    format!("{digits}@c.us")
}
