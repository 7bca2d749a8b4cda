//! The updates of a bot until somebody has them: fetched and confirmed, or delivered. Invariant: those
//! of one chat go out in order; one that is a day old is dropped.

use super::Refused;
use super::form::Fields;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// `Retry-After` of ours that is honoured.
const LONGEST_ASKED: u64 = 3600;
/// Deliveries that are remembered.
const LOGGED: usize = 20_000;

/// What waits, and where it goes.
#[derive(Debug)]
pub struct Updates {
    last: i64,
    waiting: Vec<Waiting>,
    pub webhook: Option<Webhook>,
    allowed: Option<Vec<String>>,
    /// The number of the poll that is under way; an earlier one is over.
    pub poller: u64,
    pub log: Vec<Delivered>,
    last_error: Option<(Timestamp, String)>,
}

#[derive(Debug, Clone)]
struct Waiting {
    /// Its own number: an update may be told twice.
    number: u64,
    id: i64,
    chat: i64,
    body: Value,
    made: Timestamp,
    next: Timestamp,
    /// Seconds until the next try.
    delay: u64,
    tries: u32,
    under_way: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Webhook {
    pub url: String,
    pub secret: String,
}

/// One update on its way to the webhook.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub number: u64,
    pub webhook: Webhook,
    pub body: Value,
}

/// What became of a try.
#[derive(Debug, Clone, Serialize)]
pub struct Delivered {
    pub update_id: i64,
    pub at: Timestamp,
    /// From 1.
    pub tries: u32,
    /// 0 where there was no answer.
    pub status: u16,
}

impl Default for Updates {
    fn default() -> Self {
        Self {
            last: 50_000_000,
            waiting: Vec::new(),
            webhook: None,
            allowed: None,
            poller: 0,
            log: Vec::new(),
            last_error: None,
        }
    }
}

