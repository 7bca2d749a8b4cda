//! Is the daemon alive, may it be sent deliveries, how is it doing. Invariant: answered without
//! asking any far side; a connection in trouble does not make us unready, for accepting goes on.

use super::Doors;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// `200` as long as the process serves.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// `200` when what arrives can be kept, else `503` with the reason; the connections are told beside
/// it. At a stop `503` at once, though the doors still accept: a balancer is to go elsewhere.
pub async fn ready(State(doors): State<Doors>) -> Response {
    if doors.stopping.is_cancelled() {
        return unready("stopping: what arrives is kept still, but another process should take it");
    }
    let pipeline = &doors.pipeline;
    if let Err(error) = pipeline.store.ping(pipeline.clock.now()).await {
        tracing::error!(%error, "not ready");
        return unready("what arrives cannot be kept: the store fails, the log tells why");
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

fn unready(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reason": reason })))
        .into_response()
}

/// Prometheus text.
pub async fn metrics(State(doors): State<Doors>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, (doors.metrics)()).into_response()
}
