//! The load balancers of the guide, with the guide's own files.
//!
//! What a reader copies is what the tests run: only the addresses are replaced, and whatever takes root or writes
//! outside the temporary directory.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::supervisor::Supervisor;
use crate::{listener, tools};

/// Where the guide's balancer listens.
const LISTENS: &str = "127.0.0.1:8080";
/// Where the guide's nodes listen.
const NODES: [&str; 3] = ["127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"];

/// Stands for the balancer's address until that is known.
const MARK: &str = "@listens@";
/// What nginx would keep in directories that only root may write to.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// nginx before a few nodes.
pub struct Nginx {
    addr: SocketAddr,
    supervisor: Supervisor,
}

/// HAProxy before a few nodes.
pub struct Haproxy {
    addr: SocketAddr,
    supervisor: Supervisor,
}

impl Nginx {
    /// Starts nginx with this file, and the nodes in the place of those it names.
    pub fn start(template: &Path, upstreams: &[SocketAddr]) -> Self {
        let program = tools::program("nginx").display().to_string();
        let supervisor = Supervisor::new("TERM");
        let dir = supervisor.dir().display().to_string();
        let text = nginx(&read(template, upstreams), &dir);
        let addr = listener::start("nginx", &supervisor, |addr| {
            let file = supervisor.write("nginx.conf", &listening(&text, addr));
            let words = [
                &program,
                "-e",
                "stderr",
                "-p",
                &dir,
                "-c",
                &file.display().to_string(),
                "-g",
                "daemon off;",
            ];
            words.map(str::to_owned).to_vec()
        });
        Self { addr, supervisor }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has logged so far: its errors.
    pub fn log(&self) -> String {
        self.supervisor.log()
    }
}

impl Haproxy {
    /// Starts HAProxy with this file, and the nodes in the place of those it names.
    pub fn start(template: &Path, upstreams: &[SocketAddr]) -> Self {
        let program = tools::program("haproxy").display().to_string();
        let supervisor = Supervisor::new("TERM");
        let text = haproxy(&read(template, upstreams), &supervisor.dir().display().to_string());
        let addr = listener::start("HAProxy", &supervisor, |addr| {
            let file = supervisor.write("haproxy.cfg", &listening(&text, addr));
            vec![program.clone(), "-db".to_owned(), "-f".to_owned(), file.display().to_string()]
        });
        Self { addr, supervisor }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.supervisor.log()
    }
}

/// The guide's file with the test's nodes in it. Each is needed, as many as the file names.
fn read(template: &Path, upstreams: &[SocketAddr]) -> String {
    let shown = template.display();
    let text = fs::read_to_string(template).unwrap_or_else(|error| panic!("could not read {shown}: {error}"));
    assert!(text.contains(LISTENS), "{shown} does not listen on {LISTENS}");
    let named = NODES.iter().filter(|node| text.contains(**node)).count();
    assert_eq!(named, upstreams.len(), "{shown} names {named} of {NODES:?}, one for each upstream is needed");
    // By way of marks, since a node of the test may have a port that stands in the file.
    let text = text.replace(LISTENS, MARK);
    let marked = NODES.iter().enumerate().fold(text, |text, (index, node)| text.replace(node, &mark(index)));
    upstreams
        .iter()
        .enumerate()
        .fold(marked, |text, (index, upstream)| text.replace(&mark(index), &upstream.to_string()))
}

fn mark(index: usize) -> String {
    format!("@node-{index}@")
}

fn listening(text: &str, addr: SocketAddr) -> String {
    text.replace(MARK, &addr.to_string())
}

/// Without what needs root; everything nginx writes lies in the directory, and its errors go to the log.
fn nginx(text: &str, dir: &str) -> String {
    let mut lines = vec![format!("pid {dir}/nginx.pid;"), "error_log stderr;".to_owned()];
    for line in text.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        let is_place = matches!(first, "user" | "pid" | "daemon" | "error_log" | "access_log");
        if !is_place && !first.ends_with("_temp_path") {
            lines.push(line.to_owned());
        }
        if first == "http" {
            lines.push("access_log off;".to_owned());
            lines.extend(TEMPORARY.map(|kind| format!("{kind}_temp_path {dir}/{kind};")));
        }
    }
    lines.join("\n") + "\n"
}

/// Without what needs root, and with the log on the program's own output.
fn haproxy(text: &str, dir: &str) -> String {
    let mut lines = Vec::new();
    let mut section = "";
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        // A section begins where a line does; what belongs to it is set in.
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            section = words[0];
        }
        match words[..] {
            ["chroot" | "user" | "group" | "uid" | "gid" | "daemon" | "pidfile" | "master-worker", ..]
                if section == "global" => {}
            ["stats", "socket", path, ..] if section == "global" => {
                lines.push(line.replace(path, &format!("{dir}/admin.sock")));
            }
            ["log", "stdout" | "stderr" | "global", ..] => lines.push(line.to_owned()),
            ["log", ..] => lines.push("    log stdout format raw local0 notice".to_owned()),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n") + "\n"
}
