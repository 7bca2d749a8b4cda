//! Messages, one row each, for the journal that people look through. Invariant: a message of ours that
//! comes back as an echo is the row of the step that sent it; a state only moves as that of the entity
//! does; written in the transactions that store the event, the step and its outcome.

use super::sql::{Connection, args, plain, statements};
use super::{Error, entities};
use crate::domain::contact::contact_key;
use crate::domain::{Effect, Event, Kept};
use jiff::Timestamp;
use serde_json::{Map, Value};

statements! {
    HEARD = "message", "insert into message (connection, message_id, at, direction, chat, person, \
            name, contact, text, files, state, event, source) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $1) \
        on conflict (connection, message_id) where message_id is not null do nothing";
    EDITED = "message", "update message set text = $3 where connection = $1 and message_id = $2 \
        and step is null";
    FAILED = "message", "update message set why = $3 where connection = $1 and message_id = $2";
    PLANNED = "message", "insert into message (connection, at, direction, chat, person, name, contact, \
            text, files, state, event, source, step) \
        select $2, $3, 'out', $4, '', '', $5, $6, $7, 'waiting', e.key, e.connection, $1 \
        from step s join job j on j.id = s.job_id join event e on e.id = j.event_id where s.id = $1";
    // Planned before, and given up: it is the same message.
    ANEW = "message", "update message set step = $1, at = $2, chat = $3, contact = $4, text = $5, \
            files = $6 \
        where id = (select m.id from step n \
            join step s on s.job_id = n.job_id and s.name = n.name and s.id <> n.id \
            join message m on m.step = s.id \
            where n.id = $1 and m.connection = $7 and m.state = 'waiting' \
            and s.state in ('skipped', 'absent') order by m.id desc limit 1)";
    FILLED = "message", "update message set chat = $2, contact = $3, text = $4, at = $5 \
        where step = $1";
    WHY = "message", "update message set why = $2 where step = $1";
    ECHO = "message", "select id, state from message where connection = $1 and message_id = $2 \
        and (step is null or step <> $3)";
    // Not counted twice: a message that is not known to have gone out is not counted.
    UNCOUNT = "message", "update message set state = 'unknown' where step = $1";
    GIVE_UP = "message", "delete from message where step = $1";
    TAKE_OVER = "message", "update message set step = $2, state = $3 where id = $1";
    SENT = "message", "update message set message_id = $2, chat = case $3 when '' then chat else $3 end, \
        state = $4, why = null where step = $1";
    STANDS = "message", "update message set state = $3 where connection = $1 and message_id = $2 \
        and direction = 'out' and state <> $3";
}

pub(super) const MESSAGE: &str = "message";
const RECEIVED: &str = "message.received";
const CHANGED: &str = "message.edited";
const DELIVERY: &str = "delivery.changed";
const SENDS: [&str; 2] = ["message.send", "file.send"];
/// What a messenger tells of a message of ours.
const STATES: [&str; 5] = ["queued", "sent", "delivered", "read", "error"];
/// Symbols of a text that are kept for the list; its story has all.
const LONGEST: usize = 500;

