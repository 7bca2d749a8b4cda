//! What the far sides hold in the end, and what was done twice. Invariant: the ledger is a copy
//! taken at one moment; it counts what was written, not what was answered.

use crate::sandbox::calltouch::deals::{Deal, DealWrite};
use crate::sandbox::calltouch::lead::Lead;
use crate::sandbox::chatapi::message as whatsapp;
use crate::sandbox::crm::account::{Customer, Object, Order, Origin, Write};
use crate::sandbox::digits::canonical;
use crate::sandbox::mg::channels::Channel;
use crate::sandbox::mg::dialogs::Dialog;
use crate::sandbox::mg::messages::Message;
use crate::sandbox::telegram::sending as telegram;
use crate::sandbox::telegram::updates::Delivered;
use crate::sandbox::traffic::Counters;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize)]
pub struct CustomerEntry {
    pub id: u64,
    pub origin: Origin,
    pub external_id: Option<String>,
    pub site: String,
    pub first_name: String,
    pub phones: Vec<String>,
    pub email: String,
    pub created_at: Timestamp,
    pub combined_to: Option<u64>,
    pub edits: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct OrderEntry {
    pub id: u64,
    pub origin: Origin,
    pub number: String,
    pub external_id: Option<String>,
    pub site: String,
    pub status: String,
    pub customer: Option<u64>,
    pub contact: Option<u64>,
    pub created_at: Timestamp,
    pub status_at: Timestamp,
    pub total: Decimal,
    pub custom_fields: Object,
    /// Everything else that was sent (`firstName`, `phone`, `source`, …).
    pub fields: Object,
    pub writes: Vec<Write>,
}

impl OrderEntry {
    /// Successful edits through the API.
    pub fn edits(&self) -> usize {
        let by_api = |write: &&Write| write.kind == "edit" && write.origin == Origin::Api;
        self.writes.iter().filter(by_api).count()
    }

    /// Successful writes through the API, the creation included.
    pub fn api_writes(&self) -> usize {
        self.writes.iter().filter(|write| write.origin == Origin::Api).count()
    }
}

/// The messages of one person in one channel, in their order.
#[derive(Debug, Clone, Serialize)]
pub struct Conversation {
    /// The name that the channel's module gave it.
    pub channel: String,
    pub chat: String,
    pub messages: Vec<Message>,
}

/// Everything, at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Ledger {
    pub customers: Vec<CustomerEntry>,
    pub orders: Vec<OrderEntry>,
    /// Deleted and merged ones.
    pub gone_orders: Vec<OrderEntry>,
    pub leads: Vec<Lead>,
    pub deals: Vec<Deal>,
    /// Writes of deals that were refused and have no deal.
    pub refused_deals: Vec<DealWrite>,
    /// Of the CRM's chats, in the order in which they began.
    pub conversations: Vec<Conversation>,
    pub dialogs: Vec<Dialog>,
    pub channels: Vec<Channel>,
    pub chats: Counters,
    /// What was written on WhatsApp, by people and by us; what stands in the queue is not.
    pub whatsapp: Vec<whatsapp::Message>,
    /// What bots of Telegram wrote.
    pub messages: Vec<telegram::Message>,
    /// Presses of buttons that bots answered.
    pub presses: Vec<String>,
    /// Tries to deliver updates to webhooks.
    pub updates: Vec<Delivered>,
    pub retailcrm: Counters,
    pub calltouch: Counters,
    pub chatapi: Counters,
    pub telegram: Counters,
    /// How often each fault struck, by `side fault`.
    pub faults: BTreeMap<String, u64>,
}

/// Something that was done more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Duplicate {
    /// Several customers made through the API have this phone.
    Customers { phone: String, ids: Vec<u64> },
    /// Several customers made through the API have this e-mail and no phone.
    Emails { email: String, ids: Vec<u64> },
    /// This lead made several orders.
    Creates { field: String, lead: String, orders: Vec<u64> },
    /// This lead was written by several edits; `changed` of them changed something.
    Edits { field: String, lead: String, orders: Vec<u64>, changed: usize },
    /// This lead made an order and was also written by an edit.
    CreateAndEdit { field: String, lead: String, orders: Vec<u64> },
}

impl Ledger {
    /// Customers made through the API.
    pub fn api_customers(&self) -> impl Iterator<Item = &CustomerEntry> {
        self.customers.iter().filter(|row| row.origin == Origin::Api)
    }

    /// Orders made through the API.
    pub fn api_orders(&self) -> impl Iterator<Item = &OrderEntry> {
        self.orders.iter().filter(|row| row.origin == Origin::Api)
    }

