//! The API: everything that the console shows and does, for machines, with its document and reference
//! page. Invariant: each operation stands in [`ROUTES`], in the router and in the document, or in none;
//! whatever goes wrong is a problem of RFC 9457 without anything from inside.

mod ask;
mod charts;
mod document;
mod dress;
mod flows;
mod house;
mod jobs;
mod journals;
mod needs;
mod paging;
mod people;
mod reference;
mod stories;
#[cfg(test)]
mod tests;
mod text;

use super::bearer::{Guarded, guard};
use super::problem::Problem;
use crate::desk::routes::Route;
use crate::desk::{Desk, Right};
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

/// Where the operations are.
const BASE: &str = "/api/v1";
/// Who waits longer is sent away (503); what was begun goes on.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What a handler answers.
type Answer<T> = Result<Json<T>, Problem>;

/// Every route of this room, with its class.
pub const ROUTES: &[Route] = &[
    Route::public("GET", "/api"),
    Route::public("GET", "/api/openapi.json"),
    Route::public("GET", "/api/reference.css"),
    Route::bearer("GET", "/api/v1/overview", Right::Read),
    Route::bearer("GET", "/api/v1/leads", Right::Read),
    Route::bearer("GET", "/api/v1/deals", Right::Read),
    Route::bearer("GET", "/api/v1/messages", Right::Read),
    Route::bearer("GET", "/api/v1/charts/hours", Right::Read),
    Route::bearer("GET", "/api/v1/charts/revenue", Right::Read),
    Route::bearer("GET", "/api/v1/stories", Right::Read),
    Route::bearer("GET", "/api/v1/stories/{id}", Right::Read),
    Route::bearer("GET", "/api/v1/jobs/{id}/replay", Right::Read),
    Route::bearer("POST", "/api/v1/jobs/{id}/replay", Right::Act),
    Route::bearer("POST", "/api/v1/jobs/{id}/retry", Right::Act),
    Route::bearer("POST", "/api/v1/jobs/{id}/arrived", Right::Act),
    Route::bearer("POST", "/api/v1/jobs/{id}/again", Right::Act),
    Route::bearer("POST", "/api/v1/jobs/{id}/skip", Right::Act),
    Route::bearer("GET", "/api/v1/needs", Right::Read),
    Route::bearer("POST", "/api/v1/needs/retry", Right::Act),
    Route::bearer("POST", "/api/v1/needs/skip", Right::Act),
    Route::bearer("POST", "/api/v1/needs/reread", Right::Act),
    Route::bearer("POST", "/api/v1/needs/dismiss", Right::Act),
    Route::bearer("GET", "/api/v1/connections", Right::Read),
    Route::bearer("GET", "/api/v1/connections/{name}", Right::Read),
    Route::bearer("GET", "/api/v1/connections/{name}/lists/{list}", Right::Read),
    Route::bearer("POST", "/api/v1/connections/{name}/poll", Right::Act),
    Route::bearer("POST", "/api/v1/reload", Right::Act),
    Route::bearer("GET", "/api/v1/flows", Right::Read),
    Route::bearer("GET", "/api/v1/flows/{name}", Right::Read),
    Route::bearer("POST", "/api/v1/flows/{name}/start", Right::Act),
    Route::bearer("POST", "/api/v1/flows/{name}/stop", Right::Act),
    Route::bearer("POST", "/api/v1/flows/{name}/try", Right::Act),
    Route::bearer("GET", "/api/v1/people", Right::Manage),
    Route::bearer("POST", "/api/v1/people", Right::Manage),
    Route::bearer("POST", "/api/v1/people/{name}/role", Right::Manage),
    Route::bearer("POST", "/api/v1/people/{name}/password", Right::Manage),
    Route::bearer("POST", "/api/v1/people/{name}/lock", Right::Manage),
    Route::bearer("POST", "/api/v1/people/{name}/unlock", Right::Manage),
    Route::bearer("GET", "/api/v1/tokens", Right::Manage),
    Route::bearer("POST", "/api/v1/tokens", Right::Manage),
    Route::bearer("POST", "/api/v1/tokens/{id}/revoke", Right::Manage),
    Route::bearer("GET", "/api/v1/audit", Right::Manage),
];

/// The operations, the document, the reference page.
pub fn router(desk: Desk) -> Router {
    let (operations, document) = whole().split_for_parts();
    let document = document::finished(document, ROUTES);
    let page = reference::page(&document);
    let document = serde_json::to_vec(&document).map(Bytes::from).unwrap_or_default();
    Router::new()
        .merge(operations)
        .route("/api/openapi.json", get(move || std::future::ready(json(document.clone()))))
        .route("/api", get(move || std::future::ready(page.clone())))
        .route("/api/reference.css", get(reference::style))
        .route("/api/{*path}", any(dress::unknown))
        .layer(from_fn_with_state(Guarded { desk: desk.clone(), routes: ROUTES }, guard))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(dress::dress))
        .layer(CompressionLayer::new())
        .with_state(desk)
}

fn json(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

fn whole() -> OpenApiRouter<Desk> {
    let operations = operations().into_iter();
    let inner = operations.fold(OpenApiRouter::new(), OpenApiRouter::routes);
    OpenApiRouter::with_openapi(document::begun()).nest(BASE, inner)
}

fn operations() -> Vec<UtoipaMethodRouter<Desk>> {
    vec![
        routes!(house::overview),
        routes!(journals::leads),
        routes!(journals::deals),
        routes!(journals::messages),
        routes!(charts::hours),
        routes!(charts::revenue),
        routes!(stories::find),
        routes!(stories::story),
        routes!(jobs::preview, jobs::replay),
        routes!(jobs::retry),
        routes!(jobs::arrived),
        routes!(jobs::again),
        routes!(jobs::skip),
        routes!(needs::needs),
        routes!(needs::retry),
        routes!(needs::skip),
        routes!(needs::reread),
        routes!(needs::dismiss),
        routes!(house::connections),
        routes!(house::connection),
        routes!(house::list),
        routes!(house::poll),
        routes!(house::reload),
        routes!(flows::flows),
        routes!(flows::flow),
        routes!(flows::start),
        routes!(flows::stop),
        routes!(flows::attempt),
        routes!(people::people, people::add),
        routes!(people::role),
        routes!(people::password),
        routes!(people::lock),
        routes!(people::unlock),
        routes!(people::tokens, people::make),
        routes!(people::revoke),
        routes!(people::audit),
    ]
}
