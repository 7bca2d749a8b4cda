//! A message out, by the templates of the settings. Invariant: "it surely did not happen" is said only
//! where the answer proves it; a refusal begins with the code by which all messengers tell why.

use super::Webhook;
use super::config::Sending;
use super::offer;
use super::reading::{at, text_of};
use super::template;
use crate::connectors::http::{Body, Failure, Method, Request, Response, Sent};
use crate::connectors::port::Preview;
use crate::domain::plan::{has_hole, shown};
use crate::domain::{Delay, Effect, Outcome};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

const TEMPLATE: &str = "{send_path}";

pub async fn perform(own: &Webhook, effect: &Effect, now: Timestamp) -> Outcome {
    let input = &effect.input;
    if input.values().any(has_hole) {
        return Outcome::Refused("an input still waits for an earlier step".into());
    }
    if effect.operation != offer::SEND {
        let why = format!("general: this chat knows no `{}`", effect.operation);
        return Outcome::Refused(why);
    }
    let Some(send) = &own.send else {
        return Outcome::Refused("general: the connection has no `send_path` to send to".into());
    };
    let Some(chat) = input.get("chat").and_then(text_of).filter(|chat| !chat.is_empty()) else {
        return Outcome::Refused("customer_not_exists: there is no chat to write to".into());
    };
    let value = |place: &str| input.get(place).and_then(text_of).unwrap_or_default();
    let body = template::body(&send.body, &value);
    let mut headers: Vec<(&'static str, SecretString)> = Vec::new();
    if let Some((name, secret)) = &send.key {
        headers.push((lasting(name), secret.clone()));
    }
    if let Some(signature) = own.signature.as_ref().filter(|_| own.sign_sends) {
        let signed = signature.headers(&now.as_second().to_string(), body.to_string().as_bytes());
        headers.extend(signed.into_iter().map(|(name, value)| (lasting(&name), value.into())));
    }
    let request = Request {
        method: Method::Post,
        template: TEMPLATE,
        path: template::path(&send.path, &value),
        query: vec![],
        headers,
        body: Body::Json(body),
    };
    judge(own.client.send(request).await, send, &chat)
}

/// Names of headers are few, and those of a configuration stay for the life of the process.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = names.get(name).copied() {
        return held;
    }
    let held: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(held);
    held
}

fn judge(answer: Result<Response, Failure>, send: &Sending, chat: &str) -> Outcome {
    let response = match answer {
        Ok(response) => response,
        Err(failure) if failure.sent == Sent::No => return Outcome::Later(failure.delay()),
        Err(failure) => return Outcome::Unknown(failure.delay()),
    };
    let status = response.status;
    let after = response.retry_after;
    match status {
        200..300 => {
            let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
            match at(&body, &send.id).and_then(text_of).filter(|id| !id.is_empty()) {
                Some(id) => Outcome::Done(json!({"id": id, "chat": chat, "state": "sent"})),
                None => Outcome::Unknown(Delay::connection(format!(
                    "the answer has no id at `{}` (HTTP {status})",
                    send.id
                ))),
            }
        }
        401 | 403 => Outcome::Later(Delay::access(format!("our key is refused (HTTP {status})"))),
        429 => Outcome::Later(Delay::item("we are too fast (HTTP 429)").after(after)),
        503 if after.is_some() => {
            Outcome::Later(Delay::item("we are too fast (HTTP 503)").after(after))
        }
        300..400 => Outcome::Later(Delay::connection(format!(
            "we are sent elsewhere (HTTP {status}); is the `url` of this connection right?"
        ))),
        404 | 410 => Outcome::Refused(format!("customer_not_exists: HTTP {status}")),
        400..500 => Outcome::Refused(format!("general: HTTP {status}")),
        _ => Outcome::Unknown(Delay::connection(format!(
            "the far side is in trouble (HTTP {status})"
        ))),
    }
}

/// The request that `perform` would send; holes are shown as they are.
pub fn preview(own: &Webhook, input: &Map<String, Value>) -> Preview {
    let value = |place: &str| match input.get(place).map(shown) {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut path = "(no send_path)".to_owned();
    if let Some(send) = &own.send {
        fields.push(("body".to_owned(), template::body(&send.body, &value).to_string()));
        path.clone_from(&send.path);
    }
    fields.extend(input.keys().map(|name| (name.clone(), value(name))));
    Preview { method: "POST", path, fields }
}
