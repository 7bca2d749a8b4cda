//! The words that all messengers share: what comes in from people, what goes out to them, what is
//! remembered of both. Invariant: a messenger offers all of them under these names, so that one flow
//! serves every messenger; what a far side cannot do is refused there, with the reason.

use super::files::FILE;
use crate::domain::offer::{Field, From, Input, KeepOffer, Kind, Need};
use crate::domain::{EventOffer, OperationOffer, QueryOffer, Repeat};

pub const RECEIVED: &str = "message.received";
pub const EDITED: &str = "message.edited";
pub const DELIVERY: &str = "delivery.changed";
pub const PRESSED: &str = "button.pressed";
pub const BLOCKED: &str = "person.blocked";
pub const UNBLOCKED: &str = "person.unblocked";

pub const SEND: &str = "message.send";
pub const SEND_FILE: &str = "file.send";
pub const EDIT: &str = "message.edit";
pub const DELETE: &str = "message.delete";

/// The entities that are remembered.
const MESSAGE: &str = "message";
const CONVERSATION: &str = "conversation";
const MARK: &str = "mark";

/// What a messenger reports; one that never has something to report of a kind offers it all the same.
pub const EVENTS: &[EventOffer] = &[
    EventOffer {
        kind: RECEIVED,
        about: "a message in a chat, also one that was written from our side (`own`)",
        fields: &[
            ID,
            CHAT,
            SENDER,
            PHONE,
            NAME,
            USERNAME,
            field(
                "text",
                Kind::Text,
                "the text, the caption of a file, or what else words can say",
            ),
            field("type", Kind::Text, TYPES),
            field("files", Kind::List(&FILE), "the files; of an album each message has one"),
            field("reply_to", Kind::Text, "id of the message that it answers"),
            field("group", Kind::Flag, "the chat is a group"),
            OWN,
            field("bot", Kind::Flag, "a bot wrote it"),
            field("forwarded", Kind::Flag, "it was passed on from elsewhere"),
            field("sent", Kind::Time, "when it was written"),
            field("number", Kind::Number, "the far side's running number: a gap is something lost"),
        ],
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
        kind: EDITED,
        about: "a person changed the text of a message",
        fields: &[
            ID,
            CHAT,
            SENDER,
            field("text", Kind::Text, "the text as it is now, or the caption"),
            field("edited", Kind::Time, "when it was changed"),
        ],
        ..EventOffer::BASE
    },
    EventOffer {
        kind: DELIVERY,
        about: "a message of ours was delivered, read, or could not be delivered",
        fields: &[
            ID,
            CHAT,
            field("state", Kind::Text, STATES),
            field("code", Kind::Text, "of an error: why, in the CRM's words"),
            field("why", Kind::Text, "of an error: why, in the messenger's words"),
            field("at", Kind::Time, "when, or when we learned of it"),
        ],
        keeps: &[KeepOffer { entity: MESSAGE, id: "id", fields: &[("state", "state")] }],
        ..EventOffer::BASE
    },
    EventOffer {
        kind: PRESSED,
        about: "a person pressed a button under a message",
        fields: &[
            field("id", Kind::Text, "id of the press"),
            CHAT,
            SENDER,
            PHONE,
            field("data", Kind::Text, "what the button holds"),
            field("flow", Kind::Text, "of a button of ours (FLOW|ORDER|BUTTON): the flow"),
            field("order", Kind::Text, "of a button of ours: the order that it is about"),
            field("button", Kind::Text, "of a button of ours: which one; else its text"),
            field("at", Kind::Time, "when, or when we learned of it"),
        ],
        ..EventOffer::BASE
    },
    EventOffer { kind: BLOCKED, about: "a person blocked us", ..BLOCK },
    EventOffer { kind: UNBLOCKED, about: "a person lets us write again", ..BLOCK },
];

const BLOCK: EventOffer = EventOffer {
    fields: &[
        CHAT,
        SENDER,
        NAME,
        USERNAME,
        field("blocked", Kind::Flag, "we are blocked now"),
        field("at", Kind::Time, "when"),
    ],
    keeps: &[KeepOffer {
        entity: CONVERSATION,
        id: "chat",
        fields: &[("name", "name"), ("sender", "sender"), ("blocked", "blocked")],
    }],
    ..EventOffer::BASE
};

