//! What dialogs of the chats offer to flows. Invariant: the shapes here are those that `dialogs` and
//! `bot` give out and take.

use super::offer::{ASSIGNED, CLOSED, OPENED, field, must};
use crate::domain::{EventOffer, Field, Kind, OperationOffer, QueryOffer, Repeat};

/// What is told of a dialog whenever something happens to it.
const DIALOG: &[Field] = &[
    field("id", Kind::Text, "id of the dialog"),
    field("chat_id", Kind::Text, "the CRM's own id of the conversation"),
    field("opened", Kind::Time, "when it was opened"),
    field("responsible", Kind::Text, "who answers: the CRM's id of a user, or the id of a bot"),
    field("responsible_kind", Kind::Text, "user or bot"),
    field("assigned_at", Kind::Time, "since when"),
    field("closed", Kind::Time, "when it was closed"),
];

pub const DIALOG_OPENED: EventOffer = EventOffer {
    kind: OPENED,
    about: "a dialog was opened in the CRM's chats",
    fields: DIALOG,
    ..EventOffer::BASE
};

pub const DIALOG_ASSIGNED: EventOffer = EventOffer {
    kind: ASSIGNED,
    about: "a dialog is somebody's now",
    fields: DIALOG,
    ..EventOffer::BASE
};

pub const DIALOG_CLOSED: EventOffer = EventOffer {
    kind: CLOSED,
    about: "a dialog was closed, by whomever",
    fields: DIALOG,
    ..EventOffer::BASE
};

pub const DIALOG_NOW: QueryOffer = QueryOffer {
    name: "dialog",
    about: "a dialog of the CRM's chats as it is now",
    input: &[must("id", Kind::Text, "id of the dialog")],
    output: &[
        field("id", Kind::Text, "id of the dialog"),
        field("chat_id", Kind::Text, "the CRM's own id of the conversation"),
        field("channel", Kind::Text, "name of the messenger's connection, if it is one of ours"),
        field("opened", Kind::Time, "when it was opened"),
        field("responsible", Kind::Text, "who answers: the CRM's id of a user, or a bot's"),
        field("responsible_kind", Kind::Text, "user or bot"),
        field("assigned_at", Kind::Time, "since when"),
        field("closed", Kind::Time, "when it was closed"),
        field("open", Kind::Flag, "it is not closed"),
        field("last_at", Kind::Time, "the last message, else when it became somebody's or opened"),
        field("month_from", Kind::Time, "28 days after that it is a calendar month old"),
        field("distributed", Kind::Flag, "a bot that hands dialogs out works in the account"),
    ],
    ..QueryOffer::BASE
};

pub const ASSIGN: OperationOffer = OperationOffer {
    name: "dialog.assign",
    about: "makes a dialog that of a manager; of several, each dialog has one in turn",
    input: &[
        must("id", Kind::Text, "id of the dialog"),
        must("managers", Kind::List(&Kind::Text), "the CRM's ids of users").of("users"),
    ],
    output: &[field("id", Kind::Text, "id of the dialog")],
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};

pub const CLOSE: OperationOffer = OperationOffer {
    name: "dialog.close",
    about: "closes a dialog; one that is closed is done",
    input: &[must("id", Kind::Text, "id of the dialog")],
    output: &[field("id", Kind::Text, "id of the dialog")],
    repeat: Repeat::Safe,
    ..OperationOffer::BASE
};
