//! How everything does: the overview, the connections, reading the files anew. Invariant: a hook's
//! secret is told only to a token that may act.

use super::Answer;
use super::ask::Named;
use crate::desk::acts::Done;
use crate::desk::connections::{ConnectionPage, ConnectionRow, ListPage};
use crate::desk::overview::Overview;
use crate::desk::reload::Reloaded;
use crate::desk::{Actor, Desk};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

/// All connections, by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Connections {
    pub items: Vec<ConnectionRow>,
}

/// How everything does now.
#[utoipa::path(
    get,
    path = "/overview",
    tag = "Overview",
    operation_id = "get_overview",
    responses((status = 200, description = "One moment of everything.", body = Overview)),
)]
pub async fn overview(State(desk): State<Desk>) -> Answer<Overview> {
    let now = desk.pipeline.clock.now();
    Ok(Json(desk.overview(now).await?))
}

/// How all connections do, by name.
#[utoipa::path(
    get,
    path = "/connections",
    tag = "House",
    operation_id = "list_connections",
    responses((status = 200, description = "All of them.", body = Connections)),
)]
pub async fn connections(State(desk): State<Desk>) -> Answer<Connections> {
    Ok(Json(Connections { items: desk.connections().await? }))
}

/// One connection: settings, state, errors, what a flow may use of it.
///
/// The address to paste into the far side holds its secret only for a token with the scope `act`.
#[utoipa::path(
    get,
    path = "/connections/{name}",
    tag = "House",
    operation_id = "get_connection",
    params(("name" = String, Path, description = "Its name in the configuration.", min_length = 1,
        max_length = 200, example = "shop")),
    responses((status = 200, description = "The connection.", body = ConnectionPage)),
)]
pub async fn connection(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
) -> Answer<ConnectionPage> {
    Ok(Json(desk.connection(&actor, &name).await?))
}

/// The live codes of one of its lists, read from the far side now.
#[utoipa::path(
    get,
    path = "/connections/{name}/lists/{list}",
    tag = "House",
    operation_id = "read_list",
    params(
        ("name" = String, Path, description = "The connection's name.", min_length = 1,
            max_length = 200, example = "shop"),
        ("list" = String, Path, description = "The list's name, as the connection tells it.",
            min_length = 1, max_length = 200, example = "statuses"),
    ),
    responses((status = 200, description = "The list.", body = ListPage)),
)]
pub async fn list(
    State(desk): State<Desk>,
    Named((name, list)): Named<(String, String)>,
) -> Answer<ListPage> {
    Ok(Json(desk.list(&name, &list).await?))
}

/// Reads all feeds of a connection now, by whichever process owns it.
#[utoipa::path(
    post,
    path = "/connections/{name}/poll",
    tag = "House",
    operation_id = "poll_connection",
    params(("name" = String, Path, description = "The connection's name.", min_length = 1,
        max_length = 200, example = "shop")),
    responses((status = 200, description = "How many rows came.", body = Done)),
)]
pub async fn poll(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
    Named(name): Named<String>,
) -> Answer<Done> {
    Ok(Json(desk.poll(&actor, &name).await?))
}

/// Reads config and flow files anew, in every process.
///
/// A bad set changes nothing: the answer tells by process why it was refused.
#[utoipa::path(
    post,
    path = "/reload",
    tag = "House",
    operation_id = "reload",
    responses((status = 200, description = "What each process says.", body = Reloaded)),
)]
pub async fn reload(
    State(desk): State<Desk>,
    Extension(actor): Extension<Actor>,
) -> Answer<Reloaded> {
    Ok(Json(desk.reload(&actor).await?))
}
