//! What a flow uses of a connection: events, queries, operations, and every code of the far side's
//! lists that stands written in it. Invariant: pure; a code that is made of an event (or of a fact)
//! is not told, for nobody knows it before the event is there.

use super::constants::{self, Told};
use super::expr::{Expr, Phrase};
use super::flow::{Bound, Flow};
use crate::diagnosis::Place;
use crate::domain::offer::{Field, Input, Kind, Offer};
use crate::domain::{Use, Way, What};
use serde_json::Value;
use std::ops::Range;

/// What `bound` uses of `connection`, which offers `offer`.
pub fn uses(bound: &Bound, connection: &str, offer: &'static Offer) -> Vec<Use> {
    let mut seek = Seek { bound, flow: &bound.flow, connection, offer, found: Vec::new() };
    seek.event();
    seek.facts();
    seek.steps();
    for (part, expr) in exprs(seek.flow) {
        seek.reads(&part, expr);
    }
    seek.found
}

/// Every expression with the part of the flow that it stands in.
fn exprs(flow: &Flow) -> Vec<(String, &Expr)> {
    let mut all: Vec<(String, &Expr)> =
        flow.lets.iter().map(|(name, expr)| (format!("let {name}"), expr)).collect();
    all.extend(flow.on.when.iter().map(|expr| ("on".to_owned(), expr)));
    all.extend(flow.requires.iter().map(|expr| ("requires".to_owned(), expr)));
    all.extend(flow.delay_from.iter().map(|expr| ("delay_from".to_owned(), expr)));
    let merge = flow.merge.iter().flat_map(Phrase::exprs);
    all.extend(merge.map(|expr| ("merge".to_owned(), expr)));
    let lanes = flow.lane.iter().chain(&flow.fact_lane).flat_map(Phrase::exprs);
    all.extend(lanes.map(|expr| ("lane".to_owned(), expr)));
    for fact in &flow.facts {
        let exprs = fact.phrases().flat_map(Phrase::exprs);
        all.extend(exprs.map(|expr| (format!("fact {}", fact.name), expr)));
    }
    for step in &flow.steps {
        let inputs = step.phrases().flat_map(Phrase::exprs);
        let exprs = step.when.iter().chain(&step.unless).chain(inputs);
        all.extend(exprs.map(|expr| (format!("step {}", step.name), expr)));
    }
    all
}

struct Seek<'a> {
    bound: &'a Bound,
    flow: &'a Flow,
    connection: &'a str,
    offer: &'static Offer,
    found: Vec<Use>,
}

/// Where something stands: the part of the flow, the field, the bytes of the file.
type At<'a> = (&'a str, &'a str, Range<usize>);

