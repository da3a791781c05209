//! Another system, in Python, that verifies what it is told with PyPI's `standardwebhooks`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::python::{python, script};

const STANDARD_WEBHOOKS: &str = "standardwebhooks==1.0.1";

/// What requests are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Receiver {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python("standardwebhooks", STANDARD_WEBHOOKS));
        command.arg(script("webhook_server.py")).arg(folder.path()).env("WEBHOOK_SECRET", SECRET);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the receiver says no port: {line:?}"));
        Self { child, port, folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/in", self.port)
    }

    /// From now on it answers so: a status, and behind it the body.
    pub(crate) fn answers(&self, answer: &str) {
        fs::write(self.folder.path().join("answer"), answer).unwrap();
    }

    /// From now on it answers what is of that type so.
    pub(crate) fn answers_to(&self, kind: &str, answer: &str) {
        let path = self.folder.path().join(format!("answer-{kind}"));
        // Whole or not at all, for it is read at any moment.
        let unfinished = self.folder.path().join("unfinished");
        fs::write(&unfinished, answer).unwrap();
        fs::rename(unfinished, path).unwrap();
    }

    /// All that it was told and could verify: the id, and the event.
    pub(crate) fn told(&self) -> Vec<(String, Value)> {
        let files = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        let read = files.into_iter().map(|path| {
            let mut told: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            (told["id"].as_str().unwrap().to_owned(), told["event"].take())
        });
        read.collect()
    }

    /// What it was told of that type.
    pub(crate) fn told_of(&self, kind: &str) -> Vec<(String, Value)> {
        self.told().into_iter().filter(|(_, event)| event["type"] == kind).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
