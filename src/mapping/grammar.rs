//! The TOML language of a flow file, on one page. Invariant: what it returns is complete but for
//! the problems that it reports; each of them names the key, its place and the mend.
//!
//! ```text
//! [flow]      name, title, on = { from, event, when }, merge, delay, delay_from, settle, max_age,
//!             requires, lane, fact_lane
//! [settings]  NAME = text, number, flag or list of texts
//! [facts]     NAME = { ask = "role.query", of = phrase, input = phrase, … }
//! [let]       NAME = "expression"
//! [[step]]    name, do = "role.operation", of = phrase, when, unless, needs = [step, …], with = { input = phrase }
//! [[case]]    name, event = "samples/x.json" | { field = value }, set, facts, settings, done,
//!             expect
//! expect      steps, because, incomplete, until, with, without, asks, asks_without
//! ```
//!
//! A phrase is a literal, `"{{ one expression }}"`, text around expressions, or a list or table of
//! phrases. What the file's own names refer to is checked by `refer`, offers by `check`.

use super::case;
use super::expr::{Anchor, Expr, Phrase};
use super::filters::Tables;
use super::flow::{FactRule, Flow, Places, Setting, StepRule, Trigger};
use super::refer;
use super::settings;
use crate::diagnosis::{Item, Problem, Source, Spanned, Table};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub(super) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the files beside a flow offer to it.
#[derive(Debug, Default)]
pub struct Shelf {
    /// `samples/NAME.json`, by the path that a case writes.
    pub samples: BTreeMap<String, Map<String, Value>>,
    pub tables: Arc<Tables>,
}

/// Reads one flow file. The flow is whole only where no problem is an error.
pub fn read(source: &Source, shelf: &Shelf) -> (Flow, Vec<Problem>) {
    let (root, problems) = Table::parse(source);
    let mut reader = Reader { source, problems, places: Places::default() };
    let mut flow = reader.flow(root, shelf);
    flow.places = reader.places;
    let mut problems = reader.problems;
    // Names are judged where the file could be read at all.
    if !problems.iter().any(|problem| problem.title.starts_with("not TOML")) {
        problems.extend(refer::check(&flow));
    }
    (flow, problems)
}

pub(super) struct Reader<'a> {
    pub source: &'a Source,
    pub problems: Vec<Problem>,
    pub places: Places,
}

