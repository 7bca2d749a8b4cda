//! Names inside one file: what expressions refer to must exist and be known by then. Invariant:
//! everything that can be told without an offer is told here, with its place.

use super::expr::{Expr, Phrase};
use super::filters::{FILTERS, TESTS};
use super::flow::{FactRule, Flow};
use super::scan::{Path, Word};
use crate::diagnosis::{Problem, suggest};
use std::ops::Range;

/// What a path may begin with, beside the `[let]` names.
pub const ROOTS: &[&str] =
    &["event", "facts", "steps", "settings", "connection", "roles", "item", "now"];
/// Those that are a value of their own.
const WHOLE: &[&str] = &["connection", "item", "now"];

/// Words of the expression language, which cannot be names.
pub const RESERVED: &[&str] = &[
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "True", "False", "none", "None",
    "null", "NONE", "loop", "self",
];

/// What is known where an expression is evaluated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// When the event is routed: `on.when`, `requires`, `lane`, `merge`.
    Event,
    /// When facts are asked, or about to be: facts, `fact_lane`.
    Facts,
    /// When every fact is known and nothing is planned: `delay_from`; `of`, `each` and `within` of a
    /// step.
    Plan,
    /// In the step of this number.
    Step(usize),
}

/// Everything that is wrong with the names of a flow.
pub fn check(flow: &Flow) -> Vec<Problem> {
    let mut found = Found { flow, problems: Vec::new() };
    for (_, expr) in &flow.lets {
        found.words(expr);
    }
    found.let_cycles();
    for (known, exprs) in places(flow) {
        for expr in exprs {
            found.words(expr);
            found.order(expr, known);
        }
    }
    found.fact_cycles();
    found.needs();
    found.problems
}

/// Every expression but those of `[let]`, with what is known where it stands.
fn places(flow: &Flow) -> Vec<(Known, Vec<&Expr>)> {
    let mut places: Vec<(Known, Vec<&Expr>)> = vec![
        (Known::Event, flow.on.when.iter().chain(&flow.requires).collect()),
        (Known::Event, flow.lane.iter().chain(&flow.merge).flat_map(Phrase::exprs).collect()),
        (Known::Plan, flow.delay_from.iter().collect()),
        (Known::Facts, flow.fact_lane.iter().flat_map(Phrase::exprs).collect()),
    ];
    for fact in &flow.facts {
        places.push((Known::Facts, fact.phrases().flat_map(Phrase::exprs).collect()));
    }
    for (at, step) in flow.steps.iter().enumerate() {
        let conditions = step.when.iter().chain(&step.unless);
        let inputs = step.with.iter().flat_map(|(_, phrase)| phrase.exprs());
        places.push((Known::Step(at), conditions.chain(inputs).collect()));
        places.push((Known::Plan, step.ahead().flat_map(Phrase::exprs).collect()));
    }
    places
}

