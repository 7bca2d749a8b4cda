//! A stand-in of ChatAPI (messengers.md §1): one instance with its queue, messages and webhooks.
//! Invariant: `sent: true` says that a message stands in the queue, and no more.

mod api;
pub mod hook;
pub mod manner;
pub mod message;

pub use api::{answer, template};

use crate::sandbox::params::Params;
use hook::{Hook, Hooked};
use jiff::Timestamp;
use manner::Manner;
use message::{FileSpec, Message, MessageSpec, Writing, address};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};

/// The number of the shop itself.
const OWN: &str = "79990009999@c.us";

/// What came in.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a Params,
    pub body: &'a Params,
    pub now: Timestamp,
}

/// A file that a message has.
#[derive(Debug, Clone)]
pub struct Media {
    pub mime: String,
    pub bytes: Vec<u8>,
}

/// One instance.
#[derive(Debug)]
pub struct Gateway {
    pub instance: String,
    pub token: String,
    /// Root of its own address, for the links of files.
    pub url: String,
    pub manner: Manner,
    pub settings: Map<String, Value>,
    pub messages: Vec<Message>,
    pub queue: VecDeque<Message>,
    /// Webhooks that are due.
    pub hooks: Vec<Hook>,
    /// Webhooks that were sent.
    pub hooked: Vec<Hooked>,
    pub media: BTreeMap<u64, Media>,
    last_id: u64,
    last_number: u64,
}

impl Gateway {
    pub fn new(instance: &str, token: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            token: token.to_owned(),
            url: String::new(),
            manner: Manner::default(),
            settings: manner::settings(),
            messages: Vec::new(),
            queue: VecDeque::new(),
            hooks: Vec::new(),
            hooked: Vec::new(),
            media: BTreeMap::new(),
            last_id: 0,
            last_number: 0,
        }
    }

    /// Is this setting on?
    pub fn set(&self, name: &str) -> bool {
        match self.settings.get(name) {
            Some(Value::Bool(held)) => *held,
            Some(Value::Number(held)) => held.as_i64() == Some(1),
            Some(Value::String(held)) => held == "true" || held == "1",
            _ => false,
        }
    }

    pub fn is_authenticated(&self) -> bool {
        self.manner.status == "authenticated"
    }

    /// An id: `true_79990000001@c.us_3EB000000001`.
    fn next_id(&mut self, own: bool, chat: &str) -> String {
        self.last_id += 1;
        let (whose, start) = if own { ("true", "3EB0") } else { ("false", "3A") };
        format!("{whose}_{chat}_{start}{:010X}", self.last_id)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Takes a message of ours into the queue, and sends it if it may go at once. Answers its id.
    pub fn enqueue(&mut self, mut message: Message, now: Timestamp) -> String {
        let id = self.next_id(true, &message.chat);
        message.id.clone_from(&id);
        self.queue.push_back(message);
        if self.manner.send_delay_ms == 0 {
            self.release(usize::MAX, now);
        }
        id
    }

    /// Sends so many messages of the queue, if WhatsApp is logged in.
    pub fn release(&mut self, most: usize, now: Timestamp) {
        for _ in 0..most {
            if !self.is_authenticated() {
                return;
            }
            let Some(mut message) = self.queue.pop_front() else { return };
            (message.number, message.at) = (self.next_number(), now);
            if self.manner.echo {
                self.hooks.push(hook::of_messages(&self.instance, &[&message]));
            }
            let digits = message.chat.split('@').next().unwrap_or_default();
            if self.set("ackNotificationsOn") && !self.manner.banned.contains(digits) {
                for state in self.manner.acks.states() {
                    let wait = self.manner.ack_delay_ms;
                    self.hooks.push(hook::of_ack(&self.instance, &message, state, wait));
                    message.acks.push(state);
                }
            }
            self.messages.push(message);
        }
    }

    /// Somebody writes. Answers the ids, and the webhooks that tell of it.
    pub fn write(&mut self, writing: &Writing, now: Timestamp) -> (Vec<String>, Vec<Hook>) {
        let positions: Vec<usize> =
            writing.messages.iter().map(|spec| self.written(spec, now)).collect();
        let messages: Vec<&Message> =
            positions.iter().filter_map(|position| self.messages.get(*position)).collect();
        let ids = messages.iter().map(|message| message.id.clone()).collect();
        if writing.drop || messages.is_empty() {
            return (ids, Vec::new());
        }
        let hooks = if writing.apart {
            messages.iter().map(|one| hook::of_messages(&self.instance, &[one])).collect()
        } else {
            vec![hook::of_messages(&self.instance, &messages)]
        };
        (ids, hooks)
    }

    /// The place of the message: a new one, or the one that is told of again.
    fn written(&mut self, spec: &MessageSpec, now: Timestamp) -> usize {
        let again = spec.id.as_ref();
        if let Some(at) = again.and_then(|id| self.messages.iter().position(|one| one.id == *id)) {
            return at;
        }
        let person = address(&spec.from);
        let chat = spec.group.clone().unwrap_or_else(|| person.clone());
        let mut id = spec.id.clone().unwrap_or_else(|| self.next_id(spec.own, &chat));
        if spec.group.is_some() && spec.id.is_none() {
            id = format!("{id}_{person}");
        }
        let link = spec.file.as_ref().map(|file| self.store(file));
        let kind = spec.kind.clone().unwrap_or_else(|| kind_of(spec.file.as_ref()));
        let is_file = link.is_some();
        let message = Message {
            id,
            number: self.next_number(),
            author: if spec.own { OWN.to_owned() } else { person },
            name: if spec.own { "Shop".to_owned() } else { spec.name.clone() },
            chat_name: if spec.group.is_some() { "Group".to_owned() } else { spec.name.clone() },
            chat,
            kind,
            body: link.unwrap_or_else(|| spec.text.clone()),
            caption: (is_file && !spec.text.is_empty()).then(|| spec.text.clone()),
            quoted: spec.quoted.clone(),
            own: spec.own,
            forwarded: spec.forwarded,
            at: spec.at.unwrap_or(now),
            by_api: false,
            size: None,
            acks: Vec::new(),
            deleted: false,
        };
        self.messages.push(message);
        self.messages.len() - 1
    }

    /// Keeps a file and answers its link.
    fn store(&mut self, file: &FileSpec) -> String {
        let bytes = match file.size {
            Some(size) => vec![b'x'; size],
            None => file.text.clone().into_bytes(),
        };
        self.last_id += 1;
        self.media.insert(self.last_id, Media { mime: file.mime.clone(), bytes });
        let name = if file.name.is_empty() { "file" } else { &file.name };
        format!("{}/media/{}/{name}", self.url, self.last_id)
    }
}

/// The type of a message by its file.
fn kind_of(file: Option<&FileSpec>) -> String {
    let kind = match file.map(|file| file.mime.split('/').next().unwrap_or_default()) {
        None => "chat",
        Some("image") => "image",
        Some("audio") => "ptt",
        Some("video") => "video",
        Some(_) => "document",
    };
    kind.to_owned()
}
