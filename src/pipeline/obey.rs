//! Commands that other processes leave. Invariant: a command that names a connection is done by the
//! connection's owner; whatever comes of it is answered.

use super::{Pipeline, mend, poll, reconcile, switches};
use crate::connectors::port::Feed;
use crate::store::Command;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often commands are looked for without a hint.
const LOOK: Duration = Duration::from_millis(500);

/// The call that has every process read config and flows anew.
pub const RELOAD: &str = "reload";

/// Performs what is left for this process, until `stop`.
pub async fn forever(pipeline: Pipeline, stop: CancellationToken) {
    // What takes long is done beside the others, and breaks off at a stop.
    let mut long = JoinSet::new();
    while !stop.is_cancelled() {
        let pipeline = pipeline.fresh();
        while long.try_join_next().is_some() {}
        match round(&pipeline, &mut long).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "commands cannot be read; it is tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pipeline.wake.command.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// True when there may be more.
async fn round(pipeline: &Pipeline, long: &mut JoinSet<()>) -> Result<bool, crate::store::Error> {
    if let Some(call) = pipeline.store.last_call(RELOAD, pipeline.wake.read()).await? {
        pipeline.wake.call(call, &pipeline.wake.reload);
    }
    if let Some(call) = pipeline.store.last_call(switches::SWITCH, pipeline.wake.switched()).await?
    {
        switches::follow(pipeline).await?;
        pipeline.wake.follow(call);
    }
    let concerns = |command: &Command| {
        let connection = connection(command);
        pipeline.connector(connection).is_none() || pipeline.owners.works(connection)
    };
    let taken = pipeline.store.take_command(concerns, pipeline.clock.now()).await?;
    let Some(command) = taken else { return Ok(false) };
    if command.kind == reconcile::KIND {
        let pipeline = pipeline.clone();
        long.spawn(async move { compare(&pipeline, &command).await });
        return Ok(true);
    }
    let answer = obey(pipeline, &command).await;
    pipeline.store.answer_command(command.id, &answer, pipeline.clock.now()).await?;
    Ok(true)
}

async fn compare(pipeline: &Pipeline, command: &Command) {
    let answer = reconcile::obey(pipeline, &command.body).await;
    let now = pipeline.clock.now();
    if let Err(error) = pipeline.store.answer_command(command.id, &answer, now).await {
        tracing::error!(%error, "the report could not be kept");
    }
}

fn connection(command: &Command) -> &str {
    command.body.get("connection").and_then(Value::as_str).unwrap_or_default()
}

async fn obey(pipeline: &Pipeline, command: &Command) -> Value {
    match command.kind.as_str() {
        "poll" => poll(pipeline, connection(command)).await,
        switches::SWITCH => switches::obey(pipeline, &command.body).await,
        kind if mend::KINDS.contains(&kind) => mend::obey(pipeline, kind, &command.body).await,
        other => json!({ "error": format!("the daemon knows no command {other}") }),
    }
}

/// Reads all feeds of a connection of ours now: feed → what it brought.
pub async fn poll(pipeline: &Pipeline, connection: &str) -> Value {
    let (Some(connector), Some(first_start)) =
        (pipeline.connector(connection), pipeline.first_starts.get(connection))
    else {
        return json!({ "error": format!("the daemon has no connection {connection}") });
    };
    let _work = pipeline.owners.begin(vec![connection.to_owned()]);
    let mut answer = serde_json::Map::new();
    for feed in connector.feeds() {
        let told = read(pipeline, connection, connector, &feed, *first_start).await;
        answer.insert(feed.name.to_owned(), told);
        pipeline.wake.feed(connection, feed.name);
    }
    Value::Object(answer)
}

/// Reads a feed once and says what it brought.
pub async fn read(
    pipeline: &Pipeline,
    connection: &str,
    connector: &Arc<dyn crate::connectors::Connector>,
    feed: &Feed,
    first_start: Timestamp,
) -> Value {
    match poll::once(pipeline, connection, connector, feed, first_start).await {
        Ok(brought) => {
            json!({ "new": brought.new, "known": brought.known, "pages": brought.pages })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}
