//! How a decision chose among the leads, in people's words. Invariant: says what was kept with the
//! decision and guesses nothing; contacts are shortened.

use super::LeadLine;
use crate::domain::contact::masked;
use crate::domain::{From, Verdict};
use crate::mapping::Bound;
use crate::rules::Book;
use crate::store::DecisionStory;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// How a decision chose among the leads: what was chosen, and what would have matched.
pub fn leads(book: &Book, flow: &str, story: &DecisionStory, zone: &TimeZone) -> Vec<LeadLine> {
    let Some(bound) = book.flow(flow) else { return Vec::new() };
    let Some((input, linked)) = link(book, bound, story) else { return Vec::new() };
    let asked = bound.flow.facts.iter().filter(|rule| {
        let offer = book.query(bound, &rule.role, &rule.query);
        offer.is_some_and(|offer| offer.from == From::Leads)
    });
    let facts: Vec<Fact> = asked
        .filter_map(|rule| Fact::of(story.facts.get(&rule.name)?, zone))
        .map(|fact| Fact { journal: has_journal(book, bound, fact.noun), zone, ..fact })
        .collect();
    let mut lines = Vec::new();
    match facts.first() {
        Some(fact) => lines.push(said(format!(
            "leads that may be linked: from {} until {}",
            readable(&fact.table["since"], zone),
            readable(&fact.table["until"], zone)
        ))),
        None => lines.push(said("no lead was looked for: there is no contact")),
    }
    lines.extend(facts.iter().flat_map(|fact| fact.lines(linked)));
    lines.extend(verdict(&facts, input, linked).map(said));
    lines
}

/// The input of the step that links leads, and the lead that it names: noun and id.
type Linked<'a> = Option<(&'a str, &'a str)>;

fn link<'a>(
    book: &Book,
    bound: &Bound,
    story: &'a DecisionStory,
) -> Option<(&'a Map<String, Value>, Linked<'a>)> {
    let Verdict::Act(plan) = &story.decision.verdict else { return None };
    plan.steps.iter().find_map(|step| {
        let rule = bound.flow.steps.iter().find(|rule| rule.name == step.name)?;
        let offer = book.operation(bound, &rule.role, &rule.operation)?;
        let input = &step.effect.input;
        let named =
            |(name, noun): &(&str, &'static str)| Some((*noun, input.get(*name)?.as_str()?));
        (!offer.leads.is_empty()).then(|| (input, offer.leads.iter().find_map(named)))
    })
}

/// Can the far side's journal of them be read?
fn has_journal(book: &Book, bound: &Bound, noun: &str) -> bool {
    let connections = bound.roles.values().flatten();
    let offers = connections.filter_map(|name| book.offer(name));
    let mut events = offers.flat_map(|offer| offer.events);
    events.any(|event| {
        event.kind.split('.').next() == Some(noun) && event.lead.is_some_and(|lead| lead.journal)
    })
}

fn verdict(facts: &[Fact], input: &Map<String, Value>, linked: Linked) -> Option<String> {
    let Some((noun, id)) = linked else {
        let source = input.get("source").map(plain).unwrap_or_default();
        return Some(match input.get("date") {
            Some(_) => format!(
                "linked to none of ours, and our journals have gaps: the far side was asked to look \
                 by the contacts; where it finds none, the source is «{source}»"
            ),
            None => format!("linked to none: the source is «{source}»"),
        });
    };
    if input.contains_key("date") {
        return Some(format!(
            "linked to {noun} {id}, unless the far side knows one that goes before it: our journals \
             have gaps, so it was asked to look by the contacts first"
        ));
    }
    let known = facts.iter().any(|fact| fact.noun == noun && fact.chosen() == Some(id));
    (!known).then(|| format!("linked to {noun} {id}, which the order itself names"))
}

/// What the journal of leads answered about one noun.
struct Fact<'a> {
    noun: &'a str,
    table: &'a Map<String, Value>,
    journal: bool,
    zone: &'a TimeZone,
}

