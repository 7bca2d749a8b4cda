//! Config and flows read anew while the daemon runs. Invariant: they are checked whole; a bad set
//! keeps the old one running and says why; jobs that wait are decided by the flows as they are when
//! they are due, plans under way end as they began.

use super::{App, Read, notify};
use crate::connectors::Shared;
use crate::desk::Desk;
use crate::diagnosis::{has_errors, render};
use crate::pipeline::{Pipeline, chores};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Where the running set came from.
pub struct Source {
    pub file: Option<PathBuf>,
    pub listen: String,
    pub store_url: String,
    pub shared: Shared,
    /// What the chores are done by.
    pub chores: watch::Sender<chores::Settings>,
    /// Who shows what was read.
    pub desk: Desk,
}

/// Catches SIGHUP from now on: before that it would end the process.
///
/// # Errors
/// The handler cannot be installed.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Reads anew at every SIGHUP and at every call of `leadlink reload`, until `stop`.
pub async fn forever(
    pipeline: Pipeline,
    mut source: Source,
    mut hangup: Signal,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangup.recv() => {}
            () = pipeline.wake.reload.notified() => {}
        }
        let call = pipeline.wake.read();
        notify::reloading("reading configuration and flows anew");
        let (trouble, status) = match once(&pipeline, &source).await {
            Ok(shared) => {
                source.shared = shared;
                tracing::info!(flows = pipeline.setup().book.flows().len(), "reloaded");
                (None, "accepting; reloaded")
            }
            Err(why) => {
                tracing::error!(why, "the reload is refused; what ran before runs on");
                (Some(why), "accepting; the reload was refused, the log tells why")
            }
        };
        // Who waits for the reload does not wait for the service manager too.
        pipeline.wake.hear(call);
        pipeline.tell(trouble);
        notify::ready(status);
    }
}

async fn once(pipeline: &Pipeline, source: &Source) -> Result<Shared, String> {
    let file = source.file.clone();
    let shared = source.shared.next();
    let next = shared.clone();
    // Reading files and running all cases takes a while; the doors go on.
    let read = tokio::task::block_in_place(move || {
        super::read_with(file.as_deref(), std::env::vars(), &next)
    });
    let Read { app, problems, .. } = read;
    let text = render(&problems, false);
    let Some(app) = app.filter(|_| !has_errors(&problems)) else { return Err(text) };
    let chores = app.chores();
    let App { server, store_url, book, connectors, console, papers, .. } = app;
    for (what, was, is) in [
        ("server.listen", &source.listen, &server.listen),
        ("store.url", &source.store_url, &store_url),
    ] {
        if was != is {
            tracing::warn!("{what} has changed: that takes effect at the next start");
        }
    }
    let adopted = pipeline.adopt(Arc::new(book), Arc::new(connectors)).await;
    adopted.map_err(|error| error.to_string())?;
    shared.limits.adopt();
    source.desk.adopt(console, papers);
    source.chores.send_if_modified(|held| {
        let changed = *held != chores;
        *held = chores;
        changed
    });
    Ok(shared)
}
