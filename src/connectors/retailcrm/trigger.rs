//! A trigger of the CRM at the door: a wake-up call that says which order changed. Invariant: it is
//! provisional until the history shows the change; what it does not say it does not guess.
//!
//! The operator writes the request of a trigger himself, so it comes in several dresses: a form by
//! POST, the same text without a content type, JSON, a query by GET (kept as a form).

use super::change;
use super::history;
use super::{Account, config::Config, offer, wire};
use crate::connectors::door;
use crate::connectors::port::{Completion, Trigger, Unreadable, YOUR_HOST};
use crate::domain::{Delay, Event, Raw};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long before the arrival the entry of a trigger may have been made.
const BEFORE: SignedDuration = SignedDuration::from_mins(2);
/// So many pages of one order's changes in two minutes are no history.
const MOST_PAGES: usize = 10;

/// The dedupe key of a delivery: an order may go there and back, so that an equal body means
/// something new a second later.
pub fn dedupe_key(body: &[u8], received: jiff::Timestamp) -> String {
    format!("hook:{}:{}", door::digest(body), received.as_second())
}

/// As the document has it (001); the CRM's templates are Twig.
const BODY: &str = "type=order&status={{ changeSet.getNewValue(\"status\").getCode() }}&id={{ order.id }}\
    &event={% if changeSet.isCreate() %}new{% else %}status{% endif %}";
/// Without it the trigger also fires where the status did not change, and has none to tell.
const CONDITION: &str = "changeSet.isCreate() or changeSet.hasChangedField(\"status\")";

/// What is entered in the CRM, field by field, in the words of its pages.
///
/// # Errors
/// There is no door yet.
pub fn entered(config: &Config, public: Option<&str>) -> Result<Trigger, String> {
    let name = &config.name;
    let Some(secret) = &config.hook_secret else {
        return Err(format!(
            "it has no door yet: write [connections.{name}] hook_secret = \"env:…\""
        ));
    };
    let public = public.or(config.public.as_deref()).unwrap_or(YOUR_HOST);
    let secret: String =
        form_urlencoded::byte_serialize(secret.expose_secret().as_bytes()).collect();
    Ok(Trigger {
        side: "the CRM",
        secret: "The address is a secret: who knows it can tell us of orders.",
        place: "Settings, Triggers, Create a trigger (Настройки → Триггеры → Создать триггер)",
        entries: vec![
            ("Event (Событие)", "order created or changed (Изменение заказа)".to_owned()),
            ("Condition (Условие)", CONDITION.to_owned()),
            ("Action (Действие)", "HTTP request (HTTP-запрос)".to_owned()),
            ("Address (Адрес)", format!("{public}/hooks/{name}/{secret}")),
            ("Method (HTTP метод)", "POST".to_owned()),
            (
                "Parameters (Передавать параметры)",
                "a body given by hand (Указать тело запроса самостоятельно)".to_owned(),
            ),
            ("Body (Тело запроса)", BODY.to_owned()),
        ],
        event: Some(offer::ORDER_CHANGED),
        try_it: "make an order in the CRM, or change the status of one",
    })
}

/// The event of a delivery.
///
/// # Errors
/// Why it cannot be used.
pub fn read(raw: &Raw) -> Result<Event, Unreadable> {
    let said = said(&raw.body)?;
    let get = |name: &str| said.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    if let Some(other) = get("type").filter(|kind| !kind.eq_ignore_ascii_case("order")) {
        return Err(Unreadable(format!("a trigger of type `{}`, not `order`", short(other))));
    }
    let Some(id) = get("id").or_else(|| get("orderid")) else {
        return Err(Unreadable("the trigger names no order: send id={{ order.id }}".into()));
    };
    let Some(id) = id.parse::<i64>().ok().filter(|id| *id > 0) else {
        return Err(Unreadable(format!("`{}` is no order's id", short(id))));
    };
    let event = get("event").unwrap_or("status").to_lowercase();
    if event != "new" && event != "status" {
        let event = short(&event);
        return Err(Unreadable(format!("a trigger of the event `{event}`, not new or status")));
    }
    let status = get("status").unwrap_or_default();
    let second = raw.received.as_second();
    // `own` and the like are left open: the entry fills what is empty.
    let fields = json!({
        "id": id.to_string(),
        "status": Some(status).filter(|status| !status.is_empty()),
        "field": "trigger",
        "source": "trigger",
        "created": event == "new",
        "status_changed": true,
        "changed": raw.received.to_string(),
    });
    let key = format!("trigger:{id}:{event}:{status}:{second}");
    let event = change::event(&raw.connection, key, raw.received, &fields);
    Ok(Event { provisional: true, ..event })
}

/// The named texts of a body; names are compared without `_`, `-` and case.
fn said(body: &[u8]) -> Result<BTreeMap<String, String>, Unreadable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        let value: Value = serde_json::from_slice(body).map_err(|fault| {
            Unreadable(format!("the trigger is no JSON (column {})", fault.column()))
        })?;
        // Some send the order as a table of its own.
        let inner = value.get("order").and_then(Value::as_object);
        let fields = value.as_object().into_iter().chain(inner).flatten();
        let texts =
            fields.filter_map(|(name, value)| Some((plain(name), wire::text(Some(value))?)));
        return Ok(texts.collect());
    }
    let body = body.strip_prefix(b"?").unwrap_or(body).trim_ascii();
    let pairs = form_urlencoded::parse(body);
    Ok(pairs.map(|(name, text)| (plain(&name), text.into_owned())).collect())
}

fn plain(name: &str) -> String {
    name.trim().chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn short(text: &str) -> String {
    text.chars().take(32).collect()
}

/// The entry of the history that a trigger told of: the newest change of the order's status.
///
/// # Errors
/// Why the history cannot be read now.
pub async fn complete(
    account: &Account,
    event: &Event,
    now: jiff::Timestamp,
) -> Result<Completion, Delay> {
    let text = |name: &str| event.fields.get(name).and_then(Value::as_str);
    let Some(id) = text("id").filter(|_| event.provisional) else { return Ok(Completion::Never) };
    let new = event.fields.get("created") == Some(&Value::Bool(true));
    let zone = account.zone_at(now).await?;
    let from = event.registered.saturating_sub(BEFORE).unwrap_or(event.registered);
    let mut place = ("filter[startDate]", account.ahead.wall_clock(from, &zone));
    let mut newest = None;
    for _ in 0..MOST_PAGES {
        let filter = [("filter[orderId]", id.to_owned()), place];
        let read = history::read(account, history::TEMPLATE, &filter, &zone, now).await?;
        let last = read.entries.iter().filter_map(|entry| wire::number(entry.get("id"))).max();
        let told = read.entries.iter().filter_map(|entry| {
            let made = read.made(entry, &zone).unwrap_or(now);
            let number = wire::number(entry.get("id"))?;
            let found = change::entry(entry, &account.config.name, made).ok()?;
            // The filter is a hint; the entry says whose it is.
            let meant = found.fields.get("id") == event.fields.get("id") && tells(&found, new);
            meant.then_some((number, found))
        });
        newest = told.chain(newest).max_by_key(|(number, _)| *number);
        match last {
            Some(last) if read.more => place = ("filter[sinceId]", last.to_string()),
            _ => break,
        }
    }
    Ok(match newest {
        Some((_, found)) => Completion::Fuller(Box::new(found)),
        None => Completion::NotYet,
    })
}

fn tells(found: &Event, new: bool) -> bool {
    found.fields.get(if new { "created" } else { "status_changed" }) == Some(&Value::Bool(true))
}
