//! `GET /live`: tells an open page that something of it changed. Invariant: only names of topics are
//! told, never what changed; a stream never holds a stop, and comes back through the guard.

use crate::desk::{Desk, Topic, Visitor};
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

/// Topics of one page, and stories among them, each of which is a question of its own.
const MOST: usize = 16;
const STORIES: usize = 2;
/// A page that stays open comes back after this, if its session lasts still.
const LONGEST: Duration = Duration::from_secs(15 * 60);
const ALIVE: Duration = Duration::from_secs(15);

pub async fn listen(
    State(desk): State<Desk>,
    Extension(visitor): Extension<Visitor>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "topic");
    let topics: Result<BTreeSet<Topic>, ()> = asked.map(|(_, topic)| topic.parse()).collect();
    let Some(topics) = topics.ok().filter(is_a_page) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "topic=leads&topic=needs\n").into_response();
    };
    let Some(seat) = desk.hub.seat(&visitor.actor.name) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many open pages\n").into_response();
    };
    let words = desk.hub.listen(topics.into_iter().collect());
    let words = words.take_until(tokio::time::sleep(LONGEST)).map(move |topic| {
        let _seated = &seat;
        Ok::<_, Infallible>(Event::default().event("changed").data(topic.to_string()))
    });
    // A proxy must not keep words back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(words).keep_alive(KeepAlive::new().interval(ALIVE))).into_response()
}

fn is_a_page(topics: &BTreeSet<Topic>) -> bool {
    let stories = topics.iter().filter(|topic| matches!(topic, Topic::Story(_))).count();
    (1..=MOST).contains(&topics.len()) && stories <= STORIES
}
