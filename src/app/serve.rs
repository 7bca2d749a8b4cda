//! The daemon: doors first, then the loops; at a signal the other way round. Invariant: `/healthz`
//! answers before any far side is asked, and what was accepted is durable whatever happens next.

use super::doorway::Entrance;
use super::{App, notify, reload};
use crate::clock::Clock;
use crate::desk::{Desk, hub};
use crate::http::{Doors, router};
use crate::pipeline::owners::Sign;
use crate::pipeline::{chores as by_the_clock, run};
use crate::ui;
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Renders `/metrics`.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// How the daemon is told to end.
#[derive(Clone, Default)]
pub struct Stop {
    /// No new work; the doors stay open for the drain.
    pub begun: CancellationToken,
    /// The doors close now, whatever is left of the drain.
    pub hurry: CancellationToken,
}

impl From<CancellationToken> for Stop {
    fn from(begun: CancellationToken) -> Self {
        Self { begun, hurry: CancellationToken::new() }
    }
}

/// Serves until `stop`; returns when all that was under way has come to its end.
///
/// # Errors
/// The address or the store cannot be had.
pub async fn serve(
    app: App,
    clock: Clock,
    metrics: Metrics,
    stop: impl Into<Stop>,
) -> anyhow::Result<()> {
    let entrance = Entrance::of(&app.server).await?;
    serve_on(entrance, app, clock, metrics, stop).await
}

/// As [`serve`], where the way to the address is known already.
///
/// # Errors
/// The store or a shared address cannot be had.
pub async fn serve_on(
    entrance: impl Into<Entrance>,
    app: App,
    clock: Clock,
    metrics: Metrics,
    stop: impl Into<Stop>,
) -> anyhow::Result<()> {
    let (entrance, stop) = (entrance.into(), stop.into());
    let drain = app.server.drain;
    let store_is_inside = app.store_url.starts_with("sqlite:");
    #[cfg(feature = "testing")]
    super::control::listen(clock.clone(), CancellationToken::new());
    let (settled, settings) = watch::channel(app.chores());
    let (console, papers) = (app.console.clone(), app.papers.clone());
    let (file, shared) = (app.file.clone(), app.shared.clone());
    let (listen, store_url) = (app.server.listen.clone(), app.store_url.clone());
    let pipeline = app.pipeline(clock).await.context("the store cannot be opened")?;
    let pipeline = pipeline.started().await.context("the store failed at the start")?;
    let doorway = entrance.open().await?;
    let sign = Sign { listen: doorway.address().to_string(), started: pipeline.clock.now() };
    let loops = tokio::spawn(run::run(pipeline.clone(), sign, stop.begun.clone()));
    let chores = tokio::spawn(by_the_clock::run(pipeline.clone(), settings, stop.begun.clone()));
    let desk = Desk::new(pipeline.clone(), console);
    desk.papers.store(Arc::new(papers));
    let source =
        reload::Source { file, listen, store_url, shared, chores: settled, desk: desk.clone() };
    let hangups = reload::hangups().context("no handler for SIGHUP")?;
    tokio::spawn(reload::forever(pipeline.clone(), source, hangups, stop.begun.clone()));
    let stopping = stop.begun.clone();
    let hub = Arc::clone(&desk.hub);
    let telling = tokio::spawn(hub::keep(Arc::clone(&hub), pipeline.store.clone()));
    let doors = Doors { pipeline: pipeline.clone(), desk: desk.clone(), metrics, stopping };
    let doors = router(doors).merge(ui::router(desk));
    tracing::info!(address = %doorway.address(), "listening");
    let heart = tokio::spawn(notify::watch(pipeline.clone(), store_is_inside));
    notify::ready(&format!("accepting on {}", doorway.address()));
    let (drain, live) = (drained(pipeline.clock.clone(), drain, stop.clone()), Arc::clone(&hub));
    // Who listens is let go when the doors close: an open stream must not hold them.
    let closing = async move {
        drain.await;
        live.end();
    };
    doorway.serve(doors, closing).await?;
    stop.begun.cancel();
    hub.end();
    telling.await.context("the hub failed")?;
    loops.await.context("the loops failed")?;
    chores.await.context("the chores failed")?;
    pipeline.store.close().await;
    heart.abort();
    tracing::info!("stopped; nothing is under way");
    Ok(())
}

/// Ends when the doors are to close.
async fn drained(clock: Clock, drain: Duration, stop: Stop) {
    stop.begun.cancelled().await;
    notify::stopping("what is under way comes to its end");
    if drain.is_zero() {
        return;
    }
    tracing::info!(?drain, "unready; the doors stay open for those who have not noticed yet");
    tokio::select! {
        () = clock.sleep(drain) => {}
        () = stop.hurry.cancelled() => {}
    }
}

/// Begins the stop at the first SIGTERM or SIGINT, and hurries at the second.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_on_signal(stop: impl Into<Stop>) -> anyhow::Result<()> {
    let stop = stop.into();
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stop.begun.cancelled() => {}
        }
        tracing::info!("stopping: no new work, what is under way comes to its end");
        stop.begun.cancel();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told again: the doors close now");
        stop.hurry.cancel();
    });
    Ok(())
}
