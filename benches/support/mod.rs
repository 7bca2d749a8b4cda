//! What the benches share: the release binary on an empty database, and a door to post hooks to.
//! Invariant: nothing here measures; a bench says itself what it counts.
//!
//! The database is a SQLite file, or one of the PostgreSQL server that `LEADLINK_BENCH_POSTGRES` names
//! (with fsync on, or the figures say nothing); there `LEADLINK_REPLICAS` says how many run on it.

#![expect(dead_code, reason = "each bench uses its part")]

use leadlink::sandbox::Sandbox;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "bench-secret-0123456789";

/// Where the far sides are.
pub struct Far {
    pub crm: String,
    pub key: String,
    pub calltouch: String,
    pub token: String,
}

impl Far {
    /// Nobody listens there.
    pub fn nobody() -> Self {
        let closed = "http://127.0.0.1:9".to_owned();
        let word = "bench-word-0123456789".to_owned();
        Self { crm: closed.clone(), key: word.clone(), calltouch: closed, token: word }
    }

    pub fn of(sandbox: &Sandbox) -> Self {
        Self {
            crm: sandbox.crm_url(),
            key: sandbox.api_key().to_owned(),
            calltouch: sandbox.calltouch_url(),
            token: sandbox.token().to_owned(),
        }
    }
}

/// A database of its own; dropped with it.
pub struct Database {
    pub url: String,
    _dir: Option<TempDir>,
}

impl Database {
    pub async fn make() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let Ok(server) = std::env::var("LEADLINK_BENCH_POSTGRES") else {
            let url = format!("sqlite:{}", dir.path().join("leadlink.db").display());
            return Ok(Self { url, _dir: Some(dir) });
        };
        let name = dir.path().file_name().unwrap_or_default().to_string_lossy().replace('.', "b");
        let admin = format!("{server}/postgres");
        let mut admin = PgConnection::connect(&admin).await.map_err(io::Error::other)?;
        let make = AssertSqlSafe(format!("create database \"{name}\""));
        admin.execute(make).await.map_err(io::Error::other)?;
        Ok(Self { url: format!("{server}/{name}"), _dir: None })
    }

    pub fn is_postgres(&self) -> bool {
        self._dir.is_none()
    }

    /// Statements of a bench's own.
    pub async fn run(&self, sql: String) -> io::Result<()> {
        let sql = AssertSqlSafe(sql);
        let done = if self.is_postgres() {
            let connection = PgConnection::connect(&self.url).await;
            connection.map_err(io::Error::other)?.execute(sqlx::raw_sql(sql)).await.map(drop)
        } else {
            let connection = SqliteConnection::connect(&self.url).await;
            connection.map_err(io::Error::other)?.execute(sqlx::raw_sql(sql)).await.map(drop)
        };
        done.map_err(io::Error::other)
    }

    /// What the figures are of.
    pub fn word(&self) -> &'static str {
        if self.is_postgres() { "PostgreSQL" } else { "SQLite" }
    }
}

/// How many processes share the database.
pub fn replicas() -> usize {
    let asked = std::env::var("LEADLINK_REPLICAS").ok().and_then(|count| count.parse().ok());
    let shared = std::env::var_os("LEADLINK_BENCH_POSTGRES").is_some();
    asked.filter(|_| shared).unwrap_or(1)
}

/// Several processes on one database.
pub struct Fleet {
    pub daemons: Vec<Daemon>,
    pub database: Database,
}

impl Fleet {
    pub async fn start(far: &Far, delay: &str, rate: Option<u32>) -> io::Result<Self> {
        let database = Database::make().await?;
        let mut daemons = Vec::new();
        for _ in 0..replicas() {
            let daemon = Daemon::start_on(&database.url, far, delay, rate)?;
            daemon.first_200().await?;
            daemons.push(daemon);
        }
        Ok(Self { daemons, database })
    }

    /// The address of one of them; they take turns.
    pub fn address(&self, turn: usize) -> SocketAddr {
        self.daemons[turn % self.daemons.len()].address
    }

    pub fn word(&self) -> String {
        format!("{}, {} process(es)", self.database.word(), self.daemons.len())
    }

    pub fn cpu(&self) -> io::Result<f64> {
        self.daemons.iter().map(Daemon::cpu).sum()
    }

    pub fn rss(&self) -> io::Result<f64> {
        self.daemons.iter().map(Daemon::rss).try_fold(0.0, |most: f64, rss| Ok(most.max(rss?)))
    }
}

/// The release binary, running; killed when dropped.
pub struct Daemon {
    pub address: SocketAddr,
    child: Child,
    _dir: TempDir,
    started: Instant,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Daemon {
    /// Starts it; `delay` is that of the flow of calls, `rate` of both connections (`None`: as
    /// shipped).
    pub fn start(far: &Far, delay: &str, rate: Option<u32>) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let url = format!("sqlite:{}", dir.path().join("leadlink.db").display());
        Self::start_in(dir, &url, far, (delay, rate, ""))
    }

    /// The same on a database that is there.
    pub fn start_on(url: &str, far: &Far, delay: &str, rate: Option<u32>) -> io::Result<Self> {
        Self::start_in(tempfile::tempdir()?, url, far, (delay, rate, ""))
    }

