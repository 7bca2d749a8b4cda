//! What we build in, held against `.deny.toml`: licences, banned crates, sources. Invariant: needs
//! no network and no tool but cargo, so that it runs everywhere.
#![cfg(test)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> toml::Table {
    let text = std::fs::read_to_string(root().join(name)).expect(name);
    text.parse().expect(name)
}

/// The texts at `section.key`, of a list of texts or of tables with `crate`.
fn list(table: &toml::Table, section: &str, key: &str) -> BTreeSet<String> {
    let items = table[section][key].as_array().expect("a list");
    let text = |item: &toml::Value| item.get("crate").unwrap_or(item).as_str().map(str::to_owned);
    items.iter().map(|item| text(item).expect("a text")).collect()
}

/// Packages of this machine's build; other platforms' crates may not be on this disk.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |command: &mut Command| {
        let answer = command.current_dir(root()).output().expect("the tool runs");
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).expect("UTF-8")
    };
    let about = run(Command::new(&cargo).arg("-vV"));
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let metadata = run(Command::new(&cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--all-features"])
        .args(["--filter-platform", host]));
    let mut metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a list");
    let built: BTreeSet<String> =
        nodes.iter().filter_map(|node| node["id"].as_str().map(str::to_owned)).collect();
    let all = metadata["packages"].take();
    let all = all.as_array().expect("a list").iter();
    all.filter(|package| package["id"].as_str().is_some_and(|id| built.contains(id)))
        .cloned()
        .collect()
}

/// Does a licence expression leave us a choice that is allowed? `AND` binds tighter than `OR`; the
/// old `/` means `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let verdict = either(&mut rest, allowed);
    verdict && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut verdict = both(rest, allowed);
    while let ["OR", further @ ..] = *rest {
        *rest = further;
        verdict |= both(rest, allowed);
    }
    verdict
}

fn both(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(rest, allowed);
    while let ["AND", further @ ..] = *rest {
        *rest = further;
        verdict &= one(rest, allowed);
    }
    verdict
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", inner @ ..] => {
            *rest = inner;
            let verdict = either(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).unwrap_or_default();
            verdict
        }
        [name, "WITH", exception, further @ ..] => {
            *rest = further;
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        [name, further @ ..] => {
            *rest = further;
            allowed.contains(*name)
        }
        [] => false,
    }
}

#[test]
fn every_licence_is_permissive() {
    let allowed = list(&read(".deny.toml"), "licenses", "allow");
    let packages = packages();
    assert!(packages.len() > 100, "{} packages are too few to be all", packages.len());
    let offenders: Vec<String> = packages
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("none"), &allowed))
        .map(|package| {
            format!("{} {}: {}", package["name"], package["version"], package["license"])
        })
        .collect();
    assert!(offenders.is_empty(), "{offenders:#?}");
}

#[test]
fn no_banned_crate_and_no_stranger_is_locked() {
    let rules = read(".deny.toml");
    let banned = list(&rules, "bans", "deny");
    let sources = list(&rules, "sources", "allow-registry");
    let lock = read("Cargo.lock");
    let locked = lock["package"].as_array().expect("a list");
    let mut offenders = Vec::new();
    for package in locked {
        let name = package["name"].as_str().expect("a name");
        if banned.contains(name) {
            offenders.push(format!("{name} is banned"));
        }
        let Some(source) = package.get("source").and_then(toml::Value::as_str) else {
            continue;
        };
        let known = source.strip_prefix("registry+").is_some_and(|url| sources.contains(url));
        if !known {
            offenders.push(format!("{name} comes from {source}"));
        }
    }
    assert!(offenders.is_empty(), "{offenders:#?}");
    assert!(banned.contains("backoff") && locked.len() > 100);
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception", "ISC"].map(str::to_owned).into();
    for fine in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "Apache-2.0 WITH LLVM-exception AND (GPL-3.0 OR ISC)",
        "(MIT)",
    ] {
        assert!(is_allowed(fine, &allowed), "{fine}");
    }
    for wrong in [
        "",
        "none",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "Apache-2.0",
        "MIT Apache-2.0",
        "(GPL-3.0 OR",
        "MIT AND (ISC AND X)",
    ] {
        assert!(!is_allowed(wrong, &allowed), "{wrong}");
    }
}
