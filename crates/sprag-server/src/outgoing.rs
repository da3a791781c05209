//! Requests to other systems. Each is bounded in time and size, and reaches only whom it may; those of webhooks and hooks are signed.
//!
//! A name is resolved once, each address that it has is judged ([`public_addresses`]), and the connection goes to the address that was
//! judged: a name that resolves to something else a moment later changes nothing. No redirect is followed, no proxy asked, and
//! nothing but public addresses is reached unless a setting names the network.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, body};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sprag::webhook::SigningSecrets;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

mod public_addresses;

/// The largest answer of a webhook or hook that is read, in bytes.
const MAX_REPLY_BYTES: usize = 16 * 1024;

/// What requests say of whom they are from.
const OURSELVES: &str = concat!("sprag/", env!("CARGO_PKG_VERSION"));

/// Sends requests to other systems, signed.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    reach: Reach,
    secrets: SigningSecrets,
}

/// Whom requests may reach, and how it is known that it is them.
#[derive(Clone)]
pub(crate) struct Reach {
    tls: Arc<ClientConfig>,
    networks: Arc<[IpNet]>,
}

/// How long an answer is waited for, and how much of it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) limit: Duration,
    pub(crate) most_bytes: usize,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why there is no answer. It names no more of the URL than its host: there may be a secret in the rest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error("the name {host} cannot be resolved: {source}")]
    Resolve { host: String, source: std::io::Error },
    #[error(
        "{host} is at {address}, which is no public address; where that is meant, name its network in hook-networks"
    )]
    NotPublic { host: String, address: IpAddr },
    #[error(
        "{host} would be spoken to without TLS at {address}; use https, or name its network in hook-networks"
    )]
    Plain { host: String, address: IpAddr },
    #[error("no connection to {host}: {source}")]
    Connect { host: String, source: std::io::Error },
    #[error("no TLS with {host}: {source}")]
    Tls { host: String, source: std::io::Error },
    #[error("{host} does not speak HTTP as it should: {why}")]
    Http { host: String, why: String },
    #[error("the answer of {host} has more than {most_bytes} bytes")]
    TooLarge { host: String, most_bytes: usize },
    #[error("no complete answer of {host} within {} ms", limit.as_millis())]
    TooSlow { host: String, limit: Duration },
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("networks", &self.networks).finish_non_exhaustive()
    }
}

impl Outgoing {
    /// One that signs with these secrets.
    pub(crate) fn new(secrets: SigningSecrets, reach: Reach) -> Self {
        Self { reach, secrets }
    }

    /// Posts JSON under an id, signed as sent at that second. Everything together takes no longer than `limit`.
    ///
    /// # Errors
    /// There is no complete answer.
    pub(crate) async fn post(
        &self,
        url: &Url,
        (id, at_seconds): (&str, i64),
        body: Bytes,
        limit: Duration,
    ) -> Result<Reply, OutgoingError> {
        let request = Request::post(target_of(url))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_seconds)
            .header("webhook-signature", self.secrets.sign(id, at_seconds, &body))
            .body(Full::new(body));
        self.reach.ask(url, request, Bounds { limit, most_bytes: MAX_REPLY_BYTES }).await
    }
}

