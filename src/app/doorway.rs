//! How the doors open and close. Invariant: a connection that the kernel accepted for us is served
//! or left to the next process; only one that says nothing for a while is let go without an answer.
//!
//! Three ways to the address, so that a restart refuses nobody:
//! - a socket handed over by the service manager (`LISTEN_FDS`): it outlives us, what waits in its
//!   queue is answered by the next process;
//! - `server.reuse_port`: the next process binds beside us, each connection goes to one of the two.
//!   What the kernel has queued at our socket dies with it, so at the end no connection may come in
//!   between: our socket turns deaf to new handshakes (the sender's kernel repeats one after a second,
//!   and then finds the other process), those that are half done are given a moment, the queue is
//!   emptied, and the socket is closed;
//! - an address of our own: between two processes connections are refused.

use crate::config::Server;
use crate::desk::address::Peer;
use anyhow::Context;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use socket2::{SockFilter, SockRef};
use std::collections::VecDeque;
use std::future::{Future, IntoFuture, pending};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Connections that wait to be accepted while a process stands still; the kernel cuts it to
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// Who has connected and says nothing is waited for so long when the doors close.
const SILENCE: Duration = Duration::from_secs(2);
/// Handshakes that are half done when our socket turns deaf get so long; a slower one is reset,
/// unless `net.ipv4.tcp_migrate_req` is 1.
const HALF_DONE: Duration = Duration::from_millis(200);
/// What is under way when the doors close gets so long; a request's own time-out is below it.
const LAST: Duration = Duration::from_secs(20);
/// The pause after an accept that failed for want of something (file descriptors, memory).
const BREATH: Duration = Duration::from_millis(100);

/// Drops the first packet of a handshake (SYN without ACK) and lets all others pass: classic BPF over
/// the TCP header, whose byte 13 holds the flags. The sender hears nothing and tries again.
static DEAF: [SockFilter; 5] = [
    SockFilter::new(0x30, 0, 0, 13),       // load byte 13
    SockFilter::new(0x54, 0, 0, 0x12),     // keep SYN and ACK of it
    SockFilter::new(0x15, 0, 1, 0x02),     // SYN alone?
    SockFilter::new(0x06, 0, 0, 0),        // then drop it
    SockFilter::new(0x06, 0, 0, u32::MAX), // else let it pass
];

/// The way to the address, before the store is open.
pub struct Entrance {
    way: Way,
}

enum Way {
    Handed(TcpListener),
    Own(TcpListener),
    /// Bound at the last moment: from then on the kernel sends us connections, though another
    /// process would answer them now.
    Shared(String),
}

impl Entrance {
    /// Takes the socket that was handed over, else binds `server.listen`.
    ///
    /// # Errors
    /// The socket is none to accept on, there are several, or the address cannot be had.
    pub async fn of(server: &Server) -> anyhow::Result<Self> {
        let way = if let Some(listener) = handed_over()? {
            Way::Handed(listener)
        } else if server.reuse_port {
            Way::Shared(server.listen.clone())
        } else {
            Way::Own(bind(&server.listen, false).await?)
        };
        Ok(Self { way })
    }

    /// # Errors
    /// The shared address cannot be had.
    pub async fn open(self) -> anyhow::Result<Doorway> {
        let (listener, heir) = match self.way {
            Way::Handed(listener) => (listener, Heir::Queue),
            Way::Own(listener) => (listener, Heir::None),
            Way::Shared(address) => (bind(&address, true).await?, Heir::Beside),
        };
        let address = listener.local_addr().context("the listener has no address")?;
        Ok(Doorway { listener, heir, address })
    }
}

impl From<TcpListener> for Entrance {
    fn from(listener: TcpListener) -> Self {
        Self { way: Way::Own(listener) }
    }
}

fn handed_over() -> anyhow::Result<Option<TcpListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    // One that nobody accepts on would let connections wait for ever.
    anyhow::ensure!(handed.len() < 2, "{} sockets were handed over, one is taken", handed.len());
    let taken = handed.take_tcp_listener(0).context("what was handed over is no TCP socket")?;
    let Some(listener) = taken else { return Ok(None) };
    listener.set_nonblocking(true).context("the socket that was handed over")?;
    let listener = TcpListener::from_std(listener).context("the socket that was handed over")?;
    tracing::info!("the socket was handed over; `server.listen` is not used");
    Ok(Some(listener))
}

async fn bind(address: &str, shared: bool) -> anyhow::Result<TcpListener> {
    let about = || format!("cannot listen on {address}");
    let mut refused = None;
    for address in lookup_host(address).await.with_context(about)? {
        match listen(address, shared) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = Some(error),
        }
    }
    let none = || io::Error::new(ErrorKind::NotFound, "the name has no address");
    Err(refused.unwrap_or_else(none)).with_context(about)
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Who takes the connections that come after us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heir {
    /// Nobody, or somebody who binds the address anew.
    None,
    /// Whoever is handed the same socket, with all that waits in its queue.
    Queue,
    /// A process that listens on the same address with a socket of its own.
    Beside,
}

