//! What others try: forged forms, worn-out tokens, and words of what changed. Invariant: what changes
//! something comes from a page of ours, or from a token that holds.

use super::caller::{Caller, PASSWORD, command, inside, token};
use crate::support::{House, Plan, fleet};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_of_others_changes_nothing() {
    let house = House::start(Plan::default()).await;
    let anna = inside(&house, "anna", "admin").await;
    let boris = inside(&house, "boris", "operator").await;
    let origin = house.url("");
    let person = |csrf: &str| {
        let fields = [("name", "carl"), ("role", "admin"), ("password", PASSWORD), ("csrf", csrf)];
        anna.request("POST", "/people").form(&fields)
    };
    let forged = [
        ("no word", person("")),
        ("a wrong word", person(&"0".repeat(64))),
        ("another's word", person(&boris.csrf)),
        ("a foreign page", person(&anna.csrf).header("origin", "https://evil.example")),
        ("a page without an origin", person(&anna.csrf).header("origin", "null")),
        ("another site", person(&anna.csrf).header("sec-fetch-site", "cross-site")),
        ("a neighbour", person(&anna.csrf).header("sec-fetch-site", "same-site")),
        ("no form", anna.request("POST", "/people").json(&json!({ "csrf": anna.csrf }))),
        ("nothing", anna.request("POST", "/people")),
        ("in the address", anna.request("POST", &format!("/people?csrf={}", anna.csrf))),
    ];
    for (what, request) in forged {
        assert_eq!(anna.send(request).await.status, 403, "{what}");
    }
    assert_eq!(house.sql("select name from person where name = 'carl'").await.len(), 0);
    // A login that another site sends on would put a person into somebody else's account.
    let fields = [("name", "boris"), ("password", PASSWORD)];
    let login = Caller::of(&house).request("POST", "/login").form(&fields);
    let login = login.header("origin", "https://evil.example");
    assert_eq!(anna.send(login).await.status, 403);
    // Ours.
    let ours = person(&anna.csrf).header("origin", &origin).header("sec-fetch-site", "same-origin");
    assert_eq!(anna.send(ours).await.status, 303);
    let header = anna.request("POST", "/people/carl/lock").header("x-csrf", &anna.csrf);
    assert_eq!(anna.send(header).await.status, 303);
    let acts = house.sql("select act from audit where who = 'anna' and outcome = 'done'").await;
    assert_eq!(acts, ["login", "person.add", "person.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_holds_until_it_ends_or_is_revoked() {
    let mut house = House::start(Plan::default()).await;
    let anna = inside(&house, "anna", "admin").await;
    let reader = token(&house, "read");
    let short = command(&house, &["user", "token", "short", "--scope", "read", "--until", "2d"]);
    let short = Caller::bearing(&house, short);
    assert_eq!(reader.get("/api/v1/leads").await.status, 200);
    assert_eq!(short.get("/api/v1/leads").await.status, 200);
    let refused = reader.send(reader.request("POST", "/api/v1/reload")).await;
    assert_eq!(refused.status, 403);
    for wrong in ["", "ll_", &format!("ll_{}", "0".repeat(64))] {
        let answer = Caller::bearing(&house, wrong.to_owned()).get("/api/v1/leads").await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    // A cookie opens no API.
    assert_eq!(anna.get("/api/v1/leads").await.status, 401);
    house.advance(SignedDuration::from_hours(49)).await;
    assert_eq!(short.get("/api/v1/leads").await.status, 401);
    assert_eq!(reader.get("/api/v1/leads").await.status, 200);
    let used = house.sql("select cast(used as text) from api_token where used is not null").await;
    assert_eq!(used.len(), 2);
    command(&house, &["user", "revoke", "1"]);
    assert_eq!(reader.get("/api/v1/leads").await.status, 401);
    let kept = house.sql("select hash from api_token").await;
    let secret = reader.token.clone().unwrap_or_default();
    assert!(kept.iter().all(|hash| !secret.contains(hash.as_str())));
    assert!(!house.whole_log().contains(&secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_leave_a_row_each() {
    let house = House::start(Plan::default()).await;
    command(&house, &["poll", "calltouch-main"]);
    command(&house, &["reload"]);
    command(&house, &["retry", "--stuck"]);
    command(&house, &["setup", "shop"]);
    command(&house, &["retention", "--now"]);
    let far = house.command(&["backfill", "leads", "--from", "2d", "--yes"]);
    assert!(far.status.success(), "{}", String::from_utf8_lossy(&far.stderr));
    let short = house.command(&["user", "add", "x", "--role", "admin", "--password", "env:NONE"]);
    assert!(!short.status.success());
    let acts = house.sql("select act || ' ' || about || ' ' || door from audit order by id").await;
    // The first is of the setup before the daemon ran: by then there was a database.
    let acts: Vec<&str> = acts.iter().map(String::as_str).collect();
    let [polled, reloaded, retried, set_up, deleted, filled] = acts[..] else { panic!("{acts:?}") };
    assert_eq!(polled, "poll connection:calltouch-main command");
    assert_eq!((reloaded, retried), ("reload all command", "retry all command"));
    assert_eq!((set_up, deleted), ("setup connection:shop command", "retention all command"));
    assert!(filled.starts_with("backfill.start leads of calltouch-main, "), "{filled}");
}

/// A secret that reads otherwise in an address.
const ODD: &str = "a+b/c=d%e f0123456789";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_act_sees_no_secret_however_it_is_spelled() {
    let shop = format!("hook_secret = \"{ODD}\"\npublic = \"https://leads.example\"");
    let house = House::start(Plan { shop, ..Plan::default() }).await;
    let (anna, boris) =
        (inside(&house, "anna", "operator").await, inside(&house, "boris", "marketing").await);
    let reader = token(&house, "read");
    let spelled: String = form_urlencoded::byte_serialize(ODD.as_bytes()).collect();
    let seen = |body: &str| body.contains(&spelled) || body.contains("0123456789");
    let page = anna.get("/connections/shop").await;
    assert!(seen(&page.body) && page.body.contains("leads.example/hooks/shop/a%2Bb%2Fc%3Dd"));
    for answer in [
        boris.get("/connections/shop").await,
        reader.get("/api/v1/connections/shop").await,
        boris.get("/connections/calltouch-main").await,
    ] {
        assert_eq!(answer.status, 200);
        assert!(!seen(&answer.body), "{}", answer.body);
    }
}

/// Waits for a word of this topic.
async fn word(stream: &mut reqwest::Response, topic: &str) {
    let wanted = format!("event: changed\ndata: {topic}\n");
    let mut said = String::new();
    let heard = async {
        while !said.contains(&wanted) {
            let chunk = stream.chunk().await.expect("the stream goes on");
            said.push_str(&String::from_utf8_lossy(&chunk.expect("no end")));
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
    assert!(heard.is_ok(), "no word of {topic} in {said}");
}

/// Says nothing for so long.
async fn silent(stream: &mut reqwest::Response, span: Duration) {
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(span, stream.chunk()).await {
        let said = String::from_utf8_lossy(&chunk).into_owned();
        assert!(!said.contains("changed"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_hears_what_changed_and_holds_no_stop() {
    let mut house = House::start(Plan::default()).await;
    let anna = inside(&house, "anna", "marketing").await;
    let open = anna.request("GET", "/live?topic=leads").send().await;
    let mut stream = open.expect("a stream");
    assert_eq!(stream.status().as_u16(), 200);
    // It may have changed while the page was made.
    word(&mut stream, "leads").await;
    silent(&mut stream, Duration::from_millis(1500)).await;
    house.lead(json!({ "type": "call", "phone": "79990000001", "journal": false })).await;
    word(&mut stream, "leads").await;
    for wrong in ["/live", "/live?topic=passwords", "/live?topic=story:"] {
        assert_eq!(anna.get(wrong).await.status, 422, "{wrong}");
    }
    let begun = std::time::Instant::now();
    assert_eq!(house.stop(), Some(0), "{}", house.log());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    while let Ok(Some(_)) = stream.chunk().await {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_one_process_hears_what_another_did() {
    if !fleet::possible("words of another process") {
        return;
    }
    let mut fleet = fleet::Fleet::build(Plan::default(), 2, Duration::from_secs(5), None).await;
    command(&fleet.house, &["setup"]);
    fleet.run(0).await;
    fleet.run(1).await;
    super::caller::added(&fleet.house, "anna", "operator");
    let mut anna = Caller::at(fleet.url(0, ""));
    anna.login("anna", PASSWORD).await;
    // A session is one of the database: the other process knows it too.
    let mut other = Caller::at(fleet.url(1, ""));
    other.cookie = anna.cookie.clone();
    assert!(other.is_inside().await);
    let open = anna.request("GET", "/live?topic=leads").send().await;
    let mut stream = open.expect("a stream");
    word(&mut stream, "leads").await;
    silent(&mut stream, Duration::from_millis(1500)).await;
    let hook = fleet.hook_url(1);
    let lead = json!({ "type": "call", "phone": "79990000001", "hook_url": hook, "format": "form",
        "deliveries": 1, "journal": false, "phase": "end" });
    fleet.house.control("leads", lead).await;
    word(&mut stream, "leads").await;
}
