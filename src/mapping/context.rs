//! What an expression sees while it runs: the values behind its names. Invariant: none is the
//! engine's undefined value; a name that is not known is an error with its path; a hole passes
//! through unseen; `Debug` shows no contents, since they are personal data.

use super::eval::too_large;
use super::expr::{Code, EvalError, StepState, what};
use crate::domain::plan;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value as Engine};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The names that an expression may begin with. `[let]` names are evaluated on first use.
pub struct Root {
    pub known: [(&'static str, Engine); 9],
    pub lets: BTreeMap<String, Arc<Code>>,
    pub ready: Mutex<BTreeMap<String, Engine>>,
    /// The first failure inside a `[let]`, with its own place.
    pub failed: Mutex<Option<EvalError>>,
}

impl Root {
    pub fn run(self: &Arc<Self>, code: &Code) -> Result<Engine, EvalError> {
        code.run.eval(Engine::from_dyn_object(DynObject::new(self.clone()))).map_err(|error| {
            let mut inner = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            inner.take().unwrap_or_else(|| {
                let range = error.range().unwrap_or(0..0);
                // The engine marks the end of a path; a person reads it whole.
                let holds =
                    |span: &Range<usize>| span.start <= range.start && range.end <= span.end;
                let path = code.words.paths.iter().map(|path| &path.span).find(|span| holds(span));
                let span = code.place.of(path.unwrap_or(&range).clone());
                EvalError::Failed { message: what(&error), span }
            })
        })
    }

    fn let_value(self: &Arc<Self>, name: &str, code: &Code) -> Engine {
        if let Some(value) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return value.clone();
        }
        match self.run(code) {
            Ok(value) => {
                let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                ready.insert(name.to_owned(), value.clone());
                value
            }
            Err(error) => {
                let message = error.to_string();
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Engine::from(Error::new(ErrorKind::InvalidOperation, message))
            }
        }
    }
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        if let Some((_, value)) = self.known.iter().find(|(name, _)| *name == key) {
            return Some(value.clone());
        }
        if let Some(code) = self.lets.get(key) {
            return Some(self.let_value(key, code));
        }
        // The word that `none` is compiled to.
        if key == "NONE" {
            return Some(Engine::UNDEFINED);
        }
        Some(unknown(key))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").finish_non_exhaustive()
    }
}

/// A table of the scope. A strict one refuses keys that it does not have.
pub struct Record {
    path: String,
    fields: BTreeMap<String, Engine>,
    strict: bool,
    /// True even where it is empty.
    solid: bool,
}

impl Record {
    pub fn strict(path: &str) -> Self {
        Self { path: path.to_owned(), fields: BTreeMap::new(), strict: true, solid: true }
    }

    pub fn of(path: &str, fields: &Map<String, Value>) -> Self {
        let fields = fields.iter().map(|(key, value)| (key.clone(), to_engine(value))).collect();
        Self { path: path.to_owned(), fields, strict: false, solid: false }
    }

    /// Once for each name, however many paths begin with it: a fact may be a whole order.
    pub fn take(&mut self, name: &str, value: impl FnOnce() -> Option<Engine>) {
        if !self.fields.contains_key(name)
            && let Some(value) = value()
        {
            self.fields.insert(name.to_owned(), value);
        }
    }
}

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        match self.fields.get(key) {
            Some(value) => Some(value.clone()),
            None if self.strict => Some(unknown(&format!("{}.{key}", self.path))),
            None => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.keys().map(|key| Engine::from(key.as_str())).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.solid || !self.fields.is_empty()
    }
}

/// Shows no contents: they are personal data.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", self.path)
    }
}

/// An output of a step that is planned.
#[derive(Debug)]
pub struct Hole {
    step: String,
    path: Vec<String>,
    shown: Arc<AtomicBool>,
}

impl Hole {
    fn to_json(&self) -> Value {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        plan::hole(&self.step, &path)
    }

