//! Pages rendered of sample data, in both languages. Invariant: the samples hold far-side texts that
//! would do harm as HTML, in every field that a far side fills.

use super::frame::Frame;
use super::words::Language;
use super::{connections, flows, needs, overview, story};
use crate::desk::acts::{Act, Changed, Verdict};
use crate::desk::charts::{LatencyView, Line, OverviewCharts, Point};
use crate::desk::connections::*;
use crate::desk::flows::*;
use crate::desk::needs::*;
use crate::desk::overview::{Overview, Process};
use crate::desk::story::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

/// What a far side might write to do harm.
const EVIL: &str = "<script>alert(1)</script>\" onload=alert(2) '";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn entry(name: &str, value: serde_json::Value) -> Entry {
    Entry { name: name.into(), value }
}

fn connection() -> ConnectionRow {
    ConnectionRow {
        name: "calltouch-main".into(),
        title: "Calltouch, main site".into(),
        connector: "calltouch".into(),
        state: Some("paused".into()),
        why: Some(format!("the key is refused: {EVIL}")),
        since: Some(at("2026-11-22T08:40:00Z")),
        answered: Some(at("2026-11-22T08:38:00Z")),
        feeds: vec![FeedView {
            name: "calls".into(),
            every_seconds: 300,
            read: Some(at("2026-11-22T08:35:00Z")),
            age_seconds: Some(1500),
            late: true,
        }],
        requests_today: Some(1_204),
        requests_limit: Some(50_000),
        owner: Some("node-1".into()),
        roles: vec!["calls".into()],
        waiting: 4,
        failed: 12,
        error: Some(format!("phone is taken {EVIL}")),
        drift: vec![problem()],
        looked: Some(at("2026-11-22T08:00:00Z")),
        well: false,
    }
}

fn problem() -> ProblemView {
    ProblemView {
        severity: "error".into(),
        file: Some("call-to-order.toml".into()),
        line: Some(2),
        column: Some(11),
        length: 5,
        title: format!("there is no status `{EVIL}`"),
        label: "not in the CRM".into(),
        mend: "write \"new\"".into(),
    }
}

fn group() -> NeedGroup {
    NeedGroup {
        kind: NeedKind::Job,
        of: "call-to-order".into(),
        reason: format!("no such status {EVIL}"),
        why: format!("no such status: {EVIL}"),
        count: 7,
        more: false,
        ids: vec![17],
        acts: vec![Act::Retry, Act::Skip],
        commands: vec!["leadlink retry 17".into()],
    }
}

fn line(name: &str, counts: &[i64]) -> Line {
    let begin = at("2026-11-21T10:00:00Z");
    let points = counts.iter().zip(0..).map(|(n, hour)| Point {
        at: begin.saturating_add(SignedDuration::from_hours(hour)).expect("a time"),
        n: *n,
    });
    Line { name: name.into(), total: counts.iter().sum(), points: points.collect() }
}

fn now() -> Overview {
    Overview {
        ok: false,
        at: at("2026-11-22T09:00:00Z"),
        processes: vec![Process {
            name: "node-1".into(),
            version: "0.1.0".into(),
            listen: "127.0.0.1:8080".into(),
            started: at("2026-11-21T09:00:00Z"),
            seen: at("2026-11-22T08:59:58Z"),
            loaded: at("2026-11-21T09:00:00Z"),
            trouble: None,
            connections: vec!["calltouch-main".into()],
            me: true,
        }],
        connections: vec![connection()],
        jobs: BTreeMap::from([("waiting".to_owned(), 21)]),
        unrouted: 0,
        lag_seconds: 75,
        looked_for: 1,
        needs: vec![group()],
        needs_total: 7,
        flows_running: 5,
        flows_stopped: 1,
        flows_off: 10,
    }
}

fn charts() -> OverviewCharts {
    let calls = [0, 0, 1, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 7, 12, 9, 14, 11, 5, 3];
    let requests = [0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 2, 3, 2, 0, 1];
    OverviewCharts {
        from: at("2026-11-21T10:00:00Z"),
        until: at("2026-11-22T10:00:00Z"),
        leads: vec![line("call", &calls), line("request", &requests), line("chat", &[0, 0, 1])],
        deals: vec![line("linked", &calls), line("unlinked", &requests)],
        messages: vec![line("in", &requests), line("out", &calls)],
        latency: LatencyView { count: 70, p50_ms: Some(61_240), p99_ms: Some(83_000) },
    }
}

