//! The laws. Invariant: each takes the files of a house and names every offender.

use super::paths::{self, room};
use super::scan::{File, closing, line_of};
use std::collections::{BTreeMap, BTreeSet};

/// Usable by any room but the head, and knowing none; only `config` speaks through `diagnosis`.
const LEAVES: [&str; 4] = ["config", "telemetry", "clock", "diagnosis"];

/// From top to bottom (design §3): a room may use what its line lists, and the leaves.
const ROOMS: [(&str, &[&str]); 17] = [
    (
        "main",
        &[
            "cli",
            "app",
            "http",
            "ui",
            "desk",
            "pipeline",
            "rules",
            "connectors",
            "store",
            "mapping",
            "domain",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "sandbox",
            "http",
            "ui",
            "desk",
            "pipeline",
            "rules",
            "connectors",
            "store",
            "mapping",
            "domain",
        ],
    ),
    (
        "app",
        &["http", "ui", "desk", "pipeline", "rules", "connectors", "store", "mapping", "domain"],
    ),
    ("http", &["desk", "pipeline", "rules", "connectors", "store", "mapping", "domain"]),
    ("ui", &["desk", "pipeline", "rules", "connectors", "store", "mapping", "domain"]),
    ("desk", &["pipeline", "rules", "connectors", "store", "mapping", "domain"]),
    ("pipeline", &["rules", "connectors", "store", "mapping", "domain"]),
    ("rules", &["mapping", "domain"]),
    ("connectors", &["domain"]),
    ("store", &["domain"]),
    ("mapping", &["domain"]),
    ("domain", &[]),
    ("sandbox", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("diagnosis", &[]),
];

/// The rooms that only think: plain data in, plain data out.
const HEAD: [&str; 3] = ["domain", "mapping", "rules"];

pub fn arrows(house: &[File]) -> Vec<String> {
    let mut offenders = Vec::new();
    for file in house {
        let Some(own) = room(file) else { continue };
        let Some((_, below)) = ROOMS.iter().find(|(name, _)| *name == own) else {
            offenders.push(format!("{}: `{own}` is no room of design §3", file.path));
            continue;
        };
        for named in paths::named(file) {
            let used = named.path[0].as_str();
            let is_room = ROOMS.iter().any(|(name, _)| *name == used);
            if is_room && used != own && !may_use(own, below, used) {
                offenders.push(format!("{}:{} `{own}` uses `{used}`", file.path, named.line));
            }
        }
    }
    offenders
}

fn may_use(own: &str, below: &[&str], used: &str) -> bool {
    if LEAVES.contains(&own) {
        return own == "config" && used == "diagnosis";
    }
    // The head gets `now` as an argument.
    let leaf = LEAVES.contains(&used) && !(HEAD.contains(&own) && used == "clock");
    leaf || below.contains(&used)
}

pub fn cycles(house: &[File]) -> Vec<String> {
    let mut graph: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in house {
        if let Some(own) = room(file) {
            let used = paths::named(file).into_iter().map(|named| named.path[0].clone());
            graph.entry(own).or_default().extend(used.filter(|used| used != own));
        }
    }
    let mut found = BTreeSet::new();
    for start in graph.keys() {
        round(&graph, &mut vec![(*start).to_owned()], &mut found);
    }
    found.into_iter().collect()
}

/// Follows the arrows from the last room of `way`; a cycle is told from its first room by name.
fn round(
    graph: &BTreeMap<&str, BTreeSet<String>>,
    way: &mut Vec<String>,
    found: &mut BTreeSet<String>,
) {
    let here = way.last().cloned().unwrap_or_default();
    for next in graph.get(here.as_str()).into_iter().flatten() {
        if *next == way[0] && way.iter().all(|room| *room >= way[0]) {
            found.insert(format!("{} → {next}", way.join(" → ")));
        } else if !way.contains(next) {
            way.push(next.clone());
            round(graph, way, found);
            way.pop();
        }
    }
}

pub fn strangers(house: &[File]) -> Vec<String> {
    let shared = [
        "block",
        "http",
        "port",
        "coalesce",
        "files",
        "messages",
        "messengers",
        "settings",
        "door",
    ];
    let mut offenders = Vec::new();
    for file in house.iter().filter(|file| !file.is_test) {
        let inside = file.path.strip_prefix("src/connectors/");
        let Some((own, _)) = inside.and_then(|inside| inside.split_once('/')) else { continue };
        for named in paths::named(file) {
            let [room, other, ..] = named.path.as_slice() else { continue };
            let is_module = other.starts_with(|c: char| c.is_lowercase());
            if room == "connectors"
                && is_module
                && other != own
                && !shared.contains(&other.as_str())
            {
                offenders.push(format!("{}:{} knows `{other}`", file.path, named.line));
            }
        }
    }
    offenders
}

pub fn purity(house: &[File]) -> Vec<String> {
    let hands = ["tokio::", "reqwest", "sqlx", "axum", "std::net", "std::process", "std::thread"];
    let clocks = ["Timestamp::now", "Zoned::now", "SystemTime", "Instant::now", "std::env"];
    let mut offenders = Vec::new();
    for file in house {
        let Some(own) = room(file).filter(|room| HEAD.contains(room)) else { continue };
        let mut words: Vec<&str> = hands.into_iter().chain(clocks).collect();
        // `mapping` reads the folder of flows, and nothing else.
        words.extend((own != "mapping").then_some("std::fs"));
        offenders.extend(words.iter().flat_map(|word| found(file, &file.code, word)));
        offenders.extend(whole_words(&file.code, "async").map(|place| at(file, place, "async")));
    }
    offenders
}

pub fn introductions(house: &[File]) -> Vec<String> {
    let silent = house.iter().filter(|file| !file.text.starts_with("//!"));
    silent.map(|file| format!("{} does not begin with `//!`", file.path)).collect()
}

pub fn sizes(house: &[File]) -> Vec<String> {
    let mut offenders = Vec::new();
    for file in house.iter().filter(|file| !file.is_test) {
        let lines = file.text.lines().count().saturating_sub(file.test_lines);
        if lines > 400 {
            offenders.push(format!("{} has {lines} lines (400 are allowed)", file.path));
        }
        for place in whole_words(&file.code, "fn") {
            let rest = file.code[place + 2..].trim_start();
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(0);
            let name = &rest[..end];
            let Some(open) = body(&file.code, place).filter(|_| !name.is_empty()) else { continue };
            let first = line_of(&file.code, place);
            let lines = line_of(&file.code, closing(&file.code, open)) - first + 1;
            if lines > 60 {
                let path = &file.path;
                offenders
                    .push(format!("{path}:{first} `{name}` has {lines} lines (60 are allowed)"));
            }
        }
    }
    offenders
}

/// At most five besides `self`; more of them want to be a struct.
pub fn arguments(house: &[File]) -> Vec<String> {
    let mut offenders = Vec::new();
    for file in house.iter().filter(|file| !file.is_test) {
        for place in whole_words(&file.code, "fn") {
            let rest = file.code[place + 2..].trim_start();
            let Some(open) = rest.find(|c: char| !c.is_alphanumeric() && c != '_') else {
                continue;
            };
            let (name, rest) = rest.split_at(open);
            let count = taken(rest);
            if !name.is_empty() && count > 5 {
                let line = line_of(&file.code, place);
                offenders.push(format!("{}:{line} `{name}` takes {count} arguments", file.path));
            }
        }
    }
    offenders
}

/// How many arguments `<T>(a: A, b: B)` has, without `self`.
fn taken(signature: &str) -> usize {
    let signature = signature.replace("->", "  ");
    let (mut depth, mut angles, mut open) = (0_usize, 0_usize, None);
    let mut parts = vec![String::new()];
    for letter in signature.chars() {
        match letter {
            '<' => angles += 1,
            '>' => angles = angles.saturating_sub(1),
            '(' if open.is_none() && angles == 0 => open = Some(()),
            '(' | '[' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 && angles == 0 && open.is_some() => parts.push(String::new()),
            _ if open.is_some() => parts.last_mut().expect("one at least").push(letter),
            _ => {}
        }
    }
    let is_self = |part: &str| part.split(':').next().is_some_and(|name| name.ends_with("self"));
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty() && !is_self(part)).count()
}

