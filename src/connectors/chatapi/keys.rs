//! The keys of `[connections.NAME]` with `connector = "chatapi"`, for the schema. Invariant: those
//! that `config` reads, no more and no less.

use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::may(
        "profile",
        Shape::Choice(&["chatapi", "1msg"]),
        "Whose gateway it is: chatapi (chat-api.com and its likes) or 1msg (1msg.io)",
    )
    .by_default("chatapi"),
    Key::must(
        "url",
        Shape::Text,
        "The address of the gateway as its account shows it, with or without the instance",
    ),
    Key::must("instance", Shape::Text, "The id of the instance (one WhatsApp number)"),
    Key::must("token", Shape::Secret, "The token of the instance"),
    Key::may(
        "hook_secret",
        Shape::Secret,
        "The last part of the hook's address, 16 characters or more. Without it the connection has no \
         hook: messages come by polling alone, and nobody learns whether ours were delivered",
    ),
    Key::may(
        "public",
        Shape::Text,
        "The address at which our doors are reached from outside: `leadlink setup` enters the hook at \
         the gateway with it",
    ),
    Key::may(
        "poll_every",
        Shape::Duration,
        "How often the gateway's list of messages is read for what no hook brought; 1 s at least",
    )
    .by_default("60s"),
    Key::may(
        "requests_per_second",
        Shape::Rate,
        "Requests to the instance; who writes to people faster than a person does is banned",
    )
    .by_default("1"),
    Key::may(
        "limit_group",
        Shape::Text,
        "Connections of one group share one rate; by default the instance stands for itself",
    ),
    Key::may("timeout", Shape::Duration, "How long one request may take; at most 14 s")
        .by_default("10s"),
];
