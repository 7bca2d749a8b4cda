//! An effect of the chats as the request that it is (5.4, 5.5). Invariant: pure, and the only builder:
//! what `explain` shows is what is sent.

use super::client::{ACK, MESSAGES, READ};
use super::split;
use crate::connectors::http::Method;
use crate::connectors::retailcrm::wire;
use crate::domain::event::is_empty;
use serde_json::{Map, Value, json};

/// Characters that the gateway takes (the vendor's own limits).
const LONGEST_TEXT: usize = 65_535;
const LONGEST_NOTE: usize = 64_000;
const LONGEST_CAPTION: usize = 1024;
const LONGEST_NICKNAME: usize = 255;

/// The gateway's words for why a message did not go out (5.5).
const ERRORS: [&str; 5] =
    ["general", "customer_not_exists", "reply_timed_out", "spam_suspicion", "access_restricted"];

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    pub method: Method,
    pub path: &'static str,
    pub body: Value,
}

/// A file that the gateway has by now, or a note in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub id: String,
    /// `image`, `audio`, `file`
    pub kind: String,
    pub name: String,
}

/// What the effect alone does not say.
#[derive(Debug)]
pub struct Place<'a> {
    /// The channel's number, or what is shown for it.
    pub channel: Value,
    pub by_phone: bool,
    /// Characters without white space that one message may have.
    pub longest: usize,
    pub items: &'a [Item],
    /// What became of files that could not be passed on.
    pub lost: &'a [String],
}

/// Builds the requests of an operation: one, or several messages where the text is too long for one.
///
/// # Errors
/// What is wrong with the input, for a person.
pub fn build(
    operation: &str,
    input: &Map<String, Value>,
    at: &Place<'_>,
) -> Result<Vec<Built>, String> {
    let built = one(operation, input, at)?;
    if operation != "message.post" {
        return Ok(vec![built]);
    }
    Ok(several(built, at.longest))
}

/// A message of a person in as many as its text needs: the first with the files and the id, the others
/// with `ID:2` and so on, so that each is there once.
fn several(first: Built, longest: usize) -> Vec<Built> {
    let name = if first.body["message"].get("items").is_some() { "note" } else { "text" };
    let said = first.body["message"].get(name).and_then(Value::as_str).unwrap_or_default();
    if split::solid(said) <= longest {
        return vec![first];
    }
    let id = wire::text(first.body["message"].get("external_id")).unwrap_or_default();
    let parts = split::in_solid(said, longest);
    let part = |(at, said): (usize, &String)| {
        let mut built = first.clone();
        if at == 0 {
            built.body["message"][name] = said.as_str().into();
            return built;
        }
        let mut message = json!({ "external_id": format!("{id}:{}", at + 1), "type": "text" });
        message["text"] = said.as_str().into();
        if let Some(made) = first.body["message"].get("created_at") {
            message["created_at"] = made.clone();
        }
        built.body["message"] = message;
        if let Some(body) = built.body.as_object_mut() {
            body.remove("quote");
        }
        built
    };
    parts.iter().enumerate().map(part).collect()
}

fn one(operation: &str, input: &Map<String, Value>, at: &Place<'_>) -> Result<Built, String> {
    let channel = &at.channel;
    let (method, path, body) = match operation {
        "message.post" => (Method::Post, MESSAGES, post(input, at)?),
        "message.change" => {
            let mut message = named(input)?;
            message.insert("text".into(), cut(&must(input, "text")?, LONGEST_TEXT).into());
            let second = moment(input, "at").map(jiff::Timestamp::as_second);
            put(&mut message, "edited_at", json!(second));
            (Method::Put, MESSAGES, json!({ "channel": channel, "message": message }))
        }
        "message.remove" => {
            let message = named(input)?;
            (Method::Delete, MESSAGES, json!({ "channel": channel, "message": message }))
        }
        "message.read" => {
            let message = named(input)?;
            (Method::Post, READ, json!({ "channel_id": channel, "message": message }))
        }
        "message.ack" => (Method::Post, ACK, ack(input, channel)?),
        other => return Err(format!("there is no operation `{other}`")),
    };
    Ok(Built { method, path, body })
}

fn post(input: &Map<String, Value>, at: &Place<'_>) -> Result<Value, String> {
    let mut body = Map::new();
    put(&mut body, "channel", at.channel.clone());
    put(&mut body, "external_chat_id", input.get("chat").cloned().unwrap_or_default());
    let originator = text(input, "originator").unwrap_or_else(|| "customer".to_owned());
    put(&mut body, "originator", originator.into());
    put(&mut body, "customer", customer(input, at.by_phone)?);
    put(&mut body, "message", message(input, at)?);
    put(&mut body, "quote", quote(input));
    let deadline = moment(input, "reply_deadline").map(|time| time.to_string());
    put(&mut body, "reply_deadline", json!(deadline));
    Ok(body.into())
}

