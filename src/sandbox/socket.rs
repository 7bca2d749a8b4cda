//! A listener whose connections can be cut in the middle of an exchange. Invariant: once a line
//! is cut, not one further byte is written to it; what was done before stays done.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// The switch of one connection, handed to the handlers of its requests.
#[derive(Clone, Default)]
pub struct Line(Arc<AtomicU8>);

impl Line {
    /// The connection ends in order (FIN) instead of the next write.
    pub fn close(&self) {
        self.0.store(CLOSED, Ordering::Release);
    }

    /// The connection is reset (RST) instead of the next write.
    pub fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }
}

/// Accepts connections that carry a [`Line`].
pub struct Listener(pub TcpListener);

/// One accepted connection.
pub struct Socket {
    stream: TcpStream,
    line: Line,
}

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "sandbox: the connection keeps Nagle's delay");
        }
        (Socket { stream, line: Line::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Listener>> for Line {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.io().line.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.line.0.load(Ordering::Acquire) {
            OPEN => Pin::new(&mut self.stream).poll_write(context, bytes),
            CLOSED => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            _ => {
                self.stream.set_zero_linger()?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
