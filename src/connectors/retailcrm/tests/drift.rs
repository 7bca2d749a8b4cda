//! Looks for drift against the stand-in of the CRM, whose lists and rights change in between.

use super::*;
use crate::connectors::port::{Glance, Sight};
use crate::diagnosis::{Place, Severity, Source, line_col};
use crate::domain::{Use, Uses, Way, What};
use crate::sandbox::{Options, Sandbox, Store};
use serde_json::json;

const FLOW: &str = "status = 'new'\nmethod = 'phone'\nmanager = 2\nmark = 'calltouch_site_id'\n\
    closed = 'complete'\nsite = 'main'\nown = 'colour'\ncreate\n";

fn one(line: usize, what: What) -> Use {
    let source = Source::new("mappings/a.toml", FLOW);
    let start = FLOW.lines().take(line - 1).map(|text| text.len() + 1).sum();
    Use {
        what,
        flow: "call-to-order".into(),
        part: "step create".into(),
        field: format!("field{line}"),
        running: true,
        place: Place { source, span: start..start + 3 },
    }
}

fn code(line: usize, list: &'static str, code: &str, way: Way) -> Use {
    one(line, What::Code { list, code: code.into(), way })
}

fn uses() -> Uses {
    let list = vec![
        code(1, "statuses", "new", Way::Written),
        code(2, "methods", "phone", Way::Written),
        code(3, "users", "2", Way::Written),
        code(4, "fields", "calltouch_site_id", Way::Written),
        code(5, "groups", "complete", Way::Read),
        code(6, "sites", "main", Way::Written),
        code(7, "fields", "colour", Way::Written),
        one(8, What::Operation("order.create".into())),
    ];
    Uses { list, of: "hash".into() }
}

async fn start() -> (Sandbox, Account) {
    let stores = vec![Store { code: "main".into(), name: "Main shop".into(), ordering: 10 }];
    let options = Options { crm_rps: None, stores, ..Options::default() };
    let crm = Sandbox::start(options).await.unwrap();
    let account = account_with(&crm.crm_url(), crm.api_key(), "requests_per_second = 1000");
    account.setup().await.unwrap();
    let own = json!({"entity": "order", "code": "colour", "name": "Цвет", "type": "string"});
    control(&crm, "custom-fields", own).await;
    (crm, account)
}

async fn control(crm: &Sandbox, route: &str, body: Value) {
    let url = format!("{}/_sandbox/{route}", crm.crm_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{route} {body}");
}

/// Looks an hour later each time, so that nothing cached answers.
async fn look(account: &Account, uses: &Uses, before: Option<&Value>, hour: i64) -> Sight {
    let now = Timestamp::from_second(1_780_000_000 + hour * 3600).unwrap();
    account.drift(&Glance { uses, before, now }).await.unwrap()
}

fn told(sight: &Sight) -> Vec<(Severity, Option<usize>, &str)> {
    let line = |problem: &Problem| problem.place.as_ref().map(|place| line_col(place).0);
    sight.problems.iter().map(|found| (found.severity, line(found), found.title.as_str())).collect()
}

#[tokio::test]
async fn what_is_as_the_flows_use_it_is_no_drift() {
    let (_crm, account) = start().await;
    let sight = look(&account, &uses(), None, 0).await;
    assert_eq!(told(&sight), []);
    let sight = look(&account, &uses(), Some(&sight.seen), 1).await;
    assert_eq!(told(&sight), []);
}

#[tokio::test]
async fn each_code_that_is_gone_is_told_until_it_is_back() {
    let (crm, account) = start().await;
    let uses = uses();
    let mut seen = look(&account, &uses, None, 0).await.seen;
    let mut hour = 0;
    for (list, code, line, severity, words) in [
        ("statuses", "new", 1, Severity::Error, "the CRM has no status `new`"),
        ("methods", "phone", 2, Severity::Error, "the CRM has no order method `phone`"),
        ("users", "2", 3, Severity::Error, "the CRM has no active user 2"),
        (
            "fields",
            "calltouch_site_id",
            4,
            Severity::Error,
            "lack the custom fields calltouch_site_id",
        ),
        ("groups", "complete", 5, Severity::Warning, "no active status group `complete`"),
        ("fields", "colour", 7, Severity::Error, "the CRM has no custom field of orders `colour`"),
    ] {
        control(&crm, "lists", json!({"list": list, "code": code, "state": "gone"})).await;
        hour += 1;
        let sight = look(&account, &uses, Some(&seen), hour).await;
        let found = told(&sight);
        let of_ours = found.iter().find(|(_, at, _)| *at == Some(line));
        let (found_severity, _, title) = of_ours.unwrap_or_else(|| panic!("{code}: {found:?}"));
        assert_eq!((*found_severity, title.contains(words)), (severity, true), "{title}");
        assert!(title.starts_with("connections.shop: "), "{title}");
        seen = sight.seen;
        control(&crm, "lists", json!({"list": list, "code": code})).await;
        hour += 1;
        let sight = look(&account, &uses, Some(&seen), hour).await;
        assert_eq!(told(&sight), [], "{code} is back");
        seen = sight.seen;
    }
}

#[tokio::test]
async fn what_is_switched_off_or_of_another_type_is_a_warning() {
    let (crm, account) = start().await;
    let uses = uses();
    let seen = look(&account, &uses, None, 0).await.seen;
    control(&crm, "lists", json!({"list": "methods", "code": "phone", "state": "inactive"})).await;
    control(&crm, "lists", json!({"list": "fields", "code": "colour", "type": "integer"})).await;
    let first = look(&account, &uses, Some(&seen), 1).await;
    // It is told as long as it is so, not only when it changes.
    let second = look(&account, &uses, Some(&first.seen), 2).await;
    for sight in [first, second] {
        let found = told(&sight);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|(severity, ..)| *severity == Severity::Warning), "{found:?}");
        assert!(
            found.iter().any(|(_, line, title)| *line == Some(2) && title.contains("switched off"))
        );
        let typed = |title: &str| title.contains("of the type `integer`, not `string`");
        assert!(found.iter().any(|(_, line, title)| *line == Some(7) && typed(title)), "{found:?}");
    }
}

