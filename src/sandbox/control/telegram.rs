//! Control routes of Telegram: people, chats, bots. Invariant: what a person does here a bot is told as
//! Telegram would tell it; a chat's state is changed silently.

use super::{Shared, done, wrong};
use crate::sandbox::Hub;
use crate::sandbox::telegram::people::{self, Does, Told};
use crate::sandbox::telegram::{Bot, State as ChatState};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Somebody does something; none when there is no such bot.
pub fn act(hub: &Hub, does: &Does) -> Option<Told> {
    let now = hub.clock.now();
    let told = people::act(hub.world().bot(does.bot.as_deref())?, does, now);
    hub.tell_telegram();
    Some(told)
}

pub async fn does(State(hub): Shared, Json(body): Json<Value>) -> Response {
    let single = body.is_object();
    let all = match super::one_or_many::<Does>(body) {
        Ok(all) => all,
        Err(why) => return wrong(why),
    };
    let told: Option<Vec<Told>> = all.iter().map(|does| act(&hub, does)).collect();
    match told {
        None => wrong("there is no such bot".to_owned()),
        Some(told) if single => Json(json!(told.first())).into_response(),
        Some(told) => Json(json!(told)).into_response(),
    }
}

pub async fn show(State(hub): Shared) -> Response {
    let bots: Vec<Value> = hub
        .world()
        .bots
        .iter()
        .map(|bot| {
            json!({
                "id": bot.id, "token": bot.token, "webhook": bot.updates.webhook_info(),
                "waiting": bot.updates.count(), "poller": bot.updates.poller, "chats": bot.chats.values().collect::<Vec<_>>(),
            })
        })
        .collect();
    Json(json!({ "bots": bots })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    bot: Option<String>,
    chat: i64,
    state: ChatState,
    #[serde(default)]
    group: bool,
}

pub async fn chats(State(hub): Shared, Json(change): Json<Change>) -> Response {
    let mut world = hub.world();
    let Some(bot) = world.bot(change.bot.as_deref()) else {
        return wrong("there is no such bot".to_owned());
    };
    bot.chat(change.chat, change.group).state = change.state;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBot {
    token: String,
}

pub async fn bots(State(hub): Shared, Json(new): Json<NewBot>) -> Response {
    let mut world = hub.world();
    if world.bots.iter().any(|bot| bot.token == new.token) {
        return wrong("there is such a bot".to_owned());
    }
    world.bots.push(Bot::new(&new.token));
    done()
}
