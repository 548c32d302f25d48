//! The client's byte stream as Pingora sees it.
//!
//! It stands in for Pingora's own TCP stream for four reasons. It bounds the time and size of a
//! whole head and the time of a whole body (`gate`), which Pingora does not. It holds no buffer
//! while nothing moves, which on idle WebSockets is most of what they cost. It writes head
//! and body of an answer in one system call. And it says in words what Pingora answers with a
//! bare status before there is a request.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep_until, timeout};

use super::gate::{Gate, Phase, Refusal};
use crate::clock::{self, Moment};
use crate::limits::Admission;

/// A client's stream over `S`, which is TCP or TLS.
pub struct Downstream<S> {
    inner: S,
    gate: Arc<Gate>,
    /// What was written and not flushed; empty most of the time.
    out: BytesMut,
    /// Bytes of the head that is being read.
    head: usize,
    /// The phase the deadline belongs to.
    phase: Phase,
    deadline: Option<Moment>,
    timer: Option<Pin<Box<Sleep>>>,
    refusing: Option<Refusing>,
    socket: Arc<SocketDigest>,
    descriptor: i32,
    /// Counted until the stream ends, wherever it was taken.
    _admission: Admission,
}

/// Saying no: the answer is written, then what still comes is thrown away for a moment, so that
/// the client reads the answer before it learns that the connection is gone.
struct Refusing {
    left: &'static [u8],
    said: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Downstream<S> {
    pub(super) fn new(inner: S, descriptor: i32, gate: Arc<Gate>, admission: Admission) -> Self {
        let socket = SocketDigest::from_raw_fd(descriptor);
        let _ = socket.peer_addr.set(Some(SocketAddr::Inet(gate.client)));
        Self {
            inner,
            out: BytesMut::new(),
            head: 0,
            phase: Phase::Head,
            deadline: Some(clock::moment() + gate.head_timeout),
            timer: None,
            refusing: None,
            socket: Arc::new(socket),
            descriptor,
            gate,
            _admission: admission,
        }
    }

    fn poll_guarded(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        phase: Phase,
    ) -> Poll<io::Result<()>> {
        if self.refusing.is_some() {
            return self.poll_refuse(cx);
        }
        self.follow(phase);
        if self.phase == Phase::Head && self.head >= self.gate.head_max {
            return self.refuse(Refusal::HeadSize, cx);
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(result) => {
                self.count(buf.filled().len() - before);
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.poll_deadline(cx));
                match self.phase {
                    Phase::Body => self.refuse(Refusal::BodyTime, cx),
                    _ if self.head == 0 => self.refuse(Refusal::Silent, cx),
                    _ => self.refuse(Refusal::HeadTime, cx),
                }
            }
        }
    }

    /// The edge has changed the phase since the last read.
    fn follow(&mut self, phase: Phase) {
        if phase != self.phase {
            self.phase = phase;
            self.head = 0;
            let body = phase == Phase::Body;
            self.deadline = body.then(|| clock::moment() + self.gate.body_timeout);
            self.timer = None;
        }
    }

    fn count(&mut self, read: usize) {
        if read == 0 {
            return;
        }
        if self.phase == Phase::Idle {
            self.phase = Phase::Head;
            self.deadline = Some(clock::moment() + self.gate.head_timeout);
        }
        if self.phase == Phase::Head {
            if self.head == 0 {
                self.gate.head();
            }
            self.head += read;
        }
    }

