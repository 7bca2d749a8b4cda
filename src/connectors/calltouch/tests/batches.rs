//! A double of Calltouch that takes deals, for the tests of writing and looking.

use super::*;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::sync::Semaphore;

/// What was asked, as it was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Heard {
    /// The order numbers of a batch.
    pub fn numbers(&self) -> Vec<String> {
        let orders = self.body["orders"].as_array().expect("orders");
        orders.iter().map(|order| order["orderNumber"].as_str().expect("a text").into()).collect()
    }
}

/// Status, kind of body, body.
pub type Said = (u16, &'static str, String);
type Answers = Arc<dyn Fn(&Heard) -> Said + Send + Sync>;

pub struct Double {
    pub url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// A request is answered when it gets a permit.
    gate: Arc<Semaphore>,
}

pub const JSON: &str = "application/json";

/// A double that answers at once.
pub async fn double(answers: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Double {
    let double = closed(answers).await;
    double.open();
    double
}

/// A double that answers nothing until it is opened.
pub async fn closed(answers: impl Fn(&Heard) -> Said + Send + Sync + 'static) -> Double {
    type Held = (Answers, Arc<Mutex<Vec<Heard>>>, Arc<Semaphore>);
    async fn answer(
        State((answers, heard, gate)): State<Held>,
        OriginalUri(uri): OriginalUri,
        headers: HeaderMap,
        body: String,
    ) -> impl IntoResponse {
        let body = serde_json::from_str(&body).unwrap_or_default();
        let one = Heard { path: uri.to_string(), headers, body };
        heard.lock().expect("a lock").push(one.clone());
        drop(gate.acquire().await);
        let (status, kind, body) = answers(&one);
        let status = StatusCode::from_u16(status).expect("a status");
        (status, [(header::CONTENT_TYPE, kind), (header::RETRY_AFTER, "7")], body)
    }
    let (heard, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let answers: Answers = Arc::new(answers);
    let state = (answers, Arc::clone(&heard), Arc::clone(&gate));
    let router = axum::Router::new().fallback(answer).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Double { url, heard, gate }
}

impl Double {
    /// From now on it answers at once.
    pub fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("a lock").clone()
    }

    /// Waits until it has heard so many requests.
    pub async fn hears(&self, count: usize) {
        while self.heard.lock().expect("a lock").len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The answer that says of each deal what `of` says of its number.
pub fn each(heard: &Heard, of: impl Fn(&str) -> Value) -> Said {
    let orders: Vec<Value> = heard
        .numbers()
        .iter()
        .map(|number| {
            let mut record = json!({ "orderNumber": number, "calltouchOrderId": 0, "error": null });
            for (name, value) in of(number).as_object().expect("a table") {
                record[name] = value.clone();
            }
            record
        })
        .filter(|record| record.get("missing").is_none())
        .collect();
    (200, JSON, json!({ "data": { "orders": orders } }).to_string())
}

/// All go well: the deal's id over there is 9 and its number.
pub fn well(heard: &Heard) -> Said {
    each(heard, |number| json!({ "calltouchOrderId": format!("9{number}") }))
}

pub fn refused_body(words: &str) -> Said {
    let violations = json!([{ "field": "orders[0]", "message": words }]);
    (
        400,
        JSON,
        json!({ "data": { "validationErrorData": { "violations": violations } } }).to_string(),
    )
}

pub fn create(number: &str) -> Effect {
    effect(
        "deal.create",
        json!({ "id": number, "orderDate": NOW, "status": "new",
        "phones": ["+7 999 000-00-01"], "date": NOW, "manager": "Имя Фамилия" }),
    )
}

pub fn update(number: &str, status: &str) -> Effect {
    effect("deal.update", json!({ "id": number, "orderDate": NOW, "status": status }))
}

pub fn effect(operation: &str, input: Value) -> Effect {
    Effect {
        connection: "calltouch-main".into(),
        operation: operation.into(),
        input: input.as_object().expect("a table").clone(),
        key: "change:1".into(),
    }
}

pub fn done(number: &str) -> Outcome {
    let id = format!("9{number}");
    Outcome::Done(json!({ "id": number, "calltouch_id": id, "existed": false }))
}

pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Later(_) => "later",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown(_) => "unknown",
    }
}

/// Performs these in one batch behind a first request that the double holds back; their outcomes.
pub async fn together(own: &Calltouch, double: &Double, effects: &[Effect]) -> Vec<Outcome> {
    let first = create("0");
    let rest =
        futures_util::future::join_all(effects.iter().map(|effect| own.perform(effect, now())));
    let first = own.perform(&first, now());
    let open = async {
        double.hears(1).await;
        double.open();
    };
    // In this order they are begun: the first is under way when the rest is queued.
    let (_, outcomes, ()) = tokio::join!(first, after(double, rest), open);
    outcomes
}

async fn after<T>(double: &Double, rest: impl Future<Output = T>) -> T {
    double.hears(1).await;
    rest.await
}

pub fn unique(numbers: &[String]) -> bool {
    numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len()
}
