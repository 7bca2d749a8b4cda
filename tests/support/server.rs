//! A PostgreSQL server of one test, which may be stopped and started. Invariant: it lives in a folder
//! of its own, on a port of its own, and ends with the test.

use super::ports::free_port;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Sessions are ended, transactions rolled back.
    Fast,
    /// As if the machine had failed: it recovers at the next start.
    Immediate,
}

pub struct Server {
    dir: TempDir,
    port: u16,
    programs: PathBuf,
}

impl Server {
    /// Makes and starts one.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let server = Self { dir, port: free_port(), programs: programs() };
        // It refuses to be root.
        let owner = unprivileged().unwrap_or_default();
        if !owner.is_empty() {
            let done = Command::new("chown").arg(&owner).arg(server.dir.path()).status();
            assert!(done.is_ok_and(|done| done.success()), "the folder is given to {owner}");
        }
        server.run("initdb", &["-D", &server.data(), "-A", "trust", "-U", "leadlink", "-N"]);
        server.up();
        server
    }

    pub fn url(&self) -> String {
        format!("postgres://leadlink@127.0.0.1:{}", self.port)
    }

    pub fn up(&self) {
        let settings = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60",
            self.port,
            self.dir.path().display()
        );
        let log = self.dir.path().join("server.log").display().to_string();
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-l", &log, "-o", &settings, "start"]);
    }

    pub fn down(&self, manner: Manner) {
        self.run("pg_ctl", &["-D", &self.data(), "-w", "-m", manner.word(), "stop"]);
    }

    /// Gone for so long.
    pub async fn restart(&self, manner: Manner, away: Duration) {
        tokio::task::block_in_place(|| self.down(manner));
        tokio::time::sleep(away).await;
        tokio::task::block_in_place(|| self.up());
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = match unprivileged() {
            None => Command::new(&program),
            Some(owner) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &owner, "--regid", &owner, "--clear-groups"]);
                command.arg(&program);
                command
            }
        };
        let command = command.args(arguments).current_dir(self.dir.path());
        let done =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        let done = done.is_ok_and(|done| done.success());
        assert!(done, "{} {arguments:?}:\n{}", program.display(), self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }
}

impl Manner {
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["-D", &self.data(), "-m", "immediate", "stop"];
        if std::thread::panicking() {
            // A second panic would hide the first.
            let program = self.programs.join("pg_ctl");
            let mut command = match unprivileged() {
                None => Command::new(program),
                Some(owner) => {
                    let mut command = Command::new("setpriv");
                    command.args(["--reuid", &owner, "--regid", &owner, "--clear-groups"]);
                    command.arg(program);
                    command
                }
            };
            let _gone = command.args(stop).stdout(Stdio::null()).stderr(Stdio::null()).status();
        } else {
            self.run("pg_ctl", &stop);
        }
    }
}

/// Whom the server runs as where we are root: `postgres`, or nobody.
fn unprivileged() -> Option<String> {
    let id = |arguments: &[&str]| {
        let told = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
        let told = String::from_utf8(told.stdout).ok()?.trim().to_owned();
        (!told.is_empty()).then_some(told)
    };
    let root = id(&["-u"])? == "0";
    root.then(|| id(&["-u", "postgres"]).unwrap_or_else(|| "65534".to_owned()))
}

/// The folder of the server's programs.
fn programs() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|told| String::from_utf8(told.stdout).ok()).unwrap_or_default();
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = found.map(|version| version.path().join("bin"));
    let all = std::iter::once(PathBuf::from(told.trim())).chain(found);
    let mut whole = all.filter(|folder| folder.join("initdb").is_file());
    whole.next().expect("initdb and pg_ctl of PostgreSQL")
}
