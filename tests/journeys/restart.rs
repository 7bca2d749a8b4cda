//! Restarts that nobody notices: sockets that outlive a process, drains, what systemd is told.
//! Invariant: what was answered with 2xx is in the store, and nobody is refused.

use crate::support::database::server;
use crate::support::load::{Load, Manner, Tally, Targets};
use crate::support::{HOOK_SECRET, House, Plan, free_port};
use jiff::SignedDuration;
use rstest::rstest;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

const RATE: u32 = 500;
/// Each of the two processes ends once and starts again.
const HAND_OVERS: usize = 2;
/// Far longer than a daemon needs to notice anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn hook() -> String {
    format!("/hooks/calltouch-main/{HOOK_SECRET}")
}

fn targets(ports: &[u16]) -> Targets {
    Targets::new(ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port))))
}

fn set(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// A plan with a drain by the house's clock, which stands unless it is moved.
fn draining(drain: &str) -> Plan {
    Plan { env: vec![set("LEADLINK_SERVER__DRAIN", drain)], ..Plan::default() }
}

/// A second process: on PostgreSQL a replica on the same database, else one with its own.
fn beside(house: &House, plan: Plan) -> Plan {
    let mut env = plan.env;
    if server().is_some() {
        env.push(set("LEADLINK_STORE__URL", house.store_url()));
    }
    Plan { env, ..plan }
}

/// The ids of the calls that came in, as the store has them.
async fn arrived(house: &House) -> BTreeSet<u64> {
    house.routed().await;
    let keys = house.sql("select distinct key from event").await;
    keys.iter().filter_map(|key| key.rsplit(':').next()?.parse().ok()).collect()
}

fn all_kept(tally: &Tally, arrived: &BTreeSet<u64>) {
    let lost: Vec<_> = tally.kept.iter().filter(|id| !arrived.contains(id)).collect();
    assert!(lost.is_empty(), "answered with 2xx and not in the store: {lost:?}");
}

/// With a queue as systemd makes it: the 128 of `TcpListener::bind` are a quarter of a second.
fn held_socket() -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("an address");
    socket.listen(4096).and_then(tokio::net::TcpListener::into_std).expect("it listens")
}

#[rstest]
#[case::a_new_connection_for_each(Manner::Anew, "0s")]
#[case::connections_are_kept(Manner::Kept(10), "300ms")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_a_handed_over_socket_refuses_nobody(
    #[case] manner: Manner,
    #[case] drain: &str,
) {
    let socket = held_socket();
    let port = socket.local_addr().expect("an address").port();
    let mut house = House::start(Plan { handed: Some(socket), ..draining(drain) }).await;
    let load = Load::start(&targets(&[port]), &hook(), RATE, manner, 1);
    for _ in 0..3 {
        load.more(150).await;
        house.terminate();
        assert_eq!(house.gone().await, Some(0), "{}", house.log());
        house.spawn();
        house.healthy().await;
    }
    load.more(100).await;
    let tally = load.stop().await;
    assert!(tally.is_spotless(), "{tally:?}\n{}", house.log());
    assert!(tally.sent > 500, "{}", tally.sent);
    all_kept(&tally, &arrived(&house).await);
    assert_eq!(house.whole_log().matches("the socket was handed over").count(), 4);
}