    /// Ready when the deadline has passed; never without one. The timer is made only for a
    /// client that keeps us waiting.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(cx)
    }

    fn refuse(&mut self, refusal: Refusal, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.refuse(refusal);
        let left = match refusal {
            Refusal::HeadTime => HEAD_TIMEOUT,
            Refusal::HeadSize => HEAD_TOO_LARGE,
            // nobody listens, or the edge answers where it still can
            _ => return Poll::Ready(Err(refused(refusal))),
        };
        self.refusing = Some(Refusing { left, said: false });
        self.deadline = Some(clock::moment() + FAREWELL);
        self.timer = None;
        self.poll_refuse(cx)
    }

    fn poll_refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let refusal = self.gate.refusal().unwrap_or(Refusal::HeadTime);
        let refused = || refused(refusal);
        let Some(refusing) = &mut self.refusing else {
            return Poll::Ready(Err(refused()));
        };
        while !refusing.left.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, refusing.left) {
                Poll::Ready(Ok(n)) if n > 0 => refusing.left = &refusing.left[n..],
                Poll::Ready(_) => return Poll::Ready(Err(refused())),
                Poll::Pending => {
                    ready!(self.poll_deadline(cx));
                    return Poll::Ready(Err(refused()));
                }
            }
        }
        if !refusing.said {
            let _ = ready!(Pin::new(&mut self.inner).poll_shutdown(cx));
            refusing.said = true;
        }
        let mut scratch = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    if self
                        .deadline
                        .is_some_and(|deadline| clock::moment() >= deadline)
                    {
                        return Poll::Ready(Err(refused()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Err(refused())),
                Poll::Pending => {
                    ready!(self.poll_deadline(cx));
                    return Poll::Ready(Err(refused()));
                }
            }
        }
    }

    /// Pingora answers what it cannot parse, and CONNECT, before the edge hears of a request.
    fn reword(&mut self, bare: &[u8]) {
        if self.gate.refusal().is_some() {
            return; // the rest of it
        }
        let (refusal, answer) = if bare.starts_with(b"HTTP/1.1 405") {
            (Refusal::Tunnel, NO_TUNNEL)
        } else {
            (Refusal::Malformed, MALFORMED)
        };
        self.gate.refuse(refusal);
        self.out.extend_from_slice(answer);
    }

    /// A connection that is closed with bytes unread is reset, and the answer with it.
    async fn linger(&mut self) {
        let mut scratch = [0; 4096];
        let read = async {
            while matches!(self.inner.read(&mut scratch).await, Ok(count) if count > 0) {}
        };
        let _ = timeout(FAREWELL, read).await;
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        self.out = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Downstream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.gate.phase() {
            Phase::Open => {
                this.follow(Phase::Open);
                Pin::new(&mut this.inner).poll_read(cx, buf)
            }
            phase => this.poll_guarded(cx, buf, phase),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Downstream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gate.phase() == Phase::Head {
            this.reword(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        if this.out.len() + buf.len() <= WRITE_BUFFER {
            this.out.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        if this.out.is_empty() {
            return Pin::new(&mut this.inner).poll_write(cx, buf);
        }
        // a head that waits, and a long body behind it: both in one call
        let held = this.out.len();
        let both = [io::IoSlice::new(&this.out), io::IoSlice::new(buf)];
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, &both))?;
        if written < held {
            this.out.advance(written);
            ready!(this.poll_drain(cx))?;
            return Pin::new(&mut this.inner).poll_write(cx, buf);
        }
        this.out = BytesMut::new();
        match written - held {
            0 => Pin::new(&mut this.inner).poll_write(cx, buf),
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Downstream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downstream")
            .field("client", &self.gate.client)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Shutdown for Downstream<S> {
    async fn shutdown(&mut self) {
        // it may be gone already, which is what was wanted
        let _ = AsyncWriteExt::shutdown(self).await;
        let reworded = [Refusal::Malformed, Refusal::Tunnel];
        if self
            .gate
            .refusal()
            .is_some_and(|refusal| reworded.contains(&refusal))
        {
            self.linger().await;
        }
    }
}

impl<S> UniqueID for Downstream<S> {
    fn id(&self) -> UniqueIDType {
        self.descriptor
    }
}

impl<S> Ssl for Downstream<S> {}

impl<S> Peek for Downstream<S> {}

impl<S> GetTimingDigest for Downstream<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<S> GetProxyDigest for Downstream<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<S> GetSocketDigest for Downstream<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }
}

fn refused(refusal: Refusal) -> io::Error {
    let (kind, message) = match refusal {
        Refusal::Silent => (io::ErrorKind::TimedOut, "nothing was sent in time"),
        Refusal::HeadTime => (io::ErrorKind::TimedOut, "the head did not come in time"),
        Refusal::HeadSize => (io::ErrorKind::InvalidData, "the head is too long"),
        Refusal::BodyTime => (io::ErrorKind::TimedOut, "the body did not come in time"),
        Refusal::Malformed | Refusal::Tunnel => (io::ErrorKind::InvalidData, "no request"),
    };
    io::Error::new(kind, message)
}

/// An answer with a short body goes out in one call; longer bodies pass by this buffer.
const WRITE_BUFFER: usize = 8 << 10;

/// How long a refused client is listened to, so that it sees the answer.
const FAREWELL: Duration = Duration::from_secs(1);

const HEAD_TIMEOUT: &[u8] = concat!(
    "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n",
    "content-length: 151\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    r#"{"type":"about:blank","title":"Request Timeout","status":408,"code":"head_timeout","#,
    r#""detail":"the request's head did not come in time","retryable":true}"#
)
.as_bytes();

const MALFORMED: &[u8] = concat!(
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n",
    "content-length: 166\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"malformed","#,
    r#""detail":"the request line or a header field is not as RFC 9112 has it","#,
    r#""retryable":false}"#
)
.as_bytes();

const NO_TUNNEL: &[u8] = concat!(
    "HTTP/1.1 405 Method Not Allowed\r\ncontent-type: application/problem+json\r\n",
    "content-length: 146\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    r#"{"type":"about:blank","title":"Method Not Allowed","status":405,"#,
    r#""code":"method_not_allowed","detail":"CONNECT is not forwarded","retryable":false}"#
)
.as_bytes();

const HEAD_TOO_LARGE: &[u8] = concat!(
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n",
    "content-length: 161\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
    r#"{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"#,
    r#""code":"head_too_large","detail":"the request's head is too long","retryable":false}"#
)
.as_bytes();

#[cfg(test)]
mod tests;
