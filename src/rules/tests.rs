//! The head as a whole: one flow with all words that tell when, whether and where, and what events
//! say of leads and of what is gone.

use super::*;
use crate::diagnosis::{Source, render};
use crate::domain::{
    EventOffer, FateOffer, Input, JobChange, JobDraft, JobState, Kind, LeadOffer, Need, Seen,
    Verdict,
};
use crate::mapping::grammar::{Shelf, read};
use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, codes: None, about: "" }
}

static CRM: Offer = Offer {
    connector: "crm",
    messenger: None,
    events: &[EventOffer {
        kind: "order.changed",
        fields: &[
            field("id", Kind::Text),
            field("site", Kind::Text),
            field("own", Kind::Flag),
            field("deleted", Kind::Flag),
            field("combined_to", Kind::Text),
        ],
        fate: Some(FateOffer { entity: "order", id: "id", gone: "deleted", became: "combined_to" }),
        ..EventOffer::BASE
    }],
    queries: &[QueryOffer {
        name: "order",
        input: &[Input {
            name: "id",
            kind: Kind::Number,
            need: Need::Must,
            codes: None,
            about: "",
        }],
        output: &[field("id", Kind::Number), field("at", Kind::Time), field("site", Kind::Text)],
        ..QueryOffer::BASE
    }],
    operations: &[],
};

const ID: Input = Input { name: "id", kind: Kind::Text, need: Need::Must, codes: None, about: "" };

static ADS: Offer = Offer {
    connector: "ads",
    messenger: None,
    events: &[EventOffer {
        kind: "call.finished",
        lead: Some(LeadOffer { at: "started", contacts: &["phone", "emails"], journal: true }),
        ..EventOffer::BASE
    }],
    queries: &[QueryOffer {
        name: "deal",
        input: &[ID],
        output: &[field("account", Kind::Text)],
        from: From::Memory("deal"),
        ..QueryOffer::BASE
    }],
    operations: &[OperationOffer {
        name: "deal.create",
        input: &[ID, Input { name: "link", need: Need::May, ..ID }],
        ..OperationOffer::BASE
    }],
};

const TEXT: &str = r#"
[flow]
name       = "deals"
on         = { from = "crm", event = "order.changed", when = "not event.own" }
merge      = "{{ event.id }}"
lane       = "order:{{ event.id }}"
delay      = "30m"
settle     = "2h"
delay_from = "facts.order.at"
[settings]
link = "document"
[facts]
order = { ask = "crm.order", id = "{{ event.id }}" }
deal  = { ask = "ads.deal", of = "{{ facts.order.site }}", id = "{{ event.id }}" }
[[step]]
name = "create"
do   = "ads.deal.create"
of   = "{{ facts.deal.account or facts.order.site }}"
with = { id = "{{ event.id }}", link = "{{ settings.link }}" }
[[case]]
name   = "the case's setting lies over the flow's"
event  = { id = "5", own = false }
facts  = { order = { id = 5, at = "2025-05-14T09:04:00Z" } }
settings = { link = "marker" }
expect = { steps = ["create"], with = { create = { link = "marker" } } }
[[case]]
name   = "a later change puts it off"
event  = { id = "5" }
facts  = { order = { id = 5, at = "2025-05-14T09:30:00Z" } }
expect = { until = "2025-05-14T10:00:00Z", with = { create = { link = "document" } } }
[[case]]
name   = "our own changes are none"
event  = { id = "5", own = true }
expect = { steps = [], because = ["flow: on not (not event.own)"], asks = { order = false } }
"#;

fn bound(text: &str) -> Bound {
    let (flow, problems) = read(&Source::new("deals.toml", text), &Shelf::default());
    assert!(problems.is_empty(), "{}", render(&problems, false));
    let role = |role: &str, names: [&str; 2]| (role.to_owned(), names.map(str::to_owned).into());
    let roles = [role("crm", ["crm-a", "crm-b"]), role("ads", ["ads-a", "ads-b"])];
    Bound::plain(Arc::new(flow), roles.into_iter().collect())
}

