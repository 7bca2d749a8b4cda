//! What `why` says of deals and of the leads that they may have come from, in people's words.
//! Invariant: says what was kept with the decision and what is remembered since, and guesses nothing.

use super::{plain, time};
use crate::domain::contact::masked;
use crate::domain::event::is_empty;
use crate::domain::{Entity, From, JobState, Verdict};
use crate::mapping::Bound;
use crate::rules::Book;
use crate::store::{DecisionStory, JobStory, Story};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// What is remembered of the things that the stories are about, each once, and when each is written
/// next.
pub fn remembered(book: &Book, stories: &[Story]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told: Vec<&Entity> = Vec::new();
    for thing in stories.iter().flat_map(|story| &story.things) {
        if told.iter().any(|other| same(other, thing)) {
            continue;
        }
        told.push(thing);
        lines.push(format!("{} {} in {}", thing.kind, thing.id, thing.connection));
        let shown = thing.fields.iter().filter(|(_, value)| !is_empty(value));
        lines.extend(shown.map(|(name, value)| format!("  {name}: {}", readable(value))));
        if !thing.fields.is_empty() {
            let (made, changed) = (time(thing.made), time(thing.changed));
            lines.push(format!("  known since {made}, last written {changed}"));
        }
        if let Some(gone) = thing.gone {
            let became = thing.became.as_ref();
            let what = became.map_or_else(String::new, |id| format!(": it became {id}"));
            lines.push(format!("  gone over there since {}{what}", time(gone)));
        }
        lines.extend(next(book, stories, thing));
        lines.push(String::new());
    }
    lines
}

fn same(one: &Entity, other: &Entity) -> bool {
    (&one.connection, &one.kind, &one.id) == (&other.connection, &other.kind, &other.id)
}

/// The jobs that may write it next.
fn next(book: &Book, stories: &[Story], thing: &Entity) -> Vec<String> {
    let writers = book.flows().iter().filter(|bound| writes(book, bound, &thing.kind));
    let writers: Vec<&str> = writers.map(|bound| bound.name.as_str()).collect();
    if writers.is_empty() || thing.gone.is_some() {
        return Vec::new();
    }
    let about = stories.iter().filter(|story| story.things.iter().any(|held| same(held, thing)));
    let open = about.flat_map(|story| &story.jobs).filter(|job| {
        let open = matches!(job.state, JobState::Waiting | JobState::Deciding);
        open && writers.contains(&job.flow.as_str())
    });
    let mut jobs: Vec<&JobStory> = open.collect();
    jobs.sort_by_key(|job| (job.due, job.id));
    jobs.dedup_by_key(|job| job.id);
    if jobs.is_empty() {
        return vec!["  nothing waits to be written".to_owned()];
    }
    let line = |job: &&JobStory| {
        let why = job.why.as_deref().map(|why| format!(", because {why}")).unwrap_or_default();
        format!("  next: {} decides at {}{why}", job.flow, time(job.due))
    };
    jobs.iter().map(line).collect()
}

fn writes(book: &Book, bound: &Bound, kind: &str) -> bool {
    bound.flow.steps.iter().any(|step| {
        let offer = book.operation(bound, &step.role, &step.operation);
        offer.is_some_and(|offer| offer.entity == Some(kind))
    })
}

/// How a decision chose among the leads: what was chosen, and what would have matched.
pub fn leads(book: &Book, flow: &str, story: &DecisionStory) -> Vec<String> {
    let Some(bound) = book.flow(flow) else { return Vec::new() };
    let Some((input, linked)) = link(book, bound, story) else { return Vec::new() };
    let asked = bound.flow.facts.iter().filter(|rule| {
        let offer = book.query(bound, &rule.role, &rule.query);
        offer.is_some_and(|offer| offer.from == From::Leads)
    });
    let facts: Vec<Fact> = asked
        .filter_map(|rule| Fact::of(story.facts.get(&rule.name)?))
        .map(|fact| Fact { journal: has_journal(book, bound, fact.noun), ..fact })
        .collect();
    let mut lines = Vec::new();
    match facts.first() {
        Some(fact) => lines.push(format!(
            "leads that may be linked: from {} until {}",
            readable(&fact.table["since"]),
            readable(&fact.table["until"])
        )),
        None => lines.push("no lead was looked for: there is no contact".to_owned()),
    }
    lines.extend(facts.iter().flat_map(|fact| fact.lines(linked)));
    lines.extend(verdict(&facts, input, linked));
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
}

