//! The keys of `[connections.NAME]` with `connector = "calltouch"`, for the schema. Invariant: those
//! that `config` reads, no more and no less.

use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::may("url", Shape::Text, "The address of the API").by_default("https://api.calltouch.ru"),
    Key::must("site_id", Shape::Count, "The id of the site in the cabinet (ID личного кабинета)"),
    Key::must("token", Shape::Secret, "The API token of the same page (clientApiId)"),
    Key::may(
        "hook_secret",
        Shape::Secret,
        "The last part of the hook's address, 16 characters or more. Without it the connection has no \
         hook, and leads come by the journals alone",
    ),
    Key::may("timezone", Shape::Text, "The zone of the site's cabinet: journals carry local times")
        .by_default("Europe/Moscow"),
    Key::may(
        "poll_every",
        Shape::Duration,
        "How often the journals of calls and requests are read; 1 s at least. Every poll costs points \
         of Calltouch's daily budget",
    )
    .by_default("5m"),
    Key::may(
        "requests_per_second",
        Shape::Rate,
        "Calltouch allows 5 requests per second",
    )
    .by_default("5"),
    Key::may(
        "requests_per_day",
        Shape::Count,
        "How many requests of one day the points of the account allow; by default nobody counts",
    ),
    Key::may(
        "limit_group",
        Shape::Text,
        "Connections of one group share one rate; by default the host of `url`",
    ),
    Key::may("timeout", Shape::Duration, "How long one request may take; at most 14 s")
        .by_default("10s"),
    Key::may(
        "search_depth",
        Shape::Count,
        "How far back Calltouch looks for the lead of a deal where our own journal of leads is not \
         complete, in minutes",
    )
    .by_default("525600"),
    Key::may(
        "request_email_fields",
        Shape::Texts,
        "Names of the request webhook's field with the e-mail, where the cabinet sends another one",
    ),
    Key::may(
        "chat_fields",
        Shape::Named(CHAT_FIELDS),
        "Names of the chat webhook's fields where the cabinet sends other ones: ours = theirs (one \
         name, or several in order)",
    ),
];

/// Our names of a chat's fields.
const CHAT_FIELDS: &[&str] = &[
    "id",
    "name",
    "phone",
    "email",
    "created",
    "text",
    "source",
    "medium",
    "keyword",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "city",
    "session_id",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::calltouch::parse;

    #[test]
    fn the_fields_of_a_chat_are_those_that_may_be_renamed() {
        assert_eq!(CHAT_FIELDS.to_vec(), parse::chat_fields().collect::<Vec<_>>());
    }
}
