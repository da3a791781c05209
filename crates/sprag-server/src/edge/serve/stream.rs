//! A connection's bytes: refused where they can be read in two ways, and not offered for ever to who reads none.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::edge::connections::Connection;
use crate::edge::smuggling::{Framing, Outlook};

/// How long, and how much of it, what a peer still sends is thrown away behind a refusal. A connection that is closed over
/// bytes nobody has read is reset, and the reset may overtake the answer.
const LINGER_DEADLINE: Duration = Duration::from_secs(1);
const MAX_LINGER_BYTES: usize = 256 * 1024;

/// How much is read at once: what a client has sent ahead lies here until its turn comes, on each connection.
const READ_BYTES: usize = 4096;

/// A connection that looks at what comes and does not wait for ever to send.
pub(super) struct Stream {
    inner: TcpStream,
    framing: Framing,
    /// What the framing has given and nobody has taken yet.
    given: Vec<u8>,
    connection: Arc<Connection>,
    /// How long a peer may leave its answers unread once no buffer takes more of them.
    unread: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
}

/// What is left of the patience with a peer that was refused.
struct Lingering {
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Stream {
    pub(super) fn new(inner: TcpStream, connection: Arc<Connection>, unread: Duration) -> Self {
        let (framing, given) = (Framing::new(Arc::clone(connection.refused())), Vec::new());
        Self { inner, framing, given, connection, unread, stalled: None, lingering: None }
    }

    fn unless_stalled(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = &written {
            self.framing.sent(*outcome.as_ref().unwrap_or(&0));
            self.stalled = None;
            return written;
        }
        let unread = self.unread;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(unread)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read its answers")))
    }

    /// Whether the peer speaks HTTP/2, once its first bytes have come. One that sends none does not.
    ///
    /// # Errors
    /// Nothing can be read.
    pub(super) async fn is_http2(&mut self) -> io::Result<bool> {
        poll_fn(|context| {
            loop {
                if let Some(is_http2) = self.framing.is_http2() {
                    return Poll::Ready(Ok(is_http2));
                }
                if !ready!(self.poll_more(context, &mut ReadBuf::new(&mut [])))? {
                    return Poll::Ready(Ok(false));
                }
            }
        })
        .await
    }

    /// Reads once, has the framing follow, and hands out what it gives, as much as there is room for; `false` where the peer
    /// sends no more.
    fn poll_more(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        ready!(self.connection.poll_room(context));
        let mut read = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut read);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.connection.read(read.filled());
        let kept = &mut self.given;
        self.framing.follow(read.filled(), &mut |given| {
            let here = if kept.is_empty() { given.len().min(buffer.remaining()) } else { 0 };
            buffer.put_slice(&given[..here]);
            kept.extend_from_slice(&given[here..]);
        });
        Poll::Ready(Ok(true))
    }

    /// Hands out what has been given, as much as there is room for.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let here = self.given.len().min(buffer.remaining());
        buffer.put_slice(&self.given[..here]);
        if here == self.given.len() {
            self.given = Vec::new();
        } else {
            self.given.drain(..here);
        }
    }
}

impl Lingering {
    fn begin() -> Self {
        Self { deadline: Box::pin(sleep(LINGER_DEADLINE)), bytes: MAX_LINGER_BYTES }
    }

    /// Throws away what comes until the peer has closed too, or for long enough.
    fn poll(&mut self, inner: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut room = [0; 4096];
        while self.bytes > 0 && self.deadline.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut *inner).poll_read(context, &mut buffer));
            match (read, buffer.filled().len()) {
                (Ok(()), bytes @ 1..) => self.bytes = self.bytes.saturating_sub(bytes),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while self.given.is_empty() {
            match self.framing.outlook() {
                Outlook::Open => {}
                // Whoever writes the answer wakes the connection.
                Outlook::AwaitsAnswer => return Poll::Pending,
                Outlook::Ended => return Poll::Ready(Ok(())),
                Outlook::Flooded => {
                    self.connection.floods();
                    return Poll::Ready(Err(io::Error::other("the peer sends frames that ask for nothing")));
                }
            }
            if !ready!(self.poll_more(context, buffer))? || buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        self.hand_out(buffer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, connection, lingering, .. } = &mut *self;
        if lingering.is_none() {
            ready!(Pin::new(&mut *inner).poll_shutdown(context))?;
        }
        if connection.refused().is_any() {
            ready!(lingering.get_or_insert_with(Lingering::begin).poll(inner, context));
        }
        Poll::Ready(Ok(()))
    }
}
