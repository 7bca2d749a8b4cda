//! Expressions and phrases, compiled once. Invariant: an expression sees `event`, `facts`, `steps`,
//! `settings`, `connection`, `roles`, the flow's `[let]` names and `now`, and nothing else; an attribute of none is none; a step that
//! is planned but not done is a hole. How they are evaluated: `eval`.

use super::filters::ENGINE;
use super::flow::Roles;
use super::scan::{self, Words};
use crate::diagnosis::{Problem, Source};
use minijinja::Expression;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of one expression. The engine compiles by recursion: a longer chain could end its stack.
const LONGEST: usize = 2048;

/// A compiled expression (`when`, `unless`, `[let]`).
#[derive(Debug)]
pub struct Expr {
    /// As written in the file.
    pub text: String,
    /// Where in the file.
    pub span: Range<usize>,
    pub(super) code: Arc<Code>,
}

/// What an evaluation needs of an expression.
pub(super) struct Code {
    pub run: Expression<'static, 'static>,
    pub words: Words,
    pub place: Anchor,
}

/// Finds the bytes of a text inside the file.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    /// Where the text's first byte stands, if the file has it letter by letter (no escapes).
    at: Option<usize>,
    /// The whole value, quotes included.
    span: Range<usize>,
}

/// A compiled value of `with`, `lane`, `facts`.
#[derive(Debug)]
pub enum Phrase {
    /// No expression in it.
    Literal(Value),
    /// One whole expression: keeps its type.
    Whole(Expr),
    /// Text around expressions: makes a string.
    Text(Text),
    List(Vec<Phrase>),
    Table(Vec<(String, Phrase)>),
}

/// A text with expressions in it.
#[derive(Debug)]
pub struct Text {
    /// As written in the file.
    pub text: String,
    /// Where in the file.
    pub span: Range<usize>,
    pub pieces: Vec<Piece>,
}

#[derive(Debug)]
pub enum Piece {
    Raw(String),
    Value(Expr),
}

/// What an expression may see.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The event's fields, filled to the shape of its offer.
    pub event: &'a Map<String, Value>,
    pub facts: BTreeMap<String, FactState>,
    pub steps: BTreeMap<String, StepState>,
    /// Of the instance.
    pub settings: &'a Map<String, Value>,
    /// The connection that reported the event.
    pub connection: &'a str,
    /// The connections of each role.
    pub roles: &'a Roles,
    /// In a step that is repeated: the element of its list; else null.
    pub item: Value,
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
    /// A repeated step is in the plan: its outputs are the holes of its last repetition, named here.
    Last(String),
    /// Done by an earlier decision of this job: its outputs.
    Done(Value),
    /// Refused in an earlier decision of this job, which another step deals with; why.
    Refused(String),
    Skipped,
}

/// Whether a condition holds, and what it looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub yes: bool,
    /// The paths of event, facts, steps and settings that the condition and the `[let]` names in it refer
    /// to, with their values, each once; of a whole record only its `id`.
    pub saw: Vec<(String, Value)>,
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

impl Expr {
    /// Compiles `text`, which stands at `place` of `source`; `name` is the field, for messages.
    pub(super) fn compile(
        source: &Source,
        name: &str,
        text: &str,
        place: Anchor,
    ) -> Result<Self, Box<Problem>> {
        let inner = text.trim();
        let place = place.inside(text.len() - text.trim_start().len());
        let span = place.of(0..inner.len());
        let problem = |message: String, range: Range<usize>| {
            Problem::error(format!("{name}: {message}")).at(source, place.of(range))
        };
        if inner.is_empty() {
            return Err(problem("an empty expression".to_owned(), 0..0)
                .mend("write an expression such as `event.phone`, or leave the key out")
                .into());
        }
        if inner.len() > LONGEST {
            return Err(problem(format!("an expression of more than {LONGEST} bytes"), 0..1)
                .mend("give its parts names in [let]")
                .into());
        }
        if inner.contains("{{") {
            let at = inner.find("{{").unwrap_or(0);
            return Err(problem("an expression stands here without braces".to_owned(), at..at + 2)
                .label("not needed here")
                .mend("write `event.phone`, not `{{ event.phone }}`")
                .into());
        }
        let words = scan::words(inner);
        let run = ENGINE.compile_expression_owned(runnable(inner, &words)).map_err(|error| {
            let range = error.range().unwrap_or(0..inner.len());
            problem(format!("not an expression: {}", what(&error)), range)
                .mend("expressions are Jinja: `facts.order and not closed`, `event.name | cut(50)`")
        })?;
        let code = Arc::new(Code { run, words, place });
        Ok(Self { text: inner.to_owned(), span, code })
    }

    /// The words of the expression; their places: [`Expr::place`].
    pub(super) fn words(&self) -> &Words {
        &self.code.words
    }

