//! What every answer of the API wears. Invariant: an answer that refuses is a problem, whoever made it;
//! of a defect nothing is told but that it is one.

use super::ROUTES;
use crate::http::problem::Problem;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Answers are data of people; nobody keeps, guesses or frames them.
const WORN: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
];

/// Seconds after which it makes sense to come again.
const AGAIN: u64 = 5;

/// A path below `/api` that is none of ours.
pub async fn unknown() -> Problem {
    Problem::not_found()
}

/// The outermost layer.
pub async fn dress(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut answer = next.run(request).await;
    if is_bare(&answer) {
        answer = told(&answer);
    }
    if let (StatusCode::METHOD_NOT_ALLOWED, Some(path)) = (answer.status(), path) {
        allow(answer.headers_mut(), path.as_str());
    }
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        // The rest of the body was not read: nothing else can come by this connection.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in WORN {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// It refuses, and not as a problem.
fn is_bare(answer: &Response) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let refuses = answer.status().is_client_error() || answer.status().is_server_error();
    refuses && kind != Some(b"application/problem+json")
}

/// The same as a problem.
fn told(answer: &Response) -> Response {
    let status = answer.status();
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::SERVICE_UNAVAILABLE => {
            let title = "it took too long, or the database does not answer";
            Problem { retry_after: Some(AGAIN), ..Problem::new(status, "unavailable", title) }
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            Problem::new(status, "defect", "a defect of ours; the log of the daemon tells more")
        }
        _ => {
            let title = status.canonical_reason().unwrap_or("refused").to_lowercase();
            Problem::new(status, "refused", &title)
        }
    };
    problem.into_response()
}

fn allow(headers: &mut HeaderMap, path: &str) {
    let here = ROUTES.iter().filter(|route| route.path == path);
    let mut methods: Vec<&str> = here.map(|route| route.method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if let Ok(methods) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(header::ALLOW, methods);
    }
}