fn step() -> StepView {
    StepView {
        name: "create".into(),
        connection: "shop".into(),
        operation: "order.create".into(),
        repeat: Some("check".into()),
        state: "unknown".into(),
        input: vec![entry("firstName", json!(EVIL)), entry("phones", json!(["+79990000001"]))],
        request: Some(RequestView {
            method: "POST".into(),
            path: "/api/v5/orders/create".into(),
            fields: vec![RequestField { name: "order".into(), value: EVIL.into() }],
        }),
        output: Some(json!({ "errorMsg": EVIL })),
        attempts: vec![Tried {
            started: at("2026-11-22T08:01:01Z"),
            ended: None,
            result: Some("unknown".into()),
            why: Some(format!("the answer was lost {EVIL}")),
        }],
    }
}

fn decided() -> Decided {
    Decided {
        at: at("2026-11-22T08:01:00Z"),
        verdict: "act".into(),
        flow_hash: "abc".into(),
        flow_since: "other".into(),
        event: vec![entry("phone", json!("+79990000001"))],
        facts: vec![Fact {
            name: "customer".into(),
            connection: Some("shop".into()),
            query: Some("customer".into()),
            input: vec![entry("phone", json!("+79990000001"))],
            value: json!({ "id": 1, "name": EVIL }),
        }],
        reasons: vec![Because {
            about: "create".into(),
            why: "when".into(),
            word: "not facts.order".into(),
            text: "create: not facts.order".into(),
            saw: vec![entry("facts.order", json!(null))],
        }],
        leads: vec![LeadLine {
            text: format!("call 900: linked {EVIL}"),
            lead: Some("call:900".into()),
            linked: true,
        }],
        steps: vec![step()],
    }
}

fn tale() -> Story {
    Story {
        id: "calltouch-main~call:900".into(),
        key: "call:900".into(),
        kind: "call.finished".into(),
        connection: "calltouch-main".into(),
        connector: Some("calltouch".into()),
        registered: at("2026-11-22T08:00:00Z"),
        asked: false,
        provisional: false,
        aliases: vec!["call:x".into()],
        fields: vec![entry("phone", json!("+79990000001")), entry("source", json!(EVIL))],
        deliveries: vec![Delivery {
            id: 5,
            channel: "hook".into(),
            content_type: "application/x-www-form-urlencoded".into(),
            received: at("2026-11-22T08:00:00Z"),
            bytes: 1_234,
            body: EVIL.into(),
            cut: true,
        }],
        jobs: vec![JobView {
            id: 17,
            flow: "call-to-order".into(),
            title: Some("Звонок → заказ".into()),
            state: "stuck".into(),
            why: Some(format!("create: unknown {EVIL}")),
            registered: at("2026-11-22T08:00:00Z"),
            due: at("2026-11-22T08:01:00Z"),
            tries: 2,
            lanes: vec!["phone:+79990000001".into()],
            decisions: vec![decided()],
            mends: vec![Mended {
                at: at("2026-11-22T08:30:00Z"),
                what: "retried".into(),
                step: None,
                who: Some(EVIL.into()),
                why: Some(EVIL.into()),
            }],
            doubts: vec![Doubt {
                step: "create".into(),
                connection: "shop".into(),
                operation: "order.create".into(),
                asks: true,
                needs_id: true,
                output: vec!["id".into()],
            }],
            acts: vec![Act::Retry, Act::Replay, Act::Skip, Act::Arrived, Act::Again],
        }],
        silent: vec![Silent { flow: "chat-to-order".into(), why: format!("stopped {EVIL}") }],
        links: vec![Tie {
            connection: "shop".into(),
            kind: "order".into(),
            id: "17".into(),
            made: at("2026-11-22T08:02:00Z"),
        }],
        things: vec![Thing {
            connection: "calltouch-main".into(),
            kind: "deal".into(),
            id: "17".into(),
            fields: vec![entry("status", json!(EVIL))],
            known: true,
            made: at("2026-11-22T08:02:00Z"),
            changed: at("2026-11-22T08:02:00Z"),
            gone: None,
            became: None,
            next: vec![NextWrite {
                job: 18,
                flow: "deal-update".into(),
                due: at("2026-11-22T09:30:00Z"),
                why: None,
            }],
            written: true,
        }],
    }
}

