//! What a Telegram bot offers, as data. Invariant: the names are those that all messengers share, so
//! that a flow serves any of them; nothing else gets into an event.

use crate::connectors::files::FILE;
use crate::domain::offer::{From, Input, KeepOffer, Need};
use crate::domain::{
    EventOffer, Field, Kind, MessengerOffer, Offer, OperationOffer, QueryOffer, Repeat,
};

/// The name in `connector = "…"`, and the kind of its channels.
pub const CONNECTOR: &str = "telegram";

pub const RECEIVED: &str = "message.received";
pub const EDITED: &str = "message.edited";
pub const PRESSED: &str = "button.pressed";
pub const BLOCKED: &str = "person.blocked";
pub const UNBLOCKED: &str = "person.unblocked";

pub const SEND: &str = "message.send";
pub const SEND_FILE: &str = "file.send";
pub const EDIT: &str = "message.edit";
pub const DELETE: &str = "message.delete";

/// The entities of messengers.
const MESSAGE: &str = "message";
const CONVERSATION: &str = "conversation";

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about, codes: None }
}

const fn input(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Input {
    Input { name, kind, need, about, codes: None }
}

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
    events: &[
        MESSAGE_RECEIVED,
        EventOffer {
            kind: EDITED,
            about: "A person changed the text of a message",
            fields: &[
                ID,
                CHAT,
                SENDER,
                field("text", Kind::Text, "The text as it is now, or the caption"),
                field("edited", Kind::Time, "When it was changed"),
            ],
            ..EventOffer::BASE
        },
        EventOffer {
            kind: PRESSED,
            about: "A person pressed a button under a message",
            fields: &[
                field("id", Kind::Text, "The press"),
                CHAT,
                SENDER,
                PHONE,
                field("data", Kind::Text, "What the button carries"),
                field("flow", Kind::Text, "The flow, where the data is FLOW|ORDER|BUTTON"),
                field("order", Kind::Text, "The order of it"),
                field("button", Kind::Text, "The button of it"),
                field("at", Kind::Time, "When it came in: Telegram tells no time of a press"),
            ],
            ..EventOffer::BASE
        },
        EventOffer { kind: BLOCKED, about: "A person blocked the bot", ..BLOCK },
        EventOffer { kind: UNBLOCKED, about: "A person started a blocked bot again", ..BLOCK },
    ],
    queries: &[MESSAGE_KNOWN, CONVERSATION_KNOWN, SENT],
    operations: &[MESSAGE_SEND, FILE_SEND, MESSAGE_EDIT, MESSAGE_DELETE],
};

const ID: Field =
    field("id", Kind::Text, "Chat and number of the message: Telegram numbers within a chat");
const CHAT: Field = field("chat", Kind::Text, "The chat: of a person, or a group");
const SENDER: Field = field("sender", Kind::Text, "The person's id at Telegram");
const PHONE: Field = field("phone", Kind::Phone, "Only where the person shared it");

const KNOWN_BY: Field = field("account", Kind::Text, "The id of the bot that knows it");
const SINCE: Field = field("created", Kind::Time, "Since when we know it");

