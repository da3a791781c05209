//! One request for the keys: no redirects, nothing sent but the request, everything bounded.

use std::error::Error;
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
use crate::fetch_error::FetchError;
use crate::limits::MAX_KEY_SET_BYTES;

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
        let failed = |error: &dyn Error| FetchError::Tls(error.to_string());
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
