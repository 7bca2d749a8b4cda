//! A deal as the item of a request. Invariant: pure, and the only builder: what `explain` shows is what
//! is sent. A deal is linked where it is made and never again: an update has no way to say a lead.

use super::offer::{DEAL_CREATE, DEAL_UPDATE};
use crate::connectors::port::Preview;
use crate::domain::event::is_empty;
use crate::domain::plan::shown;
use crate::domain::{Effect, EmailKey, Phone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

/// The name under which Calltouch shows whose deals these are.
const CRM: &str = "RetailCRM";
/// One client cuts custom sources there (calltouch.md §5.2).
const LONGEST_SOURCE: usize = 126;
/// Documented nowhere: what a usual column of a database holds.
const LONGEST_TEXT: usize = 255;
/// How a hole is shown.
const HOLE: char = '‹';

/// Which of the two writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    Create,
    Update,
}

/// What the settings say of deals.
#[derive(Debug, Clone)]
pub struct Manner {
    pub zone: TimeZone,
    /// How far back Calltouch looks for a lead, in minutes.
    pub depth: u32,
}

impl Way {
    pub const ALL: [Self; 2] = [Self::Create, Self::Update];

    pub fn of(operation: &str) -> Option<Self> {
        match operation {
            DEAL_CREATE => Some(Self::Create),
            DEAL_UPDATE => Some(Self::Update),
            _ => None,
        }
    }

    pub fn path(self) -> &'static str {
        match self {
            Self::Create => "/lead-service/v1/api/client-order/create",
            Self::Update => "/lead-service/v1/api/client-order/update",
        }
    }
}

/// The body of a request. That an update may name the CRM too is documented nowhere.
pub fn body(way: Way, orders: Vec<Value>) -> Value {
    match way {
        Way::Create => json!({ "crm": CRM, "orders": orders }),
        Way::Update => json!({ "orders": orders }),
    }
}

/// The item of a deal. An update takes of an input what an update may say.
///
/// # Errors
/// What is wrong with the input, for a person.
pub fn order(way: Way, input: &Map<String, Value>, manner: &Manner) -> Result<Value, String> {
    let mut order = Map::new();
    if way == Way::Create {
        put(&mut order, "matching", matching(input, manner)?.into());
    }
    let id = id(input).ok_or("a deal needs the `id` of its order")?;
    order.insert("orderNumber".to_owned(), id.into());
    for name in ["orderName", "funnel", "status"] {
        put(&mut order, name, cut(input, name, LONGEST_TEXT).into());
    }
    let dates: &[&str] = match way {
        Way::Create => &["statusDate", "orderDate", "updateDate"],
        Way::Update => &["statusDate", "updateDate"],
    };
    for name in dates {
        put(&mut order, name, local(input, name, manner)?.into());
    }
    put(&mut order, "currency", text(input, "currency").into());
    put(&mut order, "revenue", money(input)?.into());
    put(&mut order, "manager", cut(input, "manager", LONGEST_TEXT).into());
    Ok(Value::Object(order))
}

/// The order's id, by which a deal is known.
pub fn id(input: &Map<String, Value>) -> Option<String> {
    text(input, "id")
}

/// The status as it is sent.
pub fn status(input: &Map<String, Value>) -> Option<String> {
    cut(input, "status", LONGEST_TEXT)
}

/// The request of one deal alone.
pub fn preview(effect: &Effect, manner: &Manner) -> Preview {
    let input = effect.input.iter().map(|(name, value)| (name.clone(), shown(value))).collect();
    let built = match Way::of(&effect.operation) {
        Some(way) => order(way, &input, manner).map(|order| (way, order)),
        None => Err(format!("calltouch performs no operation `{}`", effect.operation)),
    };
    let (way, order) = match built {
        Ok(built) => built,
        Err(why) => {
            let fields = vec![("not sent".to_owned(), why)];
            return Preview { method: "POST", path: String::new(), fields };
        }
    };
    let told = |(name, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), text)
    };
    let body = body(way, Vec::new());
    let around = body.as_object().into_iter().flatten().filter(|(name, _)| *name != "orders");
    let inside = order.as_object().into_iter().flatten().map(told);
    let fields =
        around.map(told).chain(inside.map(|(name, text)| (format!("orders[0].{name}"), text)));
    Preview { method: "POST", path: way.path().to_owned(), fields: fields.collect() }
}

