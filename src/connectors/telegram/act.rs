//! Performing effects. Invariant: what was sent is said only where Telegram names the message; a
//! refusal begins with the code by which all messengers tell why.

use super::Telegram;
use super::client::{DELETE_MESSAGE, EDIT_CAPTION, EDIT_TEXT, SEND_MESSAGE};
use super::content::{id_of, text_of};
use super::judge::{Judged, Refusal};
use super::offer;
use super::upload;
use crate::connectors::http::TOO_LATE;
use crate::connectors::port::Preview;
use crate::domain::plan::{has_hole, shown};
use crate::domain::{Delay, Effect, Outcome};
use serde_json::{Map, Value, json};

/// Bytes that a button carries at most.
const MOST_DATA: usize = 64;

type Input = Map<String, Value>;

/// Performs an effect whose holes are filled.
pub async fn perform(own: &Telegram, effect: &Effect) -> Outcome {
    let input = &effect.input;
    if input.values().any(has_hole) {
        return Outcome::Refused("an input still waits for an earlier step".into());
    }
    match effect.operation.as_str() {
        offer::SEND | offer::SEND_FILE => match to(input) {
            Ok(chat) if !own.chats.turn(&chat).await => Outcome::Later(Delay::item(TOO_LATE)),
            Ok(chat) if effect.operation == offer::SEND => send(own, input, &chat).await,
            Ok(chat) => upload::send(own, input, &chat).await,
            Err(why) => Outcome::Refused(why),
        },
        offer::EDIT => edit(own, input).await,
        offer::DELETE => delete(own, input).await,
        other => Outcome::Refused(format!("telegram has no operation `{other}`")),
    }
}

/// The chat that is written to.
fn to(input: &Input) -> Result<String, String> {
    let chat = input.get("chat").and_then(id_of);
    chat.ok_or_else(|| {
        "customer_not_exists: a bot cannot write to a phone: the person must write to it first"
            .to_owned()
    })
}

async fn send(own: &Telegram, input: &Input, chat: &str) -> Outcome {
    match message(input, chat) {
        Ok(body) => sent(own.api.call(SEND_MESSAGE, body).await, chat),
        Err(why) => Outcome::Refused(why),
    }
}

/// The body of a message.
fn message(input: &Input, chat: &str) -> Result<Value, String> {
    let mut body = json!({ "chat_id": chat, "text": text_of(input.get("text")) });
    if let Some(reply) = reply(input, chat) {
        body["reply_parameters"] = reply;
    }
    let buttons = input.get("buttons").and_then(Value::as_array);
    if let Some(buttons) = buttons.filter(|buttons| !buttons.is_empty()) {
        let rows = buttons.iter().map(button).collect::<Result<Vec<Value>, String>>()?;
        body["reply_markup"] = json!({ "inline_keyboard": rows });
    }
    Ok(body)
}

/// A button, alone in its line.
fn button(button: &Value) -> Result<Value, String> {
    let (text, data) = (text_of(button.get("text")), text_of(button.get("data")));
    if data.is_empty() || data.len() > MOST_DATA {
        return Err(format!(
            "general: the data of the button `{text}` is {} bytes long; Telegram takes 1 to {MOST_DATA}",
            data.len()
        ));
    }
    Ok(json!([{ "text": text, "callback_data": data }]))
}

/// The message that is answered, in the same chat; one that is gone is no reason not to write.
pub fn reply(input: &Input, chat: &str) -> Option<Value> {
    let (of, number) = split(&input.get("reply_to").and_then(id_of)?)?;
    (of == chat).then(|| json!({"message_id": number, "allow_sending_without_reply": true}))
}

/// Chat and number of a message.
fn split(id: &str) -> Option<(String, i64)> {
    let (chat, number) = id.rsplit_once(':')?;
    Some((chat.to_owned(), number.parse().ok()?))
}

/// What the answer to a new message means.
pub fn sent(judged: Judged, chat: &str) -> Outcome {
    match judged {
        Judged::Done(message) => {
            let chat = message.pointer("/chat/id").and_then(id_of).unwrap_or(chat.to_owned());
            match message.get("message_id").and_then(id_of) {
                Some(number) => Outcome::Done(
                    json!({ "id": format!("{chat}:{number}"), "chat": chat, "state": "sent" }),
                ),
                None => Outcome::Unknown(Delay::connection("Telegram said yes without a message")),
            }
        }
        Judged::Refused(refusal) => Outcome::Refused(refusal.told()),
        Judged::Later(delay) => Outcome::Later(delay),
        Judged::Unknown(delay) => Outcome::Unknown(delay),
    }
}

/// The text of a message, or the caption where it is a file's.
async fn edit(own: &Telegram, input: &Input) -> Outcome {
    let id = input.get("id").and_then(id_of).unwrap_or_default();
    let Some((chat, number)) = split(&id) else { return no_message(&id) };
    let text = text_of(input.get("text"));
    let body = json!({ "chat_id": chat, "message_id": number, "text": text });
    let mut judged = own.api.call(EDIT_TEXT, body).await;
    if let Judged::Refused(refusal) = &judged
        && refusal.says("there is no text in the message")
    {
        let body = json!({ "chat_id": chat, "message_id": number, "caption": text });
        judged = own.api.call(EDIT_CAPTION, body).await;
    }
    changed(judged, &id, |refusal| refusal.says("not modified"))
}

async fn delete(own: &Telegram, input: &Input) -> Outcome {
    let id = input.get("id").and_then(id_of).unwrap_or_default();
    let Some((chat, number)) = split(&id) else { return no_message(&id) };
    let body = json!({ "chat_id": chat, "message_id": number });
    let judged = own.api.call(DELETE_MESSAGE, body).await;
    changed(judged, &id, |refusal| refusal.says("message to delete not found"))
}

fn no_message(id: &str) -> Outcome {
    let shown: String = id.chars().take(40).collect();
    Outcome::Refused(format!("general: `{shown}` is no message of a bot"))
}

/// What the answer to a change means; `is_so` knows the refusals that say that it is so already.
fn changed(judged: Judged, id: &str, is_so: impl Fn(&Refusal) -> bool) -> Outcome {
    match judged {
        Judged::Done(_) => Outcome::Done(json!({ "id": id })),
        Judged::Refused(refusal) if is_so(&refusal) => Outcome::Done(json!({ "id": id })),
        Judged::Refused(refusal) => Outcome::Refused(refusal.told()),
        Judged::Later(delay) => Outcome::Later(delay),
        Judged::Unknown(delay) => Outcome::Unknown(delay),
    }
}

/// The request that `perform` would send; holes are shown as they are.
pub fn preview(effect: &Effect) -> Preview {
    let path = match effect.operation.as_str() {
        offer::SEND_FILE => upload::preview(&effect.input),
        offer::EDIT => EDIT_TEXT,
        offer::DELETE => DELETE_MESSAGE,
        _ => SEND_MESSAGE,
    };
    let sent = ["chat", "id", "text", "caption", "file", "reply_to", "buttons"];
    let remembered = ["phone", "mark", "origin", "origin_channel"];
    let names = sent.into_iter().chain(remembered);
    let field = |name: &str| Some((name.to_owned(), words(&shown(effect.input.get(name)?))));
    Preview { method: "POST", path: path.to_owned(), fields: names.filter_map(field).collect() }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
