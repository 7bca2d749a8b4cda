//! The codes and names of an account, for an author of flows. Invariant: read from the CRM each
//! time; what the key may not see is not among them.

use super::client::{Client, List};
use super::references::sites_seen;
use super::users::full_name;
use super::wire;
use crate::connectors::port::{ListOffer, Listing};
use crate::domain::Delay;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// More pages of custom fields or users than this belong to no account.
const PAGES: usize = 50;

pub static LISTS: [ListOffer; 6] = [
    ListOffer { name: "statuses", about: "statuses of orders, with their groups" },
    ListOffer { name: "sites", about: "stores that the key sees" },
    ListOffer { name: "methods", about: "ways in which an order is placed (orderMethod)" },
    ListOffer { name: "types", about: "types of orders (orderType)" },
    ListOffer { name: "fields", about: "custom fields of orders and customers" },
    ListOffer { name: "users", about: "users, by the id that managerId takes" },
];

/// Reads one of [`LISTS`].
///
/// # Errors
/// Why the CRM does not answer, or that there is no such list.
pub async fn read(client: &Client, name: &str) -> Result<Listing, Delay> {
    match name {
        "statuses" => statuses(client).await,
        "sites" => sites(client).await,
        "methods" => coded_list(client, "/api/v5/reference/order-methods", "orderMethods").await,
        "types" => coded_list(client, "/api/v5/reference/order-types", "orderTypes").await,
        "fields" => fields(client).await,
        "users" => users(client).await,
        other => Err(Delay::setup(format!("the CRM has no list `{other}`"))),
    }
}

async fn answer(client: &Client, path: &'static str) -> Result<Map<String, Value>, Delay> {
    client.get(path, path.to_owned(), Vec::new()).await.map_err(|stop| stop.delay(path))
}

/// The rows of a reference with their codes, in the CRM's order.
async fn rows(
    client: &Client,
    path: &'static str,
    key: &'static str,
) -> Result<Vec<(String, Value)>, Delay> {
    let answer = answer(client, path).await?;
    let mut rows: Vec<(String, Value)> =
        wire::coded(answer.get(key)).into_iter().map(|(code, held)| (code, held.clone())).collect();
    rows.sort_by_key(|(_, held)| ordering(held));
    Ok(rows)
}

async fn statuses(client: &Client) -> Result<Listing, Delay> {
    let groups = rows(client, "/api/v5/reference/status-groups", "statusGroups").await?;
    let places: BTreeMap<&str, (usize, &Value)> = groups
        .iter()
        .enumerate()
        .map(|(place, (code, held))| (code.as_str(), (place, held)))
        .collect();
    let mut found = Vec::new();
    for (code, held) in rows(client, "/api/v5/reference/statuses", "statuses").await? {
        let group = wire::text(held.get("group")).unwrap_or_default();
        let known = places.get(group.as_str());
        let place = known.map_or(usize::MAX, |(place, _)| *place);
        let title = known.map_or(Value::Null, |(_, group)| named(group));
        let alive = active(&held) && known.is_none_or(|(_, group)| active(group));
        found.push((place, vec![json!(code), named(&held), json!(group), title, json!(alive)]));
    }
    // Within a group they stay in the order of `rows`.
    found.sort_by_key(|(place, _)| *place);
    Ok(Listing {
        columns: &["code", "name", "group", "group name", "active"],
        rows: found.into_iter().map(|(_, row)| row).collect(),
    })
}

async fn sites(client: &Client) -> Result<Listing, Delay> {
    let seen = sites_seen(&answer(client, "/api/credentials").await?);
    let all = rows(client, "/api/v5/reference/sites", "sites").await?;
    let visible =
        all.into_iter().filter(|(code, _)| seen.as_ref().is_none_or(|seen| seen.contains(code)));
    let row = |(code, held): (String, Value)| {
        let first = held.get("defaultForCrm").cloned().unwrap_or(Value::Null);
        vec![json!(code), named(&held), text(&held, "currency"), text(&held, "url"), first]
    };
    Ok(Listing {
        columns: &["code", "name", "currency", "url", "default"],
        rows: visible.map(row).collect(),
    })
}

/// Order methods and order types: what the CRM takes where nothing is said is marked.
async fn coded_list(
    client: &Client,
    path: &'static str,
    key: &'static str,
) -> Result<Listing, Delay> {
    let is = |held: &Value, key: &str| held.get(key).is_some_and(|flag| flag == true);
    let row = |(code, held): (String, Value)| {
        let standard = match (is(&held, "defaultForCrm"), is(&held, "defaultForApi")) {
            (true, true) => json!("CRM, API"),
            (true, false) => json!("CRM"),
            (false, true) => json!("API"),
            (false, false) => Value::Null,
        };
        vec![json!(code), named(&held), json!(active(&held)), standard]
    };
    Ok(Listing {
        columns: &["code", "name", "active", "default of"],
        rows: rows(client, path, key).await?.into_iter().map(row).collect(),
    })
}

async fn fields(client: &Client) -> Result<Listing, Delay> {
    let mut found = Vec::new();
    for entity in ["order", "customer"] {
        let list = List {
            template: "/api/v5/custom-fields",
            rows: "customFields",
            filter: &[("filter[entity]", entity.to_owned())],
            most_pages: PAGES,
        };
        let read = client.all(&list).await.map_err(|stop| stop.delay("the custom fields"))?;
        let own = |held: &&Value| held.get("entity").is_none_or(|of| of == entity);
        let row = |held: &Value| {
            vec![
                text(held, "code"),
                named(held),
                text(held, "type"),
                json!(entity),
                held.get("required").cloned().unwrap_or(Value::Null),
                text(held, "dictionary"),
            ]
        };
        found.extend(read.iter().filter(own).map(row));
    }
    Ok(Listing { columns: &["code", "name", "type", "of", "required", "dictionary"], rows: found })
}

async fn users(client: &Client) -> Result<Listing, Delay> {
    let list = List { template: "/api/v5/users", rows: "users", filter: &[], most_pages: PAGES };
    let read = client.all(&list).await.map_err(|stop| stop.delay("the users"))?;
    let row = |held: &Value| {
        let name = full_name(held).unwrap_or_default();
        let flag = |key: &str| held.get(key).cloned().unwrap_or(Value::Null);
        vec![
            flag("id"),
            json!(name),
            text(held, "email"),
            json!(active(held)),
            flag("isManager"),
            flag("isAdmin"),
        ]
    };
    Ok(Listing {
        columns: &["id", "name", "email", "active", "manager", "admin"],
        rows: read.iter().map(row).collect(),
    })
}

fn named(held: &Value) -> Value {
    text(held, "name")
}

fn text(held: &Value, key: &str) -> Value {
    wire::text(held.get(key)).map_or(Value::Null, Value::String)
}

fn active(held: &Value) -> bool {
    held.get("active").is_none_or(|active| active != false)
}

/// What has no place of its own comes last.
fn ordering(held: &Value) -> i64 {
    wire::number(held.get("ordering")).unwrap_or(i64::MAX)
}
