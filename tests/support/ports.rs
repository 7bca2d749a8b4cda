//! Ports for the servers of a test. Invariant: a port belongs to the test that asked for it until its
//! process ends, also while what listens there is down, whatever runs beside it.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// Below the ports that systems give out by themselves, so that nobody takes it before the daemon.
const FIRST: u16 = 11_000;
const PORTS: u16 = 20_000;

/// What says to other processes which ports are ours: names that end with the process.
static HELD: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());

pub fn free_port() -> u16 {
    // Processes begin at places of their own, so that few ask for a port that another one holds.
    let begin = (std::process::id().wrapping_mul(100) % u32::from(PORTS)) as u16;
    let mut all = (0..PORTS).map(|step| FIRST + (begin + step) % PORTS);
    all.find(|port| hold(*port)).expect("a free port")
}

fn hold(port: u16) -> bool {
    let name =
        SocketAddr::from_abstract_name(format!("leadlink-test-port-{port}")).expect("a name");
    let Ok(name) = UnixListener::bind_addr(&name) else { return false };
    // Somebody else may listen there.
    if TcpListener::bind(("127.0.0.1", port)).is_err() {
        return false;
    }
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    true
}

#[test]
fn a_port_is_given_once() {
    let first = free_port();
    assert!(!hold(first), "it is held though nobody listens there");
    assert_ne!(free_port(), first);
}
