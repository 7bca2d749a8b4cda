//! The classes of routes. Invariant: every route of the house stands in a list of these (`http::ROUTES`,
//! `http::api::ROUTES`, `ui::ROUTES`); a request to a path that stands in none is not served.

use super::Right;
use serde::Serialize;

/// What lets a request in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Everybody: health, the login page, styles.
    Public,
    /// A secret of one connection, in the path or the body.
    Hook,
    /// The cookie of a login.
    Session,
    /// A token in `Authorization: Bearer`.
    Bearer,
}

/// A route of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Route {
    pub method: &'static str,
    /// As axum has it: `/leads/{key}`.
    pub path: &'static str,
    pub class: Class,
    /// What who comes in must be allowed; of sessions and bearers.
    pub right: Option<Right>,
}

/// The route of a request, by the path as axum has it; `HEAD` is answered as `GET`.
pub fn find<'a>(lists: &[&'a [Route]], method: &str, path: &str) -> Option<&'a Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut all = lists.iter().copied().flatten();
    all.find(|route| route.method == method && route.path == path)
}

impl Route {
    pub const fn public(method: &'static str, path: &'static str) -> Self {
        Self { method, path, class: Class::Public, right: None }
    }

    pub const fn hook(method: &'static str, path: &'static str) -> Self {
        Self { method, path, class: Class::Hook, right: None }
    }

    pub const fn session(method: &'static str, path: &'static str, right: Right) -> Self {
        Self { method, path, class: Class::Session, right: Some(right) }
    }

    pub const fn bearer(method: &'static str, path: &'static str, right: Right) -> Self {
        Self { method, path, class: Class::Bearer, right: Some(right) }
    }
}
