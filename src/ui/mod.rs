//! The operator's console: pages, made on the server. Invariant: a page shows what `desk` says and
//! decides nothing; every far-side text is escaped; without a script every page still works.

use crate::desk::Desk;
use crate::desk::routes::Route;
use axum::Router;

/// Every route of this room, with its class.
pub const ROUTES: &[Route] = &[];

/// The pages.
pub fn router(desk: Desk) -> Router {
    Router::new().with_state(desk)
}
