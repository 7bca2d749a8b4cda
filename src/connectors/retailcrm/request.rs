//! An effect as the request that it is. Invariant: pure, and the only builder: what `explain` shows
//! is what `perform` sends.

use super::config::Config;
use super::contacts;
use super::fields;
use super::references::References;
use super::wire;
use crate::domain::event::is_empty;
use crate::domain::{Effect, plan};
use serde_json::{Map, Value, json};

/// A write, ready to be sent. Form fields in order; nested structures are JSON in one field (1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub template: &'static str,
    pub path: String,
    pub fields: Vec<(String, String)>,
}

/// What a new order or customer gets where neither the flow nor the connection says.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    pub site: Option<String>,
    pub status: Option<String>,
}

impl Defaults {
    pub fn of(references: &References) -> Self {
        Self {
            site: references.sites.first().cloned(),
            status: references.first_status().map(str::to_owned),
        }
    }

    /// For showing before the references were read.
    pub fn unread() -> Self {
        Self { site: Some("‹first store›".into()), status: Some("‹first status›".into()) }
    }
}

/// Builds the request of an effect; holes are shown as `‹steps.customer.id›`.
///
/// # Errors
/// What is wrong with the effect, for a person.
pub fn build(effect: &Effect, config: &Config, defaults: &Defaults) -> Result<Built, String> {
    let input: Map<String, Value> =
        effect.input.iter().map(|(name, value)| (name.clone(), plan::shown(value))).collect();
    match effect.operation.as_str() {
        "customer.create" => Ok(customer_create(&input, config, defaults)),
        contacts::FILL => {
            let mut lacks = input.clone();
            lacks.retain(|name, _| !matches!(name.as_str(), "customer" | contacts::PERSON));
            lacks.entry("phones").and_modify(|phones| *phones = numbers(phones));
            Ok(customer_edit(id(&input, "customer")?.as_i64().unwrap_or_default(), &lacks))
        }
        "order.create" => order_create(effect, &input, config, defaults),
        "order.edit" => order_edit(&input),
        other => Err(format!("there is no operation `{other}`")),
    }
}

/// Does the effect still wait for an output of another step?
pub fn has_hole(effect: &Effect) -> bool {
    effect.input.values().any(plan::has_hole)
}

/// `leadlink-call-900000001` of the key `call:900000001`.
pub fn external_id(key: &str) -> String {
    let plain = |symbol: char| {
        let kept = symbol.is_ascii_alphanumeric() || matches!(symbol, '-' | '_' | '.');
        if kept { symbol } else { '-' }
    };
    format!("leadlink-{}", key.chars().map(plain).collect::<String>())
}

/// The custom fields of an effect as they are sent.
pub fn custom_fields(input: &Map<String, Value>) -> Map<String, Value> {
    let held = input.get("customFields").and_then(Value::as_object);
    let filled = held.into_iter().flatten().filter(|(_, value)| !is_empty(value));
    filled
        .map(|(code, value)| {
            // Ours are of the type `string`; an id is a number elsewhere.
            let text = fields::is_ours(code).then(|| wire::text(Some(value))).flatten();
            (code.clone(), text.map_or_else(|| value.clone(), Value::from))
        })
        .collect()
}

fn customer_create(input: &Map<String, Value>, config: &Config, defaults: &Defaults) -> Built {
    let mut customer = Map::new();
    for name in ["firstName", "lastName", "patronymic"] {
        copy(input, name, &mut customer);
    }
    put(&mut customer, "phones", input.get("phones").map(numbers).unwrap_or_default());
    copy(input, "email", &mut customer);
    copy(input, "managerId", &mut customer);
    if let Some(person) = wire::text(input.get(contacts::PERSON)).filter(|_| config.external_ids) {
        put(&mut customer, "externalId", external_id(&person).into());
    }
    put(&mut customer, "source", source(input));
    put(&mut customer, "customFields", custom_fields(input).into());

    let mut fields = Vec::new();
    if let Some(site) = site(input, config, defaults) {
        fields.push(("site".to_owned(), site));
    }
    fields.push(("customer".to_owned(), Value::from(customer).to_string()));
    let template = "/api/v5/customers/create";
    Built { template, path: template.to_owned(), fields }
}

