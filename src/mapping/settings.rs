//! The constants of a flow (`[settings]`) and what may be laid over them. Invariant: a setting keeps
//! the kind of the value that the flow's file gives it; one that the file does not have is none.

use super::flow::{Flow, Places};
use crate::diagnosis::{Item, Problem, Source, Spanned, Table, suggest};
use serde_json::{Map, Value};

/// What may stand behind the name of a setting.
const BELONGS: &str = "a text, a number, true or false, or a list of texts";

/// Reads `[settings]`; the caller has judged the names.
pub(super) fn read(
    entries: Vec<(Spanned<String>, Spanned<Item>)>,
    source: &Source,
    places: &mut Places,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Value)> {
    let mut settings = Vec::new();
    for (key, item) in entries {
        let path = format!("settings.{}", key.value);
        places.put(path.clone(), key.span, item.span.clone());
        if is_setting(&item.value) {
            settings.push((key.value, item.value.to_json()));
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

/// Reads the settings of a case, which lie over those of the flow.
pub(super) fn over(table: &mut Table, key: &str, flow: &Flow) -> Map<String, Value> {
    let Some(mut given) = table.table(key) else { return Map::new() };
    let mut settings = Map::new();
    for (name, item) in given.rest() {
        match laid(&flow.settings, &name.value, &item.value.to_json()) {
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
    let read = flow.settings.iter().any(|(held, _)| held == name);
    !read && flow.places.keys_of("settings").any(|held| held == name)
}

/// The value that a setting becomes where `given` is laid over it.
///
/// # Errors
/// There is no such setting, or it is of another kind.
pub fn laid(
    settings: &[(String, Value)],
    name: &str,
    given: &Value,
) -> Result<Value, Box<Problem>> {
    let Some((_, held)) = settings.iter().find(|(held, _)| held == name) else {
        let known: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
        let mend = match known.as_slice() {
            [] => "the flow has no [settings]".to_owned(),
            known => suggest(name, known),
        };
        return Err(Problem::error("the flow has no such setting").mend(mend).into());
    };
    let fits = match (held, given) {
        (Value::Array(_), Value::String(text)) => return Ok(vec![text.clone()].into()),
        (Value::Array(_), Value::Array(items)) => items.iter().all(Value::is_string),
        (held, given) => std::mem::discriminant(held) == std::mem::discriminant(given),
    };
    if fits {
        return Ok(given.clone());
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
link   = "document"
months = 12
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
        assert_eq!(flow.settings[1], ("months".to_owned(), json!(12)));
        assert_eq!(json!(flow.cases[0].settings), json!({ "link": "marker" }));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_and_mend() {
        for (from, to, title, marks) in [
            ("months = 12", "months = 2026-01-15", "settings.months: found a date", "2026-01-15"),
            ("nouns  = [\"call\"]", "nouns = [1]", "settings.nouns: found a list", "[1]"),
            (
                "nouns  = [\"call\"]",
                "nouns = { a = 1 }",
                "settings.nouns: found a table",
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
        let settings = found(TEXT).0.settings;
        assert_eq!(laid(&settings, "nouns", &json!("chat")).ok(), Some(json!(["chat"])));
        assert_eq!(laid(&settings, "months", &json!(1.5)).ok(), Some(json!(1.5)));
        for (name, given) in [("link", json!(true)), ("strict", json!("yes")), ("x", json!(1))] {
            assert!(laid(&settings, name, &given).is_err(), "{name}");
        }
    }
}