impl Updates {
    /// Tells something of a chat, `times` times; none where the bot does not want to know.
    pub fn tell(
        &mut self,
        chat: i64,
        (part, inner): (&str, Value),
        times: u32,
        now: Timestamp,
    ) -> Option<i64> {
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(|name| name == part)) {
            return None;
        }
        self.last += 1;
        let id = self.last;
        let body = json!({"update_id": id, part: inner});
        for _ in 0..times.max(1) {
            let number = self.waiting.last().map_or(1, |last| last.number + 1);
            let waiting = Waiting {
                number,
                id,
                chat,
                body: body.clone(),
                made: now,
                next: now,
                delay: 1,
                tries: 0,
                under_way: false,
            };
            self.waiting.push(waiting);
        }
        Some(id)
    }

    pub fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Would a poll with these fields find something, or be refused at once?
    pub fn is_ready(&self, fields: &Fields) -> bool {
        let offset = fields.number("offset").unwrap_or_default();
        self.webhook.is_some() || self.waiting.iter().any(|update| update.id >= offset)
    }

    /// `getUpdates`: what is below `offset` is confirmed.
    pub fn get(&mut self, fields: &Fields) -> Result<Value, Refused> {
        if self.webhook.is_some() {
            return Err(Refused::new(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook \
                 to delete the webhook first",
            ));
        }
        if let Value::Array(_) = fields.nested("allowed_updates") {
            self.allow(fields);
        }
        let offset = fields.number("offset").unwrap_or_default();
        self.waiting.retain(|update| update.id >= offset);
        let limit = fields.number("limit").unwrap_or(100).clamp(1, 100);
        let limit = usize::try_from(limit).unwrap_or(100);
        Ok(self.waiting.iter().take(limit).map(|update| update.body.clone()).collect())
    }

    pub fn set_webhook(&mut self, fields: &Fields) -> Result<Value, Refused> {
        let url = fields.text("url");
        if url.is_empty() {
            return self.delete_webhook(fields);
        }
        let loopback = url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost");
        if !url.starts_with("https://") && !loopback {
            return Err(Refused::bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        let secret = fields.text("secret_token");
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        if secret.len() > 256 || !secret.chars().all(fits) {
            return Err(Refused::bad("secret token contains unallowed characters"));
        }
        self.allow(fields);
        self.dropped(fields);
        self.poller += 1;
        self.webhook = Some(Webhook { url, secret });
        Ok(json!(true))
    }

    pub fn delete_webhook(&mut self, fields: &Fields) -> Result<Value, Refused> {
        self.dropped(fields);
        self.webhook = None;
        for update in &mut self.waiting {
            (update.under_way, update.delay) = (false, 1);
        }
        Ok(json!(true))
    }

    fn allow(&mut self, fields: &Fields) {
        if let Value::Array(names) = fields.nested("allowed_updates") {
            let names = names.iter().filter_map(|name| Some(name.as_str()?.to_owned()));
            self.allowed = Some(names.collect::<Vec<_>>()).filter(|names| !names.is_empty());
        }
    }

    fn dropped(&mut self, fields: &Fields) {
        if fields.text("drop_pending_updates") == "true" {
            self.waiting.clear();
        }
    }

    pub fn webhook_info(&self) -> Value {
        let url = self.webhook.as_ref().map_or("", |webhook| webhook.url.as_str());
        let mut info = json!({
            "url": url, "has_custom_certificate": false, "pending_update_count": self.waiting.len(),
            "max_connections": 40,
        });
        if let Some(allowed) = &self.allowed {
            info["allowed_updates"] = json!(allowed);
        }
        if let Some((at, why)) = &self.last_error {
            info["last_error_date"] = at.as_second().into();
            info["last_error_message"] = why.as_str().into();
        }
        info
    }

    /// What is to be delivered now, marked as under way; of a chat the first alone. And when to look
    /// again.
    pub fn due(&mut self, now: Timestamp) -> (Vec<Delivery>, Option<Timestamp>) {
        let Some(webhook) = self.webhook.clone() else { return (Vec::new(), None) };
        self.waiting.retain(|update| update.under_way || now.duration_since(update.made) < KEPT);
        let mut held = BTreeSet::new();
        let (mut due, mut next) = (Vec::new(), None::<Timestamp>);
        for update in &mut self.waiting {
            if !held.insert(update.chat) || update.under_way {
                continue;
            }
            if update.next > now {
                next = Some(next.map_or(update.next, |next| next.min(update.next)));
                continue;
            }
            (update.under_way, update.tries) = (true, update.tries + 1);
            let (number, body) = (update.number, update.body.clone());
            due.push(Delivery { number, webhook: webhook.clone(), body });
        }
        (due, next)
    }

    /// What became of a delivery; the far side may ask for a pause.
    pub fn delivered(&mut self, number: u64, status: u16, asked: Option<u64>, now: Timestamp) {
        let Some(at) = self.waiting.iter().position(|update| update.number == number) else {
            return;
        };
        let update = &mut self.waiting[at];
        if self.log.len() < LOGGED {
            self.log.push(Delivered { update_id: update.id, at: now, tries: update.tries, status });
        }
        if (200..300).contains(&status) {
            self.waiting.remove(at);
            return;
        }
        // Doubles up to somewhere between one minute and two.
        let most = 60 + update.number % 61;
        let wait = asked.map_or(update.delay, |asked| asked.min(LONGEST_ASKED));
        update.delay = (update.delay * 2).min(most);
        update.next = now
            .saturating_add(SignedDuration::from_secs(i64::try_from(wait).unwrap_or(60)))
            .unwrap_or(now);
        update.under_way = false;
        let why = match status {
            0 => "Connection refused".to_owned(),
            status => format!("Wrong response from the webhook: {status}"),
        };
        self.last_error = Some((now, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_763_640_000 + seconds).expect("a time")
    }

    fn hooked() -> Updates {
        let mut updates = Updates::default();
        let webhook = Webhook { url: "http://127.0.0.1:9/x".into(), secret: String::new() };
        updates.webhook = Some(webhook);
        updates
    }

    #[test]
    fn a_delivery_that_fails_comes_again_later_and_later_for_a_day() {
        let mut updates = hooked();
        updates.tell(5, ("message", json!({})), 1, at(0));
        let (mut now, mut waits) = (at(0), Vec::new());
        loop {
            let (due, next) = updates.due(now);
            let Some(delivery) = due.first() else {
                let Some(next) = next else { break };
                waits.push(next.duration_since(now).as_secs());
                now = next;
                continue;
            };
            updates.delivered(delivery.number, 500, None, now);
        }
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 32, 61]);
        assert!(waits.iter().all(|wait| *wait <= 121));
        let day = now.duration_since(at(0)).as_hours();
        assert!((23..=24).contains(&day), "{day}");
        assert_eq!(updates.count(), 0);
    }

    #[test]
    fn a_chat_is_delivered_in_order_and_others_do_not_wait() {
        let mut updates = hooked();
        for chat in [5, 5, 6] {
            updates.tell(chat, ("message", json!({})), 1, at(0));
        }
        let first: Vec<u64> = updates.due(at(0)).0.iter().map(|due| due.number).collect();
        assert_eq!(first, [1, 3]);
        updates.delivered(1, 503, Some(100), at(0));
        updates.delivered(3, 200, None, at(0));
        assert!(updates.due(at(99)).0.is_empty(), "the second of the chat waits for the first");
        assert_eq!(updates.due(at(100)).0.len(), 1);
    }
}
