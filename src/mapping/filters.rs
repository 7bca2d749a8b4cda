//! The filters and tests of the language. Invariant: pure functions of their arguments (and of the
//! lookup tables); none in is none out, so that an absent field never becomes the text "None".

use crate::domain::{EmailKey, Phone, event};
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, filters, tests};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What Calltouch writes where it knows nothing (calltouch.md §2.3); empty for the CRM.
/// Compared without regard to case.
pub const PLACEHOLDERS: &[&str] = &[
    "null",
    "none",
    "nan",
    "<не указано>",
    "<не указан>",
    "<не заполнено>",
    "(not set)",
    "(none)",
    "(не указано)",
];

/// Steps of the engine for one expression; an endless loop ends in under a millisecond.
const FUEL: u64 = 20_000;
const RECURSION: usize = 32;

/// Name under which an expression's context holds the lookup tables; no path can spell it.
pub const TABLES: &str = "$tables";

/// The engine: no loader, no functions, no globals; none is "undefined", and what is not known at
/// all is refused by the context itself.
pub static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(engine);

/// `tables/NAME.toml`, by name and key.
#[derive(Debug, Default)]
pub struct Tables(pub BTreeMap<String, BTreeMap<String, serde_json::Value>>);

impl Object for Tables {}

/// Names of all filters.
pub const FILTERS: &[&str] = &[
    "phone",
    "email",
    "date",
    "cut",
    "table",
    "fill",
    "buttons",
    "clean",
    "default",
    "upper",
    "lower",
    "capitalize",
    "trim",
    "replace",
    "split",
    "join",
    "first",
    "last",
    "length",
    "int",
    "float",
    "round",
    "abs",
    "string",
    "list",
    "unique",
    "sort",
    "min",
    "max",
    "sum",
];

/// Names of all tests (`is …`).
pub const TESTS: &[&str] = &[
    "none",
    "null",
    "empty",
    "string",
    "number",
    "in",
    "startingwith",
    "endingwith",
    "divisibleby",
    "true",
    "false",
];

fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(RECURSION);
    engine.set_debug(false);
    engine.add_filter("phone", |value: &Value| {
        text(value).and_then(|text| Phone::parse(&text)).map(|phone| phone.key().to_owned())
    });
    engine.add_filter("email", |value: &Value| {
        text(value).and_then(|text| EmailKey::parse(&text)).map(|email| email.key().to_owned())
    });
    engine.add_filter("date", date);
    engine.add_filter("cut", |value: &Value, length: usize| {
        text(value).map(|text| text.chars().take(length).collect::<String>())
    });
    composing(&mut engine);
    engine.add_filter("clean", |value: &Value| text(value).map(|text| clean(&text)));
    engine.add_filter(
        "default",
        |value: Value, other: Value| {
            if is_empty(&value) { other } else { value }
        },
    );
    engine.add_filter("upper", |value: &Value| text(value).map(|text| text.to_uppercase()));
    engine.add_filter("lower", |value: &Value| text(value).map(|text| text.to_lowercase()));
    engine.add_filter("capitalize", |value: &Value| text(value).map(|text| capitalize(&text)));
    engine.add_filter("trim", |value: &Value| text(value).map(|text| text.trim().to_owned()));
    engine.add_filter("replace", replace);
    engine.add_filter("string", |value: &Value| text(value));
    engine.add_filter("split", filters::split);
    engine.add_filter("join", filters::join);
    engine.add_filter("first", filters::first);
    engine.add_filter("last", filters::last);
    engine.add_filter("length", |value: &Value| text_length(value));
    engine.add_filter("int", filters::int);
    engine.add_filter("float", filters::float);
    engine.add_filter("round", filters::round);
    engine.add_filter("abs", filters::abs);
    engine.add_filter("list", filters::list);
    engine.add_filter("unique", filters::unique);
    engine.add_filter("sort", filters::sort);
    engine.add_filter("min", filters::min);
    engine.add_filter("max", filters::max);
    engine.add_filter("sum", filters::sum);
    engine.add_test("none", is_none);
    engine.add_test("null", is_none);
    engine.add_test("empty", is_empty);
    engine.add_test("string", tests::is_string);
    engine.add_test("number", tests::is_number);
    engine.add_test("in", tests::is_in);
    engine.add_test("startingwith", tests::is_startingwith);
    engine.add_test("endingwith", tests::is_endingwith);
    engine.add_test("divisibleby", tests::is_divisibleby);
    engine.add_test("true", tests::is_true);
    engine.add_test("false", tests::is_false);
    engine
}

/// A value as text; `None` for none.
pub fn text(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::Bool => Some(if value.is_true() { "true" } else { "false" }.to_owned()),
        _ => Some(value.to_string()),
    }
}

