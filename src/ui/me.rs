//! One's own settings: language, theme, password. Invariant: language and theme are cookies without a
//! secret; a new password leaves no session but this one.

use super::frame::{Frame, LANGUAGE, THEME, Theme};
use super::login::gone;
use super::trouble::{self, page};
use super::words::Language;
use crate::desk::{Desk, Error, Visitor};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "me.html", config = "src/ui/askama.toml")]
struct Me<'a> {
    frame: &'a Frame,
    failed: Vec<String>,
    /// What has just been done.
    told: Option<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Done {
    #[serde(default)]
    done: String,
}

#[derive(Deserialize)]
pub struct Looks {
    #[serde(default)]
    language: String,
    #[serde(default)]
    theme: String,
}

#[derive(Deserialize)]
pub struct Passwords {
    old: String,
    new: String,
}

/// `GET /me`.
pub async fn show(frame: Frame, Query(done): Query<Done>) -> Response {
    let told = match done.done.as_str() {
        "password" => Some(frame.w.me.changed),
        "look" => Some(frame.w.me.saved),
        _ => None,
    };
    page(&Me { frame: &frame, failed: Vec::new(), told })
}

/// The cookie of a choice, which the browser keeps.
pub(super) fn chosen(name: &'static str, value: &'static str) -> Cookie<'static> {
    Cookie::build((name, value)).path("/").same_site(SameSite::Lax).permanent().build()
}

/// `POST /me`.
pub async fn look(jar: CookieJar, Form(looks): Form<Looks>) -> Response {
    let mut jar = jar;
    if let Some(language) = Language::of(&looks.language) {
        jar = jar.add(chosen(LANGUAGE, language.code()));
    }
    if let Some(theme) = Theme::of(&looks.theme) {
        jar = jar.add(chosen(THEME, theme.word()));
    }
    (jar, Redirect::to("/me?done=look")).into_response()
}

/// `POST /me/password`.
pub async fn password(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(visitor): Extension<Visitor>,
    Form(Passwords { old, new }): Form<Passwords>,
) -> Response {
    match desk.own_password(&visitor, &old, &new).await {
        Ok(()) => Redirect::to("/me?done=password").into_response(),
        Err(Error::Invalid(wrong)) => {
            let failed = wrong.into_iter().map(|(_, why)| why).collect();
            let page = page(&Me { frame: &frame, failed, told: None });
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `POST /me/logout`: everywhere.
pub async fn leave(
    State(desk): State<Desk>,
    frame: Frame,
    Extension(visitor): Extension<Visitor>,
    jar: CookieJar,
) -> Response {
    match desk.logout_everywhere(&visitor).await {
        Ok(()) => gone(&desk, jar),
        Err(error) => trouble::of(&frame, &error),
    }
}
