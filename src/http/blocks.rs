//! The door of blocks: a page of a far side asks, and is answered at once. Invariant: nothing is kept, and
//! whatever becomes of it the page stays usable: 200 with something to show, 403 to who has no secret.

use super::Doors;
use crate::pipeline::block::{self, Reply};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// Who sends its request slower than this is cut off; a block's own time is 20 s at most.
pub const TIMEOUT: Duration = Duration::from_secs(25);

/// `POST`: what the page sends along says who it is about.
pub async fn ask(
    State(doors): State<Doors>,
    Path((side, connection)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let place = block::Place { side: &side, connection: &connection };
    match block::answer(&doors.pipeline, place, kind.unwrap_or_default(), &body).await {
        Reply::Shown(shown) => Json(shown).into_response(),
        Reply::Stranger => {
            tracing::warn!("a block was asked for with an unknown connection or a wrong secret");
            (StatusCode::FORBIDDEN, Json(json!({ "html": "" }))).into_response()
        }
    }
}
