//! What the gateway offers, as data: the words of all messengers, and what it carries. Invariant: what
//! it cannot do of them is refused when it is asked for.

use super::config::Profile;
use crate::connectors::messages::{EVENTS, OPERATIONS, QUERIES};
use crate::domain::{MessengerOffer, Offer};

pub use crate::connectors::messages::{DELETE, DELIVERY, EDIT, PRESSED, RECEIVED, SEND, SEND_FILE};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "chatapi";

/// What both carry. The limit of a text is that of WhatsApp's business interface, the stricter one.
const CARRIES: MessengerOffer = MessengerOffer {
    kind: "whatsapp",
    text: 4096,
    caption: 1024,
    files: true,
    edits: false,
    deletes: true,
    delivered: true,
    read: true,
    by_phone: true,
};

static OFFER: Offer = offer(CARRIES);
/// Whoever was not written to by that person in the last 24 hours may send templates only.
static ONE_MSG: Offer = offer(MessengerOffer { deletes: false, by_phone: false, ..CARRIES });

pub fn of(profile: Profile) -> &'static Offer {
    match profile {
        Profile::ChatApi => &OFFER,
        Profile::OneMsg => &ONE_MSG,
    }
}

const fn offer(messenger: MessengerOffer) -> Offer {
    Offer {
        connector: CONNECTOR,
        messenger: Some(messenger),
        events: EVENTS,
        queries: QUERIES,
        operations: OPERATIONS,
    }
}
