//! A folder of its own for each test, and the real binary in it, with nothing in its environment but what a test sets.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::making::asked_to_create;

/// A folder to run commands in.
pub struct Folder {
    sprag: PathBuf,
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command came to.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    /// What it said on standard error, but for the notes, the security log's lines and the stores.
    pub err: String,
    /// The lines of its log that are no more than notes.
    pub notes: String,
    /// The stores it said that it works on.
    pub stores: Vec<String>,
}

/// A folder for that binary.
pub fn an_empty_folder(sprag: impl Into<PathBuf>) -> Folder {
    Folder { sprag: sprag.into(), dir: TempDir::new().unwrap(), environment: Vec::new() }
}

impl Folder {
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn is_empty(&self) -> bool {
        fs::read_dir(self.path(".")).unwrap().next().is_none()
    }

    /// A command, which makes the store where there is none.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.command_as_typed(args);
        command.args(asked_to_create(args));
        command
    }

    /// A command with no more than was typed.
    pub fn command_as_typed(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.sprag);
        command.env_clear();
        self.set_up(command, args)
    }

    /// Another program in the folder, which may run the binary.
    pub fn command_of(&self, program: &str, args: &[&str]) -> Command {
        self.set_up(Command::new(program), args)
    }

    fn set_up(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(self.dir.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Outcome {
        self.run_with("", args)
    }

    pub fn run_with(&self, input: impl AsRef<[u8]>, args: &[&str]) -> Outcome {
        Self::outcome(self.command(args), input)
    }

    /// Runs a command with no more than was typed.
    pub fn run_as_typed(&self, input: impl AsRef<[u8]>, args: &[&str]) -> Outcome {
        Self::outcome(self.command_as_typed(args), input)
    }

    fn outcome(mut command: Command, input: impl AsRef<[u8]>) -> Outcome {
        let mut child = command.spawn().unwrap();
        // A command that reads no input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let (stores, told): (Vec<_>, Vec<_>) =
            told.split_inclusive('\n').partition(|line| line.starts_with("store: "));
        // What the security log says is no complaint, and no note on how the command went.
        let told = told.into_iter().filter(|line| !line.contains(" sprag::security: "));
        let (notes, err) = told.partition(|line| line.contains(" INFO "));
        Outcome {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err,
            notes,
            stores: stores.into_iter().map(|line| line["store: ".len()..].trim_end().to_owned()).collect(),
        }
    }

    /// What a command prints for machines.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(args).succeeds()).unwrap()
    }

    pub fn serve(&self) -> Server {
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
    pub fn succeeds(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Its complaint, where it was refused or failed.
    pub fn fails(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err
    }

    /// Its complaint, where it was not understood.
    pub fn was_misused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{}", self.err);
        self.err
    }
}

/// A server in the same folder.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    /// Has it read again what can be.
    pub fn reads_again(&self) {
        self.is_told(Signal::HUP);
    }

    fn is_told(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, signal).expect("our own process can be signalled");
    }

    /// Stops it in order.
    pub fn stops(mut self) {
        self.is_told(Signal::INT);
        assert!(self.child.wait().unwrap().success());
    }

    pub fn log_in(&self, name: &str, password: &str, device: Option<&str>) -> Value {
        let body = json!({ "username": name, "password": password, "device": device });
        let (status, pair) = self.post("/api/v1/auth/login", &body);
        assert_eq!(status, 200, "{pair}");
        pair
    }

    /// Refreshes with a token pair: the status, and the new pair or the refusal.
    pub fn refresh(&self, pair: &Value) -> (u16, Value) {
        self.post("/api/v1/auth/refresh", &json!({ "refresh_token": pair["refresh_token"] }))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n");
        self.ask(&format!("{head}content-length: {}\r\n", body.len()), &body)
    }

    pub fn ask(&self, head: &str, body: &str) -> (u16, Value) {
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
