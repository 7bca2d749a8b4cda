//! Long polls, who waits for updates, and what the sandbox does for its user here. Invariant: of two polls
//! of one bot the first is over when the second begins.

use super::called;
use super::form::Fields;
use super::people::{Does, Told};
use crate::sandbox::{Hub, Sandbox, control};
use std::time::Duration;

const CUT_BY_POLL: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot \
                           instance is running";
const CUT_BY_WEBHOOK: &str = "Conflict: terminated by setWebhook request";

/// A long poll waits for updates, for its time or until another one begins; none: it may be answered.
pub(in crate::sandbox) async fn held_back(
    hub: &Hub,
    path: &str,
    fields: &Fields,
) -> Option<&'static str> {
    let (token, method) = called(path)?;
    if !method.eq_ignore_ascii_case("getUpdates") {
        return None;
    }
    let mut news = hub.telegram_news.subscribe();
    let own = {
        let mut world = hub.world();
        let bot = world.bot(Some(token))?;
        bot.updates.poller += 1;
        bot.updates.poller
    };
    hub.tell_telegram();
    let seconds = fields.number("timeout").unwrap_or_default().clamp(0, 50);
    let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    loop {
        let (poller, is_hooked, ready) = {
            let mut world = hub.world();
            let updates = &world.bot(Some(token))?.updates;
            (updates.poller, updates.webhook.is_some(), updates.is_ready(fields))
        };
        if poller != own {
            return Some(if is_hooked { CUT_BY_WEBHOOK } else { CUT_BY_POLL });
        }
        if ready {
            return None;
        }
        tokio::select! {
            () = &mut over => return None,
            changed = news.changed() => if changed.is_err() { return None },
        }
    }
}

impl Hub {
    /// Wakes the long polls and the deliveries of bots.
    pub(in crate::sandbox) fn tell_telegram(&self) {
        self.telegram_news.send_modify(|count| *count += 1);
    }
}

impl Sandbox {
    pub fn telegram_url(&self) -> String {
        format!("http://{}", self.hub.telegram)
    }

    pub fn telegram_token(&self) -> &str {
        &self.hub.options.telegram_token
    }

    /// Somebody does something in a chat of a bot; none when there is no such bot.
    pub fn telegram(&self, does: &Does) -> Option<Told> {
        control::act(&self.hub, does)
    }
}
