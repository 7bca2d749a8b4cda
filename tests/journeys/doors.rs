//! What comes in by the doors, and what is told there. Invariant: 2xx only for what is durable, and
//! no secret is ever told.

use crate::support::database::server;
use crate::support::{HOOK_SECRET, House, Plan};
use jiff::SignedDuration;
use leadlink::store::Counts;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use rstest::rstest;
use serde_json::json;

const PHONE: &str = "79990000001";

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

async fn ask(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the door answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Answer { status, headers, body: answer.text().await.unwrap_or_default() }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

fn call(id: usize) -> Vec<(String, String)> {
    let field = |name: &str, value: String| (name.to_owned(), value);
    vec![
        field("leadtype", "call".to_owned()),
        field("callphase", "calldisconnected".to_owned()),
        field("id", id.to_string()),
        field("callerphone", format!("7999{id:07}")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_and_an_unknown_connection_look_alike() {
    let house = House::start(Plan::default()).await;
    let wrong = [
        "/hooks/calltouch-main/wrong-secret-0123456789".to_owned(),
        "/hooks/calltouch-main/".to_owned(),
        format!("/hooks/nobody/{HOOK_SECRET}"),
        // This connection has no hook at all.
        format!("/hooks/shop/{HOOK_SECRET}"),
        format!("/hooks/calltouch-main/{HOOK_SECRET}/more"),
        "/hooks/calltouch-main".to_owned(),
        "/nothing".to_owned(),
    ];
    let mut seen = Vec::new();
    for path in wrong {
        for request in
            [client().post(house.url(&path)).form(&call(1)), client().get(house.url(&path))]
        {
            let answer = ask(request).await;
            let kind = answer.headers.get(CONTENT_TYPE).cloned();
            seen.push((answer.status, answer.body, kind));
        }
    }
    assert_eq!(seen[0].0, 404);
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(house.sql("select channel from raw").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_a_delivery_is_the_same_lead() {
    let mut house = House::start(Plan::default()).await;
    for format in ["form", "get", "json"] {
        let sent = house
            .lead(json!({ "type": "call", "phone": PHONE, "format": format, "name": "ё & =?" }))
            .await;
        assert_eq!(sent["deliveries"][0]["status"], 200, "{format}: {sent}");
        assert_eq!(sent["deliveries"][1]["status"], 200, "{format}: {sent}");
    }
    // The same call in all three formats, with nothing but the format changed.
    let fields = call(77);
    let plain: serde_json::Map<_, _> =
        fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    for request in [
        client().post(house.hook_url()).form(&fields),
        client().get(house.hook_url()).query(&fields),
        client().post(house.hook_url()).query(&fields),
        client().post(house.hook_url()).json(&plain),
    ] {
        assert_eq!(ask(request).await.status, 200);
    }
    let counts = house.ended().await;
    // One order for the phone of the three calls, one for call 77.
    assert_eq!((counts.unreadable, counts.acted, counts.skipped), (0, 2, 2), "{counts:?}");
    assert_eq!(house.ledger().await.made_orders().len(), 2);
    assert_eq!(house.story("call:77").await.len(), 1);
}

#[rstest]
#[case::nothing("", "text/plain")]
#[case::no_form("\u{0}\u{1}garbage\u{ff}", "application/x-www-form-urlencoded")]
#[case::broken_json("{\"leadtype\": \"call\", ", "application/json")]
#[case::a_list_of_nothing("[]", "application/json")]
#[case::a_number("42", "application/json")]
#[case::half_a_multipart(
    "--x\r\nContent-Disposition: form-data; name=\"id\"\r\n",
    "multipart/form-data; boundary=x"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_kept_with_the_reason(#[case] body: &'static str, #[case] kind: &'static str) {
    let house = House::start(Plan::default()).await;
    let request = client().post(house.hook_url()).header(CONTENT_TYPE, kind).body(body);
    assert_eq!(ask(request).await.status, 200);
    let counts = house.routed().await;
    assert_eq!(counts.unreadable, 1, "{counts:?}");
    let reasons = house.sql("select why from raw where state = 'unreadable'").await;
    assert!(!reasons[0].is_empty());
    // And the door still works.
    assert_eq!(ask(client().post(house.hook_url()).form(&call(5))).await.status, 200);
    house.until("a job", |counts| counts.waiting == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_long_is_refused_whole() {
    let house = House::start(Plan::default()).await;
    let long = "x".repeat(1024 * 1024 + 1);
    let answer = ask(client().post(house.hook_url()).body(long)).await;
    assert_eq!(answer.status, 413);
    let fits = format!("leadtype=call&text={}", "x".repeat(1024 * 1024 - 100));
    assert_eq!(ask(client().post(house.hook_url()).body(fits)).await.status, 200);
    assert_eq!(house.sql("select channel from raw").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_alive_before_any_far_side_answers() {
    let mut house = House::build(Plan::default()).await;
    house
        .faults(json!([
            { "side": "retailcrm", "fault": "down" }, { "side": "calltouch", "fault": "down" },
        ]))
        .await;
    // `run` waits for /healthz.
    house.run().await;
    assert_eq!(house.get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(house.get("/readyz").await.0, 200);
    assert_eq!(ask(client().post(house.hook_url()).form(&call(1))).await.status, 200);
    house.until("a job", |counts| counts.waiting == 1).await;
}

/// Another process holds the file: what is answered with 2xx is kept, all else is told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_database_answers_503_and_loses_nothing_acknowledged() {
    if server().is_some() {
        // Of a file.
        return;
    }
    use sqlx::{ConnectOptions, Connection};
    let mut house = House::start(Plan::default()).await;
    let kept = ask(client().post(house.hook_url()).form(&call(1))).await;
    assert_eq!(kept.status, 200);
    house.routed().await;

    let path = house.dir.path().join("leadlink.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = options.connect().await.expect("the database opens");
    sqlx::query("begin immediate").execute(&mut other).await.expect("the lock is had");
    let refused = ask(client().post(house.hook_url()).form(&call(2))).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(house.get("/readyz").await.0, 503);
    assert_eq!(house.get("/healthz").await.0, 200);
    sqlx::query("rollback").execute(&mut other).await.expect("the lock is let go");
    other.close().await.expect("closed");

    assert_eq!(house.get("/readyz").await.0, 200);
    // The sender tries again.
    assert_eq!(ask(client().post(house.hook_url()).form(&call(2))).await.status, 200);
    let counts = house.ended().await;
    assert_eq!((counts.acted, counts.stuck), (2, 0), "{counts:?}");
    assert_eq!(house.ledger().await.writes().len(), 2);
}

/// No room on the disk: files may not grow beyond a megabyte more than an empty database has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_answers_503_and_loses_nothing_acknowledged() {
    if server().is_some() {
        // Of a file.
        return;
    }
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    // Its tables are made while there is room: what they take grows with every migration.
    house.run().await;
    assert_eq!(house.stop(), Some(0));
    let file = house.dir.path().join("leadlink.db");
    let empty = std::fs::metadata(file).expect("a database").len();
    // Blocks of 512 bytes. The signal is ignored, so that a write fails as on a full disk.
    let most = (empty + (1 << 20)) / 512;
    let limited = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" \"$@\"");
    house.run_under(Some(vec!["sh".to_owned(), "-c".to_owned(), limited]));
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for id in 1..400 {
        let mut fields = call(id);
        fields.push(("comment".to_owned(), "x".repeat(4000)));
        match ask(client().post(house.hook_url()).form(&fields)).await.status {
            200 => kept.push(id),
            503 => refused += 1,
            other => panic!("{other}"),
        }
        if refused > 5 {
            break;
        }
    }
    assert!(refused > 5, "the disk was never full: {} kept", kept.len());
    assert!(kept.len() > 5, "{} kept of {empty} bytes", kept.len());
    assert!(house.is_running(), "{}", house.log());
    assert_eq!(house.get("/healthz").await.0, 200);
    house.kill();
    house.run_under(None);
    house.run().await;
    house.routed().await;
    let ids = house
        .sql("select substr(key, 6) from event order by cast(substr(key, 6) as integer)")
        .await;
    let ids: Vec<usize> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let lost: Vec<&usize> = kept.iter().filter(|id| !ids.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_and_persons_are_told_nowhere() {
    let calls = "timeout = \"1s\"".to_owned();
    let shop = "timeout = \"1s\"".to_owned();
    let mut house = House::start(Plan { shop, calls, poll_every: "20s", ..Plan::default() }).await;
    let mut told = String::new();
    let faults = [
        "denied",
        "error_500",
        "html_502",
        "lost_answer",
        "reset_before",
        "garbage",
        "down",
        "slow",
    ];
    let sent = house.lead(json!({ "type": "call", "phone": PHONE, "name": "Аристарх" })).await;
    for fault in faults {
        let rule = |side: &str| json!({ "side": side, "fault": fault, "next": 2, "ms": 1500 });
        house.faults(json!([rule("retailcrm"), rule("calltouch")])).await;
        house.lead(json!({ "type": "request", "phone": PHONE, "email": "aristarkh@example.test", "name": "Аристарх" })).await;
        let online = house.command(&["check", "--online"]);
        told.push_str(&String::from_utf8_lossy(&online.stdout));
        told.push_str(&String::from_utf8_lossy(&online.stderr));
        // Anew for the daemon: the check may have met them all.
        house.faults(json!([rule("retailcrm"), rule("calltouch")])).await;
        house.advance(SignedDuration::from_secs(61)).await;
        house.calm().await;
    }
    house.faults(json!([])).await;
    ask(client().post(house.url("/hooks/calltouch-main/wrong-secret-0123456789")).form(&call(1)))
        .await;
    ask(client().post(house.hook_url()).body("{garbage")).await;
    house.ended().await;
    told.push_str(&house.get("/metrics").await.1);
    told.push_str(&house.get("/readyz").await.1);
    let lead = sent["lead"]["id"].to_string();
    for arguments in [
        vec!["why", lead.as_str()],
        vec!["why", lead.as_str(), "--json"],
        vec!["setup"],
        vec!["poll", "calltouch-main"],
    ] {
        let output = house.command(&arguments);
        told.push_str(&String::from_utf8_lossy(&output.stdout));
        told.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let log = house.whole_log();
    assert!(log.contains("paused"), "{log}");
    let token = house.sandbox.token();
    let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let secrets = [house.sandbox.api_key(), token, &encoded, HOOK_SECRET, "wrong-secret"];
    for secret in secrets {
        assert!(!log.contains(secret), "the log tells {secret}");
        assert!(!told.contains(secret), "some output tells {secret}");
    }
    // What `why` shows a person is for him; the log and the metrics are not.
    for person in ["Аристарх", "aristarkh", PHONE, "9990000001"] {
        let line = log.lines().find(|line| line.contains(person));
        assert_eq!(line, None, "the log tells {person}");
    }
    assert_eq!(house.ledger().await.made_customers().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened() {
    let mut house = House::start(Plan::default()).await;
    house.lead(json!({ "type": "call", "phone": PHONE, "journal": false })).await;
    ask(client().post(house.hook_url()).body("{garbage")).await;
    house.ended().await;
    let done: Counts = house.counts().await;
    assert_eq!((done.acted, done.unreadable), (1, 1));
    let (status, text) = house.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "leadlink_accepted_total{connection=\"calltouch-main\"} 2",
        "leadlink_duplicates_total{connection=\"calltouch-main\"} 1",
        "leadlink_unreadable_total{connection=\"calltouch-main\"} 1",
        "leadlink_steps_total{connection=\"shop\",operation=\"customer.create\",outcome=\"done\"} 1",
        "leadlink_steps_total{connection=\"shop\",operation=\"order.create\",outcome=\"done\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
    }
}
