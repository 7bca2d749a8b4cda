//! What the account tells of itself: versions, credentials, settings, references, users.
//! Invariant: reference lists are maps by code and never paged (retailcrm.md §2.5).

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Object, text_of};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::factory::Status;
use crate::sandbox::crm::query::Query;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Every scope of a key that may do all.
pub const SCOPES: &[&str] = &[
    "order_read",
    "order_write",
    "customer_read",
    "customer_write",
    "reference_read",
    "reference_write",
    "integration_read",
    "integration_write",
    "custom_fields_read",
    "custom_fields_write",
    "user_read",
    "user_write",
    "settings_read",
];

fn success(key: &str, value: Value) -> Result {
    Ok(Answer::json(200, &json!({ "success": true, key: value })))
}

/// `GET /api/api-versions`.
pub fn versions(_: &mut Account, _: &Call) -> Result {
    success("versions", json!(["3.0", "4.0", "5.0"]))
}

/// `GET /api/credentials`.
pub fn credentials(_: &mut Account, call: &Call) -> Result {
    let scopes = match &call.scopes {
        Some(scopes) => json!(scopes),
        None => json!(SCOPES),
    };
    let access = if call.limited_key { "access_selective" } else { "access_full" };
    let body = json!({
        "success": true, "credentials": [], "scopes": scopes, "siteAccess": access,
        "sitesAvailable": call.sites,
    });
    Ok(Answer::json(200, &body))
}

/// `GET /api/system-info`.
pub fn system_info(account: &mut Account, _: &Call) -> Result {
    let body = json!({
        "success": true, "systemVersion": "8.1.51", "publicUrl": account.url,
        "technicalUrl": account.url,
    });
    Ok(Answer::json(200, &body))
}

/// `GET /settings`.
pub fn settings(account: &mut Account, call: &Call) -> Result {
    let at = account.stamp(call.now);
    let zone = account.zone.iana_name().unwrap_or("UTC");
    let body = json!({
        "default_currency": {"value": "RUB", "updated_at": at},
        "system_language": {"value": "RU", "updated_at": at},
        "timezone": {"value": zone, "updated_at": at},
        "mg": {"order_creation": {"default": {
            "site": account.first_store(), "order_type": "eshop-individual",
            "order_method": "messenger",
        }, "channels": []}},
        "work_times": [], "non_working_days": [],
    });
    success("settings", body)
}

/// `GET /reference/statuses`.
pub fn statuses(account: &mut Account, _: &Call) -> Result {
    let status = |status: &Status| {
        let body = json!({
            "name": status.name, "code": status.code, "active": status.active,
            "ordering": status.ordering, "group": status.group,
        });
        (status.code.clone(), body)
    };
    let map: Object = account.references.statuses.iter().map(status).collect();
    success("statuses", Value::Object(map))
}

/// `GET /reference/status-groups`.
pub fn status_groups(account: &mut Account, _: &Call) -> Result {
    let references = &account.references;
    let group = |(code, name, ordering, process): &(&str, &str, i64, bool)| {
        let inside = references.statuses.iter().filter(|status| status.group == *code);
        let statuses: Vec<&str> = inside.map(|status| status.code.as_str()).collect();
        let body = json!({
            "name": name, "code": code, "active": true, "ordering": ordering, "process": process,
            "statuses": statuses,
        });
        ((*code).to_owned(), body)
    };
    let map: Object = references.groups.iter().map(group).collect();
    success("statusGroups", Value::Object(map))
}

/// `POST /reference/statuses/{code}/edit`; a new code makes a new status.
pub fn edit_status(account: &mut Account, call: &Call) -> Result {
    let body = call.object("status")?;
    let group = text_of(&body, "group");
    if !group.is_empty() && !account.references.groups.iter().any(|known| known.0 == group) {
        return Err(Refusal::entity("group", "This value is not valid."));
    }
    let code = call.arg(0).to_owned();
    let statuses = &mut account.references.statuses;
    let at = match statuses.iter().position(|status| status.code == code) {
        Some(at) => at,
        None if group.is_empty() => {
            return Err(Refusal::entity("group", "This value is not valid."));
        }
        None => {
            let (name, group, ordering) = (code.clone(), group.to_owned(), 99);
            statuses.push(Status { code, name, group, ordering, active: true });
            statuses.len() - 1
        }
    };
    let status = &mut statuses[at];
    if !group.is_empty() {
        status.group = group.to_owned();
    }
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        status.name = name.to_owned();
    }
    status.active = body.get("active").and_then(Value::as_bool).unwrap_or(status.active);
    status.ordering = body.get("ordering").and_then(Value::as_i64).unwrap_or(status.ordering);
    Ok(Answer::json(200, &json!({"success": true})))
}

