//! The operator's console: pages, made on the server. Invariant: a page shows what `desk` says and
//! decides nothing; every far-side text is escaped; without a script every page still works.

pub mod acts;
pub mod assets;
pub mod chart;
pub mod charts;
pub mod connections;
pub mod flows;
pub mod formats;
pub mod frame;
pub mod journals;
pub mod live;
pub mod login;
pub mod me;
pub mod needs;
pub mod overview;
pub mod people;
pub mod session;
pub mod signs;
pub mod story;
pub mod trouble;
pub mod values;
pub mod words;

#[cfg(test)]
mod tests;

use crate::desk::routes::Route;
use crate::desk::{Desk, Right};
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// What a person asks of a far side is answered within a minute; whoever sends slower is cut off.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Every route of this room, with its class.
pub const ROUTES: &[Route] = &[
    Route::public("GET", "/static/{file}"),
    Route::session("GET", "/", Right::Read),
    Route::session("GET", "/leads", Right::Read),
    Route::session("GET", "/leads.csv", Right::Read),
    Route::session("GET", "/deals", Right::Read),
    Route::session("GET", "/deals.csv", Right::Read),
    Route::session("GET", "/messages", Right::Read),
    Route::session("GET", "/messages.csv", Right::Read),
    Route::session("GET", "/find", Right::Read),
    Route::session("GET", "/story/{key}", Right::Read),
    Route::session("GET", "/jobs/{id}/replay", Right::Read),
    Route::session("POST", "/jobs/{id}/replay", Right::Act),
    Route::session("POST", "/jobs/{id}/retry", Right::Act),
    Route::session("POST", "/jobs/{id}/arrived", Right::Act),
    Route::session("POST", "/jobs/{id}/again", Right::Act),
    Route::session("POST", "/jobs/{id}/skip", Right::Act),
    Route::session("GET", "/needs", Right::Read),
    Route::session("POST", "/needs", Right::Act),
    Route::session("GET", "/flows", Right::Read),
    Route::session("GET", "/flows/{name}", Right::Read),
    Route::session("POST", "/flows/{name}/start", Right::Act),
    Route::session("POST", "/flows/{name}/stop", Right::Act),
    Route::session("POST", "/flows/{name}/try", Right::Act),
    Route::session("GET", "/connections", Right::Read),
    Route::session("GET", "/connections/{name}", Right::Read),
    Route::session("GET", "/connections/{name}/lists/{list}", Right::Read),
    Route::session("POST", "/connections/{name}/poll", Right::Act),
    Route::public("GET", "/login"),
    Route::public("POST", "/login"),
    Route::session("POST", "/logout", Right::Read),
    Route::session("GET", "/live", Right::Read),
    Route::session("GET", "/me", Right::Read),
    Route::session("POST", "/me", Right::Read),
    Route::session("POST", "/me/password", Right::Read),
    Route::session("POST", "/me/logout", Right::Read),
    Route::session("GET", "/people", Right::Manage),
    Route::session("POST", "/people", Right::Manage),
    Route::session("POST", "/people/{name}/role", Right::Manage),
    Route::session("POST", "/people/{name}/password", Right::Manage),
    Route::session("POST", "/people/{name}/lock", Right::Manage),
    Route::session("POST", "/people/{name}/unlock", Right::Manage),
    Route::session("POST", "/tokens", Right::Manage),
    Route::session("POST", "/tokens/{id}/revoke", Right::Manage),
    Route::session("GET", "/audit", Right::Manage),
];

/// The pages.
pub fn router(desk: Desk) -> Router {
    let guard = from_fn_with_state(desk.clone(), session::guard);
    let late = StatusCode::REQUEST_TIMEOUT;
    let timed = pages().merge(doors()).route("/static/{file}", get(assets::file));
    let timed = timed.fallback(trouble::not_found).layer(guard.clone());
    let timed = timed.layer(TimeoutLayer::with_status_code(late, TIMEOUT));
    // A stream of words has no end.
    let live = Router::new().route("/live", get(live::listen)).layer(guard);
    timed.merge(live).layer(CatchPanicLayer::new()).with_state(desk)
}

/// What people look at and do.
fn pages() -> Router<Desk> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/leads", get(journals::leads))
        .route("/leads.csv", get(journals::leads_csv))
        .route("/deals", get(journals::deals))
        .route("/deals.csv", get(journals::deals_csv))
        .route("/messages", get(journals::messages))
        .route("/messages.csv", get(journals::messages_csv))
        .route("/find", get(story::find))
        .route("/story/{key}", get(story::story))
        .route("/jobs/{id}/replay", get(acts::preview).post(acts::replay))
        .route("/jobs/{id}/retry", post(acts::retry))
        .route("/jobs/{id}/arrived", post(acts::arrived))
        .route("/jobs/{id}/again", post(acts::again))
        .route("/jobs/{id}/skip", post(acts::skip))
        .route("/needs", get(needs::needs).post(needs::act))
        .route("/flows", get(flows::all))
        .route("/flows/{name}", get(flows::one))
        .route("/flows/{name}/start", post(flows::start))
        .route("/flows/{name}/stop", post(flows::stop))
        .route("/flows/{name}/try", post(flows::attempt))
        .route("/connections", get(connections::all))
        .route("/connections/{name}", get(connections::one))
        .route("/connections/{name}/lists/{list}", get(connections::list))
        .route("/connections/{name}/poll", post(connections::poll))
}

/// Who comes in, and what they did.
fn doors() -> Router<Desk> {
    Router::new()
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/me", get(me::show).post(me::look))
        .route("/me/password", post(me::password))
        .route("/me/logout", post(me::leave))
        .route("/people", get(people::show).post(people::add))
        .route("/people/{name}/role", post(people::role))
        .route("/people/{name}/password", post(people::password))
        .route("/people/{name}/lock", post(people::lock))
        .route("/people/{name}/unlock", post(people::unlock))
        .route("/tokens", post(people::make_token))
        .route("/tokens/{id}/revoke", post(people::revoke))
        .route("/audit", get(people::audit))
}