fn numbers(phones: &Value) -> Value {
    let phones = wire::listed(phones).into_iter().filter(|phone| !is_empty(phone));
    phones.map(|phone| json!({ "number": phone })).collect()
}

/// Adds fields to a customer; what is not sent stays.
pub fn customer_edit(id: i64, fields: &Map<String, Value>) -> Built {
    Built {
        template: "/api/v5/customers/{id}/edit",
        path: format!("/api/v5/customers/{id}/edit"),
        fields: vec![
            ("by".to_owned(), "id".to_owned()),
            ("customer".to_owned(), Value::from(fields.clone()).to_string()),
        ],
    }
}

fn order_create(
    effect: &Effect,
    input: &Map<String, Value>,
    config: &Config,
    defaults: &Defaults,
) -> Result<Built, String> {
    let mut order = Map::new();
    if config.external_ids {
        put(&mut order, "externalId", external_id(&effect.key).into());
    }
    let site = site(input, config, defaults);
    let text = |name: &str, configured: &Option<String>| {
        wire::text(input.get(name)).or_else(|| configured.clone())
    };
    let status = text("status", &config.status).or_else(|| defaults.status.clone());
    put(&mut order, "site", site.clone().into());
    put(&mut order, "status", status.into());
    put(&mut order, "orderMethod", text("orderMethod", &config.order_method).into());
    put(&mut order, "orderType", text("orderType", &config.order_type).into());
    put(&mut order, "customer", json!({ "id": id(input, "customer")? }));
    let copied = [
        "firstName",
        "lastName",
        "patronymic",
        "phone",
        "email",
        "managerId",
        "customerComment",
        "managerComment",
    ];
    for name in copied {
        copy(input, name, &mut order);
    }
    put(&mut order, "source", source(input));
    put(&mut order, "customFields", custom_fields(input).into());

    let mut fields = Vec::new();
    if let Some(site) = site {
        fields.push(("site".to_owned(), site));
    }
    fields.push(("order".to_owned(), Value::from(order).to_string()));
    let template = "/api/v5/orders/create";
    Ok(Built { template, path: template.to_owned(), fields })
}

fn order_edit(input: &Map<String, Value>) -> Result<Built, String> {
    let id = wire::stringified(&id(input, "order")?);
    let mut order = Map::new();
    for name in ["status", "managerId", "customerComment", "managerComment"] {
        copy(input, name, &mut order);
    }
    put(&mut order, "source", source(input));
    put(&mut order, "customFields", custom_fields(input).into());
    Ok(Built {
        template: "/api/v5/orders/{id}/edit",
        path: format!("/api/v5/orders/{id}/edit"),
        fields: vec![
            // The CRM's default is `externalId` (2.3).
            ("by".to_owned(), "id".to_owned()),
            ("order".to_owned(), Value::from(order).to_string()),
        ],
    })
}

/// A key that sees several stores must say which one (1.2).
fn site(input: &Map<String, Value>, config: &Config, defaults: &Defaults) -> Option<String> {
    wire::text(input.get("site")).or_else(|| config.site.clone()).or_else(|| defaults.site.clone())
}

fn source(input: &Map<String, Value>) -> Value {
    let held = input.get("source").and_then(Value::as_object);
    let filled = held.into_iter().flatten().filter(|(_, value)| !is_empty(value));
    filled.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

/// An id, or the hole that will be one.
fn id(input: &Map<String, Value>, name: &str) -> Result<Value, String> {
    let held = input.get(name);
    if let Some(id) = wire::number(held) {
        return Ok(id.into());
    }
    match held {
        Some(Value::String(hole)) if hole.starts_with('‹') && hole.ends_with('›') => {
            Ok(Value::from(hole.as_str()))
        }
        _ => Err(format!("`{name}` is no id")),
    }
}

fn copy(from: &Map<String, Value>, name: &str, to: &mut Map<String, Value>) {
    put(to, name, from.get(name).cloned().unwrap_or_default());
}

/// What is empty is left out of the request.
fn put(to: &mut Map<String, Value>, name: &str, value: Value) {
    if !is_empty(&value) {
        to.insert(name.to_owned(), value);
    }
}
