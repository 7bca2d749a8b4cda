//! Steps that are repeated for each element of a list, that have a last moment, and that deal with the
//! refusal of another. Invariant: a repetition has a name of its own that the same list gives it
//! again, so that one that was done is never planned twice.

use super::{Fault, Knowledge, fault};
use crate::diagnosis::duration_of;
use crate::domain::event::is_empty;
use crate::domain::plan::{is_of, repetition};
use crate::domain::{Reason, Why};
use crate::mapping::{Bound, Phrase, Scope, StepRule, StepState};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// One performance of a step.
#[derive(Debug)]
pub struct Run {
    /// The step's name; of a repeated one with its number.
    pub name: String,
    /// The element; null where nothing is repeated.
    pub item: Value,
}

/// How often a step is to be weighed; of an empty list, not at all.
///
/// # Errors
/// `each` cannot be evaluated, or makes no list.
pub fn runs(bound: &Bound, rule: &StepRule, scope: &Scope) -> Result<Vec<Run>, Fault> {
    let Some(each) = &rule.each else {
        return Ok(vec![Run { name: rule.name.clone(), item: Value::Null }]);
    };
    let about = || format!("step {} each", rule.name);
    let value = bound.flow.value(each, scope).map_err(|error| fault(about(), &error))?;
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other if is_empty(&other) => Vec::new(),
        other => {
            let why = format!("{other} is no list");
            return Err(Fault { about: about(), why, pending: false });
        }
    };
    let run = |(at, item)| Run { name: repetition(&rule.name, at + 1), item };
    Ok(items.into_iter().enumerate().map(run).collect())
}

/// The reason of a step whose list is empty.
pub fn nothing(rule: &StepRule) -> Reason {
    let exprs = rule.each.iter().flat_map(Phrase::exprs);
    let word = exprs.map(|expr| expr.text.as_str()).collect::<Vec<_>>().join(", ");
    Reason { about: rule.name.clone(), why: Why::When, word, saw: Vec::new() }
}

/// The state of a step after one more of its performances: what is planned last counts, then what
/// was refused, then what was done.
pub fn state(before: StepState, found: StepState, rule: &StepRule, name: String) -> StepState {
    match (before, found) {
        (_, StepState::Planned) if rule.each.is_some() => StepState::Last(name),
        (_, StepState::Planned) => StepState::Planned,
        (before @ (StepState::Last(_) | StepState::Refused(_)), _) => before,
        (_, found @ StepState::Refused(_)) => found,
        (before @ StepState::Done(_), StepState::Skipped | StepState::Later) => before,
        (_, found) => found,
    }
}

/// Why this step was refused in an earlier decision of the job, if another step deals with that.
pub fn refused<'a>(
    bound: &Bound,
    rule: &StepRule,
    name: &str,
    knowledge: &'a Knowledge,
) -> Option<&'a str> {
    let mut others = bound.flow.steps.iter();
    let dealt = others.any(|other| other.if_refused.as_ref() == Some(&rule.name));
    let why = knowledge.refused.get(name).filter(|_| dealt)?;
    Some(why.as_str())
}

/// After a refusal: is the step not performed? It is if it deals with the refusal, or if all that it
/// needs is done or planned.
pub fn is_behind(rule: &StepRule, scope: &Scope) -> bool {
    let is_there = |need: &String| {
        let state = scope.steps.get(need);
        matches!(state, Some(StepState::Done(_) | StepState::Planned | StepState::Last(_)))
    };
    let needs = rule.needs.as_ref();
    rule.if_refused.is_none() && !needs.is_some_and(|needs| needs.iter().all(is_there))
}

/// The reason of such a step.
pub fn behind(name: &str, refused: &str) -> Reason {
    let (about, word) = (name.to_owned(), format!("{refused} was refused"));
    Reason { about, why: Why::Refused, word, saw: Vec::new() }
}

/// May the step still be refused, or was it?
pub fn may_be_refused(step: &str, scope: &Scope) -> bool {
    let state = scope.steps.iter().find(|(name, _)| is_of(name, step)).map(|(_, state)| state);
    matches!(state, Some(StepState::Planned | StepState::Last(_) | StepState::Refused(_)))
}

