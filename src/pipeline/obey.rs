//! Commands that other processes leave. Invariant: a command that names a connection is done by the
//! connection's owner; whatever comes of it is answered.

use super::{Pipeline, mend, poll};
use crate::connectors::port::Feed;
use crate::store::Command;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often commands are looked for without a hint.
const LOOK: Duration = Duration::from_millis(500);

/// The call that has every process read config and flows anew.
pub const RELOAD: &str = "reload";

/// Performs what is left for this process, until `stop`.
pub async fn forever(pipeline: Pipeline, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pipeline = pipeline.fresh();
        match round(&pipeline).await {
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
async fn round(pipeline: &Pipeline) -> Result<bool, crate::store::Error> {
    if let Some(call) = pipeline.store.last_call(RELOAD, pipeline.wake.read()).await? {
        pipeline.wake.call(call, &pipeline.wake.reload);
    }
    let concerns = |command: &Command| {
        let connection = connection(command);
        pipeline.connector(connection).is_none() || pipeline.owners.works(connection)
    };
    let taken = pipeline.store.take_command(concerns, pipeline.clock.now()).await?;
    let Some(command) = taken else { return Ok(false) };
    let answer = obey(pipeline, &command).await;
    pipeline.store.answer_command(command.id, &answer, pipeline.clock.now()).await?;
    Ok(true)
}

fn connection(command: &Command) -> &str {
    command.body.get("connection").and_then(Value::as_str).unwrap_or_default()
}

async fn obey(pipeline: &Pipeline, command: &Command) -> Value {
    match command.kind.as_str() {
        "poll" => poll(pipeline, connection(command)).await,
        kind if mend::KINDS.contains(&kind) => mend::obey(pipeline, kind, &command.body).await,
        other => json!({ "error": format!("the daemon knows no command {other}") }),
    }
}

async fn poll(pipeline: &Pipeline, connection: &str) -> Value {
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