impl Reach {
    /// Reaches these networks besides public addresses.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(networks: &[IpNet]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), networks: networks.into() })
    }

    /// Gets what is at a URL, unsigned, with one header besides the usual ones.
    ///
    /// # Errors
    /// There is no complete answer.
    pub(crate) async fn get(
        &self,
        url: &Url,
        (name, value): (&'static str, &'static str),
        bounds: Bounds,
    ) -> Result<Reply, OutgoingError> {
        let request = Request::get(target_of(url)).header(name, value).body(Full::default());
        self.ask(url, request, bounds).await
    }

    async fn ask(
        &self,
        url: &Url,
        request: hyper::http::Result<Request<Full<Bytes>>>,
        bounds: Bounds,
    ) -> Result<Reply, OutgoingError> {
        let host = host(url);
        let wrong = |why: String| OutgoingError::Http { host: host.clone(), why };
        let mut request = request.map_err(|error| wrong(error.to_string()))?;
        let named = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
        request.headers_mut().insert(HOST, named.map_err(|error| wrong(error.to_string()))?);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
        let limit = bounds.limit;
        let late = OutgoingError::TooSlow { host: host.clone(), limit };
        let asked = self.connect_and_ask(url, request, bounds.most_bytes);
        timeout(limit, asked).await.unwrap_or(Err(late))
    }

    async fn connect_and_ask(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        most_bytes: usize,
    ) -> Result<Reply, OutgoingError> {
        let host = host(url);
        let stream = self.connect(url).await?;
        if url.scheme() == "http" {
            return ask(&host, TokioIo::new(stream), request, most_bytes).await;
        }
        let failed = |source| OutgoingError::Tls { host: host.clone(), source };
        let name = match url.host() {
            Some(Host::Ipv4(ip)) => ServerName::from(IpAddr::from(ip)),
            Some(Host::Ipv6(ip)) => ServerName::from(IpAddr::from(ip)),
            _ => ServerName::try_from(host.clone()).map_err(|error| failed(std::io::Error::other(error)))?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(failed)?;
        ask(&host, TokioIo::new(stream), request, most_bytes).await
    }

    /// Connects to the first address that may be reached and answers.
    async fn connect(&self, url: &Url) -> Result<TcpStream, OutgoingError> {
        let (host, port) = (host(url), url.port_or_known_default().unwrap_or(443));
        let mut last = None;
        for address in resolve(url, port).await? {
            if let Err(error) = self.may_reach(url, address.ip()) {
                last.get_or_insert(error);
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(source) => last = Some(OutgoingError::Connect { host: host.clone(), source }),
            }
        }
        let nowhere = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        Err(last.unwrap_or_else(|| OutgoingError::Resolve { host, source: nowhere() }))
    }

    fn may_reach(&self, url: &Url, address: IpAddr) -> Result<(), OutgoingError> {
        let address = address.to_canonical();
        if self.networks.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        let host = host(url);
        match (public_addresses::is_public(address), url.scheme()) {
            (false, _) => Err(OutgoingError::NotPublic { host, address }),
            (true, "https") => Ok(()),
            (true, _) => Err(OutgoingError::Plain { host, address }),
        }
    }
}

impl Reply {
    /// Whether what was asked was taken.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A URL as people may see it: without what may be secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}{query}", &url[..Position::AfterPath])
}

/// Reads the URL of another system that is sent requests.
///
/// # Errors
/// It is none; the message does not repeat it, for there may be a secret in it.
pub(crate) fn target(text: &str) -> Result<Url, String> {
    const LIKE: &str = "write it like https://app.example.org/hooks/sprag";
    let url = Url::parse(text).map_err(|_| format!("it is no URL; {LIKE}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(format!("it is no https URL; {LIKE}"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(format!("there is a user name or a # in it; {LIKE}"));
    }
    Ok(url)
}

/// What stands in the first line of a request.
fn target_of(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

async fn resolve(url: &Url, port: u16) -> Result<Vec<SocketAddr>, OutgoingError> {
    match url.host() {
        Some(Host::Ipv4(ip)) => Ok(vec![(ip, port).into()]),
        Some(Host::Ipv6(ip)) => Ok(vec![(ip, port).into()]),
        _ => {
            let host = host(url);
            let found = lookup_host((host.as_str(), port)).await;
            found.map(Iterator::collect).map_err(|source| OutgoingError::Resolve { host, source })
        }
    }
}

async fn ask<T: Read + Write + Send + Unpin + 'static>(
    host: &str,
    stream: T,
    request: Request<Full<Bytes>>,
    most_bytes: usize,
) -> Result<Reply, OutgoingError> {
    let broken = |error: hyper::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        OutgoingError::Http { host: host.to_owned(), why: format!("{error}{cause}") }
    };
    let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
    // The connection is driven beside the request and dropped with it, however this ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response: Response<body::Incoming> = sender.send_request(request).await.map_err(broken)?;
    let (head, body) = response.into_parts();
    match Limited::new(body, most_bytes).collect().await {
        Ok(body) => Ok(Reply { status: head.status.as_u16(), body: body.to_bytes() }),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(OutgoingError::TooLarge { host: host.to_owned(), most_bytes })
        }
        Err(error) => Err(OutgoingError::Http { host: host.to_owned(), why: error.to_string() }),
    }
}

#[cfg(test)]
mod tests;
