//! What was asked: the query, the body, the names in the path. Invariant: what does not read is told
//! whole — each wrong field with its path and why — and nothing of it reaches the desk.

use super::text::Text;
use crate::desk;
use crate::http::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

/// A body is at most this long.
pub const BODY_LIMIT: usize = 512 * 1024;
/// A text of a query is at most this long, in characters.
pub const MOST_TEXT: usize = 200;
/// So many wrong fields are told, no more.
const MOST_WRONG: usize = 50;

/// Field → why it is wrong.
pub type Wrong = Vec<(String, String)>;

/// What a shape does not tell: lengths, sums, what belongs together.
pub trait Checked {
    fn wrong(&self) -> Wrong {
        Vec::new()
    }
}

/// A text that must not be empty and has an end.
pub fn bounded(wrong: &mut Wrong, field: &str, text: Option<&str>, most: usize) {
    let Some(text) = text else { return };
    if text.trim().is_empty() {
        wrong.push((field.to_owned(), "is needed".to_owned()));
    } else if text.chars().count() > most {
        wrong.push((field.to_owned(), format!("has more than {most} characters")));
    }
}

/// A number between two others, both included.
pub fn within(wrong: &mut Wrong, field: &str, number: u32, (least, most): (u32, u32)) {
    if !(least..=most).contains(&number) {
        wrong.push((field.to_owned(), format!("is not between {least} and {most}")));
    }
}

/// The query string.
#[derive(Debug)]
pub struct Asked<T>(pub T);

/// The JSON body; an empty one is `{}`.
#[derive(Debug)]
pub struct Given<T>(pub T);

/// The names in the path. One that cannot be is one that is not there.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Checked> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        query(parts.uri.query().unwrap_or_default()).map(Self).map_err(invalid)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Checked> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let value = json(&parts.headers, body).await?;
        body_of(value).map(Self).map_err(invalid)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::not_found().detail("there is nothing of that name");
        let raw = RawPathParams::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        if raw.iter().any(|(_, value)| value.contains('\0') || value.len() > 4 * MOST_TEXT) {
            return Err(unknown());
        }
        let Path(named) = Path::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        Ok(Self(named))
    }
}

/// # Errors
/// Each wrong value.
fn query<T: DeserializeOwned + Checked>(text: &str) -> Result<T, Wrong> {
    let mut wrong = Wrong::new();
    let mut pairs: Vec<(String, Text)> = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let why = if value.is_empty() {
            Some("is empty; leave it out".to_owned())
        } else if pairs.iter().any(|(other, _)| *other == name) {
            Some("is given twice".to_owned())
        } else if value.chars().count() > MOST_TEXT {
            Some(format!("has more than {MOST_TEXT} characters"))
        } else {
            value.contains(['\0', char::REPLACEMENT_CHARACTER]).then(|| "is no text".to_owned())
        };
        match why {
            Some(why) => wrong.push((name.into_owned(), why)),
            None => pairs.push((name.into_owned(), Text(value.into_owned()))),
        }
    }
    all_wrong(
        wrong,
        pairs,
        |pairs| read(MapDeserializer::new(pairs.iter().cloned())),
        |pairs, field| {
            let before = pairs.len();
            pairs.retain(|(name, _)| name != field);
            pairs.len() < before
        },
    )
}

/// # Errors
/// Each wrong field.
fn body_of<T: DeserializeOwned + Checked>(value: Value) -> Result<T, Wrong> {
    // A list would be read as the fields in their order.
    if !value.is_object() {
        return Err(vec![(String::new(), "is not an object".to_owned())]);
    }
    let mut wrong = Wrong::new();
    let mut at = String::new();
    nulls(&value, &mut at, &mut wrong);
    all_wrong(wrong, value, |value| read(value.clone()), taken)
}

/// Reads again and again without what was wrong, so that all of it is told at once.
fn all_wrong<W, T: Checked>(
    mut wrong: Wrong,
    mut given: W,
    read: impl Fn(&W) -> Result<T, (String, String)>,
    without: impl Fn(&mut W, &str) -> bool,
) -> Result<T, Wrong> {
    while wrong.len() < MOST_WRONG {
        match read(&given) {
            Ok(whole) => {
                let more = whole.wrong();
                let known = |field: &str| wrong.iter().any(|(other, _)| other == field);
                let more: Wrong = more.into_iter().filter(|(field, _)| !known(field)).collect();
                wrong.extend(more);
                return if wrong.is_empty() { Ok(whole) } else { Err(wrong) };
            }
            Err((field, why)) => {
                let gone = without(&mut given, &field);
                wrong.push((field, why));
                if !gone {
                    break;
                }
            }
        }
    }
    Err(wrong)
}

fn read<'de, T, D>(from: D) -> Result<T, (String, String)>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner().to_string();
        (if path == "." { String::new() } else { path }, why)
    })
}

