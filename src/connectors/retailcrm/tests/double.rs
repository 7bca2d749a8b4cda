//! A far side made of one function, that remembers what it was asked.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// One request as it arrived; `fields` are those of the query and of the form.
#[derive(Debug, Clone)]
pub struct Heard {
    pub path: String,
    pub fields: BTreeMap<String, String>,
    /// All values of the fields `filter[ids][]`.
    pub ids: Vec<i64>,
    pub post: bool,
}

impl Heard {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

type Script = Box<dyn Fn(&Heard) -> Option<(u16, Value)> + Send + Sync>;

pub struct Double {
    script: Script,
    heard: Mutex<Vec<Heard>>,
}

impl Double {
    /// Serves `script`; where it has no answer, the references of a small account.
    pub async fn start(
        script: impl Fn(&Heard) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> (Arc<Self>, String) {
        let double = Arc::new(Self { script: Box::new(script), heard: Mutex::default() });
        let app = axum::Router::new().fallback(any(answer)).with_state(Arc::clone(&double));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (double, address)
    }

    /// The requests whose path ends so.
    pub fn heard(&self, end: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.path.ends_with(end)).cloned().collect()
    }
}

async fn answer(
    State(double): State<Arc<Double>>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    assert_eq!(headers["x-api-key"], "0123456789abcdef-the-key");
    let query = uri.query().unwrap_or_default().as_bytes();
    let fields = form_urlencoded::parse(query).chain(form_urlencoded::parse(&body));
    let ids = fields.clone().filter(|(name, _)| name == "filter[ids][]");
    let heard = Heard {
        path: uri.path().to_owned(),
        ids: ids.filter_map(|(_, id)| id.parse().ok()).collect(),
        fields: fields.map(|(name, text)| (name.into_owned(), text.into_owned())).collect(),
        post: !body.is_empty(),
    };
    double.heard.lock().unwrap().push(heard.clone());
    let scripted = (double.script)(&heard).or_else(|| references(&heard));
    let (status, body) =
        scripted.unwrap_or((404, json!({"success": false, "errorMsg": "API method not found"})));
    let status = StatusCode::from_u16(status).unwrap();
    match body {
        Value::String(page) => (status, [("content-type", "text/html")], page).into_response(),
        body => (status, [("content-type", "application/json")], body.to_string()).into_response(),
    }
}

fn references(heard: &Heard) -> Option<(u16, Value)> {
    let fields: Vec<Value> = super::fields::FIELDS
        .iter()
        .map(|(code, _)| json!({"code": code, "type": "string", "entity": "order"}))
        .collect();
    let body = match heard.path.rsplit('/').next()? {
        "api-versions" => json!({"success": true, "versions": ["3.0", "4.0", "5.0"]}),
        "credentials" => json!({"success": true, "siteAccess": "access_selective",
            "sitesAvailable": ["second", "main"], "scopes": ["order_read", "order_write",
            "customer_read", "customer_write", "reference_read", "custom_fields_read",
            "custom_fields_write"]}),
        "settings" => {
            json!({"success": true, "settings": {"timezone": {"value": "Europe/Moscow"}}})
        }
        "statuses" => json!({"success": true, "statuses": {
            "complete": {"code": "complete", "active": true, "ordering": 1, "group": "complete"},
            "zero": {"code": "zero", "active": false, "ordering": 0, "group": "new"},
            "ready": {"code": "ready", "active": true, "ordering": 10, "group": "new"},
            "new": {"code": "new", "active": true, "ordering": 10, "group": "new"}}}),
        "status-groups" => json!({"success": true, "statusGroups": {
            "complete": {"code": "complete", "active": true, "ordering": 50},
            "new": {"code": "new", "active": true, "ordering": 10}}}),
        "sites" => json!({"success": true, "sites": {
            "hidden": {"code": "hidden", "ordering": 1},
            "second": {"code": "second", "ordering": 20},
            "main": {"code": "main", "ordering": 10}}}),
        "order-methods" => json!({"success": true, "orderMethods": {
            "phone": {"code": "phone", "active": true}, "app": {"code": "app", "active": false}}}),
        "order-types" => json!({"success": true, "orderTypes": {
            "eshop-individual": {"code": "eshop-individual", "active": true}}}),
        "custom-fields" => json!({"success": true, "customFields": fields,
            "pagination": {"totalPageCount": 1}}),
        _ => return None,
    };
    Some((200, body))
}
