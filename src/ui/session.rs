//! Who may come in by a cookie, and the strict headers of every page. Invariant: a path that stands in
//! no list is not served; nobody gets past here without a session that lasts and the right of the
//! route; what changes something comes from a page of ours.

use crate::desk::routes::{Class, find};
use crate::desk::{Desk, Visitor};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The layer of all pages. Puts a [`Visitor`] and its `Actor` beside requests of the session class.
pub async fn guard(State(desk): State<Desk>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = path.and_then(|path| find(&[super::ROUTES], request.method().as_str(), path));
    let Some(route) = route else { return StatusCode::NOT_FOUND.into_response() };
    if route.class == Class::Session {
        let visitor: Option<Visitor> = desk.session("", None).await.unwrap_or_default();
        let Some(visitor) = visitor else { return StatusCode::UNAUTHORIZED.into_response() };
        request.extensions_mut().insert(visitor.actor.clone());
        request.extensions_mut().insert(visitor);
    }
    next.run(request).await
}
