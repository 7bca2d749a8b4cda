//! Who may come in by a cookie, and the strict headers of every page. Invariant: a path that stands in
//! no list is not served; nobody gets past here without a session that lasts and the right of the
//! route; what changes something comes from a page of ours.

use super::frame::{Frame, came_from};
use super::trouble;
use crate::desk::address::{self, Peer};
use crate::desk::routes::{Class, Route, find};
use crate::desk::{Desk, Visitor};
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use subtle::ConstantTimeEq;

/// A form is at most this long.
const FORM: usize = 1024 * 1024;
/// Of requests that a page makes by itself: they do not keep a session.
const LIVE: HeaderName = HeaderName::from_static("x-live");
const CSRF: HeaderName = HeaderName::from_static("x-csrf");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// With `no-referrer` browsers would send `Origin: null` with our own forms.
const STRICT: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The layer of all pages. Puts a [`Visitor`] and its `Actor` beside requests of the session class.
pub async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let mut response = match admitted(&desk, request).await {
        Ok(request) => next.run(request).await,
        Err(response) => response,
    };
    for (name, value) in STRICT {
        // What never changes says itself how long it is kept.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn admitted(desk: &Desk, request: Request) -> Result<Request, Response> {
    let (mut parts, body) = request.into_parts();
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    let Some(route) = listed(&parts) else { return Err(unlisted(desk, &mut parts).await) };
    if changes && !is_ours(desk, &parts.headers) {
        return Err(told(desk, &mut parts, StatusCode::FORBIDDEN).await);
    }
    if route.class != Class::Session {
        return Ok(Request::from_parts(parts, body));
    }
    let visitor = match visitor(desk, &parts).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return Err(unknown(desk, &parts)),
        Err(_) => return Err(told(desk, &mut parts, StatusCode::SERVICE_UNAVAILABLE).await),
    };
    let may = route.right.is_none_or(|right| visitor.actor.may(right));
    let csrf = visitor.csrf.clone();
    parts.extensions.insert(visitor.actor.clone());
    parts.extensions.insert(visitor);
    if !may {
        return Err(told(desk, &mut parts, StatusCode::FORBIDDEN).await);
    }
    if !changes {
        return Ok(Request::from_parts(parts, body));
    }
    match proved(&parts, body, &csrf).await {
        Ok(Some(body)) => Ok(Request::from_parts(parts, body)),
        Ok(None) => Err(told(desk, &mut parts, StatusCode::FORBIDDEN).await),
        Err(code) => Err(told(desk, &mut parts, code).await),
    }
}

fn listed(parts: &Parts) -> Option<&'static Route> {
    let path = parts.extensions.get::<MatchedPath>()?.as_str();
    find(&[super::ROUTES], parts.method.as_str(), path)
}

async fn unlisted(desk: &Desk, parts: &mut Parts) -> Response {
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let known = path.is_some_and(|path| super::ROUTES.iter().any(|route| route.path == path));
    let code = if known { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };
    told(desk, parts, code).await
}

/// The page of a status code, or the code alone where no page is wanted.
async fn told(desk: &Desk, parts: &mut Parts, code: StatusCode) -> Response {
    match Frame::from_request_parts(parts, desk).await {
        Ok(frame) if wants_page(&parts.headers) => trouble::status(&frame, code),
        // As the doors say it: what is not there looks like a hook whose secret is wrong.
        _ => {
            let reason = code.canonical_reason().unwrap_or_default().to_lowercase();
            (code, format!("{reason}\n")).into_response()
        }
    }
}

/// Nobody that we know: a page leads to the login and back, a form to the page that it stood on; all
/// else is refused. Who had a session learns that it has ended.
fn unknown(desk: &Desk, parts: &Parts) -> Response {
    if !wants_page(&parts.headers) {
        return (StatusCode::UNAUTHORIZED, "log in first\n").into_response();
    }
    let public = desk.console.load().public.clone();
    let form = || came_from(&parts.headers, public.as_deref()).unwrap_or_else(|| "/".to_owned());
    let here = match parts.method {
        Method::GET | Method::HEAD => parts.uri.path_and_query().map(|here| here.as_str().into()),
        _ => Some(form()),
    };
    let here: String = here.unwrap_or_else(|| "/".to_owned());
    let ended = token(desk, &parts.headers).is_some();
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    Redirect::to(&match (here.as_str(), ended) {
        ("/", false) => "/login".to_owned(),
        (_, false) => format!("/login?next={next}"),
        (_, true) => format!("/login?next={next}&ended=1"),
    })
    .into_response()
}

fn wants_page(headers: &HeaderMap) -> bool {
    text(headers, &header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html"))
}

async fn visitor(desk: &Desk, parts: &Parts) -> Result<Option<Visitor>, crate::desk::Error> {
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(name(desk)) else { return Ok(None) };
    let acts = !parts.headers.contains_key(LIVE) && parts.uri.path() != "/live";
    desk.session(cookie.value(), client(desk, parts).as_deref(), acts).await
}

/// Where the request came from.
pub fn client(desk: &Desk, parts: &Parts) -> Option<String> {
    let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0);
    let forwarded = parts.headers.get_all("x-forwarded-for").iter();
    let forwarded = forwarded.filter_map(|value| value.to_str().ok());
    let found = address::client(peer, forwarded, desk.console.load().proxies);
    found.map(|address| address.to_string())
}

/// Does the browser say that the request comes from a page of ours? One that says nothing is no
/// browser, or an old one; it has to send what the form held in any case.
fn is_ours(desk: &Desk, headers: &HeaderMap) -> bool {
    let site = text(headers, &SITE);
    if site.is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        return false;
    }
    let Some(origin) = text(headers, &header::ORIGIN) else { return true };
    let console = desk.console.load();
    if console.public.as_deref().is_some_and(|public| public.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = origin.split_once("://").map(|(_, host)| host);
    let ours = text(headers, &header::HOST);
    host.zip(ours).is_some_and(|(host, ours)| host.eq_ignore_ascii_case(ours))
}

/// The body, if the request brings what the session's forms hold.
async fn proved(parts: &Parts, body: Body, csrf: &str) -> Result<Option<Body>, StatusCode> {
    let is_it = |sent: &[u8]| bool::from(sent.ct_eq(csrf.as_bytes()));
    if let Some(sent) = parts.headers.get(CSRF) {
        return Ok(is_it(sent.as_bytes()).then_some(body));
    }
    let kind = text(&parts.headers, &header::CONTENT_TYPE).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let bytes = axum::body::to_bytes(body, FORM).await;
    let bytes = bytes.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let mut fields = form_urlencoded::parse(&bytes);
    let found = fields.any(|(name, value)| name == "csrf" && is_it(value.as_bytes()));
    Ok(found.then(|| Body::from(bytes)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_secure(desk: &Desk) -> bool {
    let console = desk.console.load();
    console.public.as_deref().is_some_and(|public| public.starts_with("https://"))
}

/// A name that browsers keep for this very host and TLS alone, where there is TLS.
fn name(desk: &Desk) -> &'static str {
    if is_secure(desk) { "__Host-leadlink" } else { "leadlink" }
}

/// The cookie of a session; it ends with the browser, or when the session does.
pub fn cookie(desk: &Desk, token: String) -> Cookie<'static> {
    Cookie::build((name(desk), token))
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/")
        .secure(is_secure(desk))
        .build()
}

/// The token that a request brings.
pub fn token(desk: &Desk, headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers).get(name(desk)).map(|cookie| cookie.value().to_owned())
}
