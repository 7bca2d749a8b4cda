//! Flows: their source, cases and state; start, stop, try. Invariant: what is tried writes nothing.

use super::Answer;
use super::ask::{Checked, Given, Named, Wrong, bounded, within};
use super::jobs::Why;
use crate::desk::flows::{FlowPage, FlowRow, Trial};
use crate::desk::{Actor, Desk};
use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest source, in characters.
const MOST_SOURCE: usize = 100_000;
/// Decisions that a trial weighs: the fewest and the most.
const WEIGHED: (u32, u32) = (1, 1000);

/// All flows, by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Flows {
    pub items: Vec<FlowRow>,
}

/// What to try, on what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempted {
    /// The flow's text; what is on disk where it is left out.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100_000, pattern = "\\S")]
    pub source: Option<String>,
    /// On so many of the last decisions.
    #[serde(default = "hundred")]
    #[schema(minimum = 1, maximum = 1000, default = 100, example = 100)]
    pub most: u32,
}

fn hundred() -> u32 {
    100
}

impl Checked for Attempted {
    fn wrong(&self) -> Wrong {
        let mut wrong = Wrong::new();
        bounded(&mut wrong, "source", self.source.as_deref(), MOST_SOURCE);
        within(&mut wrong, "most", self.most, WEIGHED);
        wrong
    }
}

/// All flows, by name.
#[utoipa::path(
    get,
    path = "/flows",
    tag = "House",
    operation_id = "list_flows",
    responses((status = 200, description = "All of them.", body = Flows)),
)]
pub async fn flows(State(desk): State<Desk>) -> Answer<Flows> {
    Ok(Json(Flows { items: desk.flows().await? }))
}

/// One flow: source, problems, cases, the last decisions.
#[utoipa::path(
    get,
    path = "/flows/{name}",
    tag = "House",
    operation_id = "get_flow",
    params(("name" = String, Path, description = "Of the instance.", min_length = 1,
        max_length = 200, example = "call-to-order")),
    responses((status = 200, description = "The flow.", body = FlowPage)),
)]
pub async fn flow(State(desk): State<Desk>, Named(name): Named<String>) -> Answer<FlowPage> {
    Ok(Json(desk.flow(&name).await?))
}

/// Starts a flow, in all processes.
///
/// It holds until the configured value changes. One that runs already goes on.
#[utoipa::path(
    post,
    path = "/flows/{name}/start",
    tag = "House",
    operation_id = "start_flow",
    params(("name" = String, Path, description = "Of the instance.", min_length = 1,
        max_length = 200, example = "call-to-order")),
    request_body = Why,
    responses((status = 200, description = "It runs.", body = FlowRow)),
)]
pub async fn start(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
    Given(given): Given<Why>,
) -> Answer<FlowRow> {
    Ok(Json(desk.switch(&actor, &name, true, given.why.as_deref()).await?))
}

/// Stops a flow, in all processes.
///
/// It holds until the configured value changes. Jobs that wait are skipped when they are due.
#[utoipa::path(
    post,
    path = "/flows/{name}/stop",
    tag = "House",
    operation_id = "stop_flow",
    params(("name" = String, Path, description = "Of the instance.", min_length = 1,
        max_length = 200, example = "call-to-order")),
    request_body = Why,
    responses((status = 200, description = "It is stopped.", body = FlowRow)),
)]
pub async fn stop(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
    Given(given): Given<Why>,
) -> Answer<FlowRow> {
    Ok(Json(desk.switch(&actor, &name, false, given.why.as_deref()).await?))
}

/// What a text would have decided about the last events.
///
/// Each recorded decision is made anew with the text and the facts as they were. Writes nothing.
#[utoipa::path(
    post,
    path = "/flows/{name}/try",
    tag = "House",
    operation_id = "try_flow",
    params(("name" = String, Path, description = "Of the instance.", min_length = 1,
        max_length = 200, example = "call-to-order")),
    request_body = Attempted,
    responses((status = 200, description = "Problems, cases, differences.", body = Trial)),
)]
pub async fn attempt(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
    Given(given): Given<Attempted>,
) -> Answer<Trial> {
    Ok(Json(desk.try_flow(&actor, &name, given.source.as_deref(), given.most).await?))
}
