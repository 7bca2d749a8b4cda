//! What the flows would have decided about what is recorded. Invariant: it decides by the very
//! functions that a job goes through, from the event and the facts as they were kept; what was not
//! kept is told, never guessed.

use super::differ::{self, steps};
pub use super::differ::{Change, Kind};
use super::{Book, Fault, Knowledge, decide, gather, guard, route};
use crate::domain::offer::Kind as Shape;
use crate::domain::{Asked, Decision, Event, Field, Query, Reason, Recorded, Verdict, Why};
use crate::mapping::Bound;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a recorded decision comes to under other flows.
#[derive(Debug, Clone, PartialEq)]
pub enum Weighed {
    Same,
    Differs(Box<Difference>),
    /// What was kept does not tell: a fact was not asked, or asked otherwise, or lacks a field.
    Untold(String),
    /// No rule was asked then: the flow was stopped, or was not there.
    Rested,
    /// The flow is not among these.
    Gone,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub kind: Kind,
    pub was: Decision,
    pub now: Now,
    /// Field by field; the reasons too.
    pub changes: Vec<Change>,
}

/// What would be decided now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Now {
    Decided(Decision),
    /// The flow cannot be evaluated for it: the job would wait for a person.
    Stuck(String),
}

impl Now {
    fn word(&self) -> &'static str {
        match self {
            Self::Decided(decision) => word(&decision.verdict),
            Self::Stuck(_) => "stuck",
        }
    }

    /// Would it do anything?
    pub fn acts(&self) -> bool {
        matches!(self, Self::Decided(decision) if !steps(&decision.verdict).is_empty())
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Act(_) => "act",
        Verdict::Skip => "skip",
        Verdict::Incomplete => "incomplete",
    }
}

/// Decides a recorded decision anew by the flow of the same name, and compares.
pub fn weigh(book: &Book, recorded: &Recorded) -> Weighed {
    if recorded.decision.reasons.iter().any(rested) {
        return Weighed::Rested;
    }
    let Some(bound) = book.flow(&recorded.flow) else { return Weighed::Gone };
    // Whether a flow runs is no rule: what was decided is compared with what it would decide.
    let running = Bound { running: true, ..bound.clone() };
    match anew(book, &running, recorded) {
        Err(untold) => Weighed::Untold(untold),
        Ok(now) => compare(&recorded.decision, now),
    }
}

fn rested(reason: &Reason) -> bool {
    let word = &reason.word;
    reason.why == Why::Guard && (word == guard::STOPPED || word.starts_with(guard::GONE))
}

/// The decision, or why it cannot be told.
fn anew(book: &Book, bound: &Bound, recorded: &Recorded) -> Result<Now, String> {
    let event = as_it_was(recorded);
    let tried = recorded.first_tried.map_or(recorded.at, |first| first.min(recorded.at));
    let (done, refused) = (recorded.done.clone(), recorded.refused.clone());
    let mut knowledge = Knowledge { done, refused, ..Knowledge::of(book, &event, tried) };
    match guard::decide(bound, &event, &knowledge) {
        Ok(None) => {}
        Ok(Some(decision)) => return Ok(Now::Decided(decision)),
        Err(fault) => return Ok(Now::Stuck(fault.to_string())),
    }
    knowledge.now = recorded.at;
    let mut lacking = Lacking::default();
    if let Err(fault) = recall(book, bound, recorded, &mut knowledge, &mut lacking) {
        return lacking.judge(&fault);
    }
    let decision = match decide::decide(book, bound, &event, &knowledge) {
        Ok(decision) => decision,
        Err(fault) => return lacking.judge(&fault),
    };
    // Its lanes are no part of the decision, but without them it would not be performed.
    match route::lanes(book, bound, &bound.flow.fact_lane, &knowledge) {
        Err(fault) if !fault.pending => lacking.judge(&fault),
        Ok(_) | Err(_) => Ok(Now::Decided(decision)),
    }
}

/// The event under the key that it had: one that was learnt since would look like a change.
fn as_it_was(recorded: &Recorded) -> Event {
    let mut event = recorded.event.clone();
    if let Some(step) = steps(&recorded.decision.verdict).first() {
        let given = &step.effect.key;
        let named = |key: &&str| given == key || *given == format!("{key}:{}", step.name);
        let then = event.keys().find(named).map(str::to_owned);
        event.key = then.unwrap_or(event.key);
    }
    event
}

