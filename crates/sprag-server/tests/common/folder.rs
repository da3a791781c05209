//! A folder of its own for each test, and the real binary in it, with nothing in its environment but what a test sets.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder to run commands in.
pub(crate) struct Folder {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn an_empty_folder() -> Folder {
    Folder { dir: TempDir::new().unwrap(), environment: Vec::new() }
}

impl Folder {
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with("", args)
    }

    pub(crate) fn run_with(&self, input: impl AsRef<[u8]>, args: &[&str]) -> Outcome {
        let mut child = self.command(args).spawn().unwrap();
        // A command that reads no input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a command prints for machines.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args).succeeds()).unwrap()
    }

    pub(crate) fn serve(&self) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0", "--rate-limits", "off"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap());
        let address = screen.lines().find_map(|line| {
            let line = line.unwrap();
            line.trim().strip_prefix("listening")?.trim().strip_prefix("http://")?.parse().ok()
        });
        Server { child, address: address.unwrap() }
    }
}

impl Outcome {
    /// Its output, where it did what was asked and had nothing to complain of.
    pub(crate) fn succeeds(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Its complaint, where it was refused or failed.
    pub(crate) fn fails(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err
    }

    /// Its complaint, where it was not understood.
    pub(crate) fn was_misused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{}", self.err);
        self.err
    }
}

/// A server in the same folder.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n");
        self.ask(&format!("{head}content-length: {}\r\n", body.len()), &body)
    }

    pub(crate) fn ask(&self, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!("{head}host: {}\r\nconnection: close\r\n\r\n{body}", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}