impl<'a> Fact<'a> {
    fn of(value: &'a Value, zone: &'a TimeZone) -> Option<Self> {
        let table = value.as_object()?;
        Some(Self { noun: table.get("type")?.as_str()?, table, journal: false, zone })
    }

    fn chosen(&self) -> Option<&'a str> {
        self.table.get("id").and_then(Value::as_str)
    }

    fn lines(&self, linked: Linked) -> Vec<LeadLine> {
        let noun = self.noun;
        let mut lines = Vec::new();
        let inside = self.table.get("candidates").and_then(Value::as_array);
        for lead in inside.into_iter().flatten() {
            let text = format!("  {noun} {}: {}", self.candidate(lead), self.judged(lead, linked));
            let id = lead.get("id").and_then(Value::as_str);
            lines.push(LeadLine {
                text,
                lead: id.map(|id| format!("{noun}:{id}")),
                linked: id.is_some() && linked == id.map(|id| (noun, id)),
            });
        }
        if lines.is_empty() {
            let known = match (self.table.get("complete"), self.journal) {
                (Some(Value::Bool(true)), _) => "",
                (_, true) => ", as far as we know: our journal of them has gaps in that time",
                (_, false) => ", as far as webhooks told",
            };
            lines.push(said(format!("  no {noun} in that time{known}")));
        }
        for (side, why) in [("before", "too old"), ("after", "too late")] {
            if let Some(lead) = self.table.get(side).filter(|lead| lead.is_object()) {
                let id = lead.get("id").and_then(Value::as_str);
                lines.push(LeadLine {
                    lead: id.map(|id| format!("{noun}:{id}")),
                    ..said(format!("  {noun} {}: {why}", self.candidate(lead)))
                });
            }
        }
        lines
    }

    /// One lead as a person reads it; its contact is shortened.
    fn candidate(&self, lead: &Value) -> String {
        let text = |name: &str| lead.get(name).and_then(Value::as_str);
        let mut parts = vec![text("id").unwrap_or_default().to_owned()];
        parts.extend(lead.get("at").map(|at| readable(at, self.zone)));
        parts.extend(lead.get("distance").and_then(Value::as_i64).map(distance));
        parts.extend(text("contact").map(shortened));
        let marks = ["source", "medium", "campaign"].into_iter().filter_map(text);
        let marks = marks.collect::<Vec<&str>>().join(" / ");
        parts.extend((!marks.is_empty()).then_some(marks));
        parts.join(", ")
    }

    /// Why this one was linked, or was not.
    fn judged(&self, lead: &Value, linked: Linked) -> String {
        let id = lead.get("id").and_then(Value::as_str);
        if id != self.chosen() {
            return "farther from the order".to_owned();
        }
        match linked {
            Some((noun, linked)) if noun == self.noun && Some(linked) == id => {
                format!("linked, the nearest {noun}")
            }
            Some((noun, _)) if noun == self.noun => {
                "the nearest, but the order names another".to_owned()
            }
            Some((noun, _)) => format!("would have matched, but a {noun} goes first"),
            None => format!("would have matched, but no {} is linked", self.noun),
        }
    }
}

fn shortened(contact: &str) -> String {
    match contact.split_once('@') {
        Some((name, host)) => format!("{}…@{host}", name.chars().next().unwrap_or('?')),
        None => masked(contact),
    }
}

/// `3 min before the order`
fn distance(seconds: i64) -> String {
    let (side, size) = (if seconds > 0 { "after" } else { "before" }, seconds.unsigned_abs());
    let span = match size {
        0 => return "at the very second of the order".to_owned(),
        1..=119 => format!("{size} s"),
        120..=7199 => format!("{} min", size / 60),
        7200..=172_799 => format!("{} h", size / 3600),
        _ => format!("{} days", size / 86_400),
    };
    format!("{span} {side} the order")
}

/// A line about no lead.
fn said(text: impl Into<String>) -> LeadLine {
    LeadLine { text: text.into(), lead: None, linked: false }
}

/// Times in the zone of whoever reads them.
pub fn readable(value: &Value, zone: &TimeZone) -> String {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.map_or_else(|| plain(value), |at| time(at, zone))
}

/// A time in this zone.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A text as it is, anything else as JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
