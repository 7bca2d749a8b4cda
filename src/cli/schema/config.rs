//! The schema of the configuration, made of the keys that `config` and each connector declare.
//! Invariant: a connector that is added to THE LIST is in the schema without a word here.

use super::{duration, head, plain, texts};
use crate::config::keys::{self, Key, Keys, Shape};
use crate::connectors::LIST;
use serde_json::{Map, Value, json};

pub fn schema() -> Value {
    let mut schema = head(
        "leadlink configuration",
        "Any key can be set from the environment too, and the environment wins: \
         LEADLINK_CONNECTIONS__SHOP__SITE=main. A secret is env:NAME, file:PATH or the secret itself",
    );
    let mut properties = Map::new();
    for Keys { table, about, keys } in keys::TABLES {
        properties.insert((*table).to_owned(), fixed(about, keys));
    }
    properties.insert("roles".to_owned(), named(keys::ROLES, &[]));
    properties.insert("connections".to_owned(), connections());
    properties.insert("flows".to_owned(), flows());
    schema["properties"] = Value::Object(properties);
    schema["additionalProperties"] = json!(false);
    schema["$defs"] = Value::Object(definitions());
    schema
}

fn connections() -> Value {
    let kinds: Vec<Value> =
        LIST.iter().map(|(name, ..)| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    json!({
        "description": "One table for each account. Its name stands in the address of its hook: \
                        /hooks/NAME/HOOK_SECRET",
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_-]+$" },
        "additionalProperties": { "oneOf": kinds },
    })
}

fn flows() -> Value {
    json!({
        "description": "A flow runs only where this file or an operator says so",
        "type": "object",
        "additionalProperties": fixed("One flow, by the name in its file", keys::FLOW),
    })
}

fn definitions() -> Map<String, Value> {
    let mut definitions = Map::new();
    for (name, _, own) in LIST {
        let title = format!("An account of the connector {name}");
        let all: Vec<Key> = keys::CONNECTION.iter().chain(*own).copied().collect();
        let mut table = fixed(&title, &all);
        if let Some(properties) = table["properties"].as_object_mut() {
            let connector =
                json!({ "const": name, "description": "What kind of far side this is" });
            properties.shift_insert(0, "connector".to_owned(), connector);
        }
        let mut required = vec!["connector"];
        required.extend(own.iter().filter(|key| key.must).map(|key| key.name));
        table["required"] = json!(required);
        definitions.insert((*name).to_owned(), table);
    }
    definitions
}

/// A table with these keys and no others.
fn fixed(about: &str, keys: &[Key]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = match key.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Form(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Secret => json!({ "type": "string", "examples": ["env:NAME", "file:PATH"] }),
        Shape::Duration => duration(),
        Shape::Kept => json!({
            "anyOf": [duration(), { "type": "string", "enum": ["forever", "never"] }],
        }),
        Shape::Count => json!({ "type": "integer", "minimum": 1 }),
        Shape::Rate => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Texts => texts(),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Named(names) => named(key.about, names),
        Shape::Plain => json!({ "type": "object", "additionalProperties": plain() }),
        Shape::Tables(keys) => {
            let mut table = fixed(key.about, keys);
            let must = keys.iter().filter(|key| key.must).map(|key| key.name);
            table["required"] = must.collect::<Vec<_>>().into();
            json!({ "type": "object", "additionalProperties": table })
        }
    };
    let secret = matches!(key.shape, Shape::Secret);
    let way = if secret { ". Write env:NAME, file:PATH or the secret itself" } else { "" };
    schema["description"] = format!("{}{way}", key.about).into();
    if !key.default.is_empty() {
        schema["default"] = default(key);
    }
    schema
}

fn default(key: &Key) -> Value {
    let is_text = matches!(
        key.shape,
        Shape::Text
            | Shape::Form(_)
            | Shape::Secret
            | Shape::Duration
            | Shape::Kept
            | Shape::Choice(_)
    );
    let parsed = if is_text { None } else { serde_json::from_str(key.default).ok() };
    parsed.unwrap_or_else(|| key.default.into())
}

/// `name = text or list of texts`.
fn named(about: &str, names: &[&str]) -> Value {
    if names.is_empty() {
        return json!({
            "description": about, "type": "object", "additionalProperties": texts(),
        });
    }
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), texts())).collect();
    json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}
