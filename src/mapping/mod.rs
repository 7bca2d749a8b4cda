//! The flow language: TOML files become checked flows. Invariant: strict — unknown keys, unknown
//! paths and unknown words are problems with a place, all of them reported at once.

mod case;
pub mod check;
mod constants;
mod context;
mod eval;
pub mod expr;
pub mod filters;
pub mod flow;
pub mod grammar;
mod head;
mod load;
#[cfg(test)]
mod offers;
mod refer;
mod scan;
mod settings;
pub mod shape;
mod uses;

pub use check::check;
pub use expr::{EvalError, Expr, FactState, Held, Phrase, Scope, StepState};
pub use flow::{Bound, Case, Expect, FactRule, Flow, Roles, StepRule, Trigger};
pub use load::{Loaded, file_of, load, load_all, shelf};
pub use settings::laid;
pub use shape::shape;
pub use uses::uses;
