//! How the gateway behaves where that differs between instances, days and wishes. Invariant: the
//! default is an instance that works, and tells what it was asked to tell.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Which acks come of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acks {
    /// `delivered`, `viewed`.
    Normal,
    /// `viewed`, `delivered`.
    Swapped,
    /// Each twice.
    Doubled,
    /// `delivered` alone.
    Delivered,
    /// `failed` alone.
    Failed,
    None,
}

impl Acks {
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Self::Normal => &["delivered", "viewed"],
            Self::Swapped => &["viewed", "delivered"],
            Self::Doubled => &["delivered", "delivered", "viewed", "viewed"],
            Self::Delivered => &["delivered"],
            Self::Failed => &["failed"],
            Self::None => &[],
        }
    }
}

/// A reply `sent: false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refuse {
    pub text: String,
    /// So many messages; none: all.
    #[serde(default)]
    pub next: Option<u32>,
}

/// All manners. Times are real milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manner {
    /// `authenticated`, `init`, `loading`, `got qr code`, `not_paid`. The queue holds what comes while
    /// it is another than the first.
    pub status: String,
    pub acks: Acks,
    pub ack_delay_ms: u64,
    /// What we send comes back as a message of ours.
    pub echo: bool,
    /// So long a message stands in the queue.
    pub send_delay_ms: u64,
    pub refuse: Option<Refuse>,
    /// Phones (digits) of whom no ack ever comes.
    pub banned: BTreeSet<String>,
    /// The 30 days of all files are over.
    pub files_gone: bool,
    /// So long the gateway waits before it sends a hook again (`guaranteedHooks`).
    pub hook_pause_ms: u64,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            status: "authenticated".to_owned(),
            acks: Acks::Normal,
            ack_delay_ms: 0,
            echo: true,
            send_delay_ms: 0,
            refuse: None,
            banned: BTreeSet::new(),
            files_gone: false,
            hook_pause_ms: 200,
        }
    }
}

/// The settings of an instance as `/settings` has them.
pub fn settings() -> Map<String, Value> {
    let settings = serde_json::json!({
        "webhookUrl": "", "ackNotificationsOn": false, "chatUpdateOn": false, "videoUploadOn": true,
        "statusNotificationsOn": false, "ignoreOldMessages": false, "guaranteedHooks": false,
        "parallelHooks": false, "processArchive": false, "disableDialogsArchive": false,
        "sendDelay": 0, "instanceStatuses": false, "webhookStatuses": false,
    });
    settings.as_object().cloned().unwrap_or_default()
}
