//! From the merged tables to a [`Config`]. Invariant: every key of design §6 is asked for here or
//! by a connector; a role names connections that exist.

use super::node::Node;
use super::origin::{Origins, Part};
use super::section::{Section, nearest};
use super::{Config, Connection, FlowSettings, Log, LogFormat};
use crate::diagnosis::Problem;
use std::collections::BTreeMap;

/// The shortest name that tells a person something.
const SHORTEST_TITLE: usize = 5;

pub(super) fn config(table: BTreeMap<String, Node>, origins: Origins) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut root = Section::new(Vec::new(), table, origins.clone());
    let mut config = Config { origins: origins.clone(), ..Config::default() };
    server(&mut root, &mut config, &mut problems);
    store(&mut root, &mut config, &mut problems);
    mappings(&mut root, &mut config, &mut problems);
    log(&mut root, &mut config, &mut problems);
    config.roles = root.table_of_texts("roles");
    connections(root.section("connections"), &mut config, &mut problems);
    flows(root.section("flows"), &mut config, &mut problems);
    known_connections(&config, &mut root);
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
        config.listen = listen;
    }
    problems.extend(section.finish());
}

fn store(root: &mut Section, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut section = root.section("store");
    if let Some(url) = section.text("url") {
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

fn connections(mut all: Section, config: &mut Config, problems: &mut Vec<Problem>) {
    for name in all.names() {
        let mut section = all.section(&name);
        if !is_plain(&name) {
            let problem = Problem::error(format!("`{name}` cannot be a connection's name"))
                .mend("use letters a-z, digits and `-`: it stands in the address of its hook");
            let path = all.path_of(&name);
            all.problem_at(&path, Part::Key, problem);
        }
        let connector = connector(&mut section, &name, config);
        let title = section.text("name").unwrap_or_else(|| name.clone());
        if title != name && title.trim().chars().count() < SHORTEST_TITLE {
            let problem = Problem::error(format!("`{title}` is too short for people to know it"));
            section.problem("name", problem.mend("write 5 characters or more: \"Main shop\""));
        }
        config.connections.push(Connection { name, title, connector, section });
    }
    problems.extend(all.finish());
}

/// A connection without a connector is most often a mistyped variable.
fn connector(section: &mut Section, name: &str, config: &Config) -> String {
    let path = ["connections".to_owned(), name.to_owned()];
    let origins = &config.origins;
    match origins.variable_beneath(&path) {
        Some(variable)
            if !origins.is_written(&path) && !section.names().contains(&"connector".into()) =>
        {
            let title = format!("only {variable} speaks of this connection");
            let problem = Problem::error(title)
                .mend(format!("name one that the file has, or write [connections.{name}]"));
            section.problem_at(&path, Part::Key, problem);
            section.text("connector").unwrap_or_default()
        }
        _ => section.required_text("connector", "what kind of far side this is"),
    }
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
        };
        config.flows.insert(name, settings);
        problems.extend(section.finish());
    }
    problems.extend(all.finish());
}

/// Every role, of all flows or of one, names connections that exist.
fn known_connections(config: &Config, root: &mut Section) {
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
            let names = || config.connections.iter().map(|known| known.name.as_str());
            if names().any(|known| known == connection) {
                continue;
            }
            let mend = match nearest(connection, names()) {
                Some(near) => format!("the nearest is \"{near}\""),
                None if config.connections.is_empty() => "write a [connections.NAME] first".into(),
                None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
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
