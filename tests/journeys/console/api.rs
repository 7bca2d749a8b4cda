//! The API through the real binary: who may, what is answered, what is refused and how. Invariant:
//! whatever is sent, an answer that refuses is a problem of RFC 9457, and none is a defect.

use crate::support::{House, Plan};
use jiff::SignedDuration;
use leadlink::desk::routes::Class;
use leadlink::desk::{Right, Role};
use leadlink::http::api::ROUTES;
use leadlink::store::NewToken;
use reqwest::header::{ALLOW, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

const PHONE: &str = "79990000001";

/// Who asks, and what was answered.
pub struct Robot<'a> {
    house: &'a House,
    http: Client,
    token: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.body);
        self.body
    }

    /// It refuses as it should; the fields that are wrong.
    #[track_caller]
    fn problem(&self, status: u16) -> Vec<&str> {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["title"].as_str().is_some_and(|title| !title.is_empty()));
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.map(|wrong| wrong["field"].as_str().expect("a field")).collect()
    }
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The token of a name.
pub fn secret(name: &str) -> String {
    format!("ll_{}", hex(name))
}

/// A token with these scopes, by name.
pub async fn token(house: &House, name: &str, rights: &[Right]) -> String {
    let token = secret(name);
    let hash = hex(&token);
    let scopes = rights.iter().map(|right| right.word().to_owned()).collect();
    let (name, maker) = (name.to_owned(), "anna".to_owned());
    let new = NewToken { name, hash, scopes, maker, until: None };
    house.store().await.make_token(new, house.now()).await.expect("a token");
    token
}

impl<'a> Robot<'a> {
    pub async fn may(house: &'a House, name: &str, rights: &[Right]) -> Self {
        Self::with(house, token(house, name, rights).await)
    }

    pub fn with(house: &'a House, token: String) -> Self {
        Self { token: Some(token), ..Self::nobody(house) }
    }

