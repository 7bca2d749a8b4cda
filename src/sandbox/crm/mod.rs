//! A stand-in of RetailCRM (`/api/v5`, retailcrm.md §8). Invariant: a request is let in by key and
//! scope, then found by path, then by verb — and answered in the far side's own words.

pub mod account;
pub mod call;
pub mod customer_write;
pub mod customers;
pub mod factory;
pub mod fields;
pub mod history;
mod history_read;
pub mod lists;
mod order_customer;
pub mod order_end;
pub mod order_write;
pub mod orders;
pub mod query;
pub mod render;
pub mod shelf;
pub mod stamp;
pub mod system;
pub mod triggers;

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::mg::module;
use crate::sandbox::params::Params;
use account::{Account, Key};
use call::Call;
use jiff::Timestamp;

/// What came in, before it is known what it asks for.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a Params,
    pub body: &'a Params,
    pub header_key: Option<&'a str>,
    pub now: Timestamp,
}

type Run = fn(&mut Account, &Call) -> Result<Answer, Refusal>;

/// One route: verb, path with `{}` for what varies, scope (empty: any key), function.
type Route = (&'static str, &'static str, &'static str, Run);

/// All routes; plain paths stand before those with `{}` that would take them too.
const ROUTES: &[Route] = &[
    ("GET", "/api/api-versions", "", system::versions),
    ("GET", "/api/credentials", "", system::credentials),
    ("GET", "/api/system-info", "", system::system_info),
    ("GET", "/api/v5/settings", "", system::settings),
    ("GET", "/api/v5/customers", "customer_read", customers::list),
    ("POST", "/api/v5/customers/create", "customer_write", customer_write::create),
    ("POST", "/api/v5/customers/upload", "customer_write", customer_write::upload),
    ("POST", "/api/v5/customers/combine", "customer_write", customer_write::combine),
    (
        "POST",
        "/api/v5/customers/fix-external-ids",
        "customer_write",
        customer_write::fix_external_ids,
    ),
    ("GET", "/api/v5/customers/history", "customer_read", history_read::customers),
    ("GET", "/api/v5/customers/notes", "customer_read", customer_write::notes),
    ("POST", "/api/v5/customers/notes/create", "customer_write", customer_write::note),
    ("GET", "/api/v5/customers/{}", "customer_read", customers::get),
    ("POST", "/api/v5/customers/{}/edit", "customer_write", customer_write::edit),
    ("GET", "/api/v5/orders", "order_read", orders::list),
    ("GET", "/api/v5/orders/history", "order_read", history_read::orders),
    ("POST", "/api/v5/orders/combine", "order_write", order_end::combine),
    ("GET", "/api/v5/orders/statuses", "order_read", orders::statuses),
    ("POST", "/api/v5/orders/create", "order_write", order_write::create),
    ("POST", "/api/v5/orders/upload", "order_write", order_write::upload),
    ("POST", "/api/v5/orders/fix-external-ids", "order_write", order_write::fix_external_ids),
    ("GET", "/api/v5/orders/{}", "order_read", orders::get),
    ("POST", "/api/v5/orders/{}/edit", "order_write", order_write::edit),
    ("GET", "/api/v5/reference/statuses", "reference_read", system::statuses),
    ("GET", "/api/v5/reference/status-groups", "reference_read", system::status_groups),
    ("POST", "/api/v5/reference/statuses/{}/edit", "reference_write", system::edit_status),
    ("GET", "/api/v5/reference/sites", "reference_read", system::sites),
    ("GET", "/api/v5/reference/order-methods", "reference_read", system::order_methods),
    ("GET", "/api/v5/reference/order-types", "reference_read", system::order_types),
    ("GET", "/api/v5/reference/payment-types", "reference_read", system::payment_types),
    ("GET", "/api/v5/reference/payment-statuses", "reference_read", system::payment_statuses),
    ("GET", "/api/v5/reference/delivery-types", "reference_read", system::delivery_types),
    ("GET", "/api/v5/reference/countries", "reference_read", system::countries),
    ("GET", "/api/v5/reference/stores", "reference_read", system::warehouses),
    ("GET", "/api/v5/reference/mg-channels", "reference_read", system::mg_channels),
    ("GET", "/api/v5/integration-modules/{}", "integration_read", module::get),
    ("POST", "/api/v5/integration-modules/{}/edit", "integration_write", module::edit),
    ("GET", "/api/v5/users", "user_read", system::users),
    ("GET", "/api/v5/users/{}", "user_read", system::user),
    ("GET", "/api/v5/custom-fields", "custom_fields_read", fields::list),
    ("POST", "/api/v5/custom-fields/{}/create", "custom_fields_write", fields::create),
    ("GET", "/api/v5/custom-fields/{}/{}", "custom_fields_read", fields::get),
    ("POST", "/api/v5/custom-fields/{}/{}/edit", "custom_fields_write", fields::edit),
];

/// Answers one request of the API.
pub fn answer(account: &mut Account, incoming: &Incoming) -> Answer {
    account.settle(incoming.now);
    try_answer(account, incoming).unwrap_or_else(Answer::from)
}

fn try_answer(account: &mut Account, incoming: &Incoming) -> Result<Answer, Refusal> {
    let key = key_of(account, incoming)?;
    let fits: Vec<(&Route, Vec<String>)> = ROUTES
        .iter()
        .filter_map(|route| Some((route, path_args(route.1, incoming.path)?)))
        .collect();
    let Some((_, first)) = fits.first() else {
        return Err(Refusal::new(404, "API method not found"));
    };
    // `/customers/create` also looks like `/customers/{}`: the plain path wins over the verb.
    let same_shape = |(_, args): &&(&Route, Vec<String>)| args.len() == first.len();
    let found = fits.iter().filter(same_shape).find(|(route, _)| route.0 == incoming.method);
    let (route, args) = found.ok_or_else(|| Refusal::new(405, "Method Not Allowed"))?;
    let scope = route.2;
    let may = |scopes: &Vec<String>| scopes.iter().any(|own| own == scope);
    if !scope.is_empty() && !key.scopes.as_ref().is_none_or(may) {
        return Err(Refusal::denied());
    }
    let stores = account.stores.iter().map(|store| store.code.clone());
    let seen = |code: &String| key.sites.as_ref().is_none_or(|sites| sites.contains(code));
    let call = Call {
        key: key.key.clone(),
        query: incoming.query,
        body: incoming.body,
        args: args.clone(),
        sites: stores.filter(seen).collect(),
        limited_key: key.sites.is_some(),
        scopes: key.scopes.clone(),
        now: incoming.now,
    };
    (route.3)(account, &call)
}

/// The key stands in the header, the query or the body.
fn key_of(account: &Account, incoming: &Incoming) -> Result<Key, Refusal> {
    let sent = incoming
        .header_key
        .or_else(|| incoming.query.one("apiKey"))
        .or_else(|| incoming.body.one("apiKey"))
        .ok_or_else(|| Refusal::new(403, "\"apiKey\" is missing."))?;
    let known = account.keys.iter().find(|key| key.key == sent);
    known.cloned().ok_or_else(|| Refusal::new(403, "Wrong \"apiKey\" value."))
}

/// The route's path for logs and counters; ids are not shown.
pub fn template(method: &str, path: &str) -> &'static str {
    let fits = |route: &&Route| path_args(route.1, path).is_some();
    let exact = ROUTES.iter().filter(fits).find(|route| route.0 == method);
    exact.or_else(|| ROUTES.iter().find(fits)).map_or("(unknown)", |route| route.1)
}

fn path_args(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.trim_end_matches('/').split('/'));
    let mut args = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(args),
            (Some("{}"), Some(text)) if !text.is_empty() => {
                let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
                args.push(text.into_owned());
            }
            (Some(name), Some(text)) if name == text => {}
            _ => return None,
        }
    }
}
