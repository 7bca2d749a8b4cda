//! A flow against the offers of the connections that it is bound to. Invariant: a path, input or
//! kind that no offer knows is a problem here, never a surprise when a lead comes.

use super::constants;
use super::expr::{Expr, Phrase};
use super::flow::{Bound, Case, FactRule, Flow, StepRule};
use super::scan::Path;
use crate::diagnosis::{Problem, suggest};
use crate::domain::plan::{REFUSED, is_of};
use crate::domain::{EventOffer, Field, Input, Need, Offer, offer::Kind};
use serde_json::{Map, Value};
use std::ops::Range;

/// Everything that is wrong between a flow and what its roles offer. A role that is not bound is an
/// error where the flow should run, else a note.
pub fn check(bound: &Bound, offer_of: &dyn Fn(&str) -> Option<&'static Offer>) -> Vec<Problem> {
    let mut check = Check { bound, flow: &bound.flow, offer_of, problems: Vec::new() };
    check.roles();
    check.event();
    for fact in &check.flow.facts {
        check.fact(fact);
    }
    for (at, step) in check.flow.steps.iter().enumerate() {
        check.step(step, at + 1);
    }
    for expr in exprs(check.flow) {
        for path in &expr.words().paths {
            check.path(expr, path);
        }
    }
    check.times();
    for case in &check.flow.cases {
        check.case(case);
    }
    check.problems
}

/// Every expression of a flow, once.
fn exprs(flow: &Flow) -> Vec<&Expr> {
    let head = flow.on.when.iter().chain(&flow.requires).chain(&flow.delay_from);
    let head = head.chain(flow.lets.iter().map(|(_, expr)| expr));
    let phrases = flow.lane.iter().chain(&flow.fact_lane).chain(&flow.merge);
    let facts = flow.facts.iter().flat_map(FactRule::phrases);
    let with = flow.steps.iter().flat_map(StepRule::phrases);
    let conditions = flow.steps.iter().flat_map(|step| step.when.iter().chain(&step.unless));
    let phrases = phrases.chain(facts).chain(with).flat_map(Phrase::exprs);
    head.chain(phrases).chain(conditions).collect()
}

