//! The methods of an instance (messengers.md §1.2). Invariant: a wrong token is told before anything
//! else, and what is asked by query may stand in the body too.

use super::manner::Refuse;
use super::message::{Message, address};
use super::{Gateway, Incoming, OWN};
use crate::sandbox::answer::Answer;
use serde_json::{Value, json};

/// Messages of one list where nobody says how many.
const LIMIT: usize = 100;

const METHODS: &[&str] = &[
    "/sendMessage",
    "/message",
    "/sendFile",
    "/sendLink",
    "/messages",
    "/messagesHistory",
    "/dialogs",
    "/readChat",
    "/webhook",
    "/settings",
    "/status",
    "/logout",
    "/reboot",
    "/showMessagesQueue",
    "/clearMessagesQueue",
    "/deleteMessage",
];

/// The path for logs and counters.
pub fn template(path: &str) -> &'static str {
    if path.starts_with("/media/") {
        return "/media/{id}";
    }
    let method = path.rfind('/').map_or(path, |at| &path[at..]);
    METHODS.iter().find(|known| **known == method).copied().unwrap_or("(unknown)")
}

/// Answers one request.
pub fn answer(gateway: &mut Gateway, incoming: &Incoming) -> Answer {
    if let Some(rest) = incoming.path.strip_prefix("/media/") {
        return media(gateway, rest);
    }
    let own = [format!("/instance{}/", gateway.instance), format!("/{}/", gateway.instance)];
    let Some(method) = own.iter().find_map(|start| incoming.path.strip_prefix(start.as_str()))
    else {
        return refused(404, "Instance not found");
    };
    if incoming.query.one("token") != Some(gateway.token.as_str()) {
        return refused(401, "Wrong token. Please provide token as a GET parameter.");
    }
    match (incoming.method, method) {
        ("POST", "sendMessage" | "message" | "sendFile" | "sendLink") => {
            send(gateway, incoming, method)
        }
        ("POST", "deleteMessage") => delete(gateway, incoming),
        ("GET", "messages" | "messagesHistory") => messages(gateway, incoming),
        ("GET", "dialogs") => dialogs(gateway),
        ("GET", "status") => status(gateway),
        ("GET" | "POST", "webhook") => webhook(gateway, incoming),
        ("GET" | "POST", "settings") => settings(gateway, incoming),
        ("GET", "showMessagesQueue") => queue(gateway),
        ("GET" | "POST", "clearMessagesQueue") => {
            let bodies: Vec<String> = gateway.queue.drain(..).map(|one| one.body).collect();
            ok(&json!({ "message": "Queue cleared", "messageTextsExample": bodies }))
        }
        ("POST", "readChat") => ok(&json!({ "read": true })),
        ("GET" | "POST", "logout") => {
            gateway.manner.status = "got qr code".to_owned();
            ok(&json!({ "result": "Logout request sent to WhatsApp" }))
        }
        ("GET" | "POST", "reboot") => ok(&json!({ "success": true })),
        _ => refused(404, "Method not found"),
    }
}

fn ok(body: &Value) -> Answer {
    Answer::json(200, body)
}

fn refused(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({ "error": text }))
}

/// A field of the body, JSON or form.
fn field(incoming: &Incoming, name: &str) -> Option<String> {
    let text = match incoming.body.json().and_then(|body| body.get(name)) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) => None,
        Some(other) => Some(other.to_string()),
        None => incoming.body.one(name).map(str::to_owned),
    };
    text.filter(|text| !text.is_empty())
}

fn unsent(text: &str) -> Answer {
    ok(&json!({ "sent": false, "message": text }))
}

fn send(gateway: &mut Gateway, incoming: &Incoming, method: &str) -> Answer {
    let chat = match (field(incoming, "chatId"), field(incoming, "phone")) {
        (Some(_), Some(_)) | (None, None) => {
            return unsent("Please provide one of chatId or phone");
        }
        (Some(chat), None) if chat.contains('@') => chat,
        (None, Some(phone)) if phone.chars().all(|letter| letter.is_ascii_digit()) => {
            address(&phone)
        }
        (Some(_), None) => return unsent("Wrong chatId"),
        (None, Some(_)) => return unsent("Wrong phone: digits with the country code alone"),
    };
    let Some(body) = field(incoming, "body") else { return unsent("body is required") };
    let is_file = method == "sendFile";
    let name = field(incoming, "filename");
    if is_file && name.is_none() {
        return unsent("filename is required");
    }
    if let Some(text) = refusal(gateway) {
        return unsent(&text);
    }
    let message = Message {
        id: String::new(),
        number: 0,
        author: OWN.to_owned(),
        name: "Shop".to_owned(),
        chat_name: chat.clone(),
        kind: if is_file { "document".to_owned() } else { "chat".to_owned() },
        size: is_file.then_some(body.len()),
        body: if is_file { name.unwrap_or_default() } else { body },
        caption: field(incoming, "caption"),
        quoted: field(incoming, "quotedMsgId"),
        chat,
        own: true,
        forwarded: false,
        at: incoming.now,
        by_api: true,
        acks: Vec::new(),
        deleted: false,
    };
    let to = message.chat.clone();
    let id = gateway.enqueue(message, incoming.now);
    let waiting = gateway.queue.len();
    ok(
        &json!({ "sent": true, "id": id, "message": format!("Sent to {to}"), "queueNumber": waiting }),
    )
}

