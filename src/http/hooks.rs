//! The hook's door: every source delivers here. Invariant: 2xx only for what is durable; the path
//! with its secret is never logged.

use super::{Doors, error};
use crate::pipeline::receive::{Delivery, accept};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

const FORM: &str = "application/x-www-form-urlencoded";

/// `GET`: the query string is the delivery, kept as a form.
pub async fn query(
    State(doors): State<Doors>,
    Path((connection, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let body = query.unwrap_or_default().into_bytes();
    let delivery = Delivery { content_type: FORM.to_owned(), headers: texts(&headers), body };
    keep(&doors, &connection, &secret, delivery).await
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
    let (content_type, body) = match (body.is_empty(), query) {
        (true, Some(query)) => (FORM, query.into_bytes()),
        _ => (given.unwrap_or(FORM), body.to_vec()),
    };
    let content_type = content_type.to_owned();
    let delivery = Delivery { content_type, headers: texts(&headers), body };
    keep(&doors, &connection, &secret, delivery).await
}

/// The headers that are texts; a far side's own signature is one.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

async fn keep(doors: &Doors, connection: &str, secret: &str, delivery: Delivery) -> Response {
    let receipt = accept(&doors.pipeline, connection, secret, delivery).await;
    error::answer(connection, receipt)
}