impl Reader<'_> {
    fn flow(&mut self, mut root: Table, shelf: &Shelf) -> Flow {
        let mut flow = empty(self.source, shelf);
        root.require("flow", "a table `[flow]` with `name` and `on`");
        if let Some(mut head) = root.table("flow") {
            self.head(&mut head, &mut flow);
            self.problems.extend(head.finish());
        }
        if let Some(table) = root.table("settings") {
            flow.settings = self.settings(table);
        }
        if let Some(mut facts) = root.table("facts") {
            flow.facts = facts.rest().into_iter().filter_map(|(k, v)| self.fact(k, v)).collect();
        }
        if let Some(mut lets) = root.table("let") {
            flow.lets = lets.rest().into_iter().filter_map(|(k, v)| self.let_(k, v)).collect();
        }
        root.require("step", "at least one `[[step]]`");
        for (at, table) in root.tables("step").into_iter().enumerate() {
            let step = self.step(table, at + 1, &flow.steps);
            flow.steps.push(step);
        }
        for table in root.tables("case") {
            // The reader of cases looks names up.
            flow.places = std::mem::take(&mut self.places);
            let case = case::read(table, &flow, shelf, &mut self.problems);
            self.places = std::mem::take(&mut flow.places);
            flow.cases.push(case);
        }
        self.problems.extend(root.finish());
        flow
    }

    fn settings(&mut self, mut table: Table) -> Vec<Setting> {
        let entries = table.rest();
        for (key, _) in &entries {
            self.check_name("settings", key);
        }
        self.problems.extend(table.finish());
        settings::read(entries, self.source, &mut self.places, &mut self.problems)
    }

    fn fact(&mut self, key: Spanned<String>, item: Spanned<Item>) -> Option<FactRule> {
        let path = format!("facts.{}", key.value);
        self.check_name("facts", &key);
        let Item::Table(entries) = item.value else {
            self.problems.push(
                Problem::error(format!("{path}: found {}, expected a table", item.value.kind()))
                    .at(self.source, item.span)
                    .mend("write `{ ask = \"crm.customer\", phone = \"{{ event.phone }}\" }`"),
            );
            return None;
        };
        let mut table = Table::new(self.source, path.clone(), item.span.clone(), entries);
        table.require("ask", "role and query, e.g. `crm.customer`");
        let ask = table.text("ask");
        let (role, query) = self.target(&path, "ask", ask);
        let of = self.one(&mut table, "of");
        let input = table
            .rest()
            .into_iter()
            .filter_map(|(name, value)| self.field(&path, name, value))
            .collect();
        self.problems.extend(table.finish());
        Some(FactRule { name: key.value, role, query, of, input, span: key.span })
    }

    fn let_(&mut self, key: Spanned<String>, item: Spanned<Item>) -> Option<(String, Expr)> {
        let path = format!("let.{}", key.value);
        self.check_name("let", &key);
        self.places.put(path.clone(), key.span, item.span.clone());
        let Item::Text(value) = item.value else {
            self.problems.push(
                Problem::error(format!("{path}: found {}", item.value.kind()))
                    .at(self.source, item.span)
                    .label("no expression")
                    .mend("write an expression in quotes: `\"facts.order.status == 'new'\"`"),
            );
            return None;
        };
        let expr = self.expr(&path, &Spanned { value, span: item.span })?;
        Some((key.value, expr))
    }

    fn step(&mut self, mut table: Table, at: usize, before: &[StepRule]) -> StepRule {
        let path = format!("step[{at}]");
        table.require("name", "a name that other steps and the reasons use");
        table.require("do", "role and operation, e.g. `crm.order.create`");
        let name = table.text("name");
        if let Some(name) = &name {
            self.check_name(&path, name);
            if before.iter().any(|step| step.name == name.value) {
                self.problems.push(
                    Problem::error(format!("{path}.name: a second step `{}`", name.value))
                        .at(self.source, name.span.clone())
                        .label("this name is taken")
                        .mend("give every step a name of its own"),
                );
            }
        }
        let target = table.text("do");
        let (role, operation) = self.target(&path, "do", target);
        let of = self.one(&mut table, "of");
        let each = self.one(&mut table, "each");
        let within = self.one(&mut table, "within");
        let when = table.text("when").and_then(|text| self.expr(&format!("{path}.when"), &text));
        let unless =
            table.text("unless").and_then(|text| self.expr(&format!("{path}.unless"), &text));
        let needs = table.texts("needs").map(|needs| {
            for need in &needs.value {
                let place = format!("{path}.needs.{}", need.value);
                self.places.put(place, need.span.clone(), need.span.clone());
            }
            needs.value.into_iter().map(|need| need.value).collect()
        });
        let if_refused = table.text("if_refused").map(|of| {
            self.places.put(format!("{path}.if_refused"), of.span.clone(), of.span);
            of.value
        });
        let mut with = Vec::new();
        if let Some(mut inputs) = table.table("with") {
            let path = format!("{path}.with");
            let fields = inputs.rest().into_iter();
            with = fields.filter_map(|(name, value)| self.field(&path, name, value)).collect();
        }
        let (name, span) = name.map_or((String::new(), table.span()), |n| (n.value, n.span));
        self.problems.extend(table.finish());
        StepRule {
            name,
            role,
            operation,
            of,
            each,
            when,
            unless,
            needs,
            if_refused,
            within,
            with,
            span,
        }
    }

    /// `role.name`, split at the first dot; empty words where it is missing or wrong.
    fn target(&mut self, path: &str, key: &str, text: Option<Spanned<String>>) -> (String, String) {
        let Some(text) = text else { return <(String, String)>::default() };
        self.places.put(format!("{path}.{key}"), text.span.clone(), text.span.clone());
        match text.value.split_once('.') {
            Some((role, name)) if !role.is_empty() && !name.is_empty() => {
                (role.to_owned(), name.to_owned())
            }
            _ => {
                self.problems.push(
                    Problem::error(format!("{path}.{key}: `{}` names no role", text.value))
                        .at(self.source, text.span)
                        .mend("write role and name with a dot: `crm.order.create`"),
                );
                <(String, String)>::default()
            }
        }
    }

    fn field(
        &mut self,
        path: &str,
        key: Spanned<String>,
        item: Spanned<Item>,
    ) -> Option<(String, Phrase)> {
        let path = format!("{path}.{}", key.value);
        self.places.put(path.clone(), key.span, item.span.clone());
        Some((key.value, self.phrase(&path, item)?))
    }

    fn phrase(&mut self, path: &str, item: Spanned<Item>) -> Option<Phrase> {
        match item.value {
            Item::Text(text) => Phrase::of_text(self.source, path, &text, &item.span)
                .map_err(|problem| self.problems.push(*problem))
                .ok(),
            Item::List(items) => {
                let mut phrases = Vec::new();
                for (at, item) in items.into_iter().enumerate() {
                    let path = format!("{path}[{}]", at + 1);
                    self.places.put(path.clone(), item.span.clone(), item.span.clone());
                    phrases.extend(self.phrase(&path, item));
                }
                Some(Phrase::List(phrases))
            }
            Item::Table(entries) => {
                let fields = entries.into_iter();
                Some(Phrase::Table(
                    fields.filter_map(|(key, item)| self.field(path, key, item)).collect(),
                ))
            }
            other => Some(Phrase::Literal(other.to_json())),
        }
    }

    pub(super) fn expr(&mut self, name: &str, text: &Spanned<String>) -> Option<Expr> {
        let place = Anchor::new(self.source, &text.span, &text.value);
        Expr::compile(self.source, name, &text.value, place)
            .map_err(|problem| self.problems.push(*problem))
            .ok()
    }

    /// Names that expressions use must be spelled as expressions can spell them.
    fn check_name(&mut self, path: &str, name: &Spanned<String>) {
        let mut letters = name.value.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let sound = first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        let taken = path == "let" && refer::ROOTS.contains(&name.value.as_str());
        if sound && !taken && !refer::RESERVED.contains(&name.value.as_str()) {
            return;
        }
        self.problems.push(
            Problem::error(format!("{path}: `{}` cannot be a name", name.value))
                .at(self.source, name.span.clone())
                .mend("use Latin letters, digits and `_`, and no word of the language"),
        );
    }
}

