//! What managers and bots do in the CRM's chats. Invariant: what a channel's settings do not allow
//! is refused here, before anybody is told (RC-11, RC-7).

use super::files::File;
use super::hooks::Word;
use super::messages::{From, Message};
use super::{Mg, text_at};
use crate::sandbox::crm::account::Object;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// Characters without spaces that a manager may write (RC-11).
pub const MOST_WRITTEN: usize = 2000;

/// What a manager writes, as the control route takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Writing {
    /// The name that the channel's module gave it.
    pub channel: String,
    /// Conversation; without one the person is written to first.
    pub chat: String,
    /// Whom; by default who wrote last in the conversation.
    pub person: String,
    pub text: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub files: Vec<Attached>,
    pub product: Value,
    pub order: Value,
    /// The messenger's id of what is answered.
    pub quote: String,
    pub bot: bool,
    pub buttons: Vec<Value>,
}

/// A file of that many bytes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    pub name: String,
    pub mime: String,
    pub size: usize,
}

impl Mg {
    /// A manager writes; the id of the message.
    pub fn write_as_manager(&mut self, writing: Writing, now: Timestamp) -> Result<u64, String> {
        let channel = self.named(&writing.channel).ok_or("there is no such channel")?.clone();
        let kind = kind(&writing);
        if !channel.takes(&kind, "creating") {
            return Err(format!("the channel does not take messages of the type {kind}"));
        }
        let most = channel.most_characters().unwrap_or(usize::MAX);
        let solid = writing.text.chars().filter(|letter| !letter.is_whitespace()).count();
        if writing.text.chars().count() > most || solid > MOST_WRITTEN {
            return Err("the text is too long".to_owned());
        }
        let person = self.person_of(channel.id, &writing);
        if person.is_empty() {
            return Err("name a person, or a conversation that is known".to_owned());
        }
        let mut data = json!({
            "external_user_id": person, "external_chat_id": writing.chat,
            "channel_id": channel.id, "type": kind, "content": writing.text,
        });
        let files = self.attach(&writing, &mut data);
        dress(&writing, &mut data);
        let quote = Some(writing.quote.clone()).filter(|quote| !quote.is_empty());
        let chat = if writing.chat.is_empty() { person.clone() } else { writing.chat.clone() };
        let id = self.write(Message {
            id: 0,
            channel: channel.id,
            chat,
            person,
            from: if writing.bot { From::Bot } else { From::Manager },
            external_id: None,
            kind,
            text: writing.text,
            files,
            quote,
            state: "sending",
            states: vec!["sending"],
            error: None,
            at: now,
            customer: Object::new(),
            edits: 0,
            deleted: false,
            posts: 0,
            acks: 0,
            body: Object::new(),
        });
        data["id"] = id.into();
        data["in_app_id"] = id.into();
        self.tell(Word { kind: "message_sent", message: id, data, at: now });
        Ok(id)
    }

    /// Makes the files of a message; their ids.
    fn attach(&mut self, writing: &Writing, data: &mut Value) -> Vec<String> {
        let mut items = Vec::new();
        let mut files = Vec::new();
        for file in &writing.files {
            let bytes = (0..file.size).map(|at| u8::try_from(at % 251).unwrap_or_default());
            let id = self.keep_file(File { mime: file.mime.clone(), bytes: bytes.collect() });
            items.push(json!({ "id": id, "size": file.size, "caption": file.name }));
            files.push(id);
        }
        if !items.is_empty() {
            data["items"] = items.into();
        }
        files
    }

    /// Who is meant: as named, else who wrote last.
    fn person_of(&self, channel: u64, writing: &Writing) -> String {
        if !writing.person.is_empty() {
            return writing.person.clone();
        }
        let mut held = self.messages.iter().rev();
        let last = held.find(|message| {
            message.channel == channel
                && message.chat == writing.chat
                && matches!(message.from, From::Customer | From::Channel)
        });
        last.map(|message| message.person.clone()).unwrap_or_default()
    }

    /// A manager changes, takes back or reads a message; what is wrong otherwise.
    pub fn act_as_manager(
        &mut self,
        id: u64,
        act: &str,
        text: Option<&str>,
        now: Timestamp,
    ) -> Result<(), String> {
        let message = self.message(id).ok_or("there is no such message")?;
        let kind = match act {
            "edit" => {
                text.ok_or("text: what is written now")?.clone_into(&mut message.text);
                message.edits += 1;
                "message_updated"
            }
            "delete" => {
                message.deleted = true;
                "message_deleted"
            }
            "read" => "message_read",
            _ => return Err("edit, delete or read".to_owned()),
        };
        let data = json!({
            "id": id, "external_message_id": message.external_id,
            "external_user_id": message.person, "external_chat_id": message.chat,
            "channel_id": message.channel, "type": message.kind, "content": message.text,
            "user": { "id": 222, "first_name": "Алекс", "last_name": "Админ", "avatar": "" },
        });
        self.tell(Word { kind, message: id, data, at: now });
        Ok(())
    }
}

/// Who wrote, what is answered, cards and buttons.
fn dress(writing: &Writing, data: &mut Value) {
    let who = if writing.bot { "bot" } else { "user" };
    data[who] = if writing.bot {
        json!({ "id": 760, "name": "Bot system", "avatar": "" })
    } else {
        json!({ "id": 222, "first_name": "Алекс", "last_name": "Админ", "avatar": "" })
    };
    let quote = writing.quote.as_str();
    data["quote_external_id"] = if quote.is_empty() { Value::Null } else { quote.into() };
    for (name, card) in [("product", &writing.product), ("order", &writing.order)] {
        if card.is_object() {
            data[name] = card.clone();
        }
    }
    if !writing.buttons.is_empty() {
        let buttons = writing.buttons.iter().map(|one| {
            let (title, payload) = (text_at(one, "text"), text_at(one, "data"));
            json!({ "type": "text", "title": title, "payload": payload })
        });
        data["attachments"] = json!({ "suggestions": buttons.collect::<Vec<_>>() });
    }
}

fn kind(writing: &Writing) -> String {
    if !writing.kind.is_empty() {
        return writing.kind.clone();
    }
    let all = |what: &str| writing.files.iter().all(|file| file.mime.starts_with(what));
    let kind = match () {
        () if writing.product.is_object() => "product",
        () if writing.order.is_object() => "order",
        () if writing.files.is_empty() => "text",
        () if all("image/") => "image",
        () if all("audio/") => "audio",
        () => "file",
    };
    kind.to_owned()
}
