//! Reading a directory of flows. Invariant: every problem of every file is reported at once; a flow
//! whose file has an error is never among those that may run.
//!
//! `DIR/*.toml` are flows, `DIR/tables/*.toml` lookup tables, `DIR/samples/*.json` events for cases.

use super::filters::Tables;
use super::flow::Flow;
use super::grammar::{self, Shelf};
use crate::diagnosis::{Item, Problem, Source, Table, has_errors};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files larger than this are no flows.
const LARGEST: u64 = 1 << 20;

/// A directory as read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Flows without errors, by name.
    pub flows: Vec<Arc<Flow>>,
    /// Flows with errors, as far as they could be read: only to find what else is wrong with them.
    pub broken: Vec<Arc<Flow>>,
    pub problems: Vec<Problem>,
}

/// The flows of a directory that have no errors, and all problems.
pub fn load(dir: &Path) -> (Vec<Arc<Flow>>, Vec<Problem>) {
    let loaded = load_all(dir);
    (loaded.flows, loaded.problems)
}

/// All flows of a directory, those with errors apart, and all problems.
pub fn load_all(dir: &Path) -> Loaded {
    let mut loaded = Loaded::default();
    let problems = &mut loaded.problems;
    let files = files(dir, "toml", problems);
    let shelf = Shelf { samples: samples(dir, problems), tables: Arc::new(tables(dir, problems)) };
    let mut taken: BTreeMap<String, Arc<str>> = BTreeMap::new();
    for path in &files {
        let Some(source) = text(path, problems) else { continue };
        let (mut flow, mut found) = grammar::read(&source, &shelf);
        if let Some(other) = taken.get(&flow.name).filter(|_| !flow.name.is_empty()) {
            found.push(
                Problem::error(format!("flow.name: `{}` is the name of {other} too", flow.name))
                    .at(&source, flow.places.value("flow.name"))
                    .mend("give every flow a name of its own"),
            );
        }
        taken.entry(flow.name.clone()).or_insert_with(|| source.name.clone());
        flow.broken = has_errors(&found);
        problems.extend(found);
        if flow.broken { &mut loaded.broken } else { &mut loaded.flows }.push(Arc::new(flow));
    }
    if files.is_empty() && !has_errors(problems) {
        problems.push(Problem::warning(format!("{}: there is no flow in it", dir.display())));
    }
    loaded.flows.sort_by(|a, b| a.name.cmp(&b.name));
    loaded
}

/// What the flows of a directory share, for one of them that is read alone.
pub fn shelf(dir: &Path) -> Shelf {
    // What is wrong there is no matter of the one flow.
    let mut problems = Vec::new();
    let samples = samples(dir, &mut problems);
    Shelf { samples, tables: Arc::new(tables(dir, &mut problems)) }
}

/// The text of one file of a directory, by its bare name.
///
/// # Errors
/// Why it cannot be read.
pub fn file_of(dir: &Path, name: &Path) -> Result<Source, Box<Problem>> {
    let mut problems = Vec::new();
    // Whatever folders stand before it, the file is looked for in this one alone.
    let bare = name.file_name().unwrap_or_default();
    let unread = || Problem::error(format!("{}: it cannot be read", name.display()));
    text(&dir.join(bare), &mut problems)
        .ok_or_else(|| Box::new(problems.pop().unwrap_or_else(unread)))
}

/// The files of a directory with this extension, in order of their names.
fn files(dir: &Path, extension: &str, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(
                Problem::error(format!("{}: {error}", dir.display()))
                    .mend("set [mappings] dir to the directory of the flow files"),
            );
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|held| held == extension) && path.is_file())
        // Editors leave hidden lock and swap files beside the file that is edited.
        .filter(|path| path.file_name().is_some_and(|name| !starts_with_dot(name)))
        .collect();
    files.sort();
    files
}

