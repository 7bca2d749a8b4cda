//! How two decisions differ. Invariant: pure; whatever differs is named, down to the field, and what
//! does not is not; an output of an earlier step is one value.

use crate::domain::plan::as_hole;
use crate::domain::{Decision, Plan, Reason, Step, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;

/// In what a decision differs, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The words of both verdicts.
    Verdict(&'static str, &'static str),
    /// Other steps, or another order, operation or connection of them.
    Steps,
    /// The same steps with another input.
    Input,
    /// The same is done (or not done), for other reasons.
    Reasons,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(was, now) => write!(f, "{was} → {now}"),
            Self::Steps => f.write_str("other steps"),
            Self::Input => f.write_str("other input"),
            Self::Reasons => f.write_str("only other reasons"),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One value that changes: `create.customFields.utm_source`. `None`: not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub at: String,
    pub was: Option<Value>,
    pub now: Option<Value>,
}

/// The steps of a plan; of none, none.
pub(super) fn steps(verdict: &Verdict) -> &[Step] {
    match verdict {
        Verdict::Act(Plan { steps }) => steps,
        Verdict::Skip | Verdict::Incomplete => &[],
    }
}

/// What differs in the plans.
pub(super) fn plans(was: &Decision, now: &Decision) -> (Vec<Change>, Option<Kind>) {
    let (old, new) = (steps(&was.verdict), steps(&now.verdict));
    let mut changes = Vec::new();
    let find = |steps: &[Step], name: &str| steps.iter().position(|step| step.name == name);
    for step in old {
        let inputs = |step: &Step| Value::Object(step.effect.input.clone());
        match find(new, &step.name) {
            None => push(&mut changes, step.name.clone(), Some(inputs(step)), None),
            Some(at) => {
                differ(&step.name, &inputs(step), &inputs(&new[at]), &mut changes);
            }
        }
    }
    let inputs_differ = !changes.is_empty();
    for step in new.iter().filter(|step| find(old, &step.name).is_none()) {
        let input = Value::Object(step.effect.input.clone());
        push(&mut changes, step.name.clone(), None, Some(input));
    }
    let shape = |step: &Step| {
        json!([
            step.name,
            step.effect.connection,
            step.effect.operation,
            step.effect.key,
            step.needs,
            step.if_refused
        ])
    };
    let (before, after): (Vec<_>, Vec<_>) =
        (old.iter().map(shape).collect(), new.iter().map(shape).collect());
    if before == after {
        return (changes, inputs_differ.then_some(Kind::Input));
    }
    for (step, held) in old.iter().filter_map(|step| Some((step, new.get(find(new, &step.name)?)?)))
    {
        let whose =
            |step: &Step| json!(format!("{} {}", step.effect.connection, step.effect.operation));
        differ(&format!("{} does", step.name), &whose(step), &whose(held), &mut changes);
        differ(
            &format!("{} needs", step.name),
            &json!(step.needs),
            &json!(held.needs),
            &mut changes,
        );
    }
    let names = |steps: &[Step]| json!(steps.iter().map(|step| &step.name).collect::<Vec<_>>());
    differ("steps", &names(old), &names(new), &mut changes);
    (changes, Some(Kind::Steps))
}

/// Reasons that differ, in words or in what they saw.
pub(super) fn reasons(was: &[Reason], now: &[Reason], changes: &mut Vec<Change>) {
    let find = |all: &[Reason], about: &str| all.iter().position(|held| held.about == about);
    let told = |reason: &Reason| json!(reason.to_string());
    for reason in was {
        let about = format!("reason {}", reason.about);
        match find(now, &reason.about).map(|at| &now[at]) {
            None => push(changes, about, Some(told(reason)), None),
            Some(other) if other.to_string() != reason.to_string() || other.why != reason.why => {
                push(changes, about, Some(told(reason)), Some(told(other)));
            }
            Some(other) => {
                let saw = |reason: &Reason| reason.saw.iter().cloned().collect::<Map<_, _>>();
                let about = format!("{about} saw");
                differ(&about, &saw(reason).into(), &saw(other).into(), changes);
            }
        }
    }
    for reason in now.iter().filter(|reason| find(was, &reason.about).is_none()) {
        push(changes, format!("reason {}", reason.about), None, Some(told(reason)));
    }
}

fn push(changes: &mut Vec<Change>, at: String, was: Option<Value>, now: Option<Value>) {
    changes.push(Change { at, was, now });
}

/// The values that differ below `at`; holes are values of their own.
fn differ(at: &str, was: &Value, now: &Value, changes: &mut Vec<Change>) {
    if was == now {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (was, now) else {
        return push(changes, at.to_owned(), Some(was.clone()), Some(now.clone()));
    };
    if as_hole(was).is_some() || as_hole(now).is_some() {
        return push(changes, at.to_owned(), Some(was.clone()), Some(now.clone()));
    }
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let below = format!("{at}.{name}");
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => differ(&below, old, new, changes),
            (old, new) => push(changes, below, old.cloned(), new.cloned()),
        }
    }
}
