//! The nine custom fields of an order (calltouch.md F1) and their set-up. Invariant: a second run
//! creates nothing; a field that exists is never changed.

use super::client::{Client, Judged, List, Stop, told};
use super::wire;
use crate::domain::Delay;
use serde_json::json;
use std::collections::BTreeMap;

/// Code and name of each field; all are of the type `string`.
pub const FIELDS: [(&str, &str); 9] = [
    ("calltouch_site_id", "ID сайта в Calltouch"),
    ("calltouch_call_id", "ID звонка в Calltouch"),
    ("calltouch_request_id", "ID заявки в Calltouch"),
    ("calltouch_chat_id", "ID чата в Calltouch"),
    ("utm_source", "Источник (utm_source)"),
    ("utm_medium", "Канал (utm_medium)"),
    ("utm_campaign", "Кампания (utm_campaign)"),
    ("utm_content", "Объявление (utm_content)"),
    ("utm_term", "Ключевое слово (utm_term)"),
];

/// The fields that say which lead an order came from.
pub const LEAD_IDS: [&str; 3] = ["calltouch_call_id", "calltouch_request_id", "calltouch_chat_id"];

pub const TYPE: &str = "string";

/// Is this one of the nine?
pub fn is_ours(code: &str) -> bool {
    FIELDS.iter().any(|(ours, _)| *ours == code)
}

/// The custom fields of orders: code → type.
///
/// # Errors
/// [`Stop`] as the list has it.
pub async fn read(client: &Client) -> Result<BTreeMap<String, String>, Stop> {
    read_of(client, "order").await
}

/// The custom fields of `order` or `customer`: code → type.
///
/// # Errors
/// [`Stop`] as the list has it.
pub async fn read_of(client: &Client, entity: &str) -> Result<BTreeMap<String, String>, Stop> {
    let list = List {
        template: "/api/v5/custom-fields",
        rows: "customFields",
        filter: &[("filter[entity]", entity.to_owned())],
        most_pages: 20,
    };
    let rows = client.all(&list).await?;
    let of_entity = rows.iter().filter(|row| row.get("entity").is_none_or(|held| held == entity));
    Ok(of_entity
        .filter_map(|row| {
            Some((wire::text(row.get("code"))?, wire::text(row.get("type")).unwrap_or_default()))
        })
        .collect())
}

/// Creates what is missing; one line a field.
///
/// # Errors
/// Why it could not be done; fields made before that stay.
pub async fn set_up(client: &Client) -> Result<Vec<String>, Delay> {
    let held = read(client).await.map_err(|stop| stop.delay("the custom fields"))?;
    let mut lines = Vec::new();
    for (place, (code, name)) in FIELDS.iter().enumerate() {
        lines.push(match held.get(*code) {
            Some(kind) if kind == TYPE => format!("{code}: is there already"),
            Some(kind) => format!("{code}: is there, but of the type `{kind}`, not `{TYPE}`"),
            None => create(client, code, name, place).await?,
        });
    }
    Ok(lines)
}

async fn create(client: &Client, code: &str, name: &str, place: usize) -> Result<String, Delay> {
    let field = json!({
        "name": name,
        "code": code,
        "type": TYPE,
        "ordering": 100 + place,
        "displayArea": "main_data",
        "viewMode": "editable",
        "viewModeMobile": "editable",
        "inFilter": true,
        "inList": true,
        "inGroupActions": false,
        "required": false,
    });
    let fields = vec![("customField".to_owned(), field.to_string())];
    let path = "/api/v5/custom-fields/order/create";
    match client.post(path, path.to_owned(), fields).await {
        Judged::Success(_) => Ok(format!("{code}: created, «{name}»")),
        Judged::Later { delay, .. } => Err(delay),
        // Two set-ups at once: the other one was first.
        Judged::Refused(refusal) if told(&refusal).contains("exist") => {
            Ok(format!("{code}: is there already"))
        }
        Judged::Refused(refusal) | Judged::NotFound(refusal) => {
            Err(Delay::setup(format!("{code} was not created: {}", client.clean(&told(&refusal)))))
        }
    }
}
