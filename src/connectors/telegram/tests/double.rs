//! A Telegram made of one function, that remembers what it was asked.

use super::TOKEN;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// One call as it arrived; a body that is no JSON is a text.
#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    pub body: Value,
}

type Script = Box<dyn Fn(&Heard) -> Value + Send + Sync>;

pub struct Double {
    script: Script,
    heard: Mutex<Vec<Heard>>,
}

impl Double {
    /// Serves `script`: what it gives is the `result`, or the whole answer where it holds `ok`.
    pub async fn start(
        script: impl Fn(&Heard) -> Value + Send + Sync + 'static,
    ) -> (Arc<Self>, String) {
        let double = Arc::new(Self { script: Box::new(script), heard: Mutex::default() });
        let app = axum::Router::new().fallback(any(answer)).with_state(Arc::clone(&double));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (double, address)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub fn methods(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.method).collect()
    }
}

async fn answer(
    State(double): State<Arc<Double>>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    assert!(!format!("{headers:?}").contains(TOKEN), "the token stands in the path alone");
    let path = uri.path();
    if let Some(file) = path.strip_prefix(&format!("/file/bot{TOKEN}/")) {
        return match file {
            "photos/file_1.jpg" => "the bytes of a photo".into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let method = path.strip_prefix(&format!("/bot{TOKEN}/")).expect("the token").to_owned();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| text());
    let heard = Heard { method, body };
    double.heard.lock().unwrap().push(heard.clone());
    let said = (double.script)(&heard);
    let envelope =
        if said.get("ok").is_some() { said } else { json!({"ok": true, "result": said}) };
    let code = envelope["error_code"].as_u64().unwrap_or(200);
    let status = StatusCode::from_u16(u16::try_from(code).unwrap()).unwrap();
    (status, [("content-type", "application/json")], envelope.to_string()).into_response()
}

/// A refusal as Telegram words it.
pub fn refused(code: u16, description: &str) -> Value {
    json!({"ok": false, "error_code": code, "description": description})
}
