//! A small HTTP/1.1 client for servers on this machine: the demo and `sprag healthy` speak through it.
//!
//! It is for addresses of our own. It has no TLS, follows no redirect and keeps no cookies, and one [`HttpClient`] is one connection
//! with one request at a time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// How long one request may take, from connecting to the last byte of its answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// One keep-alive connection to a server, opened when it is first needed and again when it has closed.
pub(crate) struct HttpClient {
    address: SocketAddr,
    host: HeaderValue,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody can be reached there.
    #[error("could not connect to {address}; see that the server runs and listens there")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The request itself cannot be written.
    #[error("{what} of the request to {address} is not valid HTTP")]
    Request {
        /// Where it was to go.
        address: SocketAddr,
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        source: hyper::http::Error,
    },
    /// The connection broke before the answer was complete; the server may have done what was asked.
    #[error("the connection to {address} broke before the answer was complete")]
    Broke {
        /// Where.
        address: SocketAddr,
        /// How.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The deadline passed; the server may have done what was asked.
    #[error("no complete answer from {address} within {} s", DEADLINE.as_secs())]
    TooSlow {
        /// Where.
        address: SocketAddr,
    },
}

impl HttpClient {
    /// A client of the server at this address; it connects with its first request.
    #[must_use]
    pub(crate) fn to(address: SocketAddr) -> Self {
        let host = HeaderValue::try_from(address.to_string()).expect("an address is visible ASCII");
        Self { address, host, sender: None }
    }

    /// Where the server is.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one request and reads its answer, whatever its status.
    ///
    /// A connection that the server closed meanwhile is opened anew. Once a request is on its way it is not sent a
    /// second time: the server may have done what it asks.
    ///
    /// # Errors
    /// A [`ClientError`] if there is no complete answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Reply, ClientError> {
        let request = self.request(method, path, headers, body)?;
        let address = self.address;
        let answer = tokio::time::timeout(DEADLINE, self.exchange(request)).await;
        let answer = answer.unwrap_or(Err(ClientError::TooSlow { address }));
        if answer.is_err() {
            // What is left of the connection belongs to the request that failed.
            self.sender = None;
        }
        answer
    }

    /// Sends a `GET`, with an access token if there is one.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn read(&mut self, path: &str, bearer: Option<&str>) -> Result<Reply, ClientError> {
        let bearer = bearer.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|value| (AUTHORIZATION.as_str(), value.as_str())).collect();
        self.send(Method::GET, path, &headers, None).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let invalid = |what, source| ClientError::Request { address: self.address, what, source };
        let path: PathAndQuery =
            path.parse().map_err(|error: hyper::http::uri::InvalidUri| invalid("the path", error.into()))?;
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path);
        request.headers_mut().insert(HOST, self.host.clone());
        for (name, value) in headers {
            let name =
                HeaderName::try_from(*name).map_err(|error| invalid("a header's name", error.into()))?;
            let value =
                HeaderValue::try_from(*value).map_err(|error| invalid("a header's value", error.into()))?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }

    async fn exchange(&mut self, mut request: Request<Full<Bytes>>) -> Result<Reply, ClientError> {
        let address = self.address;
        let broke = |source| ClientError::Broke { address, source };
        if let Some(sender) = &mut self.sender
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(response) => return read(response).await.map_err(broke),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broke(error.into_error().into())),
                },
            }
        }
        let sender = self.sender.insert(open(address).await?);
        let response = sender.send_request(request).await.map_err(|error| broke(error.into()))?;
        read(response).await.map_err(broke)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none, or has another form.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    /// The body as text, with what is not UTF-8 replaced.
    #[must_use]
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

async fn open(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let failed = |source| ClientError::Connect { address, source };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Broke { address, source: error.into() })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the client broke off");
        }
    });
    Ok(sender)
}

async fn read(
    response: hyper::Response<hyper::body::Incoming>,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_REPLY_BYTES).collect().await?.to_bytes();
    Ok(Reply { status: head.status.as_u16(), body })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each connection once, keeps it alive in words and closes it in fact.
    async fn fickle_server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 1024];
                let read = stream.read(&mut head).await.unwrap();
                let first = String::from_utf8_lossy(&head[..read]).lines().next().unwrap().to_owned();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{first}", first.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_closed_connection_is_opened_anew() {
        let mut client = HttpClient::to(fickle_server().await);
        for path in ["/one", "/two", "/three"] {
            let reply = client.read(path, None).await.unwrap();
            assert_eq!((reply.status, reply.text().as_ref()), (200, format!("GET {path} HTTP/1.1").as_str()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_header_cannot_smuggle_a_line() {
        let mut client = HttpClient::to(SocketAddr::from(([127, 0, 0, 1], 1)));
        let error = client.send(Method::GET, "/", &[("x", "a\r\nb: c")], None).await.unwrap_err();
        assert!(matches!(error, ClientError::Request { what: "a header's value", .. }), "{error}");
    }

    #[tokio::test]
    async fn nobody_listening_is_said_plainly() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = HttpClient::to(unused).read("/", None).await.unwrap_err();
        assert!(error.to_string().contains("see that the server runs"), "{error}");
    }
}
