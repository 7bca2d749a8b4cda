//! What is shipped in `config/deploy` is true: keys that exist, commands that exist, ports and times
//! that agree. Invariant: the deploy files are read as they are; nothing is written down twice here.
#![cfg(test)]

use leadlink::config::{self, Config};
use leadlink::connectors::Shared;
use leadlink::diagnosis::{Severity, duration_of, render};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What requests under way are given at a stop, by the pipeline and by the doors.
const GRACE: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), Into::into)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file without its comments, taking in what is only commented out.
fn uncommented(path: &str) -> String {
    let optional = |line: &str| {
        ["# LoadCredential=", "# Environment="].iter().any(|key| line.starts_with(key))
    };
    text(path)
        .lines()
        .map(|line| if optional(line) { &line[2..] } else { line })
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// The values of `key=` in a unit.
fn settings(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

/// The values of `key:` anywhere in a YAML file, without quotes.
fn entries(yaml: &str, key: &str) -> Vec<String> {
    let lines =
        yaml.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").split_once(": "));
    let plain = |value: &str| value.trim().trim_matches('"').to_owned();
    lines.filter(|(name, _)| *name == key).map(|(_, value)| plain(value)).collect()
}

fn only<T: std::fmt::Debug + Clone>(found: &[T]) -> T {
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Every `LEADLINK_A__B: value` or `=value`.
fn variables(of: &str) -> Vec<(String, String)> {
    let pairs = of.lines().filter_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("Environment=").unwrap_or(line);
        line.split_once('=').or_else(|| line.split_once(": "))
    });
    pairs
        .filter(|(name, _)| name.starts_with("LEADLINK_") && name.contains("__"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The text of `key: |` at the margin.
fn block(yaml: &str, key: &str) -> String {
    let mut lines = yaml.lines().skip_while(|line| *line != format!("{key}: |")).skip(1);
    let inside = lines.by_ref().take_while(|line| line.is_empty() || line.starts_with("  "));
    inside.flat_map(|line| [line.trim_start_matches("  "), "\n"]).collect()
}

/// Secrets that are long enough, wherever a variable says `file:`.
fn with_secrets(mut variables: Vec<(String, String)>) -> Vec<(String, String)> {
    for (name, value) in &mut variables {
        if value.starts_with("file:") {
            *value = match name.as_str() {
                "LEADLINK_STORE__URL" => "postgres://leadlink:secret@db/leadlink".to_owned(),
                _ => "0123456789abcdef0123456789abcdef".to_owned(),
            };
        }
    }
    let mappings = root().join("mappings").display().to_string();
    variables.push(("LEADLINK_MAPPINGS__DIR".to_owned(), mappings));
    variables
}

/// Reads the whole as `run` would: keys, connectors, flows with their cases.
fn runs(name: &str, config: &str, variables: Vec<(String, String)>) -> Config {
    let variables = with_secrets(variables);
    let (read, problems) = config::load_text(name, config, variables.clone().into_iter());
    assert!(problems.is_empty(), "{}", render(&problems, false));
    let assembled = leadlink::app::assemble(read.expect("a configuration"), &Shared::default());
    // There is no messenger, so the flows of conversations are off: a note.
    let wrong = assembled.problems.iter().any(|problem| problem.severity > Severity::Note);
    assert!(!wrong, "{}", render(&assembled.problems, false));
    let app = assembled.app.expect("an app");
    let running = app.book.flows().iter().filter(|bound| bound.running).count();
    assert_eq!((app.connectors.len(), running), (2, 5), "{name}");
    config::load_text(name, config, variables.into_iter()).0.expect("a configuration")
}

/// The words are ones that the binary takes.
fn is_command(words: &[&str]) {
    let mut asked = Command::new(env!("CARGO_BIN_EXE_leadlink"));
    let done = asked.args(words).arg("--help").output().expect("it runs");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn list(value: &str) -> Vec<String> {
    serde_json::from_str(value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[test]
fn the_unit_starts_what_there_is() {
    let unit = uncommented("config/deploy/leadlink.service");
    let start = only(&settings(&unit, "ExecStart"));
    let words: Vec<&str> = start.split(' ').collect();
    assert_eq!(words[0], "/usr/local/bin/leadlink");
    is_command(&words[1..]);

    let environment = variables(&unit);
    let credentials = settings(&unit, "LoadCredential");
    for (name, value) in &environment {
        let file = value.strip_prefix("file:%d/").unwrap_or_else(|| panic!("{name} is no secret"));
        let from = format!("{file}:/etc/leadlink/secrets/{file}");
        assert!(credentials.contains(&from), "{name} has no LoadCredential");
    }
    assert_eq!(credentials.len(), environment.len());
    let config = runs("leadlink.toml", &text("config/deploy/leadlink.toml"), environment);

    let socket = uncommented("config/deploy/leadlink.socket");
    assert_eq!(only(&settings(&socket, "ListenStream")), config.server.listen);
    for key in ["Requires", "Also"] {
        assert_eq!(settings(&unit, key), ["leadlink.socket"]);
    }
    let span = |key: &str| duration_of(&only(&settings(&unit, key))).expect("a duration");
    assert!(span("TimeoutStopSec") > config.server.drain + GRACE);
    assert!(span("WatchdogSec") >= Duration::from_secs(30));
    assert_eq!(settings(&unit, "Type"), ["notify"]);
}

#[test]
fn the_composition_is_whole() {
    let file = uncommented("config/deploy/compose.yaml");
    let environment: Vec<_> = variables(&file);
    let mut secrets: BTreeSet<String> = BTreeSet::new();
    for (_, value) in environment.iter().filter(|(_, value)| value.starts_with("file:")) {
        let name = value.strip_prefix("file:/run/secrets/").expect("a secret of compose");
        secrets.insert(name.to_owned());
    }
    let given = list_of_words(&entries(&file, "secrets")[0]);
    assert_eq!(given, secrets);
    for name in secrets.iter().map(String::as_str).chain(["postgres_password"]) {
        assert!(file.contains(&format!("\n  {name}:\n    file: ./secrets/{name}\n")), "{name}");
    }
    let config = runs("leadlink.toml", &text("config/deploy/leadlink.toml"), environment);
    let port = config.server.listen.rsplit(':').next().expect("a port").to_owned();

    let proxy = text("config/deploy/Caddyfile");
    let upstreams: Vec<&str> = proxy
        .lines()
        .find_map(|line| line.trim().strip_prefix("reverse_proxy "))
        .expect("upstreams")
        .trim_end_matches(" {")
        .split(' ')
        .collect();
    assert_eq!(upstreams.len(), 2);
    for upstream in upstreams {
        let (service, at) = upstream.split_once(':').expect("a port");
        assert!(file.contains(&format!("\n  {service}:\n    <<: *leadlink\n")), "{service}");
        assert_eq!(at, port);
    }
    let command = list(&only(&entries(&file, "command")));
    is_command(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let stop = entries(&file, "stop_grace_period");
    assert!(duration_of(&stop[0]).expect("a duration") > config.server.drain + GRACE);
    assert!(file.contains(&format!("./leadlink.toml:{}:ro", command[2])), "{command:?}");
}

fn list_of_words(value: &str) -> BTreeSet<String> {
    value.trim_matches(['[', ']']).split(", ").map(str::to_owned).collect()
}

#[test]
fn the_chart_says_what_leadlink_reads() {
    let values = text("config/deploy/helm/leadlink/values.yaml");
    let deployment = text("config/deploy/helm/leadlink/templates/deployment.yaml");
    let mut environment: Vec<_> = variables(&values);
    for (_, secret) in &mut environment {
        *secret = format!("file:{secret}");
    }
    assert_eq!(environment.len(), 4);
    let drain = only(&entries(&values, "drainSeconds"));
    let lines: Vec<&str> = deployment.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        let name = pair[0].strip_prefix("- name: LEADLINK_");
        if let (Some(name), Some(value)) = (name, pair[1].strip_prefix("value: ")) {
            let value = value.trim_matches('"').replace("{{ .Values.drainSeconds }}", &drain);
            environment.push((format!("LEADLINK_{name}"), value));
        }
    }
    assert_eq!(environment.len(), 7, "{environment:?}");
    let config = runs("values.yaml", &block(&values, "config"), environment);
    assert_eq!(format!("{}s", config.server.drain.as_secs()), format!("{drain}s"));
    let port = config.server.listen.rsplit(':').next().expect("a port");
    assert_eq!(only(&entries(&deployment, "containerPort")), port);
    is_command(
        &list(&only(&entries(&deployment, "args"))).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let margin = "add .Values.preStopSeconds .Values.drainSeconds 30";
    assert!(deployment.contains(margin) && GRACE < Duration::from_secs(30));

    let image = text("Dockerfile");
    assert!(image.contains(&format!("\nEXPOSE {port}\n")));
    assert!(image.contains(&format!("LEADLINK_SERVER__LISTEN=0.0.0.0:{port}")));
    assert!(image.contains(&format!("--uid {}", only(&entries(&values, "runAsUser")))));
    let version = only(&entries(&text("config/deploy/helm/leadlink/Chart.yaml"), "appVersion"));
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// `a.b` of each key of a YAML file of two-space levels, list items and texts left out.
fn paths(yaml: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut above: Vec<&str> = Vec::new();
    let mut text_above = None;
    for line in yaml.lines().filter(|line| !line.trim().is_empty()) {
        let level = (line.len() - line.trim_start().len()) / 2;
        if text_above.is_some_and(|text| level > text) {
            continue;
        }
        text_above = None;
        let line = line.trim();
        let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with(['#', '-']))
        else {
            continue;
        };
        above.truncate(level);
        above.push(key);
        found.insert(above.join("."));
        text_above = (value.trim() == "|").then_some(level);
    }
    found
}

/// `a.b` of each `.Values.a.b` in a template.
fn used(template: &str) -> BTreeSet<String> {
    let path = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
        rest[..end].trim_end_matches('.').to_owned()
    };
    template.split(".Values.").skip(1).map(path).collect()
}

fn in_schema(schema: &Value, path: &str) -> bool {
    let mut here = schema;
    for key in path.split('.') {
        let below = &here["properties"][key];
        if below.is_null() {
            // Below a table of texts, or one that Kubernetes defines, every key is one.
            return here["additionalProperties"] != false;
        }
        here = match below["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/")) {
            Some(name) => &schema["definitions"][name],
            None => below,
        };
    }
    true
}

#[test]
fn values_templates_and_schema_know_the_same_names() {
    let chart = "config/deploy/helm/leadlink";
    let values = paths(&text(&format!("{chart}/values.yaml")));
    assert!(values.contains("image.pullPolicy") && values.contains("secrets.variables"));
    let schema: Value =
        serde_json::from_str(&text(&format!("{chart}/values.schema.json"))).expect("JSON");
    for path in &values {
        assert!(in_schema(&schema, path), "values.schema.json does not know `{path}`");
    }
    assert!(!in_schema(&schema, "image.tga") && !in_schema(&schema, "replica"));

    let mut templated = BTreeSet::new();
    for entry in std::fs::read_dir(root().join(chart).join("templates")).expect("templates") {
        let template = std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
        assert_eq!(template.matches("{{").count(), template.matches("}}").count());
        templated.extend(used(&template));
    }
    for path in &templated {
        assert!(values.contains(path), "values.yaml has no `{path}`");
    }
    let is_used = |path: &str| {
        let whole = |used: &&String| path == *used || path.starts_with(&format!("{used}."));
        templated.iter().any(|used| whole(&used) || used.starts_with(&format!("{path}.")))
    };
    for path in &values {
        assert!(is_used(path), "no template uses `{path}`");
    }
}

/// What a page tells people to type, to check what they made.
#[test]
fn the_pages_name_commands_that_exist() {
    let pages = ["config/deploy/README.md", "config/deploy/helm/leadlink/templates/NOTES.txt"];
    let pages = pages.map(text).concat();
    let mut told = BTreeSet::new();
    for after in pages.lines().flat_map(|line| line.split("leadlink check").skip(1)) {
        told.extend(after.split([' ', '`', ',']).filter(|word| word.starts_with("--")));
    }
    assert_eq!(told, BTreeSet::from(["--config", "--online"]));
    is_command(&["check", "--online", "--config", "FILE"]);
    is_command(&["setup", "--config", "FILE"]);
}
