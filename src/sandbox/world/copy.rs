//! A copy of everything, taken at one moment. Invariant: what is copied is what the far sides hold;
//! nothing is reckoned from what was sent.

use super::World;
use crate::sandbox::ledger::{Conversation, Ledger};
use std::collections::HashMap;

impl World {
    pub fn ledger(&self) -> Ledger {
        self.ledger_of(|_| true)
    }

    /// The wanted parts of the ledger; the others are empty.
    pub fn ledger_of(&self, wanted: impl Fn(&str) -> bool) -> Ledger {
        let account = &self.account;
        // Duplicates are found among customers and orders.
        let wanted = |part: &str| {
            wanted(part) || (wanted("duplicates") && (part == "customers" || part == "orders"))
        };
        let sites = |part: &str| if wanted(part) { self.sites.as_slice() } else { &[] };
        let bots = |part: &str| if wanted(part) { self.bots.as_slice() } else { &[] };
        Ledger {
            customers: rows(wanted("customers"), account.customers.rows()),
            orders: rows(wanted("orders"), account.orders.rows()),
            gone_orders: rows(wanted("gone_orders"), account.gone.values()),
            leads: sites("leads").iter().flat_map(|site| site.leads.iter().cloned()).collect(),
            deals: sites("deals").iter().flat_map(|site| site.deals.iter().cloned()).collect(),
            refused_deals: sites("refused_deals")
                .iter()
                .flat_map(|site| site.deals.refused().iter().cloned())
                .collect(),
            conversations: if wanted("conversations") { self.conversations() } else { Vec::new() },
            dialogs: if wanted("dialogs") { account.mg.dialogs.clone() } else { Vec::new() },
            channels: if wanted("channels") { account.mg.channels.clone() } else { Vec::new() },
            chats: self.chat_traffic.counters(),
            messages: bots("messages").iter().flat_map(|bot| bot.sent.iter().cloned()).collect(),
            presses: bots("presses").iter().flat_map(|bot| bot.answered.iter().cloned()).collect(),
            updates: bots("updates").iter().flat_map(|bot| bot.updates.log.clone()).collect(),
            retailcrm: self.crm_traffic.counters(),
            whatsapp: if wanted("whatsapp") { self.gateway.messages.clone() } else { Vec::new() },
            calltouch: self.calltouch_traffic.counters(),
            chatapi: self.chatapi_traffic.counters(),
            telegram: self.telegram_traffic.counters(),
            faults: self.faults.struck().clone(),
        }
    }

    fn conversations(&self) -> Vec<Conversation> {
        let mg = &self.account.mg;
        let mut places: HashMap<(u64, &str), usize> = HashMap::new();
        let mut found: Vec<Conversation> = Vec::new();
        for message in &mg.messages {
            let next = found.len();
            let place = *places.entry((message.channel, &message.chat)).or_insert(next);
            if place == next {
                let mut channels = mg.channels.iter();
                let channel = channels.find(|channel| channel.id == message.channel);
                found.push(Conversation {
                    channel: channel.map(|held| held.external_id.clone()).unwrap_or_default(),
                    chat: message.chat.clone(),
                    messages: Vec::new(),
                });
            }
            if let Some(conversation) = found.get_mut(place) {
                conversation.messages.push(message.clone());
            }
        }
        found
    }
}

fn rows<'a, T: 'a, E: From<&'a T>>(wanted: bool, rows: impl Iterator<Item = &'a T>) -> Vec<E> {
    if wanted { rows.map(E::from).collect() } else { Vec::new() }
}