fn empty(source: &Source, shelf: &Shelf) -> Flow {
    let hash = Sha256::digest(source.text.as_bytes());
    Flow {
        name: String::new(),
        title: String::new(),
        source: source.clone(),
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        on: Trigger {
            role: String::new(),
            event: String::new(),
            when: None,
            span: Range::default(),
        },
        settings: Vec::new(),
        merge: None,
        delay: Duration::ZERO,
        delay_from: None,
        settle: None,
        max_age: WEEK,
        requires: None,
        lane: Vec::new(),
        fact_lane: Vec::new(),
        facts: Vec::new(),
        lets: Vec::new(),
        steps: Vec::new(),
        cases: Vec::new(),
        tables: shelf.tables.clone(),
        places: Places::default(),
        broken: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{has_errors, render};

    const WHOLE: &str = r#"
[flow]
name     = "call-to-order"
title    = "Звонок"
on       = { from = "calls", event = "call.finished", when = "event.phone and not event.own" }
merge    = "{{ event.id }}"
delay    = "1m"
delay_from = "facts.customer.seen"
settle   = "2h"
requires = "event.phone"
lane     = "{{ event.phone }}"
[settings]
link = "document"
[facts]
customer = { ask = "crm.customer", of = "{{ event.site_id }}", phone = "{{ event.phone }}", pick = "newest" }
[let]
known = "facts.customer.id"
[[step]]
name   = "customer"
do     = "crm.customer.create"
unless = "known"
with   = { firstName = "Звонок от {{ event.phone }}", phones = ["{{ event.phone }}"], n = 5 }
[[step]]
name  = "create"
do    = "crm.order.create"
of    = "{{ facts.customer.account or settings.link }}"
needs = ["customer"]
with  = { customer = "{{ known or steps.customer.id }}" }
[[case]]
name   = "a case"
event  = "samples/a.json"
set    = { phone = "1" }
facts  = { customer = { id = 1 } }
expect = { steps = ["create"], because = ["customer: known"], with = { create = { a = 1 } }, without = { create = ["b.c"] }, asks_without = { customer = ["email"] } }
"#;

    fn shelf() -> Shelf {
        let mut shelf = Shelf::default();
        let sample = serde_json::json!({ "id": "5", "phone": "2" });
        shelf
            .samples
            .insert("samples/a.json".to_owned(), sample.as_object().cloned().unwrap_or_default());
        shelf
    }

    fn found(text: &str) -> Vec<Problem> {
        read(&Source::new("mappings/a.toml", text), &shelf()).1
    }

    #[test]
    fn a_whole_flow_is_read_as_written() {
        let (flow, problems) = read(&Source::new("mappings/a.toml", WHOLE), &shelf());
        assert!(problems.is_empty(), "{}", render(&problems, false));
        assert_eq!(
            (flow.name.as_str(), flow.on.event.as_str()),
            ("call-to-order", "call.finished")
        );
        assert_eq!(flow.delay, Duration::from_secs(60));
        assert_eq!(flow.settle, Some(Duration::from_secs(7200)));
        assert_eq!(flow.max_age, WEEK);
        assert_eq!(flow.on.when.as_ref().map(|when| when.text.len()), Some(29));
        assert!(matches!(flow.merge, Some(Phrase::Whole(_))));
        assert_eq!(flow.delay_from.as_ref().map(|at| &*at.text), Some("facts.customer.seen"));
        assert!(flow.facts[0].of.is_some() && flow.steps[1].of.is_some());
        assert_eq!(flow.hash.len(), 64);
        assert_eq!(flow.facts[0].input[1].0, "pick");
        let step = &flow.steps[0];
        assert!(matches!(step.with[0].1, Phrase::Text(_)));
        assert!(
            matches!(&step.with[1].1, Phrase::List(items) if matches!(items[0], Phrase::Whole(_)))
        );
        assert!(matches!(step.with[2].1, Phrase::Literal(Value::Number(_))));
        let case = &flow.cases[0];
        assert_eq!(case.event.get("phone"), Some(&"1".into()), "`set` lies over the sample");
        assert_eq!(case.expect.with["create"], serde_json::json!({ "a": 1, "b": { "c": null } }));
        assert_eq!(case.expect.asks["customer"], serde_json::json!({ "email": null }));
    }

    #[test]
    fn five_mistakes_are_reported_at_once() {
        let text = WHOLE
            .replace("delay    = \"1m\"", "delay    = \"1 mn\"")
            .replace("title ", "tilte ")
            .replace("unless = \"known\"", "unless = \"knwon\"")
            .replace("phones = [\"{{ event.phone }}\"]", "phones = [\"{{ event.phone | fone }}\"]")
            .replace("steps.customer.id }}", "steps.custmer.id }}")
            .replace("known = \"facts.customer.id\"", "known = \"facts.customer.id or\"");
        insta::assert_snapshot!(render(&found(&text), false));
    }

    #[test]
    fn each_mistake_is_told_with_its_mend() {
        for (from, to, title) in [
            ("name     = \"call-to-order\"\n", "", "flow.name is missing"),
            ("name     = \"call-to-order\"", "name = \"Call to order\"", "is no name"),
            ("[flow]", "[fow]", "flow is missing"),
            ("do     = \"crm.customer.create\"", "do = \"create\"", "names no role"),
            ("do     = \"crm.customer.create\"\n", "", "step[1].do is missing"),
            ("name  = \"create\"", "name = \"customer\"", "a second step `customer`"),
            ("name  = \"create\"", "name = \"my-step\"", "cannot be a name"),
            ("known = \"facts", "event = \"facts", "cannot be a name"),
            ("known = \"facts.customer.id\"", "known = \"known\"", "needs itself"),
            ("known = \"facts.customer.id\"", "known = 5", "let.known: found a whole number"),
            ("\"known\"", "\"{{ known }}\"", "without braces"),
            ("\"known\"", "\"\"", "an empty expression"),
            ("\"known\"", "\"now()\"", "there are no functions"),
            ("\"known\"", "\"event.phone.upper()\"", "there are no functions"),
            ("\"known\"", "\"event.phone is fine\"", "there is no test `fine`"),
            ("\"known\"", "\"event.x | table('a')\"", "there is no table `a`"),
            ("\"known\"", "\"steps.create.id\"", "is not known yet"),
            ("\"known\"", "\"event\"", "is a table of its own"),
            ("{{ known or steps.customer.id }}", "{{ 1 + steps.customer.id }}", "is compared"),
            ("requires = \"event.phone\"", "requires = \"known\"", "is not known yet"),
            (
                "lane     = \"{{ event.phone }}\"",
                "lane = [\"{{ facts.customer.id }}\"]",
                "not known yet",
            ),
            ("Звонок от {{ event.phone }}", "Звонок от {{ event.phone", "is never closed"),
            ("Звонок от {{ event.phone }}", "{% if event.phone %}x{% endif %}", "only `{{ … }}`"),
            ("needs = [\"customer\"]", "needs = [\"create\"]", "no step `create` before"),
            (
                "phone = \"{{ event.phone }}\", pick",
                "phone = \"{{ known }}\", pick",
                "facts.customer needs itself",
            ),
            ("event  = \"samples/a.json\"", "event = \"samples/b.json\"", "there is no sample"),
            ("steps = [\"create\"]", "steps = [\"cerate\"]", "there is no step `cerate`"),
            ("event.phone and not", "event.phone adn not", "not an expression"),
            ("event.phone and not event.own", "known", "is not known yet"),
            ("merge    = \"{{ event.id }}\"", "merge = 5", "flow.merge"),
            ("{{ event.id }}", "{{ facts.customer.id }}", "is not known yet"),
            ("\"facts.customer.seen\"", "\"steps.customer.id\"", "is not known yet"),
            ("\"facts.customer.seen\"", "\"\"", "an empty expression"),
            ("of = \"{{ event.site_id }}\"", "of = \"{{ facts.customer.id }}\"", "needs itself"),
            ("{{ facts.customer.account or", "{{ steps.customer.id or", "is not known yet"),
            ("settings.link", "settings.lnik", "there is no such setting"),
            ("expect = { steps", "expect = { until = \"noon\", steps", "`noon` is no time"),
            ("facts  = { customer", "facts = { custmer", "there is no fact `custmer`"),
            ("expect = { steps", "expect = { stpes", "unknown key `stpes`"),
            ("[[case]]\nname   = \"a case\"\n", "[[case]]\n", "case[1].name is missing"),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert_ne!(text, WHOLE, "{from}");
            let problems = found(&text);
            assert!(has_errors(&problems), "{to}");
            let told = problems.iter().find(|problem| problem.title.contains(title));
            let told = told.unwrap_or_else(|| panic!("{to}: {}", render(&problems, false)));
            assert!(told.place.is_some(), "{to}");
            assert!(!told.mend.is_empty(), "{to}: a mend");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn no_garbage_panics_the_reader(
            cut in 0usize..1500,
            gone in 0usize..40,
            junk in "[\\[\\]{}|\"'=.%#~()a-z \n\\\\ж]{0,12}",
        ) {
            let at = |at: usize| (0..=at.min(WHOLE.len())).rev().find(|&at| WHOLE.is_char_boundary(at)).unwrap_or(0);
            let text = format!("{}{junk}{}", &WHOLE[..at(cut)], &WHOLE[at(cut + gone)..]);
            render(&found(&text), false);
        }

        #[test]
        fn no_expression_panics_the_reader(text in "[a-z.|'\"(){}\\[\\]~<>=!+*/ ,0-9и]{0,40}") {
            let text = format!("[let]\nx = '''{text}'''\n[[step]]\nwith = {{ x = '''{{{{ {text} }}}}''' }}\n");
            render(&found(&text), false);
        }
    }
}