/// The opening brace of a function, `None` where it has no body.
fn body(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, letter) in code[start..].char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(start + place),
            _ => {}
        }
    }
    None
}

pub fn panics(house: &[File]) -> Vec<String> {
    let words = [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "dbg!"];
    let product = house.iter().filter(|file| !file.is_test);
    product.flat_map(|file| words.iter().flat_map(|word| found(file, &file.code, word))).collect()
}

pub fn sql(house: &[File]) -> Vec<String> {
    let mut offenders = Vec::new();
    for file in house.iter().filter(|file| !file.is_test && !file.path.starts_with("src/store")) {
        offenders.extend(found(file, &file.code, "sqlx::"));
        let strings = file.strings.to_lowercase().replace("\\\"", "  ");
        let mut place = 0;
        while let Some(start) = strings[place..].find('"').map(|found| place + found) {
            let Some(end) = strings[start + 1..].find('"').map(|found| start + 1 + found) else {
                break;
            };
            if is_statement(&strings[start + 1..end]) {
                offenders.push(at(file, start, "SQL"));
            }
            place = end + 1;
        }
    }
    offenders
}

fn is_statement(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["select", rest @ ..] => rest.contains(&"from"),
        ["update", _, rest @ ..] => rest.first() == Some(&"set"),
        ["insert" | "replace", "into" | "or", ..] | ["delete", "from", ..] => true,
        ["create" | "alter" | "drop", "table" | "index" | "unique", ..] => true,
        ["pragma", ..] => true,
        ["with", _, "as", ..] => true,
        _ => false,
    }
}

