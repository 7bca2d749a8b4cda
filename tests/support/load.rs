//! A crowd of senders: posts calls to the doors at a steady rate and counts what became of each.
//! Invariant: nothing is sent twice and nothing is hidden — a refused connection, a reset, an answer
//! that did not come and a status that is not 2xx are each counted for the post that met them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// An answer that takes longer did not come.
const PATIENCE: Duration = Duration::from_secs(15);

/// How senders treat their connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A new connection for each post, as Calltouch does it.
    Anew,
    /// So many senders, each keeping its connection until the door says `connection: close`.
    Kept(u32),
}

/// What became of the posts.
#[derive(Default, Clone)]
pub struct Tally {
    pub sent: u64,
    /// The ids of the calls that were answered with 2xx.
    pub kept: Vec<u64>,
    /// Nobody listened.
    pub refused: u64,
    /// The connection ended before the answer.
    pub reset: u64,
    /// No answer within 15 s.
    pub silent: u64,
    /// Statuses that are not 2xx.
    pub other: Vec<u16>,
    /// From the first byte of the connection to the last of the answer.
    pub slowest: Duration,
}

impl Tally {
    /// Everything was answered with 2xx.
    pub fn is_spotless(&self) -> bool {
        self.refused == 0
            && self.reset == 0
            && self.silent == 0
            && self.other.is_empty()
            && self.kept.len() as u64 == self.sent
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally")
            .field("sent", &self.sent)
            .field("kept", &self.kept.len())
            .field("refused", &self.refused)
            .field("reset", &self.reset)
            .field("silent", &self.silent)
            .field("other", &self.other)
            .field("slowest", &self.slowest)
            .finish()
    }
}

/// Where the senders send: the targets in turn, as a balancer does it.
#[derive(Clone)]
pub struct Targets {
    all: Arc<Vec<SocketAddr>>,
    up: Arc<Mutex<Vec<SocketAddr>>>,
    turn: Arc<AtomicUsize>,
}

impl Targets {
    pub fn new(all: impl IntoIterator<Item = SocketAddr>) -> Self {
        let all: Vec<SocketAddr> = all.into_iter().collect();
        let up = Arc::new(Mutex::new(all.clone()));
        Self { all: Arc::new(all), up, turn: Arc::default() }
    }

    fn next(&self) -> SocketAddr {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.up(|up| {
            // Where all are out it goes on with any, as balancers do.
            let among = if up.is_empty() { &*self.all } else { &*up };
            among[turn % among.len()]
        })
    }

    /// Asks each target for `/readyz` so often and sends nothing to those that do not answer 200.
    pub fn steer(&self, every: Duration) -> JoinHandle<()> {
        let targets = self.clone();
        tokio::spawn(async move {
            let each = targets.all.iter().map(|target| targets.clone().follow(*target, every));
            // They go on until this task is aborted.
            each.collect::<JoinSet<()>>().join_all().await;
        })
    }

    async fn follow(self, target: SocketAddr, every: Duration) {
        loop {
            let asked = timeout(Duration::from_secs(1), ready(target)).await;
            self.up(|up| {
                up.retain(|other| *other != target);
                if matches!(asked, Ok(Ok(200))) {
                    up.push(target);
                }
            });
            tokio::time::sleep(every).await;
        }
    }

