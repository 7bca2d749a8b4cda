//! What was decided. Invariant: a plan is immutable and so exact that whoever performs it has no
//! choice left to make; its only holes are references to outputs of earlier steps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Act or skip, always with reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Act(Plan),
    Skip,
    /// The event lacks what the flow requires; a fuller arrival of it is decided anew.
    Incomplete,
}

/// One reason, in words of the flow: `update: marked`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Name of the step, or `flow`.
    pub about: String,
    pub why: Why,
    /// The words of the flow file, or ours where the flow has none.
    pub word: String,
    /// What the words saw: `(path, value)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<(String, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The step is in the plan.
    Planned,
    /// The step's `when` does not hold.
    When,
    /// The step's `unless` holds.
    Unless,
    /// An earlier decision of this job did it already.
    Done,
    /// It was refused in an earlier decision of this job, and another step deals with that.
    Refused,
    /// A guard of the flow itself: requires, max_age, stopped.
    Guard,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub effect: Effect,
    /// Steps without which this one is not performed; `None`: all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// It is performed only if this step, or one of its repetitions, was refused, which is then dealt
    /// with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_refused: Option<String>,
    /// It is not sent after this time, but refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Step {
    /// A step that all before it must have been done for, whatever time it is.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self { name: name.into(), effect, needs: None, if_refused: None, until: None }
    }

    /// Is it this step of the flow, or one of its repetitions (`send.2` of `send`)?
    pub fn is(&self, rule: &str) -> bool {
        is_of(&self.name, rule)
    }
}

/// The name of a repetition: `send.2`.
pub fn repetition(rule: &str, number: usize) -> String {
    format!("{rule}.{number}")
}

/// Is `name` that of this step of the flow, or of one of its repetitions?
pub fn is_of(name: &str, rule: &str) -> bool {
    let rest = name.strip_prefix(rule);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The output of a refused step, as those see it who deal with that.
pub fn refusal(why: &str) -> Value {
    json!({ REFUSED: why })
}

/// The output of a step that holds why it was refused.
pub const REFUSED: &str = "refused";

/// A named effect on a far side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub connection: String,
    /// Name in the offer, e.g. `order.create`.
    pub operation: String,
    /// The input, with holes (see [`hole`]).
    pub input: Map<String, Value>,
    /// Idempotency key: the event's key (`call:900000001`), with `:step` behind it for a second
    /// step of the same operation.
    pub key: String,
}

/// How `because` in cases, `why` and the logs name a reason: `update: marked`, `create: not new`.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.why {
            Why::When => write!(f, "{}: not ({})", self.about, self.word),
            Why::Planned | Why::Unless | Why::Done | Why::Refused | Why::Guard => {
                write!(f, "{}: {}", self.about, self.word)
            }
        }
    }
}

const HOLE: &str = "$step";

/// A reference to an output of an earlier step, as it stands in a plan.
pub fn hole(step: &str, path: &[&str]) -> Value {
    json!({ HOLE: step, "path": path })
}

/// The step and path of a hole, if `value` is one.
pub fn as_hole(value: &Value) -> Option<(&str, Vec<&str>)> {
    let table = value.as_object()?;
    let step = table.get(HOLE)?.as_str()?;
    let path = table.get("path")?.as_array()?;
    Some((step, path.iter().filter_map(Value::as_str).collect()))
}

/// Does the value wait for an output of another step?
pub fn has_hole(value: &Value) -> bool {
    as_hole(value).is_some()
        || match value {
            Value::Array(items) => items.iter().any(has_hole),
            Value::Object(fields) => fields.values().any(has_hole),
            _ => false,
        }
}

/// The value as a person reads it before it is filled: a hole is `‹steps.customer.id›`.
pub fn shown(value: &Value) -> Value {
    if let Some((step, path)) = as_hole(value) {
        let dotted: String = path.iter().map(|name| format!(".{name}")).collect();
        return format!("‹steps.{step}{dotted}›").into();
    }
    match value {
        Value::Array(items) => items.iter().map(shown).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, held)| (name.clone(), shown(held))).collect())
        }
        other => other.clone(),
    }
}

/// Fills the holes of an input from the outputs of the steps before it.
///
/// # Errors
/// The step and path of the first hole that has no value.
pub fn fill(
    input: &Map<String, Value>,
    output_of: &dyn Fn(&str) -> Option<Value>,
) -> Result<Map<String, Value>, String> {
    input.iter().map(|(name, value)| Ok((name.clone(), fill_value(value, output_of)?))).collect()
}

fn fill_value(value: &Value, output_of: &dyn Fn(&str) -> Option<Value>) -> Result<Value, String> {
    if let Some((step, path)) = as_hole(value) {
        let output = output_of(step).ok_or_else(|| missing(step, &path))?;
        let found = path.iter().try_fold(&output, |held, name| held.get(name));
        return found.cloned().ok_or_else(|| missing(step, &path));
    }
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| fill_value(item, output_of))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::Object(fields) => fill(fields, output_of).map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn missing(step: &str, path: &[&str]) -> String {
    format!("steps.{step}.{} has no value", path.join("."))
}
