//! What a webhook offers, as data. Invariant: the names are those that all messengers share, so that a
//! flow serves any of them.

use crate::connectors::files::FILE;
use crate::domain::offer::{From, Input, KeepOffer, Need};
use crate::domain::{
    EventOffer, Field, Kind, MessengerOffer, Offer, OperationOffer, QueryOffer, Repeat,
};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "webhook";
pub const RECEIVED: &str = "message.received";
pub const SEND: &str = "message.send";

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const fn input(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Input {
    Input { name, kind, need, about, codes: None }
}

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
    events: &[EventOffer {
        kind: RECEIVED,
        about: "A delivery that the settings call a message",
        fields: MESSAGE,
        keeps: &[
            KeepOffer {
                entity: "conversation",
                id: "chat",
                fields: &[
                    ("name", "name"),
                    ("phone", "phone"),
                    ("sender", "sender"),
                    ("last", "id"),
                    ("last_at", "sent"),
                    ("last_own", "own"),
                ],
            },
            KeepOffer {
                entity: "message",
                id: "id",
                fields: &[("chat", "chat"), ("type", "type"), ("own", "own"), ("sent", "sent")],
            },
        ],
        ..EventOffer::BASE
    }],
    queries: &[
        QueryOffer {
            name: "message",
            about: "What we know of a message, from our own memory",
            input: &[input("id", Kind::Text, Need::Must, "The message")],
            output: &[
                ID,
                CHAT,
                field("type", Kind::Text, "text"),
                OWN,
                field("sent", Kind::Time, "When it was written"),
                field("state", Kind::Text, "sent, where we sent it"),
                field("origin", Kind::Text, "The CRM's message that it was made of"),
                field("origin_channel", Kind::Text, "The CRM's channel of that"),
                SINCE,
            ],
            from: From::Memory("message"),
            ..QueryOffer::BASE
        },
        QueryOffer {
            name: "conversation",
            about: "What we know of a chat, from our own memory",
            input: &[input("id", Kind::Text, Need::Must, "The chat")],
            output: &[
                field("id", Kind::Text, "The chat"),
                field("name", Kind::Text, "Name of who wrote last"),
                field("phone", Kind::Phone, "The phone, where it is told"),
                field("sender", Kind::Text, "Who wrote last"),
                field("last", Kind::Text, "The last message"),
                field("last_at", Kind::Time, "When it was written"),
                field("last_own", Kind::Flag, "It was written from our side"),
                SINCE,
            ],
            from: From::Memory("conversation"),
            ..QueryOffer::BASE
        },
        QueryOffer {
            name: "sent",
            about: "Was something sent for this already, by another job than the asking one?",
            input: &[input("id", Kind::Text, Need::Must, "The mark that was given with it")],
            output: &[
                field("id", Kind::Text, "The mark"),
                field("event", Kind::Text, "The event that it was sent for"),
                field("operation", Kind::Text, "How it was sent"),
                SINCE,
            ],
            from: From::Memory("mark"),
            ..QueryOffer::BASE
        },
    ],
    operations: &[MESSAGE_SEND, FILE_SEND, MESSAGE_EDIT, MESSAGE_DELETE],
};

const MESSAGE_SEND: OperationOffer = OperationOffer {
    name: SEND,
    about: "Posts a message by the templates of the settings",
    input: &[
        input("chat", Kind::Text, Need::OneOf, "The chat"),
        input("phone", Kind::Phone, Need::OneOf, "Of other messengers: refused here"),
        input("text", Kind::Text, Need::Must, "The text"),
        input("reply_to", Kind::Text, Need::May, "The message that it answers"),
        input("buttons", BUTTONS, Need::May, "Of other messengers: left out here"),
        input("mark", Kind::Text, Need::May, "What it is sent for: see `sent`"),
        input("origin", Kind::Text, Need::May, "The CRM's message, remembered"),
        input("origin_channel", Kind::Text, Need::May, "The CRM's channel of that, remembered"),
    ],
    output: &[ID, CHAT, field("state", Kind::Text, "`sent`")],
    repeat: Repeat::Once,
    entity: Some("message"),
    makes: true,
    keeps: &["origin", "origin_channel", "chat", "state"],
    mark: Some("mark"),
    ..OperationOffer::BASE
};

// What other messengers can do: flows serve them all, and are told here that it cannot be done.
const FILE_SEND: OperationOffer = OperationOffer {
    name: "file.send",
    about: "Of other messengers: refused here",
    input: &[
        input("chat", Kind::Text, Need::OneOf, "The chat"),
        input("phone", Kind::Phone, Need::OneOf, "The phone"),
        input("file", FILE, Need::Must, "The file"),
        input("caption", Kind::Text, Need::May, "Text under it"),
        input("reply_to", Kind::Text, Need::May, "The message that it answers"),
        input("mark", Kind::Text, Need::May, "What it is sent for"),
        input("origin", Kind::Text, Need::May, "The CRM's message"),
        input("origin_channel", Kind::Text, Need::May, "The CRM's channel of that"),
    ],
    output: &[ID, CHAT],
    ..OperationOffer::BASE
};

const MESSAGE_EDIT: OperationOffer = OperationOffer {
    name: "message.edit",
    about: "Of other messengers: refused here",
    input: &[
        input("id", Kind::Text, Need::Must, "The message"),
        input("chat", Kind::Text, Need::May, "Its chat"),
        input("text", Kind::Text, Need::Must, "The new text"),
    ],
    output: &[ID],
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

const MESSAGE_DELETE: OperationOffer = OperationOffer {
    name: "message.delete",
    about: "Of other messengers: refused here",
    input: &[
        input("id", Kind::Text, Need::Must, "The message"),
        input("chat", Kind::Text, Need::May, "Its chat"),
    ],
    output: &[ID],
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

const ID: Field = field("id", Kind::Text, "The message");
const CHAT: Field = field("chat", Kind::Text, "The chat");
const OWN: Field = field("own", Kind::Flag, "It was written from our side");
const SINCE: Field = field("created", Kind::Time, "Since when we know it");

const BUTTONS: Kind = Kind::List(&Kind::Record(&[
    field("text", Kind::Text, "What is written on it"),
    field("data", Kind::Text, "What a press brings"),
]));

const MESSAGE: &[Field] = &[
    ID,
    CHAT,
    field("sender", Kind::Text, "Who wrote it"),
    field("phone", Kind::Phone, "The phone, where it is told"),
    field("name", Kind::Text, "The name"),
    field("username", Kind::Text, "The public name"),
    field("text", Kind::Text, "The text"),
    field("type", Kind::Text, "text"),
    field("files", Kind::List(&FILE), "None"),
    field("reply_to", Kind::Text, "The message that it answers"),
    field("group", Kind::Flag, "Never"),
    OWN,
    field("bot", Kind::Flag, "Never"),
    field("forwarded", Kind::Flag, "Never"),
    field("sent", Kind::Time, "When it was written"),
    field("number", Kind::Number, "None"),
];
