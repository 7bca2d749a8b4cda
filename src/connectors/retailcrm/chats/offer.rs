//! What the chats offer to flows. Invariant: the shapes here are those that `parse` and `post` give
//! out and take; tests compare them.

use crate::connectors::files::FILE;
use crate::domain::{EventOffer, Field, Input, Kind, Need, OperationOffer, QueryOffer, Repeat};

pub const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

pub const fn must(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::Must, about, codes: None }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::May, about, codes: None }
}

const fn one_of(name: &'static str, kind: Kind, about: &'static str) -> Input {
    Input { name, kind, need: Need::OneOf, about, codes: None }
}

pub const SENT: &str = "message.sent";
pub const UPDATED: &str = "message.updated";
pub const REMOVED: &str = "message.removed";
pub const READ: &str = "message.read";
pub const SWITCHED: &str = "module.switched";
pub const OPENED: &str = "dialog.opened";
pub const ASSIGNED: &str = "dialog.assigned";
pub const CLOSED: &str = "dialog.closed";

const FILES: Kind = Kind::List(&FILE);
const BUTTON: Kind = Kind::Record(&[
    field("text", Kind::Text, "what stands on it"),
    field("data", Kind::Text, "what comes back when it is pressed"),
]);
const PRODUCT: Kind = Kind::Record(&[
    field("id", Kind::Text, "id of the product"),
    field("name", Kind::Text, "its name"),
    field("article", Kind::Text, "its article"),
    field("url", Kind::Text, "where it is sold"),
    field("image", Kind::Text, "address of its picture"),
    field("price", Kind::Money, "its price"),
    field("currency", Kind::Text, "code of the price's currency"),
]);
const ORDER: Kind = Kind::Record(&[
    field("id", Kind::Text, "internal id of the order"),
    field("number", Kind::Text, "as people see it"),
    field("url", Kind::Text, "where the person sees it"),
    field("cost", Kind::Money, "its sum"),
    field("currency", Kind::Text, "code of the sum's currency"),
    field("status", Kind::Text, "name of its status"),
]);

/// What a word about a message says.
const MESSAGE: &[Field] = &[
    field("id", Kind::Text, "id of the message in the CRM's chats"),
    field("external", Kind::Text, "its id in the messenger, where that was told before"),
    field("channel", Kind::Text, "name of the messenger's connection"),
    field("channel_id", Kind::Number, "number of the channel in the CRM's chats"),
    field("chat", Kind::Text, "the messenger's id of the conversation; may be empty"),
    field("person", Kind::Text, "the messenger's id of the person; may be a phone"),
    field("text", Kind::Text, "what is written; a product or an order in words"),
    field("parts", Kind::List(&Kind::Text), "the text in as many as the messenger's limit demands"),
    field("type", Kind::Text, "text, image, file, audio, product, order"),
    field("files", FILES, "what is to be sent with it"),
    field("reply_to", Kind::Text, "the messenger's id of the message that it answers"),
    field("manager", Kind::Text, "who wrote: a manager, or the name of a bot"),
    field("bot", Kind::Flag, "a bot of the CRM wrote"),
    field("sent", Kind::Time, "when"),
    field("product", PRODUCT, "the product of a card"),
    field("order", ORDER, "the order of a card"),
    field("buttons", Kind::List(&BUTTON), "what the person may answer by a press"),
];

pub const MESSAGE_SENT: EventOffer = EventOffer {
    kind: SENT,
    about: "a manager or a bot wrote to a person",
    fields: MESSAGE,
    ..EventOffer::BASE
};

pub const MESSAGE_UPDATED: EventOffer = EventOffer {
    kind: UPDATED,
    about: "a manager changed what was written",
    fields: MESSAGE,
    ..EventOffer::BASE
};

pub const MESSAGE_REMOVED: EventOffer = EventOffer {
    kind: REMOVED,
    about: "a manager took back what was written",
    fields: MESSAGE,
    ..EventOffer::BASE
};

pub const MESSAGE_READ: EventOffer = EventOffer {
    kind: READ,
    about: "a manager read what a person wrote",
    fields: MESSAGE,
    ..EventOffer::BASE
};

pub const MODULE_SWITCHED: EventOffer = EventOffer {
    kind: SWITCHED,
    about: "our module was switched on or off in the CRM",
    fields: &[
        field("active", Kind::Flag, "it is on"),
        field("frozen", Kind::Flag, "the CRM froze it"),
        field("url", Kind::Text, "where the account is now, if it moved"),
        field("at", Kind::Time, "when"),
    ],
    ..EventOffer::BASE
};

