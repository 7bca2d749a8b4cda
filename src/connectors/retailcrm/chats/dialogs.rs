//! Dialogs of the CRM's chats as a feed, read by the Bot API (5.7). Invariant: one dialog is opened
//! once and closed once, however often it is read; a message in it is no news here.

use super::client::Gateway;
use super::{Chats, offer};
use crate::connectors::door;
use crate::connectors::http::Method;
use crate::connectors::port::{Page, Poll, Unreadable};
use crate::connectors::retailcrm::wire;
use crate::domain::{Delay, Event, Raw};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// Name of the feed and channel of its rows.
pub const DIALOGS: &str = "dialogs";
pub const PATH: &str = "/api/bot/v1/dialogs";

/// Version of the cursor's shape.
const VERSION: i64 = 1;
/// Rows of one answer, and answers of one poll.
const ROWS: usize = 1000;
const MOST_PAGES: usize = 20;
/// How far before the cursor every poll begins: what is written late is found all the same.
const AGAIN: SignedDuration = SignedDuration::from_mins(2);

/// Reads what has changed since the last poll.
///
/// # Errors
/// Why not now.
pub async fn poll(chats: &Chats, poll: &Poll<'_>) -> Result<Page, Delay> {
    let link = chats.link().await?;
    let bot = chats.bot(&link)?;
    let stored = poll.cursor.filter(|held| held.get("v") == Some(&json!(VERSION)));
    let known = stored.and_then(|held| held.get("since")?.as_str()?.parse::<Timestamp>().ok());
    let from = known.map_or(poll.first_start, |known| known.saturating_sub(AGAIN).unwrap_or(known));
    let read = match read(bot, from).await {
        Ok(read) => read,
        Err(delay) => {
            // The token may have been turned.
            chats.forget(&link);
            return Err(delay);
        }
    };
    let newest = read.iter().filter_map(|dialog| time(dialog.get("updated_at"))).max();
    let since = newest.max(known);
    let row = |dialog: &Value| row(dialog, &chats.connection, poll.now);
    Ok(Page {
        rows: read.iter().map(row).collect(),
        cursor: since.map(|since| json!({ "v": VERSION, "since": since.to_string() })),
        more: false,
        covered: None,
    })
}

/// All dialogs that changed since then; the list begins with the newest.
async fn read(bot: &Gateway, since: Timestamp) -> Result<Vec<Value>, Delay> {
    let mut read: Vec<Value> = Vec::new();
    let mut until: Option<i64> = None;
    for _ in 0..MOST_PAGES {
        let mut request = bot.request(Method::Get, PATH, PATH.to_owned());
        request.query =
            vec![("since".into(), since.to_string()), ("limit".into(), ROWS.to_string())];
        request.query.extend(until.map(|id| ("until_id".to_owned(), id.to_string())));
        let answer = bot.asked(request).await.done("the dialogs")?;
        let rows: Vec<Value> = wire::listed(&answer).into_iter().cloned().collect();
        let count = rows.len();
        let lowest = rows.iter().filter_map(|row| wire::number(row.get("id"))).min();
        read.extend(rows);
        let on = lowest.is_some_and(|lowest| until.is_none_or(|until| lowest < until));
        if count < ROWS || !on {
            break;
        }
        until = lowest;
    }
    Ok(read)
}

fn row(dialog: &Value, connection: &str, now: Timestamp) -> Raw {
    let mut body = wire::table(Some(dialog));
    // These move with every message.
    body.remove("updated_at");
    body.remove("ending_message_id");
    let body = json!({ "dialog": body }).to_string();
    let id = wire::text(dialog.get("id")).unwrap_or_default();
    Raw {
        id: 0,
        connection: connection.to_owned(),
        channel: DIALOGS.to_owned(),
        content_type: "application/json".to_owned(),
        dedupe_key: format!("dialog:{id}:{}", door::digest(body.as_bytes())),
        body: body.into_bytes(),
        received: now,
    }
}

fn time(value: Option<&Value>) -> Option<Timestamp> {
    value?.as_str()?.parse().ok()
}

/// What a dialog has been through: it was opened, it is somebody's, it is closed.
///
/// # Errors
/// Why it cannot be read.
pub fn events(raw: &Raw) -> Result<Vec<Event>, Unreadable> {
    let body: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
    let dialog = wire::table(body.get("dialog"));
    let Some(id) = wire::number(dialog.get("id")) else {
        return Err(Unreadable("the dialog has no id".into()));
    };
    let fields = fields(&dialog, id);
    let opened = time(dialog.get("created_at")).unwrap_or(raw.received);
    let event = |kind: &str, what: String, at: Timestamp| Event {
        connection: raw.connection.clone(),
        kind: kind.to_owned(),
        key: format!("dialog:{id}:{what}"),
        aliases: Vec::new(),
        provisional: false,
        registered: at,
        asked: false,
        fields: fields.clone(),
    };
    let mut events = vec![event(offer::OPENED, "opened".into(), opened)];
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if !text("responsible").is_empty() {
        let at = time(fields.get("assigned_at")).unwrap_or(raw.received);
        let whose = format!("assigned:{}:{}", text("responsible"), at.as_second());
        events.push(event(offer::ASSIGNED, whose, at));
    }
    // `is_active` stays true in dialogs that are closed (recorded answers).
    if let Some(at) = time(dialog.get("closed_at")) {
        events.push(event(offer::CLOSED, "closed".into(), at));
    }
    Ok(events)
}

/// A dialog in the words of the offer.
pub fn fields(dialog: &Map<String, Value>, id: i64) -> Map<String, Value> {
    let whose = wire::table(dialog.get("responsible"));
    let text = |held: &Map<String, Value>, name: &str| {
        wire::text(held.get(name)).filter(|text| !text.is_empty())
    };
    let kind = text(&whose, "type");
    // A user is known by the CRM's id, a bot by the gateway's.
    let own = text(&whose, "external_id").filter(|_| kind.as_deref() == Some("user"));
    let known = own.or_else(|| text(&whose, "id"));
    let fields = json!({
        "id": id.to_string(),
        "chat_id": text(dialog, "chat_id"),
        "opened": time(dialog.get("created_at")).map(|at| at.to_string()),
        "responsible": known,
        "responsible_kind": kind,
        "assigned_at": time(whose.get("assigned_at")).map(|at| at.to_string()),
        "closed": time(dialog.get("closed_at")).map(|at| at.to_string()),
    });
    let mut fields = fields.as_object().cloned().unwrap_or_default();
    fields.retain(|_, value| !value.is_null());
    fields
}