/// `GET /reference/sites`: those that the key sees.
pub fn sites(account: &mut Account, call: &Call) -> Result {
    let first = account.first_store();
    let mut map = Object::new();
    for (position, store) in account.stores.iter().enumerate() {
        if !call.sees(&store.code) {
            continue;
        }
        let body = json!({
            "id": position + 1, "name": store.name, "code": store.code,
            "url": format!("https://{}.test", store.code), "defaultForCrm": store.code == first,
            "ymlUrl": "", "loadFromYml": false, "contragent": {"contragentType": "legal-entity"},
            "countryIso": "", "currency": "RUB", "ordering": store.ordering, "isDemo": false,
            "isCatalogMainSite": false,
        });
        map.insert(store.code.clone(), body);
    }
    success("sites", Value::Object(map))
}

pub fn order_methods(account: &mut Account, _: &Call) -> Result {
    success("orderMethods", Value::Object(account.references.order_methods.clone()))
}

pub fn order_types(account: &mut Account, _: &Call) -> Result {
    success("orderTypes", Value::Object(account.references.order_types.clone()))
}

pub fn payment_types(_: &mut Account, _: &Call) -> Result {
    let map = json!({
        "cash": {"name": "Наличные", "code": "cash", "active": true, "defaultForCrm": true},
        "bank-card": {"name": "Банковская карта", "code": "bank-card", "active": true},
    });
    success("paymentTypes", map)
}

pub fn payment_statuses(_: &mut Account, _: &Call) -> Result {
    let map = json!({
        "not-paid": {"name": "Не оплачен", "code": "not-paid", "active": true, "ordering": 10},
        "paid": {"name": "Оплачен", "code": "paid", "active": true, "ordering": 20,
                 "paymentComplete": true},
    });
    success("paymentStatuses", map)
}

pub fn delivery_types(_: &mut Account, _: &Call) -> Result {
    let map = json!({
        "self-delivery": {"name": "Самовывоз", "code": "self-delivery", "active": true},
        "courier": {"name": "Курьер", "code": "courier", "active": true, "defaultForCrm": true},
    });
    success("deliveryTypes", map)
}

pub fn countries(_: &mut Account, _: &Call) -> Result {
    success("countriesIso", json!(["RU", "BY", "KZ"]))
}

pub fn warehouses(_: &mut Account, _: &Call) -> Result {
    success("stores", json!([]))
}

pub fn mg_channels(_: &mut Account, _: &Call) -> Result {
    success("mgChannels", json!([]))
}

/// `GET /users`.
pub fn users(account: &mut Account, call: &Call) -> Result {
    let page = call.page(&[20, 50, 100])?;
    let mut query = Query::new(call.filter());
    let email = query.text("email")?;
    let known = [
        "status",
        "online",
        "active",
        "isManager",
        "isAdmin",
        "groups",
        "createdAtFrom",
        "createdAtTo",
    ];
    query.finish(account, &known)?;
    let fits = |user: &&Value| email.as_ref().is_none_or(|email| user["email"] == json!(email));
    let users: Vec<&Value> = account.references.users.iter().filter(fits).collect();
    let shown = &users[page.range(users.len())];
    let body = json!({"success": true, "pagination": page.body(users.len()), "users": shown});
    Ok(Answer::json(200, &body))
}

/// `GET /users/{id}`.
pub fn user(account: &mut Account, call: &Call) -> Result {
    let id = call.arg(0).parse::<u64>().ok();
    let fits = |user: &&Value| id.is_some() && user["id"].as_u64() == id;
    let user = account.references.users.iter().find(fits).ok_or_else(Refusal::not_found)?;
    success("user", user.clone())
}
