//! How the API says that something is wrong: RFC 9457. Invariant: a problem tells what the caller
//! did, never what is inside of us.

use crate::desk::Error;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer of the kind `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: a path under `/api/problems/`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is wrong with each field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Wrong>,
    /// Seconds to wait before the next try; also as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Wrong {
    pub field: String,
    pub why: String,
}

impl Problem {
    /// `kind` is a word: `not-found`.
    pub fn new(status: StatusCode, kind: &str, title: &str) -> Self {
        Self {
            kind: format!("/api/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// There is no valid token.
    pub fn unauthorized() -> Self {
        let title = "a valid token is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title)
            .detail("send Authorization: Bearer ll_…; an admin makes tokens at /people")
    }

    /// The token may not.
    pub fn forbidden(scope: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "the token is not allowed to do that")
            .detail(format!("it needs the scope {scope}"))
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here")
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found().detail(told),
            Error::Forbidden(_) => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "that is not allowed").detail(told)
            }
            Error::Invalid(wrong) => {
                let errors = wrong.into_iter().map(|(field, why)| Wrong { field, why }).collect();
                let title = "the request makes no sense as it is";
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title);
                Self { errors, ..problem.detail(told) }
            }
            Error::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", "not now").detail(told)
            }
            Error::FarSide(_) => {
                let title = "the far side did not answer";
                Self::new(StatusCode::BAD_GATEWAY, "far-side", title).detail(told)
            }
            Error::Store(_) => {
                tracing::error!(error = told, "the API could not answer");
                let title = "the database does not answer";
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title);
                Self { retry_after: Some(5), ..problem }
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let kind = HeaderValue::from_static("application/problem+json");
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"leadlink\"");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
