//! The channels of our messengers in the CRM's chats (5.3). Invariant: what a channel can do follows
//! from its messenger's offer alone; a channel of ours carries the name of its connection.
//!
//! Directions are those of the transport, that is of us: `send` is from the messenger into the CRM,
//! `receive` from the CRM to the person. (The vendor's own Telegram transport declares deleting and
//! products as `receive`: a bot can take back what it wrote, and no person sends products.)

use super::Chats;
use super::client::{CHANNEL, CHANNELS, Gateway};
use crate::connectors::http::{LARGEST_FILE, Method};
use crate::connectors::retailcrm::wire;
use crate::domain::{Delay, MessengerOffer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Files that one message may carry.
const MOST_FILES: u32 = 10;

/// Which number the gateway gave to which messenger.
#[derive(Debug, Default, Clone)]
pub struct Numbers {
    by_name: BTreeMap<String, i64>,
}

impl Numbers {
    pub fn number(&self, name: &str) -> Option<i64> {
        self.by_name.get(name).copied()
    }

    pub fn name(&self, number: i64) -> Option<&str> {
        let mut held = self.by_name.iter();
        held.find(|(_, held)| **held == number).map(|(name, _)| name.as_str())
    }

    #[cfg(test)]
    pub fn of(known: &[(&str, i64)]) -> Self {
        let known = known.iter().map(|(name, number)| ((*name).to_owned(), *number));
        Self { by_name: known.collect() }
    }

    pub fn missing<'a>(&self, wanted: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
        let wanted = wanted.map(String::as_str);
        wanted.filter(|name| !self.by_name.contains_key(*name)).collect()
    }
}

/// Reads the active channels.
///
/// # Errors
/// Why not now.
pub async fn read(gateway: &Gateway) -> Result<Numbers, Delay> {
    let mut request = gateway.request(Method::Get, CHANNELS, CHANNELS.to_owned());
    request.query = vec![("active".into(), "1".into()), ("limit".into(), "1000".into())];
    let rows = gateway.asked(request).await.done("the channels")?;
    let mut numbers = Numbers::default();
    for row in wire::listed(&rows) {
        let (name, id) = (wire::text(row.get("external_id")), wire::number(row.get("id")));
        if let (Some(name), Some(id)) = (name, id) {
            numbers.by_name.insert(name, id);
        }
    }
    Ok(numbers)
}

/// Makes what is missing, brings the rest up to date.
///
/// # Errors
/// Why it could not be done; what was done before stays.
pub async fn set_up(
    chats: &Chats,
    gateway: &Gateway,
    lines: &mut Vec<String>,
) -> Result<Numbers, Delay> {
    let mut numbers = read(gateway).await?;
    for (name, channel) in &chats.config.channels {
        let Some(offer) = chats.messengers.get(name) else {
            return Err(Delay::setup(format!("channels.{name}: {}", no_messenger(chats))));
        };
        let kind = channel.kind.clone().unwrap_or_else(|| offer.kind.to_owned());
        let body = json!({
            "type": kind, "external_id": name, "name": channel.name, "settings": settings(&offer),
        });
        let what = format!("channels.{name}");
        if let Some(id) = numbers.number(name) {
            let path = CHANNEL.replace("{id}", &id.to_string());
            gateway.send_to(Method::Put, CHANNEL, path, body).await.done(&what)?;
            lines.push(format!("chats: channel {name} updated ({kind}, {id})"));
            continue;
        }
        let made = gateway.send(Method::Post, CHANNELS, body).await.done(&what)?;
        let id = wire::number(made.get("id"))
            .ok_or_else(|| Delay::item(format!("{what}: the CRM's chats gave it no id")))?;
        numbers.by_name.insert(name.clone(), id);
        lines.push(format!("chats: channel {name} created ({kind}, {id})"));
    }
    Ok(numbers)
}

/// What is wrong with a channel that belongs to no messenger.
pub fn no_messenger(chats: &Chats) -> String {
    match chats.messengers.names().as_slice() {
        [] => "there is no messenger among the connections".to_owned(),
        names => format!("there is no messenger of this name; there are {}", names.join(", ")),
    }
}

/// What the channel of such a messenger can do.
pub fn settings(offer: &MessengerOffer) -> Value {
    let both = |can: bool| if can { "both" } else { "none" };
    // What people change or take back is told in any case; ours where the messenger lets us.
    let changing = |can: bool| if can { "both" } else { "send" };
    let to_crm = |can: bool| if can { "send" } else { "none" };
    let files = |items: u32| {
        json!({
            "creating": both(offer.files), "editing": "none", "quoting": both(offer.files),
            "deleting": changing(offer.deletes), "reaction": "none", "max_items_count": items,
            "note_max_chars_count": u16::try_from(offer.caption).unwrap_or(u16::MAX),
            "max_item_size": LARGEST_FILE,
        })
    };
    let audio = json!({
        "creating": both(offer.files), "quoting": both(offer.files),
        "deleting": changing(offer.deletes), "reaction": "none", "max_items_count": 1,
        "max_item_size": LARGEST_FILE,
    });
    let card = json!({
        "creating": "receive", "editing": "none", "deleting": "none", "quoting": "none",
        "reaction": "none",
    });
    json!({
        "status": { "delivered": to_crm(offer.delivered), "read": to_crm(offer.read) },
        "text": {
            "creating": "both", "editing": changing(offer.edits), "quoting": "both",
            "deleting": changing(offer.deletes), "reaction": "none",
            "max_chars_count": u16::try_from(offer.text).unwrap_or(u16::MAX),
        },
        "product": card,
        "order": card,
        "file": files(MOST_FILES),
        "image": files(MOST_FILES),
        "audio": audio,
        "suggestions": { "text": "receive", "phone": "none", "email": "none", "url": "none" },
        "customer_external_id": if offer.by_phone { "phone" } else { "any" },
        "sending_policy": {
            "new_customer": if offer.by_phone { "text" } else { "no" },
            "after_reply_timeout": "no",
            "outgoing": "allowed",
        },
    })
}