    /// The same at the rates as shipped, with more lines of config.
    pub fn start_with(url: &str, far: &Far, delay: &str, more: &str) -> io::Result<Self> {
        Self::start_in(tempfile::tempdir()?, url, far, (delay, None, more))
    }

    /// For commands beside it.
    pub fn config(&self) -> PathBuf {
        self._dir.path().join("leadlink.toml")
    }

    fn start_in(
        dir: TempDir,
        url: &str,
        far: &Far,
        (delay, rate, more): (&str, Option<u32>, &str),
    ) -> io::Result<Self> {
        let port = free_port()?;
        let text = config_text(port, url, far, (delay, rate)) + more;
        std::fs::write(dir.path().join("leadlink.toml"), text)?;
        Self::start_at(dir, port)
    }

    /// The same with a config of one's own, by its port, after `leadlink setup`.
    pub async fn start_set_up(config: impl Fn(u16) -> String) -> io::Result<Self> {
        let (dir, port) = (tempfile::tempdir()?, free_port()?);
        let file = dir.path().join("leadlink.toml");
        std::fs::write(&file, config(port))?;
        // The far sides may stand in this very process: they must go on meanwhile.
        let mut setup = tokio::process::Command::new(env!("CARGO_BIN_EXE_leadlink"));
        let done = setup.args(["setup", "--config"]).arg(&file).output().await?;
        if !done.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&done.stderr).into_owned()));
        }
        Self::start_at(dir, port)
    }

    fn start_at(dir: TempDir, port: u16) -> io::Result<Self> {
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
            .args(["run", "--config"])
            .arg(dir.path().join("leadlink.toml"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("daemon.log"))?)
            .spawn()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self { address, child, _dir: dir, started })
    }

    /// How long it took from the start of the process to the first 200.
    pub async fn first_200(&self) -> io::Result<Duration> {
        for _ in 0..5_000 {
            if let Ok(answer) = get(self.address, "/healthz").await
                && answer.starts_with("HTTP/1.1 200")
            {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let log = std::fs::read_to_string(self._dir.path().join("daemon.log"))?;
        Err(io::Error::other(format!("the daemon does not answer:\n{log}")))
    }

    /// Processor time that it used so far, in seconds; the kernel counts in hundredths.
    pub fn cpu(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks: fields are counted behind it.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        let ticks =
            behind.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / 100.0)
    }

    /// Resident memory in MB.
    pub fn rss(&self) -> io::Result<f64> {
        rss(self.child.id())
    }

    /// The most that it ever was.
    pub fn peak(&self) -> io::Result<f64> {
        memory(self.child.id(), "VmHWM:")
    }
}

/// Resident memory of a process, in MB.
pub fn rss(process: u32) -> io::Result<f64> {
    memory(process, "VmRSS:")
}

fn memory(process: u32, what: &str) -> io::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kb: f64 = line
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::Error::other(format!("no {what}")))?;
    Ok(kb / 1024.0)
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn config_text(port: u16, url: &str, far: &Far, (delay, rate): (&str, Option<u32>)) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let Far { crm, key, calltouch, token } = far;
    let rate = rate.map(|rate| format!("requests_per_second = {rate}")).unwrap_or_default();
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
[store]
url = "{url}"
[mappings]
dir = "{root}/mappings"
[roles]
crm = "shop"
calls = "calltouch-main"
[connections.shop]
connector = "retailcrm"
name = "Bench shop"
url = "{crm}"
api_key = "{key}"
{rate}
[connections.calltouch-main]
connector = "calltouch"
name = "Bench calls"
url = "{calltouch}"
site_id = 4242
token = "{token}"
hook_secret = "{SECRET}"
{rate}
[flows.call-to-order]
running = true
delay = "{delay}"
"#
    )
}

/// A whole answer, as text.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// One kept-alive connection to the hook.
pub struct Door {
    stream: TcpStream,
    answer: [u8; 4096],
}

impl Door {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: [0; 4096] })
    }

    /// Posts a finished call of this id and phone; how long the acknowledgement took.
    pub async fn call(&mut self, id: u64, phone: &str) -> io::Result<Duration> {
        let body = format!(
            "leadtype=call&callphase=calldisconnected&id={id}&callerphone={phone}&timestamp=1747213390&duration=42&waiting_time=7&siteId=4242&source=yandex&medium=cpc&utm_source=yandex&utm_medium=cpc&utm_campaign=spring&utm_content=%3C%D0%BD%D0%B5+%D1%83%D0%BA%D0%B0%D0%B7%D0%B0%D0%BD%D0%BE%3E&utm_term=shoes"
        );
        let path = format!("/hooks/calltouch-main/{SECRET}");
        self.post(&path, &[("content-type", "application/x-www-form-urlencoded")], &body).await
    }

    /// Posts anything to this door; how long the acknowledgement took.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Duration> {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        self.stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        while !self.answer[..read].windows(4).any(|window| window == b"\r\n\r\n") {
            let got = self.stream.read(&mut self.answer[read..]).await?;
            if got == 0 {
                return Err(io::Error::other("the door closed the connection"));
            }
            read += got;
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            let said = String::from_utf8_lossy(&self.answer[..read]).into_owned();
            return Err(io::Error::other(said));
        }
        Ok(began.elapsed())
    }
}

/// The value below which this share of the sorted values lies.
pub fn at(sorted: &[Duration], share: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(place as usize).map_or(f64::NAN, |value| value.as_secs_f64() * 1e3)
}
