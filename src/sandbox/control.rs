//! The control routes under `/_sandbox`, on RetailCRM's port. Invariant: they count towards no
//! limit, meet no fault, and say in one list what they are.

use crate::sandbox::calltouch::hook::{self, Delivery};
use crate::sandbox::calltouch::lead::LeadSpec;
use crate::sandbox::crm::account::{Object, Origin, Store};
use crate::sandbox::crm::customer_write::Stamp;
use crate::sandbox::crm::lists::{self, Change};
use crate::sandbox::crm::{fields, order_write};
use crate::sandbox::faults::{Faults, Rule};
use crate::sandbox::world::{World, powerless_key, site_key};
use crate::sandbox::{Hub, Sent, Switches};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What `GET /_sandbox` lists.
pub const HELP: &[(&str, &str)] = &[
    ("GET /_sandbox", "addresses, keys and this list"),
    ("GET /_sandbox/ledger", "customers, orders, leads, counters, faults struck, duplicates"),
    ("GET /_sandbox/requests?limit=100", "counters and the last requests of both far sides"),
    ("POST /_sandbox/reset", "everything as at the start"),
    ("POST /_sandbox/clock", r#"{"shift_ms": N}: moves the clock"#),
    (
        "POST /_sandbox/faults",
        r#"{"seed": 1, "rules": [{"side": "retailcrm", "fault": "lost_answer", "next": 1, "path": "orders/create"}]}; faults: error_503 error_500 html_502 empty_500 slow (ms) lost_answer reset_before garbage down denied error_429 (retry_after) error_400 item_error (text); "orders": [orderNumbers]; "next" or "probability"; "after_commit"; "add": true keeps the rules before"#,
    ),
    ("POST /_sandbox/limits", r#"{"crm_rps": 10, "calltouch_rps": 5}; null: no limit"#),
    (
        "POST /_sandbox/switches",
        r#"some of: phone_match, unknown_filter, listing, search_lag_ms, …"#,
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
        "one order or a list: customer, createdAt, status, customFields as given",
    ),
    ("POST /_sandbox/orders/{id}", "a person in the CRM changes an order"),
    (
        "POST /_sandbox/sites",
        r#"{"site_id": 4343, "token": "…"}: one more Calltouch site; without token that of the first"#,
    ),
    ("POST /_sandbox/hook", r#"{"url": "http://…/hooks/calltouch-main/…"}: where webhooks go"#),
    (
        "POST /_sandbox/leads",
        r#"{"type": "call|request|chat", "phone", "email", "name", "subject", "utm_source", …, "id" (tell of that lead again), "at" (RFC 3339), "hook_url", "format": "form|get|json", "deliveries": 2, "drop", "omit": ["id"], "phase": "start|end|both", "duration", "waiting", "journal", "journal_delay_ms"}"#,
    ),
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
        .route("/_sandbox/customers", post(customers))
        .route("/_sandbox/orders", post(orders))
        .route("/_sandbox/orders/{id}", post(edit_order))
        .route("/_sandbox/sites", post(sites))
        .route("/_sandbox/hook", post(set_hook))
        .route("/_sandbox/leads", post(leads))
        .route("/_sandbox/{*rest}", any(unknown))
        .with_state(hub);
    door.merge(control)
}

fn done() -> Response {
    Json(json!({"done": true})).into_response()
}

fn wrong(text: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": text }))).into_response()
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
        "now": hub.clock.now(), "routes": help,
    }))
    .into_response()
}

async fn unknown() -> Response {
    let error = json!({"error": "GET /_sandbox lists the routes"});
    (StatusCode::NOT_FOUND, Json(error)).into_response()
}

async fn ledger(State(hub): Shared) -> Response {
    let ledger = hub.world().ledger();
    let duplicates = json!(ledger.duplicates());
    let mut body = json!(ledger);
    body["duplicates"] = duplicates;
    Json(body).into_response()
}

#[derive(Deserialize)]
struct Last {
    limit: Option<usize>,
}

async fn requests(State(hub): Shared, Query(last): Query<Last>) -> Response {
    let world = hub.world();
    let mut log: Vec<_> = world.crm_traffic.log().chain(world.calltouch_traffic.log()).collect();
    log.sort_by_key(|received| received.at);
    let skipped = log.len().saturating_sub(last.limit.unwrap_or(1000));
    let body = json!({
        "retailcrm": world.crm_traffic.counters(), "calltouch": world.calltouch_traffic.counters(),
        "log": &log[skipped..],
    });
    Json(body).into_response()
}

