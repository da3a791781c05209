//! Connections: accepting them, bounding them, and letting them finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::net::sockopt::set_tcp_user_timeout;
use sprag::audit::Severity;
use sprag::security::Outcome;
use sprag::seldom;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::unconstrained;
use tokio::time::Instant;

use super::ambiguity;
use super::connections::{Connection, Connections};
use super::large_answers::Permit;
use super::served::Served;
use super::smuggling::MAX_HEAD_BYTES;
use crate::metrics::Metrics;

mod outgoing;
mod stream;

pub use super::connections::Bounds;
use outgoing::Outgoing;
use stream::Stream;

/// Streams one HTTP/2 connection may have open at once.
const MAX_STREAMS: u32 = 32;

/// Streams a peer may have reset before they were accepted; beyond that it is an attack (CVE-2023-44487).
const MAX_RESET_STREAMS: usize = 20;

/// How much of a body an HTTP/2 client may send before it is read, on one connection.
const RECEIVE_WINDOW: u32 = 64 * 1024;

/// How much of an answer lies ready to be sent on one HTTP/2 stream.
const SEND_BUFFER: usize = 16 * 1024;

/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// What a header takes beside its name and its value, about.
const HEADER_BYTES: usize = 64;

/// How many connections the system keeps ready for us.
const BACKLOG: u32 = 1024;

/// How much of its answers the system takes for a connection, in bytes; Linux doubles it, for its own needs.
const SYSTEM_BUFFER: u32 = 64 * 1024;

/// How long a client may take nothing of what the system has for it, in milliseconds.
const UNTAKEN_MILLIS: u32 = 8_000;

/// How long to wait after the system refused a connection, for instance because no file descriptor is left.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// How often an address that is taken is tried.
const PAUSE_BETWEEN_BINDS: Duration = Duration::from_millis(25);

/// Listens on an address, with room for connections that come all at once.
///
/// # Errors
/// The address is taken, or not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that has been stopped leaves connections behind that are not quite closed.
    socket.set_reuseaddr(true)?;
    // Connections have both from here. What the system takes of an answer is sent as far as this server can tell, so it
    // takes little; and whoever leaves even that unread is closed like any other.
    socket.set_send_buffer_size(SYSTEM_BUFFER)?;
    set_tcp_user_timeout(&socket, UNTAKEN_MILLIS)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on an address as soon as whoever has it lets it go, or fails after so long.
///
/// # Errors
/// The address is taken all the while, or not this machine's.
pub async fn listen_within(address: SocketAddr, patience: Duration) -> io::Result<TcpListener> {
    let end = Instant::now() + patience;
    let mut is_told = false;
    loop {
        match listen(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                if !is_told {
                    tracing::info!(
                        "{address} is taken; waiting a moment for the server there, which may be stopping"
                    );
                    is_told = true;
                }
                tokio::time::sleep(PAUSE_BETWEEN_BINDS).await;
            }
            outcome => return outcome,
        }
    }
}

/// Serves a router, or more than that, on `listener` until `shutdown` is ready and what is in flight has finished. It says for how long
/// newcomers are served still, if any come.
///
/// Returns whether everything finished within the grace period.
pub async fn serve(
    listener: TcpListener,
    served: impl Into<Served>,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    shutdown: impl Future<Output = Duration>,
) -> bool {
    let (builders, served) = (Arc::new(Builders::default()), served.into());
    let (serving, stops) = watch::channel(());
    let grace = bounds.grace;
    let connections = Connections::new(bounds, Arc::clone(&metrics));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(async { connections.quiet(shutdown.await).await });
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    connections.give_way();
                    if let Some(left_out) = seldom::left_out("accept a connection") {
                        tracing::warn!(%error, left_out, "could not accept a connection; trying again shortly");
                    }
                    tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                    continue;
                }
            },
        };
        let Some(place) = connections.admit(peer.ip()) else {
            metrics.connections_refused.inc();
            let ip = peer.ip().to_string();
            Outcome::named("connection_refused", Severity::Warning, Some(&ip), None).tell_seldom();
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not turn off Nagle's algorithm; answers may be a little later");
        }
        let own = place.connection();
        let stream = Stream::new(stream, Arc::clone(own), connections.unread());
        let service = service(served.clone(), peer, Arc::clone(own));
        let until = Until { graceful: graceful.watcher(), stops: stops.clone() };
        let connection = Arc::clone(&builders).serve(stream, service, until);
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            metrics.connections.inc();
            // Looked at when it has been woken itself, and not whenever something comes.
            let mut over = FuturesUnordered::from_iter([place.connection().over()]);
            tokio::select! {
                biased;
                outcome = connection => if let Err(error) = outcome {
                    tracing::debug!(error, "a connection broke off");
                },
                // Also for a client that keeps its connection busy with what takes no time.
                Some(over) = unconstrained(over.next()) => tracing::debug!(?over, "a connection was closed"),
            }
            metrics.connections.dec();
        });
    }
    drop((listener, serving));
    tokio::select! {
        finished = tokio::time::timeout(grace, graceful.shutdown()) => finished.is_ok(),
        // Whoever is connected and asks nothing is waited for no longer: some do not answer a farewell.
        () = connections.idle() => true,
    }
}

