//! What a Telegram bot offers, as data: the words of all messengers, and what it carries. Invariant:
//! what it cannot do of them is refused when it is asked for.

use crate::connectors::messages::{EVENTS, OPERATIONS, QUERIES};
use crate::domain::{MessengerOffer, Offer};

pub use crate::connectors::messages::{
    BLOCKED, DELETE, EDIT, EDITED, PRESSED, RECEIVED, SEND, SEND_FILE, UNBLOCKED,
};

/// The name in `connector = "…"`, and the kind of its channels.
pub const CONNECTOR: &str = "telegram";

pub static OFFER: Offer = Offer {
    connector: CONNECTOR,
    messenger: Some(MessengerOffer {
        kind: CONNECTOR,
        text: 4096,
        caption: 1024,
        files: true,
        edits: true,
        deletes: true,
        delivered: false,
        read: false,
        by_phone: false,
    }),
    events: EVENTS,
    queries: QUERIES,
    operations: OPERATIONS,
};
