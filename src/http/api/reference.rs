//! The reference page: the document for people, made on the server. Invariant: it needs no script and
//! no network, and says nothing that the document does not.

mod read;

use askama::Template;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::OpenApi;

const STYLE: &str = include_str!("pages/reference.css");

/// Everything that the page shows.
#[derive(Debug, Template)]
#[template(path = "reference.html", config = "src/http/api/askama.toml")]
struct Reference {
    title: String,
    version: String,
    about: Vec<Prose>,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// A text with names of the code among its words.
#[derive(Debug, Default)]
struct Prose(Vec<Part>);

#[derive(Debug)]
struct Part {
    code: bool,
    text: String,
}

impl Prose {
    fn of(text: &str) -> Self {
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(at, text)| Part { code: at % 2 == 1, text: text.to_owned() });
        Self(parts.filter(|part| !part.text.is_empty()).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Operations of one tag.
#[derive(Debug, Default)]
struct Group {
    name: String,
    about: Prose,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Prose,
    /// The token's scope.
    scope: String,
    parameters: Vec<Field>,
    body: Option<Kind>,
    answers: Vec<Told>,
    /// To type in a shell.
    curl: String,
}

/// A parameter, or a field of a schema.
#[derive(Debug, Default)]
struct Field {
    name: String,
    /// `query`, `path`; of schemas empty.
    place: String,
    kind: Kind,
    must: bool,
    limits: String,
    about: Prose,
    example: String,
}

/// A type in words, and the schema that it names.
#[derive(Debug, Default)]
struct Kind {
    words: String,
    schema: Option<String>,
}

/// An answer.
#[derive(Debug)]
struct Told {
    status: String,
    about: Prose,
    kind: Option<Kind>,
}

#[derive(Debug)]
struct Schema {
    name: String,
    about: Prose,
    /// Of a plain type: what it is.
    kind: Kind,
    fields: Vec<Field>,
}

/// The page, once for all.
pub fn page(document: &OpenApi) -> Html<String> {
    let document = serde_json::to_value(document).unwrap_or(Value::Null);
    let rendered = read::reference(&document).render();
    Html(rendered.unwrap_or_else(|error| {
        tracing::error!(%error, "the reference page of the API cannot be made");
        String::new()
    }))
}

/// How it looks.
pub async fn style() -> Response {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=3600")], STYLE).into_response()
}
