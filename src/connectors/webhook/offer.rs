//! What a webhook offers, as data: the words of all messengers, and what it carries. Invariant: what
//! it cannot do of them is refused when it is asked for.

use crate::connectors::messages::{EVENTS, OPERATIONS, QUERIES};
use crate::domain::{MessengerOffer, Offer};

pub use crate::connectors::messages::{RECEIVED, SEND};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "webhook";

pub static OFFER: Offer = Offer {
    connector: CONNECTOR,
    messenger: Some(MessengerOffer {
        kind: "custom",
        text: 4096,
        caption: 0,
        files: false,
        edits: false,
        deletes: false,
        delivered: false,
        read: false,
        by_phone: false,
    }),
    events: EVENTS,
    queries: QUERIES,
    operations: OPERATIONS,
};
