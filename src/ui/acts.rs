//! What a person does about one job: the forms of its story. Invariant: looking changes nothing; every
//! act is a POST, and desk decides whether it may be.

use super::frame::{Frame, left_cookie};
use super::trouble;
use super::values::{Fields, local};
use crate::desk::acts::{Done, ReplayPreview, StepWord};
use crate::desk::{Actor, Desk, Error};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value};

#[derive(Template)]
#[template(path = "replay.html", config = "src/ui/askama.toml")]
struct Page<'a> {
    frame: &'a Frame,
    preview: &'a ReplayPreview,
    story: String,
}

/// What a form of an act comes with.
pub struct Form {
    desk: Desk,
    actor: Actor,
    frame: Frame,
    job: i64,
    fields: Fields,
}

impl Form {
    fn why(&self) -> Option<&str> {
        self.fields.get("why")
    }

    /// Back to where the button stood, with what was done; what was left is told at once.
    fn answer(&self, done: Result<Done, Error>) -> Response {
        let done = match done {
            Ok(done) => done,
            Err(error) => return trouble::of(&self.frame, &error),
        };
        let count = done.waiting.len() + done.ended.len();
        if count == 0 && !done.left.is_empty() {
            let why: Vec<String> = done.left.into_iter().map(|left| left.why).collect();
            return trouble::of(&self.frame, &Error::Conflict(why.join("; ")));
        }
        back_to(local(self.fields.get("to").unwrap_or("/needs")), &done, 0)
    }
}

/// Leads on to a page of ours, which tells what was done, what was left and why. `others`: what was
/// chosen and is nothing for this act.
pub(super) fn back_to(to: &str, done: &Done, others: usize) -> Response {
    let count = u64::try_from(done.waiting.len() + done.ended.len()).unwrap_or(u64::MAX);
    let left = done.left.len() + others;
    let sign = if to.contains('?') { '&' } else { '?' };
    let more = if done.more { "&more=1" } else { "" };
    let to = format!("{to}{sign}done={}&left={left}{more}", count.max(done.rows));
    if done.left.is_empty() {
        return Redirect::to(&to).into_response();
    }
    let why: Vec<String> = done.left.iter().map(|left| left.why.clone()).collect();
    ([(header::SET_COOKIE, left_cookie(&why))], Redirect::to(&to)).into_response()
}

impl axum::extract::FromRequest<Desk> for Form {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, desk: &Desk) -> Result<Self, Response> {
        use axum::RequestExt;
        let mut request = request;
        let Ok(frame) = request.extract_parts_with_state::<Frame, Desk>(desk).await;
        let parts = request.extract_parts::<(Extension<Actor>, Path<i64>)>().await;
        let Ok((Extension(actor), Path(job))) = parts else {
            return Err(trouble::of(&frame, &Error::NotFound("job".to_owned())));
        };
        let body: String = request.extract().await.map_err(IntoResponse::into_response)?;
        Ok(Self { desk: desk.clone(), actor, frame, job, fields: Fields::of(&body) })
    }
}

/// `GET /jobs/{id}/replay`: what today's flow would decide.
pub async fn preview(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    frame: Frame,
    Path(job): Path<i64>,
) -> Response {
    match desk.replay(&actor, job).await {
        Ok(preview) => {
            let story = super::values::story(&preview.story);
            trouble::page(&Page { frame: &frame, preview: &preview, story })
        }
        Err(error) => trouble::of(&frame, &error),
    }
}

/// `POST /jobs/{id}/replay`: what was shown, or a refusal.
pub async fn replay(form: Form) -> Response {
    let fingerprint = form.fields.get("fingerprint");
    let done = form.desk.decide_anew(&form.actor, form.job, fingerprint, form.why()).await;
    form.answer(done)
}

/// `POST /jobs/{id}/retry`.
pub async fn retry(form: Form) -> Response {
    let done = form.desk.retry(&form.actor, form.job, form.why()).await;
    form.answer(done)
}

/// `POST /jobs/{id}/arrived`.
pub async fn arrived(form: Form) -> Response {
    told(form, true).await
}

/// `POST /jobs/{id}/again`.
pub async fn again(form: Form) -> Response {
    told(form, false).await
}

async fn told(form: Form, arrived: bool) -> Response {
    let word = StepWord {
        step: form.fields.owned("step").unwrap_or_default(),
        arrived,
        output: form.fields.get("id").map(output),
        why: form.fields.owned("why"),
    };
    let done = form.desk.word(&form.actor, form.job, &word).await;
    form.answer(done)
}

/// An id as the far side writes it: a number stays one.
fn output(id: &str) -> Map<String, Value> {
    let value = id.parse::<u64>().map_or_else(|_| Value::from(id), Value::from);
    Map::from_iter([("id".to_owned(), value)])
}

/// `POST /jobs/{id}/skip`.
pub async fn skip(form: Form) -> Response {
    let done = form.desk.skip(&form.actor, form.job, form.why().unwrap_or_default()).await;
    form.answer(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::acts::LeftOver;

    #[test]
    fn what_was_left_is_told_with_its_reason() {
        let left = vec![LeftOver { id: 3, why: "it is still waiting".to_owned() }];
        let done = Done { ended: vec![1, 2], left, more: true, ..Done::default() };
        let answer = back_to("/needs?kind=job", &done, 1);
        assert_eq!(answer.headers()["location"], "/needs?kind=job&done=2&left=2&more=1");
        let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
        assert!(cookie.starts_with("left=it%20is%20still%20waiting;"), "{cookie}");
        let answer = back_to("/needs", &Done { rows: 4, ..Done::default() }, 0);
        assert_eq!(answer.headers()["location"], "/needs?done=4&left=0");
        assert!(!answer.headers().contains_key("set-cookie"));
    }

    #[test]
    fn an_id_keeps_its_type() {
        assert_eq!(Value::Object(output("17")), serde_json::json!({ "id": 17 }));
        assert_eq!(Value::Object(output("17A")), serde_json::json!({ "id": "17A" }));
    }
}
