//! The only place that chooses our status codes. Invariant: a caller learns little, the log all but
//! secrets.

use crate::pipeline::receive::Receipt;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The answer to a delivery.
pub fn answer(connection: &str, receipt: Receipt) -> Response {
    match receipt {
        Receipt::Accepted(None) | Receipt::Duplicate(None) => {
            (StatusCode::OK, "ok\n").into_response()
        }
        Receipt::Accepted(Some(reply)) | Receipt::Duplicate(Some(reply)) => {
            Json(reply).into_response()
        }
        // A wrong secret and an unknown connection look the same, and like any unknown path.
        Receipt::NotFound => {
            tracing::warn!("a delivery with an unknown connection or a wrong secret was refused");
            status(StatusCode::NOT_FOUND)
        }
        Receipt::NotKept(error) => {
            tracing::error!(connection, %error, "a delivery could not be kept; the sender was told to try again");
            let again = [(header::RETRY_AFTER, "5")];
            (StatusCode::SERVICE_UNAVAILABLE, again, "try again\n").into_response()
        }
    }
}

pub fn status(code: StatusCode) -> Response {
    (code, format!("{}\n", code.canonical_reason().unwrap_or_default().to_lowercase()))
        .into_response()
}
