//! Evaluation of expressions and phrases. Invariant: pure and bounded (fuel, depth, size); what is
//! not known is an error with its place, never a silent empty text; a hole passes through a value
//! unseen or is an error.

use super::context::{Hole, Record, Root, fact_of, step_of, to_engine, to_json};
use super::expr::{Code, EvalError, Expr, FactState, Held, Phrase, Piece, Scope, StepState};
use super::filters::{self, TABLES};
use super::flow::Flow;
use crate::domain::plan;
use minijinja::Value as Engine;
use minijinja::value::{DynObject, ValueKind};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes of text that one phrase may make.
const LARGEST: usize = 64 * 1024;

impl Flow {
    /// The value of a phrase: none is `Null`, an output of a planned step is a hole.
    ///
    /// # Errors
    /// A fact that is not known yet, or why it cannot be evaluated.
    pub fn value(&self, phrase: &Phrase, scope: &Scope<'_>) -> Result<Value, EvalError> {
        if let Phrase::Literal(value) = phrase {
            return Ok(value.clone());
        }
        let exprs = phrase.exprs();
        let sight = Sight::new(self, &exprs, scope)?;
        sight.value(phrase)
    }

    /// The value of an expression that is no phrase.
    ///
    /// # Errors
    /// A fact that is not known yet, or why it cannot be evaluated.
    pub fn made(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value, EvalError> {
        Sight::new(self, &[expr], scope)?.whole(expr)
    }

    /// Whether a condition holds. An output of a planned step counts as there.
    ///
    /// # Errors
    /// A fact that is not known yet, or why it cannot be evaluated.
    pub fn holds(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Held, EvalError> {
        let sight = Sight::new(self, &[expr], scope)?;
        let value = sight.run(expr)?;
        let mut saw: Vec<(String, Value)> = Vec::new();
        for code in self.codes(&[expr]) {
            for path in &code.words.paths {
                let name = path.keys.join(".");
                if let Some(value) = seen(&path.keys, scope)
                    && !saw.iter().any(|(held, _)| *held == name)
                {
                    saw.push((name, value));
                }
            }
        }
        Ok(Held { yes: value.is_true(), saw })
    }

    /// The facts that a phrase refers to, through `[let]` names too.
    pub fn needs(&self, phrase: &Phrase) -> BTreeSet<String> {
        self.facts_of(&phrase.exprs())
    }

    /// The facts that an expression refers to, through `[let]` names too.
    pub fn needs_of(&self, expr: &Expr) -> BTreeSet<String> {
        self.facts_of(&[expr])
    }

    fn facts_of(&self, exprs: &[&Expr]) -> BTreeSet<String> {
        let codes = self.codes(exprs);
        let paths = codes.iter().flat_map(|code| &code.words.paths);
        paths
            .filter(|path| path.keys[0] == "facts")
            .filter_map(|path| path.keys.get(1).cloned())
            .collect()
    }

    /// The expressions and those of the `[let]` names that they use, each once.
    pub(super) fn codes(&self, exprs: &[&Expr]) -> Vec<Arc<Code>> {
        let mut codes: Vec<Arc<Code>> = exprs.iter().map(|expr| expr.code.clone()).collect();
        let mut at = 0;
        while let Some(code) = codes.get(at).cloned() {
            for path in &code.words.paths {
                let found = self.lets.iter().find(|(name, _)| *name == path.keys[0]);
                if let Some((_, expr)) = found
                    && !codes.iter().any(|held| Arc::ptr_eq(held, &expr.code))
                {
                    codes.push(expr.code.clone());
                }
            }
            at += 1;
        }
        codes
    }
}

/// One phrase's view of the scope.
struct Sight {
    root: Arc<Root>,
    /// Set when a hole was made into text.
    hole_shown: Arc<AtomicBool>,
}

impl Sight {
    fn new(flow: &Flow, exprs: &[&Expr], scope: &Scope<'_>) -> Result<Self, EvalError> {
        let hole_shown = Arc::new(AtomicBool::new(false));
        let codes = flow.codes(exprs);
        let mut event = Record::strict("event");
        let mut facts = Record::strict("facts");
        let mut steps = Record::strict("steps");
        let mut settings = Record::strict("settings");
        let mut roles = Record::strict("roles");
        let mut item = Engine::UNDEFINED;
        let mut lets = BTreeMap::new();
        for path in codes.iter().flat_map(|code| &code.words.paths) {
            let name = path.keys.get(1).map(String::as_str).unwrap_or_default();
            match path.keys[0].as_str() {
                "event" => event.take(name, || scope.event.get(name).map(to_engine)),
                "settings" => settings.take(name, || scope.settings.get(name).map(to_engine)),
                "roles" => {
                    roles.take(name, || Some(to_engine(&scope.roles.get(name).cloned().into())));
                }
                "facts" => match scope.facts.get(name) {
                    Some(FactState::Pending) => return Err(EvalError::Pending(name.to_owned())),
                    Some(FactState::Known(fact)) => facts.take(name, || Some(fact_of(name, fact))),
                    None => {}
                },
                "steps" => {
                    let state = scope.steps.get(name);
                    steps.take(name, || state.map(|state| step_of(name, state, &hole_shown)));
                }
                "item" => item = to_engine(&scope.item),
                "connection" => {}
                name => {
                    if let Some((name, expr)) = flow.lets.iter().find(|(held, _)| held == name) {
                        lets.insert(name.clone(), expr.code.clone());
                    }
                }
            }
        }
        let known = [
            ("event", Engine::from_object(event)),
            ("facts", Engine::from_object(facts)),
            ("steps", Engine::from_object(steps)),
            ("settings", Engine::from_object(settings)),
            ("roles", Engine::from_object(roles)),
            ("connection", Engine::from(scope.connection)),
            ("item", item),
            ("now", Engine::from(scope.now.to_string())),
            (TABLES, Engine::from_dyn_object(DynObject::new(flow.tables.clone()))),
        ];
        let root = Root { known, lets, ready: Mutex::default(), failed: Mutex::default() };
        Ok(Self { root: Arc::new(root), hole_shown })
    }

    fn value(&self, phrase: &Phrase) -> Result<Value, EvalError> {
        match phrase {
            Phrase::Literal(value) => Ok(value.clone()),
            Phrase::Whole(expr) => self.whole(expr),
            Phrase::Text(text) => self.text(&text.pieces, &text.span).map(Value::String),
            Phrase::List(items) => items.iter().map(|item| self.value(item)).collect(),
            Phrase::Table(fields) => {
                let fields: Result<Map<String, Value>, EvalError> = fields
                    .iter()
                    .map(|(name, phrase)| Ok((name.clone(), self.value(phrase)?)))
                    .collect();
                fields.map(Value::Object)
            }
        }
    }

    fn whole(&self, expr: &Expr) -> Result<Value, EvalError> {
        let value = self.run(expr)?;
        let mut room = LARGEST;
        to_json(&value, &mut room).map_err(|message| failed(message, &expr.span))
    }

    fn text(&self, pieces: &[Piece], span: &Range<usize>) -> Result<String, EvalError> {
        let mut made = String::new();
        for piece in pieces {
            match piece {
                Piece::Raw(raw) => made.push_str(raw),
                Piece::Value(expr) => {
                    let value = self.run(expr)?;
                    if let Some(hole) = value.downcast_object_ref::<Hole>() {
                        return Err(failed(hole.in_text(), &expr.span));
                    }
                    if matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)
                    {
                        let message =
                            "a list or a table cannot stand in a text; use `| join(', ')`";
                        return Err(failed(message.to_owned(), &expr.span));
                    }
                    made.push_str(&filters::text(&value).unwrap_or_default());
                }
            }
            if made.len() > LARGEST {
                return Err(failed(too_large(), span));
            }
        }
        Ok(made)
    }

    fn run(&self, expr: &Expr) -> Result<Engine, EvalError> {
        let result = self.root.run(&expr.code);
        if self.hole_shown.load(Ordering::Relaxed) {
            let message = "an output of a step that is only planned cannot be made into text";
            return Err(failed(message.to_owned(), &expr.span));
        }
        result
    }
}

fn failed(message: String, span: &Range<usize>) -> EvalError {
    EvalError::Failed { message, span: span.clone() }
}

pub(super) fn too_large() -> String {
    format!("the value is larger than {} KiB", LARGEST / 1024)
}

/// The value at a path of the scope, as it is kept with a reason; `None` for other names.
fn seen(keys: &[String], scope: &Scope<'_>) -> Option<Value> {
    if let [root, rest @ ..] = keys
        && root == "item"
    {
        return Some(rest.iter().try_fold(&scope.item, |held, key| held.get(key))?.clone());
    }
    if keys == ["connection"] {
        return Some(scope.connection.into());
    }
    let [root, name, rest @ ..] = keys else { return None };
    if root == "roles" {
        return Some(scope.roles.get(name).cloned().into());
    }
    let start = match root.as_str() {
        "event" => scope.event.get(name),
        "settings" => scope.settings.get(name),
        "facts" => match scope.facts.get(name) {
            Some(FactState::Known(value)) => Some(value),
            _ => None,
        },
        "steps" => match scope.steps.get(name) {
            Some(StepState::Done(output)) => Some(output),
            Some(StepState::Planned) => {
                let path: Vec<&str> = rest.iter().map(String::as_str).collect();
                return Some(plan::hole(name, &path));
            }
            Some(StepState::Last(repetition)) => {
                let path: Vec<&str> = rest.iter().map(String::as_str).collect();
                return Some(plan::hole(repetition, &path));
            }
            _ => None,
        },
        _ => return None,
    };
    let found = start.and_then(|start| rest.iter().try_fold(start, |held, key| held.get(key)));
    Some(match found {
        Some(Value::Object(fields)) => match fields.get("id") {
            Some(id) => serde_json::json!({ "id": id }),
            None => Value::Object(fields.clone()),
        },
        Some(value) => value.clone(),
        None => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Source;
    use crate::mapping::Roles;
    use crate::mapping::grammar::{Shelf, read};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::LazyLock;

    /// A flow whose step `probe` has the phrase under test as its input `x`, and the condition
    /// under test as its `when`.
    fn flow(phrase: &str, lets: &str, when: &str) -> Flow {
        let text = format!(
            "[flow]\nname = 'a'\non = {{ from = 'calls', event = 'call.finished' }}\n\
             [settings]\nlink = 'document'\nnouns = []\n\
             [facts]\ncustomer = {{ ask = 'crm.customer' }}\norder = {{ ask = 'crm.order' }}\n\
             gone = {{ ask = 'crm.gone' }}\nlate = {{ ask = 'crm.late' }}\n\
             [let]\nclosed = \"facts.order.status_group in ['complete', 'cancel']\"\n{lets}\n\
             [[step]]\nname = 'planned'\ndo = 'crm.a'\n[[step]]\nname = 'done'\ndo = 'crm.a'\n\
             [[step]]\nname = 'skipped'\ndo = 'crm.a'\n\
             [[step]]\nname = 'probe'\ndo = 'crm.a'\nwhen = '''{when}'''\n\
             with = {{ x = '''{phrase}''' }}\n"
        );
        let mut shelf = Shelf::default();
        let rows = BTreeMap::from([("cpc".to_owned(), json!("Реклама"))]);
        let tables = filters::Tables(BTreeMap::from([("media".to_owned(), rows)]));
        shelf.tables = Arc::new(tables);
        let (flow, problems) = read(&Source::new("a.toml", &text), &shelf);
        assert!(problems.is_empty(), "{}", crate::diagnosis::render(&problems, false));
        flow
    }

    fn event() -> Map<String, Value> {
        let event = json!({
            "phone": "8 (999) 000-00-01", "name": "Иван", "email": null, "empty": "",
            "duration": 42, "flag": true, "list": ["a", "b"], "none_yet": null,
            "time": "2025-05-14T21:03:10Z", "source": "<Не указано>", "wide": "  два   слова ",
            "medium": "cpc",
        });
        match event {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    static SETTINGS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
        Map::from_iter([
            ("link".to_owned(), json!("marker")),
            ("nouns".to_owned(), json!(["call"])),
        ])
    });

    static ROLES: LazyLock<Roles> = LazyLock::new(|| {
        let calls = vec!["calltouch-a".to_owned(), "calltouch-b".to_owned()];
        Roles::from([("calls".to_owned(), calls), ("crm".to_owned(), vec!["shop".to_owned()])])
    });

    fn scope(event: &Map<String, Value>) -> Scope<'_> {
        let order = json!({
            "id": 7, "status_group": "new", "number": null, "totalSumm": "1290.50",
            "customFields": { "calltouch_site_id": "1" },
        });
        Scope {
            event,
            item: Value::Null,
            settings: &SETTINGS,
            connection: "calltouch-b",
            roles: &ROLES,
            facts: BTreeMap::from([
                ("customer".to_owned(), FactState::Known(Value::Null)),
                ("order".to_owned(), FactState::Known(order)),
                ("gone".to_owned(), FactState::Known(Value::Null)),
                ("late".to_owned(), FactState::Pending),
            ]),
            steps: BTreeMap::from([
                ("planned".to_owned(), StepState::Planned),
                ("done".to_owned(), StepState::Done(json!({ "id": 5 }))),
                ("skipped".to_owned(), StepState::Skipped),
                ("probe".to_owned(), StepState::Later),
            ]),
            now: "2025-05-14T12:00:00Z".parse().expect("a time"),
        }
    }

    fn value(phrase: &str) -> Result<Value, EvalError> {
        let flow = flow(phrase, "", "true");
        flow.value(&flow.steps[3].with[0].1, &scope(&event()))
    }

    #[rstest]
    // Types are kept by a whole expression; text around it makes a string.
    #[case("{{ event.duration }}", json!(42))]
    #[case("{{ settings.nouns }}", json!(["call"]))]
    #[case("by {{ settings.link }}", json!("by marker"))]
    #[case("{{ 'Заказ {id}{number}: {totalSumm} {customFields.calltouch_site_id} {' | fill(facts.order) }}",
        json!("Заказ 7: 1290.50 1 {"))]
    #[case("{{ 'Нет {id} { }' | fill(facts.gone) }}", json!("Нет  { }"))]
    #[case("{{ event.list | buttons('flow|7') }}",
        json!([{ "text": "a", "data": "flow|7|a" }, { "text": "b", "data": "flow|7|b" }]))]
    #[case("{{ settings.link | string | length }}", json!(6))]
    #[case("{{ connection }}", json!("calltouch-b"))]
    #[case("{{ roles.crm }}", json!(["shop"]))]
    #[case("{{ connection in roles.calls }}", json!(true))]
    #[case("{{ event.name in roles.calls }}", json!(false))]
    #[case("{{ event.flag }}", json!(true))]
    #[case("{{ event.list }}", json!(["a", "b"]))]
    #[case("{{ facts.order.id }}", json!(7))]
    #[case("№ {{ facts.order.id }}", json!("№ 7"))]
    #[case("{{ event.flag }}!", json!("true!"))]
    #[case("just text", json!("just text"))]
    #[case("{{ {'a': event.duration, 'b': none} }}", json!({ "a": 42, "b": null }))]
    #[case("{{ [event.duration, 1.5] }}", json!([42, 1.5]))]
    // None: an attribute of none is none, none is falsy, renders as empty, equals none.
    #[case("{{ event.none_yet }}", json!(null))]
    #[case("{{ facts.customer.id }}", json!(null))]
    #[case("{{ facts.customer.customFields.x.y }}", json!(null))]
    #[case("<{{ facts.customer.id }}>", json!("<>"))]
    #[case("{{ 'a' ~ facts.customer.id ~ event.none_yet ~ 'b' }}", json!("ab"))]
    #[case("{{ facts.customer == none }}", json!(true))]
    #[case("{{ facts.customer is none and event.none_yet is null }}", json!(true))]
    #[case("{{ facts.order == none or facts.order is none }}", json!(false))]
    #[case("{{ none }}", json!(null))]
    #[case("{{ event.none_yet > 5 or event.none_yet >= 5 }}", json!(false))]
    #[case("{{ facts.customer.id in [1, 2] }}", json!(false))]
    #[case("{{ 'x' in facts.customer.phones }}", json!(false))]
    #[case("{{ facts.order.customFields.unset }}", json!(null))]
    #[case("{{ facts.order.customFields['calltouch_site_id'] }}", json!("1"))]
    #[case("{{ event.empty or event.none_yet or 'last' }}", json!("last"))]
    #[case("{{ event.phone if event.none_yet }}", json!(null))]
    #[case("{{ event.list[7] }}", json!(null))]
    // Filters; none in, none out.
    #[case("{{ event.phone | phone }}", json!("+79990000001"))]
    #[case("{{ event.name | phone }}", json!(null))]
    #[case("{{ event.none_yet | phone | cut(3) | upper | clean | trim }}", json!(null))]
    #[case("{{ 'User@Example.test ' | email }}", json!("user@example.test"))]
    #[case("{{ event.name | cut(2) }}", json!("Ив"))]
    #[case("{{ event.source | clean }}", json!(""))]
    #[case("{{ event.wide | clean }}", json!("два слова"))]
    #[case("{{ event.empty | default('x') ~ (event.none_yet | default('y')) }}", json!("xy"))]
    #[case("{{ event.time | date('%d.%m.%Y %H:%M', 'Europe/Moscow') }}", json!("15.05.2025 00:03"))]
    #[case("{{ event.none_yet | date('%d') }}", json!(null))]
    #[case("{{ now | date('%Y') | int + 1 }}", json!(2026))]
    #[case("{{ event.medium | table('media') }}", json!("Реклама"))]
    #[case("{{ event.name | table('media', 'другое') }}", json!("другое"))]
    #[case("{{ event.name | table('media') }}", json!(null))]
    #[case("{{ event.list | join(', ') }}", json!("a, b"))]
    #[case("{{ event.empty is empty and event.list is not empty }}", json!(true))]
    #[case("{{ event.none_yet | length }}", json!(0))]
    // Steps: outputs of done ones, none of skipped ones, holes of planned ones.
    #[case("{{ steps.done.id }}", json!(5))]
    #[case("{{ steps.skipped.id }}", json!(null))]
    #[case("{{ steps.planned.id }}", plan::hole("planned", &["id"]))]
    #[case("{{ facts.customer.id or steps.planned.id }}", plan::hole("planned", &["id"]))]
    #[case("{{ facts.order.id or steps.planned.id }}", json!(7))]
    #[case("{{ [steps.planned.id] }}", json!([plan::hole("planned", &["id"])]))]
    #[case("{{ event.name if steps.planned }}", json!("Иван"))]
    #[case("{{ event.name if steps.done }}", json!("Иван"))]
    #[case("{{ event.name if steps.skipped }}", json!(null))]
    // Whitespace marks, braces in texts.
    #[case("a {{- event.duration -}} b", json!("a42b"))]
    #[case("{{ '}}' ~ event.duration }}", json!("}}42"))]
    #[case("{{ {'a': {}} }}", json!({ "a": {} }))]
    fn phrases_have_their_values(#[case] phrase: &str, #[case] expected: Value) {
        assert_eq!(value(phrase), Ok(expected), "{phrase}");
    }

    #[rstest]
    #[case("{{ event.phnoe }}", "`event.phnoe` is not known", "event.phnoe")]
    #[case(
        "{{ event.name ~ facts.order.stauts }}",
        "`facts.order.stauts` is not known",
        "facts.order.stauts"
    )]
    #[case(
        "{{ facts.order.id }} {{ steps.planned.id }}",
        "only when the step is done",
        "steps.planned.id"
    )]
    #[case("{{ 'x' ~ steps.planned.id }}", "only planned", "'x' ~ steps.planned.id")]
    #[case("{{ steps.planned.id | string }}", "only planned", "steps.planned.id | string")]
    #[case("a {{ event.list }}", "join", "event.list")]
    #[case("{{ event.name + 1 }}", "", "event.name + 1")]
    #[case("{{ event.name | date('%d') }}", "no time", "date")]
    #[case("{{ now | date('%d', 'Mars') }}", "no time zone", "date('%d', 'Mars')")]
    #[case("{{ 'x' * 100000 }}", "larger", "'x' * 100000")]
    fn what_cannot_be_evaluated_is_an_error_with_its_place(
        #[case] phrase: &str,
        #[case] says: &str,
        #[case] marks: &str,
    ) {
        let flow = flow(phrase, "", "true");
        let error = flow.value(&flow.steps[3].with[0].1, &scope(&event()));
        let Err(EvalError::Failed { message, span }) = error else {
            panic!("{phrase}: {error:?}");
        };
        assert!(message.contains(says), "{message}");
        assert!(!message.contains("Иван"), "no values: {message}");
        let marked = &flow.source.text[span];
        assert!(marked.contains(marks) && marked.len() < marks.len() + 12, "{marked}");
    }

    #[test]
    fn large_values_and_long_expressions_have_bounds() {
        let lets = "a = \"'x' * 60000\"\nb = \"a ~ a ~ a\"";
        let large = flow("{{ b }}", lets, "true");
        let made = large.value(&large.steps[3].with[0].1, &scope(&event()));
        assert!(matches!(made, Err(EvalError::Failed { .. })));
        // As long as an expression may be, and as deep as its length allows.
        for deep in ["1+".repeat(1000) + "1", "(".repeat(900) + "1", "not ".repeat(500) + "1"] {
            let text = format!("[let]\nx = '{deep}'\n");
            read(&Source::new("a.toml", text), &Shelf::default());
        }
        let long = format!("[let]\nx = '{}1'\n", "1+".repeat(9000));
        let (_, problems) = read(&Source::new("a.toml", long), &Shelf::default());
        assert!(problems.iter().any(|problem| problem.title.contains("more than 2048 bytes")));
    }

    #[test]
    fn facts_that_are_not_known_yet_are_told_before_anything_is_evaluated() {
        let flow =
            flow("{{ event.name or facts.late.id }}", "x = 'facts.late.id'", "not closed and x");
        let probe = &flow.steps[3];
        let event = event();
        let pending = Err(EvalError::Pending("late".to_owned()));
        assert_eq!(flow.value(&probe.with[0].1, &scope(&event)), pending);
        let when = probe.when.as_ref().expect("a condition");
        assert!(matches!(flow.holds(when, &scope(&event)), Err(EvalError::Pending(_))));
        let needs: Vec<String> = flow.needs_of(when).into_iter().collect();
        assert_eq!(needs, ["late", "order"]);
        assert_eq!(flow.needs(&probe.with[0].1).len(), 1);
    }

    #[test]
    fn a_condition_tells_what_it_saw_through_its_names_once() {
        let lets = "marked = 'facts.order.customFields.calltouch_site_id'";
        let flow = flow(
            "x",
            lets,
            "not facts.order or closed or marked or steps.planned.id or facts.gone.id or closed",
        );
        let when = flow.steps[3].when.as_ref().expect("a condition");
        let held = flow.holds(when, &scope(&event())).expect("it holds");
        assert!(held.yes);
        assert_eq!(
            held.saw,
            [
                ("facts.order".to_owned(), json!({ "id": 7 })),
                ("steps.planned.id".to_owned(), plan::hole("planned", &["id"])),
                ("facts.gone.id".to_owned(), Value::Null),
                ("facts.order.status_group".to_owned(), json!("new")),
                ("facts.order.customFields.calltouch_site_id".to_owned(), json!("1")),
            ]
        );
    }

    #[test]
    fn names_are_evaluated_on_first_use_and_fail_with_their_own_place() {
        let lets = "broken = 'event.name + 1'\nfine = 'event.duration * 2'";
        let flow = flow("{{ fine if true else broken }}", lets, "broken");
        let event = event();
        let made = flow.value(&flow.steps[3].with[0].1, &scope(&event));
        assert_eq!(made, Ok(json!(84)), "the broken one is never looked at");
        let when = flow.steps[3].when.as_ref().expect("a condition");
        let Err(EvalError::Failed { span, .. }) = flow.holds(when, &scope(&event)) else {
            panic!("it must fail");
        };
        assert_eq!(&flow.source.text[span], "event.name + 1");
    }

    #[test]
    fn nothing_personal_is_in_debug_output() {
        let flow = flow("{{ event.name }}", "", "true");
        let scope_event = event();
        let scope = scope(&scope_event);
        let exprs = flow.steps[3].with[0].1.exprs();
        let sight = Sight::new(&flow, &exprs, &scope).expect("a sight");
        let scope_debug = format!("{:?}", Record::of("event", &scope_event));
        assert!(!format!("{:?} {scope_debug}", sight.root).contains("Иван"));
    }

    const VALUES: &[&str] = &[
        "event.name",
        "event.none_yet",
        "event.list",
        "event.duration",
        "event.flag",
        "event.time",
        "facts.order",
        "facts.customer",
        "facts.order.customFields",
        "steps.planned",
        "steps.planned.id",
        "steps.done",
        "now",
        "none",
        "[]",
        "[none, steps.planned, facts.order]",
        "{'a': none}",
        "'x'",
        "0",
        "-1",
        "99999999999999999999",
        "1.5",
        "true",
        "(1, 2)",
    ];
    const OPERATORS: &[&str] = &[
        "or",
        "and",
        "==",
        "<",
        ">=",
        "in",
        "not in",
        "~",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        "is not none and",
        "if",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
        #[test]
        fn no_combination_panics_the_engine(
            one in proptest::sample::select(VALUES),
            operator in proptest::sample::select(OPERATORS),
            other in proptest::sample::select(VALUES),
            filter in proptest::sample::select(filters::FILTERS),
            argument in proptest::sample::select(VALUES),
            bare in proptest::bool::ANY,
        ) {
            let call = if bare { filter.to_owned() } else { format!("{filter}({argument})") };
            let text = format!("[[step]]\nwith = {{ x = \"\"\"{{{{ ({one} {operator} {other}) | {call} }}}}\"\"\" }}");
            let (flow, _) = read(&Source::new("a.toml", text), &Shelf::default());
            let event = event();
            for (_, phrase) in flow.steps.iter().flat_map(|step| &step.with) {
                if let Err(EvalError::Failed { message, .. }) = flow.value(phrase, &scope(&event)) {
                    assert!(!message.contains("Иван"), "{message}");
                }
            }
        }
    }
}
