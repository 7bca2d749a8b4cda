//! Commands that write: beside a running daemon they leave a row that it performs, with none they do
//! it themselves. Invariant: never both; who works alone owns what it works on.

#[cfg(feature = "testing")]
use crate::app;
use crate::app::App;
use crate::clock::Clock;
use crate::pipeline::Pipeline;
use crate::pipeline::call;
use crate::pipeline::owners::{self, Sign};
use crate::store::{self, Store};
use anyhow::{Context, bail};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A daemon looks for commands twice a second; what it does then takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who is to do the work.
pub enum Reach {
    /// The daemon: ask it.
    Daemon(Store),
    /// Nobody else is there.
    Alone(Box<Alone>),
}

/// This process does it itself.
pub struct Alone {
    pub pipeline: Pipeline,
    keeper: tokio::task::JoinHandle<()>,
    done: CancellationToken,
}

/// Finds out whether a daemon runs on the configured store.
///
/// # Errors
/// The store's.
pub async fn reach(app: App, clock: Clock) -> anyhow::Result<Reach> {
    let url = app.store_url.clone();
    let pipeline = match app.pipeline(clock).await {
        Ok(pipeline) => pipeline,
        Err(store::Error::Owned(_)) => {
            let store = Store::open_beside(&url).await;
            return Ok(Reach::Daemon(store.context("the store cannot be opened")?));
        }
        Err(error) => return Err(error).context("the store cannot be opened"),
    };
    if pipeline.store.is_shared() {
        let others = call::running(&pipeline.store, &pipeline.clock).await?;
        // A command that was killed a moment ago shows itself yet, and does nothing for us.
        if others.iter().any(|other| !other.listen.is_empty()) {
            return Ok(Reach::Daemon(pipeline.store));
        }
    }
    let pipeline = pipeline.started().await?;
    let sign = Sign { listen: String::new(), started: pipeline.clock.now() };
    let done = CancellationToken::new();
    let mut ours = pipeline.owners.changes();
    let keeper = tokio::spawn(owners::keep(pipeline.clone(), sign, done.clone()));
    let all = pipeline.connectors.len();
    let owned = ours.wait_for(|ours| ours.len() >= all);
    if timeout(Duration::from_secs(20), owned).await.is_err() {
        bail!("a process that ended a moment ago still owns connections; try again");
    }
    Ok(Reach::Alone(Box::new(Alone { pipeline, keeper, done })))
}

/// The clock of a command that works on the past.
pub fn clock() -> Clock {
    let clock = Clock::default();
    #[cfg(feature = "testing")]
    app::control::shift(&clock);
    clock
}

impl Alone {
    /// Gives all up and closes the store.
    ///
    /// # Errors
    /// The store's.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.done.cancel();
        self.keeper.await.context("the keeper of the leases failed")?;
        let pipeline = self.pipeline;
        let ours: Vec<String> = pipeline.owners.changes().borrow().iter().cloned().collect();
        pipeline.store.sign_off(&pipeline.owner, &ours, pipeline.clock.now()).await?;
        pipeline.store.close().await;
        Ok(())
    }
}

/// Leaves a command for the daemon and waits for its answer.
///
/// # Errors
/// The store's, or no answer in two minutes.
pub async fn ask(store: &Store, kind: &str, body: &Value) -> anyhow::Result<Value> {
    ask_for(store, kind, body, PATIENCE).await
}

/// As `ask`, with more patience.
///
/// # Errors
/// The store's, or no answer in that time.
pub async fn ask_for(
    store: &Store,
    kind: &str,
    body: &Value,
    patience: Duration,
) -> anyhow::Result<Value> {
    let clock = Clock::default();
    let Ok(answered) = timeout(patience, call::command(store, kind, body, &clock)).await else {
        bail!("the daemon has not answered in {} s; it will still do it", patience.as_secs())
    };
    Ok(answered?)
}

/// Why the daemon did not do it, if it refused.
pub fn refused(answer: &Value) -> Option<&str> {
    answer.get("error").and_then(Value::as_str)
}