/// The last moment at which the step may be sent.
///
/// # Errors
/// `within` cannot be evaluated, or makes no duration.
pub fn until(
    bound: &Bound,
    rule: &StepRule,
    registered: Timestamp,
    scope: &Scope,
) -> Result<Option<Timestamp>, Fault> {
    let Some(within) = &rule.within else { return Ok(None) };
    let about = || format!("step {} within", rule.name);
    let value = bound.flow.value(within, scope).map_err(|error| fault(about(), &error))?;
    let span = value.as_str().and_then(duration_of).and_then(|d| SignedDuration::try_from(d).ok());
    let Some(span) = span else {
        let why = format!("{value} is no duration; write \"10m\"");
        return Err(Fault { about: about(), why, pending: false });
    };
    Ok(Some(registered.checked_add(span).unwrap_or(Timestamp::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Source, render};
    use crate::domain::plan::{hole, refusal};
    use crate::domain::{
        Decision, Event, EventOffer, Field, Input, Kind, Need, Offer, OperationOffer, Verdict,
    };
    use crate::mapping::grammar::{Shelf, read};
    use crate::rules::{Book, cases, decide};
    use serde_json::{Map, json};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    const fn input(name: &'static str, need: Need) -> Input {
        Input { name, kind: Kind::Text, need, codes: None, about: "" }
    }

    const fn field(name: &'static str, kind: Kind) -> Field {
        Field { name, kind, codes: None, about: "" }
    }

    static CHAT: Offer = Offer {
        connector: "chat",
        messenger: None,
        events: &[EventOffer {
            kind: "message.sent",
            fields: &[field("id", Kind::Text), field("parts", Kind::List(&Kind::Text))],
            ..EventOffer::BASE
        }],
        queries: &[],
        operations: &[
            OperationOffer {
                name: "message.send",
                input: &[input("text", Need::Must)],
                output: &[field("id", Kind::Text)],
                ..OperationOffer::BASE
            },
            OperationOffer {
                name: "message.tell",
                input: &[input("id", Need::May), input("why", Need::May)],
                ..OperationOffer::BASE
            },
        ],
    };

    const TEXT: &str = r#"
[flow]
name = "talk"
on   = { from = "chat", event = "message.sent" }
[settings]
send_within = "10m"
[[step]]
name   = "send"
do     = "chat.message.send"
each   = "{{ event.parts }}"
unless = "item == 'no'"
within = "{{ settings.send_within }}"
with   = { text = "{{ item }}" }
[[step]]
name = "done"
do   = "chat.message.tell"
when = "steps.send"
with = { id = "{{ steps.send.id }}" }
[[step]]
name       = "failed"
do         = "chat.message.tell"
if_refused = "send"
with       = { why = "{{ steps.send.refused }}" }
[[case]]
name   = "two parts are two messages"
event  = { id = "1", parts = ["a", "b"] }
expect = { steps = ["send.1", "send.2", "done", "failed"], with = { "send.2" = { text = "b" }, failed = { why = "steps.send.2.refused" } } }
[[case]]
name   = "no part is none"
event  = { id = "1", parts = [] }
expect = { steps = [], because = ["send: not (event.parts)", "failed: not (steps.send.refused)"] }
[[case]]
name   = "one of them is left out"
event  = { id = "1", parts = ["no", "b", "no"] }
expect = { steps = ["send.2", "done", "failed"], because = ["send.1: item == 'no'"], with = { done = { id = "steps.send.2.id" } } }
"#;

    fn book(text: &str) -> Book {
        let (flow, problems) = read(&Source::new("talk.toml", text), &Shelf::default());
        assert!(problems.is_empty(), "{}", render(&problems, false));
        let roles = [("chat".to_owned(), vec!["telegram".to_owned()])].into_iter().collect();
        let bound = Bound::plain(Arc::new(flow), roles);
        Book::new(vec![bound], [("telegram".to_owned(), &CHAT)].into())
    }

    fn decided(done: &[(&str, Value)], refused: &[(&str, &str)]) -> Decision {
        let book = book(TEXT);
        let event = Event {
            connection: "telegram".to_owned(),
            kind: "message.sent".to_owned(),
            key: "message:1".to_owned(),
            aliases: Vec::new(),
            provisional: false,
            registered: "2026-11-20T10:00:00Z".parse().expect("a time"),
            asked: false,
            fields: Map::from_iter([("parts".to_owned(), json!(["a", "b"]))]),
        };
        let named = |(name, output): &(&str, Value)| ((*name).to_owned(), output.clone());
        let why = |(name, why): &(&str, &str)| ((*name).to_owned(), (*why).to_owned());
        let knowledge = Knowledge {
            done: done.iter().map(named).collect::<BTreeMap<_, _>>(),
            refused: refused.iter().map(why).collect(),
            ..Knowledge::of(&book, &event, event.registered)
        };
        decide::decide(&book, &book.flows()[0], &event, &knowledge).expect("a decision")
    }

    fn steps(decision: &Decision) -> Vec<&crate::domain::Step> {
        match &decision.verdict {
            Verdict::Act(plan) => plan.steps.iter().collect(),
            Verdict::Skip | Verdict::Incomplete => Vec::new(),
        }
    }

    #[test]
    fn the_cases_pass() {
        let book = book(TEXT);
        let report = cases::run(&book, &book.flows()[0]);
        assert!(report.problems.is_empty(), "{}", render(&report.problems, false));
        assert_eq!(report.passed, 3);
    }

    #[test]
    fn repetitions_have_names_and_keys_of_their_own_and_a_last_moment() {
        let decision = decided(&[], &[]);
        let planned: Vec<(&str, &str)> = steps(&decision)
            .iter()
            .map(|step| (step.name.as_str(), step.effect.key.as_str()))
            .collect();
        assert_eq!(
            planned,
            [
                ("send.1", "message:1:send.1"),
                ("send.2", "message:1:send.2"),
                ("done", "message:1"),
                ("failed", "message:1:failed"),
            ]
        );
        let first = steps(&decision)[0];
        assert_eq!(first.until, Some("2026-11-20T10:10:00Z".parse().expect("a time")));
        assert_eq!(steps(&decision)[2].until, None);
        assert_eq!(steps(&decision)[3].effect.input["why"], hole("send.2", &["refused"]));
    }

    #[test]
    fn what_was_done_is_not_repeated_and_what_was_refused_is_only_dealt_with() {
        let decision = decided(&[("send.1", json!({ "id": "7" }))], &[("send.2", "blocked")]);
        let reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
        assert_eq!(
            reasons,
            [
                "send.1: chat.message.send",
                "send.2: refused: blocked",
                "done: send.2 was refused",
                "failed: chat.message.tell",
            ]
        );
        let failed = steps(&decision)[0];
        assert_eq!(
            (failed.name.as_str(), &failed.effect.input["why"]),
            ("failed", &json!("blocked"))
        );
        assert_eq!(refusal("blocked"), json!({ "refused": "blocked" }));
        // What comes behind a refused one is not sent in a later decision either.
        let decision = decided(&[], &[("send.1", "blocked")]);
        let reasons: Vec<String> = decision.reasons.iter().map(ToString::to_string).collect();
        assert_eq!(reasons[1], "send.2: send.1 was refused");
        let planned: Vec<&str> = steps(&decision).iter().map(|step| step.name.as_str()).collect();
        assert_eq!(planned, ["failed"]);
        // Everything was sent: nobody is told of a failure.
        let all = [("send.1", json!({ "id": "7" })), ("send.2", json!({ "id": "8" }))];
        let decision = decided(&all, &[]);
        let planned: Vec<&str> = steps(&decision).iter().map(|step| step.name.as_str()).collect();
        assert_eq!(planned, ["done"]);
        assert_eq!(steps(&decision)[0].effect.input["id"], json!("8"));
    }

    #[test]
    fn what_is_no_list_or_no_duration_is_told() {
        for (from, to, why) in [
            ("{{ event.parts }}", "{{ event.parts[0] }}", "step send each: \"a\" is no list"),
            ("\"10m\"", "\"soon\"", "step send within: \"soon\" is no duration"),
        ] {
            let book = book(&TEXT.replace(from, to));
            let report = cases::run(&book, &book.flows()[0]);
            let told = render(&report.problems, false);
            assert!(told.contains(why), "{why}\n{told}");
        }
    }

    #[test]
    fn names_that_are_not_there_are_problems() {
        for (from, to, title) in [
            ("if_refused = \"send\"", "if_refused = \"sent\"", "no step `sent` before this one"),
            ("when = \"steps.send\"", "when = \"item\"", "`item` is not known yet"),
            ("each   = \"{{ event.parts }}\"", "each = \"{{ item }}\"", "`item` is not known yet"),
        ] {
            let (_, problems) =
                read(&Source::new("talk.toml", TEXT.replace(from, to)), &Shelf::default());
            let told = render(&problems, false);
            assert!(told.contains(title), "{title}\n{told}");
        }
    }
}
