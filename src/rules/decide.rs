//! Flow + event + facts + now → decision with reasons. Invariant: the plan leaves no choice to who
//! performs it; a step that an earlier decision of the job did is never planned again.

use super::{Book, Fault, Knowledge, fault, repeat};
use crate::domain::event::is_empty;
use crate::domain::{
    Decision, Effect, Event, Need, OperationOffer, Plan, Reason, Step, Verdict, Why,
};
use crate::mapping::{Bound, Held, Scope, StepRule, StepState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use std::time::Duration;

/// Decides. Every fact of the flow must be known.
///
/// # Errors
/// What a person must mend in the flow, naming the step.
pub fn decide(
    book: &Book,
    bound: &Bound,
    event: &Event,
    knowledge: &Knowledge,
) -> Result<Decision, Fault> {
    let mut scope = knowledge.scope(bound);
    let mut reasons = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    // What was refused before: nothing behind it is performed but what deals with that, or what needs
    // other steps alone.
    let mut refused: Option<String> = None;
    for rule in &bound.flow.steps {
        let runs = repeat::runs(bound, rule, &scope)?;
        if runs.is_empty() {
            reasons.push(repeat::nothing(rule));
        }
        let mut state = StepState::Skipped;
        for run in runs {
            scope.item = run.item;
            let (mut reason, mut found) = weigh(bound, rule, (&run.name, knowledge), &scope)?;
            match (&refused, &found) {
                (Some(before), StepState::Planned) if repeat::is_behind(rule, &scope) => {
                    reason = repeat::behind(&run.name, before);
                    found = StepState::Skipped;
                }
                (None, StepState::Refused(_)) => refused = Some(run.name.clone()),
                _ => {}
            }
            reasons.push(reason);
            if found == StepState::Planned {
                let effect = effect(book, bound, (rule, &run.name), (event, knowledge), &scope)?;
                let until = repeat::until(bound, rule, event.registered, &scope)?;
                let (needs, if_refused) = (rule.needs.clone(), rule.if_refused.clone());
                steps.push(Step { name: run.name.clone(), effect, needs, if_refused, until });
            }
            state = repeat::state(state, found, rule, run.name);
        }
        scope.item = Value::Null;
        scope.steps.insert(rule.name.clone(), state);
    }
    let did = reasons.iter().any(|reason| reason.why == Why::Done);
    let verdict =
        if steps.is_empty() && !did { Verdict::Skip } else { Verdict::Act(Plan { steps }) };
    Ok(Decision { verdict, reasons })
}

/// Until when the decision must be put off, and why: the delay counts from what the facts say too
/// (`delay_from`), where that is later than what the events said; at most `settle` after the
/// registration of the job. `None`: decide now.
///
/// # Errors
/// `delay_from` cannot be evaluated, or makes no time.
pub fn not_before(
    bound: &Bound,
    registered: Timestamp,
    knowledge: &Knowledge,
) -> Result<Option<(Timestamp, String)>, Fault> {
    let Some(expr) = &bound.flow.delay_from else { return Ok(None) };
    let told = |error| fault("flow delay_from", &error);
    let value = bound.flow.made(expr, &knowledge.scope(bound)).map_err(told)?;
    if is_empty(&value) {
        return Ok(None);
    }
    let time = value.as_str().and_then(|text| text.trim().parse::<Timestamp>().ok());
    let Some(time) = time else {
        let why = format!("{} is no time", expr.text);
        return Err(Fault { about: "flow delay_from".to_owned(), why, pending: false });
    };
    let after = |time: Timestamp, wait: Duration| {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        time.checked_add(wait).unwrap_or(Timestamp::MAX)
    };
    // A far side's clock that goes before ours cannot hold the job for ever.
    let from = time.min(knowledge.now);
    let until = after(from, bound.delay);
    let until = bound.flow.settle.map_or(until, |settle| until.min(after(registered, settle)));
    let why = format!("{} is {time}: decided at {until}", expr.text);
    Ok((until > knowledge.now).then_some((until, why)))
}

fn effect(
    book: &Book,
    bound: &Bound,
    (rule, name): (&StepRule, &str),
    (event, knowledge): (&Event, &Knowledge),
    scope: &Scope,
) -> Result<Effect, Fault> {
    let connection = book
        .chosen(bound, &rule.role, rule.of.as_ref(), knowledge)
        .map_err(|error| fault(format!("step {}", rule.name), &error))?
        .to_owned();
    Ok(Effect {
        connection,
        operation: rule.operation.clone(),
        input: input(book, bound, rule, scope)?,
        key: key(bound, rule, name, event),
    })
}

fn weigh(
    bound: &Bound,
    rule: &StepRule,
    (name, knowledge): (&str, &Knowledge),
    scope: &Scope,
) -> Result<(Reason, StepState), Fault> {
    let reason =
        |why, word: &str, saw| Reason { about: name.to_owned(), why, word: word.to_owned(), saw };
    if let Some(output) = knowledge.done.get(name) {
        let word = format!("{}.{}", rule.role, rule.operation);
        return Ok((reason(Why::Done, &word, Vec::new()), StepState::Done(output.clone())));
    }
    if let Some(why) = repeat::refused(bound, rule, name, knowledge) {
        let word = format!("refused: {why}");
        return Ok((reason(Why::Refused, &word, Vec::new()), StepState::Refused(why.to_owned())));
    }
    if let Some(of) = rule.if_refused.as_ref().filter(|of| !repeat::may_be_refused(of, scope)) {
        let word = format!("steps.{of}.refused");
        return Ok((reason(Why::When, &word, Vec::new()), StepState::Skipped));
    }
    let test = |expr| -> Result<Held, Fault> {
        bound.flow.holds(expr, scope).map_err(|error| fault(format!("step {}", rule.name), &error))
    };
    let mut seen = Vec::new();
    if let Some(when) = &rule.when {
        let held = test(when)?;
        if !held.yes {
            return Ok((reason(Why::When, &when.text, held.saw), StepState::Skipped));
        }
        seen.extend(held.saw);
    }
    if let Some(unless) = &rule.unless {
        let held = test(unless)?;
        if held.yes {
            return Ok((reason(Why::Unless, &unless.text, held.saw), StepState::Skipped));
        }
        seen.extend(held.saw);
    }
    let word = format!("{}.{}", rule.role, rule.operation);
    Ok((reason(Why::Planned, &word, seen), StepState::Planned))
}

fn input(
    book: &Book,
    bound: &Bound,
    rule: &StepRule,
    scope: &Scope,
) -> Result<Map<String, Value>, Fault> {
    let about = format!("step {}", rule.name);
    let offer = book.operation(bound, &rule.role, &rule.operation).ok_or_else(|| Fault {
        about: about.clone(),
        why: format!("nobody offers {}.{}", rule.role, rule.operation),
        pending: false,
    })?;
    let mut input = Map::new();
    for (name, phrase) in &rule.with {
        let value = bound.flow.value(phrase, scope).map_err(|error| fault(&*about, &error))?;
        if let Some(value) = without_empty(value) {
            input.insert(name.clone(), value);
        }
    }
    if let Some(field) = missing(offer, &input) {
        let why = format!("{field} is empty, and {} needs it", offer.name);
        return Err(Fault { about, why, pending: false });
    }
    Ok(input)
}

/// The event's key; a second step of the same operation gets its name behind it, and so does a
/// repetition.
fn key(bound: &Bound, rule: &StepRule, name: &str, event: &Event) -> String {
    let same = |other: &&StepRule| other.role == rule.role && other.operation == rule.operation;
    let first = bound.flow.steps.iter().find(same);
    match first {
        Some(first) if first.name != name => format!("{}:{name}", event.key),
        _ => event.key.clone(),
    }
}

/// Empty optional values are left out of the request, at every depth.
fn without_empty(value: Value) -> Option<Value> {
    let value = match value {
        Value::Array(items) => Value::Array(items.into_iter().filter_map(without_empty).collect()),
        Value::Object(fields)
            if crate::domain::plan::as_hole(&Value::Object(fields.clone())).is_none() =>
        {
            let kept = fields.into_iter().filter_map(|(k, v)| Some((k, without_empty(v)?)));
            Value::Object(kept.collect())
        }
        other => other,
    };
    (!is_empty(&value)).then_some(value)
}

fn missing(offer: &OperationOffer, input: &Map<String, Value>) -> Option<&'static str> {
    let mut must = offer.input.iter().filter(|field| field.need == Need::Must);
    must.find(|field| !input.contains_key(field.name)).map(|field| field.name)
}
