//! The control routes of ChatAPI's stand-in. Invariant: people write under the lock, webhooks are
//! sent without it.

use super::{Shared, wrong};
use crate::sandbox::Hub;
use crate::sandbox::chatapi::hook::{self, Hooked};
use crate::sandbox::chatapi::manner::Manner;
use crate::sandbox::chatapi::message::{MessageSpec, Writing};
use crate::sandbox::crm::account::Object;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// How it stands: manners, settings, what waits, and the webhooks that were sent.
pub async fn show(State(hub): Shared) -> Response {
    let world = hub.world();
    let gateway = &world.gateway;
    Json(json!({
        "manner": gateway.manner, "settings": gateway.settings, "queue": gateway.queue,
        "hooked": gateway.hooked,
    }))
    .into_response()
}

/// Changes manners, and settings as `/settings` does.
pub async fn change(State(hub): Shared, Json(mut body): Json<Object>) -> Response {
    let settings = body.remove("settings");
    let changed = hub.change_gateway(|gateway| {
        let mut merged = json!(gateway.manner);
        for (key, value) in body {
            merged[key] = value;
        }
        gateway.manner =
            serde_json::from_value::<Manner>(merged).map_err(|error| error.to_string())?;
        if let Some(Value::Object(settings)) = settings {
            gateway.settings.extend(settings);
        }
        Ok(json!({ "manner": gateway.manner, "settings": gateway.settings }))
    });
    changed.map_or_else(wrong, |shown| Json(shown).into_response())
}

/// People write: one message, a list (one webhook), or `{"messages": […], "deliveries", …}`.
pub async fn messages(State(hub): Shared, Json(body): Json<Value>) -> Response {
    let read = if body.get("messages").is_some() {
        serde_json::from_value::<Writing>(body).map_err(|error| error.to_string())
    } else {
        let messages = super::one_or_many::<MessageSpec>(body);
        messages.map(|messages| Writing { messages, deliveries: 1, drop: false, apart: false })
    };
    match read {
        Ok(writing) => {
            let (ids, hooked) = write(&hub, &writing).await;
            Json(json!({ "ids": ids, "hooked": hooked })).into_response()
        }
        Err(why) => wrong(why),
    }
}

/// Writes, and waits for the answers of the webhooks.
pub async fn write(hub: &Arc<Hub>, writing: &Writing) -> (Vec<String>, Vec<Hooked>) {
    let (ids, hooks, way) = {
        let mut world = hub.world();
        let (ids, hooks) = world.gateway.write(writing, hub.clock.now());
        (ids, hooks, world.gateway.way())
    };
    let Some(way) = way else { return (ids, Vec::new()) };
    let all = hooks.iter().flat_map(|hook| std::iter::repeat_n(hook, writing.deliveries));
    let hooked = if writing.apart {
        let sends = all.map(|hook| hook::deliver(&hub.client, &way, hook));
        futures_util::future::join_all(sends).await
    } else {
        let mut hooked = Vec::new();
        for hook in all {
            hooked.push(hook::deliver(&hub.client, &way, hook).await);
        }
        hooked
    };
    hub.world().gateway.hooked.extend(hooked.iter().cloned());
    (ids, hooked)
}
