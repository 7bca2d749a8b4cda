//! What RetailCRM's answers look like. Invariant: reading is pure and survives any JSON — a field
//! of an odd kind is absent, an unknown one is not looked at (PHP sends `[]` for an empty map,
//! numbers as texts, absent values by leaving them out; retailcrm.md 1.5, 1.8).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// A body, read as far as its envelope.
#[derive(Debug, PartialEq)]
pub enum Envelope {
    Success(Map<String, Value>),
    Refusal(Refusal),
    /// No JSON of the CRM.
    Garbled,
}

/// `success: false`
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// English in all recorded answers.
    pub message: String,
    /// Field and text; the text is in the account's language, so only the field is matched on.
    pub fields: Vec<(String, String)>,
    /// The customer that this one was merged into.
    pub combined_to: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    pub id: i64,
    pub corporate: bool,
    pub created: Option<Timestamp>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub patronymic: Option<String>,
    pub email: Option<String>,
    pub phones: Vec<String>,
    pub site: Option<String>,
    pub manager: Option<i64>,
    pub orders_count: Option<i64>,
    /// As whom the chats know this customer: `telegram-main:501`.
    pub chats: Vec<String>,
    pub custom_fields: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub id: i64,
    pub number: Option<String>,
    pub external_id: Option<String>,
    pub created: Option<Timestamp>,
    pub status: Option<String>,
    pub status_updated: Option<Timestamp>,
    pub site: Option<String>,
    pub method: Option<String>,
    pub kind: Option<String>,
    pub manager: Option<i64>,
    pub total: Option<Decimal>,
    pub currency: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub additional_phone: Option<String>,
    pub email: Option<String>,
    /// Whose order it is: of a company's order the company.
    pub customer: Option<i64>,
    /// The person of the order.
    pub contact: Option<i64>,
    /// The same person: the customer, or of a company's order the contact.
    pub person: Option<Customer>,
    /// The CRM's own marks: source, medium, …
    pub source: Map<String, Value>,
    pub custom_fields: Map<String, Value>,
}

/// Reads a body.
pub fn envelope(body: &[u8]) -> Envelope {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Envelope::Garbled };
    match fields.get("success") {
        Some(Value::Bool(true)) => Envelope::Success(fields),
        Some(Value::Bool(false)) => Envelope::Refusal(refusal(&fields)),
        _ => Envelope::Garbled,
    }
}

fn refusal(fields: &Map<String, Value>) -> Refusal {
    Refusal {
        message: fields.get("errorMsg").map(stringified).unwrap_or_default(),
        fields: fields.get("errors").map(errors).unwrap_or_default(),
        combined_to: fields.get("combinedTo").and_then(|to| number(to.get("id"))),
    }
}

/// An object keyed by field, a plain list, one text or nothing.
fn errors(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, text)| (name.clone(), stringified(text))).collect()
        }
        Value::Array(items) => {
            items.iter().map(|text| (String::new(), stringified(text))).collect()
        }
        Value::Null => Vec::new(),
        text => vec![(String::new(), stringified(text))],
    }
}

impl Customer {
    /// `None` where there is no id.
    pub fn read(value: &Value, zone: &TimeZone) -> Option<Self> {
        let phones = value.get("phones").map(listed).unwrap_or_default();
        Some(Self {
            id: number(value.get("id"))?,
            corporate: text(value.get("type")).is_some_and(|kind| kind == "customer_corporate"),
            created: time(value.get("createdAt"), zone),
            first_name: text(value.get("firstName")),
            last_name: text(value.get("lastName")),
            patronymic: text(value.get("patronymic")),
            email: text(value.get("email")),
            phones: phones.iter().filter_map(|phone| text(phone.get("number"))).collect(),
            site: text(value.get("site")),
            manager: number(value.get("managerId")),
            orders_count: number(value.get("ordersCount")),
            chats: chats(value),
            custom_fields: table(value.get("customFields")),
        })
    }
}

