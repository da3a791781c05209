//! Letters over a real mail server: each arrives at least once, under one id, also where the server is killed among them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::SPRAG;
use crate::server::{Home, PASSWORD, await_some};
use crate::wire::Request;

/// How long everything may take in all, on a machine that is busy: a letter that was being sent is due again after a minute.
const PATIENCE: Duration = Duration::from_secs(300);

const SMTP: &str = "aiosmtpd==1.4.6";

/// A mail server of PyPI's, which keeps each letter as a file.
struct MailServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl MailServer {
    /// One that takes so long for each letter.
    fn start(seconds: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/binary/mail_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(folder.path()).arg(seconds).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the mail server says no port: {line:?}"));
        Self { child, port, folder }
    }

    fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// All that it has taken.
    fn taken(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
        whole.map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with the mail server, in the build folder.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smtp_python");
    let python = folder.join("bin/python");
    let has_it = |python: &Path| {
        let status = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !has_it(&python) {
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
        assert!(made.is_ok_and(|made| made.success()), "these tests need python3-venv, or run scripts/test");
        let got = Command::new(&python).args(["-m", "pip", "install", "-q", SMTP]).status();
        assert!(got.is_ok_and(|got| got.success()), "{SMTP} cannot be installed");
    }
    python
}

fn header(letter: &str, name: &str) -> String {
    let start = format!("{}:", name.to_lowercase());
    let line = letter.lines().find(|line| line.to_lowercase().starts_with(&start));
    line.unwrap_or_else(|| panic!("no {name} in {letter}"))[start.len()..].trim().to_owned()
}

fn forget(address: &str) -> Request {
    Request::post("/api/v1/auth/password/forgot", &json!({ "email": address }))
        .header("accept-language", "fr")
}

fn create(home: &Home, name: &str, address: &str) {
    let args = ["user", "create", "--create", "--username", name, "--email", address, "--password-stdin"];
    let ran = home.run(home.command(&args), PASSWORD);
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn a_letter_reaches_a_real_mail_server_with_good_manners() {
    let mail = MailServer::start("0");
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let server = home.start(&["--mail-url", &mail.url(), "--service-name", "Exämple"]);
    assert_eq!(server.ask(&forget("ann@example.org")).status, 202);
    let letter = await_some(|| mail.taken().pop()).expect("it arrives");
    assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&letter, "To"), "ann@example.org");
    assert!(header(&letter, "Message-ID").starts_with('<'), "{letter}");
    assert!(!header(&letter, "Date").is_empty());
    let (text, html) = (letter.find("text/plain").unwrap(), letter.find("text/html").unwrap());
    assert!(text < html, "text first");
    let whole = letter.replace("=\r\n", "").replace("=\n", "");
    assert!(whole.contains("spo_") && whole.contains("Choisir un nouveau mot de passe"), "{letter}");
    let listed = home.run(home.command(&["mail", "list", "--json"]), "");
    assert!(listed.status.success(), "{listed:?}");
    server.stop();
}

#[test]
fn what_a_mail_server_refuses_for_good_is_given_up_told_and_tried_again_where_somebody_asks() {
    let mail = MailServer::start("0");
    let home = Home::new(SPRAG);
    create(&home, "bob", "gone@example.org");
    let server = home.start(&["--mail-url", &mail.url()]);
    assert_eq!(server.ask(&forget("gone@example.org")).status, 202);
    let told = await_some(|| server.log().contains("nobody tries any more").then(|| server.log()));
    let told = told.expect("it is told");
    assert!(told.contains("550") && told.contains("sprag mail retry"), "{told}");
    let listed = home.run(home.command(&["mail", "list"]), "");
    let listed = format!("{listed:?}");
    assert!(listed.contains("given up") && listed.contains("550"), "{listed}");
    let again = home.run(home.command(&["mail", "retry", "--all"]), "");
    assert!(again.status.success(), "{again:?}");
    server.stop();
    let tried = home.run(home.command(&["mail", "test", "ann@example.org", "--mail-url", &mail.url()]), "");
    assert!(tried.status.success(), "{tried:?}");
    let refused =
        home.run(home.command(&["mail", "test", "gone@example.org", "--mail-url", &mail.url()]), "");
    assert!(!refused.status.success() && format!("{refused:?}").contains("550"), "{refused:?}");
}

#[test]
fn killed_in_the_middle_of_a_thousand_letters_none_is_lost_and_each_has_one_id() {
    const LETTERS: usize = 1000;
    let mail = MailServer::start("0.04");
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let flags = ["--mail-url", &mail.url()];
    let server = home.start(&flags);
    let mut connection = server.connect();
    for _ in 0..LETTERS {
        assert_eq!(connection.ask(&forget("ann@example.org")).unwrap().status, 202);
    }
    let before = mail.taken().len();
    assert!(before < LETTERS, "letters wait still");
    server.kill();
    let server = home.start(&flags);
    let begun = Instant::now();
    let taken = loop {
        let taken = mail.taken();
        let ids: BTreeSet<String> = taken.iter().map(|letter| header(letter, "Message-ID")).collect();
        assert!(ids.len() <= LETTERS, "each letter has one id");
        if ids.len() == LETTERS {
            break taken.len();
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {LETTERS} have arrived", ids.len());
        sleep(Duration::from_millis(200));
    };
    eprintln!("{before} before the kill, {taken} in all");
    server.stop();
}