    fn nobody(house: &'a House) -> Self {
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { house, http, token: None }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, self.house.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request("POST", path).json(&body)).await
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the API answers");
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap_or_default();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

/// A path of a route with something in its holes.
fn filled(path: &str) -> String {
    path.replace("{id}", "1").replace("{name}", "shop").replace("{list}", "statuses")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_without_a_token_that_may() {
    let house = House::start(Plan::default()).await;
    let nobody = Robot::nobody(&house);
    let wrong = Robot::with(&house, secret("never made"));
    let reader = Robot::may(&house, "reader", &[Right::Read]).await;
    let actor = Robot::may(&house, "actor", &[Right::Read, Right::Act]).await;
    for route in ROUTES {
        let path = filled(route.path);
        let at = format!("{} {path}", route.method);
        let of = |robot: &Robot| send(robot.request(route.method, &path));
        if route.class == Class::Public {
            assert_eq!(of(&nobody).await.status, 200, "{at}");
            continue;
        }
        for answer in [of(&nobody).await, of(&wrong).await] {
            answer.problem(401);
            assert!(answer.headers["www-authenticate"].as_bytes().starts_with(b"Bearer"), "{at}");
        }
        match route.right.expect("a right") {
            Right::Read => assert_ne!(of(&reader).await.status, 403, "{at}"),
            Right::Act => drop(of(&reader).await.problem(403)),
            Right::Manage => drop(of(&actor).await.problem(403)),
        }
    }
    assert_eq!(Role::Admin.rights(), Right::ALL);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_are_paged_without_a_gap_or_a_double_while_new_ones_arrive() {
    let mut house = House::start(Plan::default()).await;
    for number in 0..23 {
        house.lead(json!({ "type": "call", "phone": format!("7999000{number:04}") })).await;
        house.advance(SignedDuration::from_secs(1)).await;
    }
    house.routed().await;
    let robot = Robot::may(&house, "robot", &[Right::Read]).await;
    let all = robot.get("/api/v1/leads?limit=500").await.ok();
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|lead| lead["id"].as_str().expect("an id").to_owned()).collect()
    };
    let before = ids(&all);
    assert_eq!((before.len(), &all["next"]), (23, &Value::Null));
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = robot.get(&format!("/api/v1/leads?limit=4{cursor}")).await.ok();
        seen.extend(ids(&page));
        pages += 1;
        // One more comes between any two pages.
        house.lead(json!({ "type": "call", "phone": format!("7998000{pages:04}") })).await;
        house.routed().await;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen, pages), (before, 6));
    let now = robot.get("/api/v1/leads?limit=500").await.ok();
    assert_eq!(ids(&now).len(), 23 + 6);
    let found = robot.get("/api/v1/leads?search=%2B7%20(999)%20000-00-07").await.ok();
    assert_eq!(ids(&found).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_as_a_problem() {
    let house = House::start(Plan::default()).await;
    let robot = Robot::may(&house, "robot", &Right::ALL).await;
    for path in
        ["/api/v1/nothing", "/api/v1/leads/", "/api/v1", "/api/v2/leads", "/api/v1/jobs/x/skip/y"]
    {
        robot.get(path).await.problem(404);
    }
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/leads", "GET, HEAD"),
        ("GET", "/api/v1/jobs/1/retry", "POST"),
        ("PUT", "/api/v1/jobs/1/replay", "GET, POST, HEAD"),
        ("POST", "/api/openapi.json", "GET, HEAD"),
    ] {
        let answer = send(robot.request(method, path)).await;
        answer.problem(405);
        assert_eq!(answer.headers[ALLOW], allowed, "{method} {path}");
    }
    let mut wrong = robot
        .get("/api/v1/leads?limit=0&from=now&lim=1&cursor=7")
        .await
        .problem(422)
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    wrong.sort();
    assert_eq!(wrong, ["cursor", "from", "lim", "limit"]);
    let span = "/api/v1/charts/hours?from=2026-01-01T00:00:00Z&until=2026-12-01T00:00:00Z";
    assert_eq!(robot.get(span).await.problem(422), ["from"]);
    let skip = "/api/v1/jobs/1/skip";
    assert_eq!(robot.post(skip, json!({})).await.problem(422), ["why"]);
    assert_eq!(robot.post(skip, json!({ "why": 7, "x": [] })).await.problem(422), ["why", "x"]);
    assert_eq!(
        robot.post("/api/v1/needs/skip", json!({ "why": "so" })).await.problem(422),
        ["ids"]
    );
    robot.post(skip, json!({ "why": "there is no such job" })).await.problem(404);
    send(robot.request("POST", skip).body("{\"why\": ").header(CONTENT_TYPE, "application/json"))
        .await
        .problem(400);
    send(robot.request("POST", skip).body("why=so")).await.problem(415);
    robot.post(skip, json!({ "why": "so".repeat(400_000) })).await.problem(413);
    robot.get("/api/v1/connections/nowhere").await.problem(404);
    robot.get("/api/v1/stories/call:7").await.problem(404);
}

