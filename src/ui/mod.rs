//! The operator's console: pages, made on the server. Invariant: a page shows what `desk` says and
//! decides nothing; every far-side text is escaped; without a script every page still works.

pub mod assets;
pub mod formats;
pub mod frame;
pub mod session;
pub mod trouble;
pub mod words;

use crate::desk::Desk;
use crate::desk::routes::Route;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

/// Every route of this room, with its class.
pub const ROUTES: &[Route] = &[Route::public("GET", "/static/{file}")];

/// The pages.
pub fn router(desk: Desk) -> Router {
    let guard = from_fn_with_state(desk.clone(), session::guard);
    Router::new().route("/static/{file}", get(assets::file)).layer(guard).with_state(desk)
}