struct Check<'a> {
    bound: &'a Bound,
    flow: &'a Flow,
    offer_of: &'a dyn Fn(&str) -> Option<&'static Offer>,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn put(&mut self, span: Range<usize>, problem: Problem) {
        self.problems.push(problem.at(&self.flow.source, span));
    }

    /// The offer of a role; `None` also where the file names no role (told by the grammar).
    fn offer(&self, role: &str) -> Option<&'static Offer> {
        if role.is_empty() { None } else { (self.offer_of)(role) }
    }

    fn event_offer(&self) -> Option<&'static EventOffer> {
        self.offer(&self.flow.on.role)?.event(&self.flow.on.event)
    }

    fn outputs(&self, root: &str, name: &str) -> Option<&'static [Field]> {
        if root == "facts" {
            let fact = self.flow.facts.iter().find(|fact| fact.name == name)?;
            return Some(self.offer(&fact.role)?.query(&fact.query)?.output);
        }
        let step = self.flow.steps.iter().find(|step| step.name == name)?;
        Some(self.offer(&step.role)?.operation(&step.operation)?.output)
    }

    fn roles(&mut self) {
        let facts = self.flow.facts.iter().map(|f| (&f.role, format!("facts.{}.ask", f.name)));
        let steps = self.flow.steps.iter().enumerate();
        let steps = steps.map(|(at, step)| (&step.role, format!("step[{}].do", at + 1)));
        let on = std::iter::once((&self.flow.on.role, "flow.on.from".to_owned()));
        let mut told: Vec<&str> = Vec::new();
        for (role, name) in on.chain(facts).chain(steps) {
            let bound = self.bound.roles.iter().filter(|(_, connections)| !connections.is_empty());
            let known: Vec<&str> = bound.map(|(role, _)| role.as_str()).collect();
            if role.is_empty() || known.contains(&role.as_str()) || told.contains(&role.as_str()) {
                continue;
            }
            told.push(role);
            let title = format!("flow `{}`: the role `{role}` is not bound", self.bound.name);
            let problem =
                if self.bound.running { Problem::error(title) } else { Problem::note(title) };
            let problem = problem
                .label(if self.bound.running { "unknown role" } else { "so the flow is off" })
                .mend(format!(
                    "write `{role} = \"CONNECTION\"` under [roles]; {}",
                    suggest(role, &known)
                ));
            self.problems.push(problem.at(&self.flow.source, self.flow.places.value(&name)));
        }
    }

    fn event(&mut self) {
        let on = &self.flow.on;
        let Some(offer) = self.offer(&on.role).filter(|_| !on.event.is_empty()) else { return };
        if offer.event(&on.event).is_none() {
            let known: Vec<&str> = offer.events.iter().map(|event| event.kind).collect();
            self.not_on_offer("flow.on.event", "report", &on.event, offer, &known);
        }
    }

    fn not_on_offer(&mut self, key: &str, verb: &str, word: &str, offer: &Offer, known: &[&str]) {
        let problem = Problem::error(format!("{} does not {verb} `{word}`", offer.connector))
            .label("not on offer")
            .mend(suggest(word, known));
        self.put(self.flow.places.value(key), problem);
    }

    fn fact(&mut self, fact: &FactRule) {
        let Some(offer) = self.offer(&fact.role) else { return };
        let path = format!("facts.{}", fact.name);
        match offer.query(&fact.query) {
            Some(query) => self.inputs(&path, query.input, &fact.input, fact.span.clone()),
            None => {
                let known: Vec<&str> = offer.queries.iter().map(|query| query.name).collect();
                self.not_on_offer(&format!("{path}.ask"), "answer", &fact.query, offer, &known);
            }
        }
    }

    fn step(&mut self, step: &StepRule, at: usize) {
        let Some(offer) = self.offer(&step.role) else { return };
        let path = format!("step[{at}]");
        match offer.operation(&step.operation) {
            Some(operation) => {
                let path = format!("{path}.with");
                self.inputs(&path, operation.input, &step.with, step.span.clone());
            }
            None => {
                let known: Vec<&str> = offer.operations.iter().map(|held| held.name).collect();
                self.not_on_offer(&format!("{path}.do"), "do", &step.operation, offer, &known);
            }
        }
    }

    fn inputs(
        &mut self,
        path: &str,
        inputs: &'static [Input],
        given: &[(String, Phrase)],
        span: Range<usize>,
    ) {
        let known: Vec<&str> = inputs.iter().map(|input| input.name).collect();
        for (name, phrase) in given {
            let path = format!("{path}.{name}");
            match inputs.iter().find(|input| input.name == name) {
                Some(input) => self.kind(&path, &input.kind, phrase),
                None => self.unknown_key(&path, name, &known),
            }
        }
        let has = |name: &str| given.iter().any(|(held, _)| held == name);
        for input in inputs.iter().filter(|input| input.need == Need::Must && !has(input.name)) {
            let problem = Problem::error(format!("{path}: `{}` is missing", input.name))
                .label("lacks an input")
                .mend(format!("write `{} = …`: {}", input.name, input.about));
            self.put(span.clone(), problem);
        }
        let one_of = || inputs.iter().filter(|input| input.need == Need::OneOf);
        if one_of().next().is_some() && !one_of().any(|input| has(input.name)) {
            let names: Vec<&str> = one_of().map(|input| input.name).collect();
            let problem = Problem::error(format!("{path}: one of {} is needed", names.join(", ")))
                .label("lacks an input");
            self.put(span, problem);
        }
    }

    fn unknown_key(&mut self, path: &str, name: &str, known: &[&str]) {
        let problem = Problem::error(format!("{path}: there is no such input"))
            .label("not on offer")
            .mend(suggest(name, known));
        self.put(self.flow.places.key(path), problem);
    }

    /// Can a phrase make a value of this kind? A whole expression may make anything.
    fn kind(&mut self, path: &str, kind: &Kind, phrase: &Phrase) {
        match (kind, phrase) {
            (Kind::Any, _) | (_, Phrase::Whole(_)) => {}
            (Kind::List(kind), Phrase::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.kind(&format!("{path}[{}]", at + 1), kind, item);
                }
            }
            (Kind::Record(fields), Phrase::Table(given)) => {
                let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                for (name, phrase) in given {
                    let path = format!("{path}.{name}");
                    match fields.iter().find(|field| field.name == name) {
                        Some(field) => self.kind(&path, &field.kind, phrase),
                        None => self.unknown_key(&path, name, &known),
                    }
                }
            }
            (Kind::Open(kind), Phrase::Table(given)) => {
                for (name, phrase) in given {
                    self.kind(&format!("{path}.{name}"), kind, phrase);
                }
            }
            (kind, phrase) if fits(kind, phrase) => {}
            (kind, phrase) => {
                let found = found(phrase);
                let problem = Problem::error(format!("{path}: found {found}"))
                    .label(found)
                    .mend(format!("write {}", belongs(kind)));
                self.put(self.flow.places.value(path), problem);
            }
        }
    }

    /// `event.x`, `facts.y.z`, `steps.w.v` against the fields on offer.
    fn path(&mut self, expr: &Expr, path: &Path) {
        let [root, rest @ ..] = path.keys.as_slice() else { return };
        let (fields, keys) = match (root.as_str(), rest) {
            ("event", keys) => (self.event_offer().map(|offer| offer.fields), keys),
            ("steps", [_, refused]) if refused == REFUSED => return,
            ("facts" | "steps", [name, keys @ ..]) => (self.outputs(root, name), keys),
            _ => return,
        };
        let Some(Err((at, known))) = fields.map(|fields| walk(fields, keys)) else { return };
        let name = &keys[at];
        let held = path.keys[..path.keys.len() - keys.len() + at].join(".");
        let problem = Problem::error(format!("`{held}` has no `{name}`"))
            .label("no offer knows this")
            .mend(suggest(name, &known));
        self.put(expr.place(path.span.clone()), problem);
    }

    /// `delay_from` must be a time, and `settle` leave room for the delay.
    fn times(&mut self) {
        if let Some(expr) = &self.flow.delay_from
            && let Some(keys) = constants::alias(&expr.text)
            && let [root, name, keys @ ..] = keys.as_slice()
            && let Some(fields) = self.outputs(root, name)
            && let Some(kind) = kind_at(fields, keys)
            && !matches!(kind, Kind::Time | Kind::Any)
        {
            let problem = Problem::error(format!("flow.delay_from: `{}` is no time", expr.text))
                .label("no time")
                .mend("name a time that a fact has: `facts.order.statusUpdatedAt`");
            self.put(expr.span.clone(), problem);
        }
        if self.flow.settle.is_some_and(|settle| settle < self.bound.delay) {
            let problem = Problem::warning("flow.settle: it is shorter than the delay")
                .label("cuts the delay short")
                .mend("write how long events may put the decision off at most, the delay included");
            self.put(self.flow.places.value("flow.settle"), problem);
        }
    }

    /// Samples and facts of a case may hold only what the offers know.
    fn case(&mut self, case: &'a Case) {
        if let Some(offer) = self.event_offer() {
            self.held(case, "event", offer.fields, &case.event);
        }
        for (root, tables) in [("facts", &case.facts), ("steps", &case.done)] {
            for (name, value) in tables {
                if let (Some(fields), Value::Object(held)) = (self.outputs(root, name), value) {
                    self.held(case, &format!("{root}.{name}"), fields, held);
                }
            }
        }
        for (step, wanted) in &case.expect.with {
            let rule = self.flow.steps.iter().find(|rule| is_of(step, &rule.name));
            let operation =
                rule.and_then(|rule| self.offer(&rule.role)?.operation(&rule.operation));
            self.wanted(case, &format!("with.{step}"), operation.map(|o| o.input), wanted);
        }
        for (fact, wanted) in &case.expect.asks {
            let rule = self.flow.facts.iter().find(|rule| rule.name == *fact);
            let query = rule.and_then(|rule| self.offer(&rule.role)?.query(&rule.query));
            self.wanted(case, &format!("asks.{fact}"), query.map(|q| q.input), wanted);
        }
    }

    fn wanted(
        &mut self,
        case: &Case,
        path: &str,
        inputs: Option<&'static [Input]>,
        wanted: &Value,
    ) {
        let (Some(inputs), Value::Object(wanted)) = (inputs, wanted) else { return };
        let known: Vec<&str> = inputs.iter().map(|input| input.name).collect();
        for name in wanted.keys().filter(|name| !known.contains(&name.as_str())) {
            self.in_case(case, &format!("expect.{path}"), name, &known);
        }
    }

    fn held(&mut self, case: &Case, path: &str, fields: &[Field], held: &Map<String, Value>) {
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        for (name, value) in held {
            match (fields.iter().find(|field| field.name == name).map(|field| field.kind), value) {
                (None, _) => self.in_case(case, path, name, &known),
                (Some(Kind::Record(fields)), Value::Object(held)) => {
                    self.held(case, &format!("{path}.{name}"), fields, held);
                }
                _ => {}
            }
        }
    }

    fn in_case(&mut self, case: &Case, path: &str, name: &str, known: &[&str]) {
        let problem = Problem::error(format!("case `{}`: `{path}` has no `{name}`", case.name))
            .label("no offer knows what this case holds")
            .mend(suggest(name, known));
        self.put(case.span.clone(), problem);
    }
}

