//! The control routes of RetailCRM's stand-in: what people do there. Invariant: whatever they do
//! stands in the history and calls the triggers, as it does on the far side.

use super::{Shared, done, one_or_many, wrong};
use crate::sandbox::Hub;
use crate::sandbox::answer::Refusal;
use crate::sandbox::crm::account::Object;
use crate::sandbox::crm::triggers::Trigger;
use crate::sandbox::crowd::Crowd;
use crate::sandbox::world::World;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub async fn customers(State(hub): Shared, Json(rows): Json<Value>) -> Response {
    seed(&hub, rows, |world, body, now| world.seed_customer(body, now))
}

pub async fn orders(State(hub): Shared, Json(rows): Json<Value>) -> Response {
    seed(&hub, rows, |world, body, now| world.seed_order(body, now))
}

fn seed(
    hub: &Arc<Hub>,
    rows: Value,
    write: impl Fn(&mut World, &Object, jiff::Timestamp) -> Result<u64, Refusal>,
) -> Response {
    let rows = match one_or_many::<Object>(rows) {
        Ok(rows) => rows,
        Err(refusal) => return wrong(refusal),
    };
    let now = hub.clock.now();
    let mut world = hub.world();
    let mut ids = Vec::new();
    for (position, row) in rows.iter().enumerate() {
        match write(&mut world, row, now) {
            Ok(id) => ids.push(id),
            Err(refusal) => return wrong(format!("row {position}: {}", refusal.line())),
        }
    }
    drop(world);
    hub.call_triggers();
    Json(json!({ "ids": ids })).into_response()
}

pub async fn edit_order(
    State(hub): Shared,
    Path(id): Path<u64>,
    Json(body): Json<Object>,
) -> Response {
    let edited = hub.world().edit_order(id, &body, hub.clock.now());
    hub.call_triggers();
    edited.map_or_else(|refusal| wrong(refusal.line()), |()| done())
}

pub async fn delete_order(
    State(hub): Shared,
    Path(id): Path<u64>,
    body: Option<Json<Object>>,
) -> Response {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    hub.world().end_order(id, &body, hub.clock.now()).map_or_else(wrong, |()| done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct Holding {
    hold_next: Option<u32>,
    hold: Vec<u64>,
    release: Option<Vec<u64>>,
    /// `orders` or `customers`.
    of: Option<String>,
}

pub async fn history(State(hub): Shared, Json(holding): Json<Holding>) -> Response {
    let mut world = hub.world();
    let book = match holding.of.as_deref() {
        None | Some("orders") => &mut world.account.history,
        Some("customers") => &mut world.account.customer_history,
        Some(other) => return wrong(format!("{other}: orders or customers")),
    };
    if let Some(ids) = &holding.release {
        book.release(ids);
    }
    if let Some(count) = holding.hold_next {
        book.hold_next(count);
    }
    book.hold(&holding.hold);
    Json(json!({"held": book.held(), "last": book.last()})).into_response()
}

/// Replaces the triggers.
pub async fn set_triggers(State(hub): Shared, Json(body): Json<Value>) -> Response {
    match one_or_many::<Trigger>(body) {
        Ok(triggers) => hub.world().account.triggers = triggers,
        Err(refusal) => return wrong(refusal),
    }
    done()
}

pub async fn triggers(State(hub): Shared) -> Response {
    let world = hub.world();
    let body = json!({"triggers": world.account.triggers, "called": world.account.called});
    Json(body).into_response()
}

pub async fn crowd(State(hub): Shared, Json(crowd): Json<Crowd>) -> Response {
    match hub.world().seed_crowd(&crowd, hub.clock.now()) {
        Ok(made) => Json(json!(made)).into_response(),
        Err(refusal) => wrong(refusal.line()),
    }
}
