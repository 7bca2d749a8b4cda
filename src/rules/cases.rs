//! Runs the cases that a flow file carries. Invariant: a case goes through the very functions that
//! a job goes through; whatever differs from what it expects is a problem at the case's line.

use super::{Book, Knowledge, decide, gather, guard, shaped};
use crate::diagnosis::Problem;
use crate::domain::event::is_empty;
use crate::domain::plan::as_hole;
use crate::domain::{Decision, Event, Query, Verdict};
use crate::mapping::{Bound, Case};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// What one flow's cases came to.
#[derive(Debug, Default)]
pub struct Report {
    pub passed: usize,
    pub problems: Vec<Problem>,
}

/// In what a case differs from what it expects; empty: it passes.
pub fn complaints(book: &Book, bound: &Bound, case: &Case) -> Vec<String> {
    match play(book, bound, case) {
        Ok(played) => compare(case, &played),
        Err(why) => vec![why],
    }
}

/// Runs every case of a flow.
pub fn run(book: &Book, bound: &Bound) -> Report {
    let mut report = Report::default();
    for case in &bound.flow.cases {
        let complaints = complaints(book, bound, case);
        if complaints.is_empty() {
            report.passed += 1;
            continue;
        }
        report.problems.push(
            Problem::error(format!("case \"{}\" fails", case.name))
                .at(&bound.flow.source, case.span.clone())
                .label(complaints.join("; "))
                .mend("mend the rule, or the case where the change is meant"),
        );
    }
    report
}

struct Played {
    decision: Decision,
    asked: BTreeMap<String, Query>,
    /// It is put off until then, and decided anew.
    until: Option<Timestamp>,
}

fn play(book: &Book, bound: &Bound, case: &Case) -> Result<Played, String> {
    let event = event_of(bound, case)?;
    let registered = event.registered;
    // A case speaks about the flow as its file says: it runs, whatever config lays over it.
    let (delay, max_age) = (bound.flow.delay, bound.flow.max_age);
    let mut running = Bound { running: true, delay, max_age, ..bound.clone() };
    let delay = SignedDuration::try_from(delay).map_err(|error| error.to_string())?;
    let now = registered.checked_add(delay).map_err(|error| error.to_string())?;
    let done = case.done.clone().into_iter().collect();
    let mut knowledge = Knowledge { done, ..Knowledge::of(book, &event, now) };
    // What it is bound to is no matter of the file: each role is one connection of its name.
    let named = bound.flow.roles().into_iter().map(|role| (role.to_owned(), vec![role.to_owned()]));
    knowledge.roles = Some(named.collect());
    knowledge.connection.clone_from(&bound.flow.on.role);
    running.settings = bound.flow.constants().chain(case.settings.clone()).collect();
    let bound = &running;
    let mut asked = BTreeMap::new();
    if let Some(decision) =
        guard::decide(bound, &event, &knowledge).map_err(|fault| fault.to_string())?
    {
        return Ok(Played { decision, asked, until: None });
    }
    loop {
        let queries =
            gather::next(book, bound, &mut knowledge).map_err(|fault| fault.to_string())?;
        if queries.is_empty() {
            break;
        }
        for (fact, query) in queries {
            let value = answer(book, bound, case, &fact);
            knowledge.facts.insert(fact.clone(), value);
            asked.insert(fact, query);
        }
    }
    let unasked =
        case.facts.iter().find(|(name, value)| !asked.contains_key(*name) && !value.is_null());
    if let Some((name, _)) = unasked {
        return Err(format!("the fact {name} is given, but the flow does not ask for it"));
    }
    let until = decide::not_before(bound, registered, &knowledge);
    let until = until.map_err(|fault| fault.to_string())?.map(|(until, _)| until);
    let decision = decide::decide(book, bound, &event, &knowledge);
    Ok(Played { decision: decision.map_err(|fault| fault.to_string())?, asked, until })
}

