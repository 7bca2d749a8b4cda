//! The laws of the house as ordinary tests: arrows, sizes, purity, forbidden words. Invariant:
//! every law is also shown a small file that breaks it, so that none of them can go blind.
#![cfg(test)]

#[path = "architecture/laws.rs"]
mod laws;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/scan.rs"]
mod scan;

use scan::File;
use std::path::PathBuf;

/// Where the repository is now, which need not be where this was compiled.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), Into::into)
}

fn house() -> Vec<File> {
    let files = scan::read(&root(), &["src", "tests", "benches"]);
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the house is empty");
    files
}

fn keeps(law: fn(&[File]) -> Vec<String>) {
    let offenders = law(&house());
    assert!(offenders.is_empty(), "\n{}\n", offenders.join("\n"));
}

/// The law finds exactly these words in its complaints about a file that breaks it.
fn catches(law: fn(&[File]) -> Vec<String>, path: &str, text: &str, complaint: &str) {
    let offenders = law(&scan::house(&[(path, text)]));
    assert!(
        offenders.iter().any(|offender| offender.contains(complaint)),
        "`{complaint}` is not among {offenders:?}"
    );
}

fn passes(law: fn(&[File]) -> Vec<String>, path: &str, text: &str) {
    let offenders = law(&scan::house(&[(path, text)]));
    assert!(offenders.is_empty(), "{offenders:?}");
}

#[test]
fn arrows_point_down() {
    keeps(laws::arrows);
    for text in [
        "use crate::pipeline::Job;",
        "use crate::{domain::Event, pipeline};",
        "fn f() { crate::pipeline::go() }",
        "use super::pipeline::Job;",
        "use crate::{\n    domain::{self, Event},\n    pipeline::{Job, Plan},\n};",
    ] {
        catches(laws::arrows, "src/store.rs", text, "`store` uses `pipeline`");
    }
    catches(laws::arrows, "src/app.rs", "use crate::sandbox::Crm;", "`app` uses `sandbox`");
    catches(laws::arrows, "src/sandbox/mod.rs", "use crate::domain::Event;", "uses `domain`");
    catches(laws::arrows, "src/rules/gather.rs", "use super::super::store::X;", "uses `store`");
    catches(laws::arrows, "src/domain/fact.rs", "use crate::clock::Clock;", "uses `clock`");
    catches(laws::arrows, "src/attic.rs", "", "no room of design §3");
    passes(laws::arrows, "src/store/mod.rs", "use crate::domain::X; use super::store::Y;");
    passes(laws::arrows, "src/store.rs", "// crate::pipeline\nconst X: &str = \"crate::http\";");
    passes(laws::arrows, "src/store.rs", "#[cfg(test)]\nmod tests { use crate::pipeline::X; }");
}

#[test]
fn rooms_have_no_cycles() {
    keeps(laws::cycles);
    let house = scan::house(&[
        ("src/a.rs", "use crate::b::X;"),
        ("src/b/mod.rs", "use crate::{c::Y};"),
        ("src/c.rs", "fn f() { crate::a::g() }"),
    ]);
    assert_eq!(laws::cycles(&house), ["a → b → c → a"]);
}

#[test]
fn connectors_do_not_know_each_other() {
    keeps(laws::strangers);
    let text = "use crate::connectors::retailcrm::Client;";
    catches(laws::strangers, "src/connectors/calltouch/mod.rs", text, "knows `retailcrm`");
    let text = "use super::super::retailcrm::Client;";
    catches(laws::strangers, "src/connectors/calltouch/poll.rs", text, "knows `retailcrm`");
    let text = "use crate::connectors::{http, port::Connector}; use super::wire;";
    passes(laws::strangers, "src/connectors/calltouch/poll.rs", text);
}

#[test]
fn the_head_is_pure() {
    keeps(laws::purity);
    catches(laws::purity, "src/rules/decide.rs", "pub async fn f() {}", "`async`");
    catches(laws::purity, "src/domain/event.rs", "use tokio::sync::Mutex;", "`tokio::`");
    catches(laws::purity, "src/rules/route.rs", "let x = Timestamp::now();", "`Timestamp::now`");
    catches(laws::purity, "src/domain/plan.rs", "std::fs::read(p)", "`std::fs`");
    passes(laws::purity, "src/mapping/mod.rs", "// async\nlet asynchronous = std::fs::read(p);");
    passes(laws::purity, "src/pipeline/route.rs", "async fn f() {}");
}

#[test]
fn every_file_says_what_it_is() {
    keeps(laws::introductions);
    catches(laws::introductions, "src/store/mod.rs", "use x;\n//! late", "src/store/mod.rs");
    passes(laws::introductions, "src/store/mod.rs", "//! The memory.\n");
}