/// The persons of our messengers that a customer is; a channel of ours carries its connection's name.
fn chats(customer: &Value) -> Vec<String> {
    let person = |held: &Value| {
        let channel = held.get("mgChannel").and_then(|channel| text(channel.get("externalId")))?;
        let id = held.get("externalId").filter(|id| !id.is_null()).map(stringified)?;
        (!channel.is_empty()).then(|| format!("{channel}:{id}"))
    };
    customer
        .get("mgCustomers")
        .map(listed)
        .unwrap_or_default()
        .into_iter()
        .filter_map(person)
        .collect()
}

impl Order {
    /// `None` where there is no id.
    pub fn read(value: &Value, zone: &TimeZone) -> Option<Self> {
        let id_of = |key: &str| value.get(key).and_then(|person| number(person.get("id")));
        Some(Self {
            id: number(value.get("id"))?,
            number: text(value.get("number")),
            external_id: text(value.get("externalId")),
            created: time(value.get("createdAt"), zone),
            status: text(value.get("status")),
            status_updated: time(value.get("statusUpdatedAt"), zone),
            site: text(value.get("site")),
            method: text(value.get("orderMethod")),
            kind: text(value.get("orderType")),
            manager: number(value.get("managerId")),
            total: money(value.get("totalSumm")),
            currency: text(value.get("currency")),
            first_name: text(value.get("firstName")),
            last_name: text(value.get("lastName")),
            phone: text(value.get("phone")),
            additional_phone: text(value.get("additionalPhone")),
            email: text(value.get("email")),
            customer: id_of("customer"),
            contact: id_of("contact"),
            person: person(value, zone),
            source: table(value.get("source")),
            custom_fields: table(value.get("customFields")),
        })
    }
}

/// The person of an order, as it is embedded there.
fn person(order: &Value, zone: &TimeZone) -> Option<Customer> {
    let read = |key: &str| Customer::read(order.get(key)?, zone);
    let customer = read("customer");
    match customer {
        Some(company) if company.corporate => read("contact").or(Some(company)),
        Some(person) => Some(person),
        None => read("contact"),
    }
}