/// Follows keys through fields; `Err`: the first key that is not there, and what there is.
fn walk(fields: &[Field], keys: &[String]) -> Result<(), (usize, Vec<&'static str>)> {
    let Some(first) = keys.first() else { return Ok(()) };
    let Some(field) = fields.iter().find(|field| field.name == first) else {
        return Err((0, fields.iter().map(|field| field.name).collect()));
    };
    walk_kind(&field.kind, &keys[1..]).map_err(|(at, known)| (at + 1, known))
}

fn walk_kind(kind: &Kind, keys: &[String]) -> Result<(), (usize, Vec<&'static str>)> {
    match (kind, keys) {
        (_, []) | (Kind::Any, _) => Ok(()),
        (Kind::Record(fields), keys) => walk(fields, keys),
        (Kind::Open(kind), [_, rest @ ..]) => {
            walk_kind(kind, rest).map_err(|(at, known)| (at + 1, known))
        }
        _ => Err((0, Vec::new())),
    }
}

/// The kind of the value that keys lead to, where the fields name it.
fn kind_at(fields: &[Field], keys: &[String]) -> Option<Kind> {
    let (first, rest) = keys.split_first()?;
    let kind = fields.iter().find(|field| field.name == first)?.kind;
    match (kind, rest) {
        (kind, []) => Some(kind),
        (Kind::Record(fields), rest) => kind_at(fields, rest),
        _ => None,
    }
}