async fn until(house: &House, logged: &str, times: usize) {
    let began = Instant::now();
    while house.whole_log().matches(logged).count() < times {
        assert!(began.elapsed() < PATIENCE, "no `{logged}`:\n{}", house.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// On SQLite each of the two has a database of its own: what the doors do in a hand-over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_on_a_shared_port_relieve_each_other_and_refuse_nobody() {
    let port = free_port();
    let shared = || Plan {
        port: Some(port),
        env: vec![
            set("LEADLINK_SERVER__REUSE_PORT", "true"),
            set("LEADLINK_SERVER__DRAIN", "50ms"),
        ],
        ..Plan::default()
    };
    let mut old = House::start(shared()).await;
    let mut new = House::build(beside(&old, shared())).await;
    let load = Load::start(&targets(&[port]), &hook(), RATE, Manner::Anew, 1);
    for _ in 0..HAND_OVERS {
        load.more(100).await;
        // The old one answers `/healthz` for both; so the log is asked.
        let before = new.whole_log().matches(" listening ").count();
        new.spawn();
        until(&new, " listening ", before + 1).await;
        load.more(100).await;
        old.terminate();
        assert_eq!(old.gone().await, Some(0), "{}", old.log());
        std::mem::swap(&mut old, &mut new);
    }
    load.more(100).await;
    let tally = load.stop().await;
    assert!(tally.is_spotless(), "{tally:?}\n{}", old.log());
    let mut all = arrived(&old).await;
    if server().is_none() {
        new.run().await;
        let others = arrived(&new).await;
        assert!(!all.is_empty() && !others.is_empty(), "the kernel sends to one process alone");
        all.extend(others);
    }
    all_kept(&tally, &all);
}

/// A balancer that asks `/readyz` ten times in a drain sends nothing to doors that are about to close.
#[rstest]
#[case::a_new_connection_for_each(Manner::Anew)]
#[case::connections_are_kept(Manner::Kept(10))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_balancer_one_process_after_the_other_is_restarted(#[case] manner: Manner) {
    let first = House::start(draining("1s")).await;
    let second = House::start(beside(&first, draining("1s"))).await;
    let mut houses = [first, second];
    let targets = targets(&[houses[0].port, houses[1].port]);
    let steering = targets.steer(Duration::from_millis(100));
    let load = Load::start(&targets, &hook(), RATE, manner, 1);
    for house in &mut houses {
        targets.all_up().await;
        load.more(100).await;
        house.terminate();
        assert_eq!(house.gone().await, Some(0), "{}", house.log());
        load.more(50).await;
        house.run().await;
        load.more(200).await;
    }
    let tally = load.stop().await;
    steering.abort();
    assert!(tally.is_spotless(), "{tally:?}");
    let mut all = arrived(&houses[0]).await;
    if server().is_none() {
        all.extend(arrived(&houses[1]).await);
    }
    all_kept(&tally, &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_shared_only_where_config_says_so() {
    let mut house = House::start(Plan::default()).await;
    let twin = House::build(Plan { port: Some(house.port), ..Plan::default() }).await;
    let run = twin.command(&["run"]);
    assert!(!run.status.success());
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(told.contains("cannot listen on 127.0.0.1:"), "{told}");
    assert_eq!(house.stop(), Some(0));
}

/// Sends one request on a connection and reads one answer.
fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    let mut bytes = [0; 4096];
    // Each answer of these doors comes in one piece with a length, or ends the connection.
    while !answer.contains("\r\n\r\n") || answer.ends_with("\r\n\r\n") {
        let read = stream.read(&mut bytes).expect("the answer is read");
        if read == 0 {
            break;
        }
        answer.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    answer
}

fn connect(house: &House) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", house.port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n";

async fn unready(house: &House) -> String {
    let began = Instant::now();
    loop {
        let (status, body) = house.get("/readyz").await;
        if status == 503 {
            return body;
        }
        assert!(began.elapsed() < PATIENCE, "still ready");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_drain_the_doors_keep_and_readiness_is_gone() {
    let mut house = House::start(draining("1h")).await;
    // One that is kept and idle, one that was asked once, one that never says anything.
    let (mut idle, mut busy, mut mute) = (connect(&house), connect(&house), connect(&house));
    assert!(!ask(&mut idle, HEALTH).contains("connection: close"));
    assert!(!ask(&mut busy, HEALTH).contains("connection: close"));
    house.terminate();
    let why: serde_json::Value = serde_json::from_str(&unready(&house).await).expect("JSON");
    assert_eq!(why["ready"], false);
    assert!(why["reason"].as_str().is_some_and(|why| why.contains("stopping")), "{why}");
    assert_eq!(house.get("/healthz").await.0, 200);

    let call =
        [("leadtype", "call"), ("callphase", "calldisconnected"), ("callerphone", "79990000007")];
    assert_eq!(house.post(&[&call[..], &[("id", "7")]].concat()).await, 200);
    // The answer is the connection's last, and says so.
    let last = ask(&mut busy, HEALTH);
    assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
    assert_eq!(busy.read(&mut [0; 1]).expect("the end"), 0);
    // Nothing is routed, for the loops have ended.
    assert_eq!(house.counts().await.unrouted, 1);
    assert!(house.is_running());

    house.advance(SignedDuration::from_hours(2)).await;
    assert_eq!(house.gone().await, Some(0), "{}", house.log());
    assert_eq!(idle.read(&mut [0; 1]).expect("the end"), 0);
    assert_eq!(mute.read(&mut [0; 1]).unwrap_or(0), 0);
    house.run().await;
    assert_eq!(arrived(&house).await, BTreeSet::from([7]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_drain() {
    let mut house = House::start(draining("1h")).await;
    house.terminate();
    unready(&house).await;
    house.terminate();
    assert_eq!(house.gone().await, Some(0), "{}", house.log());
    assert!(house.whole_log().contains("told again"));
}

/// The door is closing and a sender has connected but its bytes are still on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_connected_is_heard_before_the_doors_close() {
    let mut house = House::start(Plan::default()).await;
    let mut early = connect(&house);
    let mut half = connect(&house);
    let (begin, rest) = HEALTH.split_at(10);
    half.write_all(begin.as_bytes()).expect("half a request");
    house.terminate();
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", house.port)).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the doors do not close");
    }
    assert!(ask(&mut early, HEALTH).starts_with("HTTP/1.1 200"));
    assert!(ask(&mut half, rest).starts_with("HTTP/1.1 200"));
    assert_eq!(house.gone().await, Some(0), "{}", house.log());
}

/// Reads what the daemon tells as the real manager does, all the time: few messages fit into a socket
/// that nobody reads, and the next one waits.
fn listening(manager: UnixDatagram) -> Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read) = manager.recv(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What the daemon told, until something that begins so; waits for it.
fn told(mut next: impl FnMut() -> String, until: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let began = Instant::now();
    while !lines.iter().any(|line: &String| line.starts_with(until)) {
        assert!(began.elapsed() < PATIENCE, "no {until}: {lines:?}");
        lines.extend(next().lines().map(str::to_owned));
    }
    lines
}

fn message(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let read = manager.recv(&mut bytes).expect("a message");
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let heard = listening(manager);
    let told = |until| told(|| heard.recv_timeout(PATIENCE).expect("a message"), until);
    let env = vec![
        set("NOTIFY_SOCKET", path.display().to_string()),
        set("WATCHDOG_USEC", "200000"),
        set("LEADLINK_SERVER__DRAIN", "1h"),
    ];
    let mut house = House::build(Plan { env, ..Plan::default() }).await;
    house.spawn();
    let begin = told("READY=1");
    assert_eq!(house.get("/healthz").await.0, 200);
    assert!(!begin.iter().any(|line| line.starts_with("STOPPING")), "{begin:?}");
    assert!(
        begin.iter().any(|line| line.starts_with("STATUS=accepting on 127.0.0.1:")),
        "{begin:?}"
    );
    for _ in 0..3 {
        told("WATCHDOG=1");
    }
    // `reload` speaks to processes that have signed on.
    let began = Instant::now();
    while house.sql("select owner from replica").await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "no process has signed on:\n{}", house.log());
    }
    let asked = house.command(&["reload"]);
    let answer = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.success(), "{answer}\n{}", house.log());
    let reload = told("RELOADING=1");
    assert!(reload.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{reload:?}");
    told("READY=1");
    house.terminate();
    told("STOPPING=1");
    // It is alive in the drain too.
    for _ in 0..3 {
        told("WATCHDOG=1");
    }
    house.terminate();
    assert_eq!(house.gone().await, Some(0), "{}", house.log());
}

/// A store inside this process that gives no answer in time could be mended by a restart alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_watchdog_hears_nothing_while_the_store_is_silent() {
    use sqlx::{ConnectOptions, Connection};
    if server().is_some() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let env =
        vec![set("NOTIFY_SOCKET", path.display().to_string()), set("WATCHDOG_USEC", "2000000")];
    let house = House::start(Plan { env, ..Plan::default() }).await;
    told(|| message(&manager), "WATCHDOG=1");
    let file = house.dir.path().join("leadlink.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut other = options.connect().await.expect("the database opens");
    sqlx::query("begin immediate").execute(&mut other).await.expect("the lock is had");
    let silent = |times: usize| {
        let began = Instant::now();
        while house.whole_log().matches("the store gives no answer").count() < times {
            assert!(began.elapsed() < PATIENCE, "the watchdog is told all the same");
        }
    };
    silent(1);
    manager.set_nonblocking(true).expect("nonblocking");
    while manager.recv(&mut [0; 4096]).is_ok() {}
    silent(2);
    assert!(manager.recv(&mut [0; 4096]).is_err(), "the watchdog is told all the same");
    manager.set_nonblocking(false).expect("blocking");
    sqlx::query("rollback").execute(&mut other).await.expect("the lock is let go");
    other.close().await.expect("closed");
    told(|| message(&manager), "WATCHDOG=1");
}