/// What the flow would need to know and nobody kept.
#[derive(Debug, Default)]
struct Lacking {
    /// Fact → why it is not known.
    facts: BTreeMap<String, String>,
    /// `facts.order.number`: on offer now, not kept then.
    fields: BTreeSet<String>,
}

impl Lacking {
    /// Is it a fault of the flow, or only of what was kept?
    fn judge(&self, fault: &Fault) -> Result<Now, String> {
        if fault.pending {
            let facts: Vec<&str> = self.facts.values().map(String::as_str).collect();
            return Err(facts.join("; "));
        }
        let field = self.fields.iter().find(|field| fault.why.contains(&format!("`{field}`")));
        match field {
            Some(field) => Err(format!("{field} was not kept then")),
            None => Ok(Now::Stuck(fault.to_string())),
        }
    }
}

/// Fills in the facts whose very question was asked then, until no more can be found.
fn recall(
    book: &Book,
    bound: &Bound,
    recorded: &Recorded,
    knowledge: &mut Knowledge,
    lacking: &mut Lacking,
) -> Result<(), Fault> {
    loop {
        let before = knowledge.facts.len();
        for (fact, query) in gather::next(book, bound, knowledge)? {
            match kept(recorded, bound, &fact, &query) {
                Ok(value) => {
                    let offer = book.offer(&query.connection).and_then(|o| o.query(&query.name));
                    let fields = offer.map_or(&[] as &[Field], |offer| offer.output);
                    let value = known_part(fields, &fact, value, &mut lacking.fields);
                    knowledge.facts.insert(fact, value);
                }
                Err(why) => {
                    lacking.facts.insert(fact, why);
                }
            }
        }
        if knowledge.facts.len() == before {
            return Ok(());
        }
    }
}

/// What was answered then to this very question, under whatever name.
fn kept<'a>(
    recorded: &'a Recorded,
    bound: &Bound,
    fact: &str,
    query: &Query,
) -> Result<&'a Value, String> {
    let Some(asked) = &recorded.asked else {
        // The same file asks the same questions.
        return match recorded.facts.get(fact) {
            Some(value) if recorded.flow_hash == bound.flow.hash => Ok(value),
            _ => Err(format!("what was asked for the fact {fact} was not kept then")),
        };
    };
    let question = Asked::from(query);
    let same = asked.iter().find(|(_, held)| **held == question);
    match same.and_then(|(name, _)| recorded.facts.get(name)) {
        Some(value) => Ok(value),
        None if asked.contains_key(fact) => {
            Err(format!("the fact {fact} was asked otherwise then"))
        }
        None => Err(format!("the fact {fact} was not asked then")),
    }
}

/// A kept fact without the fields that the offer has learnt since: an expression that asks for one
/// of them fails, where a made-up none would mislead it.
fn known_part(
    fields: &[Field],
    fact: &str,
    value: &Value,
    lacking: &mut BTreeSet<String>,
) -> Value {
    let Value::Object(held) = value else { return value.clone() };
    let mut known = Map::new();
    for field in fields {
        match held.get(field.name) {
            Some(value) if whole(&field.kind, value) => {
                known.insert(field.name.to_owned(), value.clone());
            }
            _ => {
                lacking.insert(format!("facts.{fact}.{}", field.name));
            }
        }
    }
    Value::Object(known)
}

fn whole(kind: &Shape, value: &Value) -> bool {
    match (kind, value) {
        (Shape::Record(fields), Value::Object(held)) => fields
            .iter()
            .all(|field| held.get(field.name).is_some_and(|value| whole(&field.kind, value))),
        (Shape::List(kind), Value::Array(items)) => items.iter().all(|item| whole(kind, item)),
        _ => true,
    }
}

