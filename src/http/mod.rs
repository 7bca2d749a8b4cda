//! The doors: every route on one page. Invariant: a door keeps and answers; it decides nothing. Each
//! route is of one class — public or hook here; session and bearer come with the console.

pub mod api;
pub mod bearer;
pub mod blocks;
pub mod error;
pub mod health;
pub mod hooks;
pub mod problem;

use crate::desk::Desk;
use crate::desk::routes::Route;
use crate::pipeline::Pipeline;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, header};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// A delivery is at most this long; a longer one is answered with 413.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// A sender that is slower than this is cut off (408): nothing was kept.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What the doors need.
#[derive(Clone)]
pub struct Doors {
    pub pipeline: Pipeline,
    pub desk: Desk,
    /// Renders `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Cancelled when the stop has begun: `/readyz` says so, and every answer is its connection's
    /// last.
    pub stopping: CancellationToken,
}

/// Every route of this file, with its class; those of the API stand beside it.
pub const ROUTES: &[Route] = &[
    Route::hook("GET", "/hooks/{connection}/{secret}"),
    Route::hook("POST", "/hooks/{connection}/{secret}"),
    Route::hook("POST", "/blocks/{side}/{connection}"),
    Route::public("GET", "/healthz"),
    Route::public("GET", "/readyz"),
    Route::public("GET", "/metrics"),
];

/// All routes.
pub fn router(doors: Doors) -> Router {
    let (desk, stopping) = (doors.desk.clone(), doors.stopping.clone());
    // hook: the secret in the body is the key; a block has a time of its own
    let late = axum::http::StatusCode::REQUEST_TIMEOUT;
    let blocks = Router::new()
        .route("/blocks/{side}/{connection}", post(blocks::ask))
        .layer(TimeoutLayer::with_status_code(late, blocks::TIMEOUT));
    Router::new()
        // hook: the secret in the path is the key
        .route("/hooks/{connection}/{secret}", get(hooks::query).post(hooks::body))
        // public
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .layer(TimeoutLayer::with_status_code(late, TIMEOUT))
        .merge(blocks)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::new())
        .with_state(doors)
        // bearer: a token is the key; public: its document
        .merge(api::router(desk))
        .layer(map_response_with_state(stopping, farewell))
}

/// Who keeps a connection is sent away from a door that closes with the answer, never before it.
async fn farewell(State(stopping): State<CancellationToken>, mut answer: Response) -> Response {
    if stopping.is_cancelled() {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
