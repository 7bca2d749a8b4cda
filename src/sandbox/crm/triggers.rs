//! Triggers of the CRM that call an address when an order is made or its status changes. Invariant:
//! a call is sent once, with five seconds of patience; nothing is repeated unless the trigger says so.

use crate::sandbox::crm::account::{Account, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    #[default]
    Post,
    Get,
    Json,
    /// JSON under `text/plain`.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happening {
    New,
    Status,
}

impl Happening {
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Status => "status",
        }
    }
}

/// One trigger, as the control route takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    pub url: String,
    #[serde(default)]
    pub method: Method,
    /// Names and values; `{id}`, `{number}`, `{status}`, `{site}` and `{event}` are filled in.
    #[serde(default = "usual")]
    pub params: BTreeMap<String, String>,
    #[serde(default = "both")]
    pub on: Vec<Happening>,
    /// So many of the next calls are lost.
    #[serde(default)]
    pub lose: u32,
    /// So many more times each call is sent.
    #[serde(default)]
    pub duplicates: u32,
}

fn usual() -> BTreeMap<String, String> {
    let param = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [("type", "order"), ("id", "{id}"), ("status", "{status}"), ("event", "{event}")]
        .map(param)
        .into()
}

fn both() -> Vec<Happening> {
    vec![Happening::New, Happening::Status]
}

/// What happened to an order, and has not been told yet.
#[derive(Debug, Clone)]
pub struct Firing {
    pub order: u64,
    pub status: String,
    pub happening: Happening,
}

/// One call, ready to be sent.
#[derive(Debug, Clone)]
pub struct Send {
    url: String,
    method: Method,
    params: BTreeMap<String, String>,
}

/// What became of a call.
#[derive(Debug, Clone, Serialize)]
pub struct Called {
    pub params: BTreeMap<String, String>,
    /// 0 where there was no answer.
    pub status: u16,
}

/// The calls that are due for what happened.
pub fn due(account: &mut Account) -> Vec<Send> {
    let mut sends = Vec::new();
    for firing in std::mem::take(&mut account.fired) {
        let row = account.orders.get(firing.order);
        let number = row.map(|row| row.number.clone()).unwrap_or_default();
        let site = row.map(|row| row.site.clone()).unwrap_or_default();
        for trigger in &mut account.triggers {
            if !trigger.on.contains(&firing.happening) {
                continue;
            }
            if trigger.lose > 0 {
                trigger.lose -= 1;
                continue;
            }
            let filled = |text: &String| {
                text.replace("{id}", &firing.order.to_string())
                    .replace("{number}", &number)
                    .replace("{status}", &firing.status)
                    .replace("{site}", &site)
                    .replace("{event}", firing.happening.name())
            };
            let params = trigger.params.iter().map(|(name, text)| (name.clone(), filled(text)));
            let send =
                Send { url: trigger.url.clone(), method: trigger.method, params: params.collect() };
            let times = usize::try_from(trigger.duplicates).unwrap_or(0) + 1;
            sends.extend(std::iter::repeat_n(send, times));
        }
    }
    sends
}

/// Sends one call once.
pub async fn send(client: &reqwest::Client, send: Send) -> Called {
    let Send { url, method, params } = send;
    let request = match method {
        Method::Post => client.post(url).form(&params),
        Method::Get => client.get(url).query(&params),
        Method::Json => client.post(url).json(&params),
        Method::Text => {
            let body = Value::Object(
                params.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Object>(),
            );
            client.post(url).header("content-type", "text/plain").body(body.to_string())
        }
    };
    let status = match request.timeout(PATIENCE).send().await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    };
    Called { params, status }
}