/// What a connection's requests are answered with.
fn service(
    served: Served,
    peer: SocketAddr,
    connection: Arc<Connection>,
) -> impl Service<Request<Incoming>, Response = Response<Outgoing>, Error = Infallible, Future: Send> {
    service_fn(move |mut request: Request<Incoming>| {
        let connection = Arc::clone(&connection);
        let asking = connection.ask(head_bytes(&request));
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
        let ambiguous = connection.refused().hear().map(ambiguity::answer);
        request.extensions_mut().insert(asking.clone());
        let served = served.clone();
        async move {
            // Whoever waits here has nothing made for it yet, which takes far more room than what it has sent.
            connection.room().await;
            let mut answer = match ambiguous {
                None => served.answer(request).await,
                Some(answer) => answer,
            };
            let permit = answer.extensions_mut().remove::<Permit>();
            let answer = Outgoing::of(answer, &connection);
            drop((asking, permit));
            Ok(answer)
        }
    })
}

/// About as much as a request's head takes.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter();
    headers.fold(path, |bytes, (name, value)| bytes + name.as_str().len() + value.len() + HEADER_BYTES)
}

/// How connections are served, by what their clients speak.
///
/// Which it is the framing tells. A builder that reads it from the first bytes itself hands those on as a part of their own,
/// and then twice the room is kept for what each connection sends.
struct Builders {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// How long a connection is served.
struct Until {
    /// What it is at is finished.
    graceful: Watcher,
    /// Nobody has said anything yet who is waited for when this closes.
    stops: watch::Receiver<()>,
}

impl Default for Builders {
    fn default() -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            // It would count the idle time before a head as well.
            .header_read_timeout(None)
            // Of header fields it takes a hundred by itself; told so, it would keep room for them on the heap, for each request anew.
            .max_buf_size(MAX_HEAD_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .initial_stream_window_size(RECEIVE_WINDOW)
            .initial_connection_window_size(RECEIVE_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_INTERVAL);
        Self { http1, http2 }
    }
}

impl Builders {
    /// Serves one connection until its client closes it, or it has been asked to finish.
    async fn serve<S>(self: Arc<Self>, mut stream: Stream, service: S, until: Until) -> Result<(), String>
    where
        S: Service<Request<Incoming>, Response = Response<Outgoing>, Error = Infallible, Future: Send>
            + Send
            + 'static,
    {
        let Until { graceful, mut stops } = until;
        let is_http2 = tokio::select! {
            // Whose bytes are here is answered.
            biased;
            is_http2 = stream.is_http2() => is_http2.map_err(|error| error.to_string())?,
            _ = stops.changed() => return Ok(()),
        };
        let stream = TokioIo::new(stream);
        let served = if is_http2 {
            // Boxed, so that a connection of the other kind takes no room for it.
            Box::pin(graceful.watch(self.http2.serve_connection(stream, service))).await
        } else {
            graceful.watch(self.http1.serve_connection(stream, service)).await
        };
        served.map_err(|error| error.to_string())
    }
}