async fn reset(State(hub): Shared) -> Response {
    let url = format!("http://{}", hub.crm);
    *hub.world() = World::new(&hub.options, &hub.zone, &url);
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
            _ => return wrong(format!("{key}: the limits are crm_rps and calltouch_rps")),
        }
    }
    let (crm, calltouch) = (world.crm_traffic.limit(), world.calltouch_traffic.limit());
    Json(json!({"crm_rps": crm, "calltouch_rps": calltouch})).into_response()
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

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Object>),
    One(Object),
}

async fn customers(State(hub): Shared, Json(rows): Json<OneOrMany>) -> Response {
    seed(&hub, rows, |world, body, now| world.seed_customer(body, now))
}

async fn orders(State(hub): Shared, Json(rows): Json<OneOrMany>) -> Response {
    seed(&hub, rows, |world, body, now| world.seed_order(body, now))
}

fn seed(
    hub: &Hub,
    rows: OneOrMany,
    write: impl Fn(&mut World, &Object, jiff::Timestamp) -> Result<u64, crate::sandbox::answer::Refusal>,
) -> Response {
    let rows = match rows {
        OneOrMany::Many(rows) => rows,
        OneOrMany::One(row) => vec![row],
    };
    let now = hub.clock.now();
    let mut world = hub.world();
    let mut ids = Vec::new();
    for (position, row) in rows.iter().enumerate() {
        match write(&mut world, row, now) {
            Ok(id) => ids.push(id),
            Err(refusal) => return wrong(format!("row {position}: {}", refusal.line())),
        }
    }
    Json(json!({ "ids": ids })).into_response()
}

async fn edit_order(State(hub): Shared, Path(id): Path<u64>, Json(body): Json<Object>) -> Response {
    let stamp = Stamp { site: String::new(), origin: Origin::Seed, now: hub.clock.now() };
    match order_write::edit_row(&mut hub.world().account, id, &body, &stamp) {
        Ok(()) => done(),
        Err(refusal) => wrong(refusal.line()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSite {
    site_id: u64,
    token: Option<String>,
}

async fn sites(State(hub): Shared, Json(new): Json<NewSite>) -> Response {
    let token = new.token.as_deref().unwrap_or(&hub.options.token);
    if hub.world().add_site(new.site_id, token) {
        return done();
    }
    wrong(format!("{}: there is such a site", new.site_id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookUrl {
    url: Option<String>,
}

async fn set_hook(State(hub): Shared, Json(hook): Json<HookUrl>) -> Response {
    hub.world().hook_url = hook.url;
    done()
}

async fn leads(State(hub): Shared, Json(spec): Json<LeadSpec>) -> Response {
    Json(json!(send(&hub, spec).await)).into_response()
}

/// Makes the lead, then sends its webhooks.
pub async fn send(hub: &Arc<Hub>, spec: LeadSpec) -> Sent {
    let now = hub.clock.now();
    let (lead, hooks, url) = {
        let mut world = hub.world();
        let url = spec.hook_url.clone().or_else(|| world.hook_url.clone());
        let none = Sent { lead: None, deliveries: Vec::new() };
        let Some(site) = world.site(spec.site) else { return none };
        let known = spec.id.and_then(|id| site.lead(spec.kind, id).cloned());
        if spec.id.is_some() && known.is_none() {
            return none;
        }
        let is_new = known.is_none();
        let mut lead = known.unwrap_or_else(|| site.register(&spec, now));
        if spec.test && is_new {
            lead.id = 0;
        }
        let hooks = hook::hooks(site, &lead, &spec, now);
        (lead, hooks, url)
    };
    let mut deliveries: Vec<Delivery> = Vec::new();
    if let Some(url) = url.filter(|_| !spec.drop) {
        let times = spec.deliveries.unwrap_or(1);
        let all = hooks.iter().flat_map(|hook| (0..times).map(move |_| hook.clone()));
        let send = |hook| hook::deliver(&hub.client, &url, spec.format, hook);
        if spec.parallel {
            deliveries = futures_util::future::join_all(all.map(send)).await;
        } else {
            for hook in all {
                deliveries.push(send(hook).await);
            }
        }
    }
    let mut world = hub.world();
    if let Some(site) = world.site(spec.site) {
        for delivery in &deliveries {
            site.delivered(lead.kind, lead.id, delivery.status);
        }
    }
    Sent { lead: (!spec.test).then_some(lead), deliveries }
}
