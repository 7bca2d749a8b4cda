//! Polls, completion and checks against a double of Calltouch that answers over HTTP.

use super::*;
use crate::connectors::port::Completion;
use crate::domain::Whose;
use axum::extract::{OriginalUri, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use std::sync::Mutex;

/// A double of Calltouch: answers by path, remembers what it was asked.
struct Double {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = Arc<dyn Fn(&str) -> (u16, &'static str, String) + Send + Sync>;

async fn double(
    answers: impl Fn(&str) -> (u16, &'static str, String) + Send + Sync + 'static,
) -> Double {
    async fn answer(
        State((answers, asked)): State<(Answers, Arc<Mutex<Vec<String>>>)>,
        OriginalUri(uri): OriginalUri,
    ) -> impl IntoResponse {
        asked.lock().expect("a lock").push(uri.to_string());
        let (status, kind, body) = answers(&uri.to_string());
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [(header::CONTENT_TYPE, kind), (header::RETRY_AFTER, "7")], body)
    }
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers: Answers = Arc::new(answers);
    let router = axum::Router::new().fallback(answer).with_state((answers, Arc::clone(&asked)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Double { url, asked }
}

impl Double {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("a lock"))
    }
}

fn poll<'a>(feed: &'a str, cursor: Option<&'a Value>) -> Poll<'a> {
    Poll { feed, cursor, first_start: now(), now: now() }
}

const JSON: &str = "application/json;charset=UTF-8";

#[tokio::test]
async fn the_calls_of_two_days_are_read_page_by_page() {
    let double = double(|uri| {
        let (yesterday, second) = (uri.contains("13%2F05%2F2025"), uri.contains("page=2"));
        let records = if yesterday { json!([call_record(1, "79990000001", 1_747_127_000)]) } else { json!([]) };
        let page = json!({"page": 1, "pageTotal": if yesterday && !second { 2 } else { 1 }, "records": records});
        (200, JSON, page.to_string())
    })
    .await;
    let own = connection(&double.url);
    let (mut cursor, mut rows, mut more) = (None, Vec::new(), true);
    while more {
        let page = own.poll(&poll("calls", cursor.as_ref())).await.expect("a page");
        (cursor, more) = (page.cursor, page.more);
        rows.extend(page.rows);
    }
    let base = "/calls-service/RestAPI/4242/calls-diary/calls?clientApiId=to%2Fken.secret";
    let asked: Vec<String> = ["13", "13&2", "14"]
        .map(|day| {
            let (day, page) = day.split_once('&').unwrap_or((day, "1"));
            let date = format!("{day}%2F05%2F2025");
            format!("{base}&dateFrom={date}&dateTo={date}&page={page}&limit=1000")
        })
        .to_vec();
    assert_eq!(double.asked(), asked);
    assert_eq!(cursor, Some(json!({"v": 1, "day": "2025-05-13"})));
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].dedupe_key, rows[1].dedupe_key);
    assert!(rows[0].dedupe_key.starts_with("calls:1:") && rows[0].channel == "calls");
}

#[tokio::test]
async fn requests_are_asked_for_with_the_month_first() {
    let double = double(|_| (200, JSON, "[]".to_owned())).await;
    let own = connection(&double.url);
    let page = own.poll(&poll("requests", None)).await.expect("a page");
    assert!(page.more && page.rows.is_empty());
    let date = "05%2F13%2F2025";
    let asked = format!(
        "/calls-service/RestAPI/requests?clientApiId=to%2Fken.secret&siteId=4242&dateFrom={date}&dateTo={date}"
    );
    assert_eq!(double.asked(), [asked]);
}

#[rstest]
#[case(401, JSON, "{}", Whose::Access, "token")]
#[case(
    403,
    JSON,
    r#"{"data":{"message":"Invalid credentials"}}"#,
    Whose::Access,
    "Invalid credentials"
)]
#[case(429, "text/plain", "", Whose::Item, "fewer requests")]
#[case(500, JSON, r#"{"message":"to/ken.secret is bad"}"#, Whose::Connection, "HTTP 500)")]
#[case(503, JSON, "{}", Whose::Connection, "HTTP 503")]
#[case(302, "text/plain", "", Whose::Connection, "redirects")]
#[case(200, "text/html", "<html>", Whose::Connection, "in trouble")]
#[case(200, "text/plain", "[]", Whose::Connection, "else than JSON")]
#[case(200, JSON, "[{", Whose::Connection, "no whole JSON")]
#[case(200, JSON, r#"{"errorCode":5,"message":"no such site"}"#, Whose::Connection, "no such site")]
#[case(
    400,
    JSON,
    r#"{"data":{"apiErrorData":{"errorCode":7,"errorMessage":"bad date"}}}"#,
    Whose::Connection,
    "7 bad date"
)]
#[tokio::test]
async fn an_answer_that_is_no_journal_says_whose_trouble_it_is(
    #[case] status: u16,
    #[case] kind: &'static str,
    #[case] body: &'static str,
    #[case] whose: Whose,
    #[case] words: &str,
) {
    let double = double(move |_| (status, kind, body.to_owned())).await;
    let own = connection(&double.url);
    let delay = own.poll(&poll("calls", None)).await.expect_err("a delay");
    assert_eq!(delay.whose, whose, "{}", delay.why);
    assert!(delay.why.contains(words) && !delay.why.contains(TOKEN), "{}", delay.why);
    if status != 200 {
        assert_eq!(delay.after, Some(Duration::from_secs(7)));
    }
    assert_eq!(own.probe().await.expect_err("a delay").whose, whose);
    let problems = own.check().await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].title.contains("calls and requests"), "{}", problems[0].title);
}

