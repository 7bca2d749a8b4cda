//! Several daemons on one PostgreSQL database and one sandbox, with one clock for all. Invariant: a
//! daemon that stands still has missed no move of the clock when it goes on.

use super::database::server;
use super::server::Server;
use super::{House, PATIENCE, Plan, free_port};
use jiff::SignedDuration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Is there a server for such tests? Says so where there is none.
pub fn possible(what: &str) -> bool {
    let possible = server().is_some();
    if !possible {
        println!("{what}: left out, for LEADLINK_TEST_POSTGRES names no server");
    }
    possible
}

/// One daemon.
struct Replica {
    port: u16,
    /// Its config, where it has one of its own.
    config: Option<PathBuf>,
    child: Option<Child>,
    paused: bool,
    /// It was told to end, and hears no more of the clock.
    ending: bool,
    /// How far the clock went on while it stood still.
    behind: i64,
}

pub struct Fleet {
    /// The sandbox, the config and the database; no daemon.
    pub house: House,
    replicas: Vec<Replica>,
}

impl Fleet {
    /// Builds it; nothing runs yet. On a server of its own, or on that of all tests.
    pub async fn build(
        mut plan: Plan,
        count: usize,
        lease: Duration,
        own: Option<&Server>,
    ) -> Self {
        plan.env.push(("LEADLINK_LEASE".to_owned(), lease.as_millis().to_string()));
        plan.server = own.map(Server::url).or(plan.server);
        let house = House::build(plan).await;
        let replica = |_| Replica {
            port: free_port(),
            config: None,
            child: None,
            paused: false,
            ending: false,
            behind: 0,
        };
        Self { house, replicas: (0..count).map(replica).collect() }
    }

    /// Starts it and waits for `/healthz`.
    pub async fn run(&mut self, number: usize) {
        self.spawn(number);
        self.healthy(number).await;
    }

