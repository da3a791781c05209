//! A folder of its own for each test, with a page of its own in it, and the real binary.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A password, and its hash with bcrypt as Python's `passlib` writes it.
pub(crate) const PASSWORD: &str = "secret";
pub(crate) const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

/// A token as other systems make them: 64 random bytes in base64.
pub(crate) const TOKEN: &str =
    "q8Jt3vY0pXw5LmN7kRz1dFh2sGb4cVa6TeUoIyPj9QxZ_WnMrBvKlCfHgDsEaOiu-1234567890abcdefghij";

/// The SHA-256 of [`TOKEN`].
pub(crate) const TOKEN_SHA256: &str = "1de0ce3bd33eee703cae6e22eb4881099ae2f1d1e6077fdf8760a60fee506b09";

const PAGE: &str = r#"id = 1000
about = "A shop that has had a system of its own"
refresh_token = { body = "refreshToken", adopts = true }

[[route]]
on = "POST /login"
does = "login"
takes = { name = "$name", password = "$password" }
gives = { token = "$access_token", refreshToken = "$refresh_token", isAdmin = "$account.is_admin" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { token = "$access_token", refreshToken = "$refresh_token" }

[import.users]
table = "users"
columns = { external_id = "id", username = "username", email = "email?", password_hash = "hashed_password", is_admin = "is_superuser?", name = "full_name?", role = "role?", created_at = "created_at?" }
admin_role = "boss"

[import.sessions]
table = "refresh_tokens"
columns = { user = "user_id", token = "token", expires_at = "expires_at", created_at = "created_at?", ip = "ip?", device = "device?", user_agent = "user_agent?" }
"#;

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

/// A folder with the page and nothing else.
pub(crate) fn a_shop() -> Folder {
    let folder = Folder { dir: TempDir::new().unwrap(), environment: Vec::new() };
    folder.write("shop.toml", PAGE);
    folder.set("SPRAG_PROFILES", "./shop.toml").set("SPRAG_LOG", "error")
}

/// The same with a page whose lines say who is active and what is revoked.
pub(crate) fn a_shop_with_statuses() -> Folder {
    let folder = a_shop();
    let page = PAGE.replace("name = \"full_name?\"", "name = \"full_name?\", is_active = \"is_active\"");
    folder.write("shop.toml", page.replace("ip = \"ip?\"", "is_revoked = \"is_revoked\", ip = \"ip?\""));
    folder
}

/// A line of a user that has all it needs.
pub(crate) fn user(id: u64, username: &str) -> Value {
    json!({ "id": id, "username": username, "hashed_password": HASH })
}

pub(crate) fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
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

    /// The summary of an import, and what it said besides.
    pub(crate) fn import(&self, args: &[&str]) -> (Value, Outcome) {
        self.import_from("", args)
    }

    pub(crate) fn import_from(&self, input: &str, args: &[&str]) -> (Value, Outcome) {
        let args = [args, &["--json"]].concat();
        let outcome = self.run_with(input, &args);
        let summary = serde_json::from_str(&outcome.out);
        (summary.unwrap_or_else(|_| panic!("{args:?}: {}", outcome.err)), outcome)
    }

    /// Imports what must all be taken.
    pub(crate) fn imports_all(&self, args: &[&str]) -> Value {
        let (summary, outcome) = self.import(args);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{summary}");
        assert_eq!((&summary["refused"], &summary["is_complete"]), (&json!(0), &json!(true)), "{summary}");
        summary
    }

    pub(crate) fn users(&self) -> Vec<Value> {
        serde_json::from_str(&self.run(&["user", "list", "--json"]).succeeds()).unwrap()
    }

    /// The user names there are, in order.
    pub(crate) fn usernames(&self) -> Vec<String> {
        let name = |user: &Value| user["username"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = self.users().iter().map(name).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn sessions(&self) -> Vec<Value> {
        serde_json::from_str(&self.run(&["session", "list", "--json"]).succeeds()).unwrap()
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
    pub(crate) fn succeeds(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    pub(crate) fn fails(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (1, ""), "{}", self.err);
        self.err
    }

    pub(crate) fn was_misused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "{}", self.err);
        self.err
    }
}

pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Server {
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (body, host) = (body.to_string(), self.address);
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n"
        );
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}