/// Collapses white space, trims, and turns [`PLACEHOLDERS`] into the empty text.
pub fn clean(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = words.join(" ");
    let lower = plain.to_lowercase();
    if PLACEHOLDERS.contains(&lower.as_str()) { String::new() } else { plain }
}

fn is_none(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Undefined | ValueKind::None)
}

/// As [`event::is_empty`]: none, a blank text, an empty list or table.
fn is_empty(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => true,
        ValueKind::String => value.as_str().is_some_and(|text| event::is_empty(&text.into())),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => value.len() == Some(0),
        _ => false,
    }
}

fn capitalize(text: &str) -> String {
    let mut symbols = text.chars();
    symbols.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(symbols.flat_map(char::to_lowercase)).collect()
    })
}

/// What one replacement may make, in bytes: more is refused before it is made.
const LONGEST: usize = 1 << 20;

fn replace(value: &Value, from: &str, to: &str) -> Result<Option<String>, Error> {
    let Some(text) = text(value) else { return Ok(None) };
    let more = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(more) > LONGEST {
        let why = format!("what `replace` makes is larger than {LONGEST} bytes");
        return Err(Error::new(ErrorKind::InvalidOperation, why));
    }
    Ok(Some(text.replace(from, to)))
}

fn text_length(value: &Value) -> Result<usize, Error> {
    if is_none(value) {
        return Ok(0);
    }
    value.len().ok_or_else(|| wrong(format!("{} has no length", value.kind())))
}

/// `event.started | date('%d.%m.%Y %H:%M', 'Europe/Moscow')`; the zone is UTC unless named.
fn date(value: &Value, format: &str, zone: Option<&str>) -> Result<Option<String>, Error> {
    let Some(text) = text(value).filter(|text| !text.is_empty()) else { return Ok(None) };
    let time: Timestamp =
        text.parse().map_err(|_| wrong("date: the value is no time (RFC 3339)".to_owned()))?;
    let zone = match zone {
        Some(name) => TimeZone::get(name)
            .map_err(|_| wrong("date: the zone is no time zone, e.g. Europe/Moscow".to_owned()))?,
        None => TimeZone::UTC,
    };
    strtime::format(format, &time.to_zoned(zone))
        .map(Some)
        .map_err(|_| wrong("date: the format is none, e.g. %d.%m.%Y %H:%M".to_owned()))
}

/// `event.utm_source | table('sources', 'other')`: none where neither knows.
fn table(state: &State, value: &Value, name: &str, other: Option<Value>) -> Result<Value, Error> {
    let held = state.lookup(TABLES);
    let table = held
        .as_ref()
        .and_then(|held| held.downcast_object_ref::<Tables>())
        .and_then(|tables| tables.0.get(name))
        .ok_or_else(|| wrong("there is no table of this name".to_owned()))?;
    let found = text(value).and_then(|key| table.get(&key)).map(super::context::to_engine);
    Ok(found.or(other).unwrap_or(Value::UNDEFINED))
}

/// What makes texts of tables, and messages of settings.
fn composing(engine: &mut Environment<'static>) {
    engine.add_filter("table", table);
    engine.add_filter("fill", fill);
    engine.add_filter("buttons", buttons);
}

/// `settings.text | fill(facts.order)`: `{number}`, `{customer.email}` become what the table has there;
/// what is empty is left out. For texts that are settings, which hold no expressions.
fn fill(value: &Value, table: &Value) -> Result<Option<String>, Error> {
    let Some(given) = text(value) else { return Ok(None) };
    let mut made = String::with_capacity(given.len());
    let mut rest = given.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        let name = behind.split_once('}').filter(|(name, _)| is_name(name));
        made.push_str(before);
        let Some((name, after)) = name else {
            made.push('{');
            rest = behind;
            continue;
        };
        let mut held = table.clone();
        for key in name.split('.') {
            held = if is_none(&held) { Value::UNDEFINED } else { held.get_attr(key)? };
        }
        if held.kind() == ValueKind::Invalid {
            return Err(wrong(format!("fill: `{{{name}}}` is not known")));
        }
        made.push_str(&text(&held).unwrap_or_default());
        rest = after;
    }
    made.push_str(rest);
    Ok(Some(made))
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    !name.is_empty() && name.chars().all(plain)
}

/// Bytes that the data of a button may have (Telegram's limit).
const BUTTON: usize = 64;

/// `settings.buttons | buttons('flow|123')`: for each text a button whose data are `flow|123|text`.
fn buttons(value: &Value, about: &str) -> Result<Vec<BTreeMap<&'static str, String>>, Error> {
    if is_none(value) {
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    for label in value.try_iter()?.filter_map(|label| text(&label)) {
        let mut data = format!("{about}|{label}");
        while data.len() > BUTTON {
            data.pop();
        }
        made.push(BTreeMap::from([("text", label), ("data", data)]));
    }
    Ok(made)
}

/// Arguments may be made of a lead's fields: no message repeats one.
fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