fn flow() -> FlowPage {
    let part = |class: &str, text: &str, problem| SourcePart {
        class: class.into(),
        text: text.into(),
        problem,
    };
    FlowPage {
        row: FlowRow {
            name: "call-to-order".into(),
            title: "Звонок → заказ".into(),
            state: "running".into(),
            why: Some(EVIL.into()),
            from: "calls".into(),
            event: "call.finished".into(),
            file: "call-to-order.toml".into(),
            roles: BTreeMap::from([("calls".to_owned(), vec!["calltouch-main".to_owned()])]),
            switch: Some(Switched {
                running: true,
                configured: false,
                who: "anna".into(),
                why: Some(EVIL.into()),
                at: at("2026-11-22T07:00:00Z"),
            }),
            counts: FlowTally { waiting: 3, due: 1, deciding: 1, stuck: 2 },
            problems: 1,
            cases_passed: 1,
            cases_failed: 1,
            acts: vec![Act::Stop],
        },
        delay_seconds: 60,
        max_age_seconds: 7 * 86_400,
        settle_seconds: Some(7200),
        settings: vec![FlowSetting {
            name: "link".into(),
            value: json!(EVIL),
            own: Some(json!("x")),
        }],
        source: vec![
            SourceLine { number: 1, parts: vec![part("table", "[flow]", None)], problems: vec![] },
            SourceLine {
                number: 2,
                parts: vec![
                    part("key", "name", None),
                    part("plain", " = ", None),
                    part("string", EVIL, Some(0)),
                ],
                problems: vec![0],
            },
        ],
        stale: true,
        problems: vec![problem()],
        cases: vec![
            CaseView { name: "a new caller".into(), line: 2, passed: true, why: None },
            CaseView { name: EVIL.into(), line: 2, passed: false, why: Some(EVIL.into()) },
        ],
        decisions: vec![DecisionRow {
            at: at("2026-11-22T08:01:00Z"),
            job: 17,
            story: "calltouch-main~call:900".into(),
            event: "call:900".into(),
            verdict: "skip".into(),
            reasons: vec![EVIL.into()],
        }],
    }
}

fn trial() -> Trial {
    let verdict =
        |word: &str| Verdict { word: word.into(), steps: vec![], reasons: vec![EVIL.into()] };
    Trial {
        flow: "call-to-order".into(),
        sound: true,
        source: flow().source,
        cases: flow().cases,
        decisions: 100,
        same: 99,
        differ: 1,
        differences: vec![TrialDifference {
            at: at("2026-11-22T08:01:00Z"),
            job: 17,
            story: "calltouch-main~call:900".into(),
            event: "call:900".into(),
            what: "skip → act".into(),
            changes: vec![Changed { at: "create.name".into(), was: None, now: Some(EVIL.into()) }],
            was: verdict("skip"),
            now: verdict("act"),
        }],
        ..Trial::default()
    }
}

fn whole() -> ConnectionPage {
    let field = |path: &str| OfferedField {
        path: path.into(),
        kind: "text".into(),
        need: "must".into(),
        about: EVIL.into(),
        list: None,
    };
    ConnectionPage {
        row: connection(),
        settings: vec![ConnectionSetting {
            key: "token".into(),
            value: "env:CALLTOUCH_TOKEN".into(),
            secret: true,
            place: Some("config/leadlink.toml:12".into()),
            about: "the key".into(),
            default: false,
        }],
        hook: Some(HookView {
            address: "https://leads.example/hooks/calltouch-main/secret-secret-16".into(),
            whole: true,
            unknown_host: false,
        }),
        trigger: None,
        pace: 5.0,
        errors: vec![ErrorRow {
            at: at("2026-11-22T08:38:00Z"),
            job: 17,
            flow: "order-to-deal".into(),
            step: "deal".into(),
            operation: "deal.create".into(),
            result: "later".into(),
            why: Some(EVIL.into()),
            story: "shop~order:17".into(),
        }],
        flows: vec!["call-to-order".into()],
        lists: vec![ListView { name: "sites".into(), about: EVIL.into() }],
        offer: OfferView {
            events: vec![OfferedEvent {
                kind: "call.finished".into(),
                about: "a call ended".into(),
                write: "on = { from = \"calls\", event = \"call.finished\" }".into(),
                fields: vec![field("event.phone")],
            }],
            ..OfferView::default()
        },
    }
}

fn waiting() -> Needs {
    Needs {
        groups: vec![group()],
        rows: vec![Need {
            kind: NeedKind::Unknown,
            id: 17,
            at: at("2026-11-22T08:01:00Z"),
            flow: Some("call-to-order".into()),
            connection: None,
            event: Some("call:900".into()),
            story: Some("calltouch-main~call:900".into()),
            why: format!("no such status: {EVIL}"),
            reason: group().reason,
            step: Some("create".into()),
            mend: EVIL.into(),
            body: Some(EVIL.into()),
            acts: vec![Act::Retry, Act::Skip],
        }],
        next: Some("1-2".into()),
        total: 7,
        more: true,
    }
}

