//! What a message of the gateway holds besides files: its words, cards of products and orders, and
//! buttons. Invariant: pure; a card is always in the words too, since no messenger of ours takes one
//! as it is.

use crate::connectors::retailcrm::wire;
use crate::domain::event::is_empty;
use serde_json::{Map, Value, json};

/// What a message holds besides words and files.
pub fn cards(data: &Value) -> Map<String, Value> {
    let suggestions = data.get("attachments").and_then(|held| held.get("suggestions"));
    let suggestions = suggestions.map(wire::listed).unwrap_or_default();
    let button = |one: &&Value| {
        let title = wire::text(one.get("title")).filter(|title| !title.is_empty())?;
        let payload = wire::text(one.get("payload")).filter(|payload| !payload.is_empty());
        Some(json!({ "text": title, "data": payload.unwrap_or_else(|| title.clone()) }))
    };
    let buttons: Vec<Value> = suggestions.iter().filter_map(button).collect();
    Map::from_iter([
        ("product".to_owned(), product(data.get("product"))),
        ("order".to_owned(), order(data.get("order"))),
        ("buttons".to_owned(), buttons.into()),
    ])
}

/// The words of a message: what stands there, then a card in words.
pub fn content(data: &Value) -> Option<String> {
    let written = |name: &str| wire::text(data.get(name)).filter(|said| !said.trim().is_empty());
    let said = written("content").or_else(|| written("note"));
    let card = |name: &str| data.get(name).filter(|held| !is_empty(held));
    let product = card("product").map(product_words);
    let card = product.or_else(|| card("order").map(order_words)).filter(|words| !words.is_empty());
    match (said, card) {
        (Some(said), Some(card)) if !said.contains(&card) => Some(format!("{said}\n{card}")),
        (Some(said), _) => Some(said),
        (None, card) => card,
    }
}

fn cost(value: Option<&Value>) -> (Option<String>, Option<String>) {
    let held = value.filter(|held| held.is_object());
    let money = wire::money(held.and_then(|held| held.get("value"))).map(|sum| sum.normalize());
    (money.map(|sum| sum.to_string()), wire::text(held.and_then(|held| held.get("currency"))))
}

fn sum(value: Option<&Value>) -> Option<String> {
    let (sum, currency) = cost(value);
    Some([sum?, currency.unwrap_or_default()].join(" ").trim().to_owned())
}

fn product(value: Option<&Value>) -> Value {
    let Some(held) = value.filter(|held| !is_empty(held)) else { return Value::Null };
    let text = |name: &str| wire::text(held.get(name));
    let (price, currency) = cost(held.get("cost"));
    json!({
        "id": text("id"), "name": text("name"), "article": text("article"), "url": text("url"),
        "image": text("img"), "price": price, "currency": currency,
    })
}

fn order(value: Option<&Value>) -> Value {
    let Some(held) = value.filter(|held| !is_empty(held)) else { return Value::Null };
    let text = |name: &str| wire::text(held.get(name));
    let (cost, currency) = cost(held.get("cost"));
    let status = held.get("status").and_then(|status| wire::text(status.get("name")));
    json!({
        "id": text("external_id"), "number": text("number"), "url": text("url"),
        "cost": cost, "currency": currency, "status": status,
    })
}

fn product_words(product: &Value) -> String {
    let text = |name: &str| wire::text(product.get(name)).filter(|text| !text.is_empty());
    let head = [text("name"), text("article").map(|article| format!("({article})"))];
    let head: Vec<String> = head.into_iter().flatten().collect();
    lines([Some(head.join(" ")), sum(product.get("cost")), text("url")])
}

fn order_words(order: &Value) -> String {
    let text = |name: &str| wire::text(order.get(name)).filter(|text| !text.is_empty());
    let status = order.get("status").and_then(|status| wire::text(status.get("name")));
    let head: Vec<String> = [text("number").map(|number| format!("№ {number}")), status]
        .into_iter()
        .flatten()
        .collect();
    let item = |item: &Value| {
        let name = wire::text(item.get("name"))?;
        let quantity = item.get("quantity").and_then(|held| wire::money(held.get("value")));
        let count = quantity.map(|count| format!(" × {}", count.normalize())).unwrap_or_default();
        let price = sum(item.get("price")).map(|price| format!(": {price}")).unwrap_or_default();
        Some(format!("{name}{count}{price}"))
    };
    let items = order.get("items").map(wire::listed).unwrap_or_default();
    let items: Vec<String> = items.into_iter().filter_map(item).collect();
    lines([
        Some(head.join(", ")),
        Some(items.join("\n")),
        sum(order.get("cost")).map(|sum| format!("= {sum}")),
        text("url"),
    ])
}

fn lines<const N: usize>(parts: [Option<String>; N]) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}
