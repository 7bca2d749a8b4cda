//! Performing what flows do in the chats. Invariant: a message is posted once: the gateway refuses a
//! second one with our id, and that refusal is success; files are passed on before their message.

use super::client::{Judged, UPLOAD};
use super::config::LONGEST_TEXT;
use super::post::{self, Item, Place, build, text};
use super::{Chats, Link, bot, files};
use crate::connectors::http::{Method, Sent};
use crate::connectors::port::Preview;
use crate::connectors::retailcrm::wire;
use crate::domain::event::is_empty;
use crate::domain::{Delay, Effect, Outcome, plan};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Is this effect one of the chats?
pub fn does(effect: &Effect) -> bool {
    ["message.", "dialog."].iter().any(|family| effect.operation.starts_with(family))
}

/// Performs an effect whose holes are filled.
pub async fn perform(chats: &Chats, effect: &Effect) -> Outcome {
    if effect.input.values().any(plan::has_hole) {
        return Outcome::Refused("an input still waits for an earlier step".into());
    }
    let Some(channel) = text(&effect.input, "channel") else {
        return Outcome::Refused("`channel` names no messenger".into());
    };
    if !chats.config.channels.contains_key(&channel) {
        return Outcome::Refused(format!("{channel} has no channel in the CRM's chats"));
    }
    let mut relearnt = false;
    loop {
        let link = match chats.link().await {
            Ok(link) => link,
            Err(delay) => return Outcome::Later(delay),
        };
        match once(chats, &link, &channel, effect).await {
            Tried::Ended(outcome) => return outcome,
            // The token may have been turned, the channel made anew.
            Tried::Stale(_) if !relearnt => {
                chats.forget(&link);
                relearnt = true;
            }
            Tried::Stale(why) => {
                chats.forget(&link);
                return Outcome::Later(Delay::item(why));
            }
        }
    }
}

const NOT_US: &str =
    "the CRM's chats refuse the module's token: switch the module on, or run `leadlink setup`";

enum Tried {
    Ended(Outcome),
    /// What we know of the gateway is not true any more.
    Stale(String),
}

async fn once(chats: &Chats, link: &Arc<Link>, channel: &str, effect: &Effect) -> Tried {
    let Some(number) = link.numbers.number(channel) else {
        return Tried::Stale(format!(
            "the CRM's chats have no channel {channel}: run `leadlink setup`"
        ));
    };
    let passed = match files::pass_on(chats, &link.gateway, &effect.input).await {
        Ok(passed) => passed,
        Err(files::Stop::Stale(why)) => return Tried::Stale(why),
        Err(files::Stop::Later(delay)) => return Tried::Ended(Outcome::Later(delay)),
    };
    let place = Place {
        channel: number.into(),
        by_phone: chats.by_phone(channel),
        longest: chats.config.longest_text,
        items: &passed.items,
        lost: &passed.lost,
    };
    let built = match build(&effect.operation, &effect.input, &place) {
        Ok(built) => built,
        Err(why) => return Tried::Ended(Outcome::Refused(why)),
    };
    let mut first = None;
    for built in built {
        let judged = link.gateway.send(built.method, built.path, built.body).await;
        match outcome(effect, judged) {
            Some(Outcome::Done(done)) => {
                first.get_or_insert(done);
            }
            // What went before is there, and will be refused as such when this comes again.
            Some(other) => return Tried::Ended(other),
            None => return Tried::Stale(NOT_US.to_owned()),
        }
    }
    Tried::Ended(Outcome::Done(first.unwrap_or_default()))
}

/// What the answer to an effect means; `None`: the gateway does not know us.
pub fn outcome(effect: &Effect, judged: Judged) -> Option<Outcome> {
    let id = || wire::text(effect.input.get("id"));
    let done = |message: Option<String>| match effect.operation.as_str() {
        "message.post" => json!({ "id": message }),
        _ => json!({ "id": id() }),
    };
    Some(match judged {
        Judged::Success(body) => Outcome::Done(done(wire::text(body.get("message_id")))),
        Judged::Stranger(_) => return None,
        Judged::Later { delay, may_have: Sent::No } => Outcome::Later(delay),
        Judged::Later { delay, may_have: Sent::Maybe } => Outcome::Unknown(delay),
        Judged::Refused(status, said) => {
            let words = said.to_lowercase();
            let there = words.contains("already exists") || words.contains("already been");
            let gone = status == 404 || words.contains("not found");
            match effect.operation.as_str() {
                "message.post" if there => Outcome::Done(done(None)),
                "message.remove" if gone => Outcome::Done(done(None)),
                "message.ack" | "message.read" if there => Outcome::Done(done(None)),
                // What became of a message that the CRM does not have is no matter of the CRM's.
                "message.ack" | "message.read" if gone && !effect.input.contains_key("origin") => {
                    Outcome::Done(done(None))
                }
                _ => Outcome::Refused(said),
            }
        }
    })
}

const NOTHING: Preview = Preview { method: "POST", path: String::new(), fields: Vec::new() };

/// The request that [`perform`] would send; also of an account that has no chats yet.
pub fn preview(chats: Option<&Chats>, effect: &Effect) -> Preview {
    if effect.operation.starts_with("dialog.") {
        return bot::preview(effect);
    }
    let input: Map<String, Value> =
        effect.input.iter().map(|(name, value)| (name.clone(), plan::shown(value))).collect();
    let channel = text(&input, "channel").unwrap_or_default();
    let number = chats.and_then(Chats::held).and_then(|link| link.numbers.number(&channel));
    let files = input.get("files").map(wire::listed).unwrap_or_default();
    let shown = |file: &Value| {
        let name = wire::text(file.get("name")).unwrap_or_default();
        let known = wire::text(file.get("id")).unwrap_or_default();
        Item {
            id: format!("‹{known}›"),
            kind: wire::text(file.get("kind")).unwrap_or_default(),
            name,
        }
    };
    let items: Vec<Item> = files.into_iter().filter(|file| !is_empty(file)).map(shown).collect();
    let place = Place {
        channel: number.map_or_else(|| format!("‹{channel}›").into(), Value::from),
        by_phone: chats.is_some_and(|chats| chats.by_phone(&channel)),
        longest: chats.map_or(LONGEST_TEXT, |chats| chats.config.longest_text),
        items: &items,
        lost: &[],
    };
    match build(&effect.operation, &input, &place) {
        Ok(built) => {
            let mut built = built.into_iter();
            let Some(post::Built { method, path, body }) = built.next() else { return NOTHING };
            let mut fields: Vec<(String, String)> = items
                .iter()
                .map(|item| ("file".to_owned(), format!("{UPLOAD} {}", item.id)))
                .collect();
            let body = body.as_object().cloned().unwrap_or_default();
            fields.extend(body.into_iter().map(|(name, value)| (name, wire::stringified(&value))));
            let more =
                built.map(|more| ("then".to_owned(), wire::stringified(&more.body["message"])));
            fields.extend(more);
            Preview { method: verb(method), path: path.to_owned(), fields }
        }
        Err(why) => {
            let fields = vec![("not sent".to_owned(), why)];
            Preview { method: "POST", path: String::new(), fields }
        }
    }
}

fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}