/// What `sent: false` says, if this message is refused.
fn refusal(gateway: &mut Gateway) -> Option<String> {
    let Refuse { text, next } = gateway.manner.refuse.as_mut()?;
    match next {
        None => Some(text.clone()),
        Some(0) => None,
        Some(left) => {
            *left -= 1;
            Some(text.clone())
        }
    }
}

fn delete(gateway: &mut Gateway, incoming: &Incoming) -> Answer {
    let id = field(incoming, "messageId").unwrap_or_default();
    let Some(found) = gateway.messages.iter_mut().find(|one| one.id == id && one.own) else {
        return unsent("Message not found");
    };
    found.deleted = true;
    ok(&json!({ "sent": true, "id": id, "message": "Message deleted" }))
}

fn messages(gateway: &Gateway, incoming: &Incoming) -> Answer {
    let number = |name: &str| incoming.query.one(name).and_then(|text| text.parse::<i64>().ok());
    let after =
        number("lastMessageNumber").and_then(|after| u64::try_from(after).ok()).unwrap_or(0);
    let limit = match number("limit").and_then(|limit| usize::try_from(limit).ok()) {
        None => LIMIT,
        Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    // Older clients write how many, newer ones a flag.
    let last = incoming.query.one("last").filter(|text| !matches!(*text, "false" | "0"));
    let chat = incoming.query.one("chatId");
    let id = incoming.query.one("msgId");
    let fits = |one: &&Message| {
        let second = one.at.as_second();
        chat.is_none_or(|chat| one.chat == chat)
            && id.is_none_or(|id| one.id == id)
            && number("min_time").is_none_or(|from| second >= from)
            && number("max_time").is_none_or(|to| second <= to)
            && (last.is_some() || one.number > after)
            && !one.deleted
    };
    let mut found: Vec<&Message> = gateway.messages.iter().filter(fits).collect();
    found.sort_by_key(|one| one.number);
    if last.is_some() {
        let skipped = found.len().saturating_sub(LIMIT);
        found.drain(..skipped);
    } else {
        found.truncate(limit);
    }
    let newest = found.last().map_or(after.min(gateway.last_number), |one| one.number);
    let newest = if last.is_some() && found.is_empty() { gateway.last_number } else { newest };
    let rendered: Vec<Value> = found.iter().map(|one| one.render()).collect();
    ok(&json!({ "messages": rendered, "lastMessageNumber": newest }))
}

fn dialogs(gateway: &Gateway) -> Answer {
    let mut seen = std::collections::BTreeMap::new();
    for one in &gateway.messages {
        seen.insert(one.chat.clone(), one.chat_name.clone());
    }
    let dialogs: Vec<Value> = seen
        .into_iter()
        .map(|(id, name)| {
            let metadata = json!({ "isGroup": id.ends_with("@g.us") });
            json!({ "id": id, "name": name, "image": "", "metadata": metadata })
        })
        .collect();
    ok(&json!({ "dialogs": dialogs }))
}

fn status(gateway: &Gateway) -> Answer {
    let mut body = json!({ "accountStatus": gateway.manner.status });
    if gateway.manner.status == "got qr code" {
        body["qrCode"] = json!("data:image/png;base64,");
    }
    ok(&body)
}

fn webhook(gateway: &mut Gateway, incoming: &Incoming) -> Answer {
    if incoming.method == "POST" {
        let url = field(incoming, "webhookUrl").unwrap_or_default();
        gateway.settings.insert("webhookUrl".to_owned(), url.into());
    }
    let url = gateway.settings.get("webhookUrl").and_then(Value::as_str).unwrap_or_default();
    ok(&json!({ "set": !url.is_empty(), "webhookUrl": url }))
}

fn settings(gateway: &mut Gateway, incoming: &Incoming) -> Answer {
    let sent = incoming.body.json().and_then(Value::as_object).cloned();
    if incoming.method == "GET" {
        return ok(&Value::Object(gateway.settings.clone()));
    }
    let Some(sent) = sent else { return refused(400, "settings are JSON") };
    let known: Vec<(String, Value)> =
        sent.into_iter().filter(|(name, _)| gateway.settings.contains_key(name)).collect();
    let update: serde_json::Map<String, Value> = known.into_iter().collect();
    gateway.settings.extend(update.clone());
    let mut body = Value::Object(gateway.settings.clone());
    body["update"] = Value::Object(update);
    ok(&body)
}

fn queue(gateway: &Gateway) -> Answer {
    let first: Vec<Value> = gateway
        .queue
        .iter()
        .take(LIMIT)
        .map(|one| json!({ "id": one.id, "body": one.body, "type": one.kind, "last_try": null, "metadata": "" }))
        .collect();
    ok(&json!({ "totalMessages": gateway.queue.len(), "first100": first }))
}

fn media(gateway: &Gateway, rest: &str) -> Answer {
    let id = rest.split('/').next().and_then(|id| id.parse::<u64>().ok());
    let found = id.and_then(|id| gateway.media.get(&id)).filter(|_| !gateway.manner.files_gone);
    let Some(found) = found else { return Answer::html(404, "404 Not Found") };
    let content_type = match found.mime.as_str() {
        "image/jpeg" => "image/jpeg",
        "image/png" => "image/png",
        "audio/ogg" => "audio/ogg",
        "video/mp4" => "video/mp4",
        "application/pdf" => "application/pdf",
        "text/plain" => "text/plain",
        _ => "application/octet-stream",
    };
    Answer { status: 200, content_type, headers: Vec::new(), body: found.bytes.clone() }
}
