//! Jinja expressions with strict undefined and a fuel limit. (skeleton: signatures only)
//!
//! Invariant: an expression sees `event`, `facts`, `steps`, the flow's `[let]` names and `now`, and
//! nothing else; an attribute of none is none; a step that is planned but not done is a hole.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// A compiled expression (`when`, `unless`, `[let]`).
#[derive(Debug)]
pub struct Expr {
    /// As written in the file.
    pub text: String,
    /// Where in the file.
    pub span: Range<usize>,
}

/// A compiled value of `with`, `lane`, `facts`.
#[derive(Debug)]
pub enum Phrase {
    /// No expression in it.
    Literal(Value),
    /// One whole expression: keeps its type.
    Whole(Expr),
    /// Text around expressions: makes a string.
    Text(Expr),
    List(Vec<Phrase>),
    Table(Vec<(String, Phrase)>),
}

/// What an expression may see.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The event's fields, filled to the shape of its offer.
    pub event: &'a Map<String, Value>,
    pub facts: BTreeMap<String, FactState>,
    pub steps: BTreeMap<String, StepState>,
    pub now: jiff::Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FactState {
    /// Not asked yet: an expression that touches it ends with [`EvalError::Pending`].
    Pending,
    /// Filled to the shape of its offer; `Null` is none.
    Known(Value),
}

#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// Not reached yet: none, and a problem of `check`.
    Later,
    /// In the plan: its outputs are holes.
    Planned,
    /// Done by an earlier decision of this job: its outputs.
    Done(Value),
    Skipped,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// It needs the fact of this name first.
    #[error("needs the fact {0}")]
    Pending(String),
    /// It cannot be evaluated (undefined path, wrong type, out of fuel).
    #[error("{message}")]
    Failed { message: String, span: Range<usize> },
}

/// What a condition came to, and what it saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub yes: bool,
    pub saw: Vec<(String, Value)>,
}

#[expect(unused_variables, reason = "skeleton")]
impl super::Flow {
    /// The value of a phrase; none is null, a reference to a planned step is a hole.
    pub fn value(&self, phrase: &Phrase, scope: &Scope) -> Result<Value, EvalError> {
        unimplemented!()
    }
    pub fn holds(&self, expr: &Expr, scope: &Scope) -> Result<Held, EvalError> {
        unimplemented!()
    }
}

/// Fills `value` to the shape of its offer.
#[expect(unused_variables, reason = "skeleton")]
pub fn shape(fields: &[crate::domain::Field], value: &Value) -> Value {
    unimplemented!()
}
