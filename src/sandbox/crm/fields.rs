//! Custom fields: the list, creation, and the check of values that are written. Invariant: a field
//! is never made twice; a value of a field that does not exist is refused unless a switch says so.

use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::crm::account::{Account, Field, Object, Origin, text_of};
use crate::sandbox::crm::call::Call;
use crate::sandbox::crm::query::{Query, among};
use crate::sandbox::switches::Unknown;
use serde_json::{Value, json};

type Result<T = Answer> = std::result::Result<T, Refusal>;

const ENTITIES: &[&str] =
    &["customer", "order", "loyalty_account", "customer_corporate", "company"];
const TYPES: &[&str] = &[
    "boolean",
    "date",
    "datetime",
    "dictionary",
    "multiselect_dictionary",
    "email",
    "integer",
    "numeric",
    "string",
    "text",
];

/// `GET /custom-fields`.
pub fn list(account: &mut Account, call: &Call) -> Result {
    let page = call.page(&[20, 50, 100, 250])?;
    let mut query = Query::new(call.filter());
    let (name, code) = (query.text("name")?, query.text("code")?);
    let (entity, types) = (query.text("entity")?, query.list("type")?);
    query.finish(account, &["viewMode", "viewModeMobile", "displayArea", "inFilter", "inList"])?;
    let fits = |field: &&Field| {
        let text = |key: &str| text_of(&field.body, key).to_lowercase();
        name.as_ref().is_none_or(|part| text("name").contains(&part.to_lowercase()))
            && code.as_ref().is_none_or(|part| text("code").contains(&part.to_lowercase()))
            && entity.as_ref().is_none_or(|wanted| *wanted == field.entity)
            && among(types.as_ref(), text_of(&field.body, "type"))
    };
    let fields: Vec<&Object> =
        account.fields.iter().filter(fits).map(|field| &field.body).collect();
    let shown = &fields[page.range(fields.len())];
    let body =
        json!({"success": true, "pagination": page.body(fields.len()), "customFields": shown});
    Ok(Answer::json(200, &body))
}

/// `GET /custom-fields/{entity}/{code}`.
pub fn get(account: &mut Account, call: &Call) -> Result {
    let field = position(account, call.arg(0), call.arg(1)).map(|at| &account.fields[at].body);
    let field = field.ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &json!({"success": true, "customField": field})))
}

/// `POST /custom-fields/{entity}/create`.
pub fn create(account: &mut Account, call: &Call) -> Result {
    let body = call.object("customField")?;
    let code = add(account, call.arg(0), &body)?;
    Ok(Answer::json(201, &json!({"success": true, "code": code})))
}

/// `POST /custom-fields/{entity}/{code}/edit`.
pub fn edit(account: &mut Account, call: &Call) -> Result {
    let mut body = call.object("customField")?;
    let at = position(account, call.arg(0), call.arg(1)).ok_or_else(Refusal::not_found)?;
    // The type and the code of a field stay.
    body.remove("type");
    body.remove("code");
    account.fields[at].body.extend(body);
    Ok(Answer::json(200, &json!({"success": true, "code": call.arg(1)})))
}

/// Makes a field and answers its code.
pub fn add(account: &mut Account, entity: &str, body: &Object) -> Result<String> {
    let wrong = |field: &str| Refusal::entity(field, "This value is not valid.");
    if !ENTITIES.contains(&entity) {
        return Err(Refusal::not_found());
    }
    let (code, name, kind) = (text_of(body, "code"), text_of(body, "name"), text_of(body, "type"));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if code.is_empty() || !code.chars().all(plain) {
        return Err(wrong("code"));
    }
    if name.is_empty() {
        return Err(wrong("name"));
    }
    if !TYPES.contains(&kind) {
        return Err(wrong("type"));
    }
    if position(account, entity, code).is_some() {
        return Err(Refusal::entity("code", "Such a code already exists."));
    }
    let mut shown = Object::new();
    for (key, value) in [
        ("name", json!(name)),
        ("code", json!(code)),
        ("required", json!(false)),
        ("inFilter", json!(true)),
        ("inList", json!(true)),
        ("inGroupActions", json!(false)),
        ("type", json!(kind)),
        ("entity", json!(entity)),
        ("ordering", json!(50)),
        ("displayArea", json!("customer")),
        ("viewMode", json!("editable")),
        ("viewModeMobile", json!("editable")),
    ] {
        let value = if ["code", "type", "entity"].contains(&key) {
            value
        } else {
            body.get(key).cloned().unwrap_or(value)
        };
        shown.insert(key.to_owned(), value);
    }
    account.fields.push(Field { entity: entity.to_owned(), code: code.to_owned(), body: shown });
    Ok(code.to_owned())
}

fn position(account: &Account, entity: &str, code: &str) -> Option<usize> {
    account.fields.iter().position(|field| field.entity == entity && field.code == code)
}

/// The custom fields of a body as they are stored. A seed may write what it likes.
pub fn accept(account: &Account, entity: &str, body: &Object, origin: Origin) -> Result<Object> {
    let sent = match body.get("customFields") {
        None | Some(Value::Null) => return Ok(Object::new()),
        Some(Value::Array(list)) if list.is_empty() => return Ok(Object::new()),
        Some(Value::Object(sent)) => sent,
        Some(_) => return Err(Refusal::entity("customFields", "This value is not valid.")),
    };
    let mut accepted = Object::new();
    for (code, value) in sent {
        let key = format!("customFields.{code}");
        let field = position(account, entity, code).map(|at| &account.fields[at]);
        let kind = field.map_or("", |field| text_of(&field.body, "type"));
        match (field, origin, account.switches.unknown_custom_field) {
            (_, Origin::Seed, _) | (Some(_), _, _) => {}
            (None, _, Unknown::Ignore) => continue,
            (None, _, Unknown::Refuse) => {
                return Err(Refusal::entity(&key, "Custom field does not exist."));
            }
        }
        let value = match (kind, value) {
            ("string" | "text", Value::Number(number)) => json!(number.to_string()),
            ("string" | "text", Value::String(_) | Value::Null) => value.clone(),
            ("string" | "text", _) => {
                return Err(Refusal::entity(&key, "This value is not valid."));
            }
            _ => value.clone(),
        };
        accepted.insert(code.clone(), value);
    }
    Ok(accepted)
}
