//! Connections: accepting them, bounding them, and letting them finish.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::Service as _;

use super::smuggling::{MAX_HEAD_BYTES, Refused};
use super::{ambiguity, seldom};
use crate::metrics::Metrics;

mod stream;

use stream::Stream;

/// How long a client may take to send a request's head, and how long a connection may stay idle between requests
/// and before the first.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long an HTTP/2 connection may stay open without asking anything; answering pings is not asking.
const IDLE_DEADLINE: Duration = Duration::from_secs(60);

/// The most header fields; more are answered 431.
const MAX_HEADERS: usize = 100;

/// Streams one HTTP/2 connection may have open at once.
const MAX_STREAMS: u32 = 32;

/// Streams a peer may have reset before they were accepted; beyond that it is an attack (CVE-2023-44487).
const MAX_RESET_STREAMS: usize = 20;

/// How long to wait after the system refused a connection, for instance because no file descriptor is left.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many connections may be open at once; one more is closed at once.
    pub connections: usize,
    /// How long requests in flight may take to finish once shutdown has begun.
    pub grace: Duration,
}

/// Serves `router` on `listener` until `shutdown` is ready and what is in flight has finished.
///
/// Returns whether everything finished within the grace period.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: Arc<Metrics>,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
) -> bool {
    let builder = connection_builder();
    let places = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(left_out) = seldom::left_out("accept a connection") {
                        tracing::warn!(%error, left_out, "could not accept a connection; trying again shortly");
                    }
                    tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.connections_refused.inc();
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not turn off Nagle's algorithm; answers may be a little later");
        }
        let router = router.clone();
        let asked = Arc::new(Asked::default());
        let asks = Arc::clone(&asked);
        let refused = Arc::new(Refused::default());
        let stream = Stream::new(stream, Arc::clone(&refused));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let asking = asks.begin();
            let ambiguous = refused.hear().map(ambiguity::answer);
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer));
            request.extensions_mut().insert(Arc::clone(&refused));
            let asked = ambiguous.is_none().then(|| router.clone().call(request.map(Body::new)));
            async move {
                let answer = match (ambiguous, asked) {
                    (None, Some(asked)) => asked.await.unwrap_or_else(|never| match never {}),
                    (ambiguous, _) => ambiguous.unwrap_or_default(),
                };
                drop(asking);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            metrics.connections.inc();
            tokio::select! {
                outcome = connection => if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection broke off");
                },
                () = asked.nothing_for_long() => tracing::debug!("a connection was closed that asked nothing"),
            }
            metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    tokio::time::timeout(bounds.grace, graceful.shutdown()).await.is_ok()
}

/// What a connection has asked. hyper's own deadline begins only once it knows whether it is spoken to in HTTP/1, and
/// in HTTP/2 there is none.
#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    under_way: AtomicU64,
}

/// One request under way; over when it is dropped, answered or not.
struct Asking(Arc<Asked>);

impl Asked {
    fn begin(self: &Arc<Self>) -> Asking {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Asking(Arc::clone(self))
    }

    /// Resolves where no first request has come before the deadline, or none for a while and none is under way.
    async fn nothing_for_long(&self) {
        let mut patience = HEAD_DEADLINE;
        loop {
            let before = self.requests.load(Ordering::Relaxed);
            tokio::time::sleep(patience).await;
            let is_new = self.requests.load(Ordering::Relaxed) != before;
            if !is_new && self.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            patience = IDLE_DEADLINE;
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn connection_builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .keep_alive_interval(HEAD_DEADLINE)
        .keep_alive_timeout(HEAD_DEADLINE);
    builder
}