impl Seek<'_> {
    fn put(&mut self, what: What, (part, field, span): At<'_>) {
        let known = self.found.iter().any(|held| held.what == what && held.part == part);
        if known {
            return;
        }
        self.found.push(Use {
            what,
            flow: self.bound.name.clone(),
            part: part.to_owned(),
            field: field.to_owned(),
            running: self.bound.running,
            place: Place { source: self.flow.source.clone(), span },
        });
    }

    fn is_ours(&self, role: &str, of: Option<&Phrase>) -> bool {
        self.bound.reaches(role, of).iter().any(|name| name == self.connection)
    }

    /// Events may come from each connection of a role.
    fn listens(&self) -> bool {
        self.bound.connections(&self.flow.on.role).iter().any(|name| name == self.connection)
    }

    fn event(&mut self) {
        if self.listens() {
            let event = self.flow.on.event.clone();
            let span = self.flow.places.value("flow.on.event");
            self.put(What::Event(event), ("on", "", span));
        }
    }

    fn facts(&mut self) {
        for fact in &self.flow.facts {
            let ours = self.is_ours(&fact.role, fact.of.as_ref());
            let Some(query) = self.offer.query(&fact.query).filter(|_| ours) else { continue };
            let (part, path) = (format!("fact {}", fact.name), format!("facts.{}", fact.name));
            let span = self.flow.places.value(&format!("{path}.ask"));
            self.put(What::Query(fact.query.clone()), (&part, "", span));
            self.inputs(query.input, &fact.input, &part, &path, Way::Read);
        }
    }

    fn steps(&mut self) {
        for (at, step) in self.flow.steps.iter().enumerate() {
            let operation = self.offer.operation(&step.operation);
            let ours = self.is_ours(&step.role, step.of.as_ref());
            let Some(operation) = operation.filter(|_| ours) else { continue };
            let (part, path) = (format!("step {}", step.name), format!("step[{}]", at + 1));
            let span = self.flow.places.value(&format!("{path}.do"));
            self.put(What::Operation(step.operation.clone()), (&part, "", span));
            self.inputs(operation.input, &step.with, &part, &format!("{path}.with"), Way::Written);
        }
    }

    fn inputs(
        &mut self,
        inputs: &'static [Input],
        given: &[(String, Phrase)],
        part: &str,
        path: &str,
        way: Way,
    ) {
        for (name, phrase) in given {
            let Some(input) = inputs.iter().find(|input| input.name == name) else { continue };
            let path = format!("{path}.{name}");
            let place = Given { part, path: &path, field: name, way };
            self.given(&input.kind, input.codes, phrase, &place);
        }
    }

    fn given(
        &mut self,
        kind: &'static Kind,
        codes: Option<&'static str>,
        phrase: &Phrase,
        at: &Given<'_>,
    ) {
        match (kind, codes, phrase) {
            (Kind::Open(_), Some(list), Phrase::Table(fields)) => {
                for (code, phrase) in fields {
                    // An empty value is left out of the request.
                    if !matches!(phrase, Phrase::Literal(value) if text(value).is_none()) {
                        let span = self.flow.places.key(&format!("{}.{code}", at.path));
                        let field = format!("{}.{code}", at.field);
                        let what = What::Code { list, code: code.clone(), way: at.way };
                        self.put(what, (at.part, &field, span));
                    }
                }
            }
            (Kind::Record(fields), _, Phrase::Table(given)) => {
                for (name, phrase) in given {
                    let Some(known) = fields.iter().find(|field| field.name == name) else {
                        continue;
                    };
                    let path = format!("{}.{name}", at.path);
                    let field = format!("{}.{name}", at.field);
                    let inside = Given { path: &path, field: &field, ..*at };
                    self.given(&known.kind, known.codes, phrase, &inside);
                }
            }
            (_, Some(list), Phrase::Literal(value)) => {
                if let Some(code) = text(value) {
                    let span = self.flow.places.value(at.path);
                    let what = What::Code { list, code, way: at.way };
                    self.put(what, (at.part, at.field, span));
                }
            }
            (_, Some(list), Phrase::Whole(expr)) => {
                for (code, span) in self.constants(expr, &mut Vec::new()) {
                    let what = What::Code { list, code, way: at.way };
                    self.put(what, (at.part, at.field, span));
                }
            }
            _ => {}
        }
    }

    /// What an expression may come to, `[let]` names and tables looked up.
    fn constants(&self, expr: &Expr, through: &mut Vec<String>) -> Vec<(String, Range<usize>)> {
        if let Some([root, name]) = constants::alias(&expr.text).as_deref()
            && root == "settings"
        {
            let values = self.bound.settings.get(name).into_iter();
            let values = values.flat_map(|value| match value {
                Value::Array(items) => items.iter().filter_map(text).collect(),
                other => text(other).into_iter().collect::<Vec<_>>(),
            });
            return values.map(|code| (code, expr.span.clone())).collect();
        }
        let mut codes = Vec::new();
        for constant in constants::results(&expr.text) {
            let span = expr.place(constant.span);
            match constant.told {
                Told::Name(name) if through.contains(&name) => {}
                Told::Name(name) => {
                    if let Some((_, expr)) = self.flow.lets.iter().find(|(held, _)| *held == name) {
                        through.push(name);
                        codes.extend(self.constants(expr, through));
                    }
                }
                told => {
                    codes.extend(self.listed(told).into_iter().map(|code| (code, span.clone())))
                }
            }
        }
        codes
    }

    fn listed(&self, told: Told) -> Vec<String> {
        let table = |name: &str| self.flow.tables.0.get(name).into_iter().flatten();
        match told {
            Told::Code(code) => vec![code],
            Told::Values(name) => table(&name).filter_map(|(_, value)| text(value)).collect(),
            Told::Keys(name) => table(&name).map(|(key, _)| key.clone()).collect(),
            Told::Name(_) => Vec::new(),
        }
    }

    /// Paths that read an open table by a code, and comparisons with codes.
    fn reads(&mut self, part: &str, expr: &Expr) {
        for path in &expr.words().paths {
            if let Some((list, Some(code))) = self.list_of(&path.keys) {
                let span = expr.place(path.span.clone());
                let what = What::Code { list, code, way: Way::Read };
                self.put(what, (part, &path.keys.join("."), span));
            }
        }
        for compared in constants::compared(&expr.text) {
            let keys = self.unalias(compared.keys);
            let Some((list, None)) = self.list_of(&keys) else { continue };
            for constant in compared.with {
                let span = expr.place(constant.span);
                for code in self.listed(constant.told) {
                    let what = What::Code { list, code, way: Way::Read };
                    self.put(what, (part, &keys.join("."), span.clone()));
                }
            }
        }
    }

    /// A `[let]` name that is another word for a path.
    fn unalias(&self, keys: Vec<String>) -> Vec<String> {
        let [name] = keys.as_slice() else { return keys };
        let held = self.flow.lets.iter().find(|(held, _)| held == name);
        held.and_then(|(_, expr)| constants::alias(&expr.text)).unwrap_or(keys)
    }

    /// The list whose code a path reads; with the code where the path itself names it.
    fn list_of(&self, keys: &[String]) -> Option<(&'static str, Option<String>)> {
        let (fields, keys) = match keys {
            [root, keys @ ..] if root == "event" && self.listens() => {
                (self.offer.event(&self.flow.on.event)?.fields, keys)
            }
            [root, name, keys @ ..] if root == "facts" => {
                let fact = self.flow.facts.iter().find(|fact| fact.name == *name)?;
                let fact = Some(fact).filter(|fact| self.is_ours(&fact.role, fact.of.as_ref()))?;
                (self.offer.query(&fact.query)?.output, keys)
            }
            _ => return None,
        };
        codes_of(fields, keys)
    }
}

