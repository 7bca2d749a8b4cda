//! The keys of `[connections.NAME]` with `connector = "retailcrm"`, for the schema. Invariant: those
//! that `config` reads, no more and no less.

use super::chats::config::CHANNEL_KEYS;
use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::must("url", Shape::Text, "The address of the account, without a path: https://shop.retailcrm.ru"),
    Key::must("api_key", Shape::Secret, "The key of Settings, Integration, API access keys"),
    Key::may(
        "site",
        Shape::Text,
        "The store of new customers and orders (`leadlink list NAME sites`); by default the CRM's first",
    ),
    Key::may(
        "status",
        Shape::Text,
        "The status of a new order (`leadlink list NAME statuses`); by default the CRM's first",
    ),
    Key::may(
        "order_method",
        Shape::Text,
        "The method of a new order (`leadlink list NAME methods`); by default the CRM's own for the API",
    ),
    Key::may(
        "order_type",
        Shape::Text,
        "The type of a new order (`leadlink list NAME types`); by default the CRM's own for the API",
    ),
    Key::may(
        "hook_secret",
        Shape::Secret,
        "What a trigger of the CRM must know to post to the hook; 16 characters or more. Without it \
         the connection has no hook",
    ),
    Key::may(
        "poll_every",
        Shape::Duration,
        "How often the history of orders is read; 1 s at least",
    )
    .by_default("60s"),
    Key::may(
        "requests_per_second",
        Shape::Rate,
        "The CRM allows 10 requests per second for each key",
    )
    .by_default("10"),
    Key::may(
        "limit_group",
        Shape::Text,
        "Connections of one group share one rate; by default the host of `url`",
    ),
    Key::may(
        "external_ids",
        Shape::Flag,
        "Orders that we create carry externalId `leadlink-<lead type>-<lead id>`, by which a repeat is \
         known",
    )
    .by_default("true"),
    Key::may(
        "phone_spellings",
        Shape::Texts,
        "How one phone is looked for: {digits} 79161234567, {national} 9161234567. Each one costs a \
         request",
    )
    .by_default("[\"{national}\", \"{digits}\", \"+{digits}\", \"8{national}\"]"),
    Key::may("timeout", Shape::Duration, "How long one request may take; at most 14 s")
        .by_default("10s"),
    Key::may(
        "timezone",
        Shape::Text,
        "The zone of the account's times, like Europe/Moscow; by default what the account's settings say",
    ),
    Key::may(
        "chats",
        Shape::Flag,
        "Messengers are attached to the CRM's chats; by default where there are channels",
    ),
    Key::may(
        "public",
        Shape::Text,
        "Where the CRM reaches our hooks, for chats: https://leadlink.example.com",
    ),
    Key::may(
        "module",
        Shape::Text,
        "The code of our integration module in the CRM; by default `leadlink-<name of the table>`",
    ),
    Key::may(
        "chat_requests_per_second",
        Shape::Rate,
        "The CRM's chats allow 100 requests per second, beside those of the API",
    )
    .by_default("100"),
    Key::may(
        "longest_text",
        Shape::Count,
        "Characters without white space that one message of the CRM's chats may have: a longer one of \
         a manager is refused, a longer one of a person comes in several",
    )
    .by_default("2000"),
    Key::may(
        "dialogs",
        Shape::Flag,
        "Dialogs of the CRM's chats are watched (and may be assigned and closed), by its Bot API",
    )
    .by_default("true"),
    Key::may(
        "channels",
        Shape::Tables(CHANNEL_KEYS),
        "One table for each messenger of the chats, named after the messenger's connection",
    ),
];
