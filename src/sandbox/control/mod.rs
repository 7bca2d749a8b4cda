//! The control routes under `/_sandbox`, on RetailCRM's port. Invariant: they count towards no
//! limit, meet no fault, and say in one list what they are.

mod calltouch;
mod chatapi;
mod crm;
mod mg;
mod telegram;

pub use calltouch::send;
pub use chatapi::write;
pub use telegram::act;

use crate::sandbox::crm::account::{Object, Store};
use crate::sandbox::crm::fields;
use crate::sandbox::crm::lists::{self, Change};
use crate::sandbox::faults::{Faults, Rule};
use crate::sandbox::world::{World, powerless_key, site_key};
use crate::sandbox::{Hub, Switches};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// What `GET /_sandbox` lists.
pub const HELP: &[(&str, &str)] = &[
    ("GET /_sandbox", "addresses, keys and this list"),
    (
        "GET /_sandbox/ledger?parts=deals,faults",
        "customers, orders, gone_orders, leads, deals, refused_deals, conversations, dialogs, channels, whatsapp, messages (of bots), presses, updates, retailcrm, calltouch, chats, chatapi and telegram (counters), faults (struck), duplicates; without parts all of them",
    ),
    ("GET /_sandbox/requests?limit=100", "counters and the last requests of all far sides"),
    ("POST /_sandbox/reset", "everything as at the start"),
    ("POST /_sandbox/clock", r#"{"shift_ms": N}: moves the clock"#),
    (
        "POST /_sandbox/faults",
        r#"{"seed": 1, "rules": [{"side": "retailcrm", "fault": "lost_answer", "next": 1, "path": "orders/create"}]}; faults: error_503 error_500 html_502 empty_500 slow (ms) lost_answer reset_before garbage down denied error_429 (retry_after) error_400 item_error (text); "orders": [orderNumbers]; "next" or "probability"; "after_commit"; "add": true keeps the rules before"#,
    ),
    (
        "POST /_sandbox/limits",
        r#"{"crm_rps": 10, "calltouch_rps": 5, "chat_rps": 100, "chatapi_rps": null, "telegram_rps": 30}; null: no limit"#,
    ),
    (
        "POST /_sandbox/switches",
        r#"some of: phone_match, unknown_filter, listing, search_lag_ms, history_lag_ms, clock_skew_ms, max_search_depth, diary_lag_ms, diary_excludes_date_to, …"#,
    ),
    ("POST /_sandbox/stores", r#"[{"code": "main", "name": "Main shop", "ordering": 10}]"#),
    (
        "POST /_sandbox/custom-fields",
        r#"{"entity": "order", "code": "x", "name": "X", "type": "string"}"#,
    ),
    (
        "POST /_sandbox/lists",
        r#"{"list": "statuses|groups|methods|types|users|fields", "code": "new", "state": "gone|inactive|active"}; of a field also "type""#,
    ),
    (
        "POST /_sandbox/rights",
        r#"{"scopes": ["order_read"], "sites": ["main"]}: what the key may do and see; null: all"#,
    ),
    (
        "POST /_sandbox/customers",
        "one customer or a list: createdAt, phones and customFields as given",
    ),
    (
        "POST /_sandbox/orders",
        "one order or a list: customer, createdAt, statusUpdatedAt, status, customFields, totalSumm as given; `by` as below; \"history\": false: it stands there already, silently",
    ),
    (
        "POST /_sandbox/orders/{id}",
        r#"a person in the CRM changes an order; "by": user, user:2, rule, code, combine, split, api, api:KEY"#,
    ),
    (
        "POST /_sandbox/orders/{id}/delete",
        r#"a person deletes an order; {"into": 7}: merges it into that one"#,
    ),
    (
        "POST /_sandbox/history",
        r#"{"hold_next": 1, "hold": [17], "release": []}: entries that are not seen for now (release of no ids: all); "of": "customers""#,
    ),
    (
        "POST /_sandbox/triggers",
        r#"{"url", "method": "post|get|json|text", "params": {"id": "{id}"}, "on": ["new", "status"], "lose": 1, "duplicates": 1} or a list; GET: the calls"#,
    ),
    (
        "POST /_sandbox/crowd",
        r#"{"people": 100000, "orders": true, "leads": true, "from": "2025-01-01T00:00:00Z", "to": "…"}: that many customers, each with an order and the lead before it"#,
    ),
    (
        "POST /_sandbox/chats",
        r#"a manager writes: {"channel", "chat", "person", "text", "type", "files": [{"name", "mime", "size"}], "product", "order", "quote", "bot", "buttons": [{"text", "data"}]} or a list"#,
    ),
    (
        "POST /_sandbox/chats/{id}",
        r#"{"act": "edit|delete|read", "text"}: a manager does it with a message"#,
    ),
    (
        "POST /_sandbox/chats/module",
        r#"{"code", "active", "freeze"}: switches a module of chats on or off and tells it"#,
    ),
    (
        "POST /_sandbox/chats/dialogs",
        r#"{"channel", "chat", "act": "assign|unassign|close", "user": 1}; {"distributor": true}: a bot hands dialogs out"#,
    ),
    (
        "POST /_sandbox/sites",
        r#"{"site_id": 4343, "token": "…"}: one more Calltouch site; without token that of the first"#,
    ),
    ("POST /_sandbox/hook", r#"{"url": "http://…/hooks/calltouch-main/…"}: where webhooks go"#),
    (
        "POST /_sandbox/leads",
        r#"{"type": "call|request|chat", "phone", "email", "name", "subject", "utm_source", …, "id" (tell of that lead again), "site", "at" (RFC 3339), "hook_url", "format": "form|get|json", "deliveries": 2, "drop", "omit": ["id"], "phase": "start|end|both", "duration", "waiting", "journal", "journal_delay_ms"}; a list is written down without webhooks"#,
    ),
    (
        "POST /_sandbox/chatapi",
        r#"some of: status ("authenticated", "got qr code", "not_paid", …), acks (normal, swapped, doubled, delivered, failed, none), ack_delay_ms, echo, send_delay_ms, refuse {"text", "next"}, banned [digits], files_gone, hook_pause_ms; "settings": {"webhookUrl": "http://…/hooks/whatsapp-main/…", "ackNotificationsOn": true, "guaranteedHooks": true}; GET shows them, the queue and the webhooks"#,
    ),
    (
        "POST /_sandbox/chatapi/messages",
        r#"somebody writes: {"from": "79990000001" or "1@lid", "name", "text", "type", "group", "file": {"name", "mime", "size" or "text"}, "quoted", "forwarded", "own", "at", "id" (that one again)}; a list comes in one webhook; {"messages": […], "deliveries": 2, "drop": true, "apart": true}"#,
    ),
    (
        "POST /_sandbox/telegram",
        r#"{"chat", "from", "name", "username", "group", "is_bot", "text", "files": [{"kind": "photo|document|audio|voice|video", "name", "mime", "text" or "size"}] (several: an album), "contact", "contact_of", "location": [55.7, 37.6], "sticker", "reply_to", "forwarded", "edit": 101, "press": {"message_id", "data"}, "blocked": true, "fields": {…}, "deliveries": 2, "bot": token}: somebody writes to a bot; GET: bots with webhook, chats and what waits"#,
    ),
    (
        "POST /_sandbox/telegram/chats",
        r#"{"chat": 700000001, "state": "active|blocked|deactivated|gone", "group": false, "bot": token}: silently"#,
    ),
    ("POST /_sandbox/telegram/bots", r#"{"token": "654321:…"}: one more bot"#),
];

type Shared = State<Arc<Hub>>;

/// Adds the control routes to the CRM's door.
pub fn routes(door: Router, hub: Arc<Hub>) -> Router {
    let control = Router::new()
        .route("/_sandbox", get(index))
        .route("/_sandbox/ledger", get(ledger))
        .route("/_sandbox/requests", get(requests))
        .route("/_sandbox/reset", post(reset))
        .route("/_sandbox/clock", post(clock))
        .route("/_sandbox/faults", post(set_faults))
        .route("/_sandbox/limits", post(limits))
        .route("/_sandbox/switches", post(switches))
        .route("/_sandbox/stores", post(stores))
        .route("/_sandbox/custom-fields", post(custom_field))
        .route("/_sandbox/lists", post(lists))
        .route("/_sandbox/rights", post(rights))
        .route("/_sandbox/customers", post(crm::customers))
        .route("/_sandbox/orders", post(crm::orders))
        .route("/_sandbox/orders/{id}", post(crm::edit_order))
        .route("/_sandbox/orders/{id}/delete", post(crm::delete_order))
        .route("/_sandbox/history", post(crm::history))
        .route("/_sandbox/triggers", get(crm::triggers).post(crm::set_triggers))
        .route("/_sandbox/crowd", post(crm::crowd))
        .route("/_sandbox/chats", post(mg::write))
        .route("/_sandbox/chats/module", post(mg::switch))
        .route("/_sandbox/chats/dialogs", post(mg::dialog))
        .route("/_sandbox/chats/{id}", post(mg::act))
        .route("/_sandbox/sites", post(calltouch::sites))
        .route("/_sandbox/hook", post(calltouch::set_hook))
        .route("/_sandbox/leads", post(calltouch::leads))
        .route("/_sandbox/chatapi", get(chatapi::show).post(chatapi::change))
        .route("/_sandbox/chatapi/messages", post(chatapi::messages))
        .route("/_sandbox/telegram", get(telegram::show).post(telegram::does))
        .route("/_sandbox/telegram/chats", post(telegram::chats))
        .route("/_sandbox/telegram/bots", post(telegram::bots))
        .route("/_sandbox/{*rest}", any(unknown))
        .layer(DefaultBodyLimit::disable())
        .with_state(hub);
    door.merge(control)
}

fn done() -> Response {
    Json(json!({"done": true})).into_response()
}

fn wrong(text: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
}

/// A body that is one thing or a list of them.
fn one_or_many<T: DeserializeOwned>(body: Value) -> Result<Vec<T>, String> {
    let rows = if let Value::Array(rows) = body { rows } else { vec![body] };
    let rows = rows.into_iter().map(serde_json::from_value);
    rows.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

async fn index(State(hub): Shared) -> Response {
    let help: Object =
        HELP.iter().map(|(route, help)| ((*route).to_owned(), json!(help))).collect();
    let options = &hub.options;
    Json(json!({
        "retailcrm": {
            "url": format!("http://{}", hub.crm), "api_key": options.api_key,
            "site_key": site_key(options), "powerless_key": powerless_key(options),
        },
        "calltouch": {
            "url": format!("http://{}", hub.calltouch), "site_id": options.site_id,
            "token": options.token,
        },
        "chatapi": {
            "url": format!("http://{}", hub.chatapi), "instance": options.chatapi_instance,
            "token": options.chatapi_token,
        },
        "telegram": {
            "url": format!("http://{}", hub.telegram), "token": options.telegram_token,
        },
        "now": hub.clock.now(), "routes": help,
    }))
    .into_response()
}

async fn unknown() -> Response {
    let error = json!({"error": "GET /_sandbox lists the routes"});
    (StatusCode::NOT_FOUND, Json(error)).into_response()
}

#[derive(Deserialize)]
struct Parts {
    parts: Option<String>,
}

async fn ledger(State(hub): Shared, Query(Parts { parts }): Query<Parts>) -> Response {
    let wanted = |part: &str| match &parts {
        Some(parts) => parts.split(',').any(|name| name.trim() == part),
        None => true,
    };
    let ledger = hub.world().ledger_of(wanted);
    let mut body = json!(ledger);
    if wanted("duplicates") {
        body["duplicates"] = json!(ledger.duplicates());
    }
    if let Value::Object(parts) = &mut body {
        parts.retain(|part, _| wanted(part));
    }
    Json(body).into_response()
}

#[derive(Deserialize)]
struct Last {
    limit: Option<usize>,
}

async fn requests(State(hub): Shared, Query(last): Query<Last>) -> Response {
    let world = hub.world();
    let sides = [
        &world.crm_traffic,
        &world.calltouch_traffic,
        &world.chat_traffic,
        &world.chatapi_traffic,
        &world.telegram_traffic,
    ];
    let mut log: Vec<_> = sides.iter().flat_map(|side| side.log()).collect();
    log.sort_by_key(|received| received.at);
    let skipped = log.len().saturating_sub(last.limit.unwrap_or(1000));
    let body = json!({
        "retailcrm": world.crm_traffic.counters(), "calltouch": world.calltouch_traffic.counters(),
        "chats": world.chat_traffic.counters(), "chatapi": world.chatapi_traffic.counters(),
        "telegram": world.telegram_traffic.counters(),
        "log": &log[skipped..],
    });
    Json(body).into_response()
}

async fn reset(State(hub): Shared) -> Response {
    let url = format!("http://{}", hub.crm);
    let mut world = World::new(&hub.options, &hub.zone, &url);
    world.gateway.url = format!("http://{}", hub.chatapi);
    *hub.world() = world;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shift {
    shift_ms: i64,
}

async fn clock(State(hub): Shared, Json(shift): Json<Shift>) -> Response {
    hub.clock.shift(SignedDuration::from_millis(shift.shift_ms));
    Json(json!({"now": hub.clock.now()})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFaults {
    #[serde(default)]
    seed: u64,
    rules: Vec<Rule>,
    #[serde(default)]
    add: bool,
}

async fn set_faults(State(hub): Shared, Json(new): Json<NewFaults>) -> Response {
    let mut world = hub.world();
    if new.add {
        world.faults.add(new.rules);
    } else {
        world.faults.set(Faults { seed: new.seed, rules: new.rules });
    }
    Json(json!({"rules": world.faults.rules()})).into_response()
}

/// `{"crm_rps": null}` lifts a limit; a key that is left out leaves it as it is.
async fn limits(State(hub): Shared, Json(body): Json<Object>) -> Response {
    let mut world = hub.world();
    for (key, value) in &body {
        let limit = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if limit.is_none() && !value.is_null() {
            return wrong(format!("{key}: a number or null"));
        }
        match key.as_str() {
            "crm_rps" => world.crm_traffic.set_limit(limit),
            "calltouch_rps" => world.calltouch_traffic.set_limit(limit),
            "chat_rps" => world.chat_traffic.set_limit(limit),
            "telegram_rps" => world.telegram_traffic.set_limit(limit),
            "chatapi_rps" => world.chatapi_traffic.set_limit(limit),
            _ => {
                let known =
                    "the limits are crm_rps, calltouch_rps, chat_rps, chatapi_rps and telegram_rps";
                return wrong(format!("{key}: {known}"));
            }
        }
    }
    let limits = json!({
        "crm_rps": world.crm_traffic.limit(), "calltouch_rps": world.calltouch_traffic.limit(),
        "chat_rps": world.chat_traffic.limit(), "chatapi_rps": world.chatapi_traffic.limit(),
        "telegram_rps": world.telegram_traffic.limit(),
    });
    Json(limits).into_response()
}

async fn switches(State(hub): Shared, Json(body): Json<Object>) -> Response {
    let mut world = hub.world();
    let mut merged = json!(world.account.switches);
    for (key, value) in body {
        merged[key] = value;
    }
    match serde_json::from_value::<Switches>(merged) {
        Ok(switches) => {
            world.account.switches = switches;
            Json(json!(world.account.switches)).into_response()
        }
        Err(error) => wrong(error.to_string()),
    }
}

async fn stores(State(hub): Shared, Json(stores): Json<Vec<Store>>) -> Response {
    hub.world().account.stores = stores;
    done()
}

async fn custom_field(State(hub): Shared, Json(body): Json<Object>) -> Response {
    let entity = body.get("entity").and_then(Value::as_str).unwrap_or("order").to_owned();
    match fields::add(&mut hub.world().account, &entity, &body) {
        Ok(code) => Json(json!({ "code": code })).into_response(),
        Err(refusal) => wrong(refusal.line()),
    }
}

async fn lists(State(hub): Shared, Json(change): Json<Change>) -> Response {
    match lists::change(&mut hub.world().account, &change) {
        Ok(()) => done(),
        Err(why) => wrong(why),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rights {
    scopes: Option<Vec<String>>,
    sites: Option<Vec<String>>,
}

async fn rights(State(hub): Shared, Json(rights): Json<Rights>) -> Response {
    let mut world = hub.world();
    let own = world.account.keys.iter_mut().find(|key| key.key == hub.options.api_key);
    if let Some(key) = own {
        key.scopes = rights.scopes;
        key.sites = rights.sites;
    }
    done()
}
