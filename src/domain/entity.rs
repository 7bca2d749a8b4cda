//! What we know of a foreign thing that we wrote or follow: a deal, an order. Invariant: `fields` are
//! what was last written (or read back), never a guess; what is gone stays, with what it became.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A foreign thing as we remember it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub connection: String,
    /// `deal`, `order`.
    pub kind: String,
    pub id: String,
    /// The inputs and outputs that the offer of its operations says are kept (`keeps`).
    pub fields: Map<String, Value>,
    pub made: Timestamp,
    pub changed: Timestamp,
    /// When it was deleted or merged over there.
    pub gone: Option<Timestamp>,
    /// The id of what it was merged into.
    pub became: Option<String>,
}

/// What a done effect tells of its entity: laid over what is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub connection: String,
    pub kind: String,
    pub id: String,
    pub fields: Map<String, Value>,
    pub at: Timestamp,
}

/// What only moves forward, whatever is told later: kind, field, and its values in their order. A
/// message that was read is not merely delivered; one that was delivered did not fail.
const FORWARD: &[(&str, &str, &[&str])] =
    &[("message", "state", &["queued", "sent", "error", "delivered", "read"])];

impl Kept {
    /// Lays what is told over what is known. What is told of an earlier time than is known (`late`)
    /// changes only what moves forward.
    pub fn lay_over(&self, known: &mut Map<String, Value>, late: bool) {
        for (name, value) in &self.fields {
            let of =
                |(kind, field, _): &&(&str, &str, &[&str])| *kind == self.kind && field == name;
            let order = FORWARD.iter().find(of).map(|(.., order)| *order);
            let rung = |value: &Value| {
                let text = value.as_str()?;
                order?.iter().position(|held| *held == text)
            };
            let forward = order.map(|_| rung(value) > known.get(name).and_then(rung));
            if forward.unwrap_or(!late) {
                known.insert(name.clone(), value.clone());
            }
        }
    }
}

/// A foreign thing was deleted or merged over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    pub connection: String,
    pub kind: String,
    pub id: String,
    /// The id of what it was merged into; none: deleted.
    pub became: Option<String>,
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn laid(kind: &str, known: Value, told: Value, late: bool) -> Value {
        let table = |value: Value| value.as_object().cloned().unwrap_or_default();
        let kept = Kept {
            connection: "chat".to_owned(),
            kind: kind.to_owned(),
            id: "1".to_owned(),
            fields: table(told),
            at: Timestamp::UNIX_EPOCH,
        };
        let mut known = table(known);
        kept.lay_over(&mut known, late);
        known.into()
    }

    #[test]
    fn the_state_of_a_message_only_moves_forward() {
        let state = |known: &str, told: &str, late| {
            let made = laid("message", json!({ "state": known }), json!({ "state": told }), late);
            made["state"].as_str().unwrap_or_default().to_owned()
        };
        for late in [false, true] {
            assert_eq!(state("sent", "delivered", late), "delivered");
            assert_eq!(state("read", "delivered", late), "read");
            assert_eq!(state("read", "sent", late), "read");
            assert_eq!(state("sent", "error", late), "error");
            assert_eq!(state("delivered", "error", late), "delivered");
            assert_eq!(state("error", "delivered", late), "delivered");
        }
        assert_eq!(laid("message", json!({}), json!({ "state": "sent" }), true)["state"], "sent");
    }

    #[test]
    fn all_else_is_as_it_was_told_last() {
        let (known, told) = (json!({ "status": "read", "a": 1 }), json!({ "status": "sent" }));
        assert_eq!(laid("deal", known.clone(), told.clone(), true), known);
        assert_eq!(laid("deal", known, told, false), json!({ "status": "sent", "a": 1 }));
    }
}
