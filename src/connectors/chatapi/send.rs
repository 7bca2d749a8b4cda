//! An effect as the request that it is, and what came of it. Invariant: one message is one request;
//! nothing is handed to a gateway that would hold it back and send it when nobody wants it any more.

use super::judge::{Judged, judge, refusal};
use super::{ChatApi, offer, wire};
use crate::connectors::files::NoFile;
use crate::connectors::http::{Failure, LARGEST_FILE, Response, Sent};
use crate::connectors::port::Preview;
use crate::domain::plan::{has_hole, shown};
use crate::domain::{Delay, Effect, Outcome};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

/// A request without its file.
pub struct Built {
    pub path: &'static str,
    pub fields: Map<String, Value>,
}

/// Builds the request of an effect; holes are shown as `‹steps.customer.id›`.
///
/// # Errors
/// Why it is refused, with the code in front.
pub fn build(effect: &Effect) -> Result<Built, String> {
    let input: Value =
        effect.input.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
    let text = |name: &str| wire::text(&input, name);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.into());
        }
    };
    match effect.operation.as_str() {
        offer::SEND => {
            address(&mut put, text("chat"), text("phone"))?;
            let body = with_buttons(text("text"), input.get("buttons"));
            put("body", Some(body.ok_or("general: there is no text to send")?));
            put("quotedMsgId", text("reply_to"));
            Ok(Built { path: "/sendMessage", fields })
        }
        offer::SEND_FILE => {
            address(&mut put, text("chat"), text("phone"))?;
            put("filename", Some(file_name(input.get("file"))));
            put("caption", text("caption"));
            put("quotedMsgId", text("reply_to"));
            Ok(Built { path: "/sendFile", fields })
        }
        offer::DELETE => {
            put("messageId", text("id"));
            Ok(Built { path: "/deleteMessage", fields })
        }
        offer::EDIT => {
            let id = text("id").unwrap_or_default();
            Err(format!("general: WhatsApp's gateway cannot change the message {id}"))
        }
        other => Err(format!("general: there is no operation `{other}`")),
    }
}

fn address(
    put: &mut impl FnMut(&str, Option<String>),
    chat: Option<String>,
    phone: Option<String>,
) -> Result<(), String> {
    if chat.is_some() {
        put("chatId", chat);
        return Ok(());
    }
    let phone = phone.ok_or("customer_not_exists: neither a chat nor a phone is given")?;
    if phone.starts_with('‹') {
        put("phone", Some(phone));
        return Ok(());
    }
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    if !(7..=15).contains(&digits.len()) {
        return Err("customer_not_exists: this is no phone".to_owned());
    }
    put("phone", Some(digits));
    Ok(())
}

/// Native buttons are shown by few phones, so they are lines here.
fn with_buttons(text: Option<String>, buttons: Option<&Value>) -> Option<String> {
    let held = buttons.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let lines = held.iter().filter_map(|button| wire::text(button, "text"));
    let lines: Vec<String> = lines.map(|line| format!("• {line}")).collect();
    match (text, lines.is_empty()) {
        (text, true) => text,
        (Some(text), false) => Some(format!("{text}\n\n{}", lines.join("\n"))),
        (None, false) => Some(lines.join("\n")),
    }
}

/// WhatsApp shows a file by its name.
fn file_name(file: Option<&Value>) -> String {
    let Some(file) = file else { return "file".to_owned() };
    if let Some(hole) = file.as_str() {
        return hole.to_owned();
    }
    wire::text(file, "name").unwrap_or_else(|| {
        let extension = match wire::text(file, "mime").as_deref() {
            Some("image/jpeg") => ".jpg",
            Some("image/png") => ".png",
            Some("application/pdf") => ".pdf",
            Some("audio/ogg") => ".ogg",
            Some("video/mp4") => ".mp4",
            _ => "",
        };
        format!("file{extension}")
    })
}

pub fn preview(effect: &Effect) -> Preview {
    let (path, fields) = match build(effect) {
        Ok(built) => {
            let told =
                |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let fields = built.fields.into_iter().map(|(name, value)| (name, told(value)));
            (built.path.to_owned(), fields.collect())
        }
        Err(why) => (String::new(), vec![("not sent".to_owned(), why)]),
    };
    Preview { method: "POST", path, fields }
}

