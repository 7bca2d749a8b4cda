//! The webhooks of the gateway. Invariant: what is due is taken under the lock and sent without it, in
//! order; only an instance with `guaranteedHooks` sends one again.

use super::Gateway;
use super::message::Message;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Tries of an instance with `guaranteedHooks`.
const TRIES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A webhook that is due.
#[derive(Debug, Clone)]
pub struct Hook {
    pub body: Value,
    pub wait_ms: u64,
}

/// Where and how webhooks are sent.
#[derive(Debug, Clone)]
pub struct Way {
    pub url: String,
    pub tries: usize,
    pub pause: Duration,
}

/// What became of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hooked {
    /// `messages`, `ack`.
    pub of: &'static str,
    /// Of the last try; 0 where there was no answer.
    pub status: u16,
    pub tries: usize,
}

/// A webhook with these messages.
pub fn of_messages(instance: &str, messages: &[&Message]) -> Hook {
    let rendered: Vec<Value> = messages.iter().map(|message| message.render()).collect();
    Hook { body: json!({ "instanceId": instance, "messages": rendered }), wait_ms: 0 }
}

/// A webhook of one ack.
pub fn of_ack(instance: &str, message: &Message, state: &str, wait_ms: u64) -> Hook {
    let ack = json!({
        "id": message.id, "queueNumber": message.number, "chatId": message.chat, "status": state,
    });
    Hook { body: json!({ "instanceId": instance, "ack": [ack] }), wait_ms }
}

impl Gateway {
    /// Where webhooks go; none: nowhere.
    pub fn way(&self) -> Option<Way> {
        let url = self.settings.get("webhookUrl").and_then(Value::as_str).unwrap_or_default();
        let guaranteed = self.set("guaranteedHooks");
        let tries = if guaranteed { TRIES } else { 1 };
        let pause = Duration::from_millis(self.manner.hook_pause_ms);
        (!url.is_empty()).then(|| Way { url: url.to_owned(), tries, pause })
    }
}

/// Sends one webhook, as often as that way allows.
pub async fn deliver(client: &reqwest::Client, way: &Way, hook: &Hook) -> Hooked {
    let of = if hook.body.get("ack").is_some() { "ack" } else { "messages" };
    if hook.wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(hook.wait_ms)).await;
    }
    let mut hooked = Hooked { of, status: 0, tries: 0 };
    while hooked.tries < way.tries {
        if hooked.tries > 0 {
            tokio::time::sleep(way.pause).await;
        }
        hooked.tries += 1;
        let sent = client.post(&way.url).json(&hook.body).timeout(PATIENCE).send().await;
        hooked.status = sent.map_or(0, |answer| answer.status().as_u16());
        if hooked.status == 200 {
            break;
        }
    }
    hooked
}
