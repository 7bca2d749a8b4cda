//! The keys of `[connections.NAME]` with `connector = "webhook"`, for the schema. Invariant: those that
//! `config` reads, no more and no less.

use super::reading::FIELDS;
use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::may(
        "hook_secret",
        Shape::Secret,
        "The last part of the hook's address, 16 characters or more. Without it the connection has no \
         hook",
    ),
    Key::may(
        "sign_secret",
        Shape::Secret,
        "The secret of the signature (HMAC-SHA256, in hex) that deliveries carry; by default they carry \
         none",
    ),
    Key::may("sign_header", Shape::Text, "The header with the signature").by_default("X-Signature"),
    Key::may("sign_prefix", Shape::Text, "What stands before the signature").by_default("sha256="),
    Key::may(
        "sign_time_header",
        Shape::Text,
        "The header with a time that is signed too, as TIME.BODY; by default the body alone is signed",
    ),
    Key::may("sign_sends", Shape::Flag, "What we send carries the same signature")
        .by_default("false"),
    Key::may(
        "when",
        Shape::Named(&[]),
        "Which deliveries are messages: path = value, or several of which one must hold; by default all",
    ),
    Key::may(
        "unless",
        Shape::Named(&[]),
        "Which are none after all (internal notes): path = value, or several",
    ),
    Key::may(
        "own",
        Shape::Named(&[]),
        "Which were written from our side: path = value, or several",
    ),
    Key::may(
        "fields",
        Shape::Named(FIELDS),
        "Where the fields of a message stand: ours = path (`conversation.id`), or several in order; \
         `id` and `chat` must be there",
    ),
    Key::must("url", Shape::Text, "The root of the addresses that we send to"),
    Key::may(
        "send_path",
        Shape::Text,
        "The path of a message; {chat}, {text}, {reply_to} and {mark} stand for what is sent. Without \
         it nothing can be sent",
    ),
    Key::may("send_body", Shape::Text, "The JSON of a message, with the same places in its texts")
        .by_default(r#"{"chat": "{chat}", "text": "{text}"}"#),
    Key::may("send_id", Shape::Text, "Where the answer has the id of the message").by_default("id"),
    Key::may("send_header", Shape::Text, "The header with our key").by_default("Authorization"),
    Key::may("send_secret", Shape::Secret, "What stands in it; by default there is no such header"),
    Key::may("requests_per_second", Shape::Rate, "How fast we send").by_default("5"),
    Key::may(
        "limit_group",
        Shape::Text,
        "Connections of one group share one rate; by default the host of `url`",
    ),
    Key::may("timeout", Shape::Duration, "How long one request may take; at most 14 s")
        .by_default("10s"),
];