    /// Where bytes of the expression stand in the file.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        self.code.place.of(range)
    }
}

/// `none` is the engine's undefined value, so that it equals every absent one; the word is
/// replaced by a name of equal length that the context does not know a value for.
fn runnable(text: &str, words: &Words) -> String {
    let mut runnable = text.to_owned();
    for none in &words.nones {
        runnable.replace_range(none.clone(), "NONE");
    }
    runnable
}

/// The engine's words for an error, without the values that it saw.
pub(super) fn what(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

impl Phrase {
    /// Every expression in it, in order.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Whole(expr) => vec![expr],
            Self::Text(text) => text
                .pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Raw(_) => None,
                    Piece::Value(expr) => Some(expr),
                })
                .collect(),
            Self::List(items) => items.iter().flat_map(Self::exprs).collect(),
            Self::Table(fields) => fields.iter().flat_map(|(_, phrase)| phrase.exprs()).collect(),
        }
    }

    /// Reads a text of the file: a literal, one whole expression, or text around expressions.
    pub(super) fn of_text(
        source: &Source,
        name: &str,
        text: &str,
        span: &Range<usize>,
    ) -> Result<Self, Box<Problem>> {
        let place = Anchor::new(source, span, text);
        let mut pieces = Vec::new();
        let mut at = 0;
        let mut trim_next = false;
        while let Some(open) = opening(&text[at..]).map(|open| at + open) {
            if !text[open..].starts_with("{{") {
                return Err(Problem::error(format!(
                    "{name}: only `{{{{ … }}}}` may stand in a text"
                ))
                .at(source, place.of(open..open + 2))
                .mend("write `{{ event.name if event.name else 'гость' }}`")
                .into());
            }
            let inside = open + 2;
            let Some(close) = closing(&text[inside..]).map(|close| inside + close) else {
                return Err(Problem::error(format!("{name}: `{{{{` is never closed"))
                    .at(source, place.of(open..open + 2))
                    .mend("close the expression with `}}`")
                    .into());
            };
            let trim_left = text[inside..close].starts_with('-');
            let trim_right = text[inside..close].ends_with('-') && close > inside + 1;
            push_raw(&mut pieces, &text[at..open], trim_next, trim_left);
            let start = inside + usize::from(trim_left);
            let end = close - usize::from(trim_right);
            let expr = Expr::compile(source, name, &text[start..end], place.inside(start))?;
            pieces.push(Piece::Value(expr));
            trim_next = trim_right;
            at = close + 2;
        }
        push_raw(&mut pieces, &text[at..], trim_next, false);
        if !pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) {
            return Ok(Self::Literal(Value::String(text.to_owned())));
        }
        if pieces.len() == 1
            && let Some(Piece::Value(expr)) = pieces.pop_if(|_| true)
        {
            return Ok(Self::Whole(expr));
        }
        Ok(Self::Text(Text { text: text.to_owned(), span: span.clone(), pieces }))
    }
}

fn push_raw(pieces: &mut Vec<Piece>, raw: &str, trim_left: bool, trim_right: bool) {
    let raw = if trim_left { raw.trim_start() } else { raw };
    let raw = if trim_right { raw.trim_end() } else { raw };
    if !raw.is_empty() {
        pieces.push(Piece::Raw(raw.to_owned()));
    }
}

fn opening(text: &str) -> Option<usize> {
    ["{{", "{%", "{#"].iter().filter_map(|mark| text.find(mark)).min()
}

/// Where the `}}` of an expression stands: behind its texts and inner braces.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        match first {
            '\'' | '"' => {
                at += scan::quoted(&text[at..]);
                continue;
            }
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
        at += first.len_utf8();
    }
    None
}

impl Anchor {
    /// For the value at `span` of the file whose contents are `text`.
    pub fn new(source: &Source, span: &Range<usize>, text: &str) -> Self {
        let raw = source.text.get(span.clone()).unwrap_or_default();
        let at = ["\"\"\"", "'''", "\"", "'"].iter().find_map(|quote| {
            let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
            let body = if quote.len() == 3 {
                inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n')).unwrap_or(inner)
            } else {
                inner
            };
            (body == text).then(|| span.start + quote.len() + (inner.len() - body.len()))
        });
        Self { at, span: span.clone() }
    }

    /// The same for the part of the text that begins at byte `by`.
    pub fn inside(&self, by: usize) -> Self {
        Self { at: self.at.map(|at| at + by), span: self.span.clone() }
    }

    /// Where bytes of the text stand in the file; the whole value where that is not exact.
    pub fn of(&self, range: Range<usize>) -> Range<usize> {
        self.at.map_or_else(|| self.span.clone(), |at| at + range.start..at + range.end)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("place", &self.place).finish_non_exhaustive()
    }
}