/// Takes a field out of a body: `a.b`. A list goes whole, for the others of it would move up.
fn taken(value: &mut Value, path: &str) -> bool {
    let path = path.split('[').next().unwrap_or_default();
    let Some((parent, name)) = path.rsplit_once('.').or(Some(("", path))) else { return false };
    let mut place = value;
    for part in parent.split('.').filter(|part| !part.is_empty()) {
        let Some(next) = place.get_mut(part) else { return false };
        place = next;
    }
    place.as_object_mut().is_some_and(|fields| fields.shift_remove(name).is_some())
}

/// No store keeps a NUL character in a text.
fn nulls(value: &Value, at: &mut String, wrong: &mut Wrong) {
    let whole = at.len();
    match value {
        Value::String(text) if text.contains('\0') => {
            wrong.push((at.clone(), "holds a NUL character".to_owned()));
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                at.push_str(&format!("[{number}]"));
                nulls(item, at, wrong);
                at.truncate(whole);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                if whole > 0 {
                    at.push('.');
                }
                at.push_str(name);
                if name.contains('\0') {
                    wrong.push((at.clone(), "has a NUL character in its name".to_owned()));
                }
                nulls(item, at, wrong);
                at.truncate(whole);
            }
        }
        _ => {}
    }
}

fn invalid(wrong: Wrong) -> Problem {
    desk::Error::Invalid(wrong).into()
}

async fn json(headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let too_long = || {
        let most = format!("a body has at most {BODY_LIMIT} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "the body is too long").detail(most)
    };
    if length.and_then(|length| length.parse::<u64>().ok()) > u64::try_from(BODY_LIMIT).ok() {
        return Err(too_long());
    }
    let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| too_long())?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let title = "send the body as application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", title));
    }
    let value = serde_json::from_slice(&bytes);
    value.map_err(|error| {
        let title = "the body is not JSON";
        Problem::new(StatusCode::BAD_REQUEST, "unreadable", title).detail(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        name: Option<String>,
        #[serde(default)]
        limit: u32,
        linked: Option<bool>,
        at: Option<jiff::Timestamp>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Body {
        why: String,
        ids: Vec<i64>,
        output: Option<Map<String, Value>>,
    }

    impl Checked for Query {
        fn wrong(&self) -> Wrong {
            let mut wrong = Wrong::new();
            within(&mut wrong, "limit", self.limit, (0, 500));
            wrong
        }
    }

    impl Checked for Body {
        fn wrong(&self) -> Wrong {
            let mut wrong = Wrong::new();
            bounded(&mut wrong, "why", Some(&self.why), 5);
            wrong
        }
    }

    fn fields<T: std::fmt::Debug>(read: Result<T, Wrong>) -> Vec<String> {
        read.expect_err("it is wrong").into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn a_query_is_read_as_what_is_wanted() {
        let read =
            query::<Query>("name=%D1%91%20%26&limit=7&linked=true&at=2026-11-22T03:00:00%2B03:00");
        let read = read.expect("it reads");
        assert_eq!(read.name.as_deref(), Some("ё &"));
        assert_eq!((read.limit, read.linked), (7, Some(true)));
        assert_eq!(read.at.expect("a time").to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(query::<Query>("").expect("nothing is asked").name, None);
    }

    #[test]
    fn all_that_is_wrong_with_a_query_is_told_at_once() {
        let text = "limit=-1&linked=yes&at=yesterday&more=1&name=%00";
        let mut told = fields(query::<Query>(text));
        told.sort();
        assert_eq!(told, ["at", "limit", "linked", "more", "name"]);
        for (text, field) in [
            ("limit=501", "limit"),
            ("limit=99999999999999999999999", "limit"),
            ("limit=1e2", "limit"),
            ("limit=1&limit=2", "limit"),
            ("name=", "name"),
            ("name=%FF", "name"),
            (&format!("name={}", "ё".repeat(201)), "name"),
            ("Limit=1", "Limit"),
        ] {
            assert_eq!(fields(query::<Query>(text)), [field], "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_body_is_told_at_once() {
        let body = json!({ "ids": [1, "two", 3], "output": 5, "other": 1, "why": "too long" });
        let mut told = fields(body_of::<Body>(body));
        told.sort();
        assert_eq!(told, ["ids[1]", "other", "output", "why"]);
        assert_eq!(fields(body_of::<Body>(json!({}))), ["why"]);
        assert_eq!(fields(body_of::<Body>(json!({ "why": null }))), ["why"]);
        assert_eq!(fields(body_of::<Body>(json!({ "why": " " }))), ["why"]);
        assert_eq!(fields(body_of::<Body>(json!([]))), [""]);
        assert_eq!(fields(body_of::<Body>(json!(7))), [""]);
        let body = json!({ "why": "so", "output": { "a": [{ "b": "\u{0}" }], "\u{0}": 1 } });
        assert_eq!(fields(body_of::<Body>(body)), ["output.a[0].b", "output.\u{0}"]);
    }

    #[test]
    fn a_body_with_a_thousand_mistakes_is_told_in_part() {
        let many: Map<String, Value> = (0..1000).map(|n| (format!("f{n}"), json!(n))).collect();
        assert_eq!(fields(body_of::<Body>(Value::Object(many))).len(), MOST_WRONG);
    }
}
