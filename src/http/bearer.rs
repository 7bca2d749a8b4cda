//! Who may come in by a token. Invariant: a path that stands in no list is not served; nobody gets
//! past here without a token that holds and has the scope of the route.

use super::problem::Problem;
use crate::desk::address::{self, Peer};
use crate::desk::routes::{Class, Route, find};
use crate::desk::{Actor, Desk};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What the guard looks routes up in.
#[derive(Clone)]
pub struct Guarded {
    pub desk: Desk,
    pub routes: &'static [Route],
}

/// The layer: `from_fn_with_state(Guarded { … }, bearer::guard)`. Puts an [`Actor`] beside requests of
/// the bearer class.
pub async fn guard(State(guarded): State<Guarded>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some(path) = path else { return Problem::not_found().into_response() };
    let Some(route) = find(&[guarded.routes], request.method().as_str(), path) else {
        return unlisted(guarded.routes, path).into_response();
    };
    if route.class == Class::Bearer {
        let address = client(&guarded.desk, &request);
        let token = token(&request).map(str::to_owned);
        match admitted(&guarded.desk, token, address, route).await {
            Ok(actor) => request.extensions_mut().insert(actor),
            Err(problem) => return problem.into_response(),
        };
    }
    next.run(request).await
}

fn unlisted(routes: &[Route], path: &str) -> Problem {
    if routes.iter().any(|route| route.path == path) {
        let title = "the method is not allowed here";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", title);
    }
    Problem::not_found()
}

async fn admitted(
    desk: &Desk,
    token: Option<String>,
    address: Option<String>,
    route: &Route,
) -> Result<Actor, Problem> {
    let token = token.ok_or_else(Problem::unauthorized)?;
    let actor = desk.bearer(&token, address.as_deref()).await?;
    let actor = actor.ok_or_else(Problem::unauthorized)?;
    match route.right {
        Some(right) if !actor.may(right) => Err(Problem::forbidden(right.word())),
        _ => Ok(actor),
    }
}

fn token(request: &Request) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where the request came from.
pub fn client(desk: &Desk, request: &Request) -> Option<String> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0);
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    let forwarded = forwarded.filter_map(|value| value.to_str().ok());
    let found = address::client(peer, forwarded, desk.console.load().proxies);
    found.map(|address| address.to_string())
}
