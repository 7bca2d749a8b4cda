//! Channels of modules (5.3). Invariant: a channel that was closed takes and tells nothing.

use super::{Done, Incoming, Mg, Refused, object_at, refused, text_at};
use crate::sandbox::answer::Answer;
use crate::sandbox::crm::account::Object;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

const TYPES: [&str; 19] = [
    "telegram",
    "fbmessenger",
    "viber",
    "whatsapp",
    "skype",
    "vk",
    "instagram",
    "consultant",
    "yandex_chat",
    "odnoklassniki",
    "max",
    "ozon",
    "wildberries",
    "yandex_market",
    "mega_market",
    "avito",
    "drom",
    "youla",
    "custom",
];
const FEATURES: [&str; 4] = ["none", "receive", "send", "both"];

#[derive(Debug, Clone, Serialize)]
pub struct Channel {
    pub id: u64,
    pub module: String,
    pub external_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    pub settings: Object,
    pub active: bool,
    pub at: Timestamp,
}

impl Channel {
    /// May this be done towards the person (`receive`: by the transport)?
    pub fn takes(&self, what: &str, act: &str) -> bool {
        let feature = self.settings.get(what).and_then(|held| held.get(act));
        matches!(feature.and_then(Value::as_str), Some("receive" | "both"))
    }

    pub fn most_characters(&self) -> Option<usize> {
        let most = self.settings.get("text")?.get("max_chars_count")?.as_u64()?;
        usize::try_from(most).ok().filter(|most| *most > 0)
    }

    fn body(&self) -> Value {
        json!({
            "id": self.id, "external_id": self.external_id, "type": self.kind, "name": self.name,
            "settings": self.settings, "is_active": self.active, "created_at": self.at.to_string(),
            "activated_at": self.at.to_string(),
        })
    }
}

impl Mg {
    /// A channel of the module that is open.
    pub fn channel(&self, module: &str, id: u64) -> Result<&Channel, Refused> {
        let mut held = self.channels.iter();
        held.find(|channel| channel.id == id && channel.module == module && channel.active)
            .ok_or_else(|| refused("Channel not found"))
    }

    /// An open channel by the name that its module gave it.
    pub fn named(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.external_id == name && channel.active)
    }

    pub fn list_channels(&self, module: &str, incoming: &Incoming) -> Answer {
        let wanted = incoming.query.one("active").map(|text| matches!(text, "1" | "true"));
        let limit = incoming.query.one("limit").and_then(|text| text.parse().ok()).unwrap_or(100);
        let own = self.channels.iter().filter(|channel| channel.module == module);
        let own = own.filter(|channel| wanted.is_none_or(|active| channel.active == active));
        let rows: Vec<Value> = own.take(limit).map(Channel::body).collect();
        Answer::json(200, &rows.into())
    }

    pub fn open_channel(&mut self, module: &str, body: &Value, now: Timestamp) -> Done {
        let (kind, settings) = checked(body)?;
        let id = u64::try_from(self.channels.len()).unwrap_or_default() + 101;
        let external_id = text_at(body, "external_id").to_owned();
        self.channels.push(Channel {
            id,
            module: module.to_owned(),
            external_id: external_id.clone(),
            kind,
            name: text_at(body, "name").to_owned(),
            settings,
            active: true,
            at: now,
        });
        let body = json!({
            "id": id, "external_id": external_id, "activated_at": now.to_string(),
        });
        Ok(Answer::json(201, &body))
    }

    pub fn change_channel(&mut self, module: &str, id: &str, body: &Value, now: Timestamp) -> Done {
        let (kind, settings) = checked(body)?;
        let channel = self.own(module, id)?;
        channel.kind = kind;
        channel.settings = settings;
        channel.active = true;
        text_at(body, "name").clone_into(&mut channel.name);
        let body = json!({
            "id": channel.id, "external_id": channel.external_id, "updated_at": now.to_string(),
        });
        Ok(Answer::json(200, &body))
    }

    pub fn close_channel(&mut self, module: &str, id: &str, now: Timestamp) -> Done {
        let channel = self.own(module, id)?;
        channel.active = false;
        let body = json!({ "id": channel.id, "deactivated_at": now.to_string() });
        Ok(Answer::json(200, &body))
    }

    fn own(&mut self, module: &str, id: &str) -> Result<&mut Channel, Refused> {
        let mut held = self.channels.iter_mut();
        held.find(|channel| channel.module == module && channel.id.to_string() == id)
            .ok_or((404, "Channel not found".to_owned()))
    }
}

/// Type and settings, if the gateway takes them.
fn checked(body: &Value) -> Result<(String, Object), Refused> {
    let kind = text_at(body, "type");
    if !TYPES.contains(&kind) {
        return Err(refused("type: value is not valid"));
    }
    if text_at(body, "external_id").len() > 64 || text_at(body, "name").chars().count() > 100 {
        return Err(refused("external_id, name: value is too long"));
    }
    let settings = object_at(body, "settings");
    for (what, acts) in &settings {
        let acts = acts.as_object().into_iter().flatten();
        let features = acts.filter(|(act, _)| {
            ["creating", "editing", "quoting", "deleting", "delivered", "read"]
                .contains(&act.as_str())
        });
        for (act, feature) in features {
            if !feature.as_str().is_some_and(|feature| FEATURES.contains(&feature)) {
                return Err(refused(format!("settings.{what}.{act}: value is not valid")));
            }
        }
    }
    Ok((kind.to_owned(), settings))
}
