//! Messages and what the transport does with them (5.4). Invariant: one message for each external id
//! of a channel; a state goes forward, or to `failed`.

use super::{Done, Mg, Refused, object_at, refused, text_at};
use crate::sandbox::answer::Answer;
use crate::sandbox::crm::account::Object;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

const LONGEST_TEXT: usize = 65_535;
const TYPES: [&str; 6] = ["text", "file", "image", "audio", "order", "product"];

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    Customer,
    /// Our side, in the messenger's own app.
    Channel,
    Manager,
    Bot,
}

#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub id: u64,
    pub channel: u64,
    pub chat: String,
    pub person: String,
    pub from: From,
    pub external_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub files: Vec<String>,
    pub quote: Option<String>,
    /// `received`, `sending`, `sent`, `failed`, `seen`.
    pub state: &'static str,
    /// All states, in order.
    pub states: Vec<&'static str>,
    /// Why it failed: code and words.
    pub error: Option<(String, String)>,
    pub at: Timestamp,
    pub customer: Object,
    pub edits: u32,
    pub deleted: bool,
    /// How often our side tried to put it here.
    pub posts: u32,
    pub acks: u32,
    #[serde(skip)]
    pub body: Object,
}

impl Message {
    /// Goes to a state, unless it is further already.
    pub fn go(&mut self, state: &'static str) {
        const LADDER: [&str; 3] = ["sending", "sent", "seen"];
        let rung = |state: &str| LADDER.iter().position(|held| *held == state);
        if rung(self.state) > rung(state) && self.state != "failed" {
            return;
        }
        if self.state != state {
            self.state = state;
            self.states.push(state);
        }
    }

    pub fn fail(&mut self, code: &str, words: &str) {
        self.error = Some((code.to_owned(), words.to_owned()));
        if self.state != "failed" {
            self.state = "failed";
            self.states.push("failed");
        }
    }
}

impl Mg {
    /// `POST /messages`; `/messages/history` names the channel otherwise.
    pub fn post(&mut self, module: &str, body: &Value, field: &str, now: Timestamp) -> Done {
        let channel = self.channel(module, number(body, field)?)?.id;
        let message = object_at(body, "message");
        let external = text_at(&body["message"], "external_id").to_owned();
        let kind = text_at(&body["message"], "type").to_owned();
        if !external.is_empty()
            && let Some(at) = self.by_external.get(&(channel, external.clone()))
        {
            if let Some(held) = self.messages.get_mut(*at) {
                held.posts += 1;
            }
            return Err(refused("Message with passed external_id already exists"));
        }
        let files = self.fits(&kind, &body["message"])?;
        let originator = text_at(body, "originator");
        let from = match originator {
            "" | "customer" => From::Customer,
            "channel" | "user" => From::Channel,
            _ => return Err(refused("originator: value is not valid")),
        };
        let customer = object_at(body, "customer");
        let person = customer_of(&customer)?;
        let chat = text_at(body, "external_chat_id");
        if chat.chars().count() > 64 {
            return Err(refused("external_chat_id: value is too long"));
        }
        let text = [text_at(&body["message"], "text"), text_at(&body["message"], "note")].concat();
        let quote = body.get("quote").map(|quote| text_at(quote, "external_id").to_owned());
        let id = self.write(Message {
            id: 0,
            channel,
            chat: if chat.is_empty() { person.clone() } else { chat.to_owned() },
            person,
            from,
            external_id: Some(external).filter(|external| !external.is_empty()),
            kind,
            text,
            files,
            quote,
            state: "received",
            states: vec!["received"],
            error: None,
            at: now,
            customer,
            edits: 0,
            deleted: false,
            posts: 1,
            acks: 0,
            body: message,
        });
        let body = json!({ "message_id": id, "time": now.to_string(), "warnings": [] });
        Ok(Answer::json(200, &body))
    }

    /// Writes a message down.
    pub fn write(&mut self, message: Message) -> u64 {
        let id = u64::try_from(self.messages.len()).unwrap_or_default() + 1;
        if let Some(external) = &message.external_id {
            self.by_external.insert((message.channel, external.clone()), self.messages.len());
        }
        self.joins(id, message.channel, &message.chat.clone(), message.at);
        self.messages.push(Message { id, ..message });
        id
    }

