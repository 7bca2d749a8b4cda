//! Facts and events in the shape of their offer. Invariant: whatever an offer names is there
//! (absent = null), whatever it does not name is not; what is open stays as it came.

use crate::domain::{Field, offer::Kind};
use serde_json::{Map, Value};

/// Fills a record to the fields of its offer; anything that is no table is none.
pub fn shape(fields: &[Field], value: &Value) -> Value {
    let Value::Object(given) = value else { return Value::Null };
    let filled: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let value = given.get(field.name).unwrap_or(&Value::Null);
            (field.name.to_owned(), shape_kind(&field.kind, value))
        })
        .collect();
    Value::Object(filled)
}

fn shape_kind(kind: &Kind, value: &Value) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        (Kind::Record(fields), value) => shape(fields, value),
        (Kind::List(kind), Value::Array(items)) => {
            items.iter().map(|item| shape_kind(kind, item)).collect()
        }
        (_, value) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOURCE: &[Field] = &[Field { name: "medium", kind: Kind::Text, about: "", codes: None }];
    const FIELDS: &[Field] = &[
        Field { name: "id", kind: Kind::Number, about: "", codes: None },
        Field { name: "name", kind: Kind::Text, about: "", codes: None },
        Field { name: "source", kind: Kind::Record(SOURCE), about: "", codes: None },
        Field { name: "items", kind: Kind::List(&Kind::Record(SOURCE)), about: "", codes: None },
        Field { name: "custom", kind: Kind::Open(&Kind::Text), about: "", codes: None },
    ];

    #[test]
    fn absent_is_null_and_unknown_is_dropped() {
        let given = json!({
            "id": 7, "secret": 1, "source": { "x": 1 }, "items": [{ "medium": "cpc", "y": 2 }],
            "custom": { "any": "key" },
        });
        assert_eq!(
            shape(FIELDS, &given),
            json!({
                "id": 7, "name": null, "source": { "medium": null },
                "items": [{ "medium": "cpc" }], "custom": { "any": "key" },
            })
        );
    }

    #[test]
    fn what_is_no_table_is_none() {
        assert_eq!(shape(FIELDS, &Value::Null), Value::Null);
        assert_eq!(shape(FIELDS, &json!([1])), Value::Null);
    }
}
