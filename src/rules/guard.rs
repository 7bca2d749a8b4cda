//! What is decided before any fact is asked. Invariant: a guard never costs a request.

use super::{Fault, Knowledge, fault};
use crate::domain::{Decision, Event, Reason, Verdict, Why};
use crate::mapping::Bound;
use jiff::SignedDuration;
use serde_json::Value;

/// How often a delivery without its far-side id is looked up before it is decided without one: at
/// its due time, a minute later, and once more.
pub const LOOKUPS: u32 = 3;

/// Why a stopped flow skips.
pub const STOPPED: &str = "the flow is stopped";

/// Does the event have what the flow requires?
///
/// # Errors
/// The expression cannot be evaluated.
pub fn complete(bound: &Bound, knowledge: &Knowledge) -> Result<bool, Fault> {
    let Some(requires) = &bound.flow.requires else { return Ok(true) };
    let scope = knowledge.scope(bound);
    let held =
        bound.flow.holds(requires, &scope).map_err(|error| fault("flow requires", &error))?;
    Ok(held.yes)
}

/// Does the flow listen to such an event?
///
/// # Errors
/// The expression cannot be evaluated.
pub fn wanted(bound: &Bound, knowledge: &Knowledge) -> Result<bool, Fault> {
    let Some(when) = &bound.flow.on.when else { return Ok(true) };
    let held = bound.flow.holds(when, &knowledge.scope(bound));
    Ok(held.map_err(|error| fault("flow on.when", &error))?.yes)
}

/// The decision that the guards make alone: stopped flow, none of its events, too old, incomplete.
/// `None`: go on.
///
/// # Errors
/// `on.when` or `requires` cannot be evaluated.
pub fn decide(
    bound: &Bound,
    event: &Event,
    knowledge: &Knowledge,
) -> Result<Option<Decision>, Fault> {
    if !bound.running {
        return Ok(Some(skip(STOPPED)));
    }
    if !wanted(bound, knowledge)? {
        let word = bound.flow.on.when.as_ref().map(|expr| expr.text.clone()).unwrap_or_default();
        return Ok(Some(skip(&format!("on not ({word})"))));
    }
    let age = knowledge.now.duration_since(event.registered);
    let old = SignedDuration::try_from(bound.max_age).is_ok_and(|most| age > most);
    // What a person asked for may be of any age.
    if old && !event.asked {
        let mut decision = skip("older than max_age");
        let registered = Value::String(event.registered.to_string());
        for reason in &mut decision.reasons {
            reason.saw = vec![("event.registered".to_owned(), registered.clone())];
        }
        return Ok(Some(decision));
    }
    if complete(bound, knowledge)? {
        return Ok(None);
    }
    let word = bound.flow.requires.as_ref().map(|expr| expr.text.clone()).unwrap_or_default();
    Ok(Some(Decision {
        verdict: Verdict::Incomplete,
        reasons: vec![guard(format!("requires {word}"))],
    }))
}

/// How the reason of a job begins whose flow is not there any more.
pub const GONE: &str = "there is no flow";

/// The decision about a job whose flow is not there any more.
pub fn gone(flow: &str) -> Decision {
    skip(&format!("{GONE} {flow}"))
}

fn skip(word: &str) -> Decision {
    Decision { verdict: Verdict::Skip, reasons: vec![guard(word.to_owned())] }
}

fn guard(word: String) -> Reason {
    Reason { about: "flow".to_owned(), why: Why::Guard, word, saw: Vec::<(String, Value)>::new() }
}