fn compare(was: &Decision, now: Now) -> Weighed {
    let (mut changes, kind) = match &now {
        Now::Decided(decision) if decision == was => return Weighed::Same,
        Now::Decided(decision) => differ::plans(was, decision),
        Now::Stuck(_) => (Vec::new(), None),
    };
    let kind = if word(&was.verdict) == now.word() {
        kind.unwrap_or(Kind::Reasons)
    } else {
        Kind::Verdict(word(&was.verdict), now.word())
    };
    if let Now::Decided(decision) = &now {
        differ::reasons(&was.reasons, &decision.reasons, &mut changes);
    }
    Weighed::Differs(Box::new(Difference { kind, was: was.clone(), now, changes }))
}

/// Names a flow exactly as it would decide: its file, its tables, what it is bound to.
pub fn fingerprint(bound: &Bound) -> String {
    let age = bound.max_age.as_millis().to_string();
    let rest = json!([bound.flow.tables.0, bound.roles, age, bound.settings]);
    let hash = Sha256::new_with_prefix(&bound.flow.hash).chain_update(rest.to_string()).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Repeat;
    use crate::domain::plan::hole;
    use crate::domain::{EventOffer, Input, Kind as Of, Need, Offer, OperationOffer, QueryOffer};

    const fn field(name: &'static str) -> Field {
        Field { name, kind: Of::Any, codes: None, about: "" }
    }

    static ORDER: [Field; 3] = [
        field("id"),
        Field { name: "paid", kind: Of::Record(&[field("sum")]), codes: None, about: "" },
        field("number"),
    ];

    static OFFER: Offer = Offer {
        connector: "shop",
        messenger: None,
        events: &[EventOffer {
            kind: "call.finished",
            about: "",
            fields: &[field("phone")],
            ..EventOffer::BASE
        }],
        queries: &[QueryOffer {
            name: "order",
            about: "",
            input: &[
                Input { name: "phone", kind: Of::Phone, need: Need::Must, codes: None, about: "" },
                Input { name: "pick", kind: Of::Text, need: Need::May, codes: None, about: "" },
            ],
            output: &ORDER,
            known: None,
            owner: None,
            ..QueryOffer::BASE
        }],
        operations: &[OperationOffer {
            name: "order.create",
            about: "",
            input: &[
                Input { name: "name", kind: Of::Text, need: Need::Must, codes: None, about: "" },
                Input { name: "more", kind: Of::Any, need: Need::May, codes: None, about: "" },
            ],
            output: &[field("id")],
            repeat: Repeat::Check,
            entity: None,
            owner: None,
            makes: true,
            ..OperationOffer::BASE
        }],
    };

    const RULES: &str = r#"
[facts]
order = { ask = "crm.order", phone = "{{ event.phone }}", pick = "newest" }
[[step]]
name = "create"
do = "crm.order.create"
unless = "facts.order.number"
with = { name = "call of {{ event.phone }}", more = { at = "{{ now }}", k = "v" } }
[[step]]
name = "note"
do = "crm.order.create"
when = "steps.create"
with = { name = "note", more = { of = "{{ steps.create.id }}" } }
"#;

    fn book(rules: &str) -> Book {
        let folder = tempfile::tempdir().expect("a folder");
        let head = "[flow]\nname = 'a'\non = { from = 'crm', event = 'call.finished' }\n\
                    max_age = '7d'\nlane = '{{ event.phone }}'\n";
        std::fs::write(folder.path().join("a.toml"), format!("{head}{rules}")).expect("written");
        let (mut flows, problems) = crate::mapping::load(folder.path());
        assert!(problems.is_empty(), "{}", crate::diagnosis::render(&problems, false));
        let flow = flows.pop().expect("a flow");
        let roles = BTreeMap::from([("crm".to_owned(), vec!["shop".to_owned()])]);
        // Whether it runs now is nothing to a replay.
        let bound = Bound { running: false, ..Bound::plain(flow, roles) };
        Book::new(vec![bound], BTreeMap::from([("shop".to_owned(), &OFFER)]))
    }

    fn order() -> Value {
        json!({ "id": 7, "paid": { "sum": 1 }, "number": null })
    }

    /// What `RULES` decided about a call whose person had this order.
    fn recorded(order: &Value) -> Recorded {
        let query = json!({ "connection": "shop", "name": "order",
            "input": { "phone": "79990000001", "pick": "newest" } });
        let asked: Asked = serde_json::from_value(query).expect("a question");
        let book = book(RULES);
        let mut recorded = Recorded {
            id: 1,
            job: 1,
            flow: "a".to_owned(),
            flow_hash: book.flows()[0].flow.hash.clone(),
            event: Event {
                asked: false,
                connection: "shop".to_owned(),
                kind: "call.finished".to_owned(),
                key: "call:1".to_owned(),
                aliases: Vec::new(),
                provisional: false,
                registered: "2026-11-20T10:00:00Z".parse().expect("a time"),
                fields: Map::from_iter([("phone".to_owned(), json!("79990000001"))]),
            },
            facts: Map::from_iter([("order".to_owned(), order.clone())]),
            asked: Some(BTreeMap::from([("order".to_owned(), asked)])),
            done: BTreeMap::new(),
            refused: BTreeMap::new(),
            first_tried: None,
            at: "2026-11-20T10:01:00Z".parse().expect("a time"),
            decision: Decision { verdict: Verdict::Skip, reasons: Vec::new() },
            last: true,
        };
        let running = Bound { running: true, ..book.flows()[0].clone() };
        match anew(&book, &running, &recorded) {
            Ok(Now::Decided(decision)) => recorded.decision = decision,
            other => panic!("not decided: {other:?}"),
        }
        recorded
    }

    fn differs(rules: &str, recorded: &Recorded) -> Difference {
        match weigh(&book(rules), recorded) {
            Weighed::Differs(difference) => *difference,
            other => panic!("it is {other:?}"),
        }
    }

    fn ats(difference: &Difference) -> Vec<&str> {
        difference.changes.iter().map(|change| change.at.as_str()).collect()
    }

    #[test]
    fn the_same_rules_decide_the_same_at_their_own_time() {
        for order in [Value::Null, order()] {
            let mut recorded = recorded(&order);
            assert_eq!(weigh(&book(RULES), &recorded), Weighed::Same);
            // Another layout of the file, and a key that was learnt since.
            let layout =
                RULES.replace("k = \"v\" }", "k = 'v' }").replace("\n[[step]]", "\n\n[[step]]");
            recorded.event.key = "call:real".to_owned();
            recorded.event.aliases = vec!["call:1".to_owned()];
            assert_eq!(weigh(&book(&layout), &recorded), Weighed::Same);
        }
    }

    #[test]
    fn another_input_is_told_field_by_field() {
        let recorded = recorded(&Value::Null);
        let rules = RULES
            .replace("k = \"v\"", "k = \"w\", l = 1")
            .replace("of = \"{{ steps.create.id }}\"", "of = \"nobody\"");
        let told = differs(&rules, &recorded);
        assert_eq!(told.kind, Kind::Input);
        assert_eq!(ats(&told), ["create.more.k", "create.more.l", "note.more.of"]);
        assert_eq!(told.changes[0].was, Some(json!("v")));
        assert_eq!((&told.changes[1].was, &told.changes[1].now), (&None, &Some(json!(1))));
        assert_eq!(told.changes[2].was, Some(hole("create", &["id"])));
        assert!(told.now.acts());
    }

    #[test]
    fn another_verdict_and_other_steps_are_kinds_of_their_own() {
        let recorded = recorded(&order());
        let told = differs(&RULES.replace("facts.order.number", "facts.order"), &recorded);
        assert_eq!(told.kind.to_string(), "act → skip");
        assert!(!told.now.acts());
        assert!(ats(&told).contains(&"reason create"), "{told:?}");
        let told = differs(
            &RULES.replace("when = \"steps.create\"", "unless = \"steps.create\""),
            &recorded,
        );
        assert_eq!(told.kind, Kind::Steps);
        assert_eq!(ats(&told)[..2], ["note", "steps"]);
        // The flow's own reasons alone.
        let told = differs(
            &RULES.replace("facts.order.number", "facts.order and facts.order.number"),
            &recorded,
        );
        assert_eq!((told.kind, told.changes.len()), (Kind::Reasons, 1), "{told:?}");
        // What cannot be evaluated would wait for a person.
        let told = differs(
            &RULES.replace(
                "name = \"call of {{ event.phone }}\"",
                "name = \"{{ facts.order.number }}\"",
            ),
            &recorded,
        );
        assert_eq!(told.kind.to_string(), "act → stuck");
    }

    #[test]
    fn what_was_not_asked_is_untold_only_where_it_matters() {
        let recorded = recorded(&Value::Null);
        let oldest = RULES.replace("newest", "oldest");
        let why = "the fact order was asked otherwise then".to_owned();
        assert_eq!(weigh(&book(&oldest), &recorded), Weighed::Untold(why));
        // A second fact that nothing in this decision looks at.
        let idle = RULES.replace(
            "[[step]]\nname = \"create\"",
            "late = { ask = \"crm.order\", phone = \"{{ event.phone }}\" }\n[[step]]\nname = \"create\"",
        );
        assert_eq!(weigh(&book(&idle), &recorded), Weighed::Same);
        let asks = idle.replace("facts.order.number", "facts.order.number or facts.late");
        let why = "the fact late was not asked then".to_owned();
        assert_eq!(weigh(&book(&asks), &recorded), Weighed::Untold(why));
        // The same question under another name.
        let renamed =
            RULES.replace("order = {", "newest = {").replace("facts.order", "facts.newest");
        assert_eq!(differs(&renamed, &recorded).kind, Kind::Reasons);
        // A version that did not keep its questions: the same file asked the same.
        let old = Recorded { asked: None, ..recorded };
        assert_eq!(weigh(&book(RULES), &old), Weighed::Same);
        assert!(matches!(weigh(&book(&renamed), &old), Weighed::Untold(_)));
    }

    #[test]
    fn a_field_that_was_not_kept_is_untold() {
        let mut recorded = recorded(&order());
        let fields = recorded.facts["order"].as_object_mut().expect("a fact");
        fields.remove("number");
        let why = "facts.order.number was not kept then".to_owned();
        assert_eq!(weigh(&book(RULES), &recorded), Weighed::Untold(why));
        // Inside a record too.
        recorded.facts.insert("order".to_owned(), json!({ "id": 7, "paid": {}, "number": null }));
        assert_eq!(weigh(&book(RULES), &recorded), Weighed::Same);
        let paid = RULES.replace("facts.order.number", "facts.order.paid.sum");
        let why = "facts.order.paid was not kept then".to_owned();
        assert_eq!(weigh(&book(&paid), &recorded), Weighed::Untold(why));
    }

    #[test]
    fn steps_that_were_done_stay_done() {
        let mut recorded = recorded(&Value::Null);
        recorded.done.insert("create".to_owned(), json!({ "id": 5 }));
        let told = differs(RULES, &recorded);
        assert_eq!(told.kind, Kind::Steps);
        let Now::Decided(decision) = told.now else { panic!("not decided") };
        assert_eq!(steps(&decision.verdict)[0].effect.input["more"], json!({ "of": 5 }));
    }

    #[test]
    fn no_rule_was_asked_of_a_flow_that_did_not_run() {
        let mut recorded = recorded(&Value::Null);
        recorded.flow = "b".to_owned();
        assert_eq!(weigh(&book(RULES), &recorded), Weighed::Gone);
        recorded.decision = guard::gone("b");
        assert_eq!(weigh(&book(RULES), &recorded), Weighed::Rested);
        // Its age is judged by its first try, however late it was decided.
        recorded.flow = "a".to_owned();
        recorded.decision = Decision { verdict: Verdict::Skip, reasons: Vec::new() };
        recorded.at = "2026-12-20T10:01:00Z".parse().expect("a time");
        assert_eq!(differs(RULES, &recorded).now.word(), "skip");
        recorded.first_tried = Some("2026-11-20T10:01:00Z".parse().expect("a time"));
        assert_eq!(differs(RULES, &recorded).now.word(), "act");
    }

    #[test]
    fn a_fingerprint_knows_rules_and_bindings() {
        let (one, two) = (book(RULES), book(&RULES.replace("newest", "oldest")));
        let mut other = one.flows()[0].clone();
        assert_eq!(fingerprint(&one.flows()[0]), fingerprint(&other));
        assert_ne!(fingerprint(&one.flows()[0]), fingerprint(&two.flows()[0]));
        other.roles.insert("crm".to_owned(), vec!["shop-b".to_owned()]);
        assert_ne!(fingerprint(&one.flows()[0]), fingerprint(&other));
    }
}