    pub fn spawn(&mut self, number: usize) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path(number));
        let control = self.control_path(number);
        let _gone = std::fs::remove_file(&control);
        let replica = &self.replicas[number];
        let config = replica.config.clone().unwrap_or_else(|| self.house.config());
        let child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(["run", "--config"])
            .arg(config)
            .env("LEADLINK_CONTROL", &control)
            .env("LEADLINK_CONTROL_SHIFT", self.house.shifted.to_string())
            .env("LEADLINK_SERVER__LISTEN", format!("127.0.0.1:{}", replica.port))
            .envs(self.house.plan.env.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn();
        let replica = &mut self.replicas[number];
        replica.child = Some(child.expect("the daemon starts"));
        (replica.paused, replica.ending, replica.behind) = (false, false, 0);
    }

    pub async fn healthy(&mut self, number: usize) {
        let url = self.url(number, "/healthz");
        let began = Instant::now();
        loop {
            let request = self.house.http.get(&url).timeout(Duration::from_millis(500));
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(self.lives(number), "the daemon ended:\n{}", self.log(number));
            assert!(began.elapsed() < PATIENCE, "no answer:\n{}", self.log(number));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// It has a config of its own from its next start on.
    pub fn configure(&mut self, number: usize, config: PathBuf) {
        self.replicas[number].config = Some(config);
    }

    /// Is its process there? (One that found no database when it started has ended.)
    pub fn lives(&mut self, number: usize) -> bool {
        let child = self.replicas[number].child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.replicas[number].child.take() {
            let _gone = child.kill();
            let _status = child.wait();
        }
    }

    /// SIGSTOP: it stands still wherever it is.
    pub fn pause(&mut self, number: usize) {
        self.signal(number, "-STOP");
        self.replicas[number].paused = true;
    }

    /// SIGCONT. The clock's moves wait at its door, so that it sees them first of all.
    pub fn resume(&mut self, number: usize) {
        let behind = std::mem::take(&mut self.replicas[number].behind);
        let told = tell(&self.control_path(number), behind);
        self.signal(number, "-CONT");
        self.replicas[number].paused = false;
        heard(told);
    }

    /// SIGTERM.
    pub fn terminate(&mut self, number: usize) {
        self.replicas[number].ending = true;
        self.signal(number, "-TERM");
    }

    /// Waits until it has ended; the exit code.
    pub async fn gone(&mut self, number: usize) -> Option<i32> {
        let began = Instant::now();
        while self.lives(number) {
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.log(number));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.replicas[number].child.take()?.wait().ok().and_then(|status| status.code())
    }

    pub fn signal(&self, number: usize, signal: &str) {
        let Some(child) = &self.replicas[number].child else { return };
        let _sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    }

    /// Moves the clock of the sandbox and of all daemons.
    pub async fn advance(&mut self, by: SignedDuration) {
        let ms = i64::try_from(by.as_millis()).expect("a span");
        self.house.advance(by).await;
        let mut told = Vec::new();
        for number in 0..self.replicas.len() {
            if self.replicas[number].paused {
                self.replicas[number].behind += ms;
            } else if !self.replicas[number].ending && self.lives(number) {
                told.push((number, self.tell(number, ms)));
            }
        }
        for (number, told) in told {
            if let Some(told) = told
                && !is_heard(told)
            {
                assert!(!self.lives(number), "the clock is not heard:\n{}", self.log(number));
            }
        }
    }

    /// `None`: it ended while it was told.
    #[expect(clippy::disallowed_methods, reason = "a test's thread may wait for the socket")]
    fn tell(&mut self, number: usize, ms: i64) -> Option<UnixStream> {
        let began = Instant::now();
        let path = self.control_path(number);
        loop {
            if let Ok(mut stream) = UnixStream::connect(&path)
                && writeln!(stream, "shift {ms}").is_ok()
            {
                return Some(stream);
            }
            if !self.lives(number) {
                return None;
            }
            assert!(began.elapsed() < PATIENCE, "no control socket:\n{}", self.log(number));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn url(&self, number: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.replicas[number].port)
    }

    /// What it answers there.
    pub async fn get(&self, number: usize, path: &str) -> String {
        let answer = self.house.http.get(self.url(number, path)).send().await;
        answer.expect("an answer").text().await.expect("a text")
    }

    pub fn hook_url(&self, number: usize) -> String {
        self.url(number, &format!("/hooks/calltouch-main/{}", super::HOOK_SECRET))
    }

    /// The name in leases of who owns the connection, and for how many more milliseconds.
    pub async fn owner(&self, connection: &'static str) -> Option<(String, i64)> {
        let rows = self
            .house
            .sql(
                "select connection || ' ' || owner || ' ' || \
                 (lease_until - (extract(epoch from clock_timestamp()) * 1000)::bigint)::text \
                 from connection_owner where owner is not null",
            )
            .await;
        rows.iter().find_map(|row| {
            let mut words = row.split(' ');
            let (name, owner, left) = (words.next()?, words.next()?, words.next()?);
            let left: i64 = left.parse().ok()?;
            (name == connection && left > 0).then(|| (owner.to_owned(), left))
        })
    }

    /// Which daemon has this name in leases?
    pub fn number_of(&self, owner: &str) -> Option<usize> {
        let has = |replica: &Replica| {
            let id = replica.child.as_ref().map(Child::id);
            id.is_some_and(|id| owner.contains(&format!("-{id}-")))
        };
        self.replicas.iter().position(has)
    }

    /// Waits until a daemon that runs owns the connection; its number.
    pub async fn owned(&self, connection: &'static str) -> usize {
        let began = Instant::now();
        loop {
            let owner = self.owner(connection).await;
            if let Some(number) = owner.and_then(|(owner, _)| self.number_of(&owner)) {
                return number;
            }
            assert!(began.elapsed() < PATIENCE, "nobody owns {connection}:\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until everything that is due has ended.
    pub async fn settled(&mut self) {
        let began = Instant::now();
        loop {
            let counts = self.house.counts().await;
            let busy = counts.unrouted + counts.deciding + counts.waiting;
            if busy == 0 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no end: {counts:?}\n{}", self.logs());
            self.advance(SignedDuration::from_millis(200)).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn whole_log(&self, number: usize) -> String {
        std::fs::read_to_string(self.log_path(number)).unwrap_or_default()
    }

    pub fn log(&self, number: usize) -> String {
        let whole = self.whole_log(number);
        let lines: Vec<&str> = whole.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The last lines of all.
    pub fn logs(&self) -> String {
        let of = |number| format!("replica {number}:\n{}\n", self.log(number));
        (0..self.replicas.len()).map(of).collect()
    }

    fn log_path(&self, number: usize) -> PathBuf {
        self.house.dir.path().join(format!("replica-{number}.log"))
    }

    fn control_path(&self, number: usize) -> PathBuf {
        self.house.dir.path().join(format!("replica-{number}.sock"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for number in 0..self.replicas.len() {
            self.kill(number);
        }
        if std::thread::panicking() && std::env::var_os("LEADLINK_KEEP").is_some() {
            let kept = std::env::temp_dir().join(format!("kept-{}", std::process::id()));
            let _kept = Command::new("cp").arg("-r").arg(self.house.dir.path()).arg(&kept).status();
            println!("kept in {}", kept.display());
        }
    }
}

/// Leaves a move of the clock at the socket; it is heard when the daemon runs.
fn tell(path: &PathBuf, ms: i64) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("the control socket");
    writeln!(stream, "shift {ms}").expect("the clock is told");
    stream
}

fn heard(stream: UnixStream) {
    assert!(is_heard(stream), "the clock does not answer");
}

fn is_heard(stream: UnixStream) -> bool {
    let mut answer = String::new();
    let read = BufReader::new(stream).read_line(&mut answer);
    read.is_ok() && answer.starts_with("now ")
}
