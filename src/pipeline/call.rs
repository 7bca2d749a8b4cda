//! How one process has others do something: a command is left for who owns what it is about, a call
//! for every process. Invariant: who gives up waiting takes nothing back; it is done all the same.

use crate::clock::Clock;
use crate::store::{Error, Replica, Store};
use jiff::SignedDuration;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A process that was seen this lately is there.
const SEEN: SignedDuration = SignedDuration::from_secs(15);
/// How often it is looked whether there is an answer.
const LOOK: Duration = Duration::from_millis(100);

/// What became of a call to all.
#[derive(Debug)]
pub enum Heard {
    /// By all; each says in its row whether it had trouble with it.
    All(Vec<Replica>),
    /// Not by the processes of these names, in that time.
    Not(Vec<String>),
}

/// The processes that show themselves on this store.
///
/// # Errors
/// The store's.
pub async fn running(store: &Store, clock: &Clock) -> Result<Vec<Replica>, Error> {
    let (mut replicas, now) = store.replicas(clock.now()).await?;
    replicas.retain(|replica| now.duration_since(replica.seen) < SEEN);
    Ok(replicas)
}

/// Leaves a command and waits for its answer, however long that takes: who has less patience says so.
///
/// # Errors
/// The store's.
pub async fn command(
    store: &Store,
    kind: &str,
    body: &Value,
    clock: &Clock,
) -> Result<Value, Error> {
    let id = store.leave_command(kind, body, clock.now()).await?;
    loop {
        if let Some(answer) = store.command_answer(id).await? {
            return Ok(answer);
        }
        sleep(LOOK).await;
    }
}

/// Calls every process and waits until each has heard it.
///
/// # Errors
/// The store's.
pub async fn all(
    store: &Store,
    kind: &str,
    clock: &Clock,
    patience: Duration,
) -> Result<Heard, Error> {
    let call = store.call_all(kind, clock.now()).await?;
    let give_up = Instant::now() + patience;
    loop {
        let live = running(store, clock).await?;
        let silent = live.iter().filter(|replica| replica.heard < call);
        let silent: Vec<String> = silent.map(|replica| replica.owner.clone()).collect();
        if silent.is_empty() {
            return Ok(Heard::All(live));
        }
        if Instant::now() > give_up {
            return Ok(Heard::Not(silent));
        }
        sleep(LOOK).await;
    }
}