/// A text that is not empty; numbers and flags are written out.
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        plain @ (Value::Number(_) | Value::Bool(_)) => Some(plain.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number: `7`, `7.0` or `"7"`.
pub fn number(value: Option<&Value>) -> Option<i64> {
    let decimal = money(value)?;
    if decimal.fract().is_zero() { i64::try_from(decimal).ok() } else { None }
}

/// A sum, from the number's text: no float takes part in the arithmetic.
pub fn money(value: Option<&Value>) -> Option<Decimal> {
    let text = match value? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
}

/// `2026-11-20 13:30:06` on the account's wall clock; a time that says its own zone is believed.
pub fn time(value: Option<&Value>, zone: &TimeZone) -> Option<Timestamp> {
    let text = text(value)?;
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let clock: DateTime = text.parse().ok()?;
    Some(zone.to_ambiguous_zoned(clock).compatible().ok()?.timestamp())
}

/// The values of a map or a list, in order.
pub fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A map; `[]` is an empty one.
pub fn table(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The elements of a reference, with their codes: they come as a map keyed by code or as a list.
pub fn coded(value: Option<&Value>) -> Vec<(String, &Value)> {
    match value {
        Some(Value::Object(fields)) => {
            let code = |key: &String, held: &Value| text(held.get("code")).unwrap_or(key.clone());
            fields.iter().map(|(key, held)| (code(key, held), held)).collect()
        }
        Some(Value::Array(items)) => {
            items.iter().filter_map(|held| Some((text(held.get("code"))?, held))).collect()
        }
        _ => Vec::new(),
    }
}

/// The text of anything, as custom fields and errors are shown: lists are joined by commas.
pub fn stringified(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(stringified).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn errors_come_as_object_list_or_not_at_all() {
        for (body, fields) in [
            (r#"{"success":false,"errorMsg":"m"}"#, vec![]),
            (r#"{"success":false,"errorMsg":"m","errors":null}"#, vec![]),
            (r#"{"success":false,"errorMsg":"m","errors":[]}"#, vec![]),
            (r#"{"success":false,"errorMsg":"m","errors":{"a.b":"t"}}"#, vec![("a.b", "t")]),
            (r#"{"success":false,"errorMsg":"m","errors":{"a":[1,"t"]}}"#, vec![("a", "1, t")]),
            (r#"{"success":false,"errorMsg":"m","errors":["t",2]}"#, vec![("", "t"), ("", "2")]),
            (r#"{"success":false,"errorMsg":"m","errors":"t"}"#, vec![("", "t")]),
        ] {
            let Envelope::Refusal(read) = envelope(body.as_bytes()) else { panic!("{body}") };
            let held: Vec<_> = read.fields.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!((read.message.as_str(), held), ("m", fields), "{body}");
        }
    }

    #[test]
    fn success_is_said_by_the_body() {
        assert!(matches!(envelope(br#"{"success":true}"#), Envelope::Success(_)));
        for body in ["", "<html>", "[]", "{}", r#"{"success":"true"}"#, r#"{"success":tr"#, "null"]
        {
            assert_eq!(envelope(body.as_bytes()), Envelope::Garbled, "{body}");
        }
        let merged = br#"{"success":false,"errorMsg":"Not found","combinedTo":{"id":"12"}}"#;
        let Envelope::Refusal(read) = envelope(merged) else { panic!("no refusal") };
        assert_eq!(read.combined_to, Some(12));
    }

    #[test]
    fn numbers_come_in_every_dress() {
        for (value, whole) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!("7"), Some(7)),
            (json!(7.5), None),
            (json!("x"), None),
            (json!([7]), None),
            (json!(1e300), None),
        ] {
            assert_eq!(number(Some(&value)), whole, "{value}");
        }
    }

    #[test]
    fn sums_keep_their_kopecks() {
        for text in ["1290.55", "0.1", "30770.4", "99999999999.99", "1"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(money(Some(&value)).map(|sum| sum.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn times_are_the_accounts_wall_clock() {
        let moscow = TimeZone::get("Europe/Moscow").unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, zone, utc) in [
            ("2026-11-20 13:30:06", &moscow, Some("2026-11-20T10:30:06Z")),
            ("2026-11-20T13:30:06+03:00", &berlin, Some("2026-11-20T10:30:06Z")),
            // The hour that the change of clocks leaves out and the one that it repeats.
            ("2026-03-29 02:30:00", &berlin, Some("2026-03-29T01:30:00Z")),
            ("2026-10-25 02:30:00", &berlin, Some("2026-10-25T00:30:00Z")),
            ("yesterday", &moscow, None),
            ("", &moscow, None),
        ] {
            let read = time(Some(&json!(text)), zone).map(|time| time.to_string());
            assert_eq!(read.as_deref(), utc, "{text}");
        }
    }

    #[test]
    fn empty_maps_come_as_lists() {
        let value = json!({"id": "3", "customFields": [], "phones": {"0": {"number": 79990000001_i64}},
            "customer": [], "email": "", "payments": [], "unknown": {"deep": [1]}});
        let customer = Customer::read(&value, &TimeZone::UTC).unwrap();
        assert!(customer.custom_fields.is_empty());
        assert_eq!(customer.phones, ["79990000001"]);
        assert_eq!(customer.email, None);
        let order = Order::read(&value, &TimeZone::UTC).unwrap();
        assert_eq!((order.id, order.customer), (3, None));
    }

    /// Any JSON, with the keys that the readers ask for more often than chance would have it.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!("2026-11-20 13:30:06")),
        ];
        let key = prop_oneof![
            Just("id"),
            Just("success"),
            Just("errors"),
            Just("errorMsg"),
            Just("phones"),
            Just("number"),
            Just("createdAt"),
            Just("customer"),
            Just("contact"),
            Just("code"),
            Just("customFields"),
            Just("totalSumm"),
            Just("combinedTo"),
            Just("type")
        ];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                    Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_json_panics_a_reader(value in any_json()) {
            let zone = TimeZone::get("Europe/Moscow").unwrap();
            let _ = (Customer::read(&value, &zone), Order::read(&value, &zone));
            let _ = (coded(Some(&value)), listed(&value), stringified(&value));
            let _ = envelope(value.to_string().as_bytes());
        }

        #[test]
        fn no_bytes_panic_the_envelope(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = envelope(&bytes);
        }
    }
}
