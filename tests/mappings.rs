//! The shipped flows with the offers of the connections that config/leadlink.toml binds them to.
//! Invariant: every case passes, and there is one for each cell of the matrix of leads and states.
#![cfg(test)]

use leadlink::app::{self, App};
use leadlink::diagnosis::{Problem, has_errors, render};
use leadlink::rules::cases;
use std::path::Path;

/// calltouch.md §7.6, in the words of the cases.
const LEADS: [&str; 7] = [
    "call",
    "request with a phone",
    "request with phone and e-mail",
    "request with an e-mail",
    "chat with a phone",
    "chat with phone and e-mail",
    "chat with an e-mail",
];
const STATES: [&str; 8] = [
    "no customer",
    "customer without orders",
    "open order without a mark",
    "open order with a mark",
    "newest order is completed",
    "newest order is cancelled",
    "newest order is closed, an older one open",
    "two customers",
];

fn shipped() -> App {
    let secrets = ["SHOP_API_KEY", "CALLTOUCH_TOKEN", "CALLTOUCH_HOOK_SECRET", "SHOP_HOOK_SECRET"];
    let env = secrets.map(|name| (name.to_owned(), "0123456789abcdef0123".to_owned()));
    let read = app::read(Some(Path::new("config/leadlink.toml")), env.into_iter());
    // Only that there is no messenger.
    let told =
        |problem: &Problem| !problem.title.starts_with("off, since the role `chat` is not bound");
    let problems: Vec<Problem> = read.problems.into_iter().filter(told).collect();
    assert!(problems.is_empty(), "{}", render(&problems, false));
    read.app.expect("the config is whole")
}

#[test]
fn every_case_of_every_shipped_flow_passes() {
    let app = shipped();
    let names: Vec<&str> = app.book.flows().iter().map(|bound| bound.name.as_str()).collect();
    let all = [
        "call-to-order",
        "chat-to-order",
        "deal-update",
        "dialog-assign",
        "dialog-close",
        "dialog-end",
        "order-to-deal",
        "request-to-order",
    ];
    assert_eq!(names, all);
    // What is the CRM's own to do is done from here only where a person says so.
    let asked_for = ["dialog-assign", "dialog-close", "dialog-end"];
    for bound in app.book.flows() {
        let on = !asked_for.contains(&&*bound.name);
        assert_eq!(bound.running, on, "{} in the shipped config", bound.name);
        let report = cases::run(&app.book, bound);
        assert!(report.problems.is_empty(), "{}", render(&report.problems, false));
        assert_eq!(report.passed, bound.flow.cases.len());
    }
}

/// The same with a messenger, and its channel in the CRM's chats.
fn with_messenger(connector: &str) -> App {
    let secret = "0123456789abcdef0123";
    let secrets = ["SHOP_API_KEY", "CALLTOUCH_TOKEN", "CALLTOUCH_HOOK_SECRET"];
    let secrets = secrets.map(|name| (name.to_owned(), secret.to_owned()));
    let own: &[(&str, &str)] = match connector {
        "chatapi" => &[
            ("MESSENGER__PROFILE", "chatapi"),
            ("MESSENGER__URL", "https://eu115.chat-api.com"),
            ("MESSENGER__INSTANCE", "123456"),
        ],
        _ => &[],
    };
    let said = [
        ("MESSENGER__CONNECTOR", connector),
        ("MESSENGER__NAME", "The messenger"),
        ("MESSENGER__TOKEN", "123456:0123456789abcdef0123"),
        ("MESSENGER__HOOK_SECRET", secret),
        ("SHOP__HOOK_SECRET", secret),
        ("SHOP__PUBLIC", "https://leadlink.example.com"),
        ("SHOP__CHANNELS__MESSENGER__SITE", "main"),
        ("SHOP__CHANNELS__MESSENGER__NAME", "Our number"),
    ];
    let key =
        |(key, value): &(&str, &str)| (format!("LEADLINK_CONNECTIONS__{key}"), (*value).to_owned());
    let role = ("LEADLINK_ROLES__CHAT".to_owned(), "messenger".to_owned());
    let env = secrets.into_iter().chain(said.iter().chain(own).map(key)).chain([role]);
    let read = app::read(Some(Path::new("config/leadlink.toml")), env);
    assert!(!has_errors(&read.problems), "{}", render(&read.problems, false));
    read.app.expect("the config is whole")
}