/// Performs an effect whose holes are filled.
pub async fn perform(own: &ChatApi, effect: &Effect, now: Timestamp) -> Outcome {
    if effect.input.values().any(has_hole) {
        return Outcome::Refused("general: an input still waits for an earlier step".to_owned());
    }
    let built = match build(effect) {
        Ok(built) => built,
        Err(why) => return Outcome::Refused(why),
    };
    // A gateway whose phone is logged out takes messages, and sends them hours later.
    if let Err(delay) = own.standing.awake(&own.api, now).await {
        return Outcome::Later(delay);
    }
    let answer = match effect.operation.as_str() {
        offer::SEND_FILE => match with_file(own, effect, built).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        },
        _ => own.api.post(built.path, Value::Object(built.fields)).await,
    };
    ended(own, effect, &answer)
}

fn ended(own: &ChatApi, effect: &Effect, answer: &Result<Response, Failure>) -> Outcome {
    let judged = judge(answer, own.api.token.expose_secret());
    if effect.operation == offer::DELETE {
        return deleted(effect, judged);
    }
    match judged {
        Judged::Sent(id) if id.is_empty() => {
            Outcome::Unknown(Delay::connection("the gateway took a message without an id"))
        }
        Judged::Sent(id) => {
            own.given.tell(&id);
            Outcome::Done(output(&id, effect))
        }
        Judged::Refused(why) => Outcome::Refused(why),
        Judged::Later(delay) => {
            own.standing.doubt(&delay);
            Outcome::Later(delay)
        }
        Judged::Unknown(delay) => Outcome::Unknown(delay),
    }
}

/// What is gone already is as good as taken back; the gateways word that in several ways.
fn deleted(effect: &Effect, judged: Judged) -> Outcome {
    let done = || Outcome::Done(json!({ "id": effect.input.get("id") }));
    match judged {
        Judged::Sent(_) => done(),
        Judged::Refused(why) if why.contains("not found") => done(),
        Judged::Refused(why) => Outcome::Refused(why),
        // A repeat changes nothing, so what is not known is simply asked for again.
        Judged::Later(delay) | Judged::Unknown(delay) => Outcome::Later(delay),
    }
}

async fn with_file(
    own: &ChatApi,
    effect: &Effect,
    built: Built,
) -> Result<Result<Response, Failure>, Outcome> {
    let named = effect.input.get("file").unwrap_or(&Value::Null);
    let (_, file) = own.files.open(named).await.map_err(|none| match none {
        NoFile::Never(why) => Outcome::Refused(refusal(&why)),
        NoFile::Later(delay) => Outcome::Later(Delay::item(delay.why).after(delay.after)),
    })?;
    if file.size.is_some_and(|size| size > LARGEST_FILE) {
        return Err(Outcome::Refused("general: the file is larger than 20 MiB".to_owned()));
    }
    let fields = built
        .fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
    let answer = own.api.upload(built.path, fields.collect(), file).await;
    match answer {
        Err(Failure { sent: Sent::No, why }) if why.contains("larger than") => {
            Err(Outcome::Refused(refusal(&why)))
        }
        answer => Ok(answer),
    }
}

/// What is remembered of a message that was sent.
pub fn output(id: &str, effect: &Effect) -> Value {
    let input = Value::Object(effect.input.clone());
    // The chat stands in the id, also where we wrote to a phone.
    let named = id.split('_').nth(1).filter(|chat| chat.contains('@')).map(str::to_owned);
    let chat = wire::text(&input, "chat").or(named);
    let chat = chat.or_else(|| wire::address(&wire::text(&input, "phone")?));
    json!({ "id": id, "chat": chat, "state": "sent" })
}

/// The chat that an effect writes to.
pub fn chat_of(effect: &Effect) -> Option<String> {
    let input = Value::Object(effect.input.clone());
    wire::text(&input, "chat").or_else(|| wire::address(&wire::text(&input, "phone")?))
}

/// Takes what a message says out of an effect: its text, or its caption.
pub fn words_of(effect: &Effect) -> Option<String> {
    let built = build(effect).ok()?;
    let name = if effect.operation == offer::SEND { "body" } else { "caption" };
    built.fields.get(name)?.as_str().map(str::to_owned)
}