    /// Waits until something is sent to each of them.
    pub async fn all_up(&self) {
        let began = Instant::now();
        while self.up(|up| up.len()) < self.all.len() {
            assert!(began.elapsed() < PATIENCE, "one of them is not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn up<T>(&self, of: impl FnOnce(&mut Vec<SocketAddr>) -> T) -> T {
        of(&mut self.up.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn ready(target: SocketAddr) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(target).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await?;
    Ok(answer(&mut stream).await?.0)
}

/// Senders at work; they go on until [`Load::stop`].
pub struct Load {
    stop: CancellationToken,
    sent: Arc<AtomicU64>,
    work: JoinHandle<Tally>,
}

impl Load {
    /// `rate` posts a second to `path`, each a finished call with an id of its own from `first_id`.
    pub fn start(targets: &Targets, path: &str, rate: u32, manner: Manner, first_id: u64) -> Self {
        let stop = CancellationToken::new();
        let senders = Senders {
            targets: targets.clone(),
            path: path.into(),
            next_id: Arc::new(AtomicU64::new(first_id)),
            sent: Arc::default(),
            tally: Arc::default(),
        };
        let (until, sent) = (stop.clone(), Arc::clone(&senders.sent));
        let work = tokio::spawn(async move {
            match manner {
                Manner::Anew => senders.anew(rate, &until).await,
                Manner::Kept(many) => senders.kept(rate, many, &until).await,
            }
            senders.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
        });
        Self { stop, sent, work }
    }

    /// Waits until so many more posts were begun.
    pub async fn more(&self, posts: u64) {
        let goal = self.sent.load(Ordering::Relaxed) + posts;
        while self.sent.load(Ordering::Relaxed) < goal && !self.work.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Begins nothing new, waits for the answers that are due.
    pub async fn stop(self) -> Tally {
        self.stop.cancel();
        self.work.await.expect("the senders end")
    }
}

#[derive(Clone)]
struct Senders {
    targets: Targets,
    path: Arc<str>,
    next_id: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    tally: Arc<Mutex<Tally>>,
}

impl Senders {
    /// The rate is kept whatever the doors do: a slow answer delays nobody else.
    async fn anew(&self, rate: u32, stop: &CancellationToken) {
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut posts = JoinSet::new();
        while !stop.is_cancelled() {
            ticks.tick().await;
            let sender = self.clone();
            posts.spawn(async move { sender.post(&mut None).await });
            while posts.try_join_next().is_some() {}
        }
        posts.join_all().await;
    }

    async fn kept(&self, rate: u32, many: u32, stop: &CancellationToken) {
        let mut senders = JoinSet::new();
        for _ in 0..many {
            let (sender, stop) = (self.clone(), stop.clone());
            senders.spawn(async move {
                let mut ticks = interval(Duration::from_secs(1) * many / rate);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut connection = None;
                while !stop.is_cancelled() {
                    ticks.tick().await;
                    sender.post(&mut connection).await;
                }
            });
        }
        senders.join_all().await;
    }

    /// One post on the connection, or on a new one, which it leaves there if the door keeps it.
    async fn post(&self, connection: &mut Option<TcpStream>) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let kept = connection.take();
        let keep = kept.is_some();
        let answered = timeout(PATIENCE, self.exchange(kept, id)).await;
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.sent += 1;
        tally.slowest = tally.slowest.max(begun.elapsed());
        match answered {
            Err(_) => tally.silent += 1,
            Ok(Err(Lost::Refused)) => tally.refused += 1,
            Ok(Err(Lost::Reset(why))) => {
                eprintln!("call {id} on a {} connection: {why}", if keep { "kept" } else { "new" });
                tally.reset += 1;
            }
            Ok(Ok((status, stream))) => {
                if (200..300).contains(&status) {
                    tally.kept.push(id);
                } else {
                    tally.other.push(status);
                }
                *connection = stream;
            }
        }
    }

    async fn exchange(
        &self,
        kept: Option<TcpStream>,
        id: u64,
    ) -> Result<(u16, Option<TcpStream>), Lost> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect(self.targets.next()).await.map_err(|_| Lost::Refused)?,
        };
        let body = format!(
            "leadtype=call&callphase=calldisconnected&id={id}&callerphone=7999{:07}",
            id % 10_000_000
        );
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            self.path,
            body.len()
        );
        let lost = |error: std::io::Error| Lost::Reset(error.to_string());
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let (status, close) = answer(&mut stream).await.map_err(lost)?;
        Ok((status, (!close).then_some(stream)))
    }
}

enum Lost {
    Refused,
    Reset(String),
}

/// The status, and whether the door closes the connection after it.
async fn answer(stream: &mut TcpStream) -> std::io::Result<(u16, bool)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
        };
        let length: usize =
            field("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        if body.len() >= length {
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
            return Ok((
                status.unwrap_or_default(),
                field("connection").is_some_and(|value| value == "close"),
            ));
        }
    }
}
