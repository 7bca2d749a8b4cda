//! The daemon: doors first, then the loops; at a signal the other way round. Invariant: `/healthz`
//! answers before any far side is asked, and what was accepted is durable whatever happens next.

use super::{App, reload};
use crate::clock::Clock;
use crate::http::{Doors, router};
use crate::pipeline::owners::Sign;
use crate::pipeline::{chores, run};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Renders `/metrics`.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves until `stop`; returns when all that was under way has come to its end.
///
/// # Errors
/// The address or the store cannot be had.
pub async fn serve(
    app: App,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(&app.listen)
        .await
        .with_context(|| format!("cannot listen on {}", app.listen))?;
    serve_on(listener, app, clock, metrics, stop).await
}

/// As [`serve`], on a listener that is bound already.
///
/// # Errors
/// The store cannot be had.
pub async fn serve_on(
    listener: TcpListener,
    app: App,
    clock: Clock,
    metrics: Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let address: SocketAddr = listener.local_addr().context("the listener has no address")?;
    #[cfg(feature = "testing")]
    super::control::listen(clock.clone(), stop.clone());
    let (retention, settings) = watch::channel(app.retention.clone());
    let source = reload::Source {
        file: app.file.clone(),
        listen: app.listen.clone(),
        store_url: app.store_url.clone(),
        shared: app.shared.clone(),
        retention,
    };
    let pipeline = app.pipeline(clock).await.context("the store cannot be opened")?;
    let pipeline = pipeline.started().await.context("the store failed at the start")?;
    let sign = Sign { listen: address.to_string(), started: pipeline.clock.now() };
    let loops = tokio::spawn(run::run(pipeline.clone(), sign, stop.clone()));
    let chores = tokio::spawn(chores::run(pipeline.clone(), settings, stop.clone()));
    tokio::spawn(reload::forever(pipeline.clone(), source, stop.clone()));
    let doors = router(Doors { pipeline: pipeline.clone(), metrics });
    tracing::info!(%address, "listening");
    let stopped = stop.clone();
    axum::serve(listener, doors)
        .with_graceful_shutdown(async move { stopped.cancelled().await })
        .await
        .context("the doors failed")?;
    stop.cancel();
    loops.await.context("the loops failed")?;
    chores.await.context("the chores failed")?;
    pipeline.store.close().await;
    tracing::info!("stopped; nothing is under way");
    Ok(())
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stop.cancelled() => {}
        }
        tracing::info!("stopping: no new work, what is under way comes to its end");
        stop.cancel();
    });
    Ok(())
}