const MESSAGE_RECEIVED: EventOffer = EventOffer {
    kind: RECEIVED,
    about: "A person wrote to the bot",
    fields: &[
        ID,
        CHAT,
        SENDER,
        PHONE,
        field("name", Kind::Text, "First and last name, as the person wrote them"),
        field("username", Kind::Text, "The public name, without @"),
        field(
            "text",
            Kind::Text,
            "The text, the caption of a file, or what else can be said in words",
        ),
        field("type", Kind::Text, "text, image, file, audio, video, location, contact, other"),
        field("files", Kind::List(&FILE), "The files; of an album each message has one"),
        field("reply_to", Kind::Text, "The message that it answers"),
        field("group", Kind::Flag, "It was written in a group"),
        field("own", Kind::Flag, "The bot itself wrote it"),
        field("bot", Kind::Flag, "A bot wrote it"),
        field("forwarded", Kind::Flag, "It was passed on from elsewhere"),
        field("sent", Kind::Time, "When it was written"),
        field("number", Kind::Number, "Telegram's number of the update: consecutive"),
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
};

const BLOCK: EventOffer = EventOffer {
    fields: &[
        CHAT,
        SENDER,
        field("name", Kind::Text, "First and last name"),
        field("username", Kind::Text, "The public name, without @"),
        field("blocked", Kind::Flag, "The bot is blocked now"),
        field("at", Kind::Time, "When"),
    ],
    keeps: &[KeepOffer {
        entity: CONVERSATION,
        id: "chat",
        fields: &[("name", "name"), ("sender", "sender"), ("blocked", "blocked")],
    }],
    ..EventOffer::BASE
};

const MESSAGE_KNOWN: QueryOffer = QueryOffer {
    name: MESSAGE,
    about: "What we know of a message, from our own memory",
    input: &[input("id", Kind::Text, Need::Must, "The message")],
    output: &[
        ID,
        CHAT,
        field("type", Kind::Text, "text, image, file, audio, video, location, contact, other"),
        field("own", Kind::Flag, "The bot wrote it"),
        field("sent", Kind::Time, "When it was written"),
        field("state", Kind::Text, "sent, where we sent it: Telegram tells no more"),
        field("origin", Kind::Text, "The CRM's message that it was made of"),
        field("origin_channel", Kind::Text, "The CRM's channel of that"),
        KNOWN_BY,
        SINCE,
    ],
    from: From::Memory(MESSAGE),
    ..QueryOffer::BASE
};

const CONVERSATION_KNOWN: QueryOffer = QueryOffer {
    name: CONVERSATION,
    about: "What we know of a chat, from our own memory",
    input: &[input("id", Kind::Text, Need::Must, "The chat")],
    output: &[
        field("id", Kind::Text, "The chat"),
        field("name", Kind::Text, "Name of the person who wrote last"),
        PHONE,
        SENDER,
        field("last", Kind::Text, "The last message"),
        field("last_at", Kind::Time, "When it was written"),
        field("last_own", Kind::Flag, "The bot wrote it"),
        field("blocked", Kind::Flag, "The person has blocked the bot"),
        KNOWN_BY,
        SINCE,
    ],
    from: From::Memory(CONVERSATION),
    ..QueryOffer::BASE
};

const SENT: QueryOffer = QueryOffer {
    name: "sent",
    about: "Was something sent for this already, by another job than the asking one?",
    input: &[input("id", Kind::Text, Need::Must, "The mark that was given with it")],
    output: &[
        field("id", Kind::Text, "The mark"),
        field("event", Kind::Text, "The event that it was sent for"),
        field("operation", Kind::Text, "How it was sent"),
        KNOWN_BY,
        SINCE,
    ],
    from: From::Memory("mark"),
    ..QueryOffer::BASE
};

const TO_CHAT: Input = input("chat", Kind::Text, Need::OneOf, "The chat");
const TO_PHONE: Input = input(
    "phone",
    Kind::Phone,
    Need::OneOf,
    "Of other messengers: a bot cannot write to a phone, and refuses",
);
const REPLY_TO: Input = input("reply_to", Kind::Text, Need::May, "The message that it answers");
const MARK: Input = input("mark", Kind::Text, Need::May, "What it is sent for: see `sent`");
const ORIGIN: Input = input("origin", Kind::Text, Need::May, "The CRM's message, remembered");
const ORIGIN_CHANNEL: Input =
    input("origin_channel", Kind::Text, Need::May, "The CRM's channel of that, remembered");
const THE_MESSAGE: Input = input("id", Kind::Text, Need::Must, "The message");
const ITS_CHAT: Input = input("chat", Kind::Text, Need::May, "Its chat; the id holds it too");

/// A row of buttons, one a line.
const BUTTONS: Kind = Kind::List(&Kind::Record(&[
    field("text", Kind::Text, "What is written on it"),
    field("data", Kind::Text, "What a press brings, 64 bytes at most"),
]));

const OUTPUT: &[Field] =
    &[ID, CHAT, field("state", Kind::Text, "`sent`: Telegram tells no more of a message")];
const KEEPS: &[&str] = &["origin", "origin_channel", "chat", "state"];

const MESSAGE_SEND: OperationOffer = OperationOffer {
    name: SEND,
    about: "Writes to a person who has written to the bot before",
    input: &[
        TO_CHAT,
        TO_PHONE,
        input("text", Kind::Text, Need::Must, "The text, 4096 characters at most"),
        REPLY_TO,
        input("buttons", BUTTONS, Need::May, "Buttons under the message"),
        MARK,
        ORIGIN,
        ORIGIN_CHANNEL,
    ],
    output: OUTPUT,
    repeat: Repeat::Once,
    entity: Some(MESSAGE),
    makes: true,
    keeps: KEEPS,
    mark: Some("mark"),
    ..OperationOffer::BASE
};

const FILE_SEND: OperationOffer = OperationOffer {
    name: SEND_FILE,
    about: "Sends a file to a person who has written to the bot before",
    input: &[
        TO_CHAT,
        TO_PHONE,
        input("file", FILE, Need::Must, "The file, 20 MiB at most"),
        input("caption", Kind::Text, Need::May, "Text under it, 1024 characters at most"),
        REPLY_TO,
        MARK,
        ORIGIN,
        ORIGIN_CHANNEL,
    ],
    output: OUTPUT,
    repeat: Repeat::Once,
    entity: Some(MESSAGE),
    makes: true,
    keeps: KEEPS,
    mark: Some("mark"),
    ..OperationOffer::BASE
};

const MESSAGE_EDIT: OperationOffer = OperationOffer {
    name: EDIT,
    about: "Changes the text of a message that the bot wrote",
    input: &[
        THE_MESSAGE,
        ITS_CHAT,
        input("text", Kind::Text, Need::Must, "The text as it shall be"),
    ],
    output: &[ID],
    repeat: Repeat::Safe,
    entity: Some(MESSAGE),
    ..OperationOffer::BASE
};

const MESSAGE_DELETE: OperationOffer = OperationOffer {
    name: DELETE,
    about: "Takes back a message; Telegram allows it for 48 hours",
    input: &[THE_MESSAGE, ITS_CHAT],
    output: &[ID],
    repeat: Repeat::Safe,
    entity: Some(MESSAGE),
    ..OperationOffer::BASE
};
