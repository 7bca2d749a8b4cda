//! The keys of `[connections.NAME]` with `connector = "telegram"`, for the schema. Invariant: those
//! that `config` reads, no more and no less.

use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::may("url", Shape::Text, "The address of the Bot API, or of a server of your own")
        .by_default("https://api.telegram.org"),
    Key::must("token", Shape::Secret, "The token of the bot, as @BotFather gave it"),
    Key::may(
        "mode",
        Shape::Choice(&["webhook", "poll"]),
        "How updates come: Telegram delivers them to the hook, or they are fetched. By default \
         `webhook` where there is a hook_secret, else `poll`. `leadlink setup` tells Telegram",
    ),
    Key::may(
        "hook_secret",
        Shape::Secret,
        "The last part of the hook's address, 16 characters or more. Without it the connection has no \
         hook, and updates come by polls",
    ),
    Key::may(
        "secret_token",
        Shape::Secret,
        "What Telegram shall put into the header X-Telegram-Bot-Api-Secret-Token, 1 to 256 characters \
         of A-Z, a-z, 0-9, _ and -; by default made of hook_secret and token",
    ),
    Key::may(
        "public",
        Shape::Text,
        "Where the hooks are reached from outside, like https://hooks.example.com: for `leadlink setup`",
    ),
    Key::may(
        "poll_every",
        Shape::Duration,
        "The shortest time from one poll to the next that finds nothing; a poll waits for updates by \
         itself, until 3 s before `timeout`; 1 s at least",
    )
    .by_default("1s"),
    Key::may(
        "requests_per_second",
        Shape::Rate,
        "Telegram allows about 30 messages per second for one bot",
    )
    .by_default("25"),
    Key::may(
        "chat_pause",
        Shape::Duration,
        "From one message to the next in one chat; in a group thrice as long. Telegram allows about one \
         a second, and 20 a minute in a group",
    )
    .by_default("1s"),
    Key::may(
        "limit_group",
        Shape::Text,
        "Connections of one group share one rate; by default each bot has its own",
    ),
    Key::may("timeout", Shape::Duration, "How long one request may take; at most 14 s")
        .by_default("10s"),
];