#[tokio::test]
async fn a_flow_that_does_not_run_fails_nothing() {
    let (crm, account) = start().await;
    let mut uses = uses();
    uses.list.iter_mut().for_each(|found| found.running = false);
    control(&crm, "lists", json!({"list": "statuses", "code": "new", "state": "gone"})).await;
    let sight = look(&account, &uses, None, 0).await;
    let found = told(&sight);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (Severity::Warning, Some(1)));
}

#[tokio::test]
async fn a_second_store_is_told_until_site_is_written() {
    let (crm, account) = start().await;
    let uses = uses();
    let seen = look(&account, &uses, None, 0).await.seen;
    let two = json!([{"code": "main", "name": "Main shop", "ordering": 10},
        {"code": "second", "name": "Second", "ordering": 5}]);
    control(&crm, "stores", two).await;
    let mut before = seen;
    for hour in 1..4 {
        let sight = look(&account, &uses, Some(&before), hour).await;
        let found = told(&sight);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].2.contains("the stores second, main now"), "{found:?}");
        assert!(sight.problems[0].mend.contains("new orders go to `second`"));
        assert!(sight.problems[0].mend.contains("site = \"main\""));
        before = sight.seen;
    }
    let extra = "requests_per_second = 1000\nsite = \"main\"";
    let chosen = account_with(&crm.crm_url(), crm.api_key(), extra);
    assert_eq!(told(&look(&chosen, &uses, Some(&before), 5).await), []);
    // Two stores at the first look are legal.
    assert_eq!(told(&look(&account, &uses, None, 6).await), []);
}

#[tokio::test]
async fn a_right_that_is_lost_is_told_with_who_needs_it() {
    let (crm, account) = start().await;
    let uses = uses();
    let seen = look(&account, &uses, None, 0).await.seen;
    let rights = [
        "order_read",
        "customer_read",
        "customer_write",
        "reference_read",
        "user_read",
        "custom_fields_read",
    ];
    control(&crm, "rights", json!({"scopes": rights, "sites": null})).await;
    let sight = look(&account, &uses, Some(&seen), 1).await;
    let found = told(&sight);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (Severity::Error, Some(8)));
    assert!(found[0].2.contains("call-to-order, step create"), "{found:?}");
    assert!(found[0].2.ends_with("the key lacks the right order_write"), "{found:?}");
    // Without the right to read references what is there cannot be told; that can.
    control(&crm, "rights", json!({"scopes": ["order_read", "order_write"], "sites": null})).await;
    let sight = look(&account, &uses, Some(&sight.seen), 2).await;
    let lost = told(&sight).iter().any(|(.., title)| title.ends_with("the right reference_read"));
    assert!(lost, "{:?}", told(&sight));
    assert_eq!(sight.seen["stores"], json!(["main"]), "what was seen stays");
    control(&crm, "rights", json!({"scopes": null, "sites": null})).await;
    assert_eq!(told(&look(&account, &uses, Some(&sight.seen), 3).await), []);
}

#[tokio::test]
async fn a_crm_that_does_not_answer_tells_nothing() {
    let (crm, account) = start().await;
    crm.add_fault(crate::sandbox::Rule::next(
        crate::sandbox::Side::Retailcrm,
        crate::sandbox::Fault::Error500,
        "",
        9,
    ));
    let now = Timestamp::from_second(1_780_000_000).unwrap();
    let uses = uses();
    let told = account.drift(&Glance { uses: &uses, before: None, now }).await;
    assert_eq!(told.err().map(|delay| delay.whose), Some(crate::domain::Whose::Connection));
}
