//! The table `[flow]`: on what it starts, when, in which lanes. Invariant: a part of the grammar; what
//! is wrong is reported, and the rest is read nevertheless.

use super::expr::Phrase;
use super::flow::{Flow, Trigger};
use super::grammar::{Reader, WEEK};
use crate::diagnosis::{Problem, Table};
use std::time::Duration;

impl Reader<'_> {
    pub(super) fn head(&mut self, head: &mut Table, flow: &mut Flow) {
        head.require("name", "the flow's name, e.g. `call-to-order`");
        head.require("on", "`{ from = \"calls\", event = \"call.finished\" }`");
        if let Some(name) = head.text("name") {
            let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.value.is_empty() || !name.value.chars().all(sound) {
                let problem = Problem::error(format!("flow.name: `{}` is no name", name.value))
                    .mend("use small Latin letters, digits and `-`: `call-to-order`");
                head.problem_at("name", problem);
            }
            self.places.put("flow.name".to_owned(), name.span.clone(), name.span);
            flow.name = name.value;
        }
        flow.title = head.text("title").map_or_else(|| flow.name.clone(), |title| title.value);
        if let Some(mut on) = head.table("on") {
            flow.on = self.trigger(&mut on);
            head.absorb(on);
        }
        flow.merge = self.one(head, "merge");
        flow.delay = head.duration("delay").map_or(Duration::ZERO, |delay| delay.value);
        flow.delay_from =
            head.text("delay_from").and_then(|text| self.expr("flow.delay_from", &text));
        flow.settle = head.duration("settle").map(|settle| {
            self.places.put("flow.settle".to_owned(), settle.span.clone(), settle.span);
            settle.value
        });
        flow.max_age = head.duration("max_age").map_or(WEEK, |age| age.value);
        flow.requires = head.text("requires").and_then(|text| self.expr("flow.requires", &text));
        flow.lane = self.phrases(head, "lane");
        flow.fact_lane = self.phrases(head, "fact_lane");
    }

    fn trigger(&mut self, on: &mut Table) -> Trigger {
        on.require("from", "the role of the connection that reports it");
        on.require("event", "the kind of event, e.g. `call.finished`");
        let from = on.text("from");
        let event = on.text("event");
        for (name, word) in [("flow.on.from", &from), ("flow.on.event", &event)] {
            if let Some(word) = word {
                self.places.put(name.to_owned(), word.span.clone(), word.span.clone());
            }
        }
        Trigger {
            role: from.map(|word| word.value).unwrap_or_default(),
            event: event.map(|word| word.value).unwrap_or_default(),
            when: on.text("when").and_then(|text| self.expr("flow.on.when", &text)),
            span: on.span(),
        }
    }

    /// A text or a list of texts.
    fn phrases(&mut self, table: &mut Table, key: &str) -> Vec<Phrase> {
        let texts = table.texts(key).map(|texts| texts.value).unwrap_or_default();
        let name = table.name_of(key);
        texts
            .into_iter()
            .filter_map(|text| {
                let phrase = Phrase::of_text(self.source, &name, &text.value, &text.span);
                phrase.map_err(|problem| self.problems.push(*problem)).ok()
            })
            .collect()
    }

    /// One text: what it comes to names something.
    pub(super) fn one(&mut self, table: &mut Table, key: &str) -> Option<Phrase> {
        let text = table.text(key)?;
        let name = table.name_of(key);
        self.places.put(name.clone(), text.span.clone(), text.span.clone());
        Phrase::of_text(self.source, &name, &text.value, &text.span)
            .map_err(|problem| self.problems.push(*problem))
            .ok()
    }
}
