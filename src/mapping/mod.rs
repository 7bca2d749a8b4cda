//! The flow language: TOML files become checked flows. Invariant: strict — unknown keys, unknown
//! paths and unknown words are problems with a place, all of them reported at once.

pub mod expr;
pub mod flow;

pub use expr::{EvalError, Expr, FactState, Held, Phrase, Scope, StepState, shape};
pub use flow::{Bound, Case, Expect, FactRule, Flow, Roles, StepRule, Trigger};