    pub fn in_text(&self) -> String {
        let path = self
            .path
            .iter()
            .fold(format!("steps.{}", self.step), |held, key| format!("{held}.{key}"));
        format!(
            "`{path}` is known only when the step is done: it may be a whole value, not part of a text"
        )
    }
}

impl Object for Hole {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        let mut path = self.path.clone();
        path.push(key.to_string());
        let shown = self.shown.clone();
        Some(Engine::from_object(Self { step: self.step.clone(), path, shown }))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.store(true, Ordering::Relaxed);
        f.write_str("…")
    }
}

fn unknown(path: &str) -> Engine {
    Engine::from(Error::new(ErrorKind::UndefinedError, format!("`{path}` is not known")))
}

/// A fact has the shape of its offer: all that the offer names is there, other keys are unknown.
pub fn fact_of(name: &str, fact: &Value) -> Engine {
    match fact {
        Value::Object(fields) => Engine::from_object(Record {
            strict: true,
            solid: true,
            ..Record::of(&format!("facts.{name}"), fields)
        }),
        other => to_engine(other),
    }
}

pub fn step_of(name: &str, state: &StepState, shown: &Arc<AtomicBool>) -> Engine {
    match state {
        StepState::Later | StepState::Skipped => Engine::UNDEFINED,
        StepState::Planned => hole_of(name, shown),
        StepState::Last(repetition) => hole_of(repetition, shown),
        StepState::Refused(why) => to_engine(&plan::refusal(why)),
        StepState::Done(Value::Object(fields)) => {
            Engine::from_object(Record { solid: true, ..Record::of("", fields) })
        }
        // A far side that told nothing: still done.
        StepState::Done(_) => {
            Engine::from_object(Record { solid: true, ..Record::of("", &Map::new()) })
        }
    }
}

fn hole_of(step: &str, shown: &Arc<AtomicBool>) -> Engine {
    let shown = shown.clone();
    Engine::from_object(Hole { step: step.to_owned(), path: Vec::new(), shown })
}

/// JSON as the engine sees it; null is its undefined value.
pub fn to_engine(value: &Value) -> Engine {
    match value {
        Value::Null => Engine::UNDEFINED,
        Value::Bool(flag) => Engine::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Engine::from(number),
            (None, Some(number)) => Engine::from(number),
            (None, None) => Engine::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Engine::from(text.as_str()),
        Value::Array(items) => Engine::from(items.iter().map(to_engine).collect::<Vec<_>>()),
        Value::Object(fields) => Engine::from_object(Record::of("", fields)),
    }
}

/// What the engine made, as JSON; `room` is how many bytes of text may still come.
pub fn to_json(value: &Engine, room: &mut usize) -> Result<Value, String> {
    if let Some(hole) = value.downcast_object_ref::<Hole>() {
        return Ok(hole.to_json());
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number => Ok(number(value)),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            *room = room.checked_sub(text.len()).ok_or_else(too_large)?;
            Ok(Value::String(text.to_owned()))
        }
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()
            .map_err(|error| what(&error))?
            .map(|item| {
                *room = room.checked_sub(1).ok_or_else(too_large)?;
                to_json(&item, room)
            })
            .collect(),
        ValueKind::Map => {
            let mut fields = Map::new();
            for key in value.try_iter().map_err(|error| what(&error))? {
                *room = room.checked_sub(1).ok_or_else(too_large)?;
                let item = value.get_item(&key).map_err(|error| what(&error))?;
                fields.insert(key.to_string(), to_json(&item, room)?);
            }
            Ok(Value::Object(fields))
        }
        kind => Err(format!("{kind} is no value")),
    }
}

fn number(value: &Engine) -> Value {
    if let Some(whole) = value.as_i64().filter(|_| value.is_integer()) {
        return whole.into();
    }
    if let Ok(whole) = u64::try_from(value.clone()) {
        return whole.into();
    }
    f64::try_from(value.clone()).map_or(Value::Null, Value::from)
}
