//! The operator's console: pages, made on the server. Invariant: a page shows what `desk` says and
//! decides nothing; every far-side text is escaped; without a script every page still works.

pub mod assets;
pub mod formats;
pub mod frame;
pub mod trouble;
pub mod words;

use crate::desk::Desk;
use crate::desk::routes::Route;
use axum::Router;
use axum::routing::get;

/// Every route of this room, with its class.
pub const ROUTES: &[Route] = &[Route::public("GET", "/static/{file}")];

/// The pages.
pub fn router(desk: Desk) -> Router {
    Router::new().route("/static/{file}", get(assets::file)).with_state(desk)
}