    /// Orders that hold this lead, e.g. `("calltouch_call_id", "900000001")`.
    pub fn orders_of(&self, field: &str, lead: &str) -> Vec<&OrderEntry> {
        let holds =
            |row: &&OrderEntry| row.custom_fields.get(field).and_then(|v| v.as_str()) == Some(lead);
        self.orders.iter().filter(holds).collect()
    }

    /// The conversation of a chat in a channel.
    pub fn conversation(&self, channel: &str, chat: &str) -> Option<&Conversation> {
        let mut held = self.conversations.iter();
        held.find(|held| held.channel == channel && held.chat == chat)
    }

    /// What we sent to people through ChatAPI.
    pub fn whatsapp_sent(&self) -> impl Iterator<Item = &whatsapp::Message> {
        self.whatsapp.iter().filter(|message| message.by_api)
    }

    /// The living deal with this `orderNumber`.
    pub fn deal(&self, number: &str) -> Option<&Deal> {
        self.deals.iter().find(|deal| deal.number == number && !deal.deleted)
    }

    /// Everything that was done more than once; empty when all went well.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        let mut found = self.doubled_customers();
        found.extend(self.doubled_leads());
        found
    }

    fn doubled_customers(&self) -> Vec<Duplicate> {
        let mut phones: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut emails: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for row in self.customers.iter().filter(|row| row.origin != Origin::Seed) {
            let mut own: Vec<String> = row.phones.iter().map(|phone| canonical(phone)).collect();
            own.sort_unstable();
            own.dedup();
            for phone in own {
                phones.entry(phone).or_default().push(row.id);
            }
            if row.phones.is_empty() && !row.email.is_empty() {
                emails.entry(row.email.to_lowercase()).or_default().push(row.id);
            }
        }
        let phones = phones.into_iter().filter(|(_, ids)| ids.len() > 1);
        let emails = emails.into_iter().filter(|(_, ids)| ids.len() > 1);
        let phones = phones.map(|(phone, ids)| Duplicate::Customers { phone, ids });
        phones.chain(emails.map(|(email, ids)| Duplicate::Emails { email, ids })).collect()
    }

    fn doubled_leads(&self) -> Vec<Duplicate> {
        let mut leads: BTreeMap<(String, String), Vec<(u64, &Write)>> = BTreeMap::new();
        for row in &self.orders {
            for write in row.writes.iter().filter(|write| write.origin == Origin::Api) {
                for (field, lead) in &write.leads {
                    let key = (field.clone(), lead.clone());
                    leads.entry(key).or_default().push((row.id, write));
                }
            }
        }
        let mut found = Vec::new();
        for ((field, lead), writes) in leads {
            let ids = |kind: &str| -> Vec<u64> {
                let fits = writes.iter().filter(|(_, write)| write.kind == kind);
                fits.map(|(id, _)| *id).collect()
            };
            let (creates, edits) = (ids("create"), ids("edit"));
            let changed =
                writes.iter().filter(|(_, write)| write.kind == "edit" && write.changed).count();
            let (field, lead) = (|| field.clone(), || lead.clone());
            if creates.len() > 1 {
                found.push(Duplicate::Creates {
                    field: field(),
                    lead: lead(),
                    orders: creates.clone(),
                });
            }
            if edits.len() > 1 {
                let orders = edits.clone();
                found.push(Duplicate::Edits { field: field(), lead: lead(), orders, changed });
            }
            if !creates.is_empty() && !edits.is_empty() {
                let orders = creates.into_iter().chain(edits).collect();
                found.push(Duplicate::CreateAndEdit { field: field(), lead: lead(), orders });
            }
        }
        found
    }
}

impl From<&Customer> for CustomerEntry {
    fn from(row: &Customer) -> Self {
        Self {
            id: row.id,
            origin: row.origin,
            external_id: row.external_id.clone(),
            site: row.site.clone(),
            first_name: crate::sandbox::crm::account::text_of(&row.fields, "firstName").to_owned(),
            phones: row.phones.clone(),
            email: row.email.clone(),
            created_at: row.created_at,
            combined_to: row.combined_to,
            edits: row.edits,
        }
    }
}

impl From<&Order> for OrderEntry {
    fn from(row: &Order) -> Self {
        Self {
            id: row.id,
            origin: row.origin,
            number: row.number.clone(),
            external_id: row.external_id.clone(),
            site: row.site.clone(),
            status: row.status.clone(),
            customer: row.customer,
            contact: row.contact,
            created_at: row.created_at,
            status_at: row.status_at,
            total: crate::sandbox::crm::render::sums(row).1,
            custom_fields: row.custom.clone(),
            fields: row.fields.clone(),
            writes: row.writes.clone(),
        }
    }
}