    /// The files of a message that the gateway takes.
    fn fits(&self, kind: &str, message: &Value) -> Result<Vec<String>, Refused> {
        if !TYPES.contains(&kind) {
            return Err(refused("message.type: value is not valid"));
        }
        let text = text_at(message, "text");
        if text.chars().count() > LONGEST_TEXT || text_at(message, "external_id").len() > 255 {
            return Err(refused("message: value is too long"));
        }
        // RC-11 holds for both directions.
        let solid = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
        if solid(text).max(solid(text_at(message, "note"))) > super::people::MOST_WRITTEN {
            return Err(refused("message.text: value is too long"));
        }
        if kind == "text" && text.is_empty() {
            return Err(refused("message.text: value is required"));
        }
        let items = message.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        if items.len() > 20 {
            return Err(refused("message.items: too many"));
        }
        let ids = items.iter().map(|item| text_at(item, "id").to_owned());
        let ids: Vec<String> = ids.collect();
        let needs = matches!(kind, "file" | "image" | "audio");
        if needs && ids.is_empty() {
            return Err(refused("message.items: value is required"));
        }
        match ids.iter().find(|id| !self.files.contains_key(*id)) {
            Some(_) => Err(refused("File not found")),
            None => Ok(ids),
        }
    }

    /// `PUT /messages`.
    pub fn edit(&mut self, module: &str, body: &Value) -> Done {
        let text = text_at(&body["message"], "text").to_owned();
        if text.is_empty() {
            return Err(refused("message.text: value is required"));
        }
        let message = self.meant(module, body, "channel")?;
        message.text = text;
        message.edits += 1;
        Ok(Answer::json(200, &json!({})))
    }

    /// `DELETE /messages`.
    pub fn delete(&mut self, module: &str, body: &Value) -> Done {
        let message = self.meant(module, body, "channel")?;
        message.deleted = true;
        Ok(Answer::json(200, &json!({ "id": message.id })))
    }

    /// `POST /messages/ack`.
    pub fn ack(&mut self, module: &str, body: &Value) -> Done {
        let external = text_at(body, "external_message_id").to_owned();
        let named = body.get("message").is_some();
        let body = if named {
            body.clone()
        } else {
            json!({ "channel": body["channel"], "message": { "external_id": external } })
        };
        let error = object_at(&body, "error");
        let message = self.meant(module, &body, "channel")?;
        message.acks += 1;
        if error.is_empty() {
            message.go("sent");
        } else {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            message.fail(text("code"), text("message"));
        }
        let (channel, id) = (message.channel, message.id);
        if !external.is_empty() {
            self.tell_external(id, channel, external);
        }
        Ok(Answer::json(200, &json!({})))
    }

    /// `POST /messages/read`: the person read it.
    pub fn read_by_person(&mut self, module: &str, body: &Value) -> Done {
        let message = self.meant(module, body, "channel_id")?;
        if message.state != "received" {
            message.go("seen");
        }
        Ok(Answer::json(200, &json!({})))
    }

    /// The messenger's id of a message becomes known.
    pub fn tell_external(&mut self, id: u64, channel: u64, external: String) {
        let position = usize::try_from(id).unwrap_or_default().saturating_sub(1);
        if let Some(message) = self.messages.get_mut(position) {
            message.external_id = Some(external.clone());
            self.by_external.insert((channel, external), position);
        }
    }

    pub fn message(&mut self, id: u64) -> Option<&mut Message> {
        let position = usize::try_from(id).ok()?.checked_sub(1)?;
        self.messages.get_mut(position)
    }

    /// The message that a body names by our id or by its own.
    fn meant(&mut self, module: &str, body: &Value, field: &str) -> Result<&mut Message, Refused> {
        let channel = self.channel(module, number(body, field)?)?.id;
        let named = &body["message"];
        let position = match named.get("id").and_then(Value::as_u64) {
            Some(id) => usize::try_from(id).ok().and_then(|id| id.checked_sub(1)),
            None => {
                let external = text_at(named, "external_id").to_owned();
                self.by_external.get(&(channel, external)).copied()
            }
        };
        position
            .and_then(|position| self.messages.get_mut(position))
            .filter(|message| message.channel == channel)
            .ok_or((404, "Message not found".to_owned()))
    }
}

fn number(body: &Value, field: &str) -> Result<u64, Refused> {
    body.get(field).and_then(Value::as_u64).ok_or_else(|| refused(format!("{field}: is required")))
}

fn customer_of(customer: &Object) -> Result<String, Refused> {
    let text = |name: &str| customer.get(name).and_then(Value::as_str).unwrap_or_default();
    let (id, nickname) = (text("external_id"), text("nickname"));
    if id.is_empty() || id.chars().count() > 64 {
        return Err(refused("customer.external_id: 1 to 64 characters"));
    }
    if nickname.is_empty() || nickname.chars().count() > 255 {
        return Err(refused("customer.nickname: 1 to 255 characters"));
    }
    Ok(id.to_owned())
}
