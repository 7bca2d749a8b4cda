//! What the gateway posts to its modules (5.5), and what it makes of their answers. Invariant: of one
//! conversation one word is under way at a time; a word that nobody took is sent again, and then the
//! message has failed.

use super::Mg;
use crate::sandbox::Hub;
use crate::sandbox::switches::Switches;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// Between the tries of one word: this, then twice as long, …
const PAUSE: Duration = Duration::from_millis(250);

/// One word to a module.
#[derive(Debug, Clone)]
pub struct Word {
    pub kind: &'static str,
    pub message: u64,
    pub data: Value,
    pub at: Timestamp,
}

/// The words of a conversation that wait.
#[derive(Debug, Default)]
pub struct Queue {
    words: VecDeque<Word>,
    under_way: bool,
}

/// What the next request is.
struct Next {
    word: Word,
    url: String,
    switches: Switches,
}

impl Mg {
    /// Puts a word into the queue of its conversation.
    pub fn tell(&mut self, word: Word) {
        let Some(message) = self.message(word.message) else { return };
        let key = (message.channel, message.chat.clone());
        self.queues.entry(key).or_default().words.push_back(word);
    }

    /// The conversations that have words and nobody who sends them.
    fn idle(&mut self) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        for (key, queue) in &mut self.queues {
            if !queue.under_way && !queue.words.is_empty() {
                queue.under_way = true;
                found.push(key.clone());
            }
        }
        found
    }

    fn next(&mut self, key: &(u64, String), switches: &Switches) -> Option<Next> {
        let queue = self.queues.get_mut(key)?;
        let Some(word) = queue.words.pop_front() else {
            self.queues.remove(key);
            return None;
        };
        let module = self.channels.iter().find(|channel| channel.id == key.0)?.module.clone();
        let url = self.modules.get(&module)?.webhook().unwrap_or_default().to_owned();
        Some(Next { word, url, switches: switches.clone() })
    }

    /// What became of a word.
    fn ended(&mut self, word: &Word, answer: Option<(u16, Vec<u8>)>) {
        let status = answer.as_ref().map_or(0, |(status, _)| *status);
        *self.told.entry(status).or_default() += 1;
        let taken = answer.filter(|(status, _)| (200..300).contains(status));
        if taken.is_none() {
            self.untold += 1;
        }
        if word.kind != "message_sent" {
            return;
        }
        let Some(message) = self.message(word.message) else { return };
        let Some((_, body)) = taken else {
            // It was taken though the answer was lost: the module has said since that it is sent.
            if message.acks > 0 {
                return;
            }
            message.fail("network_error", "the transport does not answer");
            return;
        };
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            message.fail("malformed_response", "the transport's answer cannot be read");
            return;
        };
        if let Some(error) = body.get("error") {
            let text = |name: &str| super::text_at(error, name).to_owned();
            message.fail(&text("code"), &text("message"));
            return;
        }
        let channel = message.channel;
        let external = super::text_at(&body, "external_message_id").to_owned();
        if external.is_empty() {
            if body.get("async") != Some(&Value::Bool(true)) {
                message.fail("malformed_response", "neither an id nor async");
            }
            return;
        }
        message.go("sent");
        self.tell_external(word.message, channel, external);
    }
}

/// Sends what waits, on the side.
pub(in crate::sandbox) fn pump(hub: &Arc<Hub>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let idle = hub.world().account.mg.idle();
    for key in idle {
        runtime.spawn(drain(Arc::clone(hub), key));
    }
}

async fn drain(hub: Arc<Hub>, key: (u64, String)) {
    loop {
        let next = {
            let mut world = hub.world();
            let switches = world.account.switches.clone();
            world.account.mg.next(&key, &switches)
        };
        let Some(Next { word, url, switches }) = next else { return };
        let answer = send(&hub, &word, &url, switches.chat_tries).await;
        for _ in 0..switches.chat_repeats {
            send(&hub, &word, &url, 1).await;
        }
        hub.world().account.mg.ended(&word, answer);
    }
}

async fn send(hub: &Hub, word: &Word, url: &str, tries: u32) -> Option<(u16, Vec<u8>)> {
    let body = json!({
        "type": word.kind, "meta": { "timestamp": word.at.as_second() }, "data": word.data,
    });
    let mut last = None;
    let mut pause = PAUSE;
    for turn in 0..tries.max(1) {
        if turn > 0 {
            // Real time: it is the patience of a real gateway that is stood in for.
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        last = match hub.client.post(url).json(&body).timeout(PATIENCE).send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                answer.bytes().await.ok().map(|bytes| (status, bytes.to_vec()))
            }
            Err(_) => None,
        };
        if last.as_ref().is_some_and(|(status, _)| (200..300).contains(status)) {
            break;
        }
    }
    last
}

/// The CRM switches a module on or off and tells it so (2.8); the status that it answered.
pub(in crate::sandbox) async fn switch(
    hub: &Hub,
    code: &str,
    active: bool,
    freeze: bool,
) -> Result<u16, String> {
    let (url, form) = {
        let mut world = hub.world();
        let system = world.account.url.clone();
        let modules = &mut world.account.mg.modules;
        let module = modules.get_mut(code).ok_or("there is no such module")?;
        (module.active, module.freeze) = (active, freeze);
        let activity = json!({ "active": active, "freeze": freeze }).to_string();
        let client = module.client_id().to_owned();
        let url = module.activity().ok_or("the module names no activity")?;
        (url, [("clientId", client), ("systemUrl", system), ("activity", activity)])
    };
    match hub.client.post(url).form(&form).timeout(PATIENCE).send().await {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(_) => Ok(0),
    }
}
