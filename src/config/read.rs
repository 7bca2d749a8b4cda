//! From the merged tables to a [`Config`]. Invariant: every key of design §6 is asked for here or
//! by a connector; a role names connections that exist.

use super::node::Node;
use super::origin::{Origins, Part};
use super::section::Section;
use super::{Config, Connection, FlowSettings, Log, LogFormat, console, reconcile, retention};
use crate::diagnosis::{Problem, suggest};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;

/// The shortest name that tells a person something.
const SHORTEST_TITLE: usize = 5;

pub(super) fn config(table: BTreeMap<String, Node>, origins: Origins) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut root = Section::new(Vec::new(), table, origins.clone());
    let mut config = Config { origins: origins.clone(), ..Config::default() };
    store(&mut root, &mut config, &mut problems);
    server(&mut root, &mut config, &mut problems);
    mappings(&mut root, &mut config, &mut problems);
    log(&mut root, &mut config, &mut problems);
    config.retention = retention::read(root.section("retention"), &mut problems);
    config.reconcile = reconcile::read(root.section("reconcile"), &mut problems);
    config.console = console::read(root.section("console"), &mut problems);
    config.roles = root.table_of_texts("roles");
    let names = connections(root.section("connections"), &mut config, &mut problems);
    flows(root.section("flows"), &mut config, &mut problems);
    known_connections(&config, &names, &mut root);
    problems.extend(root.finish());
    problems
        .sort_by_key(|problem| problem.place.as_ref().map_or(usize::MAX, |place| place.span.start));
    (config, problems)
}

fn server(root: &mut Section, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut section = root.section("server");
    if let Some(listen) = section.text("listen") {
        let port = listen.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            let problem = Problem::error(format!("`{listen}` is no address"));
            section.problem("listen", problem.mend("write host:port: \"127.0.0.1:8080\""));
        }
        config.server.listen = listen;
    }
    config.server.reuse_port = section.flag("reuse_port", config.server.reuse_port);
    config.server.drain = section.duration("drain", config.server.drain);
    if config.server.reuse_port && config.store_url.starts_with("sqlite:") {
        let problem = Problem::warning("with SQLite no second process can run beside this one")
            .mend("use PostgreSQL, or a socket that systemd holds (config/deploy)");
        section.problem("reuse_port", problem);
    }
    problems.extend(section.finish());
}

fn store(root: &mut Section, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut section = root.section("store");
    // It may hold a password, and is read as secrets are.
    if let Some(url) = section.secret("url").map(|url| url.expose_secret().to_owned()) {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| url.starts_with(scheme)) {
            let problem = Problem::error("this is no address of a database");
            section.problem(
                "url",
                problem.mend("write \"sqlite:data/leadlink.db\" or \"postgres://…\""),
            );
        }
        config.store_url = url;
    }
    problems.extend(section.finish());
}

fn mappings(root: &mut Section, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut section = root.section("mappings");
    if let Some(dir) = section.text("dir") {
        config.mappings_dir = dir.into();
    }
    problems.extend(section.finish());
}

fn log(root: &mut Section, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut section = root.section("log");
    let format = match section.choice("format", &["text", "json"], "text").as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    };
    let mut level = Log::default().level;
    if let Some(written) = section.text("level") {
        match wrong_level(&written) {
            None => level = written,
            Some(part) => section.problem(
                "level",
                Problem::error(format!("`{part}` is no level")).mend(
                    "write \"info\" (or off, error, warn, debug, trace), with modules \
                     \"info,leadlink::store=debug\"",
                ),
            ),
        }
    }
    config.log = Log { format, level };
    problems.extend(section.finish());
}

/// The first part of `info,leadlink::store=debug` that is none. The filter itself would take
/// `inof` for a module and show everything of it.
fn wrong_level(text: &str) -> Option<&str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').map(str::trim).find(|part| {
        let (module, level) = part.rsplit_once('=').unwrap_or(("leadlink", part));
        let module_is_fine = !module.is_empty()
            && module.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        !module_is_fine || !LEVELS.contains(&level)
    })
}

/// Returns the names of all connections. One without a connector is reported and left out: nobody
/// could read its settings.
/// What is wrong with what people call a connection (ID-6).
#[must_use]
pub fn untold(title: &str) -> Option<Problem> {
    let short = title.trim().chars().count() < SHORTEST_TITLE;
    let problem = || Problem::error(format!("`{title}` is too short for people to know it"));
    short.then(|| problem().mend("write 5 characters or more: \"Main shop\""))
}

fn connections(mut all: Section, config: &mut Config, problems: &mut Vec<Problem>) -> Vec<String> {
    let names = all.names();
    for name in &names {
        let path = all.path_of(name);
        let mut section = all.section(name);
        if !is_plain(name) {
            let problem = Problem::error(format!("`{name}` cannot be a connection's name"))
                .mend("use letters a-z, digits and `-`: it stands in the address of its hook");
            all.problem_at(&path, Part::Key, problem);
        }
        let title = section.text("name").unwrap_or_else(|| name.clone());
        if title != *name
            && let Some(problem) = untold(&title)
        {
            section.problem("name", problem);
        }
        let connector = if config.origins.is_written(&path) {
            section.required_text("connector", "what kind of far side this is")
        } else {
            section.text("connector").unwrap_or_default()
        };
        if !connector.is_empty() {
            config.connections.push(Connection { name: name.clone(), title, connector, section });
            continue;
        }
        if !config.origins.is_written(&path) {
            // Most often a mistyped variable.
            let others: Vec<&str> =
                names.iter().filter(|other| *other != name).map(String::as_str).collect();
            let problem = Problem::error("the file has no such connection");
            all.problem_at(&path, Part::Key, problem.mend(suggest(name, &others)));
        }
        problems.extend(section.into_problems());
    }
    problems.extend(all.finish());
    names
}

fn flows(mut all: Section, config: &mut Config, problems: &mut Vec<Problem>) {
    for name in all.names() {
        let mut section = all.section(&name);
        let settings = FlowSettings {
            use_flow: section.text("use"),
            running: section.optional_flag("running"),
            delay: section.optional_duration("delay"),
            max_age: section.optional_duration("max_age"),
            roles: section.table_of_texts("roles"),
            settings: section.values("settings"),
        };
        config.flows.insert(name, settings);
        problems.extend(section.finish());
    }
    problems.extend(all.finish());
}

/// Every role, of all flows or of one, names connections that exist.
fn known_connections(config: &Config, names: &[String], root: &mut Section) {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let of_all = config.roles.iter().map(|(role, bound)| (vec!["roles", role], bound));
    let of_flows = config.flows.iter().flat_map(|(flow, settings)| {
        let roles = settings.roles.iter();
        roles.map(move |(role, bound)| (vec!["flows", flow, "roles", role], bound))
    });
    for (path, bound) in of_all.chain(of_flows) {
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        if bound.is_empty() {
            let problem = Problem::error("names no connection");
            root.problem_at(&path, Part::Value, problem.mend("name one, or leave the role out"));
        }
        for (place, connection) in bound.iter().enumerate() {
            if names.contains(&connection.as_str()) {
                continue;
            }
            let mend = match names.as_slice() {
                [] => "write a [connections.NAME] first".to_owned(),
                names => suggest(connection, names),
            };
            let problem = Problem::error(format!("there is no connection `{connection}`"));
            let mut item = path.clone();
            item.push(place.to_string());
            let written = if config.origins.is_written(&item) { &item } else { &path };
            root.problem_at(written, Part::Value, problem.mend(mend));
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
