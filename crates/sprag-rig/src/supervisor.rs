//! One server below one temporary directory, both gone with the test process.
//!
//! Between the tests and the server stands a small shell (`supervisor.sh`) in a process group of its own, which reads
//! from a pipe the test process holds. Should that process be killed, or end with the server in a static, the pipe
//! closes, and the shell stops the server and removes the directory.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::tools;

const SCRIPT: &str = include_str!("supervisor.sh");
const START: Duration = Duration::from_secs(30);
/// A socket's path has 107 bytes at most; the directory leaves room for the name of the socket.
const MAX_DIRECTORY_BYTES: usize = 80;
const LOG_TAIL_LINES: usize = 40;

/// A directory, and the server that runs in it.
pub(crate) struct Supervisor {
    dir: PathBuf,
    shell: Child,
    inner: Mutex<Inner>,
}

struct Inner {
    orders: Option<ChildStdin>,
    news: Receiver<News>,
    running: Option<u32>,
}

enum News {
    Started(u32),
    Exited,
}

impl Supervisor {
    /// Makes the directory; `signal` is the one that stops the server at once.
    pub(crate) fn new(signal: &str) -> Self {
        let dir = directory();
        let script = dir.join("supervisor");
        fs::write(&script, SCRIPT).expect("could not write the supervisor");
        let mut shell = tools::command("/bin/sh")
            .arg(&script)
            .arg(&dir)
            .arg(signal)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("could not start /bin/sh");
        let orders = shell.stdin.take();
        let news = listen(shell.stdout.take().expect("the shell's output is a pipe"));
        Self { dir, shell, inner: Mutex::new(Inner { orders, news, running: None }) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts a server; its output goes to the log. Answers its process id.
    pub(crate) fn start(&self, words: &[String]) -> u32 {
        let mut inner = self.lock();
        inner.learn();
        assert!(inner.running.is_none(), "{} runs already", words[0]);
        let words: Vec<_> =
            tools::drop_privileges().iter().chain(words).map(|word| shell_word(word)).collect();
        let dir = shell_word(&self.dir.display().to_string());
        let run = format!(
            "cd {dir}\necho \"$$\" >pid\necho \"started $$\"\nexec {} </dev/null >>log 2>&1\n",
            words.join(" ")
        );
        fs::write(self.dir.join("run"), run).expect("could not write what the supervisor runs");
        let orders = inner.orders.as_mut().expect("the supervisor takes orders until it is dropped");
        orders.write_all(b"start\n").expect("the supervisor is gone");
        match inner.news.recv_timeout(START) {
            Ok(News::Started(pid)) => {
                inner.running = Some(pid);
                pid
            }
            _ => panic!("the supervisor did not start {}", words.join(" ")),
        }
    }

    /// The server's process id, while it runs.
    pub(crate) fn running(&self) -> Option<u32> {
        let mut inner = self.lock();
        inner.learn();
        inner.running
    }

    /// Waits until the server has ended.
    pub(crate) fn wait_ended(&self, patience: Duration) {
        let mut inner = self.lock();
        while inner.running.is_some() {
            match inner.news.recv_timeout(patience) {
                Ok(news) => inner.note(news),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the server still ran after {patience:?}; its log ends:\n{}", self.log_tail())
                }
                Err(RecvTimeoutError::Disconnected) => panic!("the supervisor is gone"),
            }
        }
    }

    /// What the server has written.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.dir.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The last lines of it.
    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Writes a file that only the server may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("could not write {}: {error}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        hand_over(&path);
        path
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn learn(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            self.note(news);
        }
    }

    fn note(&mut self, news: News) {
        self.running = match news {
            News::Started(pid) => Some(pid),
            News::Exited => None,
        };
    }
}

impl Drop for Supervisor {
    /// Closes the pipe, and waits until the server and the directory are gone.
    fn drop(&mut self) {
        self.lock().orders = None;
        drop(self.shell.wait());
    }
}

fn directory() -> PathBuf {
    let short = Some(std::env::temp_dir()).filter(|dir| dir.as_os_str().len() <= MAX_DIRECTORY_BYTES);
    let parent = short.unwrap_or_else(|| PathBuf::from("/tmp"));
    let dir = tempfile::Builder::new().prefix("sprag-rig-").tempdir_in(&parent);
    let dir =
        dir.unwrap_or_else(|error| panic!("no temporary directory in {}: {error}", parent.display())).keep();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("the directory is ours");
    hand_over(&dir);
    dir
}

/// Gives a file to the user that the server runs as.
fn hand_over(path: &Path) {
    let Some((user, group)) = tools::unprivileged() else { return };
    chown(path, Some(user), Some(group))
        .unwrap_or_else(|error| panic!("could not hand over {}: {error}", path.display()));
}

fn listen(output: ChildStdout) -> Receiver<News> {
    let (tell, news) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let news = match line.split_once(' ') {
                Some(("started", pid)) => pid.parse().ok().map(News::Started),
                Some(("exited", _)) => Some(News::Exited),
                _ => None,
            };
            if news.is_some_and(|news| tell.send(news).is_err()) {
                return;
            }
        }
    });
    news
}

/// A word as the shell reads it back unchanged.
fn shell_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