struct Found<'a> {
    flow: &'a Flow,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn put(&mut self, span: Range<usize>, problem: Problem) {
        self.problems.push(problem.at(&self.flow.source, span));
    }

    /// Paths, filters, tests and calls of one expression.
    fn words(&mut self, expr: &Expr) {
        let words = expr.words();
        for path in &words.paths {
            self.path(expr, path);
        }
        for filter in &words.filters {
            self.word(expr, filter, "filter", FILTERS);
            if filter.name == "table" {
                self.table(expr, filter);
            }
        }
        for test in &words.tests {
            self.word(expr, test, "test", TESTS);
        }
        for call in &words.calls {
            let problem = Problem::error(format!("`{}(…)`: there are no functions", call.name))
                .label("no function")
                .mend(format!("use filters: {}", FILTERS.join(", ")));
            self.put(expr.place(call.span.clone()), problem);
        }
    }

    fn word(&mut self, expr: &Expr, word: &Word, noun: &str, known: &[&str]) {
        if !known.contains(&word.name.as_str()) {
            let problem = Problem::error(format!("there is no {noun} `{}`", word.name))
                .label(format!("unknown {noun}"))
                .mend(suggest(&word.name, known));
            self.put(expr.place(word.span.clone()), problem);
        }
    }

    fn table(&mut self, expr: &Expr, filter: &Word) {
        let known: Vec<&str> = self.flow.tables.0.keys().map(String::as_str).collect();
        match &filter.argument {
            Some((name, _)) if known.contains(&name.as_str()) => {}
            Some((name, span)) => {
                let problem = Problem::error(format!("there is no table `{name}`"))
                    .label("unknown table")
                    .mend(format!("write tables/{name}.toml; {}", suggest(name, &known)));
                self.put(expr.place(span.clone()), problem);
            }
            None => {
                let problem = Problem::error("`table` without the name of a table")
                    .mend("write `event.utm_source | table('sources', 'other')`");
                self.put(expr.place(filter.span.clone()), problem);
            }
        }
    }

    fn path(&mut self, expr: &Expr, path: &Path) {
        let span = expr.place(path.span.clone());
        let root = path.keys[0].as_str();
        let lets = self.flow.places.keys_of("let");
        if lets.clone().any(|name| name == root) || WHOLE.contains(&root) {
            return;
        }
        if !ROOTS.contains(&root) {
            let known: Vec<&str> = ROOTS.iter().copied().chain(lets).collect();
            let problem = Problem::error(format!("`{root}` is not known"))
                .label("unknown name")
                .mend(suggest(root, &known));
            return self.put(span, problem);
        }
        let Some(name) = path.keys.get(1) else {
            let problem = Problem::error(format!("`{root}` is a table of its own"))
                .label("name what of it")
                .mend(format!("write `{root}.NAME`"));
            return self.put(span, problem);
        };
        let names: Vec<&str> = match root {
            "facts" => self.flow.facts.iter().map(|fact| fact.name.as_str()).collect(),
            "steps" => self.flow.steps.iter().map(|step| step.name.as_str()).collect(),
            "settings" => self.flow.places.keys_of("settings").collect(),
            "roles" => self.flow.roles(),
            _ => return,
        };
        if root == "steps" && path.operand {
            let problem = Problem::error(format!("`{}` is compared", path.keys.join(".")))
                .label("known only when the step is done")
                .mend("pass it on as a whole value, or ask whether it is there: `steps.NAME`");
            self.put(span.clone(), problem);
        }
        if !names.contains(&name.as_str()) {
            let noun = root.trim_end_matches('s');
            let problem = Problem::error(format!("`{root}.{name}`: there is no such {noun}"))
                .label("unknown name")
                .mend(suggest(name, &names));
            self.put(span, problem);
        }
    }

    /// Nothing may be used before it is known, through `[let]` names neither.
    fn order(&mut self, expr: &Expr, known: Known) {
        for code in self.flow.codes(&[expr]) {
            for path in &code.words.paths {
                let why = match (path.keys[0].as_str(), known) {
                    ("item", Known::Step(at)) if self.flow.steps[at].each.is_some() => continue,
                    ("item", _) => "only a step with `each` knows `item`",
                    ("facts" | "steps", Known::Event) => "only `event` is known here",
                    ("steps", Known::Facts) => "no step is known when facts are asked",
                    ("steps", Known::Plan) => "only `event` and `facts` are known here",
                    ("steps", Known::Step(at)) if !self.is_before(path, at) => {
                        "a step knows only the steps before it"
                    }
                    _ => continue,
                };
                // Through a `[let]` name: the whole expression here is to blame.
                let own = std::sync::Arc::ptr_eq(&code, &expr.code);
                let span = if own { expr.place(path.span.clone()) } else { expr.span.clone() };
                let title = format!("`{}` is not known yet", path.keys.join("."));
                self.put(span, Problem::error(title).label("too early").mend(why));
            }
        }
    }

    /// True also for names that are no step: they are a problem of their own.
    fn is_before(&self, path: &Path, at: usize) -> bool {
        let name = path.keys.get(1);
        let place = self.flow.steps.iter().position(|step| Some(&step.name) == name);
        place.is_none_or(|place| place < at)
    }

    fn let_cycles(&mut self) {
        for (name, expr) in &self.flow.lets {
            let cyclic = expr.words().paths.iter().any(|path| {
                let used = self.flow.lets.iter().find(|(held, _)| *held == path.keys[0]);
                used.is_some_and(|(_, used)| {
                    self.flow
                        .codes(&[used])
                        .iter()
                        .any(|code| std::sync::Arc::ptr_eq(code, &expr.code))
                })
            });
            if cyclic {
                let problem = Problem::error(format!("let.{name} needs itself"))
                    .label("goes round in a circle")
                    .mend("write it without the names that use it");
                self.put(expr.span.clone(), problem);
            }
        }
    }

    fn fact_cycles(&mut self) {
        for fact in &self.flow.facts {
            let mut needed: Vec<String> = vec![fact.name.clone()];
            let mut at = 0;
            let mut cyclic = false;
            while let Some(name) = needed.get(at).cloned() {
                let rule = self.flow.facts.iter().find(|rule| rule.name == name);
                for phrase in rule.into_iter().flat_map(FactRule::phrases) {
                    for need in self.flow.needs(phrase) {
                        cyclic |= need == fact.name;
                        if !needed.contains(&need) {
                            needed.push(need);
                        }
                    }
                }
                at += 1;
            }
            if cyclic {
                let problem = Problem::error(format!("facts.{} needs itself", fact.name))
                    .label("goes round in a circle")
                    .mend("ask it without the facts that need it");
                self.put(fact.span.clone(), problem);
            }
        }
    }

    fn needs(&mut self) {
        for (at, step) in self.flow.steps.iter().enumerate() {
            let before: Vec<&str> =
                self.flow.steps[..at].iter().map(|step| step.name.as_str()).collect();
            for need in step.needs.iter().flatten() {
                if !before.contains(&need.as_str()) {
                    let span = self.flow.places.value(&format!("step[{}].needs.{need}", at + 1));
                    let problem =
                        Problem::error(format!("needs: no step `{need}` before this one"))
                            .label("unknown step")
                            .mend(suggest(need, &before));
                    self.put(span, problem);
                }
            }
            if let Some(of) = step.if_refused.as_ref().filter(|of| !before.contains(&of.as_str())) {
                let span = self.flow.places.value(&format!("step[{}].if_refused", at + 1));
                let problem = Problem::error(format!("if_refused: no step `{of}` before this one"))
                    .label("unknown step")
                    .mend(suggest(of, &before));
                self.put(span, problem);
            }
        }
    }
}
