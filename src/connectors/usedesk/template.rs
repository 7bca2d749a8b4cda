//! The block's HTML. Invariant: every value is escaped whatever the template says, a name that there is
//! not is an error, and no template runs for long.

use super::view::{self, View};
use super::words::Words;
use crate::diagnosis::{Problem, Source};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, escape_formatter};

/// What leadlink ships.
pub const SHIPPED: &str = include_str!("block.html");

const NAME: &str = "block";
/// Steps of the engine: ten people with a hundred orders each take some 100,000.
const FUEL: u64 = 500_000;
const RECURSION: usize = 64;

/// A template that was read.
pub struct Template(Environment<'static>);

impl Template {
    /// # Errors
    /// Where and why it is no template.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut engine = Environment::new();
        engine.set_auto_escape_callback(|_| AutoEscape::Html);
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_fuel(Some(FUEL));
        engine.set_recursion_limit(RECURSION);
        // What would let a value through as it is.
        engine.remove_filter("safe");
        engine.remove_filter("tojson");
        engine.set_formatter(|out, state, value| match state.auto_escape() {
            AutoEscape::Html => escape_formatter(out, state, value),
            _ => {
                let why = "values of the CRM are always escaped";
                Err(Error::new(ErrorKind::InvalidOperation, why))
            }
        });
        engine.add_template_owned(NAME, text.to_owned())?;
        Ok(Self(engine))
    }

    /// # Errors
    /// A name that there is not, or a template without end.
    pub fn render(&self, view: &View) -> Result<String, Error> {
        let view = Serde(view);
        Ok(self.0.get_template(NAME)?.render(view)?.trim().to_owned())
    }

    /// The first thing that goes wrong with any of the views that there can be.
    pub fn fault(&self, words: &'static Words) -> Option<Error> {
        view::samples(words).iter().find_map(|view| self.render(view).err())
    }
}

/// What is wrong with a file, at its line.
pub fn problem(source: &Source, error: &Error) -> Problem {
    let problem = Problem::error(format!("the block's template fails: {}", told(error)));
    let mend = "the README of src/connectors/usedesk has its variables";
    let line = error.line().unwrap_or(1).max(1);
    let start: usize = source.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let length = source.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    problem.at(source, start..start + length).mend(mend)
}

/// The engine's words for an error, without the values that it saw.
pub fn told(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// A notice where there is no template to show it.
pub fn plain(notice: &str) -> String {
    format!("<p class=\"text-muted\">{notice}</p>")
}
