//! The block in a help desk's tickets, through the real binary. Invariant: what an agent sees is what
//! the CRM holds, and every page is answered in time, whatever the CRM does.

mod burst;
mod guard;
mod matrix;
mod trouble;

use crate::support::{House, Plan};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SECRET: &str = "block-secret-0123456789";
const ACCOUNT: &str = "company";

/// A block beside the house's CRM.
fn plan(more: &str) -> Plan {
    let more = format!(
        "[connections.helpdesk]\nconnector = \"usedesk\"\nname = \"Help desk\"\ncrm = \"shop\"\n\
        secret = \"{SECRET}\"\nsubdomain = \"{ACCOUNT}\"\n{more}\n"
    );
    Plan { more, leads: false, ..Plan::default() }
}

/// What came back, and after which time.
#[derive(Debug)]
struct Shown {
    status: u16,
    html: String,
    took: Duration,
}

impl Shown {
    #[track_caller]
    fn has(&self, text: &str) {
        assert!(self.status == 200 && self.html.contains(text), "no `{text}`: {self:?}");
    }

    #[track_caller]
    fn within(&self, span: Duration) {
        assert!(self.took <= span, "{self:?}");
    }
}

/// The budget of a page, and what a busy machine adds.
const BUDGET: Duration = Duration::from_millis(4500);

/// Making one takes a while: not to be counted.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

async fn post(house: &House, connection: &str, body: Body) -> Shown {
    post_by(&client(), house, connection, body).await
}

async fn post_by(http: &reqwest::Client, house: &House, connection: &str, body: Body) -> Shown {
    let request = http.post(house.url(&format!("/blocks/usedesk/{connection}")));
    let request = match body {
        Body::Json(body) => request.json(&body),
        Body::Form(pairs) => request.form(&pairs),
    };
    let begun = Instant::now();
    let answer = request.send().await.expect("the door answers");
    let (status, took) = (answer.status().as_u16(), begun.elapsed());
    let body: Value = answer.json().await.expect("JSON");
    let html = body["html"].as_str().expect("html").to_owned();
    Shown { status, html, took }
}

enum Body {
    Json(Value),
    Form(Vec<(String, String)>),
}

fn ticket(phones: &[&str], emails: &[&str]) -> Value {
    let phones: Vec<Value> =
        phones.iter().map(|phone| json!({ "type": "mobile", "phone": phone })).collect();
    json!({ "ticket_id": 17, "subject": "?", "client_id": "5", "secret": SECRET, "subdomain": ACCOUNT,
        "client_data": { "name": "Somebody", "phones": phones, "emails": emails } })
}

fn form(phones: &[&str], emails: &[&str]) -> Vec<(String, String)> {
    let pair = |name: String, text: &str| (name, text.to_owned());
    let mut pairs = vec![
        pair("ticket_id".into(), "17"),
        pair("secret_key".into(), SECRET),
        pair("subdomain".into(), ACCOUNT),
    ];
    for (place, phone) in phones.iter().enumerate() {
        pairs.push(pair(format!("client_data[phones][{place}][phone]"), phone));
    }
    pairs.extend(emails.iter().map(|email| pair("client_data[emails][]".into(), email)));
    pairs
}

async fn ask(house: &House, phones: &[&str], emails: &[&str]) -> Shown {
    post(house, "helpdesk", Body::Json(ticket(phones, emails))).await
}

/// Somebody in the CRM, with so many orders; the ids of person and orders.
async fn person(house: &House, body: Value, orders: usize) -> (u64, Vec<u64>) {
    let site = body.get("site").cloned().unwrap_or_else(|| json!("main"));
    let customer = house.customer(body).await;
    let mut made = Vec::new();
    for _ in 0..orders {
        let items = json!([{ "productName": "Stool", "initialPrice": 1290.5, "quantity": 1 }]);
        let order = json!({ "customer": { "id": customer }, "status": "new", "site": site,
            "items": items });
        made.push(house.order(order).await);
    }
    (customer, made)
}

/// Searches and lists of orders that the CRM was asked for.
async fn searches(house: &House) -> u64 {
    let ledger = house.ledger().await;
    let paths = ledger.0["retailcrm"]["by_path"].as_object().expect("paths").clone();
    let counted = paths.iter().filter(|(path, _)| {
        path.ends_with("/api/v5/customers") || path.ends_with("/api/v5/orders")
    });
    counted.filter_map(|(_, count)| count.as_u64()).sum()
}

async fn metric(house: &House, line: &str) -> u64 {
    let (_, text) = house.get("/metrics").await;
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}
