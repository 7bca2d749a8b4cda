//! Who is not served, and what is told of the block elsewhere. Invariant: nothing is kept, nothing is
//! asked of the CRM for a stranger, and no log names a person.

use super::{ACCOUNT, Body, SECRET, ask, metric, person, plan, post, searches, ticket};
use crate::support::House;
use serde_json::json;

const PHONE: &str = "79990000001";
const EMAIL: &str = "somebody.known@example.test";

fn said(output: &std::process::Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_other_accounts_and_a_block_that_is_off_ask_the_crm_nothing() {
    let off = format!(
        "[connections.off]\nconnector = \"usedesk\"\nname = \"Off desk\"\ncrm = \"shop\"\n\
        secret = \"{SECRET}\"\nsubdomain = \"{ACCOUNT}\"\nenabled = false"
    );
    let house = House::start(plan(&off)).await;
    let whom = json!({ "firstName": "Known", "phones": [{ "number": PHONE }], "email": EMAIL });
    person(&house, whom, 1).await;
    let asked = searches(&house).await;
    let mut wrong = ticket(&[PHONE], &[]);
    wrong["secret"] = json!("wrong-secret-0123456789");
    let mut none = ticket(&[PHONE], &[]);
    none.as_object_mut().expect("a table").remove("secret");
    let mut key = ticket(&[PHONE], &[]);
    key["secret"] = json!(house.sandbox.api_key());
    let strangers = [
        ("helpdesk", wrong),
        ("helpdesk", none),
        ("helpdesk", key),
        ("nobody", ticket(&[PHONE], &[])),
        ("shop", ticket(&[PHONE], &[])),
        ("helpdesk", json!([1])),
    ];
    for (connection, body) in strangers {
        let seen = post(&house, connection, Body::Json(body)).await;
        assert_eq!((seen.status, seen.html.as_str()), (403, ""), "{connection}");
    }
    for subdomain in ["other", "", "company/..", "COMPANY"] {
        let mut body = ticket(&[PHONE], &[]);
        body["subdomain"] = json!(subdomain);
        post(&house, "helpdesk", Body::Json(body)).await.has("subdomain");
    }
    let seen = post(&house, "off", Body::Json(ticket(&[PHONE], &[]))).await;
    assert_eq!((seen.status, seen.html.as_str()), (200, ""));
    assert_eq!(searches(&house).await, asked);
    // It has no hook, so that nothing of a ticket could be kept by a wrong paste.
    let hook = house.url(&format!("/hooks/helpdesk/{SECRET}"));
    assert_eq!(house.post_to(&hook, &[("secret", SECRET)]).await, 404);
    ask(&house, &[PHONE], &[EMAIL]).await.has("Known");
    assert_eq!(house.sql("select channel from raw where connection = 'helpdesk'").await.len(), 0);

    let line = |result: &str| {
        format!("leadlink_blocks_total{{connection=\"helpdesk\",result=\"{result}\"}}")
    };
    for (result, times) in [("stranger", 4), ("elsewhere", 4), ("people", 1)] {
        assert_eq!(metric(&house, &line(result)).await, times, "{result}");
    }
    let count = "leadlink_block_seconds_count{connection=\"helpdesk\"}";
    assert_eq!(metric(&house, count).await, 9);
    let log = house.whole_log();
    for told in [PHONE, &PHONE[1..], EMAIL, "Known", SECRET, house.sandbox.api_key()] {
        assert!(!log.contains(told), "the log tells {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_own_form_opens_where_it_is_allowed() {
    let house = House::start(plan("accept_api_key = true")).await;
    let mut body = ticket(&[PHONE], &[]);
    body["secret"] = json!(house.sandbox.api_key());
    post(&house, "helpdesk", Body::Json(body)).await.has("Клиент не найден");
    ask(&house, &[PHONE], &[]).await.has("Клиент не найден");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_to_paste_is_told_and_what_is_wrong_too() {
    let house = House::build(plan("title = \"Клиент\"")).await;
    let arguments = ["trigger", "helpdesk", "--public", "https://leads.example.com"];
    let output = house.command(&arguments);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    let address = "https://leads.example.com/blocks/usedesk/helpdesk";
    for text in ["In Usedesk:", address, SECRET, "subdomain", ACCOUNT, "Клиент"] {
        assert!(told.contains(text), "no `{text}`: {told}");
    }
    let config = std::fs::read_to_string(house.config()).expect("the config");
    let page = house.dir.path().join("block.html");
    std::fs::write(&page, "<p>\n{{ persons }}\n").expect("written");
    for (from, to, told) in [
        ("crm = \"shop\"\nsecret", "crm = \"shpo\"\nsecret", "there is no connection `shpo`"),
        (SECRET, "env:NOBODY_SETS_THIS", "NOBODY_SETS_THIS"),
        ("title = \"Клиент\"", &format!("template = \"{}\"", page.display()), "block.html:2"),
    ] {
        std::fs::write(house.config(), config.replace(from, to)).expect("written");
        let checked = house.command(&["check"]);
        let all = said(&checked);
        assert!(checked.status.code() == Some(1) && all.contains(told), "{told}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_template_is_taken_at_a_reload_and_a_broken_one_refused() {
    let mut house = House::build(plan("template = \"PAGE\"")).await;
    let page = house.dir.path().join("block.html");
    std::fs::write(&page, "one: {{ notice }}").expect("written");
    let config = std::fs::read_to_string(house.config()).expect("the config");
    let config = config.replace("PAGE", &page.display().to_string());
    std::fs::write(house.config(), config).expect("written");
    house.run().await;
    assert_eq!(ask(&house, &[], &[]).await.html, "one: В тикете нет ни телефона, ни e-mail");
    std::fs::write(&page, "two: {{ state }}").expect("written");
    assert!(house.command(&["reload"]).status.success());
    assert_eq!(ask(&house, &[], &[]).await.html, "two: no_contacts");
    std::fs::write(&page, "three: {{ stat }}").expect("written");
    assert!(!house.command(&["reload"]).status.success());
    assert_eq!(ask(&house, &[], &[]).await.html, "two: no_contacts");
}
