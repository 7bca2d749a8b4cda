//! What the gateway offers, as data. Invariant: every field that a delivery or a polled message can
//! fill is named here, under the names that all messengers share.

use super::config::Profile;
use crate::connectors::files::FILE;
use crate::domain::offer::{From, Input, KeepOffer, Need};
use crate::domain::{
    EventOffer, Field, Kind, MessengerOffer, Offer, OperationOffer, QueryOffer, Repeat,
};

/// The name in `connector = "…"`.
pub const CONNECTOR: &str = "chatapi";

pub const RECEIVED: &str = "message.received";
pub const DELIVERY: &str = "delivery.changed";
pub const PRESSED: &str = "button.pressed";

pub const SEND: &str = "message.send";
pub const SEND_FILE: &str = "file.send";
pub const EDIT: &str = "message.edit";
pub const DELETE: &str = "message.delete";

/// The entities that are remembered.
const MESSAGE: &str = "message";
const CONVERSATION: &str = "conversation";

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

const EVENTS: &[EventOffer] = &[
    EventOffer {
        kind: RECEIVED,
        about: "A message in a chat, also one that was written from our side (`own`)",
        fields: RECEIVED_FIELDS,
        keeps: &[
            KeepOffer {
                entity: CONVERSATION,
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
                entity: MESSAGE,
                id: "id",
                fields: &[("chat", "chat"), ("type", "type"), ("own", "own"), ("sent", "sent")],
            },
        ],
        ..EventOffer::BASE
    },
    EventOffer {
        kind: DELIVERY,
        about: "A message of ours was delivered, read, or could not be delivered",
        fields: &[
            ID,
            CHAT,
            field("state", Kind::Text, "sent, delivered, read or error"),
            field("code", Kind::Text, "Of an error: why, in the CRM's words"),
            field("why", Kind::Text, "Of an error: why, in the gateway's words"),
            field("at", Kind::Time, "When we learned of it"),
        ],
        keeps: &[KeepOffer { entity: MESSAGE, id: "id", fields: &[("state", "state")] }],
        ..EventOffer::BASE
    },
    EventOffer {
        kind: PRESSED,
        about: "Somebody pressed a button of a message",
        fields: &[
            ID,
            CHAT,
            SENDER,
            PHONE,
            field("data", Kind::Text, "What the button holds"),
            field("flow", Kind::Text, "Of a button of ours: the flow that sent it"),
            field("order", Kind::Text, "Of a button of ours: the order that it is about"),
            field("button", Kind::Text, "Of a button of ours: which one; else its text"),
            field("at", Kind::Time, "When it was pressed"),
        ],
        ..EventOffer::BASE
    },
];

const QUERIES: &[QueryOffer] = &[
    QueryOffer {
        name: MESSAGE,
        about: "What we remember of a message, from our own memory",
        input: &[input("id", Kind::Text, Need::Must, "The gateway's id of the message")],
        output: &[
            ID,
            CHAT,
            field("type", Kind::Text, "Of one that came: its type"),
            field("own", Kind::Flag, "It was written from our side"),
            field("sent", Kind::Time, "Of one that came: when it was written"),
            field("state", Kind::Text, "Of one that we sent: sent, delivered, read or error"),
            field("origin", Kind::Text, "Of one that we sent: the CRM's id of it"),
            field("origin_channel", Kind::Text, "Of one that we sent: the CRM's channel"),
        ],
        from: From::Memory(MESSAGE),
        ..QueryOffer::BASE
    },
    QueryOffer {
        name: CONVERSATION,
        about: "What we remember of a chat, from our own memory",
        input: &[input("id", Kind::Text, Need::Must, "The gateway's id of the chat")],
        output: &[
            field("id", Kind::Text, "The gateway's id of the chat"),
            field("name", Kind::Text, "What the person is called there"),
            PHONE,
            SENDER,
            field("last", Kind::Text, "Id of its last message"),
            field("last_at", Kind::Time, "When that was written"),
            field("last_own", Kind::Flag, "That was written from our side"),
        ],
        from: From::Memory(CONVERSATION),
        ..QueryOffer::BASE
    },
    QueryOffer {
        name: "sent",
        about: "What was sent, or may have been, for this mark, from our own memory",
        input: &[input("id", Kind::Text, Need::Must, "The mark")],
        output: &[field("id", Kind::Text, "The mark")],
        from: From::Memory("mark"),
        ..QueryOffer::BASE
    },
];

