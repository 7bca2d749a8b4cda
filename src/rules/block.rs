//! Whom a block shows. Invariant: a phone shows people only with an order of theirs (else a number that
//! somebody once left would tell a stranger's name), an e-mail shows them in any case.

use serde_json::Value;

/// Of those with the phone, who has ordered.
pub fn by_phone(mut people: Vec<Value>) -> Vec<Value> {
    people.retain(|person| orders(person) > 0);
    sorted(people)
}

/// All with the e-mail.
pub fn by_email(people: Vec<Value>) -> Vec<Value> {
    sorted(people)
}

fn orders(person: &Value) -> u64 {
    person.get("count").and_then(Value::as_u64).unwrap_or_default()
}

/// Who ordered last comes first, who never did comes last.
fn sorted(mut people: Vec<Value>) -> Vec<Value> {
    let last = |person: &Value| {
        let orders = person.get("orders").and_then(Value::as_array);
        let times = orders.into_iter().flatten().filter_map(|order| order.get("createdAt"));
        times.filter_map(Value::as_str).max().map(str::to_owned)
    };
    people.sort_by_cached_key(|person| std::cmp::Reverse((orders(person) > 0, last(person))));
    people
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ids(people: Vec<Value>) -> Vec<i64> {
        people.iter().filter_map(|person| person["id"].as_i64()).collect()
    }

    #[test]
    fn a_phone_shows_who_ordered_and_an_email_everybody() {
        let order = |day: &str| json!({ "createdAt": format!("2026-11-{day}T10:00:00Z") });
        let people = vec![
            json!({ "id": 1, "count": 0, "orders": [] }),
            json!({ "id": 2, "count": 1, "orders": [order("03")] }),
            json!({ "id": 3, "count": 2, "orders": [order("01"), order("05")] }),
            // A list that tells no count is no order.
            json!({ "id": 4 }),
        ];
        assert_eq!(ids(by_phone(people.clone())), [3, 2]);
        assert_eq!(ids(by_email(people)), [3, 2, 1, 4]);
    }
}
