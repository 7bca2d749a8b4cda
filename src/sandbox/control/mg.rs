//! The control routes of the CRM's chats: what managers do there. Invariant: each act is told to the
//! module of its channel, on the side.

use super::{Shared, done, one_or_many, wrong};
use crate::sandbox::mg::people::Writing;
use crate::sandbox::mg::{dialogs, hooks};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// A manager writes: one message or a list.
pub async fn write(State(hub): Shared, Json(body): Json<Value>) -> Response {
    let writings = match one_or_many::<Writing>(body) {
        Ok(writings) => writings,
        Err(why) => return wrong(why),
    };
    let now = hub.clock.now();
    let mut ids = Vec::new();
    for writing in writings {
        match hub.world().account.mg.write_as_manager(writing, now) {
            Ok(id) => ids.push(id),
            Err(why) => return wrong(why),
        }
    }
    hooks::pump(&hub);
    Json(json!({ "ids": ids })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    act: String,
    text: Option<String>,
}

pub async fn act(State(hub): Shared, Path(id): Path<u64>, Json(body): Json<Act>) -> Response {
    let now = hub.clock.now();
    let acted = hub.world().account.mg.act_as_manager(id, &body.act, body.text.as_deref(), now);
    hooks::pump(&hub);
    acted.map_or_else(wrong, |()| done())
}

/// Somebody assigns or closes a dialog.
pub async fn dialog(State(hub): Shared, Json(body): Json<dialogs::Act>) -> Response {
    let now = hub.clock.now();
    let acted = hub.world().account.mg.act_on_dialog(&body, now);
    acted.map_or_else(wrong, |id| Json(json!({ "dialog": id })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switched {
    code: String,
    active: bool,
    #[serde(default)]
    freeze: bool,
}

/// Somebody switches a module on or off in the CRM.
pub async fn switch(State(hub): Shared, Json(body): Json<Switched>) -> Response {
    match hooks::switch(&hub, &body.code, body.active, body.freeze).await {
        Ok(status) => Json(json!({ "status": status })).into_response(),
        Err(why) => wrong(why),
    }
}