fn message(input: &Map<String, Value>, at: &Place<'_>) -> Result<Value, String> {
    let mut said: Vec<String> = text(input, "text").into_iter().collect();
    said.extend(at.lost.iter().cloned());
    let said = said.join("\n");
    let mut message = Map::new();
    put(&mut message, "external_id", must(input, "id")?.into());
    put(&mut message, "type", kind(at.items).into());
    let note = text(input, "note");
    if at.items.is_empty() {
        let whole: Vec<String> = [said].into_iter().chain(note).collect();
        let whole = whole.join("\n");
        if whole.trim().is_empty() {
            return Err("there is neither a text nor a file to post".to_owned());
        }
        put(&mut message, "text", cut(whole.trim(), LONGEST_TEXT).into());
    } else {
        let note: Vec<String> =
            Some(said).filter(|said| !said.is_empty()).into_iter().chain(note).collect();
        put(&mut message, "note", cut(&note.join("\n"), LONGEST_NOTE).into());
        let item = |item: &Item| {
            let mut body = Map::new();
            put(&mut body, "id", item.id.clone().into());
            put(&mut body, "caption", cut(&item.name, LONGEST_CAPTION).into());
            Value::from(body)
        };
        put(&mut message, "items", at.items.iter().map(item).collect());
    }
    let made = moment(input, "at").map(|time| time.to_string());
    put(&mut message, "created_at", json!(made));
    Ok(message.into())
}

/// One kind for a whole message: what is mixed is a message of files.
fn kind(items: &[Item]) -> &'static str {
    let all = |kind: &str| items.iter().all(|item| item.kind == kind);
    match items {
        [] => "text",
        _ if all("image") => "image",
        [one] if one.kind == "audio" => "audio",
        _ => "file",
    }
}

fn customer(input: &Map<String, Value>, by_phone: bool) -> Result<Value, String> {
    if let Some(hole) = text(input, "person").filter(|hole| hole.starts_with('‹')) {
        return Ok(hole.into());
    }
    let held = wire::table(input.get("person"));
    let own = text(&held, "id");
    // Where managers may write first to a number, people are known by their numbers.
    let phone: Option<String> = text(&held, "phone")
        .map(|phone| phone.chars().filter(char::is_ascii_digit).collect::<String>())
        .filter(|digits| by_phone && digits.len() >= 5);
    let id = phone.or(own).ok_or("`person` has no id")?;
    let name = |name: &str| text(&held, name);
    let full: Vec<String> = [name("first_name"), name("last_name")].into_iter().flatten().collect();
    let full = Some(full.join(" ")).filter(|full| !full.is_empty());
    let nickname =
        name("nickname").or(full).or_else(|| name("phone")).unwrap_or_else(|| id.clone());
    let mut body = Map::new();
    put(&mut body, "external_id", id.into());
    put(&mut body, "nickname", cut(&nickname, LONGEST_NICKNAME).into());
    let copied = [
        "first_name",
        "last_name",
        "phone",
        "email",
        "avatar",
        "profile_url",
        "language",
        "country",
        "utm",
    ];
    for name in copied {
        put(&mut body, name, held.get(name).cloned().unwrap_or_default());
    }
    Ok(body.into())
}

fn ack(input: &Map<String, Value>, channel: &Value) -> Result<Value, String> {
    let mut body = Map::new();
    put(&mut body, "channel", channel.clone());
    let id = text(input, "id");
    match (wire::number(input.get("origin")), text(input, "origin"), &id) {
        (Some(origin), ..) => put(&mut body, "message", json!({ "id": origin })),
        (None, Some(shown), _) if shown.starts_with('‹') => {
            put(&mut body, "message", json!({ "id": shown }));
        }
        (None, _, Some(id)) => put(&mut body, "message", json!({ "external_id": id })),
        (None, ..) => return Err("neither `origin` nor `id` names a message".to_owned()),
    }
    put(&mut body, "external_message_id", id.clone().into());
    put(&mut body, "transport_message_id", id.into());
    put(&mut body, "error", text(input, "error").map_or(Value::Null, |why| error(&why)));
    Ok(body.into())
}

/// `customer_not_exists: blocked` as code and words; words without a code are `general`.
fn error(why: &str) -> Value {
    let (code, words) = why.split_once(':').unwrap_or(("", why));
    let code = code.trim();
    let (code, words) = if ERRORS.contains(&code) { (code, words) } else { ("general", why) };
    let code = if ERRORS.contains(&words.trim()) { words.trim() } else { code };
    json!({ "code": code, "message": words.trim() })
}

fn quote(input: &Map<String, Value>) -> Value {
    text(input, "reply_to").map_or(Value::Null, |id| json!({ "external_id": id }))
}

fn named(input: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    Ok(Map::from_iter([("external_id".to_owned(), must(input, "id")?.into())]))
}

fn must(input: &Map<String, Value>, name: &str) -> Result<String, String> {
    text(input, name).ok_or_else(|| format!("`{name}` is empty"))
}

pub fn text(input: &Map<String, Value>, name: &str) -> Option<String> {
    wire::text(input.get(name)).filter(|text| !text.trim().is_empty())
}

fn moment(input: &Map<String, Value>, name: &str) -> Option<jiff::Timestamp> {
    text(input, name)?.parse().ok()
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// What is empty is left out of the request.
fn put(to: &mut Map<String, Value>, name: &str, value: Value) {
    if !is_empty(&value) {
        to.insert(name.to_owned(), value);
    }
}
