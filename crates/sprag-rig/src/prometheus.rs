//! Prometheus, which scrapes servers, and promtool, which judges what is written for it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::listener;
use crate::process;
use crate::supervisor::Supervisor;
use crate::tools;

/// How often it scrapes: as often as it can be told to without asking all the time.
const SCRAPE_INTERVAL: &str = "200ms";

/// Prometheus, on a port of 127.0.0.1 of its own, with nothing in it at first.
pub struct Prometheus {
    addr: SocketAddr,
    supervisor: Supervisor,
}

impl Prometheus {
    /// Scrapes these addresses under the job of that name.
    pub fn scraping(job: &str, targets: &[SocketAddr]) -> Self {
        let program = tools::program("prometheus").display().to_string();
        let supervisor = Supervisor::new("KILL");
        let targets: Vec<String> = targets.iter().map(|target| format!("{:?}", target.to_string())).collect();
        let settings = format!(
            "global:\n  scrape_interval: {SCRAPE_INTERVAL}\n  scrape_timeout: {SCRAPE_INTERVAL}\nscrape_configs:\n\
             - job_name: {job}\n  static_configs:\n  - targets: [{}]\n",
            targets.join(", ")
        );
        let settings = supervisor.write("prometheus.yml", &settings).display().to_string();
        let addr = listener::start("Prometheus", &supervisor, |addr| {
            vec![
                program.clone(),
                format!("--config.file={settings}"),
                format!("--storage.tsdb.path={}", supervisor.dir().join("data").display()),
                format!("--web.listen-address={addr}"),
                "--log.level=warn".to_owned(),
            ]
        });
        Self { addr, supervisor }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until that holds, and panics with the end of the log where it does not in a minute.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl FnMut() -> bool) {
        assert!(self.supervisor.running().is_some(), "Prometheus ended:\n{}", self.supervisor.log_tail());
        process::wait_until(what, Duration::from_secs(60), holds);
    }
}

/// What promtool says of a file, or of what is written to it: whether it is content, and why not.
///
/// # Panics
/// Where promtool is not installed.
pub fn promtool(words: &[&str], folder: &Path, input: &str) -> (bool, String) {
    let mut command = tools::command(tools::program("promtool"));
    command.args(words).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("could not start promtool");
    let mut to = child.stdin.take().expect("its input is a pipe");
    // It may have said already what is wrong, and read no further.
    let _ = to.write_all(input.as_bytes());
    drop(to);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