/// All pages, with their paths.
fn pages(language: Language) -> Vec<(&'static str, String)> {
    let frame = |path: &str| Frame::sample(language, path);
    let filter = NeedFilter { reason: Some(group().reason), ..NeedFilter::default() };
    vec![
        ("overview", overview::text(&frame("/"), &now(), &charts())),
        ("story", story::text(&frame("/story/x"), &tale())),
        ("flows", flows::list_text(&frame("/flows"), &[flow().row])),
        ("flow", flows::text_of(&frame("/flows/x"), &flow())),
        ("trial", flows::trial_text(&frame("/flows/x/try"), &trial())),
        ("connections", connections::list_text(&frame("/connections"), &[connection()])),
        ("connection", connections::text(&frame("/connections/x"), &whole())),
        ("needs", needs::text(&frame("/needs"), &filter, &waiting())),
    ]
}

/// Without the hashes of style and script, and without the empty lines that templates leave.
fn steady(page: &str) -> String {
    let page =
        page.replace(super::assets::style(), "style").replace(super::assets::script(), "script");
    let lines = page.lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_that_a_far_side_wrote_is_html() {
    for language in Language::ALL {
        for (name, page) in pages(language) {
            assert!(page.contains("&#60;script&#62;"), "{name} shows no far-side text");
            assert!(!page.contains("<script>"), "{name}: a script of a far side");
            let tags = page.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
            for (tag, _) in tags {
                let plain: String = tag.split('"').step_by(2).collect();
                assert!(
                    !plain.contains(" style="),
                    "{name}: <{tag}> has a style, which the policy forbids"
                );
                assert!(!plain.contains(" on"), "{name}: <{tag}> has a handler");
            }
        }
    }
}

#[test]
fn no_two_parts_of_a_page_have_one_id() {
    for (name, page) in pages(Language::En) {
        let mut seen = std::collections::HashSet::new();
        for part in page.split(" id=\"").skip(1) {
            let id = part.split('"').next().unwrap_or_default();
            assert!(seen.insert(id.to_owned()), "{name}: `{id}` stands twice");
        }
    }
}

#[test]
fn who_may_not_act_sees_no_buttons() {
    let mut frame = Frame::sample(Language::En, "/story/x");
    if let Some(signed) = &mut frame.signed {
        signed.role = crate::desk::Role::Marketing;
    }
    let filter = NeedFilter::default();
    for page in [
        story::text(&frame, &tale()),
        flows::list_text(&frame, &[flow().row]),
        connections::text(&frame, &whole()),
        needs::text(&frame, &filter, &waiting()),
    ] {
        let forms =
            page.matches("method=\"post\"").count() - page.matches("action=\"/logout\"").count();
        let harmless = page.matches("id=\"each\"").count();
        assert_eq!(forms, harmless, "{page}");
        assert!(!page.contains("name=\"act\"") && !page.contains("/people\""));
    }
}

/// Parts that come and go would never be put in place: the page looks for those that it has.
#[test]
fn what_is_live_is_there_from_the_beginning() {
    let frame = Frame::sample(Language::En, "/connections/x");
    let mut calm = whole();
    calm.row.why = None;
    for page in [connections::text(&frame, &whole()), connections::text(&frame, &calm)] {
        assert!(page.contains("data-live=\"why\""), "{page}");
    }
    let page = connections::list_text(&frame, &[connection()]);
    assert!(page.contains("/connections/calltouch-main#errors") && page.contains("phone is taken"));
}

#[test]
fn what_ends_a_thing_wants_a_word_and_enter_does_nothing() {
    let filter = NeedFilter { reason: Some(group().reason), ..NeedFilter::default() };
    let page = needs::text(&Frame::sample(Language::En, "/needs"), &filter, &waiting());
    for id in ["bulk-why", "each-why"] {
        assert!(
            page.contains(&format!("id=\"{id}\" name=\"why\" maxlength=\"300\" required")),
            "{page}"
        );
    }
    assert!(
        page.contains("value=\"retry\" class=\"main\" formnovalidate")
            || page.contains("value=\"retry\" formnovalidate")
    );
    assert!(!page.contains("value=\"skip\" formnovalidate"));
    assert_eq!(page.matches("<button disabled hidden data-off>").count(), 2);
}

/// With the flow stopped nobody can say yes or no: a form without a button asks in vain.
#[test]
fn a_doubt_is_asked_about_where_it_can_be_answered() {
    let frame = Frame::sample(Language::Ru, "/story/x");
    let mut tale = tale();
    assert!(story::text(&frame, &tale).contains("class=\"card filters doubt\""));
    tale.jobs[0].acts.retain(|act| *act == Act::Skip);
    assert!(!story::text(&frame, &tale).contains("class=\"card filters doubt\""));
}

#[test]
fn the_overview_and_a_story_in_both_languages() {
    for language in Language::ALL {
        for (name, page) in pages(language) {
            if ["overview", "story"].contains(&name) {
                insta::assert_snapshot!(format!("{name}-{}", language.code()), steady(&page));
            }
        }
    }
}
