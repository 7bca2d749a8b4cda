//! Both sides of a pair compared. Invariant: pure; what may be on its way yet is no finding, and a sum
//! that changed since the status did is expected, whatever it is now.

use super::pairs::Pair;
use crate::domain::Entity;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Inputs by which the operations of every pair know a thing: its state, since when it is in it, and
/// the sum that goes along with a change of state.
const STATE: &str = "status";
const SINCE: &str = "statusDate";
const SUM: &str = "revenue";
/// What lists show lags behind what was written.
const LAG: Duration = Duration::from_secs(15 * 60);

/// A thing of the source as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    pub made: Timestamp,
    /// What the flows would write of it: [`super::pairs::due`].
    pub due: Map<String, Value>,
}

/// An entity of a target as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub connection: String,
    pub made: Timestamp,
    pub fields: Map<String, Value>,
}

/// Both sides, by id.
#[derive(Debug, Default)]
pub struct Sides {
    pub things: BTreeMap<String, Thing>,
    pub held: BTreeMap<String, Held>,
    /// What we remember to have written.
    pub remembered: BTreeMap<String, Entity>,
    /// Things that we know to be deleted or merged.
    pub gone: BTreeMap<String, Entity>,
    /// Things that the source was asked for one by one and has: they were made outside the span.
    pub elsewhere: BTreeSet<String>,
    /// Only what was made in it is judged: a list of days may reach further.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// What is known of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    Same,
    /// It changed so lately that its update is not due.
    NotDue,
    /// The sum changed since the status did: nothing is to be sent.
    Sum,
    /// It never became an entity.
    Missing,
    /// We remember to have written the entity, and it is not there any more.
    Lost,
    /// The status is not what was due.
    Differs,
    /// The thing was deleted or merged; its entity is there.
    Gone,
    /// There is an entity of a thing that the source does not have.
    Orphan,
}

impl Finding {
    pub const ALL: [Self; 8] = [
        Self::Same,
        Self::NotDue,
        Self::Sum,
        Self::Missing,
        Self::Lost,
        Self::Differs,
        Self::Gone,
        Self::Orphan,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NotDue => "not_due",
            Self::Sum => "sum",
            Self::Missing => "missing",
            Self::Lost => "lost",
            Self::Differs => "differs",
            Self::Gone => "gone",
            Self::Orphan => "orphan",
        }
    }

    /// For people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Same => "as they should be",
            Self::NotDue => "changed lately; their updates are not due yet",
            Self::Sum => "sum changed since the status did (expected)",
            Self::Missing => "never written",
            Self::Lost => "written once, and not there any more",
            Self::Differs => "status is not what was due",
            Self::Gone => "of something deleted or merged",
            Self::Orphan => "of nothing that the source knows",
        }
    }

    /// Does it want a person, or a repair?
    pub fn is_trouble(self) -> bool {
        !matches!(self, Self::Same | Self::NotDue | Self::Sum)
    }

    /// Can the flows mend it?
    pub fn is_mendable(self) -> bool {
        matches!(self, Self::Missing | Self::Differs)
    }
}

/// What is found of each id.
pub fn compare(pair: &Pair, sides: &Sides, now: Timestamp) -> BTreeMap<String, Finding> {
    let mut found = BTreeMap::new();
    for (id, thing) in &sides.things {
        found.insert(id.clone(), judge(pair, sides, (id, thing), now));
    }
    for (id, held) in sides.held.iter().filter(|(id, _)| !sides.things.contains_key(*id)) {
        let inside = sides.span.is_none_or(|(from, to)| from <= held.made && held.made < to);
        if sides.gone.contains_key(id) {
            found.insert(id.clone(), Finding::Gone);
        } else if inside && !sides.elsewhere.contains(id) {
            found.insert(id.clone(), Finding::Orphan);
        }
    }
    found
}