pub const CHANNEL: QueryOffer = QueryOffer {
    name: "channel",
    about: "a messenger's channel in the CRM's chats, as configured",
    input: &[must("id", Kind::Text, "name of the messenger's connection")],
    output: &[
        field("id", Kind::Text, "name of the messenger's connection"),
        field("site", Kind::Text, "code of its store").of("sites"),
        field("name", Kind::Text, "as managers see it"),
        field("type", Kind::Text, "telegram, whatsapp, custom, …"),
        field("order_method", Kind::Text, "code for orders that are made from it").of("methods"),
        field("order_type", Kind::Text, "code for orders that are made from it").of("types"),
    ],
    ..QueryOffer::BASE
};

const UTM: Kind = Kind::Record(&[
    field("source", Kind::Text, "utm_source"),
    field("medium", Kind::Text, "utm_medium"),
    field("campaign", Kind::Text, "utm_campaign"),
    field("term", Kind::Text, "utm_term"),
    field("content", Kind::Text, "utm_content"),
]);

/// Who wrote.
const PERSON: Kind = Kind::Record(&[
    field("id", Kind::Text, "the messenger's id of the person"),
    field("nickname", Kind::Text, "as managers see it; else the name, the phone, the id"),
    field("first_name", Kind::Text, "first name"),
    field("last_name", Kind::Text, "last name"),
    field("phone", Kind::Phone, "phone"),
    field("email", Kind::Email, "e-mail"),
    field("avatar", Kind::Text, "address of a picture"),
    field("profile_url", Kind::Text, "address of the person's page"),
    field("language", Kind::Text, "code of the language"),
    field("country", Kind::Text, "code of the country"),
    field("utm", UTM, "where the person came from"),
]);

const MESSENGER: Input = must("channel", Kind::Text, "name of the messenger's connection");
const ITS_ID: Input = must("id", Kind::Text, "the messenger's id of the message");
const NAMED: &[Field] = &[field("id", Kind::Text, "the messenger's id of the message")];

pub const POST: OperationOffer = OperationOffer {
    name: "message.post",
    about: "puts a message into the CRM's chat; one with the same id is there once",
    input: &[
        MESSENGER,
        may("chat", Kind::Text, "the messenger's id of the conversation"),
        must("person", PERSON, "who wrote, or whom we wrote to"),
        ITS_ID,
        may("text", Kind::Text, "what is written"),
        may("files", FILES, "passed on with it; one that cannot be is a line of the text"),
        may("reply_to", Kind::Text, "the messenger's id of the message that it answers"),
        may("at", Kind::Time, "when it was written"),
        may("originator", Kind::Text, "customer (the default), or channel: written from our side"),
        may("note", Kind::Text, "more to say beneath it"),
        may("reply_deadline", Kind::Time, "until when an answer is possible"),
    ],
    output: &[field("id", Kind::Text, "id in the CRM's chats; empty where it was there before")],
    repeat: Repeat::Check,
    ..OperationOffer::BASE
};

pub const CHANGE: OperationOffer = OperationOffer {
    name: "message.change",
    about: "changes the text of a message in the CRM's chat",
    input: &[
        MESSENGER,
        ITS_ID,
        must("text", Kind::Text, "what is written now"),
        may("at", Kind::Time, "when it was changed"),
    ],
    output: NAMED,
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

pub const REMOVE: OperationOffer = OperationOffer {
    name: "message.remove",
    about: "takes a message back from the CRM's chat",
    input: &[MESSENGER, ITS_ID],
    output: NAMED,
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

pub const ACK: OperationOffer = OperationOffer {
    name: "message.ack",
    about: "tells the CRM that its message was delivered, or why not",
    input: &[
        MESSENGER,
        one_of("origin", Kind::Text, "id of the message in the CRM's chats"),
        one_of("id", Kind::Text, "the messenger's id of the message"),
        may("error", Kind::Text, "why it was not delivered, with a code of the CRM in front"),
    ],
    output: NAMED,
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

pub const MARK_READ: OperationOffer = OperationOffer {
    name: "message.read",
    about: "tells the CRM that the person read its message",
    input: &[MESSENGER, ITS_ID],
    output: NAMED,
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};