const OPERATIONS: &[OperationOffer] = &[
    OperationOffer {
        name: SEND,
        about: "Writes to a person",
        input: &[
            TO_CHAT,
            TO_PHONE,
            input("text", Kind::Text, Need::Must, "The text"),
            REPLY_TO,
            may(
                "buttons",
                Kind::List(&Kind::Record(&[
                    field("text", Kind::Text, "What stands on it"),
                    field("data", Kind::Text, "What a press tells"),
                ])),
                "Buttons; here they are lines below the text",
            ),
            MARK,
            ORIGIN,
            ORIGIN_CHANNEL,
        ],
        ..SENDS
    },
    OperationOffer {
        name: SEND_FILE,
        about: "Sends a file to a person",
        input: &[
            TO_CHAT,
            TO_PHONE,
            input("file", FILE, Need::Must, "The file"),
            may("caption", Kind::Text, "What is written below it"),
            REPLY_TO,
            MARK,
            ORIGIN,
            ORIGIN_CHANNEL,
        ],
        ..SENDS
    },
    OperationOffer {
        name: EDIT,
        about: "Changes a message; WhatsApp's gateways cannot, so it is always refused",
        input: &[MESSAGE_ID, TO_CHAT, input("text", Kind::Text, Need::Must, "The new text")],
        output: &[ID],
        repeat: Repeat::Safe,
        ..OperationOffer::BASE
    },
    OperationOffer {
        name: DELETE,
        about: "Takes a message back",
        input: &[MESSAGE_ID, TO_CHAT],
        output: &[ID],
        repeat: Repeat::Safe,
        ..OperationOffer::BASE
    },
];

/// What both ways of sending have in common.
const SENDS: OperationOffer = OperationOffer {
    output: &[
        ID,
        CHAT,
        field("state", Kind::Text, "`sent`: the gateway took it; more is told by delivery.changed"),
    ],
    repeat: Repeat::Once,
    entity: Some(MESSAGE),
    makes: true,
    keeps: &["origin", "origin_channel", "chat", "state"],
    mark: Some("mark"),
    ..OperationOffer::BASE
};

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const fn input(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Input {
    Input { name, kind, need, about, codes: None }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Input {
    input(name, kind, Need::May, about)
}

const TO_CHAT: Input = input("chat", Kind::Text, Need::OneOf, "The gateway's id of the chat");
const TO_PHONE: Input = input("phone", Kind::Phone, Need::OneOf, "The person's phone");
const REPLY_TO: Input = may("reply_to", Kind::Text, "Id of the message that it answers");
const MARK: Input = may("mark", Kind::Text, "What it is for: of two with one mark one is sent");
const ORIGIN: Input = may("origin", Kind::Text, "The CRM's id of the message");
const ORIGIN_CHANNEL: Input = may("origin_channel", Kind::Text, "The CRM's channel of it");
const MESSAGE_ID: Input = input("id", Kind::Text, Need::Must, "The gateway's id of the message");

const ID: Field = field("id", Kind::Text, "The gateway's id of the message");
const CHAT: Field = field("chat", Kind::Text, "The gateway's id of the chat");
const SENDER: Field = field("sender", Kind::Text, "The gateway's id of the person");
const PHONE: Field = field("phone", Kind::Phone, "The person's phone; some have none here");

const RECEIVED_FIELDS: &[Field] = &[
    ID,
    CHAT,
    SENDER,
    PHONE,
    field("name", Kind::Text, "What the person is called there"),
    field("username", Kind::Text, "Always empty here"),
    field("text", Kind::Text, "The text; of a file its caption"),
    field("type", Kind::Text, "text, image, file, audio, video, location, contact or other"),
    field("files", Kind::List(&FILE), "The files"),
    field("reply_to", Kind::Text, "Id of the message that it answers"),
    field("group", Kind::Flag, "The chat is a group"),
    field("own", Kind::Flag, "It was written from our side"),
    field("bot", Kind::Flag, "Always false here"),
    field("forwarded", Kind::Flag, "It was passed on"),
    field("sent", Kind::Time, "When it was written"),
    field("number", Kind::Number, "The gateway's running number of it"),
];
