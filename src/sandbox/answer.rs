//! What a far side answers, as bytes, and the refusals of RetailCRM in its own words
//! (retailcrm.md §1.5). Invariant: texts and keys are those that the official clients match on.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// One HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { status, content_type: "application/json", headers: Vec::new(), body }
    }

    pub fn html(status: u16, text: &str) -> Self {
        let body = format!(
            "<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1>\
             </center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            headers: Vec::new(),
            body: body.into_bytes(),
        }
    }

    pub fn empty(status: u16) -> Self {
        let content_type = "text/html; charset=utf-8";
        Self { status, content_type, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The first half of the body: JSON that does not end.
    pub fn torn(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    pub fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A refusal of RetailCRM: `{"success":false,"errorMsg":…}` and what else belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub body: Value,
}

impl Refusal {
    pub fn new(status: u16, text: &str) -> Self {
        Self { status, body: json!({"success": false, "errorMsg": text}) }
    }

    /// Adds a key beside `errorMsg` (`errors`, `combinedTo`, `failedOrders`).
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.body[key] = value;
        self
    }

    /// A field of an entity is wrong.
    pub fn entity(field: &str, text: &str) -> Self {
        Self::new(400, "Errors in the entity format").with("errors", json!({ field: text }))
    }

    /// A query parameter is wrong. The far side names it as a form child.
    pub fn input(field: &str) -> Self {
        let key = format!("children[{field}]");
        let errors = json!({ key: "This value is not valid." });
        Self::new(400, "Errors in the input parameters").with("errors", errors)
    }

    pub fn missing(parameter: &str) -> Self {
        Self::new(400, &format!("Parameter '{parameter}' is missing"))
    }

    pub fn not_found() -> Self {
        Self::new(404, "Not found")
    }

    pub fn denied() -> Self {
        Self::new(403, "Access denied.")
    }

    /// One line for a batch answer: the field errors, else the message.
    pub fn line(&self) -> String {
        let errors = self.body.get("errors").and_then(Value::as_object);
        let texts: Option<Vec<String>> = errors.map(|errors| {
            errors.iter().map(|(key, text)| format!("{key}: {}", words(text))).collect()
        });
        texts.map_or_else(|| words(&self.body["errorMsg"]), |texts| texts.join("; "))
    }
}

/// Calltouch's refusal of a whole body: which field, and why.
pub fn violation(field: &str, message: &str) -> Answer {
    let list = [json!({"field": field, "message": message})];
    Answer::json(400, &json!({"data": {"validationErrorData": {"violations": list}}}))
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, &refusal.body)
    }
}