fn book(text: &str) -> Book {
    let offers = [("crm-a", &CRM), ("crm-b", &CRM), ("ads-a", &ADS), ("ads-b", &ADS)];
    let accounts = [("ads-a", "1"), ("ads-b", "2")];
    let named = |(name, account): (&str, &str)| (name.to_owned(), account.to_owned());
    Book::new(vec![bound(text)], offers.map(|(name, offer)| (name.to_owned(), offer)).into())
        .with_accounts(accounts.map(named).into())
}

fn event(fields: Value) -> Event {
    let Value::Object(fields) = fields else { panic!("no table") };
    Event {
        connection: "crm-b".to_owned(),
        kind: "order.changed".to_owned(),
        key: "change:900".to_owned(),
        aliases: Vec::new(),
        provisional: false,
        registered: time("2026-11-20T10:00:00Z"),
        asked: false,
        fields,
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn routed(book: &Book, event: &Event, jobs: &[JobState], start: &str) -> Vec<JobChange> {
    let jobs: Vec<_> = jobs.iter().map(|state| ("deals".to_owned(), *state)).collect();
    route::route(book, event, &jobs, Some(time(start)), event.registered)
}

fn draft(changes: &[JobChange]) -> &JobDraft {
    match changes {
        [JobChange::New(draft) | JobChange::Update(draft)] => draft,
        other => panic!("not one: {other:?}"),
    }
}

const BEFORE: &str = "2026-11-01T00:00:00Z";

#[test]
fn an_event_joins_the_job_of_its_merge_key() {
    let book = book(TEXT);
    let changes = routed(&book, &event(json!({ "id": "12345" })), &[], BEFORE);
    let wanted = JobDraft {
        flow: "deals".to_owned(),
        merge_key: "crm-b|12345".to_owned(),
        due: time("2026-11-20T10:30:00Z"),
        registered: time("2026-11-20T10:00:00Z"),
        lanes: vec!["ads-a|order:12345".to_owned()],
        settle: Some(SignedDuration::from_hours(2)),
    };
    assert_eq!(draft(&changes), &wanted);
    assert!(matches!(changes[0], JobChange::New(_)));
    // The same event again while its job waits.
    let again = routed(&book, &event(json!({ "id": 12345 })), &[JobState::Waiting], BEFORE);
    assert_eq!(again, [JobChange::Update(wanted)]);
    // Nothing to merge by: the event's own key.
    let own = routed(&book, &event(json!({ "id": " " })), &[], BEFORE);
    assert_eq!(draft(&own).merge_key, "change:900");
}

#[test]
fn an_event_for_which_when_does_not_hold_makes_no_job() {
    let own = event(json!({ "id": "5", "own": true }));
    assert_eq!(routed(&book(TEXT), &own, &[], BEFORE), []);
    assert_eq!(routed(&book(TEXT), &own, &[JobState::Waiting], BEFORE), []);
    // What cannot be judged is told by its job.
    let text = TEXT.replace("\"not event.own\"", "\"event.id + 1\"");
    assert_eq!(routed(&book(&text), &own, &[], BEFORE).len(), 1);
    let knowledge = Knowledge::of(&book(&text), &own, own.registered);
    let fault = guard::decide(&bound(&text), &own, &knowledge).expect_err("a fault");
    assert_eq!(fault.about, "flow on.when");
}

#[test]
fn what_a_person_asked_for_is_due_at_once_however_old_it_is() {
    let book = book(TEXT);
    let mut asked = event(json!({ "id": "5" }));
    let late = "2026-11-20T10:00:01Z";
    assert_eq!(routed(&book, &asked, &[], late), [], "before the first start");
    let mut knowledge = Knowledge::of(&book, &asked, asked.registered);
    knowledge.now = asked.registered.checked_add(400.hours()).expect("a time");
    let bound = &book.flows()[0];
    assert!(guard::decide(bound, &asked, &knowledge).expect("judged").is_some(), "too old");
    asked.asked = true;
    let changes = routed(&book, &asked, &[], late);
    assert_eq!((draft(&changes).due, draft(&changes).settle), (asked.registered, None));
    assert_eq!(guard::decide(bound, &asked, &knowledge), Ok(None));
}

#[test]
fn facts_and_steps_go_to_the_account_that_is_named() {
    let book = book(TEXT);
    let bound = &book.flows()[0];
    let event = event(json!({ "id": "5" }));
    for (site, account, asks, writes) in [
        (json!("2"), json!(null), "ads-b", "ads-b"),
        (json!(2), json!("1"), "ads-b", "ads-a"),
        (json!("9"), json!(null), "ads-a", "ads-a"),
        (json!(null), json!(""), "ads-a", "ads-a"),
    ] {
        let mut knowledge = Knowledge::of(&book, &event, event.registered);
        let first = gather::next(&book, bound, &mut knowledge).expect("questions");
        let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["order"], "the deal waits for what chooses its connection");
        assert_eq!(first[0].1.connection, "crm-b", "the event's own");
        assert_eq!(first[0].1.among, ["crm-b", "crm-a"]);
        knowledge.facts.insert("order".to_owned(), json!({ "id": 5, "at": null, "site": site }));
        let second = gather::next(&book, bound, &mut knowledge).expect("questions");
        assert_eq!(second[0].1.connection, asks);
        assert_eq!(second[0].1.among.len(), 2);
        assert_eq!(second[0].1.among[0], asks);
        knowledge.facts.insert("deal".to_owned(), json!({ "account": account }));
        let decision = decide::decide(&book, bound, &event, &knowledge).expect("decided");
        let Verdict::Act(plan) = decision.verdict else { panic!("it skips") };
        assert_eq!(plan.steps[0].effect.connection, writes, "{site} {account}");
        assert_eq!(plan.steps[0].effect.input["link"], "document");
    }
}

#[test]
fn a_flow_needs_every_connection_that_it_may_go_to() {
    let needs = |text: &str| {
        let book = book(text);
        book.needs(&book.flows()[0]).map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let all = ["ads-a", "ads-b", "crm-a", "crm-b"].map(str::to_owned).into();
    assert_eq!(needs(TEXT), all);
    let plain = TEXT
        .replace("of   = \"{{ facts.deal.account or facts.order.site }}\"\n", "")
        .replace(" of = \"{{ facts.order.site }}\",", "");
    assert_eq!(needs(&plain), all, "what we remember is looked for everywhere");
    let text = plain.replace("deal  = { ask = \"ads.deal\", id = \"{{ event.id }}\" }\n", "");
    let fewer = ["ads-a", "crm-a", "crm-b"].map(str::to_owned).into();
    assert_eq!(needs(&text), fewer);
}

#[test]
fn the_cases_of_the_flow_pass_and_a_wrong_time_fails() {
    let report = |text: &str| cases::run(&book(text), &bound(text));
    let passes = report(TEXT);
    assert!(passes.problems.is_empty(), "{}", render(&passes.problems, false));
    assert_eq!(passes.passed, 3);
    // A case is about the file: what config lays over it makes none fail.
    let quick =
        Bound { delay: Duration::from_secs(10), max_age: Duration::from_secs(1), ..bound(TEXT) };
    let quick =
        Bound { settings: [("link".to_owned(), json!("other"))].into_iter().collect(), ..quick };
    assert_eq!(cases::run(&book(TEXT), &quick).passed, 3);
    for (from, to, label) in [
        ("until = \"2025-05-14T10:00", "until = \"2025-05-14T10:01", "is put off until"),
        ("until = \"2025-05-14T10:00:00Z\", ", "", "is put off until 2025-05-14T10:00:00Z"),
        ("at = \"2025-05-14T09:30:00Z\"", "at = \"2025-05-14T09:03:00Z\"", "it is not put off"),
        ("at = \"2025-05-14T09:30:00Z\"", "at = \"soon\"", "facts.order.at is no time"),
    ] {
        let failed = report(&TEXT.replace(from, to)).problems;
        assert!(failed.iter().any(|it| it.label.contains(label)), "{}", render(&failed, false));
    }
}

proptest! {
    /// `changed` and `now` are seconds after the job's registration.
    #[test]
    fn it_is_put_off_until_the_delay_is_over_and_never_beyond_settle(
        changed in proptest::option::of(-4_000_i64..20_000), now in 0_i64..20_000, bounded: bool,
    ) {
        let text = if bounded { TEXT.to_owned() } else { TEXT.replace("settle     = \"2h\"\n", "") };
        let (book, event) = (book(&text), event(json!({ "id": "5" })));
        let at = |seconds: i64| event.registered.checked_add(seconds.seconds()).expect("a time");
        let mut knowledge = Knowledge::of(&book, &event, at(now));
        let told = changed.map(|seconds| at(seconds).to_string());
        knowledge.facts.insert("order".to_owned(), json!({ "id": 5, "at": told, "site": null }));
        let until = decide::not_before(&book.flows()[0], event.registered, &knowledge);
        let until = until.expect("judged").map(|(until, _)| until);
        let wanted = changed.map(|seconds| seconds.min(now) + 1800);
        let wanted = wanted.map(|wanted| if bounded { wanted.min(7200) } else { wanted });
        prop_assert_eq!(until, wanted.filter(|wanted| *wanted > now).map(at));
        // Decided then, it is decided.
        if let (Some(until), true) = (until, changed.is_some_and(|changed| changed <= now)) {
            knowledge.now = until;
            let again = decide::not_before(&book.flows()[0], event.registered, &knowledge);
            prop_assert_eq!(again, Ok(None));
        }
    }
}

#[test]
fn a_lead_is_kept_with_canonical_contacts_and_its_source() {
    let book = book(TEXT);
    let call = |fields: Value| Event {
        connection: "ads-a".to_owned(),
        kind: "call.finished".to_owned(),
        key: "call:77".to_owned(),
        ..event(fields)
    };
    let whole = call(json!({
        "phone": "8 (999) 000-00-01", "emails": ["User@Example.test", "79990000001"],
        "started": "2026-11-20T09:58:00Z", "source": "<Не указано>", "medium": " cpc ",
        "utm_campaign": "ж".repeat(300),
    }));
    let lead = route::lead(&book, &whole).expect("a lead");
    assert_eq!((&*lead.connection, &*lead.kind, &*lead.id), ("ads-a", "call", "77"));
    assert_eq!(lead.contacts, ["phone:+79990000001", "email:user@example.test"]);
    assert_eq!(lead.at, time("2026-11-20T09:58:00Z"));
    assert_eq!((lead.source, lead.medium.as_deref()), (None, Some("cpc")));
    assert_eq!(lead.campaign.map(|text| text.chars().count()), Some(255));
    assert_eq!(lead.seen, Seen::default());
    let begun = Event { key: "call:77:started".to_owned(), ..whole.clone() };
    assert_eq!(route::lead(&book, &begun).map(|lead| lead.id).as_deref(), Some("77"));
    let bare = call(json!({ "phone": "79990000001", "started": null }));
    assert_eq!(route::lead(&book, &bare).map(|lead| lead.at), Some(bare.registered));
    let nobody = call(json!({ "phone": "anonymous" }));
    assert_eq!(route::lead(&book, &nobody), None);
    assert_eq!(route::lead(&book, &Event { provisional: true, ..whole.clone() }), None);
    assert_eq!(route::lead(&book, &Event { kind: "call.started".to_owned(), ..whole }), None);
}

#[test]
fn what_is_deleted_or_merged_is_gone() {
    let book = book(TEXT);
    let fate = |fields: Value| {
        let fate = route::fate(&book, &event(fields))?;
        assert_eq!((&*fate.connection, &*fate.kind, &*fate.id), ("crm-b", "order", "5"));
        Some(fate.became)
    };
    assert_eq!(fate(json!({ "id": "5", "deleted": true })), Some(None));
    let merged = json!({ "id": "5", "deleted": true, "combined_to": "6" });
    assert_eq!(fate(merged), Some(Some("6".to_owned())));
    assert_eq!(fate(json!({ "id": "5", "combined_to": 6 })), Some(Some("6".to_owned())));
    for alive in [json!({ "id": "5", "deleted": false }), json!({ "deleted": true })] {
        assert_eq!(fate(alive), None);
    }
    assert_eq!(fate(json!({ "id": "5", "combined_to": "5" })), None, "merged into itself");
}