fn starts_with_dot(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

/// Like [`files`]; a directory that is not there has none.
fn shelf_files(dir: &Path, extension: &str, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    if dir.is_dir() { files(dir, extension, problems) } else { Vec::new() }
}

fn text(path: &Path, problems: &mut Vec<Problem>) -> Option<Source> {
    let name = path.display().to_string();
    let large = std::fs::metadata(path).is_ok_and(|about| about.len() > LARGEST);
    let read = if large {
        Err("it is larger than 1 MiB".to_owned())
    } else {
        std::fs::read(path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
    };
    match read {
        Ok(text) => Some(Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(&text))),
        Err(error) => {
            problems.push(Problem::error(format!("{name}: {error}")));
            None
        }
    }
}

fn samples(dir: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, Map<String, Value>> {
    let mut samples = BTreeMap::new();
    for path in shelf_files(&dir.join("samples"), "json", problems) {
        let Some(source) = text(&path, problems) else { continue };
        let name = format!("samples/{}", file_name(&path));
        match serde_json::from_str::<Value>(&source.text) {
            Ok(Value::Object(fields)) => {
                samples.insert(name, fields);
            }
            Ok(_) => problems.push(
                Problem::error(format!("{name}: no table of event fields"))
                    .at(&source, 0..source.text.len().min(1))
                    .mend("write `{ \"phone\": \"79990000001\", … }`"),
            ),
            Err(error) => {
                let at = offset(&source.text, error.line(), error.column());
                problems.push(Problem::error(format!("{name}: {error}")).at(&source, at..at + 1));
            }
        }
    }
    samples
}

/// Byte offset of a line and column (both from 1, the column in bytes), as serde_json counts.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

fn tables(dir: &Path, problems: &mut Vec<Problem>) -> Tables {
    let mut tables = BTreeMap::new();
    for path in shelf_files(&dir.join("tables"), "toml", problems) {
        let Some(source) = text(&path, problems) else { continue };
        let (mut table, found) = Table::parse(&source);
        problems.extend(found);
        let mut rows = BTreeMap::new();
        for (key, item) in table.rest() {
            if matches!(item.value, Item::List(_) | Item::Table(_)) {
                let problem = Problem::error(format!("{}: found {}", key.value, item.value.kind()))
                    .at(&source, item.span)
                    .mend("a lookup table has one line for each word: `cpc = \"Реклама\"`");
                table.problem(problem);
            } else {
                rows.insert(key.value, item.value.to_json());
            }
        }
        problems.extend(table.finish());
        let name = file_name(&path);
        tables.insert(name.trim_end_matches(".toml").to_owned(), rows);
    }
    Tables(tables)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::render;
    use crate::domain::{Decision, Input, Need, QueryOffer, Reason, Verdict, Why, plan};
    use crate::mapping::offers::offer_of;
    use crate::mapping::{Bound, Case, FactState, Scope, StepState, check, shape};

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        dir
    }

    const FLOW: &str = "[flow]\nname = \"a\"\non = { from = \"c\", event = \"e.f\" }\n\
        [[step]]\nname = \"s\"\ndo = \"c.o\"\nwith = { x = \"{{ event.x | table('t') }}\" }\n";

    #[test]
    fn all_files_are_read_and_all_their_problems_told() {
        let dir = directory(&[
            ("a.toml", FLOW),
            ("b.toml", FLOW),
            ("c.toml", "[flow\nname = 1\n"),
            ("d.toml", "\u{feff}[flow]\nname = \"d\"\n"),
            (".hidden.toml", "garbage"),
            ("note.txt", "garbage"),
            ("tables/t.toml", "cpc = \"Реклама\"\nbad = [1]\n"),
            ("samples/x.json", "{ \"a\": 1,\n  oops }"),
            ("samples/y.json", "[]"),
        ]);
        std::fs::write(dir.path().join("e.toml"), [0xff, 0xfe]).expect("written");
        let loaded = load_all(dir.path());
        let shown = render(&loaded.problems, false);
        assert_eq!(loaded.flows.iter().map(|flow| &*flow.name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(loaded.broken.len(), 3, "{shown}");
        for told in [
            "is the name of",
            "not TOML",
            "flow.on is missing",
            "step is missing",
            "it is not UTF-8",
            "bad: found a list",
            "samples/x.json: key must be a string at line 2",
            "samples/y.json: no table of event fields",
        ] {
            assert!(shown.contains(told), "{told}\n{shown}");
        }
        assert!(!shown.contains("garbage"));
    }

    #[test]
    fn a_flow_with_errors_is_still_checked_against_its_offers() {
        let text = "[flow]\nname = \"a\"\non = { from = \"calls\", event = \"call.finishd\" }\n\
            delay = \"1 mn\"\n[[step]]\nname = \"s\"\ndo = \"crm.order.create\"\n\
            with = { customer = 1, status = 5, phone = \"{{ event.phone | fone }}\" }\n";
        let loaded = load_all(directory(&[("a.toml", text)]).path());
        assert!(loaded.flows.is_empty() && loaded.broken[0].broken);
        let bound = bound(loaded.broken[0].clone());
        let problems = [loaded.problems, check(&bound, &offer_of)].concat();
        let titles: Vec<&str> = problems.iter().map(|problem| problem.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "flow.delay: `1 mn` is no duration",
                "there is no filter `fone`",
                "calltouch does not report `call.finishd`",
                "step[1].with.status: found a number",
            ]
        );
    }

    #[test]
    fn a_missing_or_empty_directory_is_told() {
        let dir = directory(&[]);
        assert_eq!(load(dir.path()).1.len(), 1);
        let (flows, problems) = load(&dir.path().join("nowhere"));
        assert!(flows.is_empty() && has_errors(&problems));
    }

    fn bound(flow: Arc<Flow>) -> Bound {
        let roles = |role: &str| (role.to_owned(), vec![role.to_owned()]);
        Bound::plain(flow, BTreeMap::from([roles("calls"), roles("crm")]))
    }

    /// The flows that we ship, bound as the example configuration binds them.
    fn shipped() -> Vec<Bound> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
        let (flows, problems) = load(&dir);
        assert!(problems.is_empty(), "{}", render(&problems, false));
        // Those of chats are checked with the real offers, in tests/mappings.rs.
        let of_chats =
            |flow: &Arc<Flow>| flow.roles().contains(&"chat") || flow.name.starts_with("dialog-");
        flows.into_iter().filter(|flow| !of_chats(flow)).map(bound).collect()
    }

    #[test]
    fn the_shipped_flows_fit_their_offers() {
        let shipped = shipped();
        let names: Vec<&str> = shipped.iter().map(|bound| bound.name.as_str()).collect();
        let all =
            ["call-to-order", "chat-to-order", "deal-update", "order-to-deal", "request-to-order"];
        assert_eq!(names, all);
        for bound in &shipped {
            let problems = check(bound, &offer_of);
            assert!(problems.is_empty(), "{}", render(&problems, false));
            let minutes = match &*bound.name {
                "order-to-deal" => 2,
                "deal-update" => 30,
                _ => 1,
            };
            assert_eq!(bound.delay.as_secs(), minutes * 60, "{}", bound.name);
        }
    }

    /// A plain reading of the language, apart from `rules`: what the cases of the shipped flows say
    /// must come out of the expressions alone.
    fn decide(flow: &Flow, case: &Case) -> (Decision, BTreeMap<String, Map<String, Value>>) {
        let offer = offer_of(&flow.on.role).and_then(|offer| offer.event(&flow.on.event));
        let event = shape(offer.map_or(&[], |offer| offer.fields), &case.event.clone().into());
        let event = event.as_object().cloned().unwrap_or_default();
        let settings = flow.constants().chain(case.settings.clone()).collect();
        let roles = flow.roles().into_iter().map(|role| (role.to_owned(), vec![role.to_owned()]));
        let roles = roles.collect();
        let mut scope = Scope {
            settings: &settings,
            connection: &flow.on.role,
            roles: &roles,
            item: Value::Null,
            event: &event,
            facts: BTreeMap::new(),
            steps: BTreeMap::new(),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let mut asked = BTreeMap::new();
        let mut reasons = Vec::new();
        let skip = |reasons| (Decision { verdict: Verdict::Incomplete, reasons }, BTreeMap::new());
        if let Some(when) = &flow.on.when
            && !flow.holds(when, &scope).expect("it holds or not").yes
        {
            let word = format!("on not ({})", when.text);
            let about = "flow".to_owned();
            let reasons = vec![Reason { about, why: Why::Guard, word, saw: Vec::new() }];
            return (Decision { verdict: Verdict::Skip, reasons }, asked);
        }
        if let Some(requires) = &flow.requires
            && !flow.holds(requires, &scope).expect("it holds or not").yes
        {
            return skip(reasons);
        }
        for fact in &flow.facts {
            let input = fact.input.iter().map(|(name, phrase)| {
                (name.clone(), flow.value(phrase, &scope).expect("an input"))
            });
            let input: Map<_, _> =
                input.filter(|(_, value)| !crate::domain::event::is_empty(value)).collect();
            let offer = offer_of(&fact.role).and_then(|offer| offer.query(&fact.query));
            let offer = offer.expect("it is on offer");
            let given = case.facts.get(&fact.name).unwrap_or(&Value::Null);
            let mut known = shape(offer.output, given);
            if lacks(offer, &input) {
                known = Value::Null;
            } else {
                asked.insert(fact.name.clone(), input);
            }
            scope.facts.insert(fact.name.clone(), FactState::Known(known));
        }
        let mut steps = Vec::new();
        for step in &flow.steps {
            let (state, why, word) = match (case.done.get(&step.name), &step.when, &step.unless) {
                (Some(output), _, _) => (StepState::Done(output.clone()), Why::Done, "done"),
                (_, Some(when), _) if !flow.holds(when, &scope).expect("when").yes => {
                    (StepState::Skipped, Why::When, when.text.as_str())
                }
                (_, _, Some(unless)) if flow.holds(unless, &scope).expect("unless").yes => {
                    (StepState::Skipped, Why::Unless, unless.text.as_str())
                }
                _ => (StepState::Planned, Why::Planned, "planned"),
            };
            if state == StepState::Planned {
                let input = step.with.iter().map(|(name, phrase)| {
                    (name.clone(), flow.value(phrase, &scope).expect("an input"))
                });
                let effect = crate::domain::Effect {
                    connection: step.role.clone(),
                    operation: step.operation.clone(),
                    input: input.collect(),
                    key: String::new(),
                };
                steps.push(plan::Step::new(step.name.clone(), effect));
            }
            scope.steps.insert(step.name.clone(), state);
            let word = word.to_owned();
            reasons.push(Reason { about: step.name.clone(), why, word, saw: Vec::new() });
        }
        (Decision { verdict: Verdict::Act(plan::Plan { steps }), reasons }, asked)
    }

    /// Does the question lack what it needs?
    fn lacks(offer: &QueryOffer, input: &Map<String, Value>) -> bool {
        let given = |field: &&Input| input.contains_key(field.name);
        let of = |need: Need| offer.input.iter().filter(move |field| field.need == need);
        let one_of = of(Need::OneOf).next().is_none() || of(Need::OneOf).any(|f| given(&f));
        !(one_of && of(Need::Must).all(|field| given(&field)))
    }

    /// Is everything that is wanted there? Null: nothing may be there.
    fn covers(wanted: &Value, found: &Value) -> bool {
        match (wanted, found) {
            (Value::Object(wanted), found) if plan::as_hole(found).is_none() => wanted
                .iter()
                .all(|(name, wanted)| covers(wanted, found.get(name).unwrap_or(&Value::Null))),
            (Value::String(wanted), found) => match plan::as_hole(found) {
                Some((step, path)) => *wanted == format!("steps.{step}.{}", path.join(".")),
                None => found.as_str() == Some(wanted),
            },
            // Empty inputs are left out of a request.
            (Value::Null, found) => crate::domain::event::is_empty(found),
            (wanted, found) => wanted == found,
        }
    }

    #[test]
    fn the_expressions_of_the_shipped_flows_do_what_their_cases_say() {
        let mut count = 0;
        for bound in shipped() {
            for case in &bound.flow.cases {
                count += 1;
                let (decision, asked) = decide(&bound.flow, case);
                let (name, wanted) = (&case.name, &case.expect);
                assert_eq!(decision.verdict == Verdict::Incomplete, wanted.incomplete, "{name}");
                let steps = match decision.verdict {
                    Verdict::Act(plan) => plan.steps,
                    Verdict::Skip | Verdict::Incomplete => Vec::new(),
                };
                let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
                assert_eq!(Some(names), wanted.steps, "{name}");
                for because in &wanted.because {
                    let told = decision.reasons.iter().any(|reason| reason.to_string() == *because);
                    assert!(told, "{name}: {because}: {:?}", decision.reasons);
                }
                for (step, wanted) in &wanted.with {
                    let input = steps.iter().find(|held| held.name == *step);
                    let input =
                        Value::Object(input.map(|s| s.effect.input.clone()).unwrap_or_default());
                    assert!(covers(wanted, &input), "{name}: {step}: {wanted}\n{input}");
                }
                for (fact, wanted) in &wanted.asks {
                    let input = asked.get(fact).map(|input| Value::Object(input.clone()));
                    let input = input.unwrap_or(Value::Bool(false));
                    assert!(covers(wanted, &input), "{name}: {fact}: {wanted}\n{input}");
                }
            }
        }
        assert!(count > 56, "the whole matrix: {count}");
    }
}
