//! What `why` says of deals and of the leads that they may have come from, in people's words.
//! Invariant: says what the desk shows, line by line.

use super::time;
use crate::desk::story::{self, Thing};
use crate::rules::Book;
use crate::store::{DecisionStory, Story};
use jiff::tz::TimeZone;

/// What is remembered of the things that the stories are about, each once, and when each is written
/// next.
pub fn remembered(book: &Book, stories: &[Story]) -> Vec<String> {
    story::things(book, stories).iter().flat_map(thing).collect()
}

fn thing(thing: &Thing) -> Vec<String> {
    let zone = TimeZone::system();
    let mut lines = vec![format!("{} {} in {}", thing.kind, thing.id, thing.connection)];
    let shown = thing.fields.iter();
    lines.extend(
        shown.map(|field| {
            format!("  {}: {}", field.name, story::leads::readable(&field.value, &zone))
        }),
    );
    if thing.known {
        let (made, changed) = (time(thing.made), time(thing.changed));
        lines.push(format!("  known since {made}, last written {changed}"));
    }
    if let Some(gone) = thing.gone {
        let became = thing.became.as_ref();
        let what = became.map_or_else(String::new, |id| format!(": it became {id}"));
        lines.push(format!("  gone over there since {}{what}", time(gone)));
    }
    if thing.written && thing.next.is_empty() {
        lines.push("  nothing waits to be written".to_owned());
    }
    lines.extend(thing.next.iter().map(|next| {
        let why = next.why.as_deref().map(|why| format!(", because {why}")).unwrap_or_default();
        format!("  next: {} decides at {}{why}", next.flow, time(next.due))
    }));
    lines.push(String::new());
    lines
}

/// How a decision chose among the leads: what was chosen, and what would have matched.
pub fn leads(book: &Book, flow: &str, decision: &DecisionStory) -> Vec<String> {
    let lines = story::leads::leads(book, flow, decision, &TimeZone::system());
    lines.into_iter().map(|line| line.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;
    use crate::domain::{Decision, Effect, Entity, Event, JobState, Plan, Step, Verdict};
    use crate::store::JobStory;
    use jiff::Timestamp;
    use serde_json::json;
    use serde_json::{Map, Value};
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
            event: Map::new(),
            asked: None,
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
