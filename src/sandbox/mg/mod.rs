//! A stand-in of the CRM's Message Gateway: modules, channels, conversations, files, and what it
//! posts to whoever attached a messenger (retailcrm.md 2.8, 5, 8). Invariant: a message is written
//! down before anybody is told of it, and told in the order in which it was written.

pub mod channels;
pub mod dialogs;
pub mod files;
pub mod hooks;
pub mod messages;
pub mod module;
pub mod people;
pub mod seeds;

use crate::sandbox::answer::Answer;
use crate::sandbox::crm::account::Object;
use hooks::Queue;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Where the Transport API begins.
pub const TRANSPORT: &str = "/api/transport/v1";
/// Where files lie that the gateway names.
pub const FILES: &str = "/mg-files";
/// As in the vendor's client.
const LARGEST_FILE: usize = 20 * 1024 * 1024;

/// The gateway of one account.
#[derive(Debug, Default)]
pub struct Mg {
    pub modules: BTreeMap<String, module::Module>,
    pub channels: Vec<channels::Channel>,
    pub messages: Vec<messages::Message>,
    pub dialogs: Vec<dialogs::Dialog>,
    /// Position of the newest dialog of a conversation.
    last_dialog: HashMap<(u64, String), usize>,
    /// A bot that hands dialogs out works.
    pub distributor: bool,
    pub files: BTreeMap<String, files::File>,
    /// Position of a message by channel and external id.
    by_external: HashMap<(u64, String), usize>,
    /// What is to be told, by conversation.
    pub queues: BTreeMap<(u64, String), Queue>,
    /// Words that nobody took, after all tries.
    pub untold: u64,
    /// What the module's hooks answered, by status; 0: no answer.
    pub told: BTreeMap<u16, u64>,
}

/// One request, as a route sees it.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a crate::sandbox::params::Params,
    pub json: Option<&'a Value>,
    pub bytes: &'a [u8],
    pub content_type: &'a str,
    pub token: Option<&'a str>,
    pub now: Timestamp,
    /// The CRM's users.
    pub users: &'a [Value],
    /// Of the gateway, for addresses of files.
    pub url: &'a str,
}

/// A refusal: status and words.
pub type Refused = (u16, String);
type Done = Result<Answer, Refused>;

pub fn refused(text: impl Into<String>) -> Refused {
    (400, text.into())
}

/// Is this path the gateway's?
pub fn is_of(path: &str) -> bool {
    path.starts_with(TRANSPORT) || path.starts_with(dialogs::BOT) || path.starts_with(FILES)
}

/// The route's path for logs and counters.
pub fn template(path: &str) -> &'static str {
    const PLAIN: [&str; 11] = [
        "/api/transport/v1/channels",
        "/api/transport/v1/messages",
        "/api/transport/v1/messages/ack",
        "/api/transport/v1/messages/read",
        "/api/transport/v1/messages/history",
        "/api/transport/v1/files/upload",
        "/api/transport/v1/templates",
        "/api/bot/v1/dialogs",
        "/api/bot/v1/chats",
        "/api/bot/v1/bots",
        "/api/bot/v1/users",
    ];
    if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == path) {
        return plain;
    }
    match path {
        _ if path.starts_with("/api/transport/v1/channels/") => "/api/transport/v1/channels/{}",
        _ if path.starts_with("/api/transport/v1/files/") => "/api/transport/v1/files/{}",
        _ if path.starts_with("/api/bot/v1/dialogs/") => "/api/bot/v1/dialogs/{}",
        _ if path.starts_with(FILES) => "/mg-files/{}",
        _ => "(unknown)",
    }
}

/// Answers one request.
pub fn answer(mg: &mut Mg, incoming: &Incoming) -> Answer {
    let done = if let Some(id) = incoming.path.strip_prefix("/mg-files/") {
        mg.content(id)
    } else if incoming.path.starts_with(dialogs::BOT) {
        dialogs::answer(mg, incoming)
    } else {
        route(mg, incoming)
    };
    done.unwrap_or_else(|(status, text)| Answer::json(status, &json!({ "errors": [text] })))
}

fn route(mg: &mut Mg, incoming: &Incoming) -> Done {
    let module = mg.module_of(incoming.token).ok_or((401, "Unauthorized".to_owned()))?;
    let path = incoming.path.strip_prefix(TRANSPORT).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let empty = Value::Null;
    let body = incoming.json.unwrap_or(&empty);
    match (incoming.method, parts.as_slice()) {
        ("GET", ["channels"]) => Ok(mg.list_channels(&module, incoming)),
        ("POST", ["channels"]) => mg.open_channel(&module, body, incoming.now),
        ("PUT", ["channels", id]) => mg.change_channel(&module, id, body, incoming.now),
        ("DELETE", ["channels", id]) => mg.close_channel(&module, id, incoming.now),
        ("GET", ["templates"]) => Ok(Answer::json(200, &json!([]))),
        ("POST", ["messages"]) => mg.post(&module, body, "channel", incoming.now),
        ("POST", ["messages", "history"]) => mg.post(&module, body, "channel_id", incoming.now),
        ("PUT", ["messages"]) => mg.edit(&module, body),
        ("DELETE", ["messages"]) => mg.delete(&module, body),
        ("POST", ["messages", "ack"]) => mg.ack(&module, body),
        ("POST", ["messages", "read"]) => mg.read_by_person(&module, body),
        ("POST", ["files", "upload"]) => mg.upload(incoming),
        ("GET", ["files", id]) => mg.file(id, incoming.url),
        (_, ["channels" | "messages" | "files", ..]) => Err((405, "Method not allowed".to_owned())),
        _ => Err((404, "Not found".to_owned())),
    }
}

pub fn text_at<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub fn object_at(body: &Value, name: &str) -> Object {
    body.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}
