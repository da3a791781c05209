//! HTTP/1.1 as a client writes and reads it, by hand: nothing here is the server's own code.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer takes this long; a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often somebody is put off at most, who comes again as often.
const PUT_OFF: u32 = 100;

/// A request as it stands on the wire.
pub struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self::bare("GET", path)
    }

    /// One without a body.
    pub fn bare(method: &str, path: &str) -> Self {
        Self { head: format!("{method} {path} HTTP/1.1\r\nHost: sprag.test\r\n"), body: Vec::new() }
    }

    pub fn post(path: &str, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sprag.test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        Self { head, body }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The head with its empty line, and the body.
    pub fn parts(&self) -> (Vec<u8>, &[u8]) {
        (format!("{}\r\n", self.head).into_bytes(), &self.body)
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut head, body) = self.parts();
        head.extend_from_slice(body);
        head
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A string member of the body; empty where there is none.
    pub fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
}

/// One connection, kept alive.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(request)?;
        self.receive()
    }

    /// Asks again while it is put off: a busy machine answers 503 to whom it finds no time for, and what was asked may
    /// have been done all the same.
    pub fn ask_until_served(&mut self, request: &Request) -> io::Result<Answer> {
        let mut answer = self.ask(request)?;
        for _ in 0..PUT_OFF {
            if answer.status != 503 {
                break;
            }
            answer = self.ask(request)?;
        }
        Ok(answer)
    }

    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        self.write(&request.bytes())
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or_else(|| broken("there is no status line"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("a header has no colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map(str::parse);
        let length = length.transpose().map_err(|_| broken("the length is no number"))?;
        answer.body = vec![0; length.unwrap_or_default()];
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Everything that still comes until the server closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is a close too, if a rude one.
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert!(!is_timeout(&error), "the server did not close the connection");
        }
        rest
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
