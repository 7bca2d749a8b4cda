//! A house under test: the real binary on a database of its own against the sandbox, with one clock
//! for both that the test moves. Invariant: no test sleeps to let time pass; it moves the clock and
//! waits for the work to be done.
//!
//! The database is a SQLite file, or one of the PostgreSQL server that `LEADLINK_TEST_POSTGRES` names.

pub mod database;
pub mod fleet;
pub mod ledger;
pub mod load;
pub mod ports;
pub mod server;

use database::Database;
use jiff::{SignedDuration, Timestamp};
use leadlink::sandbox::{Options, Sandbox};
use leadlink::store::{Counts, Store, Story};
use ledger::Ledger;
pub use ports::free_port;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const HOOK_SECRET: &str = "journey-secret-0123456789";
/// Runs what follows with standard input as the socket that systemd would hand over.
const HAND_OVER: [&str; 4] =
    ["sh", "-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh"];
/// Far longer than any journey takes; a test that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a house is built with.
pub struct Plan {
    /// More lines of config, e.g. `[connections.shop]` keys by `shop` and whole tables by `more`.
    pub shop: String,
    pub calls: String,
    pub more: String,
    /// How often journals are polled.
    pub poll_every: &'static str,
    /// Requests per second that both sides are configured for.
    pub pace: u32,
    /// The sandbox's own limits; `None`: none.
    pub limit: Option<u32>,
    /// Create the custom fields before the first start.
    pub setup: bool,
    /// The flows that make orders of leads run.
    pub leads: bool,
    /// Variables for the daemon.
    pub env: Vec<(String, String)>,
    /// A program that runs the daemon, with its arguments.
    pub under: Option<Vec<String>>,
    /// A socket that every daemon of this house is handed, as systemd does it.
    pub handed: Option<TcpListener>,
    /// Where the daemon listens; by default a port of its own.
    pub port: Option<u16>,
    /// The PostgreSQL server, where it is not that of all tests.
    pub server: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            shop: String::new(),
            calls: String::new(),
            more: String::new(),
            poll_every: "5m",
            pace: 2000,
            limit: None,
            setup: true,
            leads: true,
            env: Vec::new(),
            under: None,
            handed: None,
            port: None,
            server: None,
        }
    }
}

pub struct House {
    pub sandbox: Sandbox,
    pub dir: TempDir,
    pub port: u16,
    plan: Plan,
    database: Database,
    daemon: Option<Child>,
    shifted: i64,
    http: reqwest::Client,
}

impl House {
    /// Builds it and starts the daemon.
    pub async fn start(plan: Plan) -> Self {
        let mut house = Self::build(plan).await;
        if house.plan.setup {
            let done = house.command(&["setup"]);
            assert!(done.status.success(), "setup: {}", String::from_utf8_lossy(&done.stderr));
        }
        house.run().await;
        // Calltouch's times are whole seconds: a lead of this very second would be older than the
        // first start.
        house.advance(SignedDuration::from_secs(2)).await;
        house
    }

    /// Builds it; nothing runs yet but the sandbox.
    pub async fn build(plan: Plan) -> Self {
        let options = Options { listen: "127.0.0.1:0".to_owned(), ..Options::default() };
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let dir = tempfile::tempdir().expect("a folder");
        let database = Database::make(dir.path(), plan.server.clone()).await;
        let handed = plan.handed.as_ref().and_then(|socket| socket.local_addr().ok());
        let port = handed.map(|address| address.port()).or(plan.port).unwrap_or_else(free_port);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let house = Self { sandbox, dir, port, plan, database, daemon: None, shifted: 0, http };
        house
            .control(
                "limits",
                json!({ "crm_rps": house.plan.limit, "calltouch_rps": house.plan.limit }),
            )
            .await;
        std::fs::write(house.config(), house.text()).expect("the config is written");
        house
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("leadlink.toml")
    }

    pub fn store_url(&self) -> String {
        self.database.url().to_owned()
    }

