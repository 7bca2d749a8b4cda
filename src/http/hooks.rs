//! The hook's door: every source delivers here. Invariant: 2xx only for what is durable; the path
//! with its secret is never logged.

use super::{Doors, error};
use crate::pipeline::receive::{Delivery, accept};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;

const FORM: &str = "application/x-www-form-urlencoded";

/// `GET`: the query string is the delivery, kept as a form.
pub async fn query(
    State(doors): State<Doors>,
    Path((connection, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let body = query.unwrap_or_default().into_bytes();
    keep(&doors, &connection, &secret, Delivery { content_type: FORM.to_owned(), body }).await
}

/// `POST`: the body is the delivery; where it is empty, the query string.
pub async fn body(
    State(doors): State<Doors>,
    Path((connection, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let delivery = match (body.is_empty(), query) {
        (true, Some(query)) => Delivery { content_type: FORM.to_owned(), body: query.into_bytes() },
        _ => Delivery { content_type: given.unwrap_or(FORM).to_owned(), body: body.to_vec() },
    };
    keep(&doors, &connection, &secret, delivery).await
}

async fn keep(doors: &Doors, connection: &str, secret: &str, delivery: Delivery) -> Response {
    let receipt = accept(&doors.pipeline, connection, secret, delivery).await;
    error::answer(connection, receipt)
}
