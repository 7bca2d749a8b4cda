//! What became of one event, and why. Invariant: reads only.

use super::Answer;
use super::ask::{Asked, Checked, Named, Wrong, bounded};
use crate::desk::Desk;
use crate::desk::story::{Found, Story};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StoryQuery {
    /// A phone in any mask, an e-mail, an event's key, an order's number or id.
    #[serde(default)]
    #[param(
        required = true,
        min_length = 1,
        max_length = 200,
        pattern = "\\S",
        example = "call:900000001"
    )]
    q: String,
}

impl Checked for StoryQuery {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "q", Some(&self.q), 200);
        wrong
    }
}

/// What was found, at most 50.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stories {
    pub items: Vec<Found>,
}

/// Finds stories; the newest first, at most 50.
#[utoipa::path(
    get,
    path = "/stories",
    tag = "Stories",
    operation_id = "find_stories",
    params(StoryQuery),
    responses((status = 200, description = "What was found; none is an empty list.", body = Stories)),
)]
pub async fn find(State(desk): State<Desk>, Asked(asked): Asked<StoryQuery>) -> Answer<Stories> {
    Ok(Json(Stories { items: desk.find(&asked.q).await? }))
}

/// One story, from raw to answers.
///
/// What came in, the event, its jobs, each decision with its facts and reasons, the steps with masked
/// requests and answers.
#[utoipa::path(
    get,
    path = "/stories/{id}",
    tag = "Stories",
    operation_id = "get_story",
    params(("id" = String, Path, description = "As rows carry it in `story` or `id` \
        (`connection~key`), or a bare event key.", min_length = 1, max_length = 200,
        example = "calltouch-main~call:900000001")),
    responses((status = 200, description = "The story.", body = Story)),
)]
pub async fn story(State(desk): State<Desk>, Named(id): Named<String>) -> Answer<Story> {
    Ok(Json(desk.story(&id).await?))
}