    fn text(&self) -> String {
        let root = env!("CARGO_MANIFEST_DIR");
        let Plan { shop, calls, more, poll_every, pace, leads, .. } = &self.plan;
        let (port, store) = (self.port, self.store_url());
        let (crm, key) = (self.sandbox.crm_url(), self.sandbox.api_key());
        let (calltouch, token, site) =
            (self.sandbox.calltouch_url(), self.sandbox.token(), self.sandbox.site_id());
        format!(
            r#"
[server]
listen = "127.0.0.1:{port}"
[store]
url = "{store}"
[mappings]
dir = "{root}/mappings"
[log]
level = "info,leadlink=debug"
[roles]
crm = "shop"
calls = "calltouch-main"
[connections.shop]
connector = "retailcrm"
name = "Main shop"
url = "{crm}"
api_key = "{key}"
requests_per_second = {pace}
{shop}
[connections.calltouch-main]
connector = "calltouch"
name = "Calltouch, main site"
url = "{calltouch}"
site_id = {site}
token = "{token}"
hook_secret = "{HOOK_SECRET}"
poll_every = "{poll_every}"
requests_per_second = {pace}
{calls}
[flows.call-to-order]
running = {leads}
[flows.request-to-order]
running = {leads}
[flows.chat-to-order]
running = {leads}
{more}
"#
        )
    }

    /// Starts (or starts anew) the daemon and waits for `/healthz`.
    pub async fn run(&mut self) {
        self.spawn();
        self.healthy().await;
    }

    /// Starts the daemon; it may not answer yet.
    pub fn spawn(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log file");
        let control = self.control_path();
        let _gone = std::fs::remove_file(&control);
        let handed = self.plan.handed.is_some().then(|| HAND_OVER.map(str::to_owned).into());
        let under = self.plan.under.clone().or(handed);
        let mut command = match under {
            None => Command::new(env!("CARGO_BIN_EXE_leadlink")),
            Some(words) => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_leadlink"));
                command
            }
        };
        if let Some(socket) = &self.plan.handed {
            let socket = socket.try_clone().expect("the socket is shared");
            command.stdin(Stdio::from(OwnedFd::from(socket)));
        }
        let child = command
            .args(["run", "--config"])
            .arg(self.config())
            .env("LEADLINK_CONTROL", &control)
            .env("LEADLINK_CONTROL_SHIFT", self.shifted.to_string())
            .envs(self.plan.env.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the daemon starts");
        self.daemon = Some(child);
    }

