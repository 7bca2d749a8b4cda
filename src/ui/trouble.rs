//! Pages of errors, in the look of all others. Invariant: the only place of the console that chooses a
//! status code of an error; a person learns what they can do, the log the cause.

use super::frame::Frame;
use crate::desk::Error;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

#[derive(Template)]
#[template(path = "trouble.html", config = "src/ui/askama.toml")]
struct Trouble<'a> {
    frame: &'a Frame,
    code: u16,
    title: &'static str,
    text: &'static str,
    told: Vec<String>,
}

/// A page, or the page that says that it could not be made.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The page of an error of desk.
pub fn of(frame: &Frame, error: &Error) -> Response {
    let (code, told) = match error {
        Error::NotFound(_) => (StatusCode::NOT_FOUND, Vec::new()),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, Vec::new()),
        Error::Invalid(wrong) => {
            let told = wrong.iter().map(|(field, why)| frame.wrong(field, why)).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, told)
        }
        Error::Conflict(why) => (StatusCode::CONFLICT, vec![why.clone()]),
        Error::FarSide(why) => (StatusCode::BAD_GATEWAY, vec![why.clone()]),
        Error::Store(error) => {
            tracing::error!(%error, "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    told_of(frame, code, told)
}

/// The page of a status code.
pub fn status(frame: &Frame, code: StatusCode) -> Response {
    told_of(frame, code, Vec::new())
}

fn told_of(frame: &Frame, code: StatusCode, told: Vec<String>) -> Response {
    let w = &frame.w.trouble;
    let (title, text) = match code {
        StatusCode::NOT_FOUND => (w.title_404, w.text_404),
        StatusCode::FORBIDDEN => (w.title_403, w.text_403),
        StatusCode::CONFLICT => (w.title_409, w.text_409),
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST => (w.title_422, w.text_422),
        StatusCode::METHOD_NOT_ALLOWED => (w.title_405, w.text_405),
        StatusCode::PAYLOAD_TOO_LARGE => (w.title_413, w.text_413),
        StatusCode::TOO_MANY_REQUESTS => (w.title_429, w.text_429),
        StatusCode::SERVICE_UNAVAILABLE => (w.title_503, w.text_503),
        StatusCode::BAD_GATEWAY => (w.title_502, w.text_502),
        _ => (w.title_500, w.text_500),
    };
    (code, page(&Trouble { frame, code: code.as_u16(), title, text, told })).into_response()
}

/// Any path of the console that is not ours.
pub async fn not_found(frame: Frame) -> Response {
    status(&frame, StatusCode::NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::words::Language;

    #[tokio::test]
    async fn each_error_has_its_code_and_says_what_to_do() {
        let frame = Frame::sample(Language::En, "/");
        for (error, code) in [
            (Error::NotFound("job 1".into()), 404),
            (Error::Forbidden("anna".into()), 403),
            (Error::Invalid(vec![("a".into(), "b".into())]), 422),
            (Error::Conflict("later".into()), 409),
            (Error::FarSide("silent".into()), 502),
        ] {
            assert_eq!(of(&frame, &error).status().as_u16(), code);
        }
        for code in [405, 413, 429, 503] {
            let code = StatusCode::from_u16(code).expect("a code");
            let body = status(&frame, code).into_body();
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
            assert!(!String::from_utf8_lossy(&body).contains(frame.w.trouble.title_500), "{code}");
        }
        let told = Error::Invalid(vec![("<b>".into(), "why".into())]);
        let body =
            axum::body::to_bytes(of(&frame, &told).into_body(), 1 << 20).await.expect("a body");
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains("&#60;b&#62;: why") && !body.contains("<b>"), "{body}");
    }
}
