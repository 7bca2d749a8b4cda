//! The constants of a flow (`[settings]`) and what may be laid over them. Invariant: a setting keeps
//! the kind of the value that the flow's file gives it, and is one that the file allows; one that the
//! file does not have is none.

use super::flow::{Allowed, Flow, Places, Setting};
use crate::diagnosis::{Item, Problem, Source, Spanned, Table, duration_of, suggest};
use serde_json::{Map, Value};

/// What may stand behind the name of a setting.
const BELONGS: &str = "a text, a number, true or false, a list of texts, or one of these with what \
                       it may be: { value = \"a\", one_of = [\"a\", \"b\"] }";

/// Reads `[settings]`; the caller has judged the names.
pub(super) fn read(
    entries: Vec<(Spanned<String>, Spanned<Item>)>,
    source: &Source,
    places: &mut Places,
    problems: &mut Vec<Problem>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (key, item) in entries {
        let path = format!("settings.{}", key.value);
        places.put(path.clone(), key.span, item.span.clone());
        if is_setting(&item.value) {
            let value = item.value.to_json();
            settings.push(Setting { name: key.value, value, allowed: Allowed::Any });
            continue;
        }
        if let Item::Table(entries) = item.value {
            let table = Table::new(source, path, item.span, entries);
            settings.extend(bounded(key.value, table, problems));
            continue;
        }
        problems.push(
            Problem::error(format!("{path}: found {}", item.value.kind()))
                .at(source, item.span)
                .label("no setting")
                .mend(format!("write {BELONGS}")),
        );
    }
    settings
}

/// `{ value = "document", one_of = ["document", "marker"] }`, `{ value = "1h", is = "duration" }`.
fn bounded(name: String, mut table: Table, problems: &mut Vec<Problem>) -> Option<Setting> {
    table.require("value", "what it is where nobody says otherwise");
    let value = table.any("value").filter(|item| is_setting(&item.value));
    let span = value.as_ref().map_or(table.span(), |item| item.span.clone());
    let value = value.map(|item| item.value.to_json());
    let one_of = table.texts("one_of");
    let one_of =
        one_of.map(|words| words.value.into_iter().map(|word| word.value).collect::<Vec<_>>());
    let is = table.text("is").and_then(|is| match is.value.as_str() {
        "duration" => Some(Allowed::Duration),
        "count" => Some(Allowed::Count),
        other => {
            let title = format!("{}: there is no kind `{other}`", table.name_of("is"));
            let problem = Problem::error(title).mend(suggest(other, &["duration", "count"]));
            table.problem_at("is", problem);
            None
        }
    });
    let allowed = one_of.map(Allowed::OneOf).or(is).unwrap_or(Allowed::Any);
    if let Some(why) = value.as_ref().and_then(|value| allowed.refuses(value)) {
        let problem =
            Problem::error(format!("{}: {}", table.name_of("value"), why.title)).mend(why.mend);
        table.problem(problem.at(table.source(), span));
    }
    problems.extend(table.finish());
    value.map(|value| Setting { name, value, allowed })
}

impl Allowed {
    /// What is wrong with a value of the right kind.
    fn refuses(&self, value: &Value) -> Option<Problem> {
        match self {
            Self::Any => None,
            Self::OneOf(words) => {
                let word = value.as_str().unwrap_or_default();
                let known: Vec<&str> = words.iter().map(String::as_str).collect();
                let title = format!("must be one of {}", known.join(", "));
                let problem = Problem::error(title).mend(suggest(word, &known));
                (!known.contains(&word)).then_some(problem)
            }
            Self::Duration => {
                let sound = value.as_str().and_then(duration_of).is_some();
                let problem = Problem::error("is no duration").mend("write it like \"10m\"");
                (!sound).then_some(problem)
            }
            Self::Count => {
                let sound = value.as_u64().is_some_and(|count| count > 0);
                let problem = Problem::error("is no count").mend("write a whole number from 1");
                (!sound).then_some(problem)
            }
        }
    }
}

/// Reads the settings of a case, which lie over those of the flow.
pub(super) fn over(table: &mut Table, key: &str, flow: &Flow) -> Map<String, Value> {
    let Some(mut given) = table.table(key) else { return Map::new() };
    let mut settings = Map::new();
    for (name, item) in given.rest() {
        match laid(flow, &name.value, &item.value.to_json()) {
            Ok(value) => {
                settings.insert(name.value, value);
            }
            // What could not be read of the flow itself is told there.
            Err(_) if is_broken(flow, &name.value) => {}
            Err(mut problem) => {
                problem.title = format!("{key}.{}: {}", name.value, problem.title);
                given.problem(problem.at(table.source(), name.span));
            }
        }
    }
    table.absorb(given);
    settings
}

fn is_broken(flow: &Flow, name: &str) -> bool {
    let read = flow.settings.iter().any(|held| held.name == name);
    !read && flow.places.keys_of("settings").any(|held| held == name)
}