    /// Waits for `/healthz`, or until the daemon stands at the commit where it was told to stop,
    /// which may be before its doors open.
    pub async fn healthy(&self) {
        let began = Instant::now();
        loop {
            let request = self.http.get(self.url("/healthz")).timeout(Duration::from_millis(500));
            if let Ok(answer) = request.send().await
                && answer.status().is_success()
            {
                break;
            }
            if self.stands() {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "the daemon does not answer:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Does the daemon stand at the commit where it was told to stop?
    fn stands(&self) -> bool {
        let file = self.plan.env.iter().find(|(name, _)| name == "LEADLINK_STOP_FILE");
        file.is_some_and(|(_, file)| std::path::Path::new(file).exists())
    }

    pub fn set_env(&mut self, env: Vec<(String, String)>) {
        self.plan.env = env;
    }

    pub fn run_under(&mut self, words: Option<Vec<String>>) {
        self.plan.under = words;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _gone = child.kill();
            let _status = child.wait();
            self.database.leases_run_out();
        }
    }

    /// As if the time of a killed process's leases had passed.
    pub fn leases_run_out(&self) {
        self.database.leases_run_out();
    }

    /// How far the clock of daemon and sandbox was moved, in milliseconds.
    pub fn shifted(&self) -> i64 {
        self.shifted
    }

    /// SIGTERM, and waits for the end; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.daemon.take()?.wait().ok().and_then(|status| status.code())
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let Some(child) = &self.daemon else { return };
        let _sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    }

    /// Waits until the daemon has ended, as it was told; the exit code.
    pub async fn gone(&mut self) -> Option<i32> {
        let began = Instant::now();
        while self.is_running() {
            assert!(began.elapsed() < PATIENCE, "the daemon does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.daemon.take()?.wait().ok().and_then(|status| status.code())
    }

    /// Any other signal.
    pub fn signal(&self, signal: &str) {
        let Some(child) = &self.daemon else { return };
        let _sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    }

    pub fn is_running(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The daemon's memory now, in KiB.
    pub fn memory(&self) -> u64 {
        self.of_process("VmRSS:")
    }

    /// The most that it was since [`House::forget_peak`], in KiB.
    pub fn peak(&self) -> u64 {
        self.of_process("VmHWM:")
    }

    pub fn forget_peak(&self) {
        let daemon = self.daemon.as_ref().expect("a daemon");
        std::fs::write(format!("/proc/{}/clear_refs", daemon.id()), "5")
            .expect("the peak is reset");
    }

    fn of_process(&self, line: &str) -> u64 {
        let daemon = self.daemon.as_ref().expect("a daemon");
        let path = format!("/proc/{}/status", daemon.id());
        let status = std::fs::read_to_string(path).expect("the daemon's status");
        let found = status.lines().find_map(|text| text.strip_prefix(line)).expect("a line");
        found.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Moves the clock of daemon and sandbox.
    pub async fn advance(&mut self, by: SignedDuration) {
        let ms = i64::try_from(by.as_millis()).expect("a span");
        self.shifted += ms;
        self.control("clock", json!({ "shift_ms": ms })).await;
        if self.daemon.is_some() {
            self.shift_daemon(ms);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's thread may wait for the socket")]
    fn shift_daemon(&self, ms: i64) {
        let began = Instant::now();
        let mut stream = loop {
            match UnixStream::connect(self.control_path()) {
                Ok(stream) => break stream,
                // It stands at a commit before its socket is there; the next one starts with this hour.
                Err(_) if self.stands() => return,
                Err(error) => {
                    let log = || self.log();
                    assert!(began.elapsed() < PATIENCE, "no control socket: {error}\n{}", log());
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        };
        writeln!(stream, "shift {ms}").expect("the clock is told");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("the clock answers");
        assert!(answer.starts_with("now "), "{answer}");
    }

    /// What the daemon's clock shows, but for the milliseconds in between.
    #[expect(clippy::disallowed_methods, reason = "the daemon's clock starts from the real one")]
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.shifted)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn hook_url(&self) -> String {
        self.url(&format!("/hooks/calltouch-main/{HOOK_SECRET}"))
    }

    /// Posts a form to the hook; the status.
    pub async fn post(&self, fields: &[(&str, &str)]) -> u16 {
        self.post_to(&self.hook_url(), fields).await
    }

    /// Posts a form; the status.
    pub async fn post_to(&self, url: &str, fields: &[(&str, &str)]) -> u16 {
        let answer = self.http.post(url).form(fields).send().await;
        answer.expect("the door answers").status().as_u16()
    }

    /// A control route of the sandbox.
    pub async fn control(&self, route: &str, body: Value) -> Value {
        self.control_at(&self.sandbox.crm_url(), route, body).await
    }

    /// A control route of another sandbox.
    pub async fn control_at(&self, crm: &str, route: &str, body: Value) -> Value {
        let url = format!("{crm}/_sandbox/{route}");
        let answer = self.http.post(url).json(&body).send().await.expect("the sandbox answers");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{route}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The status of a `GET`; 0 where nobody answers.
    pub async fn http_status(&self, url: &str) -> u16 {
        let answer = self.http.get(url).timeout(Duration::from_secs(10)).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    /// Something of the sandbox: `ledger`, `requests`.
    pub async fn ask(&self, route: &str) -> Value {
        let url = format!("{}/_sandbox/{route}", self.sandbox.crm_url());
        let answer = self.http.get(url).send().await.expect("the sandbox answers");
        answer.json().await.expect("JSON")
    }

    /// A lead in Calltouch, delivered `deliveries` times to the hook and in the journal too.
    pub async fn lead(&self, lead: Value) -> Value {
        let mut whole = json!({
            "hook_url": self.hook_url(), "format": "form", "deliveries": 2, "journal": true,
            "phase": "end",
        });
        for (name, value) in lead.as_object().into_iter().flatten() {
            whole[name] = value.clone();
        }
        self.control("leads", whole).await
    }

    /// What the far sides hold.
    pub async fn ledger(&self) -> Ledger {
        Ledger(self.ask("ledger").await)
    }

    /// A customer that was there before; its id.
    pub async fn customer(&self, body: Value) -> u64 {
        let made = self.control("customers", body).await;
        id_of(&made)
    }

    /// An order that was there before; its id.
    pub async fn order(&self, body: Value) -> u64 {
        let made = self.control("orders", body).await;
        id_of(&made)
    }

    /// The far sides' faults from now on, in place of those before.
    pub async fn faults(&self, rules: Value) {
        self.control("faults", json!({ "seed": 1, "rules": rules })).await;
    }

    /// `GET` of one of the daemon's public routes: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.url(path)).send().await.expect("the door answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a body"))
    }

    /// The first column of a question to the database, read beside the daemon.
    pub async fn sql(&self, question: &'static str) -> Vec<String> {
        self.database.ask(question).await
    }

    /// Changes rows behind the back of everybody; nobody runs.
    pub async fn change(&self, changes: &[&'static str]) {
        self.database.change(changes).await;
    }

    /// The database is gone, as before the first start.
    pub async fn forget(&self) {
        self.database.forget().await;
    }

    /// The store, read beside the daemon.
    pub async fn store(&self) -> Store {
        Store::open_beside(&self.store_url()).await.expect("the store opens")
    }

    pub async fn counts(&self) -> Counts {
        self.store().await.counts(self.now()).await.expect("the store answers")
    }

    pub async fn story(&self, id: &str) -> Vec<Story> {
        self.store().await.story(id).await.expect("the store answers")
    }

    /// Waits until everything that came in is routed.
    pub async fn routed(&self) -> Counts {
        self.until("routed", |counts| counts.unrouted == 0).await
    }

    /// Waits until no job is due or under way.
    pub async fn settled(&self) -> Counts {
        let now = || self.now();
        self.until("settled", |counts| {
            counts.unrouted == 0
                && counts.deciding == 0
                && counts.oldest_due.is_none_or(|due| due > now())
        })
        .await
    }

    /// Moves the clock from one due time to the next until every job has ended; where something is
    /// due and does not run (its lane or its connection is held) in small steps, then by the minute.
    pub async fn ended(&mut self) -> Counts {
        let mut held = 0;
        for _ in 0..400 {
            let counts = self.calm().await;
            if counts.waiting == 0 && counts.deciding == 0 {
                return counts;
            }
            let next = "select cast(min(due) as text) from job where state = 'waiting'";
            let next: i64 = self.sql(next).await[0].parse().unwrap_or_default();
            let ahead = next - self.now().as_millisecond() + 50;
            held += u32::from(ahead <= 0);
            let step = match (ahead, held) {
                (1.., _) => ahead,
                (_, ..60) => 2_000,
                _ => 61_000,
            };
            self.advance(SignedDuration::from_millis(step)).await;
        }
        panic!("jobs do not end:\n{}", self.log());
    }

    /// Waits until nothing more happens at this hour of the clock: what is due is done, or waits for
    /// a lane or a connection.
    pub async fn calm(&self) -> Counts {
        let store = self.store().await;
        let began = Instant::now();
        let mut idle_since = Instant::now();
        loop {
            let now = self.now();
            let counts = store.counts(now).await.expect("the store answers");
            let quiet = counts.unrouted == 0 && counts.deciding == 0;
            let due = counts.oldest_due.is_some_and(|due| due <= now);
            if !quiet {
                idle_since = Instant::now();
            } else if !due || idle_since.elapsed() > Duration::from_millis(150) {
                return counts;
            }
            assert!(began.elapsed() < PATIENCE, "no rest: {counts:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Has every journal of Calltouch read and waits until what came is routed. The clock stands.
    pub async fn polled(&self) {
        self.polled_of("calltouch-main").await;
    }

    /// Has every feed of a connection read and waits until what came is routed. The clock stands.
    pub async fn polled_of(&self, connection: &str) {
        let store = self.store().await;
        let body = json!({ "connection": connection });
        let left = store.leave_command("poll", &body, self.now()).await;
        let id = left.expect("the command is left");
        let began = Instant::now();
        while store.command_answer(id).await.expect("the store answers").is_none() {
            assert!(began.elapsed() < PATIENCE, "nobody polls:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.routed().await;
    }

    /// Waits until the counts are as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Counts) -> bool) -> Counts {
        let store = self.store().await;
        let began = Instant::now();
        loop {
            let counts = store.counts(self.now()).await.expect("the store answers");
            if wanted(&counts) {
                return counts;
            }
            assert!(began.elapsed() < PATIENCE, "not {what}: {counts:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Another command of the binary on this house's config.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .envs(self.plan.env.iter().cloned())
            .output()
            .expect("the command runs")
    }

    /// Rules that did not change decide everything that is recorded as they did.
    #[track_caller]
    pub fn assert_replays_the_same(&self) {
        let arguments = ["replay", "--since", "2000-01-01", "--every", "--reasons", "--json"];
        let output = self.command(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["decisions"], json!([]), "{told:#}\n{said}");
        let summary = &told["summary"];
        assert!(summary["decisions"].as_u64() > Some(0), "{summary:#}");
        assert_eq!((&summary["differ"], &summary["gone"]), (&json!({}), &json!({})), "{summary:#}");
    }

    /// The last lines of the daemon's log.
    pub fn log(&self) -> String {
        let whole = self.whole_log();
        let lines: Vec<&str> = whole.lines().collect();
        lines[lines.len().saturating_sub(80)..].join("\n")
    }

    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("daemon.log")
    }

    fn control_path(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The id in what a control route answered.
fn id_of(made: &Value) -> u64 {
    let id = made["id"].as_u64().or_else(|| made["ids"][0].as_u64());
    id.unwrap_or_else(|| panic!("no id in {made}"))
}