impl<'a> Fact<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let table = value.as_object()?;
        Some(Self { noun: table.get("type")?.as_str()?, table, journal: false })
    }

    fn chosen(&self) -> Option<&'a str> {
        self.table.get("id").and_then(Value::as_str)
    }

    fn lines(&self, linked: Linked) -> Vec<String> {
        let noun = self.noun;
        let mut lines = Vec::new();
        let inside = self.table.get("candidates").and_then(Value::as_array);
        for lead in inside.into_iter().flatten() {
            lines.push(format!("  {noun} {}: {}", candidate(lead), self.judged(lead, linked)));
        }
        if lines.is_empty() {
            let known = match (self.table.get("complete"), self.journal) {
                (Some(Value::Bool(true)), _) => "",
                (_, true) => ", as far as we know: our journal of them has gaps in that time",
                (_, false) => ", as far as webhooks told",
            };
            lines.push(format!("  no {noun} in that time{known}"));
        }
        for (side, why) in [("before", "too old"), ("after", "too late")] {
            if let Some(lead) = self.table.get(side).filter(|lead| lead.is_object()) {
                lines.push(format!("  {noun} {}: {why}", candidate(lead)));
            }
        }
        lines
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

/// One lead as a person reads it; its contact is shortened.
fn candidate(lead: &Value) -> String {
    let text = |name: &str| lead.get(name).and_then(Value::as_str);
    let mut parts = vec![text("id").unwrap_or_default().to_owned()];
    parts.extend(lead.get("at").map(readable));
    parts.extend(lead.get("distance").and_then(Value::as_i64).map(distance));
    parts.extend(text("contact").map(shortened));
    let marks = ["source", "medium", "campaign"].into_iter().filter_map(text);
    let marks = marks.collect::<Vec<&str>>().join(" / ");
    parts.extend((!marks.is_empty()).then_some(marks));
    parts.join(", ")
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

/// Times in the zone of whoever reads them.
fn readable(value: &Value) -> String {
    let at = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    at.map_or_else(|| plain(value), time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;
    use crate::domain::{Decision, Effect, Event, Plan, Step};
    use serde_json::json;
    use std::path::Path;

    fn book() -> Book {
        let secrets =
            ["SHOP_API_KEY", "CALLTOUCH_TOKEN", "CALLTOUCH_HOOK_SECRET", "SHOP_HOOK_SECRET"];
        let env = secrets.map(|name| (name.to_owned(), "0123456789abcdef0123".to_owned()));
        let read = app::read(Some(Path::new("config/leadlink.toml")), env.into_iter());
        read.app.expect("the shipped config is whole").book
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn found(noun: &str, id: &str, distance: i64) -> Value {
        json!({
            "type": noun, "id": id, "complete": true,
            "since": "2025-05-14T12:00:00Z", "until": "2026-05-14T13:00:00Z",
            "candidates": [
                { "id": "1", "at": "2026-01-01T00:00:00Z", "distance": -11_534_400 },
                { "id": id, "at": "2026-05-14T12:00:00Z", "distance": distance,
                  "contact": "+79990000001", "source": "yandex", "campaign": "spring" },
            ],
        })
    }

    fn none(noun: &str, complete: bool) -> Value {
        json!({
            "type": noun, "complete": complete, "candidates": [],
            "since": "2025-05-14T12:00:00Z", "until": "2026-05-14T13:00:00Z",
        })
    }

    /// What `why` says of a creation with these facts and this input.
    fn told(facts: Value, input: Value) -> String {
        let effect = Effect {
            connection: "calltouch-main".to_owned(),
            operation: "deal.create".to_owned(),
            input: input.as_object().cloned().unwrap_or_default(),
            key: "change:1".to_owned(),
        };
        let plan = Plan { steps: vec![Step::new("create", effect)] };
        let story = DecisionStory {
            at: time("2026-05-14T12:02:00Z"),
            flow_hash: String::new(),
            facts,
            decision: Decision { verdict: Verdict::Act(plan), reasons: Vec::new() },
            steps: Vec::new(),
        };
        leads(&book(), "order-to-deal", &story).join("\n")
    }

    fn holds(told: &str, parts: &[&str]) {
        for part in parts {
            assert!(told.contains(part), "no `{part}` in\n{told}");
        }
    }

    #[test]
    fn a_linked_call_and_what_would_have_matched_behind_it() {
        let mut call = found("call", "900000001", -125);
        call["before"] =
            json!({ "id": "7", "at": "2025-05-13T12:00:00Z", "contact": "user@shop.test" });
        let facts = json!({
            "deal": null, "call": call, "request": found("request", "700000001", 30),
            "chat": found("chat", "300000001", 0),
        });
        let told = told(facts, json!({ "call": "900000001" }));
        holds(
            &told,
            &[
                "leads that may be linked: from 2025-05-1",
                "  call 1, 2026-01-01",
                "133 days before the order: farther from the order",
                "2 min before the order, +79…01, yandex / spring: linked, the nearest call",
                "  call 7, 2025-05-13",
                "u…@shop.test: too old",
                "30 s after the order, +79…01, yandex / spring: would have matched, but a call goes first",
                "at the very second of the order, +79…01, yandex / spring: would have matched",
            ],
        );
        assert!(!told.contains("79990000001"), "{told}");
    }

    #[test]
    fn none_is_linked_and_why() {
        let facts = json!({
            "call": none("call", true), "request": none("request", true),
            "chat": found("chat", "300000001", -7200),
        });
        let source = json!({ "source": "Лид не найден" });
        holds(
            &told(facts, source.clone()),
            &[
                "  no call in that time\n",
                "  no request in that time\n",
                "2 h before the order, +79…01, yandex / spring: would have matched, but no chat is linked",
                "linked to none: the source is «Лид не найден»",
            ],
        );
        let facts = json!({
            "call": none("call", false), "request": none("request", true), "chat": none("chat", false),
        });
        let asked = json!({ "source": "Лид не найден", "date": "2026-05-14T12:00:00Z" });
        holds(
            &told(facts, asked),
            &[
                "  no call in that time, as far as we know: our journal of them has gaps in that time",
                "  no chat in that time, as far as webhooks told",
                "linked to none of ours, and our journals have gaps: the far side was asked",
            ],
        );
        holds(
            &told(json!({ "call": null, "request": null }), source),
            &["no lead was looked for: there is no contact", "linked to none"],
        );
    }

    #[test]
    fn the_lead_that_the_order_names() {
        let facts =
            json!({ "call": found("call", "900000001", 5), "request": none("request", true) });
        holds(
            &told(facts.clone(), json!({ "request": "700000009" })),
            &[
                "would have matched, but a request goes first",
                "linked to request 700000009, which the order itself names",
            ],
        );
        holds(
            &told(facts, json!({ "call": "900000009" })),
            &[
                "the nearest, but the order names another",
                "linked to call 900000009, which the order itself names",
            ],
        );
    }

    #[test]
    fn a_deal_what_was_sent_and_what_comes_next() {
        let job = |id: i64, flow: &str, state: JobState| JobStory {
            id,
            flow: flow.to_owned(),
            state,
            registered: time("2026-05-14T12:00:00Z"),
            due: time("2026-05-14T12:30:00Z"),
            tries: 0,
            why: Some("it changed again".to_owned()).filter(|_| id == 2),
            lanes: Vec::new(),
            decisions: Vec::new(),
            mends: Vec::new(),
        };
        let entity = |kind: &str, connection: &str| Entity {
            connection: connection.to_owned(),
            kind: kind.to_owned(),
            id: "123".to_owned(),
            fields: json!({ "status": "new", "call": "" }).as_object().cloned().unwrap_or_default(),
            made: time("2026-05-14T12:02:00Z"),
            changed: time("2026-05-14T12:03:00Z"),
            gone: None,
            became: None,
        };
        let order = Entity {
            fields: Map::new(),
            gone: Some(time("2026-05-14T12:10:00Z")),
            became: Some("124".to_owned()),
            ..entity("order", "shop")
        };
        let story = |jobs: Vec<JobStory>, things: Vec<Entity>| Story {
            event: Event {
                connection: "shop".to_owned(),
                kind: "order.changed".to_owned(),
                key: "change:1".to_owned(),
                aliases: Vec::new(),
                provisional: false,
                registered: time("2026-05-14T12:00:00Z"),
                asked: false,
                fields: Map::new(),
            },
            deliveries: Vec::new(),
            jobs,
            links: Vec::new(),
            things,
        };
        let book = book();
        let things = || vec![entity("deal", "calltouch-main"), order.clone()];
        let waits = job(2, "deal-update", JobState::Waiting);
        let acted = job(1, "order-to-deal", JobState::Acted);
        let lines = remembered(
            &book,
            &[story(vec![waits.clone()], things()), story(vec![acted.clone(), waits], things())],
        );
        let told = lines.join("\n");
        holds(
            &told,
            &[
                "deal 123 in calltouch-main\n  status: new\n  known since 2026-05-14",
                "  next: deal-update decides at 2026-05-14",
                ", because it changed again\n",
                "order 123 in shop\n  gone over there since 2026-05-14",
                ": it became 124",
            ],
        );
        assert_eq!(told.matches("decides at").count(), 1, "{told}");
        assert_eq!(told.matches("deal 123").count(), 1, "{told}");
        let rests = remembered(&book, &[story(vec![acted], things())]).join("\n");
        holds(&rests, &["  nothing waits to be written"]);
    }
}
