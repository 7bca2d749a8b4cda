//! How many deliveries the real binary makes durable: `cargo bench --bench accepts`.
//!
//! Starts the release binary on an empty database, measures the time to the first 200 and the idle
//! memory, then posts distinct webhooks over 64 kept-alive connections from the same machine and
//! prints accepts per second and percentiles. Figures, not asserts: speed is never a test.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 64;
const SECONDS: u64 = 10;
const SECRET: &str = "bench-secret-0123456789";

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let config = dir.path().join("leadlink.toml");
    std::fs::write(&config, config_text(port, dir.path()))?;

    let began = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(["run", "--config"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()?;
    let pid = child.id();
    let _daemon = Daemon(child);
    first_200(address).await?;
    println!("start to first 200: {} ms", began.elapsed().as_millis());
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("idle RSS: {:.1} MB", rss(pid)?);

    let numbers = Arc::new(AtomicU64::new(1));
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(address, Arc::clone(&numbers), until)))
        .collect();
    let mut waits = Vec::new();
    for task in clients {
        waits.extend(task.await.map_err(io::Error::other)??);
    }
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "accepts: {:.0}/s over {CONNECTIONS} connections for {SECONDS} s, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        waits.len() as f64 / SECONDS as f64,
        at(0.5),
        at(0.99),
        at(1.0),
    );
    println!("RSS after {} accepts: {:.1} MB", waits.len(), rss(pid)?);
    Ok(())
}

fn config_text(port: u16, dir: &std::path::Path) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let dir = dir.display();
    format!(
        r#"
[server]
listen = "127.0.0.1:{port}"
[store]
url = "sqlite:{dir}/leadlink.db"
[mappings]
dir = "{root}/mappings"
[roles]
crm = "shop"
calls = "calltouch-main"
[connections.shop]
connector = "retailcrm"
name = "Bench shop"
url = "http://127.0.0.1:9"
api_key = "bench-key"
[connections.calltouch-main]
connector = "calltouch"
name = "Bench calls"
url = "http://127.0.0.1:9"
site_id = 4242
token = "bench-token"
hook_secret = "{SECRET}"
[flows.call-to-order]
running = true
delay = "1h"
"#
    )
}

async fn first_200(address: SocketAddr) -> io::Result<()> {
    for _ in 0..5_000 {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            stream
                .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            if answer.starts_with(b"HTTP/1.1 200") {
                return Ok(());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(io::Error::other("the daemon does not answer"))
}

async fn client(
    address: SocketAddr,
    numbers: Arc<AtomicU64>,
    until: Instant,
) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut waits = Vec::new();
    let mut answer = [0_u8; 4096];
    while Instant::now() < until {
        let n = numbers.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            "leadtype=call&callphase=calldisconnected&id={n}&callerphone=7999{:07}&timestamp=1747213390&duration=42&waiting_time=7&siteId=4242&source=yandex&medium=cpc&utm_source=yandex&utm_medium=cpc&utm_campaign=spring&utm_content=%3C%D0%BD%D0%B5+%D1%83%D0%BA%D0%B0%D0%B7%D0%B0%D0%BD%D0%BE%3E&utm_term=shoes",
            n % 10_000_000
        );
        let request = format!(
            "POST /hooks/calltouch-main/{SECRET} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        while !answer[..read].windows(4).any(|window| window == b"\r\n\r\n") {
            let got = stream.read(&mut answer[read..]).await?;
            if got == 0 {
                return Err(io::Error::other("the door closed the connection"));
            }
            read += got;
        }
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer[..read]).into_owned()));
        }
        waits.push(began.elapsed());
    }
    Ok(waits)
}

fn rss(pid: u32) -> io::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb: f64 = line
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| io::Error::other("no VmRSS"))?;
    Ok(kb / 1024.0)
}
