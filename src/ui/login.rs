//! Coming in and going out. Invariant: the way on after a login is a path of ours; a login begins a new
//! session and ends the one that the browser had.

use super::frame::{Frame, LANGUAGE};
use super::me::chosen;
use super::session;
use super::trouble::page;
use super::values::{local, part};
use super::words::Language;
use crate::desk::login::Refused;
use crate::desk::{Desk, Visitor};
use askama::Template;
use axum::Extension;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "login.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    failed: Option<String>,
    next: String,
    name: String,
    empty: bool,
    /// Who was inside until a moment ago.
    ended: bool,
    /// The rest of a link to this page in another language.
    way: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    #[serde(default)]
    next: String,
    #[serde(default)]
    ended: String,
    #[serde(default)]
    lang: String,
}

#[derive(Deserialize)]
pub struct Sent {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`.
pub async fn show(State(desk): State<Desk>, frame: Frame, wish: Query<Wish>) -> Response {
    let empty = desk.pipeline.store.has_people().await.is_ok_and(|any| !any);
    let next = onward(&wish.next).to_owned();
    let ended = !wish.ended.is_empty();
    let (name, way) = (String::new(), way(&next));
    let page = page(&Page { frame: &frame, failed: None, next, name, empty, ended, way });
    match Language::of(&wish.lang) {
        // Chosen once, it holds inside too.
        Some(language) => {
            let jar = CookieJar::new().add(chosen(LANGUAGE, language.code()));
            (jar, page).into_response()
        }
        None => page,
    }
}

fn way(next: &str) -> String {
    if next == "/" { String::new() } else { format!("&next={}", part(next)) }
}

/// `POST /login`.
pub async fn enter(State(desk): State<Desk>, frame: Frame, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = session::client(&desk, &parts).unwrap_or_default();
    let had = session::token(&desk, &parts.headers);
    let Ok(jar) = CookieJar::from_request_parts(&mut parts, &desk).await;
    let request = Request::from_parts(parts, body);
    let sent = Form::<Sent>::from_request(request, &desk).await;
    let Ok(Form(Sent { name, password, next })) = sent else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let entered = desk.login(&name, &password, &address).await;
    let (code, failed, wait) = match entered {
        Ok(entry) => {
            leave_old(&desk, had).await;
            let jar = jar.add(session::cookie(&desk, entry.token));
            return (jar, Redirect::to(onward(&next))).into_response();
        }
        Err(Refused::Wrong) => (StatusCode::UNAUTHORIZED, frame.w.login.wrong.to_owned(), None),
        Err(Refused::TooMany(wait)) => {
            let seconds = wait.as_secs().max(1);
            let told = format!("{} {}", frame.w.login.slow, frame.span(seconds * 1000));
            (StatusCode::TOO_MANY_REQUESTS, told, Some(seconds))
        }
        Err(Refused::Failed(error)) => {
            tracing::error!(%error, "a login could not be tried");
            (StatusCode::SERVICE_UNAVAILABLE, frame.w.trouble.text_503.to_owned(), Some(5))
        }
    };
    let next = onward(&next).to_owned();
    let (ended, way) = (false, way(&next));
    let failed = Some(failed);
    let page = page(&Page { frame: &frame, failed, next, name, empty: false, ended, way });
    let mut response = (code, page).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// The session that the browser had until now.
async fn leave_old(desk: &Desk, token: Option<String>) {
    let Some(token) = token else { return };
    if let Ok(Some(old)) = desk.session(&token, None, false).await
        && let Err(error) = desk.pipeline.store.end_session(&old.session).await
    {
        tracing::warn!(%error, "the session before this one could not be ended");
    }
}

/// `POST /logout`.
pub async fn leave(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(visitor): Extension<Visitor>,
    jar: CookieJar,
) -> Response {
    match desk.logout(&visitor).await {
        Ok(()) => gone(&desk, jar),
        Err(error) => super::trouble::of(&frame, &error),
    }
}

/// To the login page, without the cookie.
pub fn gone(desk: &Desk, jar: CookieJar) -> Response {
    let mut cookie: Cookie<'static> = session::cookie(desk, String::new());
    cookie.make_removal();
    (jar.add(cookie), Redirect::to("/login")).into_response()
}

/// Where to go on to: a path of ours, and none that leads out again.
fn onward(next: &str) -> &str {
    let door = ["/login", "/logout", "/live"].iter().any(|door| next.starts_with(door));
    if door { "/" } else { local(next) }
}

#[cfg(test)]
mod tests {
    use super::onward;

    #[test]
    fn the_way_on_stays_inside() {
        for inside in ["/", "/leads?search=%2B7", "/story/call:1"] {
            assert_eq!(onward(inside), inside);
        }
        let outside = [
            "",
            "leads",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x=1",
            "/\t/evil.example",
            "/login",
            "/logout",
        ];
        for outside in outside {
            assert_eq!(onward(outside), "/", "{outside}");
        }
        assert_eq!(onward(&format!("/{}", "a".repeat(3000))), "/");
    }
}