#[tokio::test]
async fn check_and_probe_read_little_and_accept_a_sound_account() {
    let double = double(|_| (200, JSON, "[]".to_owned())).await;
    let own = connection(&double.url);
    assert!(own.check().await.is_empty());
    own.probe().await.expect("an answer");
    let asked = double.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[0].contains("limit=1") && asked[2].contains("timeFrom="), "{asked:?}");
}

#[tokio::test]
async fn a_call_without_an_id_is_found_by_phone_and_nearest_time() {
    let double = double(|_| {
        let start = 1_747_213_390;
        let records = json!([
            call_record(1, "79990000001", start - 100),
            call_record(2, "79990000001", start + 20),
            call_record(3, "79990000009", start),
            "garbage",
        ]);
        (200, JSON, json!({"page": 1, "pageTotal": 1, "records": records}).to_string())
    })
    .await;
    let own = connection(&double.url);
    let mut pairs = vec![
        ("callphase", "calldisconnected"),
        ("callerphone", "+7 999 000-00-01"),
        ("timestamp", "1747213390"),
        ("duration", "42"),
    ];
    let event = own.parse(&hook(FORM, &form(&pairs))).expect("readable").remove(0);
    let full = own.complete(&event, now()).await.expect("an answer");
    let Completion::Fuller(full) = full else { panic!("{full:?}") };
    assert_eq!((full.key.as_str(), full.provisional), ("call:2", false));
    assert!(full.keys().any(|key| key == event.key));
    assert_eq!(full.fields["id"], "2");
    assert_eq!(full.fields["phone"], "+7 999 000-00-01");

    // Four minutes off is another call; one with an id is not looked up.
    pairs[2].1 = "1747213651";
    let other = own.parse(&hook(FORM, &form(&pairs))).expect("readable").remove(0);
    assert_eq!(own.complete(&other, now()).await, Ok(Completion::NotYet));
    double.asked();
    assert_eq!(own.complete(&full, now()).await, Ok(Completion::Never));
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn a_request_without_contacts_is_found_by_its_id() {
    let double = double(|_| {
        let record = |id: i64, mail: &str| {
            json!({"requestId": id, "date": 1_747_213_390_000_i64, "siteId": 4242,
                "client": {"fio": "Имя", "phones": [], "contacts": [{"type": "e", "value": mail}]}})
        };
        (200, JSON, json!([record(1, "a@example.test"), record(2, "b@example.test")]).to_string())
    })
    .await;
    let own = connection(&double.url);
    let read =
        |pairs: &[(&str, &str)]| own.parse(&hook(FORM, &form(pairs))).expect("readable").remove(0);
    let event = read(&[("leadtype", "request"), ("requestId", "2"), ("timestamp", "1747213390")]);
    let full = own.complete(&event, now()).await.expect("an answer");
    let Completion::Fuller(full) = full else { panic!("{full:?}") };
    assert_eq!(full.fields["email"], "b@example.test");
    assert_eq!(full.registered, "2025-05-14T09:03:10Z".parse().expect("a time"));
    double.asked();

    // Without any time it is sought on the day of its arrival and the day before.
    let event = read(&[("leadtype", "request"), ("requestId", "3")]);
    assert_eq!(own.complete(&event, now()).await, Ok(Completion::NotYet));
    assert_eq!(double.asked().len(), 2);
    // A chat has no journal.
    let event = read(&[("leadtype", "chat"), ("chatId", "2")]);
    assert_eq!(own.complete(&event, now()).await, Ok(Completion::Never));
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn a_token_that_opens_nothing_any_more_is_drift_and_a_broken_server_is_none() {
    use crate::connectors::port::Glance;
    use crate::diagnosis::{Place, Severity, Source};
    use crate::domain::{Use, Uses, What};
    let place = Place { source: Source::new("mappings/a.toml", "on"), span: 0..2 };
    let listens = Use {
        what: What::Event("call.finished".to_owned()),
        flow: "call-to-order".to_owned(),
        part: "on".to_owned(),
        field: String::new(),
        running: true,
        place,
    };
    let uses = Uses { list: vec![listens], of: String::new() };
    let glance = Glance { uses: &uses, before: None, now: now() };
    let refused = connection(&double(|_| (401, JSON, "{}".to_owned())).await.url);
    let sight = refused.drift(&glance).await.expect("it was asked");
    assert_eq!(sight.problems.len(), 1, "{:?}", sight.problems);
    let problem = &sight.problems[0];
    assert_eq!(problem.severity, Severity::Error);
    assert!(problem.place.is_some() && problem.label.contains("call-to-order"), "{problem:?}");
    assert!(problem.mend.contains("`token` and `site_id`"), "{problem:?}");
    let broken = connection(&double(|_| (500, JSON, "{}".to_owned())).await.url);
    let told = broken.drift(&glance).await.err();
    assert_eq!(told.map(|delay| delay.whose), Some(Whose::Connection));
}
