//! One request as a client writes it, and the answer as a client reads it.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde_json::Value;

/// The cookie of our profile.
pub const REFRESH_COOKIE: &str = "__Host-sprag_refresh";

/// A request under construction.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
    from: IpAddr,
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        // Whoever reads numbers sits at the machine itself; nobody else may.
        let from = IpAddr::from(if path == "/metrics" { [127, 0, 0, 1] } else { [192, 0, 2, 1] });
        Self { method, path: path.to_owned(), headers: HeaderMap::new(), body: Vec::new(), from }
    }

    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header beside those of the same name.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header's value");
        self.headers.append(name, value);
        self
    }

    /// Leaves every header of that name out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn cookie(self, name: &str, value: &str) -> Self {
        let before = self.headers.get(COOKIE).map(|value| value.to_str().expect("ASCII").to_owned());
        let pair = format!("{name}={value}");
        let all = before.map_or_else(|| pair.clone(), |before| format!("{before}; {pair}"));
        self.without("cookie").header("cookie", all)
    }

    pub fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = serde_urlencoded::to_string(fields).expect("a form");
        self.text("application/x-www-form-urlencoded", body)
    }

    /// A form in parts, as a browser writes it.
    pub fn multipart(self, fields: &[(&str, &str)]) -> Self {
        let part = |(name, text): &(&str, &str)| {
            format!("--form-cut\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let parts: String = fields.iter().map(part).collect();
        self.text("multipart/form-data; boundary=form-cut", parts + "--form-cut--\r\n")
    }

    pub fn text(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.without("content-type").header("content-type", content_type).bytes(body)
    }

    /// A body that says nothing of its kind.
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = address;
        self
    }

    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn into_request(self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().expect("a path");
        *request.headers_mut() = self.headers;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.from, 40_000)));
        request
    }
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    /// What was asked, for messages.
    pub line: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("answers are UTF-8")
    }

    /// The body as JSON; `null` where there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A member of the body as text; empty where there is none.
    pub fn field(&self, name: &str) -> String {
        match &self.json()[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    pub fn code(&self) -> String {
        self.field("code")
    }

    pub fn cause(&self) -> String {
        self.field("cause")
    }

    pub fn access_token(&self) -> String {
        self.field("access_token")
    }

    /// The refresh token of the answer, in the body or else in the cookie; empty where there is none.
    pub fn refresh_token(&self) -> String {
        let in_body = self.field("refresh_token");
        if in_body.is_empty() { self.cookie(REFRESH_COOKIE).unwrap_or_default() } else { in_body }
    }

    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII"));
        values.collect::<Vec<_>>().join(", ")
    }

    /// All of it but what the request is called, which differs from one to the next.
    pub fn everything(&self) -> String {
        let mut headers = self.headers.clone();
        headers.remove("x-request-id");
        format!("{} {headers:?} {}", self.status, self.text())
    }

    pub fn set_cookies(&self) -> Vec<String> {
        let values = self.headers.get_all("set-cookie").iter();
        values.map(|value| value.to_str().expect("ASCII").to_owned()).collect()
    }

    /// The value that the answer gives to a cookie, if it sets it.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let set = self.set_cookies();
        let pair = set.iter().filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        pair.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next_back()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.line, self.text());
        self
    }

    /// Refused with that status and code, as a problem document that says so.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}: {}", self.line, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.line);
        self
    }

    #[track_caller]
    pub fn because(self, cause: &str) -> Self {
        assert_eq!(self.cause(), cause, "{}: {}", self.line, self.text());
        self
    }

    #[track_caller]
    pub fn is_not_ready(&self, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (503, code));
    }

    /// What holds for every answer, whatever was asked; each call of each story checks it.
    pub fn check(&self) {
        let line = &self.line;
        let carries_token = !self.access_token().is_empty() || !self.set_cookies().is_empty();
        if carries_token {
            assert_eq!(self.header("cache-control"), "no-store", "{line}: a token may not be stored");
        }
        if !self.body.is_empty() {
            assert_eq!(self.header("x-content-type-options"), "nosniff", "{line}");
        }
        if self.status >= 400 {
            assert!(self.set_cookies().is_empty(), "{line}: a refusal leaves cookies alone");
            let is_told = !line.starts_with("HEAD ");
            assert!(!is_told || !self.code().is_empty(), "{line}: a refusal has a code: {}", self.text());
            if is_told && self.header("content-type") == "application/problem+json" {
                assert_eq!(self.field("status"), self.status.to_string(), "{line}");
            }
            assert!(self.access_token().is_empty(), "{line}: a refusal carries no token");
        }
    }
}
