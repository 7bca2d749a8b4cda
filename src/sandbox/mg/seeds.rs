//! Conversations that are there already. Invariant: nobody is told of them.

use super::Mg;
use super::messages::{From, Message};
use crate::sandbox::crm::account::Object;
use jiff::Timestamp;

impl Mg {
    /// Somebody wrote in each of these conversations before; false when there is no such channel.
    pub fn seed(&mut self, channel: &str, chats: &[String], now: Timestamp) -> bool {
        let Some(channel) = self.named(channel).map(|channel| channel.id) else { return false };
        for chat in chats {
            self.write(Message {
                id: 0,
                channel,
                chat: chat.clone(),
                person: chat.clone(),
                from: From::Customer,
                external_id: Some(format!("{chat}:1")),
                kind: "text".to_owned(),
                text: "seed".to_owned(),
                files: Vec::new(),
                quote: None,
                state: "received",
                states: vec!["received"],
                error: None,
                at: now,
                customer: Object::new(),
                edits: 0,
                deleted: false,
                posts: 1,
                acks: 0,
                body: Object::new(),
            });
        }
        true
    }
}
