//! The document, the routes and the router are one. Invariant: what one of them lists, the others list.

use super::document::{finished, operations as of};
use super::*;
use crate::desk::routes::Class;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn document() -> Value {
    let document = finished(whole().into_openapi(), ROUTES);
    serde_json::to_value(document).expect("it is JSON")
}

#[test]
fn routes_and_document_list_the_same_operations() {
    let mut document = whole().into_openapi();
    let listed: BTreeSet<(String, String)> = document
        .paths
        .paths
        .iter_mut()
        .flat_map(|(path, item)| {
            of(item).map(|(method, _)| (path.clone(), method.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let routes = ROUTES.iter().filter(|route| route.class == Class::Bearer);
    let routes = routes.map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
    assert_eq!(listed, routes);
    assert!(ROUTES.iter().all(|route| (route.class == Class::Bearer) == route.right.is_some()));
}

#[test]
fn no_two_schemas_have_one_name() {
    let mut seen = BTreeMap::new();
    for (schemas, ..) in operations() {
        for (name, schema) in schemas {
            let schema = serde_json::to_value(schema).expect("it is JSON");
            let before = seen.insert(name.clone(), schema.clone());
            assert!(before.is_none_or(|before| before == schema), "{name} is two things");
        }
    }
}

#[test]
fn every_operation_says_what_it_is() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let at = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at}");
            assert!(ids.insert(operation["operationId"].to_string()), "{at}: its id is taken");
            assert!(
                operation["security"][0]["token"].is_array(),
                "{at}: nobody is asked for a token"
            );
            let answers = operation["responses"].as_object().expect("answers");
            assert!(answers.contains_key("200") || answers.contains_key("204"), "{at}");
            for status in ["401", "403", "429", "500", "503"] {
                assert!(answers.contains_key(status), "{at} answers no {status}");
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters {
                let name = &parameter["name"];
                assert!(!name.to_string().contains("value"), "{at}: {name}");
                assert_eq!(
                    path.contains(&format!("{{{}}}", name.as_str().unwrap_or_default())),
                    parameter["in"] == "path",
                    "{at}: {name}"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        if let Some(path) = value["$ref"].as_str() {
            let path = path.strip_prefix('#').expect("inside of the document");
            assert!(document.pointer(path).is_some(), "{path} is not there");
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            Value::Object(fields) => fields.values().for_each(|field| walk(document, field)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn the_page_shows_every_operation_and_schema() {
    let (_, document) = whole().split_for_parts();
    let document = finished(document, ROUTES);
    let page = reference::page(&document).0;
    for operation in ["list_leads", "retry_job", "try_flow", "schema-Problem", "schema-LeadView"] {
        assert!(page.contains(&format!("id=\"{operation}\"")), "{operation}");
    }
    for forbidden in ["<script", "style=", "<style", "onclick", "http://fonts", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let links = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
    }
}

/// Names of what an operation takes or a thing holds, and of which type; `?` may be left out.
fn sketched(name: &str, needed: bool, schema: &Value) -> String {
    let reference = |schema: &Value| {
        let path = schema["$ref"].as_str()?;
        path.rsplit('/').next().map(str::to_owned)
    };
    let bare = |schema: &Value| match (reference(schema), &schema["type"]) {
        (Some(name), _) => name,
        (None, Value::String(word)) => word.clone(),
        (None, Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|")
        }
        _ => "any".to_owned(),
    };
    let either = schema["oneOf"].as_array().map(|all| all.iter().map(bare).collect::<Vec<_>>());
    let of = either.map_or_else(|| bare(schema), |all| all.join("|"));
    let of = if of == "array" { format!("[{}]", bare(&schema["items"])) } else { of };
    format!("{name}{}: {of}", if needed { "" } else { "?" })
}

/// What programs rely on: a change of these lines is a change for them.
#[test]
fn what_programs_rely_on_is_what_was_agreed() {
    let document = document();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let empty = Vec::new();
            let takes = operation["parameters"].as_array().unwrap_or(&empty).iter();
            let takes = takes.map(|one| {
                let name = one["name"].as_str().unwrap_or_default();
                sketched(name, one["required"] == true, &one["schema"])
            });
            let answers = operation["responses"].as_object().expect("answers").keys();
            lines.push(format!(
                "{} {path} [{}] ({}) -> {}",
                method.to_uppercase(),
                operation["security"][0]["token"][0].as_str().unwrap_or_default(),
                takes.collect::<Vec<_>>().join(", "),
                answers.cloned().collect::<Vec<_>>().join(" "),
            ));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        let needed = |field: &String| {
            schema["required"].as_array().is_some_and(|all| all.contains(&Value::from(&**field)))
        };
        let words = schema["enum"].as_array().map(|all| format!(" = {}", Value::from(all.clone())));
        lines.push(format!("{name}{}", words.unwrap_or_default()));
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            lines.push(format!("  {}", sketched(field, needed(field), of)));
        }
    }
    insta::assert_snapshot!("agreed", lines.join("\n"));
}