/// Each path and body meets each of them. Of the names of a query each route meets them in turn, so
/// that the whole is a Latin square; the contract's test, which is nightly, has them all.
#[rstest]
#[case::nul(0, "%00")]
#[case::no_utf8(1, "%FF%FE")]
#[case::a_huge_number(2, "99999999999999999999999999999999")]
#[case::the_smallest_number(3, "-9223372036854775808")]
#[case::a_path(4, "..%2F..%2Fetc%2Fpasswd")]
#[case::quotes(5, "'%22%3B--%20%5C")]
#[case::a_script(6, "%3Cscript%3Ealert(1)%3C%2Fscript%3E")]
#[case::far_letters(7, "%F0%9F%92%A9%E2%80%AE%CC%81")]
#[case::wildcards(8, "%25_*%3F")]
#[case::a_line_break(9, "%0d%0aX-Evil:%20yes")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_sent_breaks_it(#[case] turn: usize, #[case] evil: &str) {
    let mut house = House::start(Plan::default()).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    house.ended().await;
    let robot = Robot::may(&house, "robot", &Right::ALL).await;
    let long = evil.repeat(2000 / evil.len());
    let queries =
        ["limit", "cursor", "from", "until", "search", "source", "q", "linked", "by", evil];
    let routes = ROUTES.iter().filter(|route| route.class == Class::Bearer);
    for (place, route) in routes.enumerate() {
        let paths: BTreeSet<String> = [evil, &long]
            .iter()
            .map(|value| {
                route.path.replace("{id}", value).replace("{name}", value).replace("{list}", value)
            })
            .collect();
        let mut answers = Vec::new();
        for path in &paths {
            answers.push(send(robot.request(route.method, path)).await);
        }
        if route.method == "GET" {
            let query = queries[(place + turn) % queries.len()];
            let path = format!("{}?{query}={evil}", filled(route.path));
            answers.push(robot.get(&path).await);
        }
        if route.method == "POST" {
            let decoded = percent_encoding::percent_decode_str(evil).decode_utf8_lossy();
            for body in [
                json!(decoded),
                json!({ "why": decoded, "step": decoded, "ids": [decoded] }),
                json!({ "why": decoded, "step": decoded, "flow": decoded, "source": decoded }),
            ] {
                answers.push(robot.post(&filled(route.path), body).await);
            }
        }
        for answer in answers {
            assert!(answer.status < 500, "{} {}: {:#}", route.method, route.path, answer.body);
            if answer.status >= 400 {
                answer.problem(answer.status);
            }
        }
    }
    assert!(!house.whole_log().contains("panic"), "{}", house.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_are_done_once_and_written_down() {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    let refused = ("LEADLINK_CONNECTIONS__SHOP__ORDER_METHOD", "no-such-method");
    house.set_env(vec![(refused.0.to_owned(), refused.1.to_owned())]);
    house.run().await;
    house.advance(SignedDuration::from_secs(2)).await;
    house.lead(json!({ "type": "call", "phone": PHONE })).await;
    assert_eq!(house.ended().await.stuck, 1);
    assert_eq!(house.stop(), Some(0));
    house.set_env(Vec::new());
    house.run().await;
    let robot = Robot::may(&house, "robot", &Right::ALL).await;
    // What drifted under the other config may be told still.
    let needs = robot.get("/api/v1/needs?kind=job").await.ok();
    let rows = needs["rows"].as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!(1)), "{needs:#}");

    let retried = robot.post("/api/v1/jobs/1/retry", json!({ "why": "mended" })).await.ok();
    assert_eq!(retried["waiting"], json!([1]), "{retried:#}");
    // Told again at once, and when it is through: what is now, and nothing twice.
    robot.post("/api/v1/jobs/1/retry", json!({})).await.problem(409);
    drop(robot);
    assert_eq!(house.ended().await.acted, 1);
    let robot = Robot::with(&house, secret("robot"));
    robot.post("/api/v1/jobs/1/skip", json!({ "why": "too late" })).await.problem(409);
    house.ledger().await.assert_one_of_each();
    let stopped =
        robot.post("/api/v1/flows/call-to-order/stop", json!({ "why": "a pause" })).await.ok();
    assert_eq!(stopped["state"], "stopped", "{stopped:#}");
    robot.post("/api/v1/flows/call-to-order/start", json!({})).await.ok();
    robot.post("/api/v1/connections/shop/poll", json!({})).await.ok();
    assert_eq!(robot.post("/api/v1/reload", json!({})).await.ok()["ok"], true);
    let preview = robot.get("/api/v1/jobs/1/replay").await.ok();
    assert_eq!((&preview["job"], &preview["flow"]), (&json!(1), &json!("call-to-order")));
    let reader = Robot::may(&house, "reader", &[Right::Read]).await;
    reader.post("/api/v1/jobs/1/retry", json!({})).await.problem(403);

    let written = house
        .sql("select who || ' ' || door || ' ' || act || ' ' || about || ' ' || case outcome when 'done' then 'done' else 'not' end from audit order by id")
        .await;
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    assert_eq!(
        written,
        [
            "token:robot api retry job:1 done",
            "token:robot api retry job:1 not",
            "token:robot api skip job:1 not",
            "token:robot api flow.stop flow:call-to-order done",
            "token:robot api flow.start flow:call-to-order done",
            "token:robot api poll connection:shop done",
            "token:robot api reload house done",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_and_its_page_are_open_and_strict() {
    let house = House::start(Plan::default()).await;
    let nobody = Robot::nobody(&house);
    let document = nobody.get("/api/openapi.json").await;
    assert_eq!(document.headers[CONTENT_TYPE], "application/json");
    let document = document.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/leads"]["get"].is_object());
    let page = nobody.get("/api").await;
    let policy = page.headers["content-security-policy"].to_str().expect("a policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let page = page.ok();
    let page = page.as_str().expect("a page");
    assert!(page.contains("List") || page.contains("Leads"), "{page}");
    let style = nobody.get("/api/reference.css").await;
    assert_eq!(style.headers[CONTENT_TYPE], "text/css; charset=utf-8");
    // A problem tells nothing that a page could run.
    let refused = nobody.get("/api/v1/<script>").await;
    refused.problem(404);
    assert_eq!(refused.headers["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_and_tokens_are_managed() {
    let house = House::start(Plan::default()).await;
    let robot = Robot::may(&house, "robot", &Right::ALL).await;
    let anna = json!({ "name": "Anna", "role": "operator", "password": "a battery of staples" });
    let done = async |path: &str, body: Value| {
        let answer = robot.post(path, body).await;
        assert_eq!(answer.status, 204, "{path}: {:#}", answer.body);
    };
    done("/api/v1/people", anna.clone()).await;
    assert!(robot.post("/api/v1/people", anna).await.status >= 409);
    let weak = json!({ "name": "b b", "role": "admin", "password": "short" });
    assert_eq!(robot.post("/api/v1/people", weak).await.problem(422), ["name", "password"]);
    done("/api/v1/people/anna/role", json!({ "role": "marketing" })).await;
    done("/api/v1/people/anna/lock", json!({})).await;
    let people = robot.get("/api/v1/people").await.ok();
    let anna = &people["items"][0];
    assert_eq!((&anna["name"], &anna["role"]), (&json!("anna"), &json!("marketing")));
    assert!(anna["closed"].is_string() && anna.get("password").is_none(), "{anna:#}");
    done("/api/v1/people/anna/unlock", json!({})).await;
    done("/api/v1/people/anna/password", json!({ "password": "other staples, 7 of them" })).await;
    robot.post("/api/v1/people/nobody/lock", json!({})).await.problem(404);

    let wish = json!({ "name": "reports", "scopes": ["read"] });
    let made = robot.post("/api/v1/tokens", wish).await.ok();
    let reports = Robot::with(&house, made["token"].as_str().expect("a token").to_owned());
    assert_eq!(reports.get("/api/v1/leads").await.status, 200);
    reports.get("/api/v1/tokens").await.problem(403);
    let tokens = robot.get("/api/v1/tokens").await.ok();
    assert!(!tokens.to_string().contains(made["token"].as_str().expect("a token")));
    let items = tokens["items"].as_array().expect("items");
    let id = &items.iter().find(|token| token["name"] == "reports").expect("it is there")["id"];
    done(&format!("/api/v1/tokens/{id}/revoke"), json!({})).await;
    reports.get("/api/v1/leads").await.problem(401);
    robot.post(&format!("/api/v1/tokens/{id}/revoke"), json!({})).await.problem(404);

    let (mut acts, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = robot.get(&format!("/api/v1/audit?limit=3{cursor}")).await.ok();
        for row in page["items"].as_array().expect("items") {
            assert_eq!((&row["who"], &row["door"]), (&json!("token:robot"), &json!("api")));
            acts.push(row["act"].as_str().expect("an act").to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(acts.len(), 11, "{acts:?}");
    assert_eq!(acts[..2], ["token.revoke", "token.revoke"]);
    assert!(!house.whole_log().contains("staples"), "a password stands in the log");
}
