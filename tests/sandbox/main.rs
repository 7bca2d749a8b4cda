//! The sandbox against a real HTTP client: what it must do as the far sides do it
//! (retailcrm.md §8, calltouch.md §8). Invariant: each test starts a sandbox of its own.
#![cfg(test)]

mod calltouch;
mod chatapi;
mod chats;
mod control;
mod crm;
mod deals;
mod history;
mod telegram;

use leadlink::sandbox::{Options, Sandbox};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

struct Crm {
    sandbox: Sandbox,
    client: Client,
}

impl Crm {
    async fn start(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { sandbox, client }
    }

    async fn unlimited() -> Self {
        let options = Options {
            crm_rps: None,
            calltouch_rps: None,
            telegram_rps: None,
            calltouch_fields: true,
            ..Options::default()
        };
        Self::start(options).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.crm_url())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        let request = self.client.get(self.url(&format!("/api/v5/{path}")));
        request.header("X-API-KEY", self.sandbox.api_key())
    }

    fn post(&self, path: &str, fields: &[(&str, String)]) -> RequestBuilder {
        let request = self.client.post(self.url(&format!("/api/v5/{path}")));
        request.header("X-API-KEY", self.sandbox.api_key()).form(fields)
    }

    pub async fn create_order(&self, order: Value) -> (u16, Value) {
        answer(self.post("orders/create", &[("order", order.to_string())])).await
    }

    async fn create_customer(&self, customer: Value) -> (u16, Value) {
        answer(self.post("customers/create", &[("customer", customer.to_string())])).await
    }

    fn seed_customer(&self, body: Value) -> u64 {
        self.sandbox.seed_customer(body.as_object().expect("an object")).expect("a customer")
    }

    fn seed_order(&self, body: Value) -> u64 {
        self.sandbox.seed_order(body.as_object().expect("an object")).expect("an order")
    }

    fn calltouch(&self, path: &str) -> RequestBuilder {
        let url = format!("{}/calls-service/RestAPI/{path}", self.sandbox.calltouch_url());
        self.client.get(url).query(&[("clientApiId", self.sandbox.token())])
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("JSON"))
}

fn ids(list: &Value) -> Vec<u64> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_u64().expect("an id")).collect()
}
