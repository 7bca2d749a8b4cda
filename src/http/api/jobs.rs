//! What a person does about one job. Invariant: an act that was done already changes nothing: it is
//! answered with what is now.

use super::Answer;
use super::ask::{Checked, Given, Named, Wrong, bounded};
use crate::desk::acts::{Done, ReplayPreview, StepWord};
use crate::desk::{Actor, Desk};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The longest word of a person, in characters.
pub const MOST_WHY: usize = 500;

/// Why something is done.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Kept with the job and in the audit log.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "the CRM was down")]
    pub why: Option<String>,
}

/// Decide anew.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideAnew {
    /// As the difference told it: another flow than that is refused.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = "\\S")]
    pub fingerprint: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "the flow was mended")]
    pub why: Option<String>,
}

/// The step had happened.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrived {
    /// The step of unknown outcome.
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 200,
        pattern = "\\S",
        example = "create"
    )]
    pub step: String,
    /// What the far side made, where that is known.
    #[serde(default)]
    #[schema(example = json!({ "id": 17 }))]
    pub output: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "it is in the CRM")]
    pub why: Option<String>,
}

/// The step had not happened.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// The step of unknown outcome.
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 200,
        pattern = "\\S",
        example = "create"
    )]
    pub step: String,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = "\\S", example = "it is not in the CRM")]
    pub why: Option<String>,
}

/// End it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    #[serde(default)]
    #[schema(
        required = true,
        min_length = 1,
        max_length = 500,
        pattern = "\\S",
        example = "a test lead"
    )]
    pub why: String,
}

impl Checked for Why {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "why", self.why.as_deref(), MOST_WHY);
        wrong
    }
}

impl Checked for DecideAnew {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "fingerprint", self.fingerprint.as_deref(), 200);
        bounded(&mut wrong, "why", self.why.as_deref(), MOST_WHY);
        wrong
    }
}

impl Checked for Arrived {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "step", Some(&self.step), 200);
        bounded(&mut wrong, "why", self.why.as_deref(), MOST_WHY);
        wrong
    }
}

impl Checked for Again {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "step", Some(&self.step), 200);
        bounded(&mut wrong, "why", self.why.as_deref(), MOST_WHY);
        wrong
    }
}

impl Checked for Skip {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "why", Some(&self.why), MOST_WHY);
        wrong
    }
}

/// What today's flow would decide about it.
///
/// Beside what was decided, field by field. Changes nothing.
#[utoipa::path(
    get,
    path = "/jobs/{id}/replay",
    tag = "Jobs",
    operation_id = "preview_replay",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    responses((status = 200, description = "The difference.", body = ReplayPreview)),
)]
pub async fn preview(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
) -> Answer<ReplayPreview> {
    Ok(Json(desk.replay(&actor, id).await?))
}

/// Decides its event anew, as a new job.
#[utoipa::path(
    post,
    path = "/jobs/{id}/replay",
    tag = "Jobs",
    operation_id = "replay_job",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    request_body = DecideAnew,
    responses((status = 200, description = "The new job waits.", body = Done)),
)]
pub async fn replay(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
    Given(given): Given<DecideAnew>,
) -> Answer<Done> {
    let (fingerprint, why) = (given.fingerprint.as_deref(), given.why.as_deref());
    Ok(Json(desk.decide_anew(&actor, id, fingerprint, why).await?))
}

/// Decides a parked job anew, with fresh facts.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tag = "Jobs",
    operation_id = "retry_job",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    request_body = Why,
    responses((status = 200, description = "It waits.", body = Done)),
)]
pub async fn retry(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
    Given(given): Given<Why>,
) -> Answer<Done> {
    Ok(Json(desk.retry(&actor, id, given.why.as_deref()).await?))
}

/// Says that a step of unknown outcome had happened.
#[utoipa::path(
    post,
    path = "/jobs/{id}/arrived",
    tag = "Jobs",
    operation_id = "step_arrived",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    request_body = Arrived,
    responses((status = 200, description = "The job goes on from there.", body = Done)),
)]
pub async fn arrived(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
    Given(given): Given<Arrived>,
) -> Answer<Done> {
    let Arrived { step, output, why } = given;
    Ok(Json(desk.word(&actor, id, &StepWord { step, arrived: true, output, why }).await?))
}

/// Says that a step of unknown outcome had not happened: it is sent again.
#[utoipa::path(
    post,
    path = "/jobs/{id}/again",
    tag = "Jobs",
    operation_id = "send_step_again",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    request_body = Again,
    responses((status = 200, description = "The step is sent again.", body = Done)),
)]
pub async fn again(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
    Given(given): Given<Again>,
) -> Answer<Done> {
    let Again { step, why } = given;
    Ok(Json(desk.word(&actor, id, &StepWord { step, arrived: false, output: None, why }).await?))
}

/// Ends a parked or waiting job, with a word.
#[utoipa::path(
    post,
    path = "/jobs/{id}/skip",
    tag = "Jobs",
    operation_id = "skip_job",
    params(("id" = i64, Path, description = "The job's number.", example = 17)),
    request_body = Skip,
    responses((status = 200, description = "It has ended.", body = Done)),
)]
pub async fn skip(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(id): Named<i64>,
    Given(given): Given<Skip>,
) -> Answer<Done> {
    Ok(Json(desk.skip(&actor, id, &given.why).await?))
}
