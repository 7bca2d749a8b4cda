//! The document, read for the page. Invariant: what cannot be read is left out; nothing is made up.

use super::{Field, Group, Kind, Operation, Prose, Reference, Schema, Told};
use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub fn reference(document: &Value) -> Reference {
    let about = text(&document["info"]["description"]);
    Reference {
        title: text(&document["info"]["title"]),
        version: text(&document["info"]["version"]),
        about: about.split("\n\n").map(Prose::of).collect(),
        groups: items(&document["tags"]).map(|tag| group(document, tag)).collect(),
        schemas: fields(&document["components"]["schemas"])
            .map(|(name, schema)| self::schema(name, schema))
            .collect(),
    }
}

fn group(document: &Value, tag: &Value) -> Group {
    let name = text(&tag["name"]);
    let all = fields(&document["paths"]).flat_map(|(path, item)| {
        let of = METHODS.iter().map(move |method| (*method, path, &item[*method]));
        of.filter(|(_, _, operation)| operation.is_object())
    });
    let mine = all.filter(|(_, _, operation)| operation["tags"][0] == name.as_str());
    let operations =
        mine.map(|(method, path, read)| operation(document, (method, path), read)).collect();
    Group { about: prose(&tag["description"]), name, operations }
}

fn operation(document: &Value, (method, path): (&str, &str), read: &Value) -> Operation {
    let body = &read["requestBody"]["content"]["application/json"]["schema"];
    let scope = items(&read["security"]).flat_map(|one| fields(one).map(|(_, scopes)| scopes));
    let scope: Vec<String> = scope.flat_map(items).map(text).collect();
    let parameters: Vec<Field> = items(&read["parameters"]).map(parameter).collect();
    Operation {
        id: text(&read["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&read["summary"]),
        about: prose(&read["description"]),
        scope: scope.join(", "),
        curl: curl((method, path), &parameters, &example(document, body)),
        parameters,
        body: body.is_object().then(|| kind(body)),
        answers: fields(&read["responses"])
            .map(|(status, told)| answer(document, status, told))
            .collect(),
    }
}

fn parameter(read: &Value) -> Field {
    Field { place: text(&read["in"]), ..field(&text(&read["name"]), &read["schema"], read) }
}

/// `beside` holds what stands beside the schema of parameters.
fn field(name: &str, schema: &Value, beside: &Value) -> Field {
    let about = [&beside["description"], &schema["description"]]
        .into_iter()
        .find(|about| about.is_string());
    let examples = [&beside["example"], &schema["example"], &schema["examples"][0]];
    let example = examples.into_iter().find(|example| !example.is_null());
    Field {
        name: name.to_owned(),
        place: String::new(),
        kind: kind(schema),
        must: beside["required"] == true,
        limits: limits(schema),
        about: about.map(prose).unwrap_or_default(),
        example: example.map(plain).unwrap_or_default(),
    }
}

fn answer(document: &Value, status: &str, told: &Value) -> Told {
    let told = resolved(document, told);
    let schema = fields(&told["content"]).next().map(|(_, content)| &content["schema"]);
    let kind = schema.map(kind);
    Told { status: status.to_owned(), about: prose(&told["description"]), kind }
}

fn schema(name: &str, read: &Value) -> Schema {
    // What is flattened into another is written as a whole of parts.
    let parts = items(&read["allOf"]).chain([read]);
    let must: Vec<&str> =
        parts.clone().flat_map(|part| items(&part["required"]).filter_map(Value::as_str)).collect();
    let fields = parts.flat_map(|part| fields(&part["properties"]));
    let fields = fields.map(|(name, schema)| Field {
        must: must.contains(&name),
        ..field(name, schema, &Value::Null)
    });
    Schema {
        name: name.to_owned(),
        about: prose(&read["description"]),
        fields: fields.collect(),
        kind: kind(read),
    }
}

/// A type in words.
fn kind(schema: &Value) -> Kind {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return Kind { words: name.to_owned(), schema: Some(name.to_owned()) };
    }
    for union in ["oneOf", "anyOf", "allOf"] {
        let some = items(&schema[union]).filter(|one| one["type"] != "null");
        if let Some(found) = some.map(kind).find(|kind| kind.schema.is_some()) {
            let words = match union {
                "allOf" => format!("{} and more", found.words),
                _ => format!("{} or null", found.words),
            };
            return Kind { words, ..found };
        }
    }
    if schema["items"].is_object() {
        let of = kind(&schema["items"]);
        return Kind { words: format!("list of {}", of.words), ..of };
    }
    if schema["additionalProperties"].is_object() {
        let of = kind(&schema["additionalProperties"]);
        return Kind { words: format!("map of {}", of.words), ..of };
    }
    let words = match &schema["type"] {
        Value::Array(some) => {
            let words: Vec<&str> = some.iter().filter_map(Value::as_str).map(word).collect();
            words.join(" or ")
        }
        Value::String(one) => word(one).to_owned(),
        _ => "anything".to_owned(),
    };
    let words = match schema["format"].as_str() {
        Some("date-time") => words.replace("text", "time"),
        _ => words,
    };
    Kind { words, schema: None }
}

fn word(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "whole number",
        "boolean" => "true or false",
        "object" => "fields",
        other => other,
    }
}

fn limits(schema: &Value) -> String {
    let mut limits = Vec::new();
    let mut tell = |key: &str, words: &str| {
        if !schema[key].is_null() {
            limits.push(format!("{words} {}", plain(&schema[key])));
        }
    };
    tell("minimum", "from");
    tell("maximum", "to");
    tell("maxLength", "characters at most");
    tell("maxItems", "items at most");
    tell("default", "usually");
    let one_of: Vec<String> = items(&schema["enum"]).map(plain).collect();
    if !one_of.is_empty() {
        limits.push(one_of.join(" | "));
    }
    limits.join(", ")
}

fn curl((method, path): (&str, &str), parameters: &[Field], body: &Value) -> String {
    let mut address = path.to_owned();
    let mut asked = Vec::new();
    for field in parameters {
        let encoded = percent_encoding::utf8_percent_encode(&field.example, KEPT).to_string();
        if field.place == "path" {
            address = address.replace(&format!("{{{}}}", field.name), &encoded);
        } else if field.must || field.name == "limit" {
            asked.push(format!("{}={encoded}", field.name));
        }
    }
    if !asked.is_empty() {
        address = format!("{address}?{}", asked.join("&"));
    }
    let mut line = "curl".to_owned();
    if method != "get" {
        line.push_str(&format!(" -X {}", method.to_uppercase()));
    }
    line.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    if body.is_object() {
        line.push_str(&format!(" \\\n  -H 'Content-Type: application/json' -d '{body}'"));
    }
    format!("{line} \\\n  \"$LEADLINK{address}\"")
}

/// Kept as they are in an address.
const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':');

/// An example of a body: its own, else those of its fields.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    let of = fields(&schema["properties"]).filter(|(_, field)| !field["example"].is_null());
    let whole: serde_json::Map<String, Value> =
        of.map(|(name, field)| (name.to_owned(), field["example"].clone())).collect();
    if schema.is_object() { Value::Object(whole) } else { Value::Null }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let path = value["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(value)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> + Clone {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn prose(value: &Value) -> Prose {
    Prose::of(value.as_str().unwrap_or_default())
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