/// The value that a setting becomes where `given` is laid over it.
///
/// # Errors
/// There is no such setting, it is of another kind, or not one of what is allowed.
pub fn laid(flow: &Flow, name: &str, given: &Value) -> Result<Value, Box<Problem>> {
    let Some(setting) = flow.settings.iter().find(|held| held.name == name) else {
        let known: Vec<&str> = flow.settings.iter().map(|held| held.name.as_str()).collect();
        let mend = match known.as_slice() {
            [] => "the flow has no [settings]".to_owned(),
            known => suggest(name, known),
        };
        return Err(Problem::error("the flow has no such setting").mend(mend).into());
    };
    let held = &setting.value;
    let fits = match (held, given) {
        (Value::Array(_), Value::String(text)) => return Ok(vec![text.clone()].into()),
        (Value::Array(_), Value::Array(items)) => items.iter().all(Value::is_string),
        (held, given) => std::mem::discriminant(held) == std::mem::discriminant(given),
    };
    if fits {
        let refused = setting.allowed.refuses(given);
        return refused.map_or_else(|| Ok(given.clone()), |problem| Err(problem.into()));
    }
    let (wanted, mend) = match held {
        Value::String(_) => ("a text", "write it in quotes"),
        Value::Number(_) => ("a number", "write it without quotes"),
        Value::Bool(_) => ("true or false", "write it without quotes"),
        _ => ("a list of texts", "write [\"one\", \"two\"]"),
    };
    Err(Problem::error(format!("must be {wanted}, as in the flow's file")).mend(mend).into())
}

fn is_setting(item: &Item) -> bool {
    match item {
        Item::Text(_) | Item::Integer(_) | Item::Number(_) | Item::Flag(_) => true,
        Item::List(items) => items.iter().all(|item| matches!(item.value, Item::Text(_))),
        Item::Time(_) | Item::Table(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::render;
    use crate::mapping::grammar::{self, Shelf};
    use serde_json::json;

    const TEXT: &str = r#"
[flow]
name = "a"
on   = { from = "calls", event = "call.finished" }
[settings]
link   = { value = "document", one_of = ["document", "marker"] }
months = { value = 12, is = "count" }
ahead  = { value = "1h", is = "duration" }
strict = true
nouns  = ["call"]
[[step]]
name = "create"
do   = "crm.order.create"
when = "settings.strict and 'call' in settings.nouns"
with = { status = "{{ settings.link }}" }
[[case]]
name     = "a case"
event    = { phone = "1" }
settings = { link = "marker" }
expect   = { steps = [] }
"#;

    fn found(text: &str) -> (Flow, Vec<Problem>) {
        grammar::read(&Source::new("a.toml", text), &Shelf::default())
    }

    #[test]
    fn settings_are_read_and_cases_lie_over_them() {
        let (flow, problems) = found(TEXT);
        assert!(problems.is_empty(), "{}", render(&problems, false));
        assert_eq!(
            (flow.settings[1].name.as_str(), &flow.settings[1].value),
            ("months", &json!(12))
        );
        assert_eq!(json!(flow.cases[0].settings), json!({ "link": "marker" }));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_mend() {
        for (from, to, title, marks) in [
            (
                "{ value = 12, is = \"count\" }",
                "2026-01-15",
                "settings.months: found a date",
                "2026-01-15",
            ),
            ("value = 12", "value = 0", "settings.months.value: is no count", "0"),
            ("is = \"count\"", "is = \"cuont\"", "there is no kind `cuont`", "\"cuont\""),
            (
                "value = \"1h\"",
                "value = \"soon\"",
                "settings.ahead.value: is no duration",
                "\"soon\"",
            ),
            (
                "value = \"document\"",
                "value = \"documnt\"",
                "settings.link.value: must be one of document, marker",
                "\"documnt\"",
            ),
            ("{ link = \"marker\"", "{ link = \"markr\"", "settings.link: must be one of", "link"),
            ("nouns  = [\"call\"]", "nouns = [1]", "settings.nouns: found a list", "[1]"),
            (
                "nouns  = [\"call\"]",
                "nouns = { a = 1 }",
                "settings.nouns.value is missing",
                "{ a = 1 }",
            ),
            ("months =", "my-months =", "cannot be a name", "my-months"),
            ("settings.link", "settings.lnk", "there is no such setting", "settings.lnk"),
            (
                "{ link = \"marker\"",
                "{ lnk = \"marker\"",
                "settings.lnk: the flow has no such",
                "lnk",
            ),
            ("{ link = \"marker\"", "{ link = 5", "settings.link: must be a text", "link"),
            ("{ link = \"marker\"", "{ months = \"5\"", "must be a number", "months"),
            ("{ link = \"marker\"", "{ nouns = [5]", "must be a list of texts", "nouns"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT, "{from}");
            let (_, problems) = found(&text);
            let all = render(&problems, false);
            let told = problems.iter().find(|problem| problem.title.contains(title));
            let told = told.unwrap_or_else(|| panic!("{to}: {all}"));
            let place = told.place.as_ref().unwrap_or_else(|| panic!("{all}"));
            assert_eq!(&text[place.span.clone()], marks, "{all}");
            assert!(!told.mend.is_empty(), "{all}");
        }
    }

    #[test]
    fn what_is_laid_over_keeps_the_kind() {
        let flow = found(TEXT).0;
        assert_eq!(laid(&flow, "nouns", &json!("chat")).ok(), Some(json!(["chat"])));
        assert_eq!(laid(&flow, "months", &json!(6)).ok(), Some(json!(6)));
        assert_eq!(laid(&flow, "ahead", &json!("90m")).ok(), Some(json!("90m")));
        for (name, given) in [
            ("link", json!(true)),
            ("link", json!("marked")),
            ("months", json!(1.5)),
            ("ahead", json!("an hour")),
            ("strict", json!("yes")),
            ("x", json!(1)),
        ] {
            assert!(laid(&flow, name, &given).is_err(), "{name}");
        }
    }
}