fn judge(pair: &Pair, sides: &Sides, (id, thing): (&str, &Thing), now: Timestamp) -> Finding {
    let since = text(&thing.due, SINCE).and_then(|text| text.parse::<Timestamp>().ok());
    let changed = since.unwrap_or(thing.made).max(thing.made);
    let settles = SignedDuration::try_from(pair.settles.saturating_add(LAG));
    let young = settles.is_ok_and(|settles| now.duration_since(changed) < settles);
    let Some(held) = sides.held.get(id) else {
        return match (young, sides.remembered.contains_key(id)) {
            (true, _) => Finding::NotDue,
            (false, true) => Finding::Lost,
            (false, false) => Finding::Missing,
        };
    };
    if sides.gone.contains_key(id) {
        return Finding::Gone;
    }
    match (text(&thing.due, STATE), text(&held.fields, STATE)) {
        (Some(due), Some(is)) if due != is && young => Finding::NotDue,
        (Some(due), Some(is)) if due != is => Finding::Differs,
        (Some(_), None) if !young => Finding::Differs,
        _ if sums_differ(&thing.due, &held.fields) => Finding::Sum,
        _ => Finding::Same,
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn sums_differ(due: &Map<String, Value>, is: &Map<String, Value>) -> bool {
    let sum = |fields| text(fields, SUM).and_then(|text| text.parse::<Decimal>().ok());
    match (sum(due), sum(is)) {
        (Some(due), Some(is)) => due != is,
        // No sum and a sum of nothing are the same.
        (Some(one), None) | (None, Some(one)) => !one.is_zero(),
        (None, None) => false,
    }
}

/// What memory must learn of an entity that was read back: `None` where it knows. Of one that is not
/// as it was due it forgets since when, so that the flows see a change.
pub fn lesson(
    keeps: &[&str],
    held: &Held,
    remembered: Option<&Entity>,
    finding: Finding,
) -> Option<Map<String, Value>> {
    let known = remembered.map(|entity| &entity.fields);
    let mut lesson = Map::new();
    for name in keeps {
        let Some(is) = held.fields.get(*name).filter(|is| !crate::domain::event::is_empty(is))
        else {
            continue;
        };
        let same = known.and_then(|known| known.get(*name)).is_some_and(|was| alike(was, is));
        if !same && (known.is_none() || *name == STATE) {
            lesson.insert((*name).to_owned(), is.clone());
        }
    }
    let dated = known.and_then(|known| known.get(SINCE)).is_some_and(|since| !since.is_null());
    if finding == Finding::Differs && dated && keeps.contains(&SINCE) {
        lesson.insert(SINCE.to_owned(), Value::Null);
    }
    (!lesson.is_empty()).then_some(lesson)
}

fn alike(one: &Value, other: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let (one, other) = (plain(one), plain(other));
    let number = |text: &str| text.parse::<Decimal>().ok();
    one == other || number(&one).zip(number(&other)).is_some_and(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-03-10T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn pair() -> Pair {
        Pair {
            source: "shop".to_owned(),
            thing: "order",
            targets: vec!["calls".to_owned()],
            entity: "deal",
            flows: Vec::new(),
            batch: 100,
            settles: Duration::from_secs(9000),
        }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn thing(status: &str, since: &str, sum: &str) -> Thing {
        let due = json!({ "status": status, "statusDate": since, "revenue": sum });
        Thing { made: at("2026-03-09T10:00:00Z"), due: fields(due) }
    }

    fn held(status: &str, sum: &str) -> Held {
        Held {
            connection: "calls".to_owned(),
            made: at("2026-03-09T10:00:00Z"),
            fields: fields(json!({ "status": status, "revenue": sum })),
        }
    }

    fn entity(id: &str, of: Value) -> (String, Entity) {
        let entity = Entity {
            connection: "calls".to_owned(),
            kind: "deal".to_owned(),
            id: id.to_owned(),
            fields: fields(of),
            made: at(NOW),
            changed: at(NOW),
            gone: None,
            became: None,
        };
        (id.to_owned(), entity)
    }

    #[test]
    fn each_finding_has_its_cause() {
        let long_ago = "2026-03-09T11:00:00Z";
        let things = [
            ("same", thing("new", long_ago, "100")),
            ("same-sum", thing("new", long_ago, "100.00")),
            ("sum", thing("new", long_ago, "150")),
            ("differs", thing("paid", long_ago, "150")),
            ("young", thing("paid", "2026-03-10T11:00:00Z", "100")),
            ("missing", thing("new", long_ago, "100")),
            ("missing-young", thing("new", "2026-03-10T11:59:00Z", "100")),
            ("lost", thing("new", long_ago, "100")),
            ("deleted", thing("new", long_ago, "100")),
        ];
        let ids = ["same", "same-sum", "sum", "differs", "young", "deleted"];
        let others = ["merged", "orphan", "older"];
        let outside = Held { made: at("2026-02-01T00:00:00Z"), ..held("new", "1") };
        let sides = Sides {
            things: things.map(|(id, thing)| (id.to_owned(), thing)).into(),
            held: ids
                .iter()
                .chain(&others)
                .map(|id| ((*id).to_owned(), held("new", "100")))
                .chain([("outside".to_owned(), outside)])
                .collect(),
            remembered: [entity("lost", json!({}))].into(),
            gone: [entity("deleted", json!({})), entity("merged", json!({}))].into(),
            elsewhere: ["older".to_owned()].into(),
            span: Some((at("2026-03-09T00:00:00Z"), at("2026-03-11T00:00:00Z"))),
        };
        let found = compare(&pair(), &sides, at(NOW));
        let all: BTreeMap<&str, Finding> =
            found.iter().map(|(id, finding)| (id.as_str(), *finding)).collect();
        let expected = [
            ("same", Finding::Same),
            ("same-sum", Finding::Same),
            ("sum", Finding::Sum),
            ("differs", Finding::Differs),
            ("young", Finding::NotDue),
            ("missing", Finding::Missing),
            ("missing-young", Finding::NotDue),
            ("lost", Finding::Lost),
            ("deleted", Finding::Gone),
            ("merged", Finding::Gone),
            ("orphan", Finding::Orphan),
        ];
        assert_eq!(all, expected.into());
    }

    #[test]
    fn memory_learns_the_state_that_was_read_and_that_its_date_is_unknown() {
        let keeps = ["status", "statusDate", "revenue"];
        let (_, known) =
            entity("1", json!({ "status": "paid", "statusDate": NOW, "revenue": "150" }));
        let same = lesson(&keeps, &held("paid", "100"), Some(&known), Finding::Sum);
        assert_eq!(same, None, "a sum is expected to differ, and is no news");
        let differs = lesson(&keeps, &held("new", "100"), Some(&known), Finding::Differs);
        assert_eq!(differs, Some(fields(json!({ "status": "new", "statusDate": null }))));
        let unknown = lesson(&keeps, &held("new", "100"), None, Finding::Same);
        assert_eq!(unknown, Some(fields(json!({ "status": "new", "revenue": "100" }))));
    }
}