#[test]
fn files_and_functions_are_short() {
    keeps(laws::sizes);
    let long = "const X: u8 = 1;\n".repeat(401);
    catches(laws::sizes, "src/a.rs", &long, "src/a.rs has 401 lines");
    let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    passes(laws::sizes, "src/a.rs", &tested);
    let body = "    call();\n".repeat(59);
    let long = format!("impl X {{\n  pub async fn long(a: [u8; 3]) -> u8 {{\n{body}  }}\n}}\n");
    catches(laws::sizes, "src/a.rs", &long, "src/a.rs:2 `long` has 61 lines");
    let strange = format!("fn a() {{ let x = '{{'; let y = r#\"}}\"#; }} /* {{ */\n{long}");
    catches(laws::sizes, "src/a.rs", &strange, "src/a.rs:3 `long` has 61 lines");
    let short = format!("type F = fn(u8);\nfn short() {{\n{}}}\n", "    call();\n".repeat(58));
    passes(laws::sizes, "src/a.rs", &short);
}

#[test]
fn functions_take_five_arguments_at_most() {
    keeps(laws::arguments);
    let six = "fn long<T: Fn(u8, u8)>(a: u8, b: (u8, u8), c: [u8; 3], d: T, e: u8, f: u8,) {}";
    catches(laws::arguments, "src/a.rs", six, "`long` takes 6");
    let five =
        "fn f<T: Fn(u8, u8)>(&self, a: u8, b: Map<u8, u8>, c: fn(u8, u8) -> u8, d: T, e: u8);";
    passes(laws::arguments, "src/a.rs", five);
    passes(laws::arguments, "src/a.rs", "fn f(mut self, a: &[(u8, u8)], b: u8,) {} fn g() {}");
}

#[test]
fn nothing_panics_outside_tests() {
    keeps(laws::panics);
    for word in ["x.unwrap()", "x.expect(\"y\")", "panic!()", "todo!()", "unimplemented!()"] {
        let text = format!("fn f() {{\n    {word};\n}}");
        let name = word.trim_start_matches('x').split('(').next().expect("a word");
        catches(laws::panics, "src/a.rs", &text, &format!("src/a.rs:2 `{name}"));
    }
    passes(laws::panics, "src/a.rs", "#[expect(dead_code, reason = \".unwrap()\")] fn f() {}");
    passes(laws::panics, "src/a.rs", "#[test]\nfn t() { x.unwrap(); }");
    passes(laws::panics, "tests/a.rs", "fn f() { x.unwrap(); }");
    let house = [("src/a/mod.rs", "#[cfg(test)]\nmod tests;"), ("src/a/tests.rs", "x.unwrap()")];
    assert!(laws::panics(&scan::house(&house)).is_empty());
    assert_eq!(laws::panics(&scan::house(&house[1..])).len(), 1);
}

#[test]
fn sql_stands_in_the_store_alone() {
    keeps(laws::sql);
    for text in [
        "\"select id from job\"",
        "\"  UPDATE job SET state = 1\"",
        "r#\"insert into job (id) values (1)\"#",
        "\"pragma journal_mode\"",
        "sqlx::query(X)",
    ] {
        catches(laws::sql, "src/pipeline/poll.rs", text, "src/pipeline/poll.rs:1");
        passes(laws::sql, "src/store/jobs.rs", text);
    }
    passes(laws::sql, "src/ui/mod.rs", "\"update the order\" // select id from job");
}

#[test]
fn lints_are_expected_never_allowed() {
    keeps(laws::allows);
    catches(laws::allows, "src/a.rs", "\n#[allow(dead_code)]", "src/a.rs:2");
    catches(laws::allows, "tests/a.rs", "#![allow(dead_code)]", "tests/a.rs:1");
    passes(laws::allows, "src/a.rs", "// #[allow(x)]\n#[expect(dead_code, reason = \"\")]");
}

#[test]
fn rooms_have_names_that_say_something() {
    keeps(laws::names);
    catches(laws::names, "src/utils.rs", "", "src/utils.rs");
    catches(laws::names, "src/store/helpers/mod.rs", "", "src/store/helpers");
    passes(laws::names, "src/store/commonplace.rs", "");
}

#[test]
fn far_sides_have_no_name_outside_their_connector() {
    keeps(laws::foreign_names);
    catches(laws::foreign_names, "src/rules/a.rs", "let x = \"RetailCRM\";", "`retailcrm`");
    catches(laws::foreign_names, "src/pipeline/a.rs", "calltouch::poll()", "`calltouch`");
    passes(laws::foreign_names, "src/store/a.rs", "//! as Calltouch does\n");
}

#[test]
fn the_top_level_is_fixed() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).expect("a .gitignore");
    let entries = std::fs::read_dir(root()).expect("the repository");
    let names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let strangers = laws::top_level(&names, &ignored);
    assert!(strangers.is_empty(), "not of the top level: {strangers:?}");
    let names = ["src", ".ci", "target", "x.db", "deny.toml", "docs"].map(str::to_owned);
    assert_eq!(laws::top_level(&names, "/target\n*.db\n"), ["deny.toml", "docs"]);
}