/// An event that may be a message, or tell of one.
pub(super) async fn heard(db: &mut Connection, event: &Event) -> Result<(), Error> {
    let text = |name: &str| text(&event.fields, name);
    let id = text("id");
    if id.is_empty() {
        return Ok(());
    }
    let (connection, cut) = (&event.connection, cut(&text("text")));
    match event.kind.as_str() {
        RECEIVED => {
            let own = event.fields.get("own").and_then(Value::as_bool).unwrap_or(false);
            let (direction, state) = if own { ("out", "sent") } else { ("in", "received") };
            let files = event.fields.get("files").and_then(Value::as_array).map_or(0, Vec::len);
            let at: Timestamp = text("sent").parse().unwrap_or(event.registered);
            let args = args![
                connection,
                id,
                at,
                direction,
                text("chat"),
                text("sender"),
                text("name"),
                contact(&event.fields),
                cut,
                u32::try_from(files).unwrap_or(u32::MAX),
                state,
                &event.key,
            ];
            db.execute(HEARD, args).await.map(drop)
        }
        CHANGED => db.execute(EDITED, args![connection, id, cut]).await.map(drop),
        DELIVERY if text("state") == "error" => {
            let why = Some(text("why")).filter(|why| !why.is_empty());
            db.execute(FAILED, args![connection, id, why]).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// A step of a plan that sends a message, if it does.
pub(super) async fn planned(
    db: &mut Connection,
    step: i64,
    effect: &Effect,
    now: Timestamp,
) -> Result<(), Error> {
    if !SENDS.contains(&effect.operation.as_str()) {
        return Ok(());
    }
    let input = &effect.input;
    let files = u32::from(effect.operation == SENDS[1]);
    let (chat, contact, words) = (text(input, "chat"), contact(input), words(input));
    let to = &effect.connection;
    let again = args![step, now, &chat, &contact, &words, files, to];
    if db.execute(ANEW, again).await? > 0 {
        return Ok(());
    }
    db.execute(PLANNED, args![step, to, now, chat, contact, words, files]).await.map(drop)
}

/// A step begins to run with its holes filled; it may send a message.
pub(super) async fn filled(
    db: &mut Connection,
    step: i64,
    input: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), Error> {
    let sends = ["chat", "phone"].iter().any(|name| input.contains_key(*name))
        && ["text", "file"].iter().any(|name| input.contains_key(*name));
    if !sends {
        return Ok(());
    }
    let args = args![step, text(input, "chat"), contact(input), words(input), now];
    db.execute(FILLED, args).await.map(drop)
}

/// A step was not done, and this is why.
pub(super) async fn failed(db: &mut Connection, step: i64, why: &str) -> Result<(), Error> {
    db.execute(WHY, args![step, plain(why)]).await.map(drop)
}

/// A step is done, and told of its entity: the message that it sent has its id now.
pub(super) async fn sent(db: &mut Connection, step: i64, kept: Option<&Kept>) -> Result<(), Error> {
    let Some(kept) = kept.filter(|kept| kept.kind == MESSAGE) else { return Ok(()) };
    // A delivery status may have been faster.
    let known = entities::one(db, &kept.connection, MESSAGE, &kept.id).await?;
    let told = known.as_ref().map_or(&kept.fields, |known| &known.fields);
    let state = state(told).unwrap_or("sent");
    let (id, chat) = (plain(&kept.id), text(&kept.fields, "chat"));
    match db.fetch_one(ECHO, args![&kept.connection, &id, step]).await? {
        Some(echo) => {
            db.execute(UNCOUNT, args![step]).await?;
            db.execute(GIVE_UP, args![step]).await?;
            db.execute(TAKE_OVER, args![echo.int("id")?, step, state]).await.map(drop)
        }
        None => db.execute(SENT, args![step, id, chat, state]).await.map(drop),
    }
}

/// What is known of a message entity changed.
pub(super) async fn stands(
    db: &mut Connection,
    connection: &str,
    id: &str,
    fields: &Map<String, Value>,
) -> Result<(), Error> {
    let Some(state) = state(fields) else { return Ok(()) };
    db.execute(STANDS, args![connection, plain(id), state]).await.map(drop)
}

fn state(fields: &Map<String, Value>) -> Option<&'static str> {
    let told = fields.get("state")?.as_str()?;
    STATES.into_iter().find(|state| *state == told)
}

fn contact(fields: &Map<String, Value>) -> String {
    let told = ["phone", "email"].into_iter().find_map(|name| contact_key(&text(fields, name)));
    told.unwrap_or_default()
}

/// What is written: the text, or the words under a file.
fn words(input: &Map<String, Value>) -> String {
    let written = text(input, "text");
    cut(if written.is_empty() { text(input, "caption") } else { written }.as_str())
}

fn text(fields: &Map<String, Value>, name: &str) -> String {
    match fields.get(name) {
        Some(Value::String(text)) => plain(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
