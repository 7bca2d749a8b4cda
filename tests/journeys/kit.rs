//! From nothing to a running daemon, and what an author of flows asks: init, list, offers, new flow,
//! schema, completion, manual. Invariant: everything through the real binary; a key is shown nowhere.

use crate::support::{House, Plan};
use leadlink::sandbox::crm::account::Store;
use leadlink::sandbox::{Options, Sandbox};
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// How many cases each shipped flow has; those of conversations are off without a messenger.
fn shipped_cases() -> Vec<usize> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    let files = std::fs::read_dir(folder).expect("the folder").map(|file| file.expect("it").path());
    let flows = files.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let text = flows.map(|path| std::fs::read_to_string(path).expect("a flow"));
    let of_leads = text.filter(|text| !text.contains("message."));
    of_leads.map(|text| text.matches("\n[[case").count()).collect()
}

fn as_json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// The binary in a folder, with these lines on its standard input, which then ends.
fn leadlink(dir: &Path, arguments: &[&str], lines: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that refuses its flags reads nothing.
    let _read = child.stdin.take().expect("a pipe").write_all(lines.as_bytes());
    child.wait_with_output().expect("the command runs")
}

struct Newcomer {
    sandbox: Sandbox,
    dir: TempDir,
}

/// A person with an account of two stores, and an empty folder.
async fn newcomer() -> Newcomer {
    let store = |code: &str, name: &str, ordering| Store {
        code: code.to_owned(),
        name: name.to_owned(),
        ordering,
    };
    let options = Options {
        stores: vec![store("main", "Main shop", 10), store("outlet", "Outlet", 20)],
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    Newcomer { sandbox, dir: tempfile::tempdir().expect("a folder") }
}

impl Newcomer {
    fn run(&self, arguments: &[&str], lines: &str) -> Output {
        leadlink(self.dir.path(), arguments, lines)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn mode(&self, name: &str) -> u32 {
        let about = std::fs::metadata(self.path(name)).expect(name);
        about.permissions().mode() & 0o777
    }

    /// Everything as flags.
    fn flags(&self) -> Vec<String> {
        let (crm, key) = (self.sandbox.crm_url(), self.sandbox.api_key().to_owned());
        let (calls, token) = (self.sandbox.calltouch_url(), self.sandbox.token().to_owned());
        let crm = format!("{crm}/orders/17/edit?x=1");
        [
            "init",
            "--crm",
            &crm,
            "--crm-key",
            &key,
            "--crm-site",
            "outlet",
            "--calltouch-url",
            &calls,
        ]
        .into_iter()
        .chain(["--calltouch-site", "4242", "--calltouch-token", &token])
        .map(str::to_owned)
        .collect()
    }

    fn init(&self, more: &[&str]) -> Output {
        let flags = self.flags();
        let all: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.run(&all, "")
    }

    /// Nothing was written over there.
    fn assert_nothing_made(&self) {
        let asked = self.sandbox.ledger().retailcrm.by_path;
        let written: Vec<String> =
            asked.keys().filter(|path| path.starts_with("POST")).cloned().collect();
        assert_eq!(written, [""; 0]);
    }

    /// Neither key nor token is in what was said.
    fn assert_silent(&self, output: &Output) {
        let told = said(output);
        for secret in [self.sandbox.api_key(), self.sandbox.token()] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_has_a_daemon_after_one_command() {
    let newcomer = newcomer().await;
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let listen = format!("127.0.0.1:{port}");
    let output = newcomer.init(&["--listen", &listen, "--public", "leads.example.com"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    newcomer.assert_silent(&output);
    let told = out(&output);
    let cases: usize = shipped_cases().iter().sum();
    assert!(told.contains(&format!("{cases} cases pass")), "{told}");
    assert!(told.contains("calltouch_site_id: created"), "{told}");
    assert!(told.contains("Checked online: everything answers"), "{told}");
    assert!(told.contains("Start it:\n  leadlink run\n"), "{told}");
    assert!(told.ends_with("leadlink backfill leads --from 366d\n"), "{told}");
    // Nobody but the owner reads the keys, and what is referred to is there.
    assert_eq!(newcomer.mode("config/leadlink.toml"), 0o600);
    let config = newcomer.read("config/leadlink.toml");
    assert!(config.contains("site = \"outlet\""), "{config}");
    assert!(config.contains(&format!("url = \"{}\"", newcomer.sandbox.crm_url())), "{config}");
    for (file, folder) in
        [("config/leadlink.toml", "config"), ("mappings/call-to-order.toml", "mappings")]
    {
        let text = newcomer.read(file);
        let named = text.lines().next().and_then(|line| line.strip_prefix("#:schema "));
        let named = named.unwrap_or_else(|| panic!("{file} names no schema"));
        assert!(newcomer.path(folder).join(named).is_file(), "{file}: {named}");
    }
    // Another process within the same second: its requests would be too many for the far side.
    newcomer.sandbox.set_limits(None, None);
    let checked = newcomer.run(&["check", "--online"], "");
    assert_eq!(code(&checked), 0, "{}", said(&checked));
    // The addresses that were told are doors of the daemon that was told.
    let door = |told: &str, connection: &str| {
        let public = format!("https://leads.example.com/hooks/{connection}/");
        let told = told.split_whitespace().find(|word| word.starts_with(&public));
        told.expect("the address").replace("https://leads.example.com", &format!("http://{listen}"))
    };
    let entered = out(&newcomer.run(&["trigger", "shop", "--wait", "0"], ""));
    let (hook, trigger) = (door(&told, "calltouch-main"), door(&entered, "shop"));
    let daemon = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .arg("run")
        .current_dir(newcomer.dir.path())
        .stderr(Stdio::null())
        .spawn();
    let _daemon = Daemon(daemon.expect("the daemon starts"));
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let lead = [("id", "1"), ("callphase", "calldisconnected"), ("callerphone", "79990000001")];
    let began = Instant::now();
    let status = loop {
        match http.post(&hook).form(&lead).send().await {
            Ok(answer) => break answer.status().as_u16(),
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(status, 200);
    let change = [("type", "order"), ("event", "status"), ("id", "1"), ("status", "new")];
    let status = http.post(trigger).form(&change).send().await.expect("an answer").status();
    assert_eq!(status.as_u16(), 200);
    let wrong = format!("{}x", hook);
    let status = http.post(wrong).form(&lead).send().await.expect("an answer").status().as_u16();
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_pastes_are_told_and_asked_again() {
    let newcomer = newcomer().await;
    let (url, key) = (newcomer.sandbox.crm_url(), newcomer.sandbox.api_key());
    let token = newcomer.sandbox.token();
    let lines = format!(
        "my shop\n{url}/orders/?x=1\nnot-the-key-0001\n\nX-API-KEY: {key}\n3\n2\nsite\n4242\n\
         not-the-token-0001\n\nclientApiId={token}\n"
    );
    let calltouch = newcomer.sandbox.calltouch_url();
    let output = newcomer.run(&["init", "--calltouch-url", &calltouch], &lines);
    assert_eq!(code(&output), 0, "{}", said(&output));
    newcomer.assert_silent(&output);
    let told = said(&output);
    for word in [
        "an address has no spaces; write the account like `acc`",
        "the CRM refuses the key",
        "1. main  Main shop",
        "2. outlet  Outlet",
        "there is no store `3`: write one of main, outlet",
        "`site` is no site's id; write the number of the site",
        "once more: site and token",
        "https://YOUR-HOST/hooks/calltouch-main/",
    ] {
        assert!(told.contains(word), "{word}\n{told}");
    }
    assert!(!told.contains("not-the-key-0001") && !told.contains("not-the-token-0001"), "{told}");
    let config = newcomer.read("config/leadlink.toml");
    assert!(config.contains("site = \"outlet\""), "{config}");
    assert!(config.contains(&format!("api_key = \"{key}\"")), "{config}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_or_wrong_is_named_and_nothing_is_written() {
    let newcomer = newcomer().await;
    let (url, key) = (newcomer.sandbox.crm_url(), newcomer.sandbox.api_key().to_owned());
    let powerless = newcomer.sandbox.powerless_key();
    for (arguments, expected, word) in [
        (vec![], 2, "--crm (or --no-crm) is missing"),
        (vec!["--crm", &url], 2, "--crm-key is missing"),
        (vec!["--crm", &url, "--crm-key", &key], 2, "--crm-site (one of main, outlet) is missing"),
        (vec!["--crm", &url, "--crm-key", &key, "--crm-site", "x"], 2, "it sees main, outlet"),
        (vec!["--no-crm"], 2, "--calltouch-site (or --no-calltouch) is missing"),
        (vec!["--no-crm", "--no-calltouch"], 2, "nothing to connect"),
        (vec!["--no-crm", "--calltouch-site", "1x"], 2, "write the number of the site"),
        (vec!["--crm", "me@shop.ru"], 2, "write the account like `acc`"),
        (vec!["--crm", &url, "--no-crm"], 2, "cannot be used with"),
        (vec!["--no-crm", "--public", "a b"], 2, "--public"),
        (vec!["--crm", &url, "--crm-key", "not-the-key-0123456789"], 1, "refuses the key"),
        (vec!["--crm", &url, "--crm-key", &powerless], 1, "stores cannot be read"),
        (vec!["--crm", &url, "--crm-key", "env:NOBODY_SETS_THIS"], 1, "NOBODY_SETS_THIS"),
    ] {
        let all: Vec<&str> = std::iter::once("init").chain(arguments.iter().copied()).collect();
        let output = newcomer.run(&all, "");
        assert_eq!(code(&output), expected, "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{arguments:?}: {}", said(&output));
        newcomer.assert_silent(&output);
        let left = std::fs::read_dir(newcomer.dir.path()).expect("the folder").count();
        assert_eq!(left, 0, "{arguments:?} left something");
    }
    newcomer.assert_nothing_made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_is_there_is_replaced_only_by_force() {
    let newcomer = newcomer().await;
    std::fs::create_dir_all(newcomer.path("config")).expect("a folder");
    std::fs::create_dir_all(newcomer.path("mappings")).expect("a folder");
    std::fs::write(newcomer.path("config/leadlink.toml"), "# mine\n").expect("written");
    let own = include_str!("../../mappings/call-to-order.toml")
        .replace("delay     = \"1m\"", "delay = \"3m\"");
    std::fs::write(newcomer.path("mappings/call-to-order.toml"), &own).expect("written");
    let output = newcomer.init(&["--secret-files"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("--force"), "{}", said(&output));
    assert_eq!(newcomer.read("config/leadlink.toml"), "# mine\n");
    newcomer.assert_nothing_made();
    let output = newcomer.init(&["--secret-files", "--force"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    // A flow that a person wrote stays, whatever is forced.
    assert_eq!(newcomer.read("mappings/call-to-order.toml"), own);
    // The secrets are in files of their own, and not in the config.
    let config = newcomer.read("config/leadlink.toml");
    for (file, secret) in [
        ("retailcrm-key", newcomer.sandbox.api_key()),
        ("calltouch-token", newcomer.sandbox.token()),
    ] {
        let file = format!("config/secrets/{file}");
        assert!(config.contains(&format!("\"file:{file}\"")), "{config}");
        assert!(!config.contains(secret), "{config}");
        assert_eq!(newcomer.read(&file).trim_end(), secret);
        assert_eq!(newcomer.mode(&file), 0o600);
    }
    assert_eq!(newcomer.mode("config/secrets"), 0o700);
    assert_eq!(newcomer.mode("config/secrets/calltouch-hook-secret"), 0o600);
    assert_eq!(newcomer.mode("config/leadlink.toml"), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_side_may_be_left_out() {
    let newcomer = newcomer().await;
    let lines = format!("{}\n{}\n1\n\n", newcomer.sandbox.crm_url(), newcomer.sandbox.api_key());
    let folder = newcomer.path("house");
    let output = newcomer.run(&["init", "--dir", "house", "--no-setup"], &lines);
    // Without the set-up the fields are missing, and that is told.
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("run `leadlink setup`"), "{}", said(&output));
    let config = folder.join("config/leadlink.toml");
    let start = format!("leadlink run --config {}", config.display());
    assert!(out(&output).contains(&start), "{}", said(&output));
    let config = config.display().to_string();
    // The paths are whole, so that it works from anywhere.
    let output = leadlink(Path::new("/"), &["setup", "--config", &config], "");
    assert_eq!(code(&output), 0, "{}", said(&output));
    let output = leadlink(Path::new("/"), &["check", "--config", &config], "");
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_show_codes_and_names_of_the_far_side() {
    let mut house = House::build(Plan::default()).await;
    assert!(house.command(&["setup"]).status.success());
    for (list, first, column, value) in [
        ("statuses", "new", "group_name", "Новый"),
        ("sites", "main", "name", "Main shop"),
        ("methods", "phone", "name", "По телефону"),
        ("types", "eshop-individual", "name", "Физическое лицо"),
        ("fields", "calltouch_site_id", "type", "string"),
        ("users", "1", "name", "Котова Анна"),
    ] {
        let output = house.command(&["list", "shop", list]);
        assert_eq!(code(&output), 0, "{list}: {}", said(&output));
        let row = out(&output).lines().nth(1).unwrap_or_default().to_owned();
        assert!(row.starts_with(first) && row.contains(value), "{list}: {}", out(&output));
        let told = as_json(&house.command(&["list", "shop", list, "--json"]));
        assert_eq!(told[0][column], value, "{list}: {told}");
        assert!(!said(&output).contains(house.sandbox.api_key()));
    }
    let statuses = as_json(&house.command(&["list", "shop", "statuses", "--json"]));
    let statuses = statuses.as_array().expect("a list");
    assert_eq!(statuses.len(), 19);
    assert_eq!(statuses.last().expect("one")["group"], "cancel", "in the order of the groups");
    let fields = as_json(&house.command(&["list", "shop", "fields", "--json"]));
    assert_eq!(fields.as_array().expect("a list").len(), 9);
    // Which lists there are, by asking for none and by asking for a wrong one.
    let output = house.command(&["list", "shop"]);
    assert!(
        out(&output).contains("statuses") && out(&output).contains("users"),
        "{}",
        out(&output)
    );
    let output = house.command(&["list", "calltouch-main", "sites"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(out(&output).contains("4242"), "{}", out(&output));
    let output = house.command(&["list", "calltouch-main", "statuses"]);
    assert_eq!(code(&output), 2, "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("has no list `statuses`; it has sites"), "{told}");
    assert!(told.contains("leadlink list shop statuses"), "{told}");
    let output = house.command(&["list", "shp", "statuses"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("did you mean `shop`"), "{}", said(&output));
    // A key that may not: told, not shown empty.
    let key = ("LEADLINK_CONNECTIONS__SHOP__API_KEY".to_owned(), house.sandbox.powerless_key());
    house.set_env(vec![key]);
    let output = house.command(&["list", "shop", "users"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert!(said(&output).contains("the users cannot be read"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_stores_shows_those_that_the_key_sees() {
    let newcomer = newcomer().await;
    let key = newcomer.sandbox.site_key();
    let url = newcomer.sandbox.crm_url();
    let output = newcomer.run(&["init", "--crm", &url, "--crm-key", &key, "--no-calltouch"], "");
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(out(&output).contains("the store main (Main shop), the only one"), "{}", out(&output));
    let told = as_json(&newcomer.run(&["list", "shop", "sites", "--json"], ""));
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_show_everything_on_a_hundred_columns() {
    let house = House::build(Plan::default()).await;
    for (connection, words) in [
        (
            "shop",
            [
                "query order",
                "facts.NAME.status_group",
                "do = \"crm.order.edit\"",
                "(list statuses)",
            ],
        ),
        (
            "calltouch-main",
            ["event chat.created", "event.utm_source", "from = \"calls\"", "deal.create"],
        ),
    ] {
        let output = house.command(&["offers", connection]);
        assert_eq!(code(&output), 0, "{}", said(&output));
        for word in words {
            assert!(out(&output).contains(word), "{word}\n{}", out(&output));
        }
        let longest = out(&output).lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{longest:?}\n{}", out(&output));
    }
    let told = as_json(&house.command(&["offers", "shop", "--json"]));
    let operations = told["operations"].as_array().expect("operations");
    let repeats = |name: &str| {
        let found = operations.iter().find(|operation| operation["operation"] == name);
        found.unwrap_or_else(|| panic!("no {name}"))["repeat"].clone()
    };
    assert_eq!(repeats("order.create"), "check");
    assert_eq!(repeats("message.ack"), "safe");
    assert_eq!(told["queries"][0]["input"][0]["need"], "one of");
    // Nobody was asked.
    assert_eq!(house.ask("requests").await["log"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_flow_passes_the_checks_at_once() {
    let newcomer = newcomer().await;
    assert_eq!(code(&newcomer.init(&["--no-setup"])), 1, "the fields are missing");
    for event in ["call.started", "call.finished", "request.created", "chat.created"] {
        let name = format!("note-{}", event.replace('.', "-"));
        let output = newcomer.run(&["new", "flow", &name, "--on", event], "");
        assert_eq!(code(&output), 0, "{}", said(&output));
        let lines = format!("[flows.{name}]\nrunning = true");
        assert!(out(&output).contains("1 case passes"), "{}", out(&output));
        assert!(out(&output).contains(&lines), "{}", out(&output));
    }
    let output = newcomer.run(&["new", "flow", "second", "--from", "call-to-order"], "");
    assert_eq!(code(&output), 0, "{}", said(&output));
    let copied = include_str!("../../mappings/call-to-order.toml").matches("\n[[case]]\n").count();
    assert!(out(&output).contains(&format!("{copied} cases pass")), "{}", out(&output));
    let checked = as_json(&newcomer.run(&["check", "--json"], ""));
    let flows = shipped_cases();
    let cases = flows.iter().sum::<usize>() + 4 + copied;
    assert_eq!(
        (&checked["ok"], &checked["flows"], &checked["cases"]),
        (&true.into(), &(flows.len() + 5).into(), &cases.into())
    );
    let before = newcomer.read("mappings/second.toml");
    for (arguments, expected, word) in [
        (vec!["second"], 1, "is there already"),
        (vec!["call-to-order"], 1, "is there already"),
        (vec!["My Flow"], 2, "`my-flow`"),
        (vec!["other", "--from", "call-to-ordr"], 1, "did you mean `call-to-order`"),
        (vec!["other", "--on", "call.finishd"], 1, "did you mean `call.finished`"),
    ] {
        let all: Vec<&str> = ["new", "flow"].into_iter().chain(arguments.iter().copied()).collect();
        let output = newcomer.run(&all, "");
        assert_eq!(code(&output), expected, "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{arguments:?}: {}", said(&output));
    }
    assert_eq!(newcomer.read("mappings/second.toml"), before);
    assert!(!newcomer.path("mappings/other.toml").exists());
}

#[test]
fn the_paper_is_made_of_the_commands_themselves() {
    let dir = tempfile::tempdir().expect("a folder");
    let help = leadlink(dir.path(), &["--help"], "");
    let commands: Vec<String> = out(&help)
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| {
            line.strip_prefix("  ").filter(|line| !line.is_empty()).map(str::to_owned)
        })
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect();
    assert!(commands.len() >= 16, "{commands:?}");
    let output = leadlink(dir.path(), &["man", "--dir", "pages"], "");
    assert_eq!(code(&output), 0, "{}", said(&output));
    for name in &commands {
        let page = dir.path().join(format!("pages/leadlink-{name}.1"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(".SH NAME"), "{name}");
    }
    assert!(out(&leadlink(dir.path(), &["man"], "")).contains(".TH leadlink"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = leadlink(dir.path(), &["completion", shell], "");
        assert_eq!(code(&output), 0, "{shell}: {}", said(&output));
        for name in &commands {
            assert!(out(&output).contains(name.as_str()), "{shell} does not know {name}");
        }
    }
    assert_eq!(code(&leadlink(dir.path(), &["completion", "csh"], "")), 2);
    for (files, name) in [("config", "leadlink"), ("flow", "flow"), ("table", "table")] {
        let output = leadlink(dir.path(), &["schema", files], "");
        let path = format!("{}/config/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(out(&output), std::fs::read_to_string(path).expect("the schema"), "{files}");
    }
}