fn event_of(bound: &Bound, case: &Case) -> Result<Event, String> {
    let trigger = &bound.flow.on;
    let connection = bound.connection(&trigger.role).unwrap_or(&trigger.role).to_owned();
    let noun = trigger.event.split('.').next().unwrap_or_default();
    let id = match case.event.get("id") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => "0".to_owned(),
    };
    let registered: Timestamp =
        "2025-05-14T09:04:00Z".parse().map_err(|error: jiff::Error| error.to_string())?;
    Ok(Event {
        asked: false,
        connection,
        kind: trigger.event.clone(),
        key: format!("{noun}:{id}"),
        aliases: Vec::new(),
        provisional: false,
        registered,
        fields: case.event.clone(),
    })
}

fn answer(book: &Book, bound: &Bound, case: &Case, fact: &str) -> Value {
    let rule = bound.flow.facts.iter().find(|rule| rule.name == fact);
    let offer = rule.and_then(|rule| book.query(bound, &rule.role, &rule.query));
    match (case.facts.get(fact), offer) {
        (Some(Value::Object(table)), Some(offer)) => Value::Object(shaped(offer.output, table)),
        (Some(value), _) => value.clone(),
        (None, _) => Value::Null,
    }
}

fn compare(case: &Case, played: &Played) -> Vec<String> {
    let expect = &case.expect;
    let mut complaints = Vec::new();
    let planned: &[_] = match &played.decision.verdict {
        Verdict::Act(plan) => &plan.steps,
        Verdict::Skip | Verdict::Incomplete => &[],
    };
    let names: Vec<String> = planned.iter().map(|step| step.name.clone()).collect();
    if expect.steps.as_ref().is_some_and(|steps| *steps != names) {
        complaints.push(format!("the steps are {names:?}"));
    }
    if expect.incomplete != (played.decision.verdict == Verdict::Incomplete) {
        complaints.push(format!("incomplete is {}", !expect.incomplete));
    }
    match (expect.until, played.until) {
        (wanted, found) if wanted == found => {}
        (_, Some(until)) => complaints.push(format!("it is put off until {until}")),
        (_, None) => complaints.push("it is not put off".to_owned()),
    }
    let reasons: Vec<String> = played.decision.reasons.iter().map(ToString::to_string).collect();
    for because in expect.because.iter().filter(|because| !reasons.contains(because)) {
        complaints.push(format!("\"{because}\" is not among the reasons {reasons:?}"));
    }
    for (name, wanted) in &expect.with {
        match planned.iter().find(|step| step.name == *name) {
            None => complaints.push(format!("there is no step {name}")),
            Some(step) => {
                differ(name, wanted, &Value::Object(step.effect.input.clone()), &mut complaints)
            }
        }
    }
    for (name, wanted) in &expect.asks {
        match (played.asked.get(name), wanted) {
            (None, Value::Bool(false)) => {}
            (Some(_), Value::Bool(false)) => complaints.push(format!("{name} is asked")),
            (None, _) => complaints.push(format!("{name} is not asked")),
            (Some(query), _) => {
                differ(name, wanted, &Value::Object(query.input.clone()), &mut complaints)
            }
        }
    }
    complaints
}

/// `wanted` is a subset: `null` must be absent, `"steps.customer.id"` stands for a hole.
fn differ(path: &str, wanted: &Value, found: &Value, complaints: &mut Vec<String>) {
    let hole = as_hole(found).map(|(step, path)| format!("steps.{step}.{}", path.join(".")));
    match (wanted, found) {
        (Value::String(text), _) if hole.as_ref() == Some(text) => {}
        (Value::Object(fields), Value::Object(table)) if hole.is_none() => {
            for (name, wanted) in fields {
                let found = table.get(name).unwrap_or(&Value::Null);
                differ(&format!("{path}.{name}"), wanted, found, complaints);
            }
        }
        (wanted, found) if wanted == found => {}
        // Empty values are left out of a request, so that is how an empty one is expected.
        (wanted, Value::Null) if is_empty(wanted) => {}
        (_, Value::Null) => complaints.push(format!("{path} is left out")),
        (_, found) => {
            complaints.push(format!("{path} is {}", hole.unwrap_or_else(|| found.to_string())))
        }
    }
}