pub fn allows(house: &[File]) -> Vec<String> {
    let words = ["#[allow(", "#![allow("];
    house
        .iter()
        .flat_map(|file| words.iter().flat_map(|word| found(file, &file.code, word)))
        .collect()
}

pub fn names(house: &[File]) -> Vec<String> {
    let empty = [
        "utils", "util", "common", "helpers", "helper", "manager", "managers", "core", "types",
        "misc", "shared", "base", "lib_", "service", "services",
    ];
    let product = house.iter().filter(|file| file.path.starts_with("src/"));
    product
        .filter(|file| {
            file.path.trim_end_matches(".rs").split('/').any(|part| empty.contains(&part))
        })
        .map(|file| format!("{} has a name that says nothing", file.path))
        .collect()
}

pub fn foreign_names(house: &[File]) -> Vec<String> {
    let blind = ["domain", "mapping", "rules", "store", "pipeline"];
    let foreign = ["retailcrm", "calltouch", "telegram", "whatsapp", "usedesk", "chatapi"];
    let mut offenders = Vec::new();
    for file in house.iter().filter(|file| room(file).is_some_and(|own| blind.contains(&own))) {
        for word in foreign {
            offenders.extend(found(file, &file.code.to_lowercase(), word));
            offenders.extend(found(file, &file.strings.to_lowercase(), word));
        }
    }
    offenders
}

/// Entries of the repository that have no place at its top; what git ignores does not count.
pub fn top_level(names: &[String], ignored: &str) -> Vec<String> {
    let fixed = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "mappings",
        "config",
        "migrations",
        "tests",
        "benches",
        "Dockerfile",
        "README.md",
        "LICENSE",
    ];
    let is_ignored = |name: &str| {
        ignored
            .lines()
            .map(|line| line.trim_start_matches('/').trim_end_matches('/'))
            .any(|line| line.strip_prefix('*').map_or(line == name, |end| name.ends_with(end)))
    };
    let mut strangers: Vec<String> = names
        .iter()
        .filter(|name| !name.starts_with('.') && !fixed.contains(&name.as_str()))
        .filter(|name| !is_ignored(name))
        .cloned()
        .collect();
    strangers.sort();
    strangers
}

fn found<'a>(file: &'a File, text: &str, word: &'a str) -> Vec<String> {
    text.match_indices(word).map(|(place, _)| at(file, place, word)).collect()
}

fn at(file: &File, place: usize, word: &str) -> String {
    format!("{}:{} `{word}`", file.path, line_of(&file.text, place))
}

/// Places where `word` stands alone.
fn whole_words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).map(|(place, _)| place).filter(move |&place| {
        !is_letter(code[..place].chars().next_back())
            && !is_letter(code[place + word.len()..].chars().next())
    })
}
