//! The control socket of tests: moves the clock of the real binary. Invariant: compiled only with
//! the feature `testing`; never in a release.
//!
//! `LEADLINK_CONTROL` names a Unix socket; a line `shift MILLISECONDS` is answered with `now MS`.
//! `LEADLINK_CONTROL_SHIFT` moves the clock before the database is opened: a process that is started
//! anew goes on where the one before it was, and so does a command that works alone.

use crate::clock::Clock;
use jiff::SignedDuration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Listens where `LEADLINK_CONTROL` says, if it does.
pub fn listen(clock: Clock, stop: CancellationToken) {
    let Ok(path) = std::env::var("LEADLINK_CONTROL") else { return };
    shift(&clock);
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, path, "the control socket cannot be bound");
            return;
        }
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(obey(stream, clock.clone()));
                    }
                }
            }
        }
    });
}

/// Moves the clock as `LEADLINK_CONTROL_SHIFT` says, if it does.
pub fn shift(clock: &Clock) {
    let shift = std::env::var("LEADLINK_CONTROL_SHIFT").ok().and_then(|ms| ms.parse().ok());
    if let Some(ms) = shift {
        clock.shift(SignedDuration::from_millis(ms));
    }
}

async fn obey(stream: UnixStream, clock: Clock) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let by = line.strip_prefix("shift ").and_then(|ms| ms.trim().parse::<i64>().ok());
        if let Some(ms) = by {
            clock.shift(SignedDuration::from_millis(ms));
        }
        let answer = format!("now {}\n", clock.now().as_millisecond());
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
