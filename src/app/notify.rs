//! What the service manager (systemd) is told. Invariant: without `NOTIFY_SOCKET` all of it is
//! silent, and nothing that is told ever fails the daemon.
//!
//! The watchdog asks one question: would a restart mend it? A runtime whose timer stands still, or a
//! store inside this process (SQLite) that gives no answer at all, is mended by nothing else: no
//! message goes out, and the manager restarts us. A store that answers with an error — a full disk,
//! a PostgreSQL that refuses — is not mended by a restart, and one in PostgreSQL that says nothing
//! is most often the network's or its own restart: then the message goes out, while `/readyz` says
//! 503 and the log says why. A daemon is never restarted in a loop because its database is away.

use crate::pipeline::Pipeline;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// The doors answer; also the end of a reload, however it ended.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it.
pub fn reloading(status: &str) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now, NotifyState::Status(status)]),
        // Without the time the manager would take the reload for failed.
        Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
    }
}

/// The end has begun.
pub fn stopping(status: &str) {
    send(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Tells the watchdog twice in its time that we live, if there is one; never ends while there is.
pub async fn watch(pipeline: Pipeline, store_is_inside: bool) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return;
    };
    let mut beats = interval(limit / 2);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if lives(&pipeline, store_is_inside, limit / 4).await {
            send(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the store gives no answer; the watchdog is not told that we live");
        }
    }
}

async fn lives(pipeline: &Pipeline, store_is_inside: bool, patience: Duration) -> bool {
    let answer = timeout(patience, pipeline.store.ping(pipeline.clock.now())).await;
    // An error is an answer.
    answer.is_ok() || !store_is_inside
}

fn send(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