/// What the deal is to be linked to, the first that is found: calls before requests (D3), of each a
/// lead by its id, else one that Calltouch finds by contact; then a chat, then a source of our own.
fn matching(input: &Map<String, Value>, manner: &Manner) -> Result<Vec<Value>, String> {
    let by_id = |noun: &str| {
        let id = text(input, noun)?;
        let id = id.parse::<i64>().map_or_else(|_| Value::from(id), Value::from);
        Some(json!({ "type": noun, format!("{noun}Params"): { format!("{noun}Id"): id } }))
    };
    let phones = contacts(input, "phones", |typed| {
        Phone::parse(typed).map(|phone| phone.key().trim_start_matches('+').to_owned())
    });
    let emails = contacts(input, "emails", |typed| {
        EmailKey::parse(typed).map(|email| email.key().to_owned())
    });
    let date = local(input, "date", manner)?;
    let by_contact = |noun: &str, contacts: &[(&str, &[Value])]| {
        let date = date.clone().filter(|_| contacts.iter().any(|(_, held)| !held.is_empty()))?;
        let mut params = Map::new();
        for (name, held) in contacts {
            put(&mut params, name, held.to_vec().into());
        }
        params.insert("date".to_owned(), date.into());
        params.insert(format!("{noun}TypeToMatch"), "nearest".into());
        params.insert("searchDepth".to_owned(), manner.depth.into());
        Some(json!({ "type": format!("{noun}Contact"), format!("{noun}ContactParams"): params }))
    };
    let mut list: Vec<Value> = [
        by_id("call"),
        by_contact("call", &[("phones", &phones)]),
        by_id("request"),
        by_contact("request", &[("phones", &phones), ("emails", &emails)]),
        by_id("chat"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut sources = Map::new();
    for name in ["source", "medium", "campaign"] {
        put(&mut sources, name, cut(input, name, LONGEST_SOURCE).into());
    }
    if !sources.is_empty() {
        list.push(json!({ "type": "customSources", "customSourceParams": sources }));
    }
    Ok(list)
}

/// The contacts under this name as Calltouch compares them; a hole stays one.
fn contacts(
    input: &Map<String, Value>,
    name: &str,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Value> {
    let items = match input.get(name) {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let mut found: Vec<Value> = Vec::new();
    for typed in items.iter().filter_map(Value::as_str) {
        let read = if is_hole(typed) { Some(typed.to_owned()) } else { read(typed) };
        found.extend(read.map(Value::from).filter(|contact| !found.contains(contact)));
    }
    found
}

/// A time as wall-clock text of the site.
fn local(
    input: &Map<String, Value>,
    name: &str,
    manner: &Manner,
) -> Result<Option<String>, String> {
    let Some(text) = text(input, name) else { return Ok(None) };
    if is_hole(&text) {
        return Ok(Some(text));
    }
    let time: Timestamp = text.parse().map_err(|_| format!("`{name}` is no time"))?;
    Ok(Some(manner.zone.to_datetime(time).strftime("%d-%m-%Y %H:%M:%S").to_string()))
}

/// A sum as a decimal text.
fn money(input: &Map<String, Value>) -> Result<Option<String>, String> {
    let Some(text) = text(input, "revenue") else { return Ok(None) };
    if is_hole(&text) {
        return Ok(Some(text));
    }
    let sum: Decimal = text.parse().map_err(|_| "`revenue` is no decimal number".to_owned())?;
    Ok(Some(sum.to_string()))
}

fn cut(input: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    text(input, name).map(|text| text.chars().take(most).collect())
}

/// A text, or a number as one; empty is none.
pub fn text(input: &Map<String, Value>, name: &str) -> Option<String> {
    let text = super::wire::scalar_text(input.get(name)?)?;
    (!text.is_empty()).then_some(text)
}

fn is_hole(text: &str) -> bool {
    text.starts_with(HOLE)
}

/// What is empty is left out of the request.
fn put(to: &mut Map<String, Value>, name: &str, value: Value) {
    if !is_empty(&value) {
        to.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn manner() -> Manner {
        Manner { zone: TimeZone::get("Europe/Moscow").unwrap(), depth: 525_600 }
    }

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn full() -> Map<String, Value> {
        table(json!({
            "id": 1001, "orderName": "7C", "manager": "Имя Фамилия", "funnel": "main",
            "status": "new", "statusDate": "2025-05-14T09:05:00Z",
            "orderDate": "2025-05-14T21:30:10Z", "updateDate": "2025-05-14T09:05:00Z",
            "revenue": "1290.50", "currency": "rub", "call": "900000001", "request": "r-1",
            "chat": "3", "phones": ["8 (999) 000-00-01", "+79990000001", "no"],
            "emails": ["User@Example.test"], "date": "2025-05-14T09:05:00Z",
            "source": "ы".repeat(200), "medium": "Лид не найден", "campaign": "",
        }))
    }

    #[test]
    fn a_new_deal_says_all_it_may_in_the_sites_time_and_in_the_order_of_matching() {
        let order = order(Way::Create, &full(), &manner()).unwrap();
        let date = "14-05-2025 12:05:00";
        assert_eq!(
            order,
            json!({
                "matching": [
                    {"type": "call", "callParams": {"callId": 900_000_001}},
                    {"type": "callContact", "callContactParams": {"phones": ["79990000001"],
                        "date": date, "callTypeToMatch": "nearest", "searchDepth": 525_600}},
                    {"type": "request", "requestParams": {"requestId": "r-1"}},
                    {"type": "requestContact", "requestContactParams": {
                        "phones": ["79990000001"], "emails": ["user@example.test"],
                        "date": date, "requestTypeToMatch": "nearest", "searchDepth": 525_600}},
                    {"type": "chat", "chatParams": {"chatId": 3}},
                    {"type": "customSources", "customSourceParams": {
                        "source": "ы".repeat(126), "medium": "Лид не найден"}},
                ],
                "orderNumber": "1001", "orderName": "7C", "funnel": "main", "status": "new",
                "statusDate": date, "orderDate": "15-05-2025 00:30:10", "updateDate": date,
                "currency": "rub", "revenue": "1290.50", "manager": "Имя Фамилия",
            })
        );
    }

    #[test]
    fn an_update_has_no_matching_whatever_its_input_holds() {
        let order = order(Way::Update, &full(), &manner()).unwrap();
        let names: Vec<&String> = order.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "orderNumber",
                "orderName",
                "funnel",
                "status",
                "statusDate",
                "updateDate",
                "currency",
                "revenue",
                "manager"
            ]
        );
    }

    #[rstest]
    #[case::by_email_only(json!({"emails": ["a@example.test"], "date": "2025-05-14T09:05:00Z"}), &["requestContact"])]
    #[case::by_phone_only(json!({"phones": ["79990000001"], "date": "2025-05-14T09:05:00Z"}), &["callContact", "requestContact"])]
    #[case::no_date(json!({"phones": ["79990000001"]}), &[])]
    #[case::no_contact(json!({"phones": [], "date": "2025-05-14T09:05:00Z", "source": "x"}), &["customSources"])]
    fn matching_by_contact_needs_a_date_and_contacts(#[case] more: Value, #[case] types: &[&str]) {
        let mut input = table(json!({"id": "1", "orderDate": "2025-05-14T09:05:00Z"}));
        input.extend(table(more));
        let order = order(Way::Create, &input, &manner()).unwrap();
        let list = order.get("matching").and_then(Value::as_array).cloned().unwrap_or_default();
        let found: Vec<&str> = list.iter().filter_map(|one| one["type"].as_str()).collect();
        assert_eq!(found, types);
    }

    #[rstest]
    #[case(json!({"orderDate": "2025-05-14T09:05:00Z"}), "id")]
    #[case(json!({"id": "1", "orderDate": "yesterday"}), "orderDate")]
    #[case(json!({"id": "1", "revenue": "much"}), "revenue")]
    fn an_input_that_cannot_be_sent_is_named(#[case] input: Value, #[case] word: &str) {
        let why = order(Way::Create, &table(input), &manner()).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}
