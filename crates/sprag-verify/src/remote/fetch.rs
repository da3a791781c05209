//! One request for the keys: no redirects, nothing sent but the request, everything bounded.

use std::error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{HeaderMap, Request, Response, StatusCode, body};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Address;
use crate::keys::MAX_KEY_SET_BYTES;

/// Why the keys could not be had. For the log and for health checks: clients are told only to come back.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection came about.
    Connect(String),
    /// The issuer's certificate was not accepted, or TLS failed otherwise.
    Tls(String),
    /// There was no answer in time.
    Timeout(Duration),
    /// The answer was another than 200; redirects are not followed.
    Status(u16),
    /// The answer was longer than [`MAX_KEY_SET_BYTES`].
    TooLarge,
    /// The answer broke off, or was no HTTP.
    Http(String),
    /// The answer was no set of keys that can be used.
    Keys(crate::SetupError),
    /// What fetched the keys was stopped, as happens when a process ends.
    Stopped,
}

impl FetchError {
    /// The stable name of the reason, for counters.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::Http(_) => "http",
            Self::Keys(_) => "keys",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not fetch the issuer's keys: ")?;
        match self {
            Self::Connect(why) => {
                write!(f, "no connection ({why}); check the address, and whether the issuer runs")
            }
            Self::Tls(why) => write!(f, "no TLS connection ({why}); check the issuer's certificate"),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}; check whether the issuer runs"),
            Self::Status(status @ 300..400) => {
                write!(f, "it answered {status}, and redirects are not followed; give the final address")
            }
            Self::Status(status) => write!(f, "it answered {status}; check the address"),
            Self::TooLarge => write!(f, "the answer is over {MAX_KEY_SET_BYTES} bytes; check the address"),
            Self::Http(why) => {
                write!(f, "the answer broke off ({why}); check what stands between here and the issuer")
            }
            Self::Keys(why) => write!(f, "{why}"),
            Self::Stopped => f.write_str("the runtime stopped it; nothing is to be done"),
        }
    }
}

impl error::Error for FetchError {}

/// How the keys are asked for.
pub(super) struct Fetcher {
    pub(super) address: Address,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
}

/// An answer: its body, and the headers that say how long it may be kept.
pub(super) struct Fetched {
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
}

impl Fetcher {
    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let late = FetchError::Timeout(self.timeout);
        timeout(self.timeout, self.connect_and_ask()).await.unwrap_or(Err(late))
    }

    async fn connect_and_ask(&self) -> Result<Fetched, FetchError> {
        let stream = self.connect().await.map_err(|error| FetchError::Connect(error.to_string()))?;
        let Some(tls) = &self.tls else { return self.ask(TokioIo::new(stream)).await };
        let failed = |error: &dyn error::Error| FetchError::Tls(error.to_string());
        let name = ServerName::try_from(self.address.host.clone()).map_err(|error| failed(&error))?;
        let connected = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        self.ask(TokioIo::new(connected.map_err(|error| failed(&error))?)).await
    }

    /// Connects to the first address that answers. Without TLS only to this machine, whatever its name resolves to.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in lookup_host((self.address.host.as_str(), self.address.port)).await? {
            if !self.address.is_tls && !address.ip().is_loopback() {
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask<T: Read + Write + Send + Unpin + 'static>(&self, stream: T) -> Result<Fetched, FetchError> {
        let broken = |error: hyper::Error| FetchError::Http(error.to_string());
        let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
        // The connection is driven beside the request and dropped with it, however this ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::get(&self.address.path)
            .header(HOST, &self.address.authority)
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .header(USER_AGENT, concat!("sprag-verify/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Http(error.to_string()))?;
        read(sender.send_request(request).await.map_err(broken)?).await
    }
}

async fn read(response: Response<body::Incoming>) -> Result<Fetched, FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let (head, body) = response.into_parts();
    match Limited::new(body, MAX_KEY_SET_BYTES).collect().await {
        Ok(body) => Ok(Fetched { body: body.to_bytes(), headers: head.headers }),
        Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLarge),
        Err(error) => Err(FetchError::Http(error.to_string())),
    }
}
