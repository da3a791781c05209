//! What the real server issues is verified by an API with nothing but its address, as the example shows.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sprag_verify::{Algorithm, Error, Verifier};

#[path = "../../sprag-verify/examples/verify.rs"]
#[expect(dead_code, reason = "its command line is not used here")]
mod example;

const PASSWORD: &str = "a long password for tests";

/// The binary, listening; it is stopped when this is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path, flags: &[&str]) -> Self {
        let mut command = sprag(folder, &["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(flags).stdout(Stdio::piped()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = |line: String| Some(line.trim().strip_prefix("listening")?.trim().to_owned());
        let url = printed.filter_map(url).next().expect("the server listens");
        Self { child, url }
    }

    /// Logs in and returns the access token.
    fn log_in(&self, name: &str) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        let body = serde_json::json!({ "username": name, "password": PASSWORD }).to_string();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: server\r\nConnection: close\r\nContent-Type: application/json";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let pair: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        pair["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; what matters is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with nothing inherited and its data in a folder.
fn sprag(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.env_clear().current_dir(folder).args(args).arg("--data-dir").arg(folder.join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Makes an account, and with the first one the keys, too: so it is given the settings that the server gets.
fn create_user(folder: &Path, name: &str, flags: &[&str]) {
    let mut command = sprag(folder, &["user", "create", "--create", "--username", name, "--password-stdin"]);
    let mut child = command.args(flags).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A server with a user, and that user's access token.
fn scene(flags: &[&str]) -> (tempfile::TempDir, Server, String) {
    let folder = tempfile::tempdir().unwrap();
    create_user(folder.path(), "ann", flags);
    let server = Server::start(folder.path(), flags);
    let token = server.log_in("ann");
    (folder, server, token)
}

#[tokio::test]
async fn an_api_that_knows_the_servers_address_verifies_its_tokens() {
    let (_folder, server, token) = scene(&[]);
    let claims = example::verify(&server.url, &token).await.unwrap();
    assert_eq!(claims.client_id(), "sprag");
    assert_eq!(claims.account(), claims.subject());
    assert_eq!(claims.session().len(), 36);
    assert!(example::verify(&server.url, &token[..token.len() - 4]).await.is_err());
}

#[tokio::test]
async fn a_token_for_another_api_is_refused() {
    let (_folder, server, token) =
        scene(&["--audience", "https://api.example", "--signing-algorithm", "EdDSA"]);
    let builder = || Verifier::builder(&server.url).algorithm(Algorithm::EdDsa);
    let ours = builder().audience("https://api.example").remote().build().unwrap();
    assert_eq!(ours.verify(&token).await.unwrap().client_id(), "sprag");
    let theirs = builder().audience("https://other.example").remote().build().unwrap();
    assert_eq!(theirs.verify(&token).await, Err(Error::Audience));
    let wrong = Verifier::builder(&server.url).audience("https://api.example").remote().build().unwrap();
    assert_eq!(wrong.verify(&token).await, Err(Error::Algorithm));
}