/// The open doors' socket.
pub struct Doorway {
    listener: TcpListener,
    heir: Heir,
    address: SocketAddr,
}

impl Doorway {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `closing`; then takes in who stands in the queue, closes the socket, and ends
    /// when everybody has been answered.
    ///
    /// # Errors
    /// None that is known; axum's.
    pub async fn serve(
        self,
        doors: Router,
        closing: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let queue = Queue {
            listener: Some(self.listener),
            heir: self.heir,
            address: self.address,
            last: VecDeque::new(),
            closing: CancellationToken::new(),
            closed: CancellationToken::new(),
            silent: TaskTracker::new(),
        };
        let (begin, closed, silent) =
            (queue.closing.clone(), queue.closed.clone(), queue.silent.clone());
        tokio::spawn(async move {
            closing.await;
            begin.cancel();
        });
        let shut = closed.clone();
        // The server drops who has connected and was not heard yet; so they are heard first.
        let heard = async move {
            shut.cancelled().await;
            silent.close();
            if tokio::time::timeout(SILENCE, silent.wait()).await.is_err() {
                tracing::debug!(connections = silent.len(), "let go: they said nothing");
            }
        };
        let doors = doors.into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(queue, doors).with_graceful_shutdown(heard).into_future();
        let late = async {
            closed.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            served = served => served.context("the doors failed"),
            () = late => {
                tracing::warn!("some connections did not end in time; they are cut");
                Ok(())
            }
        }
    }
}

/// The socket while it is served: accepts, and empties itself at the end.
struct Queue {
    listener: Option<TcpListener>,
    heir: Heir,
    address: SocketAddr,
    /// Who stood in the queue when it was closed.
    last: VecDeque<(Visitor, SocketAddr)>,
    closing: CancellationToken,
    /// The socket is closed and everybody who stood in its queue is inside.
    closed: CancellationToken,
    /// Connections that have not said anything yet.
    silent: TaskTracker,
}

impl Listener for Queue {
    type Io = Visitor;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visitor, SocketAddr) {
        while let Some(listener) = &self.listener {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => None,
                accepted = listener.accept() => Some(accepted),
            };
            match accepted {
                Some(Ok((stream, from))) => return (Visitor::new(stream, &self.silent), from),
                Some(Err(error)) => trouble(&error).await,
                None => self.close().await,
            }
        }
        match self.last.pop_front() {
            Some(visitor) => visitor,
            None => {
                self.closed.cancel();
                pending().await
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Queue {
    /// Ends the socket; who stood in its queue is inside then, unless the queue has an heir.
    async fn close(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        if self.heir == Heir::Queue {
            return;
        }
        if self.heir == Heir::Beside {
            match SockRef::from(&listener).attach_filter(&DEAF) {
                Ok(()) => tokio::time::sleep(HALF_DONE).await,
                Err(error) => tracing::warn!(%error, "a connection may be reset in the hand-over"),
            }
        }
        match listener.into_std() {
            Ok(listener) => self.take_in(&listener),
            Err(error) => tracing::warn!(%error, "the queue of the socket cannot be emptied"),
        }
    }

    /// Asks the kernel itself until its queue is empty: the runtime hears of a connection too late.
    fn take_in(&mut self, listener: &StdListener) {
        loop {
            let accepted = listener.accept().and_then(|(stream, from)| {
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream)?, from))
            });
            match accepted {
                Ok((stream, from)) => {
                    self.last.push_back((Visitor::new(stream, &self.silent), from));
                }
                Err(error) if went_away(&error) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "the queue of the socket cannot be emptied");
                    return;
                }
            }
        }
    }
}

impl Connected<IncomingStream<'_, Queue>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Queue>) -> Self {
        Self(*stream.remote_addr())
    }
}

async fn trouble(error: &io::Error) {
    if !went_away(error) {
        tracing::error!(%error, "a connection cannot be accepted; it is tried again");
        tokio::time::sleep(BREATH).await;
    }
}

/// The other side gave up before it was accepted.
fn went_away(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A connection that is counted as silent until its first byte.
struct Visitor {
    stream: TcpStream,
    silent: Option<TaskTrackerToken>,
}

impl Visitor {
    fn new(stream: TcpStream, silent: &TaskTracker) -> Self {
        Self { stream, silent: Some(silent.token()) }
    }
}

impl AsyncRead for Visitor {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(task, into);
        if read.is_ready() {
            self.silent = None;
        }
        read
    }
}

impl AsyncWrite for Visitor {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