/// What is known of messages, from our own memory.
pub const QUERIES: &[QueryOffer] = &[
    QueryOffer {
        name: MESSAGE,
        about: "what we know of a message, from our own memory",
        input: &[input("id", Kind::Text, Need::Must, "id of the message")],
        output: &[
            ID,
            CHAT,
            field("type", Kind::Text, TYPES),
            OWN,
            field("sent", Kind::Time, "when it was written"),
            field("state", Kind::Text, STATES),
            field("origin", Kind::Text, "of one that we sent: the CRM's id of it"),
            field("origin_channel", Kind::Text, "of one that we sent: the CRM's channel"),
            KNOWN_BY,
            SINCE,
        ],
        from: From::Memory(MESSAGE),
        ..QueryOffer::BASE
    },
    QueryOffer {
        name: CONVERSATION,
        about: "what we know of a chat, from our own memory",
        input: &[input("id", Kind::Text, Need::Must, "id of the chat")],
        output: &[
            field("id", Kind::Text, "id of the chat"),
            NAME,
            PHONE,
            SENDER,
            field("last", Kind::Text, "id of the last message"),
            field("last_at", Kind::Time, "when that was written"),
            field("last_own", Kind::Flag, "that was written from our side"),
            field("blocked", Kind::Flag, "the person has blocked us"),
            KNOWN_BY,
            SINCE,
        ],
        from: From::Memory(CONVERSATION),
        ..QueryOffer::BASE
    },
    QueryOffer {
        name: "sent",
        about: "was something sent for this mark already, by another job than the asking one?",
        input: &[input("id", Kind::Text, Need::Must, "the mark that was given with it")],
        output: &[
            field("id", Kind::Text, "the mark"),
            field("event", Kind::Text, "the event that it was sent for"),
            field("operation", Kind::Text, "how it was sent"),
            KNOWN_BY,
            SINCE,
        ],
        from: From::Memory(MARK),
        ..QueryOffer::BASE
    },
];

/// What goes out to people.
pub const OPERATIONS: &[OperationOffer] = &[
    OperationOffer {
        name: SEND,
        about: "writes to a person, once",
        input: &[
            TO_CHAT,
            TO_PHONE,
            input("text", Kind::Text, Need::Must, "the text"),
            REPLY_TO,
            may("buttons", BUTTONS, "buttons under it, or lines where there are none"),
            FOR,
            ORIGIN,
            ORIGIN_CHANNEL,
        ],
        ..SENDS
    },
    OperationOffer {
        name: SEND_FILE,
        about: "sends a file to a person, once",
        input: &[
            TO_CHAT,
            TO_PHONE,
            input("file", FILE, Need::Must, "the file, 20 MiB at most"),
            may("caption", Kind::Text, "what is written under it"),
            REPLY_TO,
            FOR,
            ORIGIN,
            ORIGIN_CHANNEL,
        ],
        ..SENDS
    },
    OperationOffer {
        name: EDIT,
        about: "changes the text of a message that we wrote",
        input: &[THE_MESSAGE, ITS_CHAT, input("text", Kind::Text, Need::Must, "the new text")],
        output: &[ID],
        repeat: Repeat::Safe,
        entity: Some(MESSAGE),
        ..OperationOffer::BASE
    },
    OperationOffer {
        name: DELETE,
        about: "takes a message back",
        input: &[THE_MESSAGE, ITS_CHAT],
        output: &[ID],
        repeat: Repeat::Safe,
        entity: Some(MESSAGE),
        ..OperationOffer::BASE
    },
];

/// What both ways of sending have in common.
const SENDS: OperationOffer = OperationOffer {
    output: &[
        ID,
        CHAT,
        field("state", Kind::Text, "`sent`: it was taken; more is told by delivery.changed"),
    ],
    repeat: Repeat::Once,
    entity: Some(MESSAGE),
    makes: true,
    keeps: &["origin", "origin_channel", "chat", "state"],
    mark: Some("mark"),
    ..OperationOffer::BASE
};

const TYPES: &str = "text, image, file, audio, video, location, contact, other";
const STATES: &str = "sent, delivered, read or error";

const ID: Field = field("id", Kind::Text, "the messenger's id of the message");
const CHAT: Field = field("chat", Kind::Text, "id of the chat: of a person, or a group");
const SENDER: Field = field("sender", Kind::Text, "the messenger's id of the person");
const PHONE: Field = field("phone", Kind::Phone, "the person's phone; empty where nobody tells");
const NAME: Field = field("name", Kind::Text, "what the person is called there");
const USERNAME: Field = field("username", Kind::Text, "the public name, without @");
const OWN: Field = field("own", Kind::Flag, "it was written from our side");
const KNOWN_BY: Field = field("account", Kind::Text, "the account that knows it");
const SINCE: Field = field("created", Kind::Time, "since when we know it");

const TO_CHAT: Input = input("chat", Kind::Text, Need::OneOf, "id of the chat");
const TO_PHONE: Input =
    input("phone", Kind::Phone, Need::OneOf, "the person's phone; not every messenger can");
const REPLY_TO: Input = may("reply_to", Kind::Text, "id of the message that it answers");
const FOR: Input = may("mark", Kind::Text, "what it is sent for: see `sent`");
const ORIGIN: Input = may("origin", Kind::Text, "the CRM's id of the message, remembered");
const ORIGIN_CHANNEL: Input = may("origin_channel", Kind::Text, "the CRM's channel, remembered");
const THE_MESSAGE: Input = input("id", Kind::Text, Need::Must, "id of the message");
const ITS_CHAT: Input = may("chat", Kind::Text, "its chat, where the id does not hold it");

const BUTTONS: Kind = Kind::List(&Kind::Record(&[
    field("text", Kind::Text, "what is written on it"),
    field("data", Kind::Text, "what a press tells, 64 bytes at most"),
]));

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const fn input(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Input {
    Input { name, kind, need, about, codes: None }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Input {
    input(name, kind, Need::May, about)
}
