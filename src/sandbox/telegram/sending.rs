//! What a bot writes. Invariant: nothing is written to a chat that no person opened; limits are
//! Telegram's, in its words.

use super::form::{Fields, Uploaded};
use super::{Bot, Refused, State};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const TEXT: usize = 4096;
const CAPTION: usize = 1024;
const BUTTON: usize = 64;
/// A message can be taken back for so long.
const TAKEN_BACK: SignedDuration = SignedDuration::from_hours(48);

/// A message of a bot.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub chat: i64,
    pub id: i64,
    /// `text`, or the field that its file stood in.
    pub kind: String,
    /// The text or the caption, as it is now.
    pub text: String,
    pub file: Option<Seen>,
    pub reply_to: Option<i64>,
    /// Text and data of each button.
    pub buttons: Vec<(String, String)>,
    /// How often it was changed.
    pub edits: u32,
    pub deleted: bool,
    pub at: Timestamp,
}

/// A file that arrived.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    pub name: String,
    pub mime: String,
    pub size: usize,
    pub sha256: String,
}

/// The field of a method that sends, by its name in lower case.
pub fn field_of(method: &str) -> Option<&'static str> {
    Some(match method {
        "sendmessage" => "text",
        "sendphoto" => "photo",
        "senddocument" => "document",
        "sendvideo" => "video",
        "sendaudio" => "audio",
        "sendvoice" => "voice",
        _ => return None,
    })
}

pub fn send(
    bot: &mut Bot,
    field: &'static str,
    fields: &Fields,
    now: Timestamp,
) -> Result<Value, Refused> {
    let chat = writable(bot, fields)?;
    let is_text = field == "text";
    let text = fields.text(if is_text { "text" } else { "caption" });
    let (most, what) = if is_text { (TEXT, "message") } else { (CAPTION, "message caption") };
    if is_text && text.trim().is_empty() {
        return Err(Refused::bad("message text is empty"));
    }
    if text.encode_utf16().count() > most {
        return Err(Refused::bad(&format!("{what} is too long")));
    }
    let file = match &fields.file {
        _ if is_text => None,
        Some((name, file)) if name == field => Some(seen(file)?),
        _ => return Err(Refused::bad(&format!("there is no {field} in the request"))),
    };
    let buttons = buttons(&fields.nested("reply_markup"))?;
    let reply = fields.nested("reply_parameters");
    let reply_to = reply["message_id"].as_i64();
    if let Some(number) = reply_to
        && number > bot.chat(chat, false).last
        && reply["allow_sending_without_reply"] != json!(true)
    {
        return Err(Refused::bad("message to be replied not found"));
    }
    let held = bot.chat(chat, false);
    held.last += 1;
    let (id, group) = (held.last, held.group);
    let kind = field.to_owned();
    let message = Message {
        chat,
        id,
        kind,
        text,
        file,
        reply_to,
        buttons,
        edits: 0,
        deleted: false,
        at: now,
    };
    let shown = json!({
        "message_id": id, "from": bot.person(), "date": now.as_second(), "text": message.text,
        "chat": {"id": chat, "type": if group { "supergroup" } else { "private" }},
    });
    bot.sent.push(message);
    Ok(shown)
}

/// The chat of the call, if the bot may write there.
fn writable(bot: &mut Bot, fields: &Fields) -> Result<i64, Refused> {
    let id = fields.number("chat_id").ok_or_else(|| Refused::bad("chat_id is empty"))?;
    match bot.chats.get(&id).map(|chat| (chat.state, chat.group)) {
        None | Some((State::Gone, _)) => Err(Refused::bad("chat not found")),
        Some((State::Blocked, false)) => {
            Err(Refused::new(403, "Forbidden: bot was blocked by the user"))
        }
        Some((State::Blocked, true)) => {
            Err(Refused::new(403, "Forbidden: bot was kicked from the supergroup chat"))
        }
        Some((State::Deactivated, _)) => Err(Refused::new(403, "Forbidden: user is deactivated")),
        Some((State::Active, _)) => Ok(id),
    }
}

fn seen(file: &Uploaded) -> Result<Seen, Refused> {
    if file.bytes.is_empty() {
        return Err(Refused::bad("file must be non-empty"));
    }
    let digest = Sha256::digest(&file.bytes);
    Ok(Seen {
        name: file.name.clone(),
        mime: file.mime.clone(),
        size: file.bytes.len(),
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

fn buttons(markup: &Value) -> Result<Vec<(String, String)>, Refused> {
    let rows = markup["inline_keyboard"].as_array();
    let cells = rows.into_iter().flatten().filter_map(Value::as_array).flatten();
    cells
        .map(|button| {
            let text = |name: &str| button[name].as_str().unwrap_or_default().to_owned();
            let data = text("callback_data");
            if data.is_empty() || data.len() > BUTTON {
                return Err(Refused::bad("BUTTON_DATA_INVALID"));
            }
            Ok((text("text"), data))
        })
        .collect()
}

/// `field` is `text` or `caption`.
pub fn edit(bot: &mut Bot, fields: &Fields, field: &str) -> Result<Value, Refused> {
    let text = fields.text(field);
    let most = if field == "text" { TEXT } else { CAPTION };
    if text.encode_utf16().count() > most {
        return Err(Refused::bad("message is too long"));
    }
    let (chat, id) = (fields.number("chat_id"), fields.number("message_id"));
    let is_it =
        |held: &&mut Message| Some(held.chat) == chat && Some(held.id) == id && !held.deleted;
    let Some(message) = bot.sent.iter_mut().find(is_it) else {
        return Err(Refused::bad("message to edit not found"));
    };
    if (message.kind == "text") != (field == "text") {
        return Err(Refused::bad(&format!("there is no {field} in the message to edit")));
    }
    if message.text == text {
        return Err(Refused::bad(
            "message is not modified: specified new message content and reply markup are exactly \
             the same as a current content and reply markup of the message",
        ));
    }
    message.text = text;
    message.edits += 1;
    Ok(json!({"message_id": message.id, "chat": {"id": message.chat}}))
}

pub fn delete(bot: &mut Bot, fields: &Fields, now: Timestamp) -> Result<Value, Refused> {
    let (chat, id) = (fields.number("chat_id"), fields.number("message_id"));
    let is_it =
        |held: &&mut Message| Some(held.chat) == chat && Some(held.id) == id && !held.deleted;
    let Some(message) = bot.sent.iter_mut().find(is_it) else {
        return Err(Refused::bad("message to delete not found"));
    };
    if now.duration_since(message.at) > TAKEN_BACK {
        return Err(Refused::bad("message can't be deleted for everyone"));
    }
    message.deleted = true;
    Ok(json!(true))
}