fn fits(kind: &Kind, phrase: &Phrase) -> bool {
    let textual = matches!(kind, Kind::Text | Kind::Money | Kind::Phone | Kind::Email | Kind::Time);
    match phrase {
        Phrase::Whole(_) => true,
        Phrase::Text(_) | Phrase::Literal(Value::String(_)) => textual,
        Phrase::Literal(Value::Number(_)) => matches!(kind, Kind::Number),
        Phrase::Literal(Value::Bool(_)) => matches!(kind, Kind::Flag),
        Phrase::Literal(_) | Phrase::List(_) | Phrase::Table(_) => false,
    }
}

fn found(phrase: &Phrase) -> &'static str {
    match phrase {
        Phrase::Literal(Value::Number(_)) => "a number",
        Phrase::Literal(Value::Bool(_)) => "true or false",
        Phrase::List(_) => "a list",
        Phrase::Table(_) => "a table",
        Phrase::Literal(_) | Phrase::Whole(_) | Phrase::Text(_) => "a text",
    }
}

fn belongs(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "a text in quotes",
        Kind::Number => "a number, or one whole expression that makes one",
        Kind::Flag => "true or false, or one whole expression that makes one",
        Kind::Money => "a decimal in quotes: \"1290.50\"",
        Kind::Phone => "a phone in quotes",
        Kind::Email => "an e-mail in quotes",
        Kind::Time => "a time in quotes (RFC 3339)",
        Kind::Record(_) | Kind::Open(_) => "a table: `{ name = … }`",
        Kind::List(_) => "a list: `[…]`",
        Kind::Any => "any value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Severity, Source, line_col, render};
    use crate::mapping::grammar::{Shelf, read};
    use crate::mapping::offers::offer_of;
    use std::sync::Arc;

    const TEXT: &str = r#"
[flow]
name = "a"
on   = { from = "calls", event = "call.finished" }
lane = "{{ event.phone }}"
[facts]
customer = { ask = "crm.customer", phone = "{{ event.phone }}", pick = "newest" }
order    = { ask = "crm.order", customer = "{{ facts.customer.id }}" }
[let]
marked = "facts.order.customFields.anything"
[[step]]
name = "customer"
do   = "crm.customer.create"
with = { firstName = "Звонок {{ event.phone }}", phones = ["{{ event.phone }}"], source = { medium = "x" } }
[[step]]
name   = "create"
do     = "crm.order.create"
unless = "marked"
with   = { customer = "{{ facts.customer.id or steps.customer.id }}", customFields = { any = 1 } }
[[case]]
name   = "a case"
event  = { phone = "1" }
facts  = { customer = { id = 1 } }
expect = { steps = ["create"], with = { create = { customer = 1 } } }
"#;

    fn found(text: &str, roles: &[&str], running: bool) -> Vec<Problem> {
        let (flow, problems) = read(&Source::new("mappings/a.toml", text), &Shelf::default());
        assert!(problems.is_empty(), "{}", render(&problems, false));
        let roles =
            roles.iter().map(|role| ((*role).to_owned(), vec!["shop".to_owned()])).collect();
        let bound = Bound { running, ..Bound::plain(Arc::new(flow), roles) };
        check(&bound, &|role| offer_of(role).filter(|_| bound.roles.contains_key(role)))
    }

    #[test]
    fn a_flow_that_fits_its_offers_has_no_problems() {
        let problems = found(TEXT, &["calls", "crm"], true);
        assert!(problems.is_empty(), "{}", render(&problems, false));
    }

    #[test]
    fn a_role_that_is_not_bound_is_an_error_only_where_the_flow_should_run() {
        for (running, severity) in [(true, Severity::Error), (false, Severity::Note)] {
            let problems = found(TEXT, &["calls", "cmr"], running);
            assert_eq!(problems.len(), 1, "told once: {}", render(&problems, false));
            assert_eq!(problems[0].severity, severity);
            assert!(problems[0].mend.contains("`cmr`"), "{}", problems[0].mend);
        }
    }

    #[test]
    fn whatever_no_offer_knows_is_underlined_with_the_nearest_word() {
        for (from, to, marks, mend) in [
            ("\"call.finished\"", "\"call.finish\"", "\"call.finish\"", "call.finished"),
            ("\"crm.customer\"", "\"crm.custmer\"", "\"crm.custmer\"", "customer"),
            ("\"crm.order.create\"", "\"crm.order.crate\"", "\"crm.order.crate\"", "order.create"),
            ("lane = \"{{ event.phone", "lane = \"{{ event.phnoe", "event.phnoe", "phone"),
            (
                "order.customFields",
                "order.customField",
                "facts.order.customField.anything",
                "customFields",
            ),
            ("or steps.customer.id", "or steps.customer.ide", "steps.customer.ide", "id"),
            ("{ event.phone }}\"], so", "{ event.phone.x }}\"], so", "event.phone.x", ""),
            ("firstName =", "fristName =", "fristName", "firstName"),
            ("source = { medium", "source = { medum", "medum", "medium"),
            ("pick = \"newest\"", "pick = 5", "5", "text"),
            (
                "phones = [\"{{ event.phone }}\"]",
                "phones = \"{{ event.phone }}!\"",
                "\"{{ event.phone }}!\"",
                "a list",
            ),
            (
                "customer = \"{{ facts.customer.id }}\"",
                "customer = \"nr {{ facts.customer.id }}\"",
                "\"nr {{ facts.customer.id }}\"",
                "number",
            ),
            ("phone = \"{{ event.phone }}\", pick", "pick", "customer", ""),
            (
                "customer = \"{{ facts.customer.id or steps.customer.id }}\", ",
                "",
                "\"create\"",
                "customer",
            ),
            (
                "lane =",
                "delay_from = \"facts.order.status\"\nlane =",
                "facts.order.status",
                "a time",
            ),
            ("lane =", "delay = \"2h\"\nsettle = \"1h\"\nlane =", "\"1h\"", "at most"),
            ("lane =", "merge = \"{{ event.idd }}\"\nlane =", "event.idd", "id"),
            ("finished\" }", "finished\", when = \"event.uniq\" }", "event.uniq", "unique"),
            ("pick = \"newest\" }", "of = \"{{ event.site }}\" }", "event.site", "site_id"),
            (
                "do   = \"crm.customer.create\"",
                "do = \"crm.customer.create\"\nof = \"{{ facts.customer.sit }}\"",
                "facts.customer.sit",
                "site",
            ),
            ("event  = { phone", "event = { phnoe", "name", "phone"),
            ("customer = { id = 1 }", "customer = { idd = 1 }", "name", "id"),
            ("create = { customer = 1 }", "create = { custmer = 1 }", "name", "customer"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT, "{from}");
            let problems = found(&text, &["calls", "crm"], true);
            let all = render(&problems, false);
            let told = problems.first().unwrap_or_else(|| panic!("{to}: nothing found"));
            let place = told.place.as_ref().unwrap_or_else(|| panic!("{all}"));
            assert_eq!(&text[place.span.clone()], marks, "{all}");
            assert!(line_col(place).0 > 1);
            assert!(told.mend.contains(mend), "{all}");
        }
    }
}