/// Where an input stands, and what is done with it.
#[derive(Clone, Copy)]
struct Given<'a> {
    part: &'a str,
    path: &'a str,
    field: &'a str,
    way: Way,
}

fn codes_of(fields: &[Field], keys: &[String]) -> Option<(&'static str, Option<String>)> {
    let (first, rest) = keys.split_first()?;
    let field = fields.iter().find(|field| field.name == first)?;
    match (&field.kind, field.codes, rest) {
        (Kind::Open(_), Some(list), [code, ..]) => Some((list, Some(code.clone()))),
        (Kind::Open(_), _, _) => None,
        (Kind::Record(fields), _, rest) => codes_of(fields, rest),
        (_, Some(list), []) => Some((list, None)),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Source, line_col, render};
    use crate::mapping::filters::Tables;
    use crate::mapping::grammar::{Shelf, read};
    use crate::mapping::offers::{CALLTOUCH, RETAILCRM};
    use serde_json::{Map, json};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    const TEXT: &str = r#"
[flow]
name = "a"
on   = { from = "calls", event = "call.finished" }
lane = "{{ event.phone }}"
[settings]
type = "repeat"
[facts]
customer = { ask = "crm.customer", phone = "{{ event.phone }}", pick = "newest" }
order    = { ask = "crm.order", customer = "{{ facts.customer.id }}" }
[let]
status = "facts.order.status"
closed = "facts.order.status_group in ['complete', 'cancel']"
marked = "facts.order.customFields.calltouch_site_id"
method = "'phone' if event.unique else 'callback'"
[[step]]
name   = "create"
do     = "crm.order.create"
when   = "not facts.order or closed"
with   = { customer = "{{ facts.customer.id }}", orderMethod = "{{ method }}", managerId = 12, orderType = "{{ settings.type }}", site = "main", customFields = { utm_source = "{{ event.source | table('sources', 'other') }}", empty = "" } }
[[step]]
name   = "update"
do     = "crm.order.edit"
when   = "status != 'assembling'"
unless = "marked"
with   = { order = "{{ facts.order.id }}", status = "{{ event.source | table('states', 'new') }}", managerComment = "'new'" }
[[case]]
name   = "a case"
event  = { phone = "1" }
expect = { steps = [] }
"#;

    fn bound(running: bool) -> Bound {
        let table =
            BTreeMap::from([("x".to_owned(), json!("x-state")), ("y".to_owned(), json!(""))]);
        let sources = BTreeMap::from([("x".to_owned(), json!("no code"))]);
        let tables = [("states".to_owned(), table), ("sources".to_owned(), sources)];
        let shelf = Shelf { tables: Arc::new(Tables(tables.into())), ..Shelf::default() };
        let (flow, problems) = read(&Source::new("mappings/a.toml", TEXT), &shelf);
        assert!(problems.is_empty(), "{}", render(&problems, false));
        let roles = [("crm", "shop"), ("calls", "calltouch-main")];
        let roles = roles.map(|(role, name)| (role.to_owned(), vec![name.to_owned()])).into();
        let settings = Map::from_iter([("type".to_owned(), json!("anew"))]);
        Bound { name: "a-b".to_owned(), running, settings, ..Bound::plain(Arc::new(flow), roles) }
    }

    fn shown(found: &Use) -> String {
        let (line, _) = line_col(&found.place);
        let what = match &found.what {
            What::Event(name) | What::Query(name) | What::Operation(name) => name.clone(),
            What::Code { list, code, way: Way::Written } => format!("{list} < {code}"),
            What::Code { list, code, way: Way::Read } => format!("{list} > {code}"),
        };
        format!("{line}: {what}: {}", found.named())
    }

    #[test]
    fn every_constant_code_of_a_flow_is_told_with_its_place() {
        let found = uses(&bound(true), "shop", &RETAILCRM);
        let told: Vec<String> = found.iter().map(shown).collect();
        assert_eq!(
            told,
            [
                "9: customer: a-b, fact customer",
                "10: order: a-b, fact order",
                "18: order.create: a-b, step create",
                "15: methods < phone: a-b, step create, orderMethod",
                "15: methods < callback: a-b, step create, orderMethod",
                "20: users < 12: a-b, step create, managerId",
                "20: types < anew: a-b, step create, orderType",
                "20: sites < main: a-b, step create, site",
                "20: fields < utm_source: a-b, step create, customFields.utm_source",
                "23: order.edit: a-b, step update",
                "26: statuses < x-state: a-b, step update, status",
                "26: statuses < new: a-b, step update, status",
                "13: groups > complete: a-b, let closed, facts.order.status_group",
                "13: groups > cancel: a-b, let closed, facts.order.status_group",
                "14: fields > calltouch_site_id: a-b, let marked, \
                 facts.order.customFields.calltouch_site_id",
                "24: statuses > assembling: a-b, step update, facts.order.status",
            ]
        );
        assert!(found.iter().all(|found| found.running));
        let underlined = |code: &str| {
            let held = found
                .iter()
                .find(|found| matches!(&found.what, What::Code { code: held, .. } if held == code));
            held.map(|held| held.place.source.text[held.place.span.clone()].to_owned())
        };
        assert_eq!(underlined("assembling").as_deref(), Some("'assembling'"));
        assert_eq!(underlined("12").as_deref(), Some("12"));
    }

    #[test]
    fn a_flow_uses_only_what_it_is_bound_to() {
        let stopped = bound(false);
        let told: Vec<String> =
            uses(&stopped, "calltouch-main", &CALLTOUCH).iter().map(shown).collect();
        assert_eq!(told, ["4: call.finished: a-b, on"]);
        assert!(uses(&stopped, "other-shop", &RETAILCRM).is_empty());
        assert!(uses(&stopped, "shop", &RETAILCRM).iter().all(|found| !found.running));
    }
}
