//! A mail server of PyPI's, which keeps each letter as a file.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::python::{python, script};

const SMTP: &str = "aiosmtpd==1.4.6";

/// How letters are taken.
#[derive(Clone, Copy)]
pub(crate) enum Tls<'a> {
    /// By whoever comes.
    Off,
    /// After STARTTLS and a log-in, by the certificate and key in that file.
    Starttls(&'a Path),
    /// By TLS from the beginning, and after a log-in.
    Implicit(&'a Path),
}

/// Who may send by TLS.
pub(crate) const USER: &str = "sprag";
pub(crate) const PASSWORD: &str = "p@ss:word/1";

pub(crate) struct MailServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl MailServer {
    /// One that takes so many seconds for each letter.
    pub(crate) fn start(seconds: &str) -> Self {
        Self::start_with(seconds, Tls::Off)
    }

    pub(crate) fn start_with(seconds: &str, tls: Tls<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python("aiosmtpd", SMTP));
        command.arg(script("mail_server.py")).arg(folder.path()).arg(seconds);
        match tls {
            Tls::Off => {}
            Tls::Starttls(certificate) => drop(command.arg("starttls").arg(certificate)),
            Tls::Implicit(certificate) => drop(command.arg("implicit").arg(certificate)),
        }
        command.env("SMTP_USER", USER).env("SMTP_PASSWORD", PASSWORD);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the mail server says no port: {line:?}"));
        Self { child, port, folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// All that it has taken.
    pub(crate) fn taken(&self) -> Vec<String> {
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

/// What stands in a letter's header.
pub(crate) fn header(letter: &str, name: &str) -> String {
    let start = format!("{}:", name.to_lowercase());
    let line = letter.lines().find(|line| line.to_lowercase().starts_with(&start));
    line.unwrap_or_else(|| panic!("no {name} in {letter}"))[start.len()..].trim().to_owned()
}
