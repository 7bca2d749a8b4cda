//! Is the daemon alive, may it be sent deliveries, how is it doing. Invariant: answered without
//! asking any far side; a connection in trouble does not make us unready, for accepting goes on.

use super::{Doors, error};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// `200` as long as the process serves.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `200` when what arrives can be kept, else `503`; the connections are told beside it.
pub async fn ready(State(doors): State<Doors>) -> Response {
    let pipeline = &doors.pipeline;
    if let Err(error) = pipeline.store.ping(pipeline.clock.now()).await {
        tracing::error!(%error, "not ready");
        return error::status(StatusCode::SERVICE_UNAVAILABLE);
    }
    let connections = pipeline.gates.states().into_iter().map(|(name, closed)| {
        let state = closed.map_or_else(
            || json!({ "state": "ready" }),
            |closed| json!({ "state": "paused", "since": closed.since.to_string() }),
        );
        (name, state)
    });
    let connections: serde_json::Map<String, Value> = connections.collect();
    Json(json!({ "store": "ready", "connections": connections })).into_response()
}

/// Prometheus text.
pub async fn metrics(State(doors): State<Doors>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, (doors.metrics)()).into_response()
}
