//! The keys of `[connections.NAME]` with `connector = "usedesk"`, for the schema. Invariant: those that
//! `config` reads, no more and no less.

use super::words::LANGUAGES;
use crate::config::keys::{Key, Shape};

pub const KEYS: &[Key] = &[
    Key::must("crm", Shape::Text, "The connection whose customers and orders it shows"),
    Key::must(
        "secret",
        Shape::Secret,
        "The block's secret key over there, 16 characters or more",
    ),
    Key::may("enabled", Shape::Flag, "Switched off it shows nothing and asks the CRM nothing")
        .by_default("true"),
    Key::may(
        "subdomain",
        Shape::Form("^[a-z0-9-]+$"),
        "What the block's parameter `subdomain` must say; by default the first part of the CRM's host",
    ),
    Key::may(
        "accept_api_key",
        Shape::Flag,
        "The API key of the CRM opens the block too, as in the help desk's own integration: the key \
         then crosses the network with every ticket",
    )
    .by_default("false"),
    Key::may("title", Shape::Text, "Stands above the block; by default nothing does"),
    Key::may(
        "template",
        Shape::Text,
        "The file of the block's HTML, a Jinja template; by default the one that leadlink ships. \
         Relative paths start where leadlink was started",
    ),
    Key::may("orders", Shape::Count, "Orders of each customer that are shown, 100 at most")
        .by_default("10"),
    Key::may(
        "timeout",
        Shape::Duration,
        "A ticket is answered within so long, if only with a notice; at most 20 s",
    )
    .by_default("3s"),
    Key::may("language", Shape::Choice(LANGUAGES), "Of notices, dates and sums").by_default("ru"),
];
