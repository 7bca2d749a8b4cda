//! What flows use of one connection, as far as it stands written in them. Invariant: constants
//! only — what an expression makes of an event is known when the event is there.

use crate::diagnosis::Place;

/// Everything that the flows bound to a connection use of it.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    pub list: Vec<Use>,
    /// Hashes of the flow files: what was seen while other files ran is no yardstick for these.
    pub of: String,
}

/// One use, where it stands.
#[derive(Debug, Clone)]
pub struct Use {
    pub what: What,
    /// Name of the flow's instance.
    pub flow: String,
    /// `step update`, `fact order`, `let closed`.
    pub part: String,
    /// Input or path: `status`, `customFields.utm_source`, `facts.order.status`.
    pub field: String,
    /// Does the flow run? Then a write would fail, or a decision be another.
    pub running: bool,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Events of this kind.
    Event(String),
    /// A query, by its name in the offer.
    Query(String),
    /// An operation, by its name in the offer.
    Operation(String),
    /// A code of one of the far side's lists, named as the offer does.
    Code { list: &'static str, code: String, way: Way },
}

/// What a code is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A write carries it: the far side refuses one that it does not know.
    Written,
    /// A condition reads it: one that is gone makes the condition never hold.
    Read,
}

impl Use {
    /// `call-to-order, step update, status`.
    pub fn named(&self) -> String {
        let parts = [self.flow.as_str(), self.part.as_str(), self.field.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}