/// What fits every messenger, and what needs one that tells more.
#[test]
fn every_case_of_every_flow_of_conversations_passes() {
    for (connector, more) in [("chatapi", &["delivery-to-crm"][..]), ("telegram", &["edit-to-crm"])]
    {
        let app = with_messenger(connector);
        let flows = [
            "button-to-crm",
            "order-status-to-message",
            "crm-edit-to-message",
            "crm-removal-to-message",
            "crm-to-message",
            "message-to-crm",
        ];
        for name in flows.iter().chain(more) {
            let bound = app.book.flow(name).unwrap_or_else(|| panic!("{name} is not bound"));
            let report = cases::run(&app.book, bound);
            assert!(report.problems.is_empty(), "{}", render(&report.problems, false));
            assert_eq!(report.passed, bound.flow.cases.len());
            assert!(report.passed > 0);
        }
    }
}

#[test]
fn there_is_a_case_for_each_cell_of_the_matrix() {
    let app = shipped();
    let cases = app.book.flows().iter().flat_map(|bound| &bound.flow.cases);
    let names: Vec<&str> = cases.map(|case| case.name.as_str()).collect();
    let cells = LEADS.iter().flat_map(|lead| STATES.map(|state| format!("{lead}, {state}:")));
    let missing: Vec<String> = cells
        .filter(|cell| names.iter().filter(|name| name.starts_with(cell)).count() != 1)
        .collect();
    assert!(missing.is_empty(), "no case, or several, for {missing:#?}");
    assert!(names.len() > LEADS.len() * STATES.len(), "{} cases", names.len());
}

/// calltouch.md §7.4: the rules of deals.
#[test]
fn there_are_cases_for_each_rule_of_deals() {
    let app = shipped();
    let deals = app.book.flows().iter().filter(|bound| bound.name.contains("deal"));
    let names: Vec<&str> = deals
        .flat_map(|bound| &bound.flow.cases)
        .map(|case| case.name.split(' ').next().unwrap_or_default())
        .collect();
    for rule in 1..=9 {
        let rule = format!("D{rule}");
        assert!(names.iter().any(|name| *name == rule), "no case for {rule}");
    }
}

/// A case that expected nothing would pass whatever the flow does.
#[test]
fn every_case_expects_something() {
    let app = shipped();
    for bound in app.book.flows() {
        for case in &bound.flow.cases {
            let expect = &case.expect;
            let says = expect.steps.is_some() || expect.incomplete || !expect.with.is_empty();
            assert!(says, "{}: \"{}\" expects nothing", bound.name, case.name);
        }
    }
}

/// The requirements that flows of conversations decide (messengers.md 0, 4.1, 6.1).
#[test]
fn there_are_cases_for_each_rule_of_conversations() {
    let app = with_messenger("chatapi");
    let cases = app.book.flows().iter().flat_map(|bound| &bound.flow.cases);
    let names: Vec<&str> = cases.map(|case| case.name.as_str()).collect();
    let rules = [
        "X-2", "X-4", "X-8", "ID-9", "ID-11", "ID-12", "ID-13", "ID-14", "ID-15", "ID-17", "ID-23",
        "ID-24", "ID-25", "ID-26", "ID-28", "RC-3", "RC-10", "RC-12", "RC-14", "RC-17",
    ];
    for rule in rules {
        let told = |name: &&str| name.split(' ').any(|word| word == rule);
        assert!(names.iter().any(told), "no case for {rule}");
    }
}
